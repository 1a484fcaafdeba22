/* The clock with the finest steps: https://learn.microsoft.com/en-us/windows/win32/api/profileapi/ */
#ifndef SSPCACHE_PROFILEAPI_H
#define SSPCACHE_PROFILEAPI_H

#include "sspcache/base.h"

SSPCACHE_BEGIN
BOOL WINAPI sspcache_QueryPerformanceCounter(LARGE_INTEGER *count);
BOOL WINAPI sspcache_QueryPerformanceFrequency(LARGE_INTEGER *frequency);
SSPCACHE_END

#define QueryPerformanceCounter sspcache_QueryPerformanceCounter
#define QueryPerformanceFrequency sspcache_QueryPerformanceFrequency

#endif
