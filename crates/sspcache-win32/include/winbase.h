/* Module folders, message texts, name comparison, memory: https://learn.microsoft.com/en-us/windows/win32/api/winbase/ */
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
#define GetDllDirectory GetDllDirectoryW
#define SetDllDirectory SetDllDirectoryW
#define lstrcmpi lstrcmpiW
#else
#define FormatMessage FormatMessageA
#define GetDllDirectory GetDllDirectoryA
#define SetDllDirectory SetDllDirectoryA
#define lstrcmpi lstrcmpiA
#endif

#endif
