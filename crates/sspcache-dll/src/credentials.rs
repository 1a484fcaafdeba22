//! Credential handles: acquiring, freeing, and asking whom they stand for.

use std::ffi::c_void;

use sspcache_engine::{AcquireRequest, CredentialHandle, Direction, Name, Principal, Status};
use windows_sys::Win32::Security::{
    Authentication::Identity::{
        SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_AUTOLOGON_RESTRICTED, SECPKG_CRED_BOTH, SECPKG_CRED_INBOUND,
        SECPKG_CRED_OUTBOUND, SECPKG_CRED_PROCESS_POLICY_ONLY,
    },
    Credentials::SecHandle,
};

use crate::{guard, identity, state::Ssp, text, text::Encoding};

/// `AcquireCredentialsHandle` (clause M2).
///
/// # Safety
/// Strings that aren't null end in a null; authentication data that isn't null is a `SEC_WINNT_AUTH_IDENTITY` of one of the
/// documented forms; the handle, and the expiry unless it is null, may be written to.
///
/// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
pub unsafe fn acquire_credentials_handle<E: Encoding>(
    ssp: &Ssp,
    principal: *const E::Unit,
    package: *const E::Unit,
    credential_use: u32,
    auth_data: *const c_void,
    handle: *mut SecHandle,
    expiry: *mut i64,
) -> i32 {
    guard::status(|| {
        if handle.is_null() {
            return Err(Status::InvalidParameter);
        }
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        let package = unsafe { text::terminated::<E>(package) }?.ok_or(Status::SecpkgNotFound)?;
        let direction = match credential_use & SECPKG_CRED_BOTH {
            SECPKG_CRED_INBOUND => Direction::Inbound,
            SECPKG_CRED_OUTBOUND => Direction::Outbound,
            SECPKG_CRED_BOTH => Direction::Both,
            _ => return Err(Status::UnknownCredentials),
        };
        let mut request = AcquireRequest::new(Name::from_units(&package), direction);
        request.autologon_restricted = credential_use & SECPKG_CRED_AUTOLOGON_RESTRICTED != 0;
        request.process_policy_only = credential_use & SECPKG_CRED_PROCESS_POLICY_ONLY != 0;
        // SAFETY: by this function's contract.
        let principal = unsafe { text::terminated::<E>(principal) }?.filter(|name| !name.is_empty());
        request.principal = principal.map(|name| Principal::parse(Name::from_units(&name)));
        // SAFETY: by this function's contract.
        request.identity = unsafe { identity::read(auth_data) }?;
        let acquired = engine.acquire(&request)?;
        // SAFETY: the handle is not null; both are the caller's to have written.
        unsafe {
            handle.write(SecHandle { dwLower: acquired.handle.word(), dwUpper: 0 });
            if !expiry.is_null() {
                expiry.write(acquired.expires_local.0.cast_signed());
            }
        }
        Ok(())
    })
}

/// `FreeCredentialsHandle`.
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [FreeCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle).
pub unsafe fn free_credentials_handle(ssp: &Ssp, handle: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.free(unsafe { word(handle) }?))
}

/// `QueryCredentialsAttributes`: the names, freed with `FreeContextBuffer`. Other attributes give
/// `SEC_E_UNSUPPORTED_FUNCTION`.
///
/// # Safety
/// A handle that isn't null may be read; the buffer, unless it is null, is the structure that the attribute's page names.
///
/// Reference: [QueryCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycredentialsattributesw).
pub unsafe fn query_credentials_attributes<E: Encoding>(
    ssp: &Ssp,
    handle: *const SecHandle,
    attribute: u32,
    buffer: *mut c_void,
    size: Option<u32>,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        let principal = engine.principal(unsafe { word(handle) }?)?;
        if attribute != SECPKG_CRED_ATTR_NAMES {
            return Err(Status::UnsupportedFunction);
        }
        if buffer.is_null() {
            return Err(Status::InvalidParameter);
        }
        // SecPkgCredentials_Names is one pointer.
        if size.is_some_and(|size| (size as usize) < size_of::<*mut E::Unit>()) {
            return Err(Status::BufferTooSmall);
        }
        let name = E::encode(Name::from(principal.to_string()).units());
        let copy: *mut E::Unit = ssp.hand_out(size_of_val(name.as_slice())).cast();
        // SAFETY: the copy has room for the name; the structure is the caller's to have written.
        unsafe {
            copy.copy_from_nonoverlapping(name.as_ptr(), name.len());
            buffer.cast::<*mut E::Unit>().write(copy);
        }
        Ok(())
    })
}

/// The handle is in `dwLower`; `dwUpper` is never looked at, since secur32 overwrites it (clause S8).
///
/// # Safety
/// A handle that isn't null may be read.
unsafe fn word(handle: *const SecHandle) -> Result<CredentialHandle, Status> {
    // SAFETY: by this function's contract.
    let handle = unsafe { handle.as_ref() }.ok_or(Status::InvalidHandle)?;
    Ok(CredentialHandle::from_word(handle.dwLower))
}
