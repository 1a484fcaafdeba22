/*
 * Strings in buffers of a known size: https://learn.microsoft.com/en-us/windows/win32/api/strsafe/
 *
 * The functions whose name has Cch count characters, those with Cb bytes. What doesn't fit is cut, and gives
 * STRSAFE_E_INSUFFICIENT_BUFFER.
 */
#ifndef SSPCACHE_STRSAFE_H
#define SSPCACHE_STRSAFE_H

#include "sspcache/format.h"
#include "winerror.h"

#define STRSAFE_MAX_CCH 2147483647
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007A)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057)
#define STRSAFE_E_END_OF_FILE ((HRESULT)0x80070026)

typedef LPCSTR STRSAFE_LPCSTR;
typedef LPCWSTR STRSAFE_LPCWSTR;
typedef LPSTR STRSAFE_LPSTR;
typedef LPWSTR STRSAFE_LPWSTR;

static inline HRESULT StringCchVPrintfA(char *to, size_t room, LPCSTR format, va_list arguments)
{
    long length;

    if (room == 0 || room > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    length = sspcacheFormat(to, room, 0, format, arguments);
    return length >= 0 && (size_t)length < room ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

static inline HRESULT StringCchPrintfA(char *to, size_t room, LPCSTR format, ...)
{
    va_list arguments;
    HRESULT result;

    va_start(arguments, format);
    result = StringCchVPrintfA(to, room, format, arguments);
    va_end(arguments);
    return result;
}

static inline HRESULT StringCbVPrintfA(char *to, size_t size, LPCSTR format, va_list arguments)
{
    return StringCchVPrintfA(to, size / sizeof(char), format, arguments);
}

static inline HRESULT StringCbPrintfA(char *to, size_t size, LPCSTR format, ...)
{
    va_list arguments;
    HRESULT result;

    va_start(arguments, format);
    result = StringCchVPrintfA(to, size / sizeof(char), format, arguments);
    va_end(arguments);
    return result;
}

/* The length of a text that ends within so many characters, the null included. */
static inline HRESULT StringCchLengthA(LPCSTR text, size_t limit, size_t *length)
{
    size_t at = 0;

    if (length != NULL)
        *length = 0;
    if (text == NULL || limit > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    while (at < limit && text[at] != 0)
        at++;
    if (at == limit)
        return STRSAFE_E_INVALID_PARAMETER;
    if (length != NULL)
        *length = at;
    return S_OK;
}

static inline HRESULT StringCbLengthA(LPCSTR text, size_t limit, size_t *size)
{
    HRESULT result = StringCchLengthA(text, limit / sizeof(char), size);

    if (size != NULL)
        *size *= sizeof(char);
    return result;
}

/* Copies so many characters of a text at most. */
static inline HRESULT StringCchCopyNA(char *to, size_t room, LPCSTR from, size_t count)
{
    size_t at = 0;

    if (room == 0 || room > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    if (count > STRSAFE_MAX_CCH) {
        to[0] = 0;
        return STRSAFE_E_INVALID_PARAMETER;
    }
    for (; at + 1 < room && at < count && from[at] != 0; at++)
        to[at] = from[at];
    to[at] = 0;
    return at == count || from[at] == 0 ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

static inline HRESULT StringCchCopyA(char *to, size_t room, LPCSTR from)
{
    return StringCchCopyNA(to, room, from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCbCopyNA(char *to, size_t size, LPCSTR from, size_t count)
{
    return StringCchCopyNA(to, size / sizeof(char), from, count / sizeof(char));
}

static inline HRESULT StringCbCopyA(char *to, size_t size, LPCSTR from)
{
    return StringCchCopyNA(to, size / sizeof(char), from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCchCatNA(char *to, size_t room, LPCSTR from, size_t count)
{
    size_t length;
    HRESULT result = StringCchLengthA(to, room, &length);

    return FAILED(result) ? result : StringCchCopyNA(to + length, room - length, from, count);
}

static inline HRESULT StringCchCatA(char *to, size_t room, LPCSTR from)
{
    return StringCchCatNA(to, room, from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCbCatNA(char *to, size_t size, LPCSTR from, size_t count)
{
    return StringCchCatNA(to, size / sizeof(char), from, count / sizeof(char));
}

static inline HRESULT StringCbCatA(char *to, size_t size, LPCSTR from)
{
    return StringCchCatNA(to, size / sizeof(char), from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCchVPrintfW(WCHAR *to, size_t room, LPCWSTR format, va_list arguments)
{
    long length;

    if (room == 0 || room > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    length = sspcacheFormat(to, room, 1, format, arguments);
    return length >= 0 && (size_t)length < room ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

static inline HRESULT StringCchPrintfW(WCHAR *to, size_t room, LPCWSTR format, ...)
{
    va_list arguments;
    HRESULT result;

    va_start(arguments, format);
    result = StringCchVPrintfW(to, room, format, arguments);
    va_end(arguments);
    return result;
}

static inline HRESULT StringCbVPrintfW(WCHAR *to, size_t size, LPCWSTR format, va_list arguments)
{
    return StringCchVPrintfW(to, size / sizeof(WCHAR), format, arguments);
}

static inline HRESULT StringCbPrintfW(WCHAR *to, size_t size, LPCWSTR format, ...)
{
    va_list arguments;
    HRESULT result;

    va_start(arguments, format);
    result = StringCchVPrintfW(to, size / sizeof(WCHAR), format, arguments);
    va_end(arguments);
    return result;
}

/* The length of a text that ends within so many characters, the null included. */
static inline HRESULT StringCchLengthW(LPCWSTR text, size_t limit, size_t *length)
{
    size_t at = 0;

    if (length != NULL)
        *length = 0;
    if (text == NULL || limit > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    while (at < limit && text[at] != 0)
        at++;
    if (at == limit)
        return STRSAFE_E_INVALID_PARAMETER;
    if (length != NULL)
        *length = at;
    return S_OK;
}

static inline HRESULT StringCbLengthW(LPCWSTR text, size_t limit, size_t *size)
{
    HRESULT result = StringCchLengthW(text, limit / sizeof(WCHAR), size);

    if (size != NULL)
        *size *= sizeof(WCHAR);
    return result;
}

/* Copies so many characters of a text at most. */
static inline HRESULT StringCchCopyNW(WCHAR *to, size_t room, LPCWSTR from, size_t count)
{
    size_t at = 0;

    if (room == 0 || room > STRSAFE_MAX_CCH)
        return STRSAFE_E_INVALID_PARAMETER;
    if (count > STRSAFE_MAX_CCH) {
        to[0] = 0;
        return STRSAFE_E_INVALID_PARAMETER;
    }
    for (; at + 1 < room && at < count && from[at] != 0; at++)
        to[at] = from[at];
    to[at] = 0;
    return at == count || from[at] == 0 ? S_OK : STRSAFE_E_INSUFFICIENT_BUFFER;
}

static inline HRESULT StringCchCopyW(WCHAR *to, size_t room, LPCWSTR from)
{
    return StringCchCopyNW(to, room, from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCbCopyNW(WCHAR *to, size_t size, LPCWSTR from, size_t count)
{
    return StringCchCopyNW(to, size / sizeof(WCHAR), from, count / sizeof(WCHAR));
}

static inline HRESULT StringCbCopyW(WCHAR *to, size_t size, LPCWSTR from)
{
    return StringCchCopyNW(to, size / sizeof(WCHAR), from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCchCatNW(WCHAR *to, size_t room, LPCWSTR from, size_t count)
{
    size_t length;
    HRESULT result = StringCchLengthW(to, room, &length);

    return FAILED(result) ? result : StringCchCopyNW(to + length, room - length, from, count);
}

static inline HRESULT StringCchCatW(WCHAR *to, size_t room, LPCWSTR from)
{
    return StringCchCatNW(to, room, from, STRSAFE_MAX_CCH);
}

static inline HRESULT StringCbCatNW(WCHAR *to, size_t size, LPCWSTR from, size_t count)
{
    return StringCchCatNW(to, size / sizeof(WCHAR), from, count / sizeof(WCHAR));
}

static inline HRESULT StringCbCatW(WCHAR *to, size_t size, LPCWSTR from)
{
    return StringCchCatNW(to, size / sizeof(WCHAR), from, STRSAFE_MAX_CCH);
}

#ifdef UNICODE
#define StringCchCat StringCchCatW
#define StringCchCatN StringCchCatNW
#define StringCchCopy StringCchCopyW
#define StringCchCopyN StringCchCopyNW
#define StringCchLength StringCchLengthW
#define StringCchPrintf StringCchPrintfW
#define StringCchVPrintf StringCchVPrintfW
#define StringCbCat StringCbCatW
#define StringCbCatN StringCbCatNW
#define StringCbCopy StringCbCopyW
#define StringCbCopyN StringCbCopyNW
#define StringCbLength StringCbLengthW
#define StringCbPrintf StringCbPrintfW
#define StringCbVPrintf StringCbVPrintfW
#else
#define StringCchCat StringCchCatA
#define StringCchCatN StringCchCatNA
#define StringCchCopy StringCchCopyA
#define StringCchCopyN StringCchCopyNA
#define StringCchLength StringCchLengthA
#define StringCchPrintf StringCchPrintfA
#define StringCchVPrintf StringCchVPrintfA
#define StringCbCat StringCbCatA
#define StringCbCatN StringCbCatNA
#define StringCbCopy StringCbCopyA
#define StringCbCopyN StringCbCopyNA
#define StringCbLength StringCbLengthA
#define StringCbPrintf StringCbPrintfA
#define StringCbVPrintf StringCbVPrintfA
#endif

#endif
