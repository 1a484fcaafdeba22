/* Macros, limits, and numbers that threads share: https://learn.microsoft.com/en-us/windows/win32/api/winnt/ */
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

/* Each is a full barrier. The first two return the new number, the others the old one. */

static inline LONG InterlockedIncrement(LONG volatile *number)
{
    return __atomic_add_fetch(number, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedDecrement(LONG volatile *number)
{
    return __atomic_sub_fetch(number, 1, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchange(LONG volatile *number, LONG value)
{
    return __atomic_exchange_n(number, value, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedExchangeAdd(LONG volatile *number, LONG value)
{
    return __atomic_fetch_add(number, value, __ATOMIC_SEQ_CST);
}

static inline LONG InterlockedCompareExchange(LONG volatile *number, LONG value, LONG expected)
{
    __atomic_compare_exchange_n(number, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

#endif
