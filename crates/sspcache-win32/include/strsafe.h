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

#define SSPCACHE_UNIT char
#define SSPCACHE_NAMED(name) name##A
#define SSPCACHE_IS_WIDE 0
#include "sspcache/strsafe_functions.inc"

#define SSPCACHE_UNIT WCHAR
#define SSPCACHE_NAMED(name) name##W
#define SSPCACHE_IS_WIDE 1
#include "sspcache/strsafe_functions.inc"

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
