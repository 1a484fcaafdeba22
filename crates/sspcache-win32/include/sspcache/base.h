/*
 * The Win32 types that the headers of the parent folder use, with their documented sizes:
 * https://learn.microsoft.com/en-us/windows/win32/winprog/windows-data-types
 *
 * WCHAR has 16 bits, as on Windows. With -fshort-wchar it is wchar_t, and L"..." is a text of it. Without, it is char16_t: write
 * TEXT("...") or u"...". There L"..." has 32 bits, and the compiler stops where a program passes one.
 */
#ifndef SSPCACHE_BASE_H
#define SSPCACHE_BASE_H

#include <stddef.h>
#include <stdint.h>
#ifndef __cplusplus
#include <uchar.h>
#endif

/*
 * In C a pointer to units of another size is only warned of by some compilers, and the function would read half of the text. C++
 * stops in any case. A program whose own code needs other pointers to pass may define SSPCACHE_ALLOW_INCOMPATIBLE_POINTERS.
 */
#if defined(__GNUC__) && !defined(__cplusplus) && !defined(SSPCACHE_ALLOW_INCOMPATIBLE_POINTERS)
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#endif

/*
 * Marks for functions that don't return, for definitions that may stay unused, and for structures without names, which
 * C++ has only as an extension.
 */
#ifdef __GNUC__
#define SSPCACHE_NORETURN __attribute__((noreturn))
#define SSPCACHE_EXTENSION __extension__
#define SSPCACHE_UNUSED __attribute__((unused))
#else
#define SSPCACHE_UNUSED
#define SSPCACHE_NORETURN
#define SSPCACHE_EXTENSION
#endif

typedef char CHAR;
typedef unsigned char UCHAR;
#if defined(__SIZEOF_WCHAR_T__) && __SIZEOF_WCHAR_T__ == 2
typedef wchar_t WCHAR;
#define SSPCACHE_WIDE_TEXT(text) L##text
#define SSPCACHE_SHORT_WCHAR
#else
typedef char16_t WCHAR;
#define SSPCACHE_WIDE_TEXT(text) u##text
#endif
#define SSPCACHE_WIDE(text) SSPCACHE_WIDE_TEXT(text)
typedef uint8_t BYTE;
typedef uint16_t WORD;
typedef uint32_t DWORD;
typedef int16_t SHORT;
typedef uint16_t USHORT;
typedef int INT;
typedef unsigned int UINT;
typedef int32_t LONG;
typedef uint32_t ULONG;
/* As on Windows: the format of printf is %lld on every system. */
typedef long long LONGLONG;
typedef unsigned long long ULONGLONG;
typedef ULONGLONG ULONG64;
typedef int32_t BOOL;
typedef BYTE BOOLEAN;
typedef intptr_t INT_PTR;
typedef uintptr_t UINT_PTR;
typedef intptr_t LONG_PTR;
typedef uintptr_t ULONG_PTR;
typedef ULONG_PTR DWORD_PTR;
typedef ULONG_PTR SIZE_T;
typedef LONG_PTR SSIZE_T;
typedef LONG HRESULT;
typedef LONG NTSTATUS;
typedef DWORD LCID;

typedef void *PVOID;
typedef void *LPVOID;
typedef const void *LPCVOID;
typedef CHAR *PCHAR;
typedef UCHAR *PUCHAR;
typedef WCHAR *PWCHAR;
typedef BYTE *PBYTE;
typedef BYTE *LPBYTE;
typedef WORD *PWORD;
typedef WORD *LPWORD;
typedef DWORD *PDWORD;
typedef DWORD *LPDWORD;
typedef SHORT *PSHORT;
typedef USHORT *PUSHORT;
typedef INT *PINT;
typedef INT *LPINT;
typedef UINT *PUINT;
typedef LONG *PLONG;
typedef LONG *LPLONG;
typedef ULONG *PULONG;
typedef LONGLONG *PLONGLONG;
typedef ULONGLONG *PULONGLONG;
typedef BOOL *PBOOL;
typedef BOOL *LPBOOL;
typedef BOOLEAN *PBOOLEAN;
typedef ULONG_PTR *PULONG_PTR;
typedef DWORD_PTR *PDWORD_PTR;
typedef SIZE_T *PSIZE_T;

typedef CHAR *PSTR;
typedef CHAR *LPSTR;
typedef const CHAR *PCSTR;
typedef const CHAR *LPCSTR;
typedef WCHAR *PWSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *PCWSTR;
typedef const WCHAR *LPCWSTR;

