//! Credentials and their accounts.

use std::ffi::c_void;

use windows_sys::Win32::Security::{
    Authentication::Identity::{SEC_GET_KEY_FN, SecBufferDesc},
    Credentials::SecHandle,
};

forward! {
    /// Signs in through the SSP that has the package (UTF-8).
    fn sspcache_AcquireCredentialsHandleA = "AcquireCredentialsHandleA"(
        principal: *mut i8, package: *mut i8, credential_use: u32, logon: *mut c_void, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, handle: *mut SecHandle, expiry: *mut i64
    ) by package(package), marks(handle);
    /// Signs in through the SSP that has the package (UTF-16).
    fn sspcache_AcquireCredentialsHandleW = "AcquireCredentialsHandleW"(
        principal: *mut u16, package: *mut u16, credential_use: u32, logon: *mut c_void, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, handle: *mut SecHandle, expiry: *mut i64
    ) by package(package), marks(handle);
    /// Adds a credential to a handle (UTF-8).
    fn sspcache_AddCredentialsA = "AddCredentialsA"(
        handle: *mut SecHandle, principal: *mut i8, package: *mut i8, credential_use: u32, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, expiry: *mut i64
    ) by handle(handle);
    /// Adds a credential to a handle (UTF-16).
    fn sspcache_AddCredentialsW = "AddCredentialsW"(
        handle: *mut SecHandle, principal: *mut u16, package: *mut u16, credential_use: u32, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, expiry: *mut i64
    ) by handle(handle);
    /// Frees a credential handle.
    fn sspcache_FreeCredentialsHandle = "FreeCredentialsHandle"(handle: *mut SecHandle) by handle(handle);
    /// Returns an attribute of a credential handle, such as its principal (UTF-8).
    fn sspcache_QueryCredentialsAttributesA = "QueryCredentialsAttributesA"(
        handle: *mut SecHandle, attribute: u32, buffer: *mut c_void
    ) by handle(handle);
    /// Returns an attribute of a credential handle, such as its principal (UTF-16).
    fn sspcache_QueryCredentialsAttributesW = "QueryCredentialsAttributesW"(
        handle: *mut SecHandle, attribute: u32, buffer: *mut c_void
    ) by handle(handle);
    /// Returns an attribute of a credential handle in a buffer of this size (UTF-8).
    fn sspcache_QueryCredentialsAttributesExA = "QueryCredentialsAttributesExA"(
        handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(handle);
    /// Returns an attribute of a credential handle in a buffer of this size (UTF-16).
    fn sspcache_QueryCredentialsAttributesExW = "QueryCredentialsAttributesExW"(
        handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(handle);
    /// Sets an attribute of a credential handle (UTF-8).
    fn sspcache_SetCredentialsAttributesA = "SetCredentialsAttributesA"(
        handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(handle);
    /// Sets an attribute of a credential handle (UTF-16).
    fn sspcache_SetCredentialsAttributesW = "SetCredentialsAttributesW"(
        handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(handle);
    /// Changes an account's password (UTF-8).
    fn sspcache_ChangeAccountPasswordA = "ChangeAccountPasswordA"(
        package: *mut i8, domain: *mut i8, account: *mut i8, old: *mut i8, new: *mut i8, impersonating: u8,
        reserved: u32, output: *mut SecBufferDesc
    ) by package(package);
    /// Changes an account's password (UTF-16).
    fn sspcache_ChangeAccountPasswordW = "ChangeAccountPasswordW"(
        package: *mut u16, domain: *mut u16, account: *mut u16, old: *mut u16, new: *mut u16, impersonating: u8,
        reserved: u32, output: *mut SecBufferDesc
    ) by package(package);
}
