//! Identities, as strings and structures: the `Sspi…` functions. They name no package, so they all go to the first SSP.

use std::ffi::c_void;

use windows_sys::Win32::{
    Foundation::SEC_E_SECPKG_NOT_FOUND, Security::Authentication::Identity::SecPkgContext_Bindings,
};

use super::providers::{self, Slots};
use crate::{edge::Edge, ffi::call};

/// Defines functions that forward their parameters to the first SSP; without one they return the value after `else`.
macro_rules! forward_to_first {
    ($(
        $(#[$doc:meta])*
        fn $symbol:ident = $name:literal($($parameter:ident: $type:ty),* $(,)?) -> $result:ty, else $otherwise:expr;
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// Pointers are valid as Microsoft's page says.
            #[doc = concat!(
                "\n\nReference: [", $name, "](https://learn.microsoft.com/en-us/windows/win32/api/sspi/)."
            )]
            #[unsafe(no_mangle)]
            #[allow(non_snake_case, reason = "the documented name")]
            #[allow(clippy::too_many_arguments, reason = "SSPI's are long")]
            pub unsafe extern "system" fn $symbol($($parameter: $type),*) -> $result {
                type Function = unsafe extern "system" fn($($type),*) -> $result;
                static FOUND: Slots = Slots::new();

                let edge = Edge::default();
                let passed = edge.within(|| call(|| {
                    // SAFETY: an SSP's export of this name is such a function.
                    let found = providers::first().and_then(|first| unsafe { first.function::<Function>(&FOUND, $name) });
                    let Some(function) = found else { return Ok($otherwise) };
                    // SAFETY: the caller promises that pointers are to what the page says, which is all that the SSP
                    // asks for.
                    Ok(unsafe { function($($parameter),*) })
                }));
                passed.unwrap_or($otherwise)
            }
        )*
    };
}

/// `ERROR_NOT_SUPPORTED`: there is no user to ask.
const NOBODY_ASKED: u32 = 50;

forward_to_first! {
    /// Makes an identity from strings.
    fn sspcache_SspiEncodeStringsAsAuthIdentity = "SspiEncodeStringsAsAuthIdentity"(
        user: *const u16, domain: *const u16, packed: *const u16, identity: *mut *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns the strings of an identity.
    fn sspcache_SspiEncodeAuthIdentityAsStrings = "SspiEncodeAuthIdentityAsStrings"(
        identity: *const c_void, user: *mut *const u16, domain: *mut *const u16, packed: *mut *const u16
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns whether an identity is valid.
    fn sspcache_SspiValidateAuthIdentity = "SspiValidateAuthIdentity"(
        identity: *const c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Copies an identity.
    fn sspcache_SspiCopyAuthIdentity = "SspiCopyAuthIdentity"(
        identity: *const c_void, copy: *mut *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Frees an identity.
    fn sspcache_SspiFreeAuthIdentity = "SspiFreeAuthIdentity"(identity: *const c_void) -> (), else ();
    /// Overwrites an identity.
    fn sspcache_SspiZeroAuthIdentity = "SspiZeroAuthIdentity"(identity: *const c_void) -> (), else ();
    /// Frees memory that these functions returned.
    fn sspcache_SspiLocalFree = "SspiLocalFree"(buffer: *const c_void) -> (), else ();
    /// Encrypts an identity.
    fn sspcache_SspiEncryptAuthIdentity = "SspiEncryptAuthIdentity"(
        identity: *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Encrypts an identity.
    fn sspcache_SspiEncryptAuthIdentityEx = "SspiEncryptAuthIdentityEx"(
        options: u32, identity: *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Decrypts an identity.
    fn sspcache_SspiDecryptAuthIdentity = "SspiDecryptAuthIdentity"(
        identity: *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Decrypts an identity.
    fn sspcache_SspiDecryptAuthIdentityEx = "SspiDecryptAuthIdentityEx"(
        options: u32, identity: *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns whether an identity is encrypted.
    fn sspcache_SspiIsAuthIdentityEncrypted = "SspiIsAuthIdentityEncrypted"(
        identity: *const c_void
    ) -> bool, else false;
    /// Compares two identities.
    fn sspcache_SspiCompareAuthIdentities = "SspiCompareAuthIdentities"(
        first: *const c_void, second: *const c_void, same_user: *mut bool, same_identity: *mut bool
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Serializes an identity.
    fn sspcache_SspiMarshalAuthIdentity = "SspiMarshalAuthIdentity"(
        identity: *const c_void, length: *mut u32, bytes: *mut *mut i8
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Deserializes an identity.
    fn sspcache_SspiUnmarshalAuthIdentity = "SspiUnmarshalAuthIdentity"(
        length: u32, bytes: *const u8, identity: *mut *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Excludes a package from an identity.
    fn sspcache_SspiExcludePackage = "SspiExcludePackage"(
        identity: *const c_void, package: *const u16, new: *mut *mut c_void
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns the host in a target's name.
    fn sspcache_SspiGetTargetHostName = "SspiGetTargetHostName"(
        target: *const u16, host: *mut *mut u16
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns the parameters for CredRead.
    fn sspcache_SspiPrepareForCredRead = "SspiPrepareForCredRead"(
        identity: *const c_void, target: *const u16, credential_type: *mut u32,
        credman_target: *mut *const u16
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns the parameters for CredWrite.
    fn sspcache_SspiPrepareForCredWrite = "SspiPrepareForCredWrite"(
        identity: *const c_void, target: *const u16, credential_type: *mut u32,
        credman_target: *mut *const u16, user: *mut *const u16, blob: *mut *mut u8, size: *mut u32
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
    /// Returns whether other credentials could help.
    fn sspcache_SspiIsPromptingNeeded = "SspiIsPromptingNeeded"(error: u32) -> bool, else false;
    /// Answers as if the user had cancelled the prompt (UTF-8).
    fn sspcache_SspiPromptForCredentialsA = "SspiPromptForCredentialsA"(
        target: *const i8, ui: *const c_void, error: u32, package: *const i8, input: *const c_void,
        identity: *mut *mut c_void, save: *mut i32, flags: u32
    ) -> u32, else NOBODY_ASKED;
    /// Answers as if the user had cancelled the prompt (UTF-16).
    fn sspcache_SspiPromptForCredentialsW = "SspiPromptForCredentialsW"(
        target: *const u16, ui: *const c_void, error: u32, package: *const u16, input: *const c_void,
        identity: *mut *mut c_void, save: *mut i32, flags: u32
    ) -> u32, else NOBODY_ASKED;
    /// Not supported by the mock's packages.
    fn sspcache_SspiSetChannelBindingFlags = "SspiSetChannelBindingFlags"(
        bindings: *mut SecPkgContext_Bindings, flags: u32
    ) -> i32, else SEC_E_SECPKG_NOT_FOUND;
}
