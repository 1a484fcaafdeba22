//! The functions of sspi.h, which forward their calls to the SSPs, as secur32.dll does on Windows.

#[macro_use]
mod forward;
mod auth_identity;
mod contexts;
mod credentials;
mod messages;
pub(crate) mod packages;
mod providers;
mod table;

pub use self::{
    auth_identity::{
        sspcache_SspiCompareAuthIdentities, sspcache_SspiCopyAuthIdentity, sspcache_SspiDecryptAuthIdentity,
        sspcache_SspiDecryptAuthIdentityEx, sspcache_SspiEncodeAuthIdentityAsStrings,
        sspcache_SspiEncodeStringsAsAuthIdentity, sspcache_SspiEncryptAuthIdentity,
        sspcache_SspiEncryptAuthIdentityEx, sspcache_SspiExcludePackage, sspcache_SspiFreeAuthIdentity,
        sspcache_SspiGetTargetHostName, sspcache_SspiIsAuthIdentityEncrypted, sspcache_SspiIsPromptingNeeded,
        sspcache_SspiLocalFree, sspcache_SspiMarshalAuthIdentity, sspcache_SspiPrepareForCredRead,
        sspcache_SspiPrepareForCredWrite, sspcache_SspiPromptForCredentialsA,
        sspcache_SspiPromptForCredentialsW, sspcache_SspiSetChannelBindingFlags,
        sspcache_SspiUnmarshalAuthIdentity, sspcache_SspiValidateAuthIdentity, sspcache_SspiZeroAuthIdentity,
    },
    contexts::{
        sspcache_AcceptSecurityContext, sspcache_ApplyControlToken, sspcache_CompleteAuthToken,
        sspcache_DeleteSecurityContext, sspcache_ExportSecurityContext, sspcache_ImpersonateSecurityContext,
        sspcache_ImportSecurityContextA, sspcache_ImportSecurityContextW,
        sspcache_InitializeSecurityContextA, sspcache_InitializeSecurityContextW,
        sspcache_QueryContextAttributesA, sspcache_QueryContextAttributesExA,
        sspcache_QueryContextAttributesExW, sspcache_QueryContextAttributesW,
        sspcache_QuerySecurityContextToken, sspcache_RevertSecurityContext, sspcache_SetContextAttributesA,
        sspcache_SetContextAttributesW,
    },
    credentials::{
        sspcache_AcquireCredentialsHandleA, sspcache_AcquireCredentialsHandleW, sspcache_AddCredentialsA,
        sspcache_AddCredentialsW, sspcache_ChangeAccountPasswordA, sspcache_ChangeAccountPasswordW,
        sspcache_FreeCredentialsHandle, sspcache_QueryCredentialsAttributesA,
        sspcache_QueryCredentialsAttributesExA, sspcache_QueryCredentialsAttributesExW,
        sspcache_QueryCredentialsAttributesW, sspcache_SetCredentialsAttributesA,
        sspcache_SetCredentialsAttributesW,
    },
    messages::{
        sspcache_DecryptMessage, sspcache_EncryptMessage, sspcache_MakeSignature, sspcache_VerifySignature,
    },
    packages::{
        sspcache_AddSecurityPackageA, sspcache_AddSecurityPackageW, sspcache_DeleteSecurityPackageA,
        sspcache_DeleteSecurityPackageW, sspcache_EnumerateSecurityPackagesA,
        sspcache_EnumerateSecurityPackagesW, sspcache_FreeContextBuffer, sspcache_QuerySecurityPackageInfoA,
        sspcache_QuerySecurityPackageInfoW,
    },
    table::{sspcache_InitSecurityInterfaceA, sspcache_InitSecurityInterfaceW},
};
