/* Modules and their exports: https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/ */
#ifndef SSPCACHE_LIBLOADERAPI_H
#define SSPCACHE_LIBLOADERAPI_H

#include "sspcache/base.h"

#define GET_MODULE_HANDLE_EX_FLAG_PIN 0x1
#define GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT 0x2
#define GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS 0x4

SSPCACHE_BEGIN
HMODULE WINAPI sspcache_GetModuleHandleA(LPCSTR name);
HMODULE WINAPI sspcache_GetModuleHandleW(LPCWSTR name);
BOOL WINAPI sspcache_GetModuleHandleExA(DWORD flags, LPCSTR name, HMODULE *module);
BOOL WINAPI sspcache_GetModuleHandleExW(DWORD flags, LPCWSTR name, HMODULE *module);
HMODULE WINAPI sspcache_LoadLibraryA(LPCSTR name);
HMODULE WINAPI sspcache_LoadLibraryW(LPCWSTR name);
BOOL WINAPI sspcache_FreeLibrary(HMODULE module);
FARPROC WINAPI sspcache_GetProcAddress(HMODULE module, LPCSTR name);
DWORD WINAPI sspcache_GetModuleFileNameA(HMODULE module, LPSTR buffer, DWORD size);
DWORD WINAPI sspcache_GetModuleFileNameW(HMODULE module, LPWSTR buffer, DWORD size);
SSPCACHE_END

#define GetModuleHandleA sspcache_GetModuleHandleA
#define GetModuleHandleW sspcache_GetModuleHandleW
#define GetModuleHandleExA sspcache_GetModuleHandleExA
#define GetModuleHandleExW sspcache_GetModuleHandleExW
#define LoadLibraryA sspcache_LoadLibraryA
#define LoadLibraryW sspcache_LoadLibraryW
#define FreeLibrary sspcache_FreeLibrary
#define GetProcAddress sspcache_GetProcAddress
#define GetModuleFileNameA sspcache_GetModuleFileNameA
#define GetModuleFileNameW sspcache_GetModuleFileNameW

#ifdef UNICODE
#define GetModuleHandle GetModuleHandleW
#define GetModuleHandleEx GetModuleHandleExW
#define LoadLibrary LoadLibraryW
#define GetModuleFileName GetModuleFileNameW
#else
#define GetModuleHandle GetModuleHandleA
#define GetModuleHandleEx GetModuleHandleExA
#define LoadLibrary LoadLibraryA
#define GetModuleFileName GetModuleFileNameA
#endif

#endif
