//! The secret of an identity, and its form in one block: `SEC_WINNT_AUTH_PACKED_CREDENTIALS`.
//!
//! | bytes | field |
//! | --- | --- |
//! | 0, 2 | `cbHeaderLength`, `cbStructureLength` |
//! | 4 | `AuthData.CredType`, a GUID |
//! | 20 | `AuthData.CredData`, an offset from the start of the structure, and a length |
//!
//! Where a program for Unix takes `ULONG` for its `unsigned long` of 64 bits, as Python's sspilib does *(observed)*, the GUID
//! begins with one, and so does `CredData`:
//!
//! | bytes | field |
//! | --- | --- |
//! | 0, 2 | `cbHeaderLength`, `cbStructureLength` |
//! | 8 | `AuthData.CredType`: 64 bits, then the rest of the GUID |
//! | 32 | `AuthData.CredData`: an offset of 64 bits, a length |
//!
//! Reference: [SEC_WINNT_AUTH_PACKED_CREDENTIALS](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_packed_credentials).

use sspcache_engine::{Secret, SecretKind, SecurityStatus};
use zeroize::Zeroizing;

use super::bytes::{bytes_of, part, u16_at, u32_at, utf16};
use crate::text::Text;

/// A password, a key or a certificate.
#[derive(Default)]
pub(crate) enum Credential<'t> {
    /// None was given, which signs in like a blank password.
    #[default]
    Missing,
    /// What is none, with its type as sspi.h names it.
    Opaque {
        kind: SecretKind,
        credential_type: [u8; 16],
        data: Zeroizing<Vec<u8>>,
    },
    Password(Text<'t>),
}

impl Credential<'_> {
    /// Reads what is packed; nothing is no credential.
    ///
    /// # Errors
    /// [`SecurityStatus::UNKNOWN_CREDENTIALS`] for what isn't one of the types below, or isn't whole.
    pub(crate) fn unpack(packed: &[u8]) -> Result<Credential<'static>, SecurityStatus> {
        if packed.is_empty() {
            return Ok(Credential::Missing);
        }
        let header = packed.first_chunk::<HEADER>().ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
        let [header_length, length] = [0, 2].map(|at| usize::from(u16_at(header, at)));
        let bytes = packed.get(..length).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
        if header_length < HEADER || length < header_length {
            return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
        }
        let (credential_type, data) = match bytes.first_chunk::<LONG_HEADER>() {
            Some(header) if header_length >= LONG_HEADER && header[TYPE..LONG_TYPE] == [0; 4] => {
                long(header, bytes, header_length)?
            }
            _ => {
                let mut credential_type = [0; 16];
                credential_type.copy_from_slice(&header[TYPE..DATA]);
                (credential_type, vector(bytes, header_length, DATA)?)
            }
        };
        let kind = match credential_type {
            TYPE_PASSWORD => return Ok(Credential::Password(utf16(password(data)?)?.into())),
            TYPE_KEYTAB => SecretKind::Keytab,
            TYPE_CERT | TYPE_CREDMAN_CERT | TYPE_CSP_DATA => SecretKind::Certificate,
            _ => return Err(SecurityStatus::UNKNOWN_CREDENTIALS),
        };
        Ok(Credential::Opaque { kind, credential_type, data: Zeroizing::new(data.to_vec()) })
    }

    /// Packs it; no credential is nothing.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] for one that is too long.
    pub(crate) fn pack(&self) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        match self {
            Self::Missing => Ok(Zeroizing::default()),
            Self::Opaque { credential_type, data, .. } => pack(*credential_type, &[data]),
            Self::Password(password) => {
                let bytes = bytes_of(password);
                let length = u16::try_from(bytes.len()).map_err(|_| SecurityStatus::INVALID_PARAMETER)?;
                let mut header = [0; PASSWORD_HEADER];
                header[..4].copy_from_slice(&8u32.to_ne_bytes());
                header[4..6].copy_from_slice(&length.to_ne_bytes());
                pack(TYPE_PASSWORD, &[&header, &bytes])
            }
        }
    }

    /// It as a secret.
    pub(crate) fn secret(&self) -> Secret {
        match self {
            Self::Missing => Secret::password_units(&[]),
            Self::Opaque { kind, data, .. } => Secret::opaque(*kind, data),
            Self::Password(password) => Secret::password_units(password),
        }
    }
}

fn pack(credential_type: [u8; 16], data: &[&[u8]]) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
    let length = HEADER + data.iter().map(|part| part.len()).sum::<usize>();
    let short = u16::try_from(length).map_err(|_| SecurityStatus::INVALID_PARAMETER)?;
    let mut packed = Zeroizing::new(Vec::with_capacity(length));
    packed.resize(HEADER, 0);
    packed[..2].copy_from_slice(&HEADER_LENGTH.to_ne_bytes());
    packed[2..TYPE].copy_from_slice(&short.to_ne_bytes());
    packed[TYPE..DATA].copy_from_slice(&credential_type);
    packed[DATA..DATA + 4].copy_from_slice(&u32::from(HEADER_LENGTH).to_ne_bytes());
    packed[DATA + 4..DATA + 6].copy_from_slice(&(short - HEADER_LENGTH).to_ne_bytes());
    for part in data {
        packed.extend_from_slice(part);
    }
    Ok(packed)
}

