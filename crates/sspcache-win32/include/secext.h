/* The names of the current user: https://learn.microsoft.com/en-us/windows/win32/api/secext/ */
#ifndef SSPCACHE_SECEXT_H
#define SSPCACHE_SECEXT_H

#include "sspcache/base.h"

typedef enum {
    NameUnknown = 0,
    NameFullyQualifiedDN = 1,
    NameSamCompatible = 2,
    NameDisplay = 3,
    NameUniqueId = 6,
    NameCanonical = 7,
    NameUserPrincipal = 8,
    NameCanonicalEx = 9,
    NameServicePrincipal = 10,
    NameDnsDomain = 12,
    NameGivenName = 13,
    NameSurname = 14
} EXTENDED_NAME_FORMAT, *PEXTENDED_NAME_FORMAT;

SSPCACHE_BEGIN
BOOLEAN WINAPI sspcache_GetUserNameExA(EXTENDED_NAME_FORMAT format, LPSTR buffer, PULONG size);
BOOLEAN WINAPI sspcache_GetUserNameExW(EXTENDED_NAME_FORMAT format, LPWSTR buffer, PULONG size);
SSPCACHE_END

#define GetUserNameExA sspcache_GetUserNameExA
#define GetUserNameExW sspcache_GetUserNameExW

#ifdef UNICODE
#define GetUserNameEx GetUserNameExW
#else
#define GetUserNameEx GetUserNameExA
#endif

#endif
