//! The tables of these functions.

use std::ptr;

use windows_sys::Win32::Security::Authentication::Identity::{
    SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5, SecurityFunctionTableA, SecurityFunctionTableW,
};

use super::{
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
        sspcache_EnumerateSecurityPackagesA, sspcache_EnumerateSecurityPackagesW, sspcache_FreeContextBuffer,
        sspcache_QuerySecurityPackageInfoA, sspcache_QuerySecurityPackageInfoW,
    },
    providers::{self, Slots},
};
use crate::ffi::call;

/// Returns the table of these functions (UTF-8); null when no SSP is loaded, or none has a table of its own.
///
/// Reference: [InitSecurityInterface](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initsecurityinterfacea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "system" fn sspcache_InitSecurityInterfaceA() -> *const SecurityFunctionTableA {
    static FOUND: Slots = Slots::new();
    if is_ready(&FOUND, "InitSecurityInterfaceA") { &raw const TABLE_A.0 } else { ptr::null() }
}

/// Returns the table of these functions (UTF-16); null when no SSP is loaded, or none has a table of its own.
///
/// Reference: [InitSecurityInterface](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initsecurityinterfacew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "system" fn sspcache_InitSecurityInterfaceW() -> *const SecurityFunctionTableW {
    static FOUND: Slots = Slots::new();
    if is_ready(&FOUND, "InitSecurityInterfaceW") { &raw const TABLE_W.0 } else { ptr::null() }
}

/// Whether an SSP returns its table.
fn is_ready(found: &Slots, name: &str) -> bool {
    type Function = unsafe extern "system" fn() -> *const ();
    let ready = call(|| {
        // All are called: this is each SSP's first call, too.
        let tables = providers::all().filter(|provider| {
            // SAFETY: an SSP's export of this name, one of the two above, is such a function.
            let function = unsafe { provider.function::<Function>(found, name) };
            // SAFETY: it takes nothing.
            function.is_some_and(|function| unsafe { !function().is_null() })
        });
        Ok(tables.count() > 0)
    });
    ready.unwrap_or(false)
}

/// A table that never changes.
struct Table<T>(T);

// SAFETY: what it points to are functions, which any thread may call.
unsafe impl<T> Sync for Table<T> {}

/// The entry of a function that the table has under another type.
///
/// # Safety
/// `T` is the type of a function, or an `Option` of one, that C can't distinguish from this one's.
const unsafe fn entry<T: Copy>(function: *const std::ffi::c_void) -> T {
    const { assert!(size_of::<T>() == size_of::<*const std::ffi::c_void>(), "a function's address") };
    // SAFETY: the caller promises that it is a function of this type, and a pointer to one is as large as an address.
    unsafe { std::mem::transmute_copy(&function) }
}

/// A table with the given form of each function that has two.
macro_rules! table {
    ($type:ident, $change:ident = $changing:ident; $($field:ident: $function:ident),* $(,)?) => {
        Table($type {
            dwVersion: SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5,
            $($field: Some($function),)*
            // SAFETY: its type differs by the BOOLEAN alone, which `windows-sys` has as a `bool`; C may pass any byte.
            $change: unsafe { entry($changing as *const std::ffi::c_void) },
            FreeCredentialsHandle: Some(sspcache_FreeCredentialsHandle),
            Reserved2: ptr::null_mut(),
            AcceptSecurityContext: Some(sspcache_AcceptSecurityContext),
            CompleteAuthToken: Some(sspcache_CompleteAuthToken),
            DeleteSecurityContext: Some(sspcache_DeleteSecurityContext),
            ApplyControlToken: Some(sspcache_ApplyControlToken),
            ImpersonateSecurityContext: Some(sspcache_ImpersonateSecurityContext),
            RevertSecurityContext: Some(sspcache_RevertSecurityContext),
            MakeSignature: Some(sspcache_MakeSignature),
            VerifySignature: Some(sspcache_VerifySignature),
            FreeContextBuffer: Some(sspcache_FreeContextBuffer),
            // Formerly SealMessage and UnsealMessage; old clients still call them.
            Reserved3: sspcache_EncryptMessage as *mut std::ffi::c_void,
            Reserved4: sspcache_DecryptMessage as *mut std::ffi::c_void,
            ExportSecurityContext: Some(sspcache_ExportSecurityContext),
            Reserved8: ptr::null_mut(),
            QuerySecurityContextToken: Some(sspcache_QuerySecurityContextToken),
            EncryptMessage: Some(sspcache_EncryptMessage),
            DecryptMessage: Some(sspcache_DecryptMessage),
        })
    };
}

static TABLE_A: Table<SecurityFunctionTableA> = table!(
    SecurityFunctionTableA, ChangeAccountPasswordA = sspcache_ChangeAccountPasswordA;
    EnumerateSecurityPackagesA: sspcache_EnumerateSecurityPackagesA,
    QueryCredentialsAttributesA: sspcache_QueryCredentialsAttributesA,
    AcquireCredentialsHandleA: sspcache_AcquireCredentialsHandleA,
    InitializeSecurityContextA: sspcache_InitializeSecurityContextA,
    QueryContextAttributesA: sspcache_QueryContextAttributesA,
    QuerySecurityPackageInfoA: sspcache_QuerySecurityPackageInfoA,
    ImportSecurityContextA: sspcache_ImportSecurityContextA,
    AddCredentialsA: sspcache_AddCredentialsA,
    SetContextAttributesA: sspcache_SetContextAttributesA,
    SetCredentialsAttributesA: sspcache_SetCredentialsAttributesA,
    QueryContextAttributesExA: sspcache_QueryContextAttributesExA,
    QueryCredentialsAttributesExA: sspcache_QueryCredentialsAttributesExA,
);

static TABLE_W: Table<SecurityFunctionTableW> = table!(
    SecurityFunctionTableW, ChangeAccountPasswordW = sspcache_ChangeAccountPasswordW;
    EnumerateSecurityPackagesW: sspcache_EnumerateSecurityPackagesW,
    QueryCredentialsAttributesW: sspcache_QueryCredentialsAttributesW,
    AcquireCredentialsHandleW: sspcache_AcquireCredentialsHandleW,
    InitializeSecurityContextW: sspcache_InitializeSecurityContextW,
    QueryContextAttributesW: sspcache_QueryContextAttributesW,
    QuerySecurityPackageInfoW: sspcache_QuerySecurityPackageInfoW,
    ImportSecurityContextW: sspcache_ImportSecurityContextW,
    AddCredentialsW: sspcache_AddCredentialsW,
    SetContextAttributesW: sspcache_SetContextAttributesW,
    SetCredentialsAttributesW: sspcache_SetCredentialsAttributesW,
    QueryContextAttributesExW: sspcache_QueryContextAttributesExW,
    QueryCredentialsAttributesExW: sspcache_QueryCredentialsAttributesExW,
);
