/* The process's heap: https://learn.microsoft.com/en-us/windows/win32/api/heapapi/ */
#ifndef SSPCACHE_HEAPAPI_H
#define SSPCACHE_HEAPAPI_H

#include "sspcache/base.h"

#define HEAP_NO_SERIALIZE 0x1
#define HEAP_GENERATE_EXCEPTIONS 0x4
#define HEAP_ZERO_MEMORY 0x8

SSPCACHE_BEGIN
HANDLE WINAPI sspcache_GetProcessHeap(void);
LPVOID WINAPI sspcache_HeapAlloc(HANDLE heap, DWORD flags, SIZE_T size);
BOOL WINAPI sspcache_HeapFree(HANDLE heap, DWORD flags, LPVOID memory);
SSPCACHE_END

#define GetProcessHeap sspcache_GetProcessHeap
#define HeapAlloc sspcache_HeapAlloc
#define HeapFree sspcache_HeapFree

#endif
