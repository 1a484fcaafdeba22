/* Texts in UTF-16 and in bytes: https://learn.microsoft.com/en-us/windows/win32/api/stringapiset/ */
#ifndef SSPCACHE_STRINGAPISET_H
#define SSPCACHE_STRINGAPISET_H

#include "sspcache/base.h"

#define CP_ACP 0
#define CP_OEMCP 1
#define CP_THREAD_ACP 3
#define CP_UTF8 65001

#define MB_PRECOMPOSED 0x1
#define MB_COMPOSITE 0x2
#define MB_USEGLYPHCHARS 0x4
#define MB_ERR_INVALID_CHARS 0x8

#define WC_ERR_INVALID_CHARS 0x80
#define WC_COMPOSITECHECK 0x200
#define WC_NO_BEST_FIT_CHARS 0x400

SSPCACHE_BEGIN
int WINAPI sspcache_MultiByteToWideChar(UINT page, DWORD flags, LPCSTR text, int size, LPWSTR buffer, int room);
int WINAPI sspcache_WideCharToMultiByte(UINT page, DWORD flags, LPCWSTR text, int length, LPSTR buffer, int room,
                                        LPCSTR default_char, LPBOOL used_default);
SSPCACHE_END

#define MultiByteToWideChar sspcache_MultiByteToWideChar
#define WideCharToMultiByte sspcache_WideCharToMultiByte

#endif
