/* Threads, and the process: https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/ */
#ifndef SSPCACHE_PROCESSTHREADSAPI_H
#define SSPCACHE_PROCESSTHREADSAPI_H

#include "sspcache/base.h"

#define STILL_ACTIVE 0x103
#define CREATE_SUSPENDED 0x4
#define STACK_SIZE_PARAM_IS_A_RESERVATION 0x10000

typedef DWORD(WINAPI *PTHREAD_START_ROUTINE)(LPVOID parameter);
typedef PTHREAD_START_ROUTINE LPTHREAD_START_ROUTINE;

SSPCACHE_BEGIN
HANDLE WINAPI sspcache_CreateThread(LPSECURITY_ATTRIBUTES security, SIZE_T stack, LPTHREAD_START_ROUTINE start, LPVOID parameter,
                                    DWORD flags, LPDWORD id);
DWORD WINAPI sspcache_ResumeThread(HANDLE thread);
BOOL WINAPI sspcache_GetExitCodeThread(HANDLE thread, LPDWORD code);
SSPCACHE_NORETURN void WINAPI sspcache_ExitThread(DWORD code);
SSPCACHE_NORETURN void WINAPI sspcache_ExitProcess(UINT code);
DWORD WINAPI sspcache_GetCurrentThreadId(void);
DWORD WINAPI sspcache_GetCurrentProcessId(void);
SSPCACHE_END

#define CreateThread sspcache_CreateThread
#define ResumeThread sspcache_ResumeThread
#define GetExitCodeThread sspcache_GetExitCodeThread
#define ExitThread sspcache_ExitThread
#define ExitProcess sspcache_ExitProcess
#define GetCurrentThreadId sspcache_GetCurrentThreadId
#define GetCurrentProcessId sspcache_GetCurrentProcessId

#endif
