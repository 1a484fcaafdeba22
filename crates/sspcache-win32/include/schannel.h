/*
 * The types and numbers of Schannel, for programs that fill them in: the mock has no such package.
 * https://learn.microsoft.com/en-us/windows/win32/api/schannel/
 */
#ifndef SSPCACHE_SCHANNEL_H
#define SSPCACHE_SCHANNEL_H

#include "sspcache/base.h"

#define UNISP_NAME_A "Microsoft Unified Security Protocol Provider"
#define UNISP_NAME_W SSPCACHE_WIDE("Microsoft Unified Security Protocol Provider")
#define SCHANNEL_NAME_A "Schannel"
#define SCHANNEL_NAME_W SSPCACHE_WIDE("Schannel")
#define UNISP_RPC_ID 14

#ifdef UNICODE
#define UNISP_NAME UNISP_NAME_W
#define SCHANNEL_NAME SCHANNEL_NAME_W
#else
#define UNISP_NAME UNISP_NAME_A
#define SCHANNEL_NAME SCHANNEL_NAME_A
#endif

/* What wincrypt.h has on Windows: no function here looks into it. */
typedef unsigned int ALG_ID;
typedef void *HCERTSTORE;
typedef struct _CERT_CONTEXT CERT_CONTEXT, *PCERT_CONTEXT;
typedef const CERT_CONTEXT *PCCERT_CONTEXT;
struct _HMAPPER;

#define SCH_CRED_V3 0x3
#define SCHANNEL_CRED_VERSION 0x4
#define SCH_CREDENTIALS_VERSION 0x5

#define SCH_CRED_NO_SYSTEM_MAPPER 0x2
#define SCH_CRED_NO_SERVERNAME_CHECK 0x4
#define SCH_CRED_MANUAL_CRED_VALIDATION 0x8
#define SCH_CRED_NO_DEFAULT_CREDS 0x10
#define SCH_CRED_AUTO_CRED_VALIDATION 0x20
#define SCH_CRED_USE_DEFAULT_CREDS 0x40
#define SCH_CRED_DISABLE_RECONNECTS 0x80
#define SCH_CRED_REVOCATION_CHECK_END_CERT 0x100
#define SCH_CRED_REVOCATION_CHECK_CHAIN 0x200
#define SCH_CRED_REVOCATION_CHECK_CHAIN_EXCLUDE_ROOT 0x400
#define SCH_CRED_IGNORE_NO_REVOCATION_CHECK 0x800
#define SCH_CRED_IGNORE_REVOCATION_OFFLINE 0x1000
#define SCH_SEND_ROOT_CERT 0x40000
#define SCH_SEND_AUX_RECORD 0x200000
#define SCH_USE_STRONG_CRYPTO 0x400000

#define SCHANNEL_RENEGOTIATE 0
#define SCHANNEL_SHUTDOWN 1
#define SCHANNEL_ALERT 2
#define SCHANNEL_SESSION 3

#define SP_PROT_TLS1_0_SERVER 0x40
#define SP_PROT_TLS1_0_CLIENT 0x80
#define SP_PROT_TLS1_1_SERVER 0x100
#define SP_PROT_TLS1_1_CLIENT 0x200
#define SP_PROT_TLS1_2_SERVER 0x400
#define SP_PROT_TLS1_2_CLIENT 0x800
#define SP_PROT_TLS1_3_SERVER 0x1000
#define SP_PROT_TLS1_3_CLIENT 0x2000

#define SECPKG_ATTR_REMOTE_CERT_CONTEXT 0x53
#define SECPKG_ATTR_LOCAL_CERT_CONTEXT 0x54
#define SECPKG_ATTR_CONNECTION_INFO 0x5A

typedef struct _SCHANNEL_CRED {
    DWORD dwVersion;
    DWORD cCreds;
    PCCERT_CONTEXT *paCred;
    HCERTSTORE hRootStore;
    DWORD cMappers;
    struct _HMAPPER **aphMappers;
    DWORD cSupportedAlgs;
    ALG_ID *palgSupportedAlgs;
    DWORD grbitEnabledProtocols;
    DWORD dwMinimumCipherStrength;
    DWORD dwMaximumCipherStrength;
    DWORD dwSessionLifespan;
    DWORD dwFlags;
    DWORD dwCredFormat;
} SCHANNEL_CRED, *PSCHANNEL_CRED;

typedef struct _SCHANNEL_ALERT_TOKEN {
    DWORD dwTokenType;
    DWORD dwAlertType;
    DWORD dwAlertNumber;
} SCHANNEL_ALERT_TOKEN;

typedef struct _SecPkgContext_ConnectionInfo {
    DWORD dwProtocol;
    ALG_ID aiCipher;
    DWORD dwCipherStrength;
    ALG_ID aiHash;
    DWORD dwHashStrength;
    ALG_ID aiExch;
    DWORD dwExchStrength;
} SecPkgContext_ConnectionInfo, *PSecPkgContext_ConnectionInfo;

SSPCACHE_SIZE(SCHANNEL_CRED, 80);
SSPCACHE_SIZE(SCHANNEL_ALERT_TOKEN, 12);
SSPCACHE_SIZE(SecPkgContext_ConnectionInfo, 28);

#endif
