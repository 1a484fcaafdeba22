/* Types and macros: https://learn.microsoft.com/en-us/windows/win32/winprog/windows-data-types */
#ifndef SSPCACHE_WINDEF_H
#define SSPCACHE_WINDEF_H

#include "sspcache/base.h"

#define MAX_PATH 260

#ifndef IN
#define IN
#endif
#ifndef OUT
#define OUT
#endif
#ifndef OPTIONAL
#define OPTIONAL
#endif

#define LOBYTE(word) ((BYTE)((DWORD_PTR)(word) & 0xFF))
#define HIBYTE(word) ((BYTE)(((DWORD_PTR)(word) >> 8) & 0xFF))
#define LOWORD(word) ((WORD)((DWORD_PTR)(word) & 0xFFFF))
#define HIWORD(word) ((WORD)(((DWORD_PTR)(word) >> 16) & 0xFFFF))
#define MAKEWORD(low, high) ((WORD)(LOBYTE(low) | ((WORD)LOBYTE(high)) << 8))
#define MAKELONG(low, high) ((LONG)(LOWORD(low) | ((DWORD)LOWORD(high)) << 16))

/* In C++ they would break the standard library. */
#if !defined(NOMINMAX) && !defined(__cplusplus)
#ifndef max
#define max(left, right) (((left) > (right)) ? (left) : (right))
#endif
#ifndef min
#define min(left, right) (((left) < (right)) ? (left) : (right))
#endif
#endif

#endif
