//! `SEC_WINNT_AUTH_IDENTITY_EX2`: an identity in one block of memory, which can be encrypted where it lies.
//!
//! The blocks that this SSP makes end in room for a [`Seal`], so that encrypting changes no length. Everything between it
//! and the header is encrypted; the header stays readable, and is sealed too.
//!
//! Reference: [SEC_WINNT_AUTH_IDENTITY_EX2](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_identity_ex2).

use std::{ffi::c_void, mem::offset_of, slice};

use sspcache_engine::{Engine, Seal, SealedFor, Status};
use windows_sys::Win32::{
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_EX2 as Ex2, SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_DOMAIN as NULL_DOMAIN,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_USER as NULL_USER,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED as FOR_PROCESS,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED, SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED as FOR_LOGON,
        SEC_WINNT_AUTH_IDENTITY_MARSHALLED, SEC_WINNT_AUTH_IDENTITY_VERSION_2,
    },
    System::Rpc::SEC_WINNT_AUTH_IDENTITY_UNICODE,
};
use zeroize::{Zeroize, Zeroizing};

use super::{Credential, ENCRYPTED, FORM, Parts, packed::bytes_of};
use crate::{
    state::Ssp,
    text::{Text, Units},
};

/// An identity in one block, whose lengths and offsets were looked at.
#[derive(Clone, Copy)]
pub(crate) struct Block<'b> {
    bytes: &'b [u8],
    header: usize,
}

impl<'b> Block<'b> {
    /// The block at this place.
    ///
    /// # Safety
    /// The pointer is to one that begins with the block's version, and that isn't written to as long as it is looked at.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) unsafe fn at(ssp: &Ssp, data: *const c_void) -> Result<Self, Status> {
        // SAFETY: by this function's contract.
        Self::of(unsafe { slice::from_raw_parts(data.cast(), length_at(ssp, data)?) })
    }

    /// The block at the beginning of these bytes.
    ///
    /// # Errors
    /// [`Status::UnknownCredentials`] when a length or an offset doesn't fit.
    pub(crate) fn of(bytes: &'b [u8]) -> Result<Self, Status> {
        if bytes.len() < HEADER || u32_at(bytes, 0) != SEC_WINNT_AUTH_IDENTITY_VERSION_2 {
            return Err(Status::UnknownCredentials);
        }
        let header = usize::from(u16_at(bytes, offset_of!(Ex2, cbHeaderLength)));
        let length = u32_at(bytes, offset_of!(Ex2, cbStructureLength)) as usize;
        let bytes = bytes.get(..length).ok_or(Status::UnknownCredentials)?;
        check(header, length)?;
        let block = Self { bytes, header };
        [USER, DOMAIN, PACKED, PACKAGES].into_iter().try_for_each(|field| block.part(field).map(drop))?;
        Ok(block)
    }

    pub(crate) fn bytes(self) -> &'b [u8] {
        self.bytes
    }

    pub(crate) fn is_encrypted(self) -> bool {
        self.encryption() != 0
    }

    /// The flags that say how it is encrypted.
    pub(crate) fn encryption(self) -> u32 {
        self.flags() & ENCRYPTED
    }

    fn flags(self) -> u32 {
        u32_at(self.bytes, offset_of!(Ex2, Flags))
    }

    /// What is in it. What is encrypted is decrypted elsewhere.
    ///
    /// # Errors
    /// [`Status::UnknownCredentials`]
    pub(crate) fn read(self, ssp: &Ssp) -> Result<Parts<'static>, Status> {
        if !self.is_encrypted() {
            return self.parts();
        }
        let mut copy = Zeroizing::new(self.bytes.to_vec());
        unseal(&*ssp.engine()?, &mut copy).map_err(|_| Status::UnknownCredentials)?;
        Block { bytes: &copy, ..self }.parts()
    }

    fn parts(self) -> Result<Parts<'static>, Status> {
        let units = |field: Field, null: u32| {
            let units = utf16(self.part(field)?)?;
            Ok((!units.is_empty() || self.flags() & null == 0).then(|| units.into()))
        };
        Ok(Parts {
            user: units(USER, NULL_USER)?,
            domain: units(DOMAIN, NULL_DOMAIN)?,
            credential: Credential::unpack(self.part(PACKED)?)?,
            packages: utf16(self.part(PACKAGES)?)?,
            flags: self.flags() & !FORM,
        })
    }

    fn part(self, (offset, length): Field) -> Result<&'b [u8], Status> {
        part(self.bytes, self.header, u32_at(self.bytes, offset), u16_at(self.bytes, length))
    }

    /// Whether nothing lies where the seal goes.
    fn has_room(self) -> bool {
        let Some(end) = self.bytes.len().checked_sub(SEAL) else { return false };
        let fits = |(offset, length): Field| {
            let length = usize::from(u16_at(self.bytes, length));
            length == 0 || u32_at(self.bytes, offset) as usize + length <= end
        };
        self.header <= end && [USER, DOMAIN, PACKED, PACKAGES].into_iter().all(fits)
    }
}