/// The password in a packed credential: `SEC_WINNT_AUTH_DATA_PASSWORD`, whose vector is filled by what follows it, or
/// the bare UTF-16 that callers pass as well. No password begins like such a vector: its second character would be a
/// null.
///
/// Reference: [SEC_WINNT_AUTH_DATA_PASSWORD](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_data_password).
fn password(data: &[u8]) -> Result<&[u8], SecurityStatus> {
    if data.len() < PASSWORD_HEADER || u16_at(data, 2) != 0 {
        return Ok(data);
    }
    vector(data, PASSWORD_HEADER, 0)
}

/// The type and the data of a structure whose `ULONG`s have 64 bits.
fn long<'b>(
    header: &[u8; LONG_HEADER],
    bytes: &'b [u8],
    header_length: usize,
) -> Result<([u8; 16], &'b [u8]), SecurityStatus> {
    let mut credential_type = [0; 16];
    credential_type[..4].copy_from_slice(&header[LONG_TYPE..LONG_TYPE + 4]);
    credential_type[4..].copy_from_slice(&header[LONG_TYPE + 8..LONG_TYPE + 20]);
    if u32_at(header, LONG_TYPE + 4) != 0 || u32_at(header, LONG_DATA + 4) != 0 {
        return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
    }
    let (offset, length) = (u32_at(header, LONG_DATA), u16_at(header, LONG_DATA + 8));
    Ok((credential_type, part(bytes, header_length, offset, length)?))
}

/// The part that the `SEC_WINNT_AUTH_BYTE_VECTOR` at this place of the header names.
fn vector(bytes: &[u8], header: usize, at: usize) -> Result<&[u8], SecurityStatus> {
    part(bytes, header, u32_at(bytes, at), u16_at(bytes, at + 4))
}

/// The length of the structure's header, and where its fields lie.
const HEADER_LENGTH: u16 = 28;
const HEADER: usize = HEADER_LENGTH as usize;
const TYPE: usize = 4;
const DATA: usize = 20;
/// The same where a `ULONG` has 64 bits. On a little-endian machine its lower half comes first; such programs are for no other.
const LONG_HEADER: usize = 48;
const LONG_TYPE: usize = 8;
const LONG_DATA: usize = 32;
/// The length of `SEC_WINNT_AUTH_DATA_PASSWORD`.
const PASSWORD_HEADER: usize = 8;

// The credential types of sspi.h that are accepted, as they lie in memory. windows-sys has none of them.

/// `SEC_WINNT_AUTH_DATA_TYPE_PASSWORD`
const TYPE_PASSWORD: [u8; 16] =
    guid(0x28bf_c32f, 0x10f6, 0x4738, [0x98, 0xd1, 0x1a, 0xc0, 0x61, 0xdf, 0x71, 0x6a]);
/// `SEC_WINNT_AUTH_DATA_TYPE_KEYTAB`
const TYPE_KEYTAB: [u8; 16] =
    guid(0xd587_aae8, 0xf78f, 0x4455, [0xa1, 0x12, 0xc9, 0x34, 0xbe, 0xee, 0x7c, 0xe1]);
/// `SEC_WINNT_AUTH_DATA_TYPE_CERT`
const TYPE_CERT: [u8; 16] =
    guid(0x235f_69ad, 0x73fb, 0x4dbc, [0x82, 0x03, 0x06, 0x29, 0xe7, 0x39, 0x33, 0x9b]);
/// `SEC_WINNT_AUTH_DATA_TYPE_CREDMAN_CERT`
const TYPE_CREDMAN_CERT: [u8; 16] =
    guid(0x7cb7_2412, 0x1016, 0x491a, [0x8c, 0x87, 0x4d, 0x2a, 0xa1, 0xb7, 0xdd, 0x3a]);
/// `SEC_WINNT_AUTH_DATA_TYPE_CSP_DATA`: a smart card's certificate.
const TYPE_CSP_DATA: [u8; 16] =
    guid(0x68fd_9879, 0x079c, 0x4dfe, [0x82, 0x81, 0x57, 0x8a, 0xad, 0xc1, 0xc1, 0x00]);

/// A GUID as it lies in memory.
const fn guid(data1: u32, data2: u16, data3: u16, data4: [u8; 8]) -> [u8; 16] {
    let (a, b, c, d) = (data1.to_ne_bytes(), data2.to_ne_bytes(), data3.to_ne_bytes(), data4);
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}
