//! Explicit identities: `SEC_WINNT_AUTH_IDENTITY` in its forms (clause S7).
//!
//! | form | told by its first word | strings |
//! | --- | --- | --- |
//! | `SEC_WINNT_AUTH_IDENTITY` | neither of those below | pointers; lengths in characters |
//! | `SEC_WINNT_AUTH_IDENTITY_EX` | 0x200 | the same, and a list of packages |
//! | `SEC_WINNT_AUTH_IDENTITY_EX2` | 0x201 | offsets into the one block of memory; lengths in bytes; UTF-16 alone |
//!
//! That, and that everything is UTF-16 unless its flags say ANSI, is how
//! [SEC_WINNT_AUTH_IDENTITY_INFO](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_identity_info)
//! says to read them. Of encrypted identities, those are read that `SspiEncryptAuthIdentity` of this SSP encrypted; another
//! one's are refused, as only the Windows that encrypted one can read it.

mod block;
mod packed;

use std::{ffi::c_void, ptr, slice};

use sspcache_engine::{Identity, Name, PackageList, Principal, Status};
use windows_sys::Win32::{
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_EXW, SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_DOMAIN,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_USER, SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED, SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_ENCRYPTED,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_PROTECTED, SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED,
        SEC_WINNT_AUTH_IDENTITY_MARSHALLED, SEC_WINNT_AUTH_IDENTITY_VERSION,
        SEC_WINNT_AUTH_IDENTITY_VERSION_2,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W},
};

use zeroize::Zeroize;

pub(crate) use self::{
    block::{Block, build, length_at, seal, unseal},
    packed::{Credential, bytes_of},
};
use crate::{
    state::Ssp,
    text::{self, Ansi, Text, Units, Wide},
};

/// Reads authentication data; `None` for a null pointer, which is a silent sign-in.
///
/// # Safety
/// A pointer that isn't null is to a `SEC_WINNT_AUTH_IDENTITY` of one of the documented forms.
///
/// # Errors
/// [`Status::UnknownCredentials`] for anything else, as far as it can be told.
pub(crate) unsafe fn read(ssp: &Ssp, data: *const c_void) -> Result<Option<Identity>, Status> {
    // SAFETY: by this function's contract.
    unsafe { parts(ssp, data) }.map(|parts| parts.map(|parts| parts.identity()))
}

/// The parts of authentication data; `None` for a null pointer.
///
/// # Safety
/// As [`read`].
///
/// # Errors
/// As [`read`].
pub(crate) unsafe fn parts<'t>(ssp: &Ssp, data: *const c_void) -> Result<Option<Parts<'t>>, Status> {
    if data.is_null() {
        return Ok(None);
    }
    // SAFETY: by this function's contract.
    unsafe { Parts::read(ssp, data) }.map(Some)
}

/// What is in an identity, before anything is made of it.
#[derive(Default)]
pub(crate) struct Parts<'t> {
    /// `None` where a pointer is null, or a flag says that it was.
    pub(crate) user: Option<Text<'t>>,
    pub(crate) domain: Option<Text<'t>>,
    pub(crate) credential: Credential<'t>,
    /// Names, separated by commas.
    pub(crate) packages: Units,
    /// Those flags that don't tell how the identity is written.
    pub(crate) flags: u32,
}

impl Parts<'_> {
    /// Reads an identity of any form.
    ///
    /// # Safety
    /// The pointer is to one.
    ///
    /// # Errors
    /// [`Status::UnknownCredentials`] for anything else, as far as it can be told.
    pub(crate) unsafe fn read(ssp: &Ssp, data: *const c_void) -> Result<Self, Status> {
        // SAFETY: each form begins with a version, or with a pointer that isn't smaller.
        let version = unsafe { data.cast::<u32>().read_unaligned() };
        // SAFETY: by this function's contract.
        unsafe {
            match version {
                SEC_WINNT_AUTH_IDENTITY_VERSION => read_ex(data.cast()),
                SEC_WINNT_AUTH_IDENTITY_VERSION_2 => Block::at(ssp, data)?.read(ssp),
                _ => read_plain(&data.cast::<SEC_WINNT_AUTH_IDENTITY_W>().read_unaligned()),
            }
        }
    }

    /// What they come to as a sign-in.
    pub(crate) fn identity(&self) -> Identity {
        Identity::new(self.principal(), self.credential.secret()).with_packages(self.package_list())
    }

    pub(crate) fn package_list(&self) -> PackageList {
        PackageList::parse(Name::from_units(&self.packages))
    }

    /// Whether they say nothing but which packages may be used.
    pub(crate) fn is_list_alone(&self) -> bool {
        let nobody = self.user.is_none() && self.domain.is_none();
        nobody && matches!(self.credential, Credential::Missing) && !self.packages.is_empty()
    }

    /// User and domain, as they are.
    fn principal(&self) -> Principal {
        let name = |text: &Option<Text<'_>>| Name::from_units(text.as_deref().unwrap_or_default());
        Principal::new(name(&self.user), name(&self.domain))
    }
}

/// Whether this is the form of one block.
///
/// # Safety
/// The pointer is to an identity.
pub(crate) unsafe fn is_block(data: *const c_void) -> bool {
    // SAFETY: each form begins with a version, or with a pointer that isn't smaller.
    unsafe { data.cast::<u32>().read_unaligned() == SEC_WINNT_AUTH_IDENTITY_VERSION_2 }
}

