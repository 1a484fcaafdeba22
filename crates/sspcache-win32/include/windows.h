/* What a program means by <windows.h>, as far as this library has it. */
#ifndef SSPCACHE_WINDOWS_H
#define SSPCACHE_WINDOWS_H

#include "sspcache/base.h"

#include "errhandlingapi.h"
#include "libloaderapi.h"
#include "winerror.h"

SSPCACHE_BEGIN
int WINAPI sspcache_lstrcmpiA(LPCSTR left, LPCSTR right);
int WINAPI sspcache_lstrcmpiW(LPCWSTR left, LPCWSTR right);
SSPCACHE_END

#define lstrcmpiA sspcache_lstrcmpiA
#define lstrcmpiW sspcache_lstrcmpiW
#ifdef UNICODE
#define lstrcmpi lstrcmpiW
#else
#define lstrcmpi lstrcmpiA
#endif

#endif
