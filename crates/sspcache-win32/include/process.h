/* Threads as the C library of Windows begins them: https://learn.microsoft.com/en-us/cpp/c-runtime-library/reference/beginthread-beginthreadex */
#ifndef SSPCACHE_PROCESS_H
#define SSPCACHE_PROCESS_H

#include "processthreadsapi.h"

/* Returns the handle that CreateThread gives. */
static inline uintptr_t _beginthreadex(void *security, unsigned stack, unsigned(__stdcall *start)(void *), void *parameter,
                                       unsigned flags, unsigned *id)
{
    return (uintptr_t)CreateThread((LPSECURITY_ATTRIBUTES)security, stack, start, parameter, flags, id);
}

SSPCACHE_NORETURN static inline void _endthreadex(unsigned code)
{
    ExitThread(code);
}

#endif