/// Writes an identity as a block that has room for a seal.
///
/// # Errors
/// [`Status::InvalidParameter`] for parts that are too long for one.
pub(crate) fn build(parts: &Parts<'_>) -> Result<Zeroizing<Vec<u8>>, Status> {
    let text = |text: &Option<Text<'_>>| bytes_of(text.as_deref().unwrap_or_default());
    // What is made of bytes comes last, so that every string is aligned.
    let written = [
        (USER, text(&parts.user)),
        (DOMAIN, text(&parts.domain)),
        (PACKAGES, bytes_of(&parts.packages)),
        (PACKED, parts.credential.pack()?),
    ];
    let length = HEADER + written.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + SEAL;
    let mut block = Zeroizing::new(Vec::with_capacity(length));
    block.resize(HEADER, 0);
    put32(&mut block, 0, SEC_WINNT_AUTH_IDENTITY_VERSION_2);
    put16(&mut block, offset_of!(Ex2, cbHeaderLength), HEADER)?;
    put32(&mut block, offset_of!(Ex2, cbStructureLength), number(length)?);
    let null = |text: &Option<Text<'_>>, flag| if text.is_none() { flag } else { 0 };
    let nulls = null(&parts.user, NULL_USER) | null(&parts.domain, NULL_DOMAIN);
    put32(&mut block, offset_of!(Ex2, Flags), parts.flags & !FORM | OWN_FORM | nulls);
    for ((offset, length), bytes) in &written {
        let at = number(block.len())?;
        put32(&mut block, *offset, at);
        put16(&mut block, *length, bytes.len())?;
        block.extend_from_slice(bytes);
    }
    block.resize(length, 0);
    Ok(block)
}

/// Encrypts a block in place, for those that the flags name.
///
/// # Errors
/// [`Status::BufferTooSmall`] for a block without room for a seal; [`Status::UnknownCredentials`] for none.
pub(crate) fn seal(engine: &Engine, bytes: &mut [u8], flags: u32) -> Result<(), Status> {
    let block = Block::of(bytes)?;
    if !block.has_room() {
        return Err(Status::BufferTooSmall);
    }
    let (header, all) = (block.header, block.flags() | flags);
    let [header, body, place] = split(bytes, header)?;
    put32(header, offset_of!(Ex2, Flags), all);
    let seal = engine.seal(reach(flags)?, header, body)?;
    place.copy_from_slice(&seal);
    Ok(())
}

/// Decrypts a block in place that [`seal`] encrypted; any other one stays as it is.
///
/// # Errors
/// [`Status::DecryptFailure`] for what was changed, and for what another one's key encrypted.
pub(crate) fn unseal(engine: &Engine, bytes: &mut [u8]) -> Result<(), Status> {
    let block = Block::of(bytes)?;
    if !block.has_room() {
        return Err(Status::DecryptFailure);
    }
    let (header, flags) = (block.header, block.flags());
    let reach = reach(flags & ENCRYPTED).map_err(|_| Status::DecryptFailure)?;
    let [header, body, place] = split(bytes, header)?;
    let seal = Seal::try_from(&*place).map_err(|_| Status::DecryptFailure)?;
    engine.unseal(reach, header, body, &seal)?;
    put32(header, offset_of!(Ex2, Flags), flags & !ENCRYPTED);
    place.fill(0);
    Ok(())
}

/// Overwrites a block with zeros.
///
/// # Safety
/// The pointer is to a block that may be written to.
///
/// # Errors
/// As [`Block::of`].
pub(super) unsafe fn zero(ssp: &Ssp, data: *mut c_void) -> Result<(), Status> {
    // SAFETY: by this function's contract.
    let bytes: &mut [u8] = unsafe { slice::from_raw_parts_mut(data.cast(), length_at(ssp, data)?) };
    bytes.zeroize();
    Ok(())
}

