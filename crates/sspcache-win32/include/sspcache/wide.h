/*
 * Functions for texts of WCHAR that the C library has for its own wchar_t alone, which has 32 bits: tchar.h takes them with _UNICODE. With
 * -fshort-wchar they stand behind the C library's names, and names of it that have none here stop the compiler: they would read two
 * characters as one. https://learn.microsoft.com/en-us/cpp/c-runtime-library/string-manipulation-crt
 */
#ifndef SSPCACHE_WIDE_H
#define SSPCACHE_WIDE_H

#ifdef __cplusplus
#include <cstdlib>
#include <cwchar>
#include <string>
#else
#include <stdlib.h>
#include <wchar.h>
#endif

#include <strings.h>

#include "format.h"

static inline size_t sspcacheWcslen(const WCHAR *text)
{
    size_t length = 0;

    while (text[length] != 0)
        length++;
    return length;
}

static inline size_t sspcacheWcsnlen(const WCHAR *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length] != 0)
        length++;
    return length;
}

/* A letter of ASCII as a small one. */
static inline int sspcacheLower(int unit)
{
    return unit >= 'A' && unit <= 'Z' ? unit + ('a' - 'A') : unit;
}

static inline int sspcacheCompare(const WCHAR *left, const WCHAR *right, size_t limit, int ignores_case)
{
    for (; limit > 0; limit--, left++, right++) {
        int first = ignores_case ? sspcacheLower(*left) : *left;
        int second = ignores_case ? sspcacheLower(*right) : *right;

        if (first != second)
            return first < second ? -1 : 1;
        if (first == 0)
            break;
    }
    return 0;
}

static inline int sspcacheWcscmp(const WCHAR *left, const WCHAR *right)
{
    return sspcacheCompare(left, right, (size_t)-1, 0);
}

static inline int sspcacheWcsncmp(const WCHAR *left, const WCHAR *right, size_t limit)
{
    return sspcacheCompare(left, right, limit, 0);
}

static inline int sspcacheWcsicmp(const WCHAR *left, const WCHAR *right)
{
    return sspcacheCompare(left, right, (size_t)-1, 1);
}

static inline int sspcacheWcsnicmp(const WCHAR *left, const WCHAR *right, size_t limit)
{
    return sspcacheCompare(left, right, limit, 1);
}

static inline WCHAR *sspcacheWcscpy(WCHAR *to, const WCHAR *from)
{
    return (WCHAR *)memcpy(to, from, (sspcacheWcslen(from) + 1) * sizeof(WCHAR));
}

static inline WCHAR *sspcacheWcsncpy(WCHAR *to, const WCHAR *from, size_t room)
{
    size_t length = sspcacheWcsnlen(from, room);

    memcpy(to, from, length * sizeof(WCHAR));
    memset(to + length, 0, (room - length) * sizeof(WCHAR));
    return to;
}

static inline WCHAR *sspcacheWcscat(WCHAR *to, const WCHAR *from)
{
    sspcacheWcscpy(to + sspcacheWcslen(to), from);
    return to;
}

static inline WCHAR *sspcacheWcschr(const WCHAR *text, int unit)
{
    for (; *text != (WCHAR)unit; text++)
        if (*text == 0)
            return NULL;
    return (WCHAR *)(ULONG_PTR)text;
}

static inline WCHAR *sspcacheWcsrchr(const WCHAR *text, int unit)
{
    size_t at = sspcacheWcslen(text) + 1;

    while (at-- > 0)
        if (text[at] == (WCHAR)unit)
            return (WCHAR *)(ULONG_PTR)(text + at);
    return NULL;
}

static inline WCHAR *sspcacheWcsstr(const WCHAR *text, const WCHAR *part)
{
    size_t length = sspcacheWcslen(part);

    for (;; text++) {
        if (sspcacheWcsncmp(text, part, length) == 0)
            return (WCHAR *)(ULONG_PTR)text;
        if (*text == 0)
            return NULL;
    }
}

static inline WCHAR *sspcacheWcsdup(const WCHAR *text)
{
    size_t size = (sspcacheWcslen(text) + 1) * sizeof(WCHAR);
    void *copy = malloc(size);

    return copy == NULL ? NULL : (WCHAR *)memcpy(copy, text, size);
}

/* A number as the C library reads it from bytes, with the 32 bits that a long has on Windows. */
static inline long long sspcacheWcstoll(const WCHAR *text, WCHAR **end, int base)
{
    char bytes[128], *last;
    size_t length = 0;
    long long value;

    while (length + 1 < sizeof bytes && text[length] != 0 && text[length] < 128) {
        bytes[length] = (char)text[length];
        length++;
    }
    bytes[length] = 0;
    value = strtoll(bytes, &last, base);
    if (end != NULL)
        *end = (WCHAR *)(ULONG_PTR)(text + (last - bytes));
    return value;
}

static inline LONG sspcacheWcstol(const WCHAR *text, WCHAR **end, int base)
{
    long long value = sspcacheWcstoll(text, end, base);

    return value > INT32_MAX ? INT32_MAX : value < INT32_MIN ? INT32_MIN : (LONG)value;
}

static inline ULONG sspcacheWcstoul(const WCHAR *text, WCHAR **end, int base)
{
    long long value = sspcacheWcstoll(text, end, base);

    return value > UINT32_MAX || value < -(long long)UINT32_MAX ? UINT32_MAX : (ULONG)value;
}

