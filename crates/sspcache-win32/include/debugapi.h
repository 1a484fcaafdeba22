/* The debugger: https://learn.microsoft.com/en-us/windows/win32/api/debugapi/ */
#ifndef SSPCACHE_DEBUGAPI_H
#define SSPCACHE_DEBUGAPI_H

#include "sspcache/base.h"

SSPCACHE_BEGIN
BOOL WINAPI sspcache_IsDebuggerPresent(void);
void WINAPI sspcache_OutputDebugStringA(LPCSTR text);
void WINAPI sspcache_OutputDebugStringW(LPCWSTR text);
SSPCACHE_END

#define IsDebuggerPresent sspcache_IsDebuggerPresent
#define OutputDebugStringA sspcache_OutputDebugStringA
#define OutputDebugStringW sspcache_OutputDebugStringW

#ifdef UNICODE
#define OutputDebugString OutputDebugStringW
#else
#define OutputDebugString OutputDebugStringA
#endif

#endif
