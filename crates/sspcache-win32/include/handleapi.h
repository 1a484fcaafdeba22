/* Handles: https://learn.microsoft.com/en-us/windows/win32/api/handleapi/ */
#ifndef SSPCACHE_HANDLEAPI_H
#define SSPCACHE_HANDLEAPI_H

#include "sspcache/base.h"

#define INVALID_HANDLE_VALUE ((HANDLE)(INT_PTR)-1)

SSPCACHE_BEGIN
BOOL WINAPI sspcache_CloseHandle(HANDLE handle);
SSPCACHE_END

#define CloseHandle sspcache_CloseHandle

#endif
