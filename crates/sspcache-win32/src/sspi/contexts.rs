//! Security contexts.

use std::ffi::c_void;

use windows_sys::Win32::Security::{
    Authentication::Identity::{SecBuffer, SecBufferDesc},
    Credentials::SecHandle,
};

forward! {
    /// The initiator's next step (UTF-8).
    fn sspcache_InitializeSecurityContextA = "InitializeSecurityContextA"(
        credential: *mut SecHandle, context: *mut SecHandle, target: *mut i8, requirements: u32, reserved1: u32,
        representation: u32, input: *mut SecBufferDesc, reserved2: u32, new: *mut SecHandle,
        output: *mut SecBufferDesc, attributes: *mut u32, expiry: *mut i64
    ) by handle(context, credential), marks(new);
    /// The initiator's next step (UTF-16).
    fn sspcache_InitializeSecurityContextW = "InitializeSecurityContextW"(
        credential: *mut SecHandle, context: *mut SecHandle, target: *mut u16, requirements: u32, reserved1: u32,
        representation: u32, input: *mut SecBufferDesc, reserved2: u32, new: *mut SecHandle,
        output: *mut SecBufferDesc, attributes: *mut u32, expiry: *mut i64
    ) by handle(context, credential), marks(new);
    /// The acceptor's next step.
    fn sspcache_AcceptSecurityContext = "AcceptSecurityContext"(
        credential: *mut SecHandle, context: *mut SecHandle, input: *mut SecBufferDesc, requirements: u32,
        representation: u32, new: *mut SecHandle, output: *mut SecBufferDesc, attributes: *mut u32,
        expiry: *mut i64
    ) by handle(context, credential), marks(new);
    /// Completes a token.
    fn sspcache_CompleteAuthToken = "CompleteAuthToken"(context: *mut SecHandle, token: *mut SecBufferDesc)
        by handle(context);
    /// Applies a control token to a context.
    fn sspcache_ApplyControlToken = "ApplyControlToken"(context: *mut SecHandle, token: *mut SecBufferDesc)
        by handle(context);
    /// Deletes a context.
    fn sspcache_DeleteSecurityContext = "DeleteSecurityContext"(context: *mut SecHandle) by handle(context);
    /// Returns an attribute of a context (UTF-8).
    fn sspcache_QueryContextAttributesA = "QueryContextAttributesA"(
        context: *mut SecHandle, attribute: u32, buffer: *mut c_void
    ) by handle(context);
    /// Returns an attribute of a context (UTF-16).
    fn sspcache_QueryContextAttributesW = "QueryContextAttributesW"(
        context: *mut SecHandle, attribute: u32, buffer: *mut c_void
    ) by handle(context);
    /// Returns an attribute of a context in a buffer of this size (UTF-8).
    fn sspcache_QueryContextAttributesExA = "QueryContextAttributesExA"(
        context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(context);
    /// Returns an attribute of a context in a buffer of this size (UTF-16).
    fn sspcache_QueryContextAttributesExW = "QueryContextAttributesExW"(
        context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(context);
    /// Sets an attribute of a context (UTF-8).
    fn sspcache_SetContextAttributesA = "SetContextAttributesA"(
        context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(context);
    /// Sets an attribute of a context (UTF-16).
    fn sspcache_SetContextAttributesW = "SetContextAttributesW"(
        context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32
    ) by handle(context);
    /// Impersonates the client.
    fn sspcache_ImpersonateSecurityContext = "ImpersonateSecurityContext"(context: *mut SecHandle)
        by handle(context);
    /// Ends the impersonation.
    fn sspcache_RevertSecurityContext = "RevertSecurityContext"(context: *mut SecHandle) by handle(context);
    /// Returns the access token of the client.
    fn sspcache_QuerySecurityContextToken = "QuerySecurityContextToken"(
        context: *mut SecHandle, token: *mut *mut c_void
    ) by handle(context);
    /// Exports a context.
    fn sspcache_ExportSecurityContext = "ExportSecurityContext"(
        context: *mut SecHandle, flags: u32, packed: *mut SecBuffer, token: *mut *mut c_void
    ) by handle(context);
    /// Imports a context through the SSP that has the package (UTF-8).
    fn sspcache_ImportSecurityContextA = "ImportSecurityContextA"(
        package: *mut i8, packed: *mut SecBuffer, token: *mut c_void, context: *mut SecHandle
    ) by package(package), marks(context);
    /// Imports a context through the SSP that has the package (UTF-16).
    fn sspcache_ImportSecurityContextW = "ImportSecurityContextW"(
        package: *mut u16, packed: *mut SecBuffer, token: *mut c_void, context: *mut SecHandle
    ) by package(package), marks(context);
}
