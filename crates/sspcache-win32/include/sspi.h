/*
 * The functions of SSPI and their table: https://learn.microsoft.com/en-us/windows/win32/api/sspi/
 *
 * These are the functions for user-mode programs, as with SECURITY_WIN32 on Windows. Their documented names are macros,
 * which rename members of structures, too: include this header before declaring a structure with such a member.
 */
#ifndef SSPCACHE_SSPI_H
#define SSPCACHE_SSPI_H

#if defined(SECURITY_KERNEL) || defined(SECURITY_MAC)
#error "sspi.h: only SECURITY_WIN32 is supported: there are no drivers here, and no 32-bit times"
#elif !defined(SECURITY_WIN32)
#error "sspi.h: define SECURITY_WIN32 before this is included, as for Windows"
#endif

#include "sspcache/sspi_numbers.h"
#include "sspcache/sspi_types.h"
#include "winerror.h"

/* The mock's packages never call it. */
typedef void(SEC_ENTRY *SEC_GET_KEY_FN)(void *argument, void *principal, ULONG version, void **key,
                                        SECURITY_STATUS *status);

SSPCACHE_BEGIN

/* ---- Credentials ---- */

SECURITY_STATUS SEC_ENTRY sspcache_AcquireCredentialsHandleA(SEC_CHAR *principal, SEC_CHAR *package, ULONG use,
                                                             void *logon_id, void *auth_data, SEC_GET_KEY_FN get_key,
                                                             void *get_key_argument, PCredHandle credential,
                                                             PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_AcquireCredentialsHandleW(SEC_WCHAR *principal, SEC_WCHAR *package, ULONG use,
                                                             void *logon_id, void *auth_data, SEC_GET_KEY_FN get_key,
                                                             void *get_key_argument, PCredHandle credential,
                                                             PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_AddCredentialsA(PCredHandle credential, SEC_CHAR *principal, SEC_CHAR *package,
                                                   ULONG use, void *auth_data, SEC_GET_KEY_FN get_key,
                                                   void *get_key_argument, PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_AddCredentialsW(PCredHandle credential, SEC_WCHAR *principal, SEC_WCHAR *package,
                                                   ULONG use, void *auth_data, SEC_GET_KEY_FN get_key,
                                                   void *get_key_argument, PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_FreeCredentialsHandle(PCredHandle credential);
SECURITY_STATUS SEC_ENTRY sspcache_QueryCredentialsAttributesA(PCredHandle credential, ULONG attribute, void *buffer);
SECURITY_STATUS SEC_ENTRY sspcache_QueryCredentialsAttributesW(PCredHandle credential, ULONG attribute, void *buffer);
SECURITY_STATUS SEC_ENTRY sspcache_QueryCredentialsAttributesExA(PCredHandle credential, ULONG attribute, void *buffer,
                                                                 ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_QueryCredentialsAttributesExW(PCredHandle credential, ULONG attribute, void *buffer,
                                                                 ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_SetCredentialsAttributesA(PCredHandle credential, ULONG attribute, void *buffer,
                                                             ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_SetCredentialsAttributesW(PCredHandle credential, ULONG attribute, void *buffer,
                                                             ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_ChangeAccountPasswordA(SEC_CHAR *package, SEC_CHAR *domain, SEC_CHAR *account,
                                                          SEC_CHAR *old_password, SEC_CHAR *new_password,
                                                          BOOLEAN impersonating, ULONG reserved, PSecBufferDesc output);
SECURITY_STATUS SEC_ENTRY sspcache_ChangeAccountPasswordW(SEC_WCHAR *package, SEC_WCHAR *domain, SEC_WCHAR *account,
                                                          SEC_WCHAR *old_password, SEC_WCHAR *new_password,
                                                          BOOLEAN impersonating, ULONG reserved, PSecBufferDesc output);

/* ---- Contexts ---- */

SECURITY_STATUS SEC_ENTRY sspcache_InitializeSecurityContextA(PCredHandle credential, PCtxtHandle context,
                                                              SEC_CHAR *target, ULONG requirements, ULONG reserved1,
                                                              ULONG representation, PSecBufferDesc input,
                                                              ULONG reserved2, PCtxtHandle new_context,
                                                              PSecBufferDesc output, ULONG *attributes,
                                                              PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_InitializeSecurityContextW(PCredHandle credential, PCtxtHandle context,
                                                              SEC_WCHAR *target, ULONG requirements, ULONG reserved1,
                                                              ULONG representation, PSecBufferDesc input,
                                                              ULONG reserved2, PCtxtHandle new_context,
                                                              PSecBufferDesc output, ULONG *attributes,
                                                              PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_AcceptSecurityContext(PCredHandle credential, PCtxtHandle context,
                                                         PSecBufferDesc input, ULONG requirements, ULONG representation,
                                                         PCtxtHandle new_context, PSecBufferDesc output,
                                                         ULONG *attributes, PTimeStamp expiry);
SECURITY_STATUS SEC_ENTRY sspcache_CompleteAuthToken(PCtxtHandle context, PSecBufferDesc token);
SECURITY_STATUS SEC_ENTRY sspcache_ApplyControlToken(PCtxtHandle context, PSecBufferDesc token);
SECURITY_STATUS SEC_ENTRY sspcache_DeleteSecurityContext(PCtxtHandle context);
SECURITY_STATUS SEC_ENTRY sspcache_QueryContextAttributesA(PCtxtHandle context, ULONG attribute, void *buffer);
SECURITY_STATUS SEC_ENTRY sspcache_QueryContextAttributesW(PCtxtHandle context, ULONG attribute, void *buffer);
SECURITY_STATUS SEC_ENTRY sspcache_QueryContextAttributesExA(PCtxtHandle context, ULONG attribute, void *buffer,
                                                             ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_QueryContextAttributesExW(PCtxtHandle context, ULONG attribute, void *buffer,
                                                             ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_SetContextAttributesA(PCtxtHandle context, ULONG attribute, void *buffer,
                                                         ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_SetContextAttributesW(PCtxtHandle context, ULONG attribute, void *buffer,
                                                         ULONG size);
SECURITY_STATUS SEC_ENTRY sspcache_ImpersonateSecurityContext(PCtxtHandle context);
SECURITY_STATUS SEC_ENTRY sspcache_RevertSecurityContext(PCtxtHandle context);
SECURITY_STATUS SEC_ENTRY sspcache_QuerySecurityContextToken(PCtxtHandle context, void **token);
SECURITY_STATUS SEC_ENTRY sspcache_ExportSecurityContext(PCtxtHandle context, ULONG flags, PSecBuffer packed,
                                                         void **token);
SECURITY_STATUS SEC_ENTRY sspcache_ImportSecurityContextA(SEC_CHAR *package, PSecBuffer packed, void *token,
                                                          PCtxtHandle context);
SECURITY_STATUS SEC_ENTRY sspcache_ImportSecurityContextW(SEC_WCHAR *package, PSecBuffer packed, void *token,
                                                          PCtxtHandle context);

/* ---- Messages ---- */

SECURITY_STATUS SEC_ENTRY sspcache_MakeSignature(PCtxtHandle context, ULONG quality, PSecBufferDesc message,
                                                 ULONG number);
SECURITY_STATUS SEC_ENTRY sspcache_VerifySignature(PCtxtHandle context, PSecBufferDesc message, ULONG number,
                                                   ULONG *quality);
SECURITY_STATUS SEC_ENTRY sspcache_EncryptMessage(PCtxtHandle context, ULONG quality, PSecBufferDesc message,
                                                  ULONG number);
SECURITY_STATUS SEC_ENTRY sspcache_DecryptMessage(PCtxtHandle context, PSecBufferDesc message, ULONG number,
                                                  ULONG *quality);

/* ---- Packages, and memory that SSPI returned ---- */

SECURITY_STATUS SEC_ENTRY sspcache_EnumerateSecurityPackagesA(ULONG *count, PSecPkgInfoA *packages);
SECURITY_STATUS SEC_ENTRY sspcache_EnumerateSecurityPackagesW(ULONG *count, PSecPkgInfoW *packages);
SECURITY_STATUS SEC_ENTRY sspcache_QuerySecurityPackageInfoA(SEC_CHAR *name, PSecPkgInfoA *package);
SECURITY_STATUS SEC_ENTRY sspcache_QuerySecurityPackageInfoW(SEC_WCHAR *name, PSecPkgInfoW *package);
SECURITY_STATUS SEC_ENTRY sspcache_FreeContextBuffer(void *buffer);
SECURITY_STATUS SEC_ENTRY sspcache_AddSecurityPackageA(LPSTR name, PSECURITY_PACKAGE_OPTIONS options);
SECURITY_STATUS SEC_ENTRY sspcache_AddSecurityPackageW(LPWSTR name, PSECURITY_PACKAGE_OPTIONS options);
SECURITY_STATUS SEC_ENTRY sspcache_DeleteSecurityPackageA(SEC_CHAR *name);
SECURITY_STATUS SEC_ENTRY sspcache_DeleteSecurityPackageW(SEC_WCHAR *name);

/* ---- Identities ---- */

SECURITY_STATUS SEC_ENTRY sspcache_SspiEncodeStringsAsAuthIdentity(PCWSTR user, PCWSTR domain, PCWSTR packed,
                                                                   PSEC_WINNT_AUTH_IDENTITY_OPAQUE *identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiEncodeAuthIdentityAsStrings(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity,
                                                                   PCWSTR *user, PCWSTR *domain, PCWSTR *packed);
SECURITY_STATUS SEC_ENTRY sspcache_SspiValidateAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiCopyAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity,
                                                        PSEC_WINNT_AUTH_IDENTITY_OPAQUE *copy);
SECURITY_STATUS SEC_ENTRY sspcache_SspiCompareAuthIdentities(PSEC_WINNT_AUTH_IDENTITY_OPAQUE first,
                                                             PSEC_WINNT_AUTH_IDENTITY_OPAQUE second, PBOOLEAN same_user,
                                                             PBOOLEAN same_identity);
VOID SEC_ENTRY sspcache_SspiFreeAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
VOID SEC_ENTRY sspcache_SspiZeroAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
VOID SEC_ENTRY sspcache_SspiLocalFree(PVOID buffer);
SECURITY_STATUS SEC_ENTRY sspcache_SspiEncryptAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiEncryptAuthIdentityEx(ULONG options, PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiDecryptAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiDecryptAuthIdentityEx(ULONG options, PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
BOOLEAN SEC_ENTRY sspcache_SspiIsAuthIdentityEncrypted(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiMarshalAuthIdentity(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity, ULONG *length,
                                                           char **bytes);
SECURITY_STATUS SEC_ENTRY sspcache_SspiUnmarshalAuthIdentity(ULONG length, char *bytes,
                                                             PSEC_WINNT_AUTH_IDENTITY_OPAQUE *identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiExcludePackage(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity, PCWSTR package,
                                                      PSEC_WINNT_AUTH_IDENTITY_OPAQUE *new_identity);
SECURITY_STATUS SEC_ENTRY sspcache_SspiGetTargetHostName(PCWSTR target, PWSTR *host);
SECURITY_STATUS SEC_ENTRY sspcache_SspiPrepareForCredRead(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity, PCWSTR target,
                                                          PULONG type, PCWSTR *credman_target);
SECURITY_STATUS SEC_ENTRY sspcache_SspiPrepareForCredWrite(PSEC_WINNT_AUTH_IDENTITY_OPAQUE identity, PCWSTR target,
                                                           PULONG type, PCWSTR *credman_target, PCWSTR *credman_user,
                                                           PUCHAR *blob, PULONG blob_size);
BOOLEAN SEC_ENTRY sspcache_SspiIsPromptingNeeded(ULONG status);
ULONG SEC_ENTRY sspcache_SspiPromptForCredentialsA(PCSTR target, PVOID ui, ULONG error, PCSTR package,
                                                   PSEC_WINNT_AUTH_IDENTITY_OPAQUE input,
                                                   PSEC_WINNT_AUTH_IDENTITY_OPAQUE *identity, int *save, ULONG flags);
ULONG SEC_ENTRY sspcache_SspiPromptForCredentialsW(PCWSTR target, PVOID ui, ULONG error, PCWSTR package,
                                                   PSEC_WINNT_AUTH_IDENTITY_OPAQUE input,
                                                   PSEC_WINNT_AUTH_IDENTITY_OPAQUE *identity, int *save, ULONG flags);
SECURITY_STATUS SEC_ENTRY sspcache_SspiSetChannelBindingFlags(PSecPkgContext_Bindings bindings, ULONG flags);

SSPCACHE_END

/* ---- The documented names ---- */

#define AcquireCredentialsHandleA sspcache_AcquireCredentialsHandleA
#define AcquireCredentialsHandleW sspcache_AcquireCredentialsHandleW
#define AddCredentialsA sspcache_AddCredentialsA
#define AddCredentialsW sspcache_AddCredentialsW
#define FreeCredentialsHandle sspcache_FreeCredentialsHandle
#define QueryCredentialsAttributesA sspcache_QueryCredentialsAttributesA
#define QueryCredentialsAttributesW sspcache_QueryCredentialsAttributesW
#define QueryCredentialsAttributesExA sspcache_QueryCredentialsAttributesExA
#define QueryCredentialsAttributesExW sspcache_QueryCredentialsAttributesExW
#define SetCredentialsAttributesA sspcache_SetCredentialsAttributesA
#define SetCredentialsAttributesW sspcache_SetCredentialsAttributesW
#define ChangeAccountPasswordA sspcache_ChangeAccountPasswordA
#define ChangeAccountPasswordW sspcache_ChangeAccountPasswordW
#define InitializeSecurityContextA sspcache_InitializeSecurityContextA
#define InitializeSecurityContextW sspcache_InitializeSecurityContextW
#define AcceptSecurityContext sspcache_AcceptSecurityContext
#define CompleteAuthToken sspcache_CompleteAuthToken
#define ApplyControlToken sspcache_ApplyControlToken
#define DeleteSecurityContext sspcache_DeleteSecurityContext
#define QueryContextAttributesA sspcache_QueryContextAttributesA
#define QueryContextAttributesW sspcache_QueryContextAttributesW
#define QueryContextAttributesExA sspcache_QueryContextAttributesExA
#define QueryContextAttributesExW sspcache_QueryContextAttributesExW
#define SetContextAttributesA sspcache_SetContextAttributesA
#define SetContextAttributesW sspcache_SetContextAttributesW
#define ImpersonateSecurityContext sspcache_ImpersonateSecurityContext
#define RevertSecurityContext sspcache_RevertSecurityContext
#define QuerySecurityContextToken sspcache_QuerySecurityContextToken
#define ExportSecurityContext sspcache_ExportSecurityContext
#define ImportSecurityContextA sspcache_ImportSecurityContextA
#define ImportSecurityContextW sspcache_ImportSecurityContextW
#define MakeSignature sspcache_MakeSignature
#define VerifySignature sspcache_VerifySignature
#define EncryptMessage sspcache_EncryptMessage
#define DecryptMessage sspcache_DecryptMessage
#define EnumerateSecurityPackagesA sspcache_EnumerateSecurityPackagesA
#define EnumerateSecurityPackagesW sspcache_EnumerateSecurityPackagesW
#define QuerySecurityPackageInfoA sspcache_QuerySecurityPackageInfoA
#define QuerySecurityPackageInfoW sspcache_QuerySecurityPackageInfoW
#define FreeContextBuffer sspcache_FreeContextBuffer
#define AddSecurityPackageA sspcache_AddSecurityPackageA
#define AddSecurityPackageW sspcache_AddSecurityPackageW
#define DeleteSecurityPackageA sspcache_DeleteSecurityPackageA
#define DeleteSecurityPackageW sspcache_DeleteSecurityPackageW
#define SspiEncodeStringsAsAuthIdentity sspcache_SspiEncodeStringsAsAuthIdentity
#define SspiEncodeAuthIdentityAsStrings sspcache_SspiEncodeAuthIdentityAsStrings
#define SspiValidateAuthIdentity sspcache_SspiValidateAuthIdentity
#define SspiCopyAuthIdentity sspcache_SspiCopyAuthIdentity
#define SspiCompareAuthIdentities sspcache_SspiCompareAuthIdentities
#define SspiFreeAuthIdentity sspcache_SspiFreeAuthIdentity
#define SspiZeroAuthIdentity sspcache_SspiZeroAuthIdentity
#define SspiLocalFree sspcache_SspiLocalFree
#define SspiEncryptAuthIdentity sspcache_SspiEncryptAuthIdentity
#define SspiEncryptAuthIdentityEx sspcache_SspiEncryptAuthIdentityEx
#define SspiDecryptAuthIdentity sspcache_SspiDecryptAuthIdentity
#define SspiDecryptAuthIdentityEx sspcache_SspiDecryptAuthIdentityEx
#define SspiIsAuthIdentityEncrypted sspcache_SspiIsAuthIdentityEncrypted
#define SspiMarshalAuthIdentity sspcache_SspiMarshalAuthIdentity
#define SspiUnmarshalAuthIdentity sspcache_SspiUnmarshalAuthIdentity
#define SspiExcludePackage sspcache_SspiExcludePackage
#define SspiGetTargetHostName sspcache_SspiGetTargetHostName
#define SspiPrepareForCredRead sspcache_SspiPrepareForCredRead
#define SspiPrepareForCredWrite sspcache_SspiPrepareForCredWrite
#define SspiIsPromptingNeeded sspcache_SspiIsPromptingNeeded
#define SspiPromptForCredentialsA sspcache_SspiPromptForCredentialsA
#define SspiPromptForCredentialsW sspcache_SspiPromptForCredentialsW
#define SspiSetChannelBindingFlags sspcache_SspiSetChannelBindingFlags
#define InitSecurityInterfaceA sspcache_InitSecurityInterfaceA
#define InitSecurityInterfaceW sspcache_InitSecurityInterfaceW

/* A misspelled name that programs still use. */
#define FreeCredentialHandle FreeCredentialsHandle

/* ---- The table of functions ---- */

typedef SECURITY_STATUS(SEC_ENTRY *ACQUIRE_CREDENTIALS_HANDLE_FN_A)(SEC_CHAR *principal, SEC_CHAR *package, ULONG use,
                                                                    void *logon_id, void *auth_data,
                                                                    SEC_GET_KEY_FN get_key, void *get_key_argument,
                                                                    PCredHandle credential, PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *ACQUIRE_CREDENTIALS_HANDLE_FN_W)(SEC_WCHAR *principal, SEC_WCHAR *package, ULONG use,
                                                                    void *logon_id, void *auth_data,
                                                                    SEC_GET_KEY_FN get_key, void *get_key_argument,
                                                                    PCredHandle credential, PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *ADD_CREDENTIALS_FN_A)(PCredHandle credential, SEC_CHAR *principal, SEC_CHAR *package,
                                                         ULONG use, void *auth_data, SEC_GET_KEY_FN get_key,
                                                         void *get_key_argument, PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *ADD_CREDENTIALS_FN_W)(PCredHandle credential, SEC_WCHAR *principal,
                                                         SEC_WCHAR *package, ULONG use, void *auth_data,
                                                         SEC_GET_KEY_FN get_key, void *get_key_argument,
                                                         PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *FREE_CREDENTIALS_HANDLE_FN)(PCredHandle credential);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CREDENTIALS_ATTRIBUTES_FN_A)(PCredHandle credential, ULONG attribute,
                                                                      void *buffer);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CREDENTIALS_ATTRIBUTES_FN_W)(PCredHandle credential, ULONG attribute,
                                                                      void *buffer);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_A)(PCredHandle credential, ULONG attribute,
                                                                         void *buffer, ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_W)(PCredHandle credential, ULONG attribute,
                                                                         void *buffer, ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *SET_CREDENTIALS_ATTRIBUTES_FN_A)(PCredHandle credential, ULONG attribute,
                                                                    void *buffer, ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *SET_CREDENTIALS_ATTRIBUTES_FN_W)(PCredHandle credential, ULONG attribute,
                                                                    void *buffer, ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *CHANGE_PASSWORD_FN_A)(SEC_CHAR *package, SEC_CHAR *domain, SEC_CHAR *account,
                                                         SEC_CHAR *old_password, SEC_CHAR *new_password,
                                                         BOOLEAN impersonating, ULONG reserved, PSecBufferDesc output);
typedef SECURITY_STATUS(SEC_ENTRY *CHANGE_PASSWORD_FN_W)(SEC_WCHAR *package, SEC_WCHAR *domain, SEC_WCHAR *account,
                                                         SEC_WCHAR *old_password, SEC_WCHAR *new_password,
                                                         BOOLEAN impersonating, ULONG reserved, PSecBufferDesc output);
typedef SECURITY_STATUS(SEC_ENTRY *INITIALIZE_SECURITY_CONTEXT_FN_A)(PCredHandle credential, PCtxtHandle context,
                                                                     SEC_CHAR *target, ULONG requirements,
                                                                     ULONG reserved1, ULONG representation,
                                                                     PSecBufferDesc input, ULONG reserved2,
                                                                     PCtxtHandle new_context, PSecBufferDesc output,
                                                                     ULONG *attributes, PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *INITIALIZE_SECURITY_CONTEXT_FN_W)(PCredHandle credential, PCtxtHandle context,
                                                                     SEC_WCHAR *target, ULONG requirements,
                                                                     ULONG reserved1, ULONG representation,
                                                                     PSecBufferDesc input, ULONG reserved2,
                                                                     PCtxtHandle new_context, PSecBufferDesc output,
                                                                     ULONG *attributes, PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *ACCEPT_SECURITY_CONTEXT_FN)(PCredHandle credential, PCtxtHandle context,
                                                               PSecBufferDesc input, ULONG requirements,
                                                               ULONG representation, PCtxtHandle new_context,
                                                               PSecBufferDesc output, ULONG *attributes,
                                                               PTimeStamp expiry);
typedef SECURITY_STATUS(SEC_ENTRY *COMPLETE_AUTH_TOKEN_FN)(PCtxtHandle context, PSecBufferDesc token);
typedef SECURITY_STATUS(SEC_ENTRY *APPLY_CONTROL_TOKEN_FN)(PCtxtHandle context, PSecBufferDesc token);
typedef SECURITY_STATUS(SEC_ENTRY *DELETE_SECURITY_CONTEXT_FN)(PCtxtHandle context);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CONTEXT_ATTRIBUTES_FN_A)(PCtxtHandle context, ULONG attribute, void *buffer);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CONTEXT_ATTRIBUTES_FN_W)(PCtxtHandle context, ULONG attribute, void *buffer);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CONTEXT_ATTRIBUTES_EX_FN_A)(PCtxtHandle context, ULONG attribute, void *buffer,
                                                                     ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_CONTEXT_ATTRIBUTES_EX_FN_W)(PCtxtHandle context, ULONG attribute, void *buffer,
                                                                     ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *SET_CONTEXT_ATTRIBUTES_FN_A)(PCtxtHandle context, ULONG attribute, void *buffer,
                                                                ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *SET_CONTEXT_ATTRIBUTES_FN_W)(PCtxtHandle context, ULONG attribute, void *buffer,
                                                                ULONG size);
typedef SECURITY_STATUS(SEC_ENTRY *IMPERSONATE_SECURITY_CONTEXT_FN)(PCtxtHandle context);
typedef SECURITY_STATUS(SEC_ENTRY *REVERT_SECURITY_CONTEXT_FN)(PCtxtHandle context);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_SECURITY_CONTEXT_TOKEN_FN)(PCtxtHandle context, void **token);
typedef SECURITY_STATUS(SEC_ENTRY *EXPORT_SECURITY_CONTEXT_FN)(PCtxtHandle context, ULONG flags, PSecBuffer packed,
                                                               void **token);
typedef SECURITY_STATUS(SEC_ENTRY *IMPORT_SECURITY_CONTEXT_FN_A)(SEC_CHAR *package, PSecBuffer packed, void *token,
                                                                 PCtxtHandle context);
typedef SECURITY_STATUS(SEC_ENTRY *IMPORT_SECURITY_CONTEXT_FN_W)(SEC_WCHAR *package, PSecBuffer packed, void *token,
                                                                 PCtxtHandle context);
typedef SECURITY_STATUS(SEC_ENTRY *MAKE_SIGNATURE_FN)(PCtxtHandle context, ULONG quality, PSecBufferDesc message,
                                                      ULONG number);
typedef SECURITY_STATUS(SEC_ENTRY *VERIFY_SIGNATURE_FN)(PCtxtHandle context, PSecBufferDesc message, ULONG number,
                                                        ULONG *quality);
typedef SECURITY_STATUS(SEC_ENTRY *ENCRYPT_MESSAGE_FN)(PCtxtHandle context, ULONG quality, PSecBufferDesc message,
                                                       ULONG number);
typedef SECURITY_STATUS(SEC_ENTRY *DECRYPT_MESSAGE_FN)(PCtxtHandle context, PSecBufferDesc message, ULONG number,
                                                       ULONG *quality);
typedef SECURITY_STATUS(SEC_ENTRY *ENUMERATE_SECURITY_PACKAGES_FN_A)(ULONG *count, PSecPkgInfoA *packages);
typedef SECURITY_STATUS(SEC_ENTRY *ENUMERATE_SECURITY_PACKAGES_FN_W)(ULONG *count, PSecPkgInfoW *packages);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_SECURITY_PACKAGE_INFO_FN_A)(SEC_CHAR *name, PSecPkgInfoA *package);
typedef SECURITY_STATUS(SEC_ENTRY *QUERY_SECURITY_PACKAGE_INFO_FN_W)(SEC_WCHAR *name, PSecPkgInfoW *package);
typedef SECURITY_STATUS(SEC_ENTRY *FREE_CONTEXT_BUFFER_FN)(void *buffer);

typedef struct _SECURITY_FUNCTION_TABLE_A {
    ULONG dwVersion;
    ENUMERATE_SECURITY_PACKAGES_FN_A EnumerateSecurityPackagesA;
    QUERY_CREDENTIALS_ATTRIBUTES_FN_A QueryCredentialsAttributesA;
    ACQUIRE_CREDENTIALS_HANDLE_FN_A AcquireCredentialsHandleA;
    FREE_CREDENTIALS_HANDLE_FN FreeCredentialsHandle;
    void *Reserved2;
    INITIALIZE_SECURITY_CONTEXT_FN_A InitializeSecurityContextA;
    ACCEPT_SECURITY_CONTEXT_FN AcceptSecurityContext;
    COMPLETE_AUTH_TOKEN_FN CompleteAuthToken;
    DELETE_SECURITY_CONTEXT_FN DeleteSecurityContext;
    APPLY_CONTROL_TOKEN_FN ApplyControlToken;
    QUERY_CONTEXT_ATTRIBUTES_FN_A QueryContextAttributesA;
    IMPERSONATE_SECURITY_CONTEXT_FN ImpersonateSecurityContext;
    REVERT_SECURITY_CONTEXT_FN RevertSecurityContext;
    MAKE_SIGNATURE_FN MakeSignature;
    VERIFY_SIGNATURE_FN VerifySignature;
    FREE_CONTEXT_BUFFER_FN FreeContextBuffer;
    QUERY_SECURITY_PACKAGE_INFO_FN_A QuerySecurityPackageInfoA;
    void *Reserved3;
    void *Reserved4;
    EXPORT_SECURITY_CONTEXT_FN ExportSecurityContext;
    IMPORT_SECURITY_CONTEXT_FN_A ImportSecurityContextA;
    ADD_CREDENTIALS_FN_A AddCredentialsA;
    void *Reserved8;
    QUERY_SECURITY_CONTEXT_TOKEN_FN QuerySecurityContextToken;
    ENCRYPT_MESSAGE_FN EncryptMessage;
    DECRYPT_MESSAGE_FN DecryptMessage;
    SET_CONTEXT_ATTRIBUTES_FN_A SetContextAttributesA;
    SET_CREDENTIALS_ATTRIBUTES_FN_A SetCredentialsAttributesA;
    CHANGE_PASSWORD_FN_A ChangeAccountPasswordA;
    QUERY_CONTEXT_ATTRIBUTES_EX_FN_A QueryContextAttributesExA;
    QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_A QueryCredentialsAttributesExA;
} SecurityFunctionTableA, *PSecurityFunctionTableA;

typedef struct _SECURITY_FUNCTION_TABLE_W {
    ULONG dwVersion;
    ENUMERATE_SECURITY_PACKAGES_FN_W EnumerateSecurityPackagesW;
    QUERY_CREDENTIALS_ATTRIBUTES_FN_W QueryCredentialsAttributesW;
    ACQUIRE_CREDENTIALS_HANDLE_FN_W AcquireCredentialsHandleW;
    FREE_CREDENTIALS_HANDLE_FN FreeCredentialsHandle;
    void *Reserved2;
    INITIALIZE_SECURITY_CONTEXT_FN_W InitializeSecurityContextW;
    ACCEPT_SECURITY_CONTEXT_FN AcceptSecurityContext;
    COMPLETE_AUTH_TOKEN_FN CompleteAuthToken;
    DELETE_SECURITY_CONTEXT_FN DeleteSecurityContext;
    APPLY_CONTROL_TOKEN_FN ApplyControlToken;
    QUERY_CONTEXT_ATTRIBUTES_FN_W QueryContextAttributesW;
    IMPERSONATE_SECURITY_CONTEXT_FN ImpersonateSecurityContext;
    REVERT_SECURITY_CONTEXT_FN RevertSecurityContext;
    MAKE_SIGNATURE_FN MakeSignature;
    VERIFY_SIGNATURE_FN VerifySignature;
    FREE_CONTEXT_BUFFER_FN FreeContextBuffer;
    QUERY_SECURITY_PACKAGE_INFO_FN_W QuerySecurityPackageInfoW;
    void *Reserved3;
    void *Reserved4;
    EXPORT_SECURITY_CONTEXT_FN ExportSecurityContext;
    IMPORT_SECURITY_CONTEXT_FN_W ImportSecurityContextW;
    ADD_CREDENTIALS_FN_W AddCredentialsW;
    void *Reserved8;
    QUERY_SECURITY_CONTEXT_TOKEN_FN QuerySecurityContextToken;
    ENCRYPT_MESSAGE_FN EncryptMessage;
    DECRYPT_MESSAGE_FN DecryptMessage;
    SET_CONTEXT_ATTRIBUTES_FN_W SetContextAttributesW;
    SET_CREDENTIALS_ATTRIBUTES_FN_W SetCredentialsAttributesW;
    CHANGE_PASSWORD_FN_W ChangeAccountPasswordW;
    QUERY_CONTEXT_ATTRIBUTES_EX_FN_W QueryContextAttributesExW;
    QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_W QueryCredentialsAttributesExW;
} SecurityFunctionTableW, *PSecurityFunctionTableW;

typedef PSecurityFunctionTableA(SEC_ENTRY *INIT_SECURITY_INTERFACE_A)(void);
typedef PSecurityFunctionTableW(SEC_ENTRY *INIT_SECURITY_INTERFACE_W)(void);

SSPCACHE_BEGIN
PSecurityFunctionTableA SEC_ENTRY sspcache_InitSecurityInterfaceA(void);
PSecurityFunctionTableW SEC_ENTRY sspcache_InitSecurityInterfaceW(void);
SSPCACHE_END

/* The name of the export that returns the table, for GetProcAddress. */
#define SECURITY_ENTRYPOINT_ANSIA "InitSecurityInterfaceA"
#define SECURITY_ENTRYPOINT_ANSIW "InitSecurityInterfaceW"
#define SECURITY_ENTRYPOINTA SEC_TEXT("InitSecurityInterfaceA")
#define SECURITY_ENTRYPOINTW SEC_TEXT("InitSecurityInterfaceW")

#ifdef UNICODE
#define AcquireCredentialsHandle AcquireCredentialsHandleW
#define AddCredentials AddCredentialsW
#define QueryCredentialsAttributes QueryCredentialsAttributesW
#define QueryCredentialsAttributesEx QueryCredentialsAttributesExW
#define SetCredentialsAttributes SetCredentialsAttributesW
#define ChangeAccountPassword ChangeAccountPasswordW
#define InitializeSecurityContext InitializeSecurityContextW
#define QueryContextAttributes QueryContextAttributesW
#define QueryContextAttributesEx QueryContextAttributesExW
#define SetContextAttributes SetContextAttributesW
#define ImportSecurityContext ImportSecurityContextW
#define EnumerateSecurityPackages EnumerateSecurityPackagesW
#define QuerySecurityPackageInfo QuerySecurityPackageInfoW
#define AddSecurityPackage AddSecurityPackageW
#define DeleteSecurityPackage DeleteSecurityPackageW
#define SspiPromptForCredentials SspiPromptForCredentialsW
#define InitSecurityInterface InitSecurityInterfaceW
#define ACQUIRE_CREDENTIALS_HANDLE_FN ACQUIRE_CREDENTIALS_HANDLE_FN_W
#define ADD_CREDENTIALS_FN ADD_CREDENTIALS_FN_W
#define QUERY_CREDENTIALS_ATTRIBUTES_FN QUERY_CREDENTIALS_ATTRIBUTES_FN_W
#define QUERY_CREDENTIALS_ATTRIBUTES_EX_FN QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_W
#define SET_CREDENTIALS_ATTRIBUTES_FN SET_CREDENTIALS_ATTRIBUTES_FN_W
#define CHANGE_PASSWORD_FN CHANGE_PASSWORD_FN_W
#define INITIALIZE_SECURITY_CONTEXT_FN INITIALIZE_SECURITY_CONTEXT_FN_W
#define QUERY_CONTEXT_ATTRIBUTES_FN QUERY_CONTEXT_ATTRIBUTES_FN_W
#define QUERY_CONTEXT_ATTRIBUTES_EX_FN QUERY_CONTEXT_ATTRIBUTES_EX_FN_W
#define SET_CONTEXT_ATTRIBUTES_FN SET_CONTEXT_ATTRIBUTES_FN_W
#define IMPORT_SECURITY_CONTEXT_FN IMPORT_SECURITY_CONTEXT_FN_W
#define ENUMERATE_SECURITY_PACKAGES_FN ENUMERATE_SECURITY_PACKAGES_FN_W
#define QUERY_SECURITY_PACKAGE_INFO_FN QUERY_SECURITY_PACKAGE_INFO_FN_W
#define INIT_SECURITY_INTERFACE INIT_SECURITY_INTERFACE_W
#define SecurityFunctionTable SecurityFunctionTableW
#define PSecurityFunctionTable PSecurityFunctionTableW
#define SECURITY_ENTRYPOINT_ANSI SECURITY_ENTRYPOINT_ANSIW
#define SECURITY_ENTRYPOINT SECURITY_ENTRYPOINTW
#else
#define AcquireCredentialsHandle AcquireCredentialsHandleA
#define AddCredentials AddCredentialsA
#define QueryCredentialsAttributes QueryCredentialsAttributesA
#define QueryCredentialsAttributesEx QueryCredentialsAttributesExA
#define SetCredentialsAttributes SetCredentialsAttributesA
#define ChangeAccountPassword ChangeAccountPasswordA
#define InitializeSecurityContext InitializeSecurityContextA
#define QueryContextAttributes QueryContextAttributesA
#define QueryContextAttributesEx QueryContextAttributesExA
#define SetContextAttributes SetContextAttributesA
#define ImportSecurityContext ImportSecurityContextA
#define EnumerateSecurityPackages EnumerateSecurityPackagesA
#define QuerySecurityPackageInfo QuerySecurityPackageInfoA
#define AddSecurityPackage AddSecurityPackageA
#define DeleteSecurityPackage DeleteSecurityPackageA
#define SspiPromptForCredentials SspiPromptForCredentialsA
#define InitSecurityInterface InitSecurityInterfaceA
#define ACQUIRE_CREDENTIALS_HANDLE_FN ACQUIRE_CREDENTIALS_HANDLE_FN_A
#define ADD_CREDENTIALS_FN ADD_CREDENTIALS_FN_A
#define QUERY_CREDENTIALS_ATTRIBUTES_FN QUERY_CREDENTIALS_ATTRIBUTES_FN_A
#define QUERY_CREDENTIALS_ATTRIBUTES_EX_FN QUERY_CREDENTIALS_ATTRIBUTES_EX_FN_A
#define SET_CREDENTIALS_ATTRIBUTES_FN SET_CREDENTIALS_ATTRIBUTES_FN_A
#define CHANGE_PASSWORD_FN CHANGE_PASSWORD_FN_A
#define INITIALIZE_SECURITY_CONTEXT_FN INITIALIZE_SECURITY_CONTEXT_FN_A
#define QUERY_CONTEXT_ATTRIBUTES_FN QUERY_CONTEXT_ATTRIBUTES_FN_A
#define QUERY_CONTEXT_ATTRIBUTES_EX_FN QUERY_CONTEXT_ATTRIBUTES_EX_FN_A
#define SET_CONTEXT_ATTRIBUTES_FN SET_CONTEXT_ATTRIBUTES_FN_A
#define IMPORT_SECURITY_CONTEXT_FN IMPORT_SECURITY_CONTEXT_FN_A
#define ENUMERATE_SECURITY_PACKAGES_FN ENUMERATE_SECURITY_PACKAGES_FN_A
#define QUERY_SECURITY_PACKAGE_INFO_FN QUERY_SECURITY_PACKAGE_INFO_FN_A
#define INIT_SECURITY_INTERFACE INIT_SECURITY_INTERFACE_A
#define SecurityFunctionTable SecurityFunctionTableA
#define PSecurityFunctionTable PSecurityFunctionTableA
#define SECURITY_ENTRYPOINT_ANSI SECURITY_ENTRYPOINT_ANSIA
#define SECURITY_ENTRYPOINT SECURITY_ENTRYPOINTA
#endif

SSPCACHE_SIZE(SecurityFunctionTableA, 256);
SSPCACHE_SIZE(SecurityFunctionTableW, 256);

#endif
