/*
 * The types of Win32 that the headers beside this folder use, at their documented sizes:
 * https://learn.microsoft.com/en-us/windows/win32/winprog/windows-data-types
 *
 * WCHAR has 16 bits, as on Windows, and is char16_t: TEXT("...") and u"..." give such strings. L"..." does so with
 * -fshort-wchar alone.
 */
#ifndef SSPCACHE_BASE_H
#define SSPCACHE_BASE_H

#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <uchar.h>
#endif

typedef int32_t BOOL;
typedef uint8_t BYTE;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef uint32_t ULONG;
typedef int32_t LONG;
typedef uint32_t UINT;
typedef char CHAR;
typedef char16_t WCHAR;
typedef void *HANDLE;
typedef HANDLE HMODULE;
typedef HANDLE HINSTANCE;
typedef HANDLE HLOCAL;
typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef const CHAR *LPCSTR;
typedef const CHAR *PCSTR;
typedef CHAR *LPSTR;
typedef CHAR *PSTR;
typedef const WCHAR *LPCWSTR;
typedef const WCHAR *PCWSTR;
typedef WCHAR *LPWSTR;
typedef WCHAR *PWSTR;
typedef intptr_t INT_PTR;
typedef uintptr_t UINT_PTR;
typedef uintptr_t ULONG_PTR;

/* C calls a function with parameters through this only after a cast; so do programs for Windows. */
typedef INT_PTR (*FARPROC)(void);

#define WINAPI
#define APIENTRY WINAPI
#define CALLBACK
#define CONST const

/* What the SDK's annotations say of a function that doesn't return. */
#ifdef __GNUC__
#define SSPCACHE_NORETURN __attribute__((noreturn))
#else
#define SSPCACHE_NORETURN
#endif

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

#ifdef UNICODE
typedef WCHAR TCHAR;
typedef LPCWSTR LPCTSTR;
typedef LPWSTR LPTSTR;
#define SSPCACHE_TEXT(text) u##text
#else
typedef CHAR TCHAR;
typedef LPCSTR LPCTSTR;
typedef LPSTR LPTSTR;
#define SSPCACHE_TEXT(text) text
#endif
#define TEXT(text) SSPCACHE_TEXT(text)

/* A handle is a number here, and so an ordinal is one, too. */
#define MAKEINTRESOURCEA(number) ((LPSTR)(ULONG_PTR)(WORD)(number))

#ifdef __cplusplus
#define SSPCACHE_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define SSPCACHE_BEGIN extern "C" {
#define SSPCACHE_END }
#else
#define SSPCACHE_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define SSPCACHE_BEGIN
#define SSPCACHE_END
#endif

SSPCACHE_STATIC_ASSERT(sizeof(WCHAR) == 2, "WCHAR has 16 bits");
SSPCACHE_STATIC_ASSERT(sizeof(BOOL) == 4 && sizeof(DWORD) == 4 && sizeof(ULONG) == 4 && sizeof(LONG) == 4, "32 bits");
SSPCACHE_STATIC_ASSERT(sizeof(HMODULE) == sizeof(void *) && sizeof(FARPROC) == sizeof(void *), "handles are pointers");
SSPCACHE_STATIC_ASSERT(sizeof(void *) == 8, "this library is for 64-bit systems");

#endif
