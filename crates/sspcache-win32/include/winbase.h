/* Module folders, message texts, names, strings, memory: https://learn.microsoft.com/en-us/windows/win32/api/winbase/ */
#ifndef SSPCACHE_WINBASE_H
#define SSPCACHE_WINBASE_H

#include <stdarg.h>
#include <string.h>

#include "sspcache/base.h"

#define FORMAT_MESSAGE_ALLOCATE_BUFFER 0x100
#define FORMAT_MESSAGE_IGNORE_INSERTS 0x200
#define FORMAT_MESSAGE_FROM_STRING 0x400
#define FORMAT_MESSAGE_FROM_HMODULE 0x800
#define FORMAT_MESSAGE_FROM_SYSTEM 0x1000
#define FORMAT_MESSAGE_ARGUMENT_ARRAY 0x2000
#define FORMAT_MESSAGE_MAX_WIDTH_MASK 0xFF

/* The languages of FormatMessage: every text here is English. */
#define LANG_NEUTRAL 0x00
#define LANG_ENGLISH 0x09
#define SUBLANG_NEUTRAL 0x00
#define SUBLANG_DEFAULT 0x01
#define SUBLANG_ENGLISH_US 0x01
#define MAKELANGID(primary, sub) ((((WORD)(sub)) << 10) | (WORD)(primary))

/* Memory never moves: LMEM_MOVEABLE is as LMEM_FIXED, and a handle is its memory. */
#define LMEM_FIXED 0x0
#define LMEM_MOVEABLE 0x2
#define LMEM_ZEROINIT 0x40
#define LPTR 0x40
#define GMEM_FIXED 0x0
#define GMEM_MOVEABLE 0x2
#define GMEM_ZEROINIT 0x40
#define GPTR 0x40

#define MAX_COMPUTERNAME_LENGTH 15

SSPCACHE_BEGIN
DWORD WINAPI sspcache_FormatMessageA(DWORD flags, LPCVOID source, DWORD code, DWORD language, LPSTR buffer, DWORD size,
                                     va_list *arguments);
DWORD WINAPI sspcache_FormatMessageW(DWORD flags, LPCVOID source, DWORD code, DWORD language, LPWSTR buffer, DWORD size,
                                     va_list *arguments);
HLOCAL WINAPI sspcache_LocalFree(HLOCAL memory);
DWORD WINAPI sspcache_GetDllDirectoryA(DWORD size, LPSTR buffer);
DWORD WINAPI sspcache_GetDllDirectoryW(DWORD size, LPWSTR buffer);
BOOL WINAPI sspcache_SetDllDirectoryA(LPCSTR folder);
BOOL WINAPI sspcache_SetDllDirectoryW(LPCWSTR folder);
HLOCAL WINAPI sspcache_LocalAlloc(UINT flags, SIZE_T size);
HGLOBAL WINAPI sspcache_GlobalAlloc(UINT flags, SIZE_T size);
HGLOBAL WINAPI sspcache_GlobalFree(HGLOBAL memory);
BOOL WINAPI sspcache_GetComputerNameA(LPSTR buffer, LPDWORD size);
BOOL WINAPI sspcache_GetComputerNameW(LPWSTR buffer, LPDWORD size);
BOOL WINAPI sspcache_GetUserNameA(LPSTR buffer, LPDWORD size);
BOOL WINAPI sspcache_GetUserNameW(LPWSTR buffer, LPDWORD size);
int WINAPI sspcache_lstrcmpA(LPCSTR left, LPCSTR right);
int WINAPI sspcache_lstrcmpW(LPCWSTR left, LPCWSTR right);
int WINAPI sspcache_lstrlenA(LPCSTR text);
int WINAPI sspcache_lstrlenW(LPCWSTR text);
int WINAPI sspcache_lstrcmpiA(LPCSTR left, LPCSTR right);
int WINAPI sspcache_lstrcmpiW(LPCWSTR left, LPCWSTR right);
SSPCACHE_END

#define FormatMessageA sspcache_FormatMessageA
#define FormatMessageW sspcache_FormatMessageW
#define LocalFree sspcache_LocalFree
#define GetDllDirectoryA sspcache_GetDllDirectoryA
#define GetDllDirectoryW sspcache_GetDllDirectoryW
#define SetDllDirectoryA sspcache_SetDllDirectoryA
#define SetDllDirectoryW sspcache_SetDllDirectoryW
#define LocalAlloc sspcache_LocalAlloc
#define GlobalAlloc sspcache_GlobalAlloc
#define GlobalFree sspcache_GlobalFree
#define GetComputerNameA sspcache_GetComputerNameA
#define GetComputerNameW sspcache_GetComputerNameW
#define GetUserNameA sspcache_GetUserNameA
#define GetUserNameW sspcache_GetUserNameW
#define lstrcmpA sspcache_lstrcmpA
#define lstrcmpW sspcache_lstrcmpW
#define lstrlenA sspcache_lstrlenA
#define lstrlenW sspcache_lstrlenW
#define lstrcmpiA sspcache_lstrcmpiA
#define lstrcmpiW sspcache_lstrcmpiW

/* Memory: https://learn.microsoft.com/en-us/previous-versions/windows/desktop/legacy/aa366877(v=vs.85) */
#define CopyMemory(to, from, size) memcpy((to), (from), (size))
#define FillMemory(memory, size, byte) memset((memory), (byte), (size))
#define MoveMemory(to, from, size) memmove((to), (from), (size))
#define ZeroMemory(memory, size) memset((memory), 0, (size))

/* Overwrites memory even if the program never reads it again: for passwords. */
static inline PVOID SecureZeroMemory(PVOID memory, SIZE_T size)
{
    volatile char *byte = (volatile char *)memory;

    while (size-- > 0)
        *byte++ = 0;
    return memory;
}

#ifdef UNICODE
#define FormatMessage FormatMessageW
#define GetComputerName GetComputerNameW
#define GetUserName GetUserNameW
#define lstrcmp lstrcmpW
#define lstrlen lstrlenW
#define GetDllDirectory GetDllDirectoryW
#define SetDllDirectory SetDllDirectoryW
#define lstrcmpi lstrcmpiW
#else
#define FormatMessage FormatMessageA
#define GetComputerName GetComputerNameA
#define GetUserName GetUserNameA
#define lstrcmp lstrcmpA
#define lstrlen lstrlenA
#define GetDllDirectory GetDllDirectoryA
#define SetDllDirectory SetDllDirectoryA
#define lstrcmpi lstrcmpiA
#endif

#endif
