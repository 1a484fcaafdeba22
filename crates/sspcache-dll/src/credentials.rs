//! Credential handles: acquiring and freeing them, adding to them, and asking whom they stand for.

use std::{ffi::c_void, slice};

use sspcache_engine::{
    AcquireRequest, Acquired, CredentialHandle, Direction, KdcProxy, Name, Principal, Status,
};
use windows_sys::Win32::Security::{
    Authentication::Identity::{
        KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY, KDC_PROXY_SETTINGS_V1, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS,
        SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_AUTOLOGON_RESTRICTED, SECPKG_CRED_BOTH, SECPKG_CRED_INBOUND,
        SECPKG_CRED_OUTBOUND, SECPKG_CRED_PROCESS_POLICY_ONLY, SecPkgCredentials_KdcProxySettingsW,
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
        let request = unsafe { request::<E>(ssp, [principal, package], credential_use, auth_data) }?;
        let acquired = engine.acquire(&request)?;
        // SAFETY: the handle is not null; both are the caller's to have written.
        unsafe {
            handle.write(SecHandle { dwLower: acquired.handle.word(), dwUpper: 0 });
            tell_expiry(expiry, &acquired);
        }
        Ok(())
    })
}

/// `AddCredentials`: one more credential for a handle.
///
/// # Safety
/// As [`acquire_credentials_handle`]; a handle that isn't null may be read.
///
/// Reference: [AddCredentials](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addcredentialsw).
pub unsafe fn add_credentials<E: Encoding>(
    ssp: &Ssp,
    handle: *const SecHandle,
    [principal, package]: [*const E::Unit; 2],
    credential_use: u32,
    auth_data: *const c_void,
    expiry: *mut i64,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        unsafe {
            let handle = word(handle)?;
            let request = request::<E>(ssp, [principal, package], credential_use, auth_data)?;
            let added = engine.add_credentials(handle, &request)?;
            tell_expiry(expiry, &added);
        }
        Ok(())
    })
}

/// What the parameters of `AcquireCredentialsHandle` and `AddCredentials` ask for.
///
/// # Safety
/// Strings that aren't null end in a null; authentication data that isn't null is an identity.
unsafe fn request<E: Encoding>(
    ssp: &Ssp,
    [principal, package]: [*const E::Unit; 2],
    credential_use: u32,
    auth_data: *const c_void,
) -> Result<AcquireRequest, Status> {
    // SAFETY: by this function's contract.
    let package = unsafe { text::name::<E>(package) }?.ok_or(Status::SecpkgNotFound)?;
    let direction = match credential_use & SECPKG_CRED_BOTH {
        SECPKG_CRED_INBOUND => Direction::Inbound,
        SECPKG_CRED_OUTBOUND => Direction::Outbound,
        SECPKG_CRED_BOTH => Direction::Both,
        _ => return Err(Status::UnknownCredentials),
    };
    let mut request = AcquireRequest::new(package, direction);
    request.autologon_restricted = credential_use & SECPKG_CRED_AUTOLOGON_RESTRICTED != 0;
    request.process_policy_only = credential_use & SECPKG_CRED_PROCESS_POLICY_ONLY != 0;
    // SAFETY: by this function's contract.
    let principal = unsafe { text::name::<E>(principal) }?.filter(|name| !name.is_empty());
    request.principal = principal.map(Principal::parse);
    // SAFETY: by this function's contract.
    match unsafe { identity::parts(ssp, auth_data) }? {
        // Nobody, but a list: whoever is signed in already, over those packages.
        Some(parts) if parts.is_list_alone() => request.packages = parts.package_list(),
        parts => request.identity = parts.map(|parts| parts.identity()),
    }
    Ok(request)
}

/// # Safety
/// An expiry that isn't null may be written to.
unsafe fn tell_expiry(expiry: *mut i64, acquired: &Acquired) {
    if !expiry.is_null() {
        // SAFETY: by this function's contract.
        unsafe { expiry.write(acquired.expires_local.0.cast_signed()) };
    }
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

/// `SetCredentialsAttributes`: `SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS`, for handles of Kerberos and Negotiate. Its structure has
/// a W form alone, which both functions take. Other attributes give `SEC_E_UNSUPPORTED_FUNCTION`.
///
/// # Safety
/// A handle that isn't null may be read; a buffer that isn't null has the size that is given.
///
/// Reference: [SetCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcredentialsattributesw).
pub unsafe fn set_credentials_attributes(
    ssp: &Ssp,
    handle: *const SecHandle,
    attribute: u32,
    buffer: *const c_void,
    size: u32,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        let handle = unsafe { word(handle) }?;
        engine.set_kdc_proxy(handle, || {
            if attribute != SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS {
                return Err(Status::UnsupportedFunction);
            }
            if buffer.is_null() {
                return Err(Status::InvalidParameter);
            }
            // SAFETY: by this function's contract.
            kdc_proxy(unsafe { slice::from_raw_parts(buffer.cast(), size as usize) })
        })
    })
}

/// Reads a `SecPkgCredentials_KdcProxySettingsW`: a header, whose offsets and lengths count bytes, from its beginning.
///
/// Reference: [SecPkgCredentials_KdcProxySettingsW](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcredentials_kdcproxysettingsw).
fn kdc_proxy(settings: &[u8]) -> Result<KdcProxy, Status> {
    if settings.len() < size_of::<SecPkgCredentials_KdcProxySettingsW>() {
        return Err(Status::InvalidParameter);
    }
    // SAFETY: there are as many bytes, wherever they lie, and any bits are a value.
    let header = unsafe { settings.as_ptr().cast::<SecPkgCredentials_KdcProxySettingsW>().read_unaligned() };
    if header.Version != KDC_PROXY_SETTINGS_V1 || header.Flags & !KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY != 0 {
        return Err(Status::InvalidParameter);
    }
    let part = |offset: u16, length: u16| {
        let rest = settings.get(usize::from(offset)..).ok_or(Status::InvalidParameter)?;
        rest.get(..usize::from(length)).ok_or(Status::InvalidParameter)
    };
    let (units, []) = part(header.ProxyServerOffset, header.ProxyServerLength)?.as_chunks::<2>() else {
        return Err(Status::InvalidParameter);
    };
    let server: Vec<u16> = units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect();
    Ok(KdcProxy {
        server: Name::from_units(&server),
        force: header.Flags & KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY != 0,
        client_tls_credential: part(header.ClientTlsCredOffset, header.ClientTlsCredLength)?.to_vec().into(),
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
