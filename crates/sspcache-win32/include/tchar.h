/*
 * One source for texts of both forms, which _UNICODE chooses here, as UNICODE does for windows.h:
 * https://learn.microsoft.com/en-us/cpp/c-runtime-library/generic-text-mappings
 */
#ifndef SSPCACHE_TCHAR_H
#define SSPCACHE_TCHAR_H

#include <string.h>
#include <strings.h>

#include "sspcache/wide.h"

#ifdef _UNICODE
typedef WCHAR _TCHAR;
#define SSPCACHE_T(text) SSPCACHE_WIDE(text)
#define _tprintf sspcachePrintfW
#define _ftprintf sspcacheFprintfW
#define _vtprintf sspcacheVprintfW
#define _vftprintf sspcacheVfprintfW
#define _sntprintf sspcacheSnprintfW
#define _vsntprintf sspcacheVsnprintfW
#define _putts sspcachePutws
#define _fputts sspcacheFputws
#define _tcslen sspcacheWcslen
#define _tcsnlen sspcacheWcsnlen
#define _tcscmp sspcacheWcscmp
#define _tcsncmp sspcacheWcsncmp
#define _tcsicmp sspcacheWcsicmp
#define _tcsnicmp sspcacheWcsnicmp
#define _tcscpy sspcacheWcscpy
#define _tcsncpy sspcacheWcsncpy
#define _tcscat sspcacheWcscat
#define _tcschr sspcacheWcschr
#define _tcsrchr sspcacheWcsrchr
#define _tcsstr sspcacheWcsstr
#define _tcsdup sspcacheWcsdup
#define _tcstol sspcacheWcstol
#define _tcstoul sspcacheWcstoul
#define _ttoi sspcacheWtoi
#define _tmain wmain
#else
typedef char _TCHAR;
#define SSPCACHE_T(text) text
#define _tprintf sspcachePrintfA
#define _ftprintf sspcacheFprintfA
#define _vtprintf sspcacheVprintfA
#define _vftprintf sspcacheVfprintfA
#define _sntprintf sspcacheSnprintfA
#define _vsntprintf sspcacheVsnprintfA
#define _putts puts
#define _fputts fputs
#define _tcslen strlen
#define _tcsnlen sspcacheStrnlen
#define _tcscmp strcmp
#define _tcsncmp strncmp
#define _tcsicmp strcasecmp
#define _tcsnicmp strncasecmp
#define _tcscpy strcpy
#define _tcsncpy strncpy
#define _tcscat strcat
#define _tcschr strchr
#define _tcsrchr strrchr
#define _tcsstr strstr
#define _tcsdup sspcacheStrdup
#define _tcstol strtol
#define _tcstoul strtoul
#define _ttoi atoi
#define _tmain main
#endif

#define _T(text) SSPCACHE_T(text)
#define _TEXT(text) SSPCACHE_T(text)

#endif
