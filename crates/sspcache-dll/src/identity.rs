//! Explicit identities: `SEC_WINNT_AUTH_IDENTITY` in its forms (clause S7).

use std::ffi::c_void;

use sspcache_engine::{Identity, Name, PackageList, Principal, Secret, Status};
use windows_sys::Win32::{
    Security::Authentication::Identity::{SEC_WINNT_AUTH_IDENTITY_EXW, SEC_WINNT_AUTH_IDENTITY_VERSION},
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W},
};

use crate::text::{self, Ansi, Units, Wide};

/// Reads authentication data; `None` for a null pointer, which is a silent sign-in.
///
/// # Safety
/// A pointer that isn't null is to a `SEC_WINNT_AUTH_IDENTITY` of one of the documented forms.
///
/// # Errors
/// [`Status::UnknownCredentials`] for anything else, as far as it can be told.
pub(crate) unsafe fn read(data: *const c_void) -> Result<Option<Identity>, Status> {
    if data.is_null() {
        return Ok(None);
    }
    // SAFETY: each form begins with a version, or with a pointer that isn't smaller.
    let version = unsafe { data.cast::<u32>().read_unaligned() };
    // SAFETY: by this function's contract.
    let identity = unsafe {
        match version {
            SEC_WINNT_AUTH_IDENTITY_VERSION => read_ex(data.cast()),
            _ => read_plain(data.cast()),
        }
    }?;
    Ok(Some(identity))
}

unsafe fn read_plain(data: *const SEC_WINNT_AUTH_IDENTITY_W) -> Result<Identity, Status> {
    // SAFETY: by the contract of `read`; the A and the W structure differ in the pointers' types alone.
    let data = unsafe { data.read_unaligned() };
    // SAFETY: as above.
    unsafe {
        let user = string(data.User, data.UserLength, data.Flags)?;
        let domain = string(data.Domain, data.DomainLength, data.Flags)?;
        let password = string(data.Password, data.PasswordLength, data.Flags)?;
        Ok(identity(&user, &domain, &password))
    }
}

unsafe fn read_ex(data: *const SEC_WINNT_AUTH_IDENTITY_EXW) -> Result<Identity, Status> {
    // SAFETY: by the contract of `read`; the A and the W structure differ in the pointers' types alone.
    let data = unsafe { data.read_unaligned() };
    if (data.Length as usize) < size_of::<SEC_WINNT_AUTH_IDENTITY_EXW>() {
        return Err(Status::UnknownCredentials);
    }
    // SAFETY: as above.
    unsafe {
        let user = string(data.User, data.UserLength, data.Flags)?;
        let domain = string(data.Domain, data.DomainLength, data.Flags)?;
        let password = string(data.Password, data.PasswordLength, data.Flags)?;
        let packages = string(data.PackageList, data.PackageListLength, data.Flags)?;
        Ok(identity(&user, &domain, &password).with_packages(PackageList::parse(Name::from_units(&packages))))
    }
}

/// A string of an identity, in the encoding that its flags say.
unsafe fn string(text: *const u16, length: u32, flags: u32) -> Result<Units, Status> {
    // SAFETY: by the contract of `read`.
    unsafe {
        match flags & (SEC_WINNT_AUTH_IDENTITY_ANSI | SEC_WINNT_AUTH_IDENTITY_UNICODE) {
            SEC_WINNT_AUTH_IDENTITY_ANSI => text::counted::<Ansi>(text.cast(), length),
            SEC_WINNT_AUTH_IDENTITY_UNICODE => text::counted::<Wide>(text, length),
            _ => Err(Status::UnknownCredentials),
        }
    }
}

fn identity(user: &[u16], domain: &[u16], password: &[u16]) -> Identity {
    let principal = Principal::new(Name::from_units(user), Name::from_units(domain));
    Identity::new(principal, Secret::password_units(password))
}