/// How long the block at this place is, as far as it is to be believed.
///
/// # Safety
/// The pointer is to a block.
///
/// # Errors
/// [`Status::UnknownCredentials`] for a length that no block has, or that is more than was handed out at this place.
pub(crate) unsafe fn length_at(ssp: &Ssp, data: *const c_void) -> Result<usize, Status> {
    let data: *const Ex2 = data.cast();
    // SAFETY: by this function's contract, there is as much as a version and two lengths; they say whether there is more.
    let (header, length) = unsafe {
        let header = (&raw const (*data).cbHeaderLength).read_unaligned();
        (usize::from(header), (&raw const (*data).cbStructureLength).read_unaligned() as usize)
    };
    check(header, length)?;
    if ssp.size_of_handed_out(data.cast()).is_some_and(|size| size < length) {
        return Err(Status::UnknownCredentials);
    }
    Ok(length)
}

/// A part of a block that lies behind the header; an empty one may lie anywhere.
pub(super) fn part(bytes: &[u8], header: usize, offset: u32, length: u16) -> Result<&[u8], Status> {
    if length == 0 {
        return Ok(&[]);
    }
    let start = usize::try_from(offset).map_err(|_| Status::UnknownCredentials)?;
    let end = start.checked_add(usize::from(length)).ok_or(Status::UnknownCredentials)?;
    if start < header {
        return Err(Status::UnknownCredentials);
    }
    bytes.get(start..end).ok_or(Status::UnknownCredentials)
}

/// The number at a place that is known to be there. In the memory of the machine that passed it, and so in its byte order.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// As [`u16_at`].
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Bytes as UTF-16.
pub(super) fn utf16(bytes: &[u8]) -> Result<Units, Status> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Status::UnknownCredentials);
    }
    // The iterator's length is exact: nothing grows and leaves a copy behind.
    Ok(Zeroizing::new(units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect()))
}

fn check(header: usize, length: usize) -> Result<(), Status> {
    // No more than what the header's offsets and 16-bit lengths can be needed for.
    if header < HEADER || length < header || length > MAX_LENGTH {
        return Err(Status::UnknownCredentials);
    }
    Ok(())
}

/// Header, body, and where the seal goes.
fn split(bytes: &mut [u8], header: usize) -> Result<[&mut [u8]; 3], Status> {
    let length = u32_at(bytes, offset_of!(Ex2, cbStructureLength)) as usize;
    let bytes = bytes.get_mut(..length).ok_or(Status::UnknownCredentials)?;
    let (header, rest) = bytes.split_at_mut(header);
    let body = rest.len().checked_sub(SEAL).ok_or(Status::UnknownCredentials)?;
    let (body, place) = rest.split_at_mut(body);
    Ok([header, body, place])
}

/// Whose key these flags ask for. For a process alone is the stricter one.
fn reach(flags: u32) -> Result<SealedFor, Status> {
    match flags {
        FOR_LOGON => Ok(SealedFor::Logon),
        flags if flags & !FOR_LOGON == FOR_PROCESS => Ok(SealedFor::Process),
        _ => Err(Status::UnsupportedFunction),
    }
}

fn put16(bytes: &mut [u8], at: usize, value: usize) -> Result<(), Status> {
    let value = u16::try_from(value).map_err(|_| Status::InvalidParameter)?;
    bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    Ok(())
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

fn number(value: usize) -> Result<u32, Status> {
    u32::try_from(value).map_err(|_| Status::InvalidParameter)
}

/// Where in the header a part's offset and length are.
type Field = (usize, usize);
const USER: Field = (offset_of!(Ex2, UserOffset), offset_of!(Ex2, UserLength));
const DOMAIN: Field = (offset_of!(Ex2, DomainOffset), offset_of!(Ex2, DomainLength));
const PACKED: Field = (offset_of!(Ex2, PackedCredentialsOffset), offset_of!(Ex2, PackedCredentialsLength));
const PACKAGES: Field = (offset_of!(Ex2, PackageListOffset), offset_of!(Ex2, PackageListLength));

const HEADER: usize = size_of::<Ex2>();
const SEAL: usize = size_of::<Seal>();

/// The longest block that is looked at: a header, and four parts of 64 KiB.
const MAX_LENGTH: usize = 5 << 16;

/// How this SSP writes blocks.
const OWN_FORM: u32 = SEC_WINNT_AUTH_IDENTITY_UNICODE
    | SEC_WINNT_AUTH_IDENTITY_MARSHALLED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED;
