/* Time: https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/ */
#ifndef SSPCACHE_SYSINFOAPI_H
#define SSPCACHE_SYSINFOAPI_H

#include "sspcache/base.h"

SSPCACHE_BEGIN
DWORD WINAPI sspcache_GetTickCount(void);
ULONGLONG WINAPI sspcache_GetTickCount64(void);
void WINAPI sspcache_GetSystemTimeAsFileTime(LPFILETIME time);
void WINAPI sspcache_GetLocalTime(LPSYSTEMTIME time);
void WINAPI sspcache_GetSystemTime(LPSYSTEMTIME time);
SSPCACHE_END

#define GetTickCount sspcache_GetTickCount
#define GetTickCount64 sspcache_GetTickCount64
#define GetSystemTimeAsFileTime sspcache_GetSystemTimeAsFileTime
#define GetLocalTime sspcache_GetLocalTime
#define GetSystemTime sspcache_GetSystemTime

#endif
