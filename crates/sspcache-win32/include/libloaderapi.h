/* Modules and their exports: https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/ */
#ifndef SSPCACHE_LIBLOADERAPI_H
#define SSPCACHE_LIBLOADERAPI_H

#include "sspcache/base.h"

#define GET_MODULE_HANDLE_EX_FLAG_PIN 0x1
#define GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT 0x2
#define GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS 0x4

#define DONT_RESOLVE_DLL_REFERENCES 0x1
#define LOAD_LIBRARY_AS_DATAFILE 0x2
#define LOAD_WITH_ALTERED_SEARCH_PATH 0x8
#define LOAD_IGNORE_CODE_AUTHZ_LEVEL 0x10
#define LOAD_LIBRARY_AS_IMAGE_RESOURCE 0x20
#define LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE 0x40
#define LOAD_LIBRARY_REQUIRE_SIGNED_TARGET 0x80
#define LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR 0x100
#define LOAD_LIBRARY_SEARCH_APPLICATION_DIR 0x200
#define LOAD_LIBRARY_SEARCH_USER_DIRS 0x400
#define LOAD_LIBRARY_SEARCH_SYSTEM32 0x800
#define LOAD_LIBRARY_SEARCH_DEFAULT_DIRS 0x1000
#define LOAD_LIBRARY_SAFE_CURRENT_DIRS 0x2000

/* Tests the kind of a handle that LoadLibraryEx returned. */
#define LDR_IS_DATAFILE(handle) (((ULONG_PTR)(handle)) & (ULONG_PTR)1)
#define LDR_IS_IMAGEMAPPING(handle) (((ULONG_PTR)(handle)) & (ULONG_PTR)2)
#define LDR_IS_RESOURCE(handle) (LDR_IS_IMAGEMAPPING(handle) || LDR_IS_DATAFILE(handle))

typedef PVOID DLL_DIRECTORY_COOKIE, *PDLL_DIRECTORY_COOKIE;

SSPCACHE_BEGIN
HMODULE WINAPI sspcache_GetModuleHandleA(LPCSTR name);
HMODULE WINAPI sspcache_GetModuleHandleW(LPCWSTR name);
BOOL WINAPI sspcache_GetModuleHandleExA(DWORD flags, LPCSTR name, HMODULE *module);
BOOL WINAPI sspcache_GetModuleHandleExW(DWORD flags, LPCWSTR name, HMODULE *module);
HMODULE WINAPI sspcache_LoadLibraryA(LPCSTR name);
HMODULE WINAPI sspcache_LoadLibraryW(LPCWSTR name);
HMODULE WINAPI sspcache_LoadLibraryExA(LPCSTR name, HANDLE file, DWORD flags);
HMODULE WINAPI sspcache_LoadLibraryExW(LPCWSTR name, HANDLE file, DWORD flags);
BOOL WINAPI sspcache_FreeLibrary(HMODULE module);
SSPCACHE_NORETURN void WINAPI sspcache_FreeLibraryAndExitThread(HMODULE module, DWORD code);
BOOL WINAPI sspcache_DisableThreadLibraryCalls(HMODULE module);
FARPROC WINAPI sspcache_GetProcAddress(HMODULE module, LPCSTR name);
DWORD WINAPI sspcache_GetModuleFileNameA(HMODULE module, LPSTR buffer, DWORD size);
DWORD WINAPI sspcache_GetModuleFileNameW(HMODULE module, LPWSTR buffer, DWORD size);
DLL_DIRECTORY_COOKIE WINAPI sspcache_AddDllDirectory(PCWSTR folder);
BOOL WINAPI sspcache_RemoveDllDirectory(DLL_DIRECTORY_COOKIE cookie);
BOOL WINAPI sspcache_SetDefaultDllDirectories(DWORD flags);
SSPCACHE_END

#define GetModuleHandleA sspcache_GetModuleHandleA
#define GetModuleHandleW sspcache_GetModuleHandleW
#define GetModuleHandleExA sspcache_GetModuleHandleExA
#define GetModuleHandleExW sspcache_GetModuleHandleExW
#define LoadLibraryA sspcache_LoadLibraryA
#define LoadLibraryW sspcache_LoadLibraryW
#define LoadLibraryExA sspcache_LoadLibraryExA
#define LoadLibraryExW sspcache_LoadLibraryExW
#define FreeLibrary sspcache_FreeLibrary
#define FreeLibraryAndExitThread sspcache_FreeLibraryAndExitThread
#define DisableThreadLibraryCalls sspcache_DisableThreadLibraryCalls
#define GetProcAddress sspcache_GetProcAddress
#define GetModuleFileNameA sspcache_GetModuleFileNameA
#define GetModuleFileNameW sspcache_GetModuleFileNameW
#define AddDllDirectory sspcache_AddDllDirectory
#define RemoveDllDirectory sspcache_RemoveDllDirectory
#define SetDefaultDllDirectories sspcache_SetDefaultDllDirectories

#ifdef UNICODE
#define GetModuleHandle GetModuleHandleW
#define GetModuleHandleEx GetModuleHandleExW
#define LoadLibrary LoadLibraryW
#define LoadLibraryEx LoadLibraryExW
#define GetModuleFileName GetModuleFileNameW
#else
#define GetModuleHandle GetModuleHandleA
#define GetModuleHandleEx GetModuleHandleExA
#define LoadLibrary LoadLibraryA
#define LoadLibraryEx LoadLibraryExA
#define GetModuleFileName GetModuleFileNameA
#endif

#endif
