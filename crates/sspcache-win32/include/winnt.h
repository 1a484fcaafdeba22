/* Macros and limits: https://learn.microsoft.com/en-us/windows/win32/api/winnt/ */
#ifndef SSPCACHE_WINNT_H
#define SSPCACHE_WINNT_H

#include "windef.h"
#include "sal.h"

#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define DBG_UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(variable) ((void)(variable))

#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))
#define _ARRAYSIZE(array) ARRAYSIZE(array)
#define FIELD_OFFSET(type, member) ((LONG)offsetof(type, member))
#define CONTAINING_RECORD(address, type, member) ((type *)((PCHAR)(address)-offsetof(type, member)))
#define RTL_NUMBER_OF(array) ARRAYSIZE(array)
#define ANYSIZE_ARRAY 1

#define MAXBYTE 0xFF
#define MAXWORD 0xFFFF
#define MAXDWORD 0xFFFFFFFF
#define MAXSHORT 0x7FFF
#define MAXLONG 0x7FFFFFFF

#endif
