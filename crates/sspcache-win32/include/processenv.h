/* Environment variables: https://learn.microsoft.com/en-us/windows/win32/api/processenv/ */
#ifndef SSPCACHE_PROCESSENV_H
#define SSPCACHE_PROCESSENV_H

#include "sspcache/base.h"

SSPCACHE_BEGIN
DWORD WINAPI sspcache_GetEnvironmentVariableA(LPCSTR name, LPSTR buffer, DWORD size);
DWORD WINAPI sspcache_GetEnvironmentVariableW(LPCWSTR name, LPWSTR buffer, DWORD size);
BOOL WINAPI sspcache_SetEnvironmentVariableA(LPCSTR name, LPCSTR value);
BOOL WINAPI sspcache_SetEnvironmentVariableW(LPCWSTR name, LPCWSTR value);
SSPCACHE_END

#define GetEnvironmentVariableA sspcache_GetEnvironmentVariableA
#define GetEnvironmentVariableW sspcache_GetEnvironmentVariableW
#define SetEnvironmentVariableA sspcache_SetEnvironmentVariableA
#define SetEnvironmentVariableW sspcache_SetEnvironmentVariableW

#ifdef UNICODE
#define GetEnvironmentVariable GetEnvironmentVariableW
#define SetEnvironmentVariable SetEnvironmentVariableW
#else
#define GetEnvironmentVariable GetEnvironmentVariableA
#define SetEnvironmentVariable SetEnvironmentVariableA
#endif

#endif
