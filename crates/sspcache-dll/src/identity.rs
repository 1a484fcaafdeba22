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
//! says to read them. Encrypted identities are refused: only the Windows that encrypted one can read it.

use std::ffi::c_void;

use sspcache_engine::{Identity, Name, PackageList, Principal, Secret, SecretKind, Status};
use windows_sys::Win32::{
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_EX2, SEC_WINNT_AUTH_IDENTITY_EXW,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED, SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_ENCRYPTED,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_PROTECTED, SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED,
        SEC_WINNT_AUTH_IDENTITY_VERSION, SEC_WINNT_AUTH_IDENTITY_VERSION_2,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_W},
};
use zeroize::Zeroizing;

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
            SEC_WINNT_AUTH_IDENTITY_VERSION_2 => read_ex2(data.cast()),
            _ => read_plain(&data.cast::<SEC_WINNT_AUTH_IDENTITY_W>().read_unaligned()),
        }
    }?;
    Ok(Some(identity))
}

/// The A and the W structure differ in the pointers' types alone; the flags say which it is.
unsafe fn read_plain(data: &SEC_WINNT_AUTH_IDENTITY_W) -> Result<Identity, Status> {
    check_flags(data.Flags)?;
    // SAFETY: by the contract of `read`.
    unsafe {
        let user = string(data.User, data.UserLength, data.Flags)?;
        let domain = string(data.Domain, data.DomainLength, data.Flags)?;
        let password = string(data.Password, data.PasswordLength, data.Flags)?;
        Ok(Identity::new(principal(&user, &domain), Secret::password_units(&password)))
    }
}

unsafe fn read_ex(data: *const SEC_WINNT_AUTH_IDENTITY_EXW) -> Result<Identity, Status> {
    // SAFETY: by the contract of `read`, there is as much as a version and a length; they say whether there is more.
    let length = unsafe { (&raw const (*data).Length).read_unaligned() };
    if (length as usize) < size_of::<SEC_WINNT_AUTH_IDENTITY_EXW>() {
        return Err(Status::UnknownCredentials);
    }
    // SAFETY: as above.
    let data = unsafe { data.read_unaligned() };
    let plain = SEC_WINNT_AUTH_IDENTITY_W {
        User: data.User,
        UserLength: data.UserLength,
        Domain: data.Domain,
        DomainLength: data.DomainLength,
        Password: data.Password,
        PasswordLength: data.PasswordLength,
        Flags: data.Flags,
    };
    // SAFETY: by the contract of `read`.
    let (identity, packages) =
        unsafe { (read_plain(&plain)?, string(data.PackageList, data.PackageListLength, data.Flags)?) };
    Ok(identity.with_packages(package_list(&packages)))
}

unsafe fn read_ex2(data: *const SEC_WINNT_AUTH_IDENTITY_EX2) -> Result<Identity, Status> {
    const HEADER: usize = size_of::<SEC_WINNT_AUTH_IDENTITY_EX2>();
    // SAFETY: by the contract of `read`, there is as much as a version and two lengths; they say whether there is more.
    let (header, length) = unsafe {
        let header = (&raw const (*data).cbHeaderLength).read_unaligned();
        (usize::from(header), (&raw const (*data).cbStructureLength).read_unaligned() as usize)
    };
    // No more than what the header's offsets and 16-bit lengths can be needed for.
    if header < HEADER || length < header || length > MAX_EX2 {
        return Err(Status::UnknownCredentials);
    }
    // SAFETY: by the contract of `read`, that much is there.
    let (data, block) = unsafe {
        (data.read_unaligned(), Block { bytes: std::slice::from_raw_parts(data.cast(), length), header })
    };
    check_flags(data.Flags)?;
    let user = block.units(data.UserOffset, data.UserLength)?;
    let domain = block.units(data.DomainOffset, data.DomainLength)?;
    let packages = block.units(data.PackageListOffset, data.PackageListLength)?;
    let packed = block.part(data.PackedCredentialsOffset, data.PackedCredentialsLength)?;
    let secret = if packed.is_empty() { Secret::password_units(&[]) } else { unpack(packed)? };
    Ok(Identity::new(principal(&user, &domain), secret).with_packages(package_list(&packages)))
}

/// The longest `SEC_WINNT_AUTH_IDENTITY_EX2` that is looked at: a header, and four parts of 64 KiB.
const MAX_EX2: usize = 5 << 16;

/// `SEC_WINNT_AUTH_PACKED_CREDENTIALS`: what kind of credential, and its bytes.
///
/// | bytes | field |
/// | --- | --- |
/// | 0, 2 | `cbHeaderLength`, `cbStructureLength` |
/// | 4 | `AuthData.CredType`, a GUID |
/// | 20 | `AuthData.CredData`, an offset from the start of the structure, and a length |
///
/// Reference: [SEC_WINNT_AUTH_PACKED_CREDENTIALS](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_packed_credentials).
fn unpack(packed: &[u8]) -> Result<Secret, Status> {
    const HEADER: usize = 28;
    let header = packed.get(..HEADER).ok_or(Status::UnknownCredentials)?;
    let [header_length, length] = [0, 2].map(|at| usize::from(u16_at(header, at)));
    let bytes = packed.get(..length).ok_or(Status::UnknownCredentials)?;
    if header_length < HEADER || length < header_length {
        return Err(Status::UnknownCredentials);
    }
    let data = Block { bytes, header: header_length }.vector(20)?;
    match &header[4..20] {
        TYPE_PASSWORD => Ok(Secret::password_units(&utf16(password(data)?)?)),
        TYPE_KEYTAB => Ok(Secret::opaque(SecretKind::Keytab, data)),
        TYPE_CERT | TYPE_CREDMAN_CERT | TYPE_CSP_DATA => Ok(Secret::opaque(SecretKind::Certificate, data)),
        _ => Err(Status::UnknownCredentials),
    }
}