typedef void *HANDLE;
typedef HANDLE *PHANDLE;
typedef HANDLE *LPHANDLE;
typedef HANDLE HMODULE;
typedef HANDLE HINSTANCE;
typedef HANDLE HLOCAL;
typedef HANDLE HGLOBAL;

#define VOID void
#define CONST const
#ifndef __int64
#define __int64 long long
#endif

/* A 64-bit number, as a whole or in halves. */
typedef union _LARGE_INTEGER {
    SSPCACHE_EXTENSION struct {
        DWORD LowPart;
        LONG HighPart;
    };
    struct {
        DWORD LowPart;
        LONG HighPart;
    } u;
    LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
    SSPCACHE_EXTENSION struct {
        DWORD LowPart;
        DWORD HighPart;
    };
    struct {
        DWORD LowPart;
        DWORD HighPart;
    } u;
    ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

/* Units of 100 nanoseconds since 1601. */
typedef struct _FILETIME {
    DWORD dwLowDateTime;
    DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

typedef struct _SYSTEMTIME {
    WORD wYear;
    WORD wMonth;
    WORD wDayOfWeek;
    WORD wDay;
    WORD wHour;
    WORD wMinute;
    WORD wSecond;
    WORD wMilliseconds;
} SYSTEMTIME, *PSYSTEMTIME, *LPSYSTEMTIME;

/* The functions that take one ignore it. */
typedef struct _SECURITY_ATTRIBUTES {
    DWORD nLength;
    LPVOID lpSecurityDescriptor;
    BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

typedef struct _LUID {
    DWORD LowPart;
    LONG HighPart;
} LUID, *PLUID;

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID, *LPGUID;

/* A constant that each source file defines for itself: no library has it. */
#define SSPCACHE_GUID(name, first, second, third, ...) \
    SSPCACHE_UNUSED static const GUID name = { first, second, third, { __VA_ARGS__ } }

/* Cast it to the type of the function before calling it, as on Windows. */
typedef INT_PTR (*FARPROC)(void);

#define WINAPI
#define WINAPIV
#define APIENTRY WINAPI
#define CALLBACK
#define NTAPI
#ifndef __cdecl
#define __cdecl
#endif
#ifndef __stdcall
#define __stdcall
#endif

#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

#ifdef UNICODE
typedef WCHAR TCHAR, *PTCHAR;
typedef LPCWSTR PCTSTR, LPCTSTR;
typedef LPWSTR PTSTR, LPTSTR;
#define SSPCACHE_TEXT(text) SSPCACHE_WIDE(text)
#else
typedef CHAR TCHAR, *PTCHAR;
typedef LPCSTR PCTSTR, LPCTSTR;
typedef LPSTR PTSTR, LPTSTR;
#define SSPCACHE_TEXT(text) text
#endif
#define TEXT(text) SSPCACHE_TEXT(text)

/* An ordinal or resource number in place of a name. */
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

/* Stops the compiler when a size is not the documented one. */
#define SSPCACHE_SIZE(type, size) SSPCACHE_STATIC_ASSERT(sizeof(type) == (size), #type)

SSPCACHE_SIZE(WCHAR, 2);
SSPCACHE_SIZE(BYTE, 1);
SSPCACHE_SIZE(BOOLEAN, 1);
SSPCACHE_SIZE(WORD, 2);
SSPCACHE_SIZE(USHORT, 2);
SSPCACHE_SIZE(DWORD, 4);
SSPCACHE_SIZE(BOOL, 4);
SSPCACHE_SIZE(INT, 4);
SSPCACHE_SIZE(UINT, 4);
SSPCACHE_SIZE(LONG, 4);
SSPCACHE_SIZE(ULONG, 4);
SSPCACHE_SIZE(HRESULT, 4);
SSPCACHE_SIZE(LONGLONG, 8);
SSPCACHE_SIZE(ULONGLONG, 8);
SSPCACHE_SIZE(LARGE_INTEGER, 8);
SSPCACHE_SIZE(ULARGE_INTEGER, 8);
SSPCACHE_SIZE(FILETIME, 8);
SSPCACHE_SIZE(LUID, 8);
SSPCACHE_SIZE(GUID, 16);
SSPCACHE_SIZE(SYSTEMTIME, 16);
SSPCACHE_SIZE(SECURITY_ATTRIBUTES, 24);
SSPCACHE_SIZE(HMODULE, sizeof(void *));
SSPCACHE_SIZE(FARPROC, sizeof(void *));
SSPCACHE_STATIC_ASSERT(sizeof(void *) == 8, "this library is for 64-bit systems");

#endif
