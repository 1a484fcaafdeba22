/* Waiting, events and critical sections: https://learn.microsoft.com/en-us/windows/win32/api/synchapi/ */
#ifndef SSPCACHE_SYNCHAPI_H
#define SSPCACHE_SYNCHAPI_H

#include "sspcache/base.h"

#define INFINITE 0xFFFFFFFF
#define WAIT_OBJECT_0 0x0
#define WAIT_FAILED ((DWORD)0xFFFFFFFF)
#define MAXIMUM_WAIT_OBJECTS 64

/* Its members are for the functions alone: they keep their lock in LockSemaphore. */
typedef struct _RTL_CRITICAL_SECTION {
    PVOID DebugInfo;
    LONG LockCount;
    LONG RecursionCount;
    HANDLE OwningThread;
    HANDLE LockSemaphore;
    ULONG_PTR SpinCount;
} CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

SSPCACHE_SIZE(CRITICAL_SECTION, 40);

SSPCACHE_BEGIN
void WINAPI sspcache_Sleep(DWORD milliseconds);
DWORD WINAPI sspcache_WaitForSingleObject(HANDLE handle, DWORD milliseconds);
DWORD WINAPI sspcache_WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds);
HANDLE WINAPI sspcache_CreateEventA(LPSECURITY_ATTRIBUTES security, BOOL manual, BOOL is_set, LPCSTR name);
HANDLE WINAPI sspcache_CreateEventW(LPSECURITY_ATTRIBUTES security, BOOL manual, BOOL is_set, LPCWSTR name);
BOOL WINAPI sspcache_SetEvent(HANDLE event);
BOOL WINAPI sspcache_ResetEvent(HANDLE event);
void WINAPI sspcache_InitializeCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI sspcache_InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD spins);
void WINAPI sspcache_EnterCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI sspcache_TryEnterCriticalSection(LPCRITICAL_SECTION section);
void WINAPI sspcache_LeaveCriticalSection(LPCRITICAL_SECTION section);
void WINAPI sspcache_DeleteCriticalSection(LPCRITICAL_SECTION section);
SSPCACHE_END

#define Sleep sspcache_Sleep
#define WaitForSingleObject sspcache_WaitForSingleObject
#define WaitForMultipleObjects sspcache_WaitForMultipleObjects
#define CreateEventA sspcache_CreateEventA
#define CreateEventW sspcache_CreateEventW
#define SetEvent sspcache_SetEvent
#define ResetEvent sspcache_ResetEvent
#define InitializeCriticalSection sspcache_InitializeCriticalSection
#define InitializeCriticalSectionAndSpinCount sspcache_InitializeCriticalSectionAndSpinCount
#define EnterCriticalSection sspcache_EnterCriticalSection
#define TryEnterCriticalSection sspcache_TryEnterCriticalSection
#define LeaveCriticalSection sspcache_LeaveCriticalSection
#define DeleteCriticalSection sspcache_DeleteCriticalSection

#ifdef UNICODE
#define CreateEvent CreateEventW
#else
#define CreateEvent CreateEventA
#endif

#endif