/// The password in a packed credential: `SEC_WINNT_AUTH_DATA_PASSWORD`, whose vector is filled by what follows it, or the
/// bare UTF-16 that callers pass as well. No password begins like such a vector: its second character would be a null.
///
/// Reference: [SEC_WINNT_AUTH_DATA_PASSWORD](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_data_password).
fn password(data: &[u8]) -> Result<&[u8], Status> {
    const HEADER: usize = 8;
    if data.len() < HEADER || u16_at(data, 2) != 0 {
        return Ok(data);
    }
    Block { bytes: data, header: HEADER }.vector(0)
}

/// Memory that offsets in its own header point into.
#[derive(Clone, Copy)]
struct Block<'b> {
    bytes: &'b [u8],
    header: usize,
}

impl<'b> Block<'b> {
    /// A part of it, which lies behind the header; an empty one may lie anywhere.
    fn part(self, offset: u32, length: u16) -> Result<&'b [u8], Status> {
        if length == 0 {
            return Ok(&[]);
        }
        let start = usize::try_from(offset).map_err(|_| Status::UnknownCredentials)?;
        let end = start.checked_add(usize::from(length)).ok_or(Status::UnknownCredentials)?;
        if start < self.header {
            return Err(Status::UnknownCredentials);
        }
        self.bytes.get(start..end).ok_or(Status::UnknownCredentials)
    }

    /// A part that holds UTF-16.
    fn units(self, offset: u32, length: u16) -> Result<Units, Status> {
        utf16(self.part(offset, length)?)
    }

    /// The part that the `SEC_WINNT_AUTH_BYTE_VECTOR` at this place of the header names.
    fn vector(self, at: usize) -> Result<&'b [u8], Status> {
        let offset = u32::from(u16_at(self.bytes, at)) | u32::from(u16_at(self.bytes, at + 2)) << 16;
        self.part(offset, u16_at(self.bytes, at + 4))
    }
}

/// The number at a place that is known to be there. In the memory of the machine that passed it, and so in its byte order.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn utf16(bytes: &[u8]) -> Result<Units, Status> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Status::UnknownCredentials);
    }
    // The iterator's length is exact: nothing grows and leaves a copy behind.
    Ok(Zeroizing::new(units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect()))
}

/// Refuses what is encrypted.
fn check_flags(flags: u32) -> Result<(), Status> {
    const ENCRYPTED: u32 = SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED
        | SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_ENCRYPTED
        | SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_PROTECTED
        | SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED;
    if flags & ENCRYPTED == 0 { Ok(()) } else { Err(Status::UnknownCredentials) }
}

/// A string of an identity, in the encoding that its flags say.
unsafe fn string(text: *const u16, length: u32, flags: u32) -> Result<Units, Status> {
    // SAFETY: by the contract of `read`.
    unsafe {
        match flags & SEC_WINNT_AUTH_IDENTITY_ANSI {
            0 => text::counted::<Wide>(text, length),
            _ => text::counted::<Ansi>(text.cast(), length),
        }
    }
}

fn principal(user: &[u16], domain: &[u16]) -> Principal {
    Principal::new(Name::from_units(user), Name::from_units(domain))
}

fn package_list(list: &[u16]) -> PackageList {
    PackageList::parse(Name::from_units(list))
}

// The credential types of sspi.h that are accepted, as they lie in memory. windows-sys has none of them.

/// `SEC_WINNT_AUTH_DATA_TYPE_PASSWORD`
const TYPE_PASSWORD: &[u8] =
    &guid(0x28bf_c32f, 0x10f6, 0x4738, [0x98, 0xd1, 0x1a, 0xc0, 0x61, 0xdf, 0x71, 0x6a]);
/// `SEC_WINNT_AUTH_DATA_TYPE_KEYTAB`
const TYPE_KEYTAB: &[u8] =
    &guid(0xd587_aae8, 0xf78f, 0x4455, [0xa1, 0x12, 0xc9, 0x34, 0xbe, 0xee, 0x7c, 0xe1]);
/// `SEC_WINNT_AUTH_DATA_TYPE_CERT`
const TYPE_CERT: &[u8] = &guid(0x235f_69ad, 0x73fb, 0x4dbc, [0x82, 0x03, 0x06, 0x29, 0xe7, 0x39, 0x33, 0x9b]);
/// `SEC_WINNT_AUTH_DATA_TYPE_CREDMAN_CERT`
const TYPE_CREDMAN_CERT: &[u8] =
    &guid(0x7cb7_2412, 0x1016, 0x491a, [0x8c, 0x87, 0x4d, 0x2a, 0xa1, 0xb7, 0xdd, 0x3a]);
/// `SEC_WINNT_AUTH_DATA_TYPE_CSP_DATA`: a smart card's certificate.
const TYPE_CSP_DATA: &[u8] =
    &guid(0x68fd_9879, 0x079c, 0x4dfe, [0x82, 0x81, 0x57, 0x8a, 0xad, 0xc1, 0xc1, 0x00]);

/// A GUID as it lies in memory.
const fn guid(data1: u32, data2: u16, data3: u16, data4: [u8; 8]) -> [u8; 16] {
    let (a, b, c, d) = (data1.to_ne_bytes(), data2.to_ne_bytes(), data3.to_ne_bytes(), data4);
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}
