//! Windows' own `secur32.dll`: a module without a file, whose exports are this library's functions of sspi.h. A program that
//! loads it has the functions, the credentials and the caches of one that is linked to them.
//!
//! It lies in Windows' system folder, which comes first among the folders that stand for it here.

use std::ffi::c_void;

use sspcache_loader::{EmulatedLoader, ModuleFile};
use widestring::U16String;

use crate::{locks::Address, sspi};

/// The folder, as Windows has it. On the disk there is none.
const FOLDER: &str = r"C:\Windows\System32";

/// The names under which Windows has these functions.
const NAMES: [&str; 3] = ["secur32.dll", "sspicli.dll", "security.dll"];

/// The system's folder, for the search.
pub(crate) fn folder() -> U16String {
    U16String::from_str(FOLDER)
}

/// Puts the modules into it.
pub(crate) fn register(loader: &EmulatedLoader<Address>) {
    for name in NAMES {
        let path = U16String::from_str(&format!(r"{FOLDER}\{name}"));
        let mut file = ModuleFile::new(&path);
        for (export, address) in exports() {
            file = file.export(export, address.expose_provenance());
        }
        loader.register(file);
    }
}

/// Lists functions by their documented names.
macro_rules! exports {
    ($($function:ident)*) => {
        [$((stringify!($function), sspi::$function as *const c_void)),*]
    };
}

/// The functions, each with its documented name.
fn exports() -> impl Iterator<Item = (&'static str, *const c_void)> {
    let exports = exports! {
        sspcache_AcceptSecurityContext
        sspcache_AcquireCredentialsHandleA
        sspcache_AcquireCredentialsHandleW
        sspcache_AddCredentialsA
        sspcache_AddCredentialsW
        sspcache_AddSecurityPackageA
        sspcache_AddSecurityPackageW
        sspcache_ApplyControlToken
        sspcache_ChangeAccountPasswordA
        sspcache_ChangeAccountPasswordW
        sspcache_CompleteAuthToken
        sspcache_DecryptMessage
        sspcache_DeleteSecurityContext
        sspcache_DeleteSecurityPackageA
        sspcache_DeleteSecurityPackageW
        sspcache_EncryptMessage
        sspcache_EnumerateSecurityPackagesA
        sspcache_EnumerateSecurityPackagesW
        sspcache_ExportSecurityContext
        sspcache_FreeContextBuffer
        sspcache_FreeCredentialsHandle
        sspcache_ImpersonateSecurityContext
        sspcache_ImportSecurityContextA
        sspcache_ImportSecurityContextW
        sspcache_InitSecurityInterfaceA
        sspcache_InitSecurityInterfaceW
        sspcache_InitializeSecurityContextA
        sspcache_InitializeSecurityContextW
        sspcache_MakeSignature
        sspcache_QueryContextAttributesA
        sspcache_QueryContextAttributesExA
        sspcache_QueryContextAttributesExW
        sspcache_QueryContextAttributesW
        sspcache_QueryCredentialsAttributesA
        sspcache_QueryCredentialsAttributesExA
        sspcache_QueryCredentialsAttributesExW
        sspcache_QueryCredentialsAttributesW
        sspcache_QuerySecurityContextToken
        sspcache_QuerySecurityPackageInfoA
        sspcache_QuerySecurityPackageInfoW
        sspcache_RevertSecurityContext
        sspcache_SetContextAttributesA
        sspcache_SetContextAttributesW
        sspcache_SetCredentialsAttributesA
        sspcache_SetCredentialsAttributesW
        sspcache_SspiCompareAuthIdentities
        sspcache_SspiCopyAuthIdentity
        sspcache_SspiDecryptAuthIdentity
        sspcache_SspiDecryptAuthIdentityEx
        sspcache_SspiEncodeAuthIdentityAsStrings
        sspcache_SspiEncodeStringsAsAuthIdentity
        sspcache_SspiEncryptAuthIdentity
        sspcache_SspiEncryptAuthIdentityEx
        sspcache_SspiExcludePackage
        sspcache_SspiFreeAuthIdentity
        sspcache_SspiGetTargetHostName
        sspcache_SspiIsAuthIdentityEncrypted
        sspcache_SspiIsPromptingNeeded
        sspcache_SspiLocalFree
        sspcache_SspiMarshalAuthIdentity
        sspcache_SspiPrepareForCredRead
        sspcache_SspiPrepareForCredWrite
        sspcache_SspiPromptForCredentialsA
        sspcache_SspiPromptForCredentialsW
        sspcache_SspiSetChannelBindingFlags
        sspcache_SspiUnmarshalAuthIdentity
        sspcache_SspiValidateAuthIdentity
        sspcache_SspiZeroAuthIdentity
        sspcache_VerifySignature
    };
    exports.into_iter().map(|(symbol, address)| (symbol.trim_start_matches("sspcache_"), address))
}
