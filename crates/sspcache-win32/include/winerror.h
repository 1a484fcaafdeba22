/* The system error codes that the loader gives: https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes */
#ifndef SSPCACHE_WINERROR_H
#define SSPCACHE_WINERROR_H

#define ERROR_SUCCESS 0L
#define ERROR_INVALID_HANDLE 6L
#define ERROR_INVALID_PARAMETER 87L
#define ERROR_INSUFFICIENT_BUFFER 122L
#define ERROR_MOD_NOT_FOUND 126L
#define ERROR_PROC_NOT_FOUND 127L
#define ERROR_INVALID_ORDINAL 182L
#define ERROR_BAD_EXE_FORMAT 193L
#define ERROR_DLL_INIT_FAILED 1114L
#define ERROR_INTERNAL_ERROR 1359L

#endif
