/*
 * SSPI under the name that programs include, and the names of packages:
 * https://learn.microsoft.com/en-us/windows/win32/api/sspi/
 */
#ifndef SSPCACHE_SECURITY_H
#define SSPCACHE_SECURITY_H

#include "sspi.h"

#define NTLMSP_NAME_A "NTLM"
#define NTLMSP_NAME SSPCACHE_WIDE("NTLM")
#define MICROSOFT_KERBEROS_NAME_A "Kerberos"
#define MICROSOFT_KERBEROS_NAME_W SSPCACHE_WIDE("Kerberos")
#define MICROSOFT_KERBEROS_NAME MICROSOFT_KERBEROS_NAME_W
#define NEGOSSP_NAME_A "Negotiate"
#define NEGOSSP_NAME_W SSPCACHE_WIDE("Negotiate")

#ifdef UNICODE
#define NEGOSSP_NAME NEGOSSP_NAME_W
#else
#define NEGOSSP_NAME NEGOSSP_NAME_A
#endif

#endif
