/* A stand-in for the bcryptprimitives.dll that fresh Wine 8 prefixes lack.
 *
 * Rust's standard library imports ProcessPrng from it, so without it no Rust program starts and no
 * Rust DLL loads (error 126). ProcessPrng is documented as filling a buffer with random bytes and
 * always returning TRUE:
 * https://learn.microsoft.com/en-us/windows/win32/seccng/processprng
 * RtlGenRandom (exported as SystemFunction036) gives the same bytes, which Wine has:
 * https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/nf-ntsecapi-rtlgenrandom
 *
 * Only for Wine: Windows and Wine 9 bring their own.
 */
#include <stddef.h>

typedef int BOOL;
typedef unsigned char BOOLEAN;
typedef unsigned char BYTE;
typedef unsigned long ULONG;

__declspec(dllimport) BOOLEAN __stdcall SystemFunction036(void *buffer, ULONG length);

/* RtlGenRandom counts in ULONG, ProcessPrng in SIZE_T. */
static const size_t LARGEST_REQUEST = 0x10000000;

BOOL __stdcall ProcessPrng(BYTE *data, size_t size)
{
    while (size > 0) {
        size_t request = size < LARGEST_REQUEST ? size : LARGEST_REQUEST;
        /* A caller relies on TRUE and never looks: no randomness must end the process. */
        if (!SystemFunction036(data, (ULONG)request))
            __builtin_trap();
        data += request;
        size -= request;
    }
    return 1;
}

/* The entry point of a DLL that needs no C library. */
BOOL __stdcall _DllMainCRTStartup(void *module, ULONG reason, void *reserved)
{
    (void)module;
    (void)reason;
    (void)reserved;
    return 1;
}