/// Overwrites what an identity's pointers lead to, or the one block that it is.
///
/// # Safety
/// The pointer is to an identity, and all of it may be written to.
///
/// # Errors
/// [`Status::UnknownCredentials`] for what is no identity, as far as it can be told.
pub(crate) unsafe fn zero(ssp: &Ssp, data: *mut c_void) -> Result<(), Status> {
    // SAFETY: by this function's contract.
    unsafe {
        if is_block(data) {
            block::zero(ssp, data)
        } else {
            let (plain, packages) = pointers(data)?;
            for (text, length) in [
                (plain.User, plain.UserLength),
                (plain.Domain, plain.DomainLength),
                (plain.Password, plain.PasswordLength),
                packages,
            ] {
                zero_string(text, length, plain.Flags);
            }
            Ok(())
        }
    }
}

/// # Safety
/// A string that isn't null may be written to.
unsafe fn zero_string(text: *mut u16, length: u32, flags: u32) {
    if text.is_null() || length > text::MAX_LENGTH {
        return;
    }
    let unit = if flags & SEC_WINNT_AUTH_IDENTITY_ANSI == 0 { size_of::<u16>() } else { 1 };
    // SAFETY: by this function's contract.
    let bytes = unsafe { slice::from_raw_parts_mut(text.cast::<u8>(), length as usize * unit) };
    bytes.zeroize();
}

/// Of a form with pointers: what both have, and the list of packages.
///
/// # Safety
/// The pointer is to such an identity.
unsafe fn pointers(data: *const c_void) -> Result<(SEC_WINNT_AUTH_IDENTITY_W, (*mut u16, u32)), Status> {
    // SAFETY: by this function's contract; each form begins with a version, or with a pointer that isn't smaller.
    unsafe {
        if data.cast::<u32>().read_unaligned() != SEC_WINNT_AUTH_IDENTITY_VERSION {
            return Ok((data.cast::<SEC_WINNT_AUTH_IDENTITY_W>().read_unaligned(), (ptr::null_mut(), 0)));
        }
        let data = ex(data.cast())?;
        let plain = SEC_WINNT_AUTH_IDENTITY_W {
            User: data.User,
            UserLength: data.UserLength,
            Domain: data.Domain,
            DomainLength: data.DomainLength,
            Password: data.Password,
            PasswordLength: data.PasswordLength,
            Flags: data.Flags,
        };
        Ok((plain, (data.PackageList, data.PackageListLength)))
    }
}

/// The A and the W structure differ in the pointers' types alone; the flags say which it is.
unsafe fn read_plain<'t>(data: &SEC_WINNT_AUTH_IDENTITY_W) -> Result<Parts<'t>, Status> {
    // Only what is in one block can be encrypted here.
    if data.Flags & ENCRYPTED != 0 {
        return Err(Status::UnknownCredentials);
    }
    // SAFETY: by the contract of `read`.
    unsafe {
        Ok(Parts {
            user: string(data.User, data.UserLength, data.Flags)?,
            domain: string(data.Domain, data.DomainLength, data.Flags)?,
            credential: string(data.Password, data.PasswordLength, data.Flags)?
                .map_or(Credential::Missing, Credential::Password),
            packages: Units::default(),
            flags: data.Flags & !FORM,
        })
    }
}

unsafe fn read_ex<'t>(data: *const SEC_WINNT_AUTH_IDENTITY_EXW) -> Result<Parts<'t>, Status> {
    // SAFETY: by the contract of `read`.
    unsafe {
        let (plain, (packages, length)) = pointers(data.cast())?;
        let packages = string(packages, length, plain.Flags)?.unwrap_or_default().into_units();
        Ok(Parts { packages, ..read_plain(&plain)? })
    }
}

unsafe fn ex(data: *const SEC_WINNT_AUTH_IDENTITY_EXW) -> Result<SEC_WINNT_AUTH_IDENTITY_EXW, Status> {
    // SAFETY: by the contract of `read`, there is as much as a version and a length; they say whether there is more.
    let length = unsafe { (&raw const (*data).Length).read_unaligned() };
    if (length as usize) < size_of::<SEC_WINNT_AUTH_IDENTITY_EXW>() {
        return Err(Status::UnknownCredentials);
    }
    // SAFETY: as above.
    Ok(unsafe { data.read_unaligned() })
}

/// A string of an identity, in the encoding that its flags say; `None` for a null pointer.
unsafe fn string<'t>(text: *const u16, length: u32, flags: u32) -> Result<Option<Text<'t>>, Status> {
    if text.is_null() && length == 0 {
        return Ok(None);
    }
    // SAFETY: by the contract of `read`.
    unsafe {
        match flags & SEC_WINNT_AUTH_IDENTITY_ANSI {
            0 => text::counted::<Wide>(text, length).map(Some),
            _ => text::counted::<Ansi>(text.cast(), length).map(Some),
        }
    }
}

/// The flags that say an identity is encrypted.
const ENCRYPTED: u32 = SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_ENCRYPTED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_PROTECTED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED;

/// The flags that say how an identity is written, rather than what is meant by it.
const FORM: u32 = ENCRYPTED
    | SEC_WINNT_AUTH_IDENTITY_ANSI
    | SEC_WINNT_AUTH_IDENTITY_UNICODE
    | SEC_WINNT_AUTH_IDENTITY_MARSHALLED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_DOMAIN
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_USER
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED;