static inline int sspcacheWtoi(const WCHAR *text)
{
    return sspcacheWcstol(text, NULL, 10);
}

/* Formatted output, with Windows' sizes: l is 32 bits. What WCHAR's writes to a file is UTF-8. */
#define SSPCACHE_UNIT char
#define SSPCACHE_NAMED(name) name##A
#define SSPCACHE_IS_WIDE 0
#include "printing.inc"

#define SSPCACHE_UNIT WCHAR
#define SSPCACHE_NAMED(name) name##W
#define SSPCACHE_IS_WIDE 1
#include "printing.inc"

static inline int sspcacheFputws(const WCHAR *text, FILE *file)
{
    static const WCHAR format[] = { '%', 's', 0 };

    return sspcacheFprintfW(file, format, text);
}

static inline int sspcachePutws(const WCHAR *text)
{
    static const WCHAR format[] = { '%', 's', '\n', 0 };

    return sspcacheFprintfW(stdout, format, text);
}

/* Functions that a strict standard, such as -std=c11, hides in the C library. */

static inline size_t sspcacheStrnlen(const char *text, size_t limit)
{
    const void *end = memchr(text, 0, limit);

    return end == NULL ? limit : (size_t)((const char *)end - text);
}

static inline char *sspcacheStrdup(const char *text)
{
    size_t size = strlen(text) + 1;
    void *copy = malloc(size);

    return copy == NULL ? NULL : (char *)memcpy(copy, text, size);
}

/* Names that the C library of Windows has for functions of this one's. */
#ifndef _stricmp
#define _stricmp strcasecmp
#define _strnicmp strncasecmp
#define _strdup sspcacheStrdup
#define _snprintf sspcacheSnprintfA
#define _vsnprintf sspcacheVsnprintfA
#define _countof(array) (sizeof(array) / sizeof((array)[0]))
#endif

/* The arguments of the program in UTF-16, for as long as it runs; null without memory for them. */
static inline WCHAR **sspcacheWideArguments(int count, char **arguments)
{
    WCHAR **wide = (WCHAR **)calloc((size_t)count + 1, sizeof(WCHAR *));
    int at;

    for (at = 0; wide != NULL && at < count; at++) {
        int room = MultiByteToWideChar(CP_UTF8, 0, arguments[at], -1, NULL, 0);

        wide[at] = (WCHAR *)calloc((size_t)room, sizeof(WCHAR));
        if (wide[at] == NULL)
            return NULL;
        MultiByteToWideChar(CP_UTF8, 0, arguments[at], -1, wide[at], room);
    }
    return wide;
}

/* Where a program defines wmain, this defines the main that calls it: int wmain(int argc, WCHAR *argv[]). */
#define wmain                                                    \
    wmain(int, WCHAR **);                                        \
    int main(int count, char **arguments)                        \
    {                                                            \
        WCHAR **wide = sspcacheWideArguments(count, arguments); \
        return wide == NULL ? EXIT_FAILURE : wmain(count, wide); \
    }                                                            \
    int wmain

#ifdef SSPCACHE_SHORT_WCHAR
#define wcslen sspcacheWcslen
#define wcsnlen sspcacheWcsnlen
#define wcscmp sspcacheWcscmp
#define wcsncmp sspcacheWcsncmp
#define _wcsicmp sspcacheWcsicmp
#define _wcsnicmp sspcacheWcsnicmp
#define wcscpy sspcacheWcscpy
#define wcsncpy sspcacheWcsncpy
#define wcscat sspcacheWcscat
#define wcschr sspcacheWcschr
#define wcsrchr sspcacheWcsrchr
#define wcsstr sspcacheWcsstr
#define wcsdup sspcacheWcsdup
#define _wcsdup sspcacheWcsdup
#define wcstol sspcacheWcstol
#define wcstoul sspcacheWcstoul
#define _wtoi sspcacheWtoi
#define wprintf sspcachePrintfW
#define vwprintf sspcacheVprintfW
#define fwprintf sspcacheFprintfW
#define vfwprintf sspcacheVfprintfW
#define swprintf sspcacheSnprintfW
#define vswprintf sspcacheVsnprintfW
#define _snwprintf sspcacheSnprintfW
#define _vsnwprintf sspcacheVsnprintfW
#define fputws sspcacheFputws
#define _putws sspcachePutws
/* The C library's own, which have none here. In C++ the standard library names them, and a program should use none of them. */
#if defined(__cplusplus) && defined(__GLIBCXX__)
namespace std
{
typedef basic_string<wchar_t> wstring
    __attribute__((deprecated("the C++ library's own code takes wchar_t for 32 bits: compile without -fshort-wchar, for u16string")));
}
#elif defined(__GNUC__) && !defined(__cplusplus)
#pragma GCC poison wcsncat wcstok wcsspn wcscspn wcspbrk wcscoll wcsxfrm wcscasecmp wcsncasecmp wcstod wcstof wcstold wcstoll wcstoull
#pragma GCC poison wmemcpy wmemmove wmemset wmemcmp wmemchr mbstowcs wcstombs mbrtowc wcrtomb mbsrtowcs wcsrtombs mbtowc wctomb
#pragma GCC poison wscanf fwscanf swscanf vwscanf vfwscanf vswscanf fgetws wcsftime
#endif
#endif

#endif
