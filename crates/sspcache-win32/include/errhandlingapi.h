/* The thread's last error: https://learn.microsoft.com/en-us/windows/win32/api/errhandlingapi/ */
#ifndef SSPCACHE_ERRHANDLINGAPI_H
#define SSPCACHE_ERRHANDLINGAPI_H

#include "sspcache/base.h"

SSPCACHE_BEGIN
DWORD WINAPI sspcache_GetLastError(void);
void WINAPI sspcache_SetLastError(DWORD code);
SSPCACHE_END

#define GetLastError sspcache_GetLastError
#define SetLastError sspcache_SetLastError

#endif
