//! `SEC_WINNT_AUTH_IDENTITY_EX2`: an identity in one block of memory, which can be encrypted where it lies.
//!
//! The blocks that this SSP makes end in room for a [`Seal`], so that encrypting changes no length. Everything between
//! it and the header is encrypted; the header stays readable, and is sealed too.
//!
//! Reference: [SEC_WINNT_AUTH_IDENTITY_EX2](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_identity_ex2).

use std::mem::offset_of;

use sspcache_engine::{Engine, Seal, SealedFor, SecurityStatus};
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
use zeroize::Zeroizing;

use super::{
    bytes::{bytes_of, part, u16_at, u32_at, utf16},
    packed::Credential,
    parts::{ENCRYPTED, FORM, Parts},
};
use crate::{
    raw::{WholeBlock, check_lengths},
    state::Ssp,
    text::Text,
};

/// An identity in one block, whose lengths and offsets were looked at.
#[derive(Clone, Copy)]
pub(crate) struct Block<'b> {
    bytes: &'b [u8],
    header: usize,
}

impl<'b> Block<'b> {
    /// The block that the caller passes.
    ///
    /// # Errors
    /// As [`WholeBlock::bytes`] and [`of`](Self::of).
    pub(crate) fn at(ssp: &Ssp, place: &WholeBlock<'b>) -> Result<Self, SecurityStatus> {
        Self::of(place.bytes(|address| ssp.handed_out().size_at(address))?)
    }

    /// The block at the beginning of these bytes.
    ///
    /// # Errors
    /// [`SecurityStatus::UNKNOWN_CREDENTIALS`] when a length or an offset doesn't fit.
    pub(crate) fn of(bytes: &'b [u8]) -> Result<Self, SecurityStatus> {
        if bytes.len() < HEADER || u32_at(bytes, 0) != SEC_WINNT_AUTH_IDENTITY_VERSION_2 {
            return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
        }
        let header = usize::from(u16_at(bytes, offset_of!(Ex2, cbHeaderLength)));
        let length = u32_at(bytes, offset_of!(Ex2, cbStructureLength)) as usize;
        let bytes = bytes.get(..length).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
        check_lengths(header, length)?;
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
    /// [`SecurityStatus::UNKNOWN_CREDENTIALS`]
    pub(crate) fn read(self, ssp: &Ssp) -> Result<Parts<'static>, SecurityStatus> {
        if !self.is_encrypted() {
            return self.parts();
        }
        let mut copy = Zeroizing::new(self.bytes.to_vec());
        unseal(&*ssp.engine()?, &mut copy).map_err(|_| SecurityStatus::UNKNOWN_CREDENTIALS)?;
        Block { bytes: &copy, ..self }.parts()
    }

    fn parts(self) -> Result<Parts<'static>, SecurityStatus> {
        let units = |field: Field, null: u32| {
            let units = utf16(self.part(field)?)?;
            // Nothing at no place is a null pointer, for callers that don't know the flag.
            let is_null = units.is_empty() && (self.flags() & null != 0 || u32_at(self.bytes, field.0) == 0);
            Ok((!is_null).then(|| units.into()))
        };
        Ok(Parts {
            user: units(USER, NULL_USER)?,
            domain: units(DOMAIN, NULL_DOMAIN)?,
            credential: Credential::unpack(self.part(PACKED)?)?,
            packages: utf16(self.part(PACKAGES)?)?,
            flags: self.flags() & !FORM,
        })
    }

    fn part(self, (offset, length): Field) -> Result<&'b [u8], SecurityStatus> {
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
/// [`SecurityStatus::INVALID_PARAMETER`] for parts that are too long for one.
pub(crate) fn build(parts: &Parts<'_>) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
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
/// [`SecurityStatus::BUFFER_TOO_SMALL`] for a block without room for a seal; [`SecurityStatus::UNKNOWN_CREDENTIALS`]
/// for none.
pub(crate) fn seal(engine: &Engine, bytes: &mut [u8], flags: u32) -> Result<(), SecurityStatus> {
    let block = Block::of(bytes)?;
    if !block.has_room() {
        return Err(SecurityStatus::BUFFER_TOO_SMALL);
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
/// [`SecurityStatus::DECRYPT_FAILURE`] for what was changed, and for what another one's key encrypted.
pub(crate) fn unseal(engine: &Engine, bytes: &mut [u8]) -> Result<(), SecurityStatus> {
    let block = Block::of(bytes)?;
    if !block.has_room() {
        return Err(SecurityStatus::DECRYPT_FAILURE);
    }
    let (header, flags) = (block.header, block.flags());
    let reach = reach(flags & ENCRYPTED).map_err(|_| SecurityStatus::DECRYPT_FAILURE)?;
    let [header, body, place] = split(bytes, header)?;
    let seal = Seal::try_from(&*place).map_err(|_| SecurityStatus::DECRYPT_FAILURE)?;
    engine.unseal(reach, header, body, &seal)?;
    put32(header, offset_of!(Ex2, Flags), flags & !ENCRYPTED);
    place.fill(0);
    Ok(())
}

/// Header, body, and where the seal goes.
fn split(bytes: &mut [u8], header: usize) -> Result<[&mut [u8]; 3], SecurityStatus> {
    let length = u32_at(bytes, offset_of!(Ex2, cbStructureLength)) as usize;
    let bytes = bytes.get_mut(..length).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
    let (header, rest) = bytes.split_at_mut(header);
    let body = rest.len().checked_sub(SEAL).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
    let (body, place) = rest.split_at_mut(body);
    Ok([header, body, place])
}

/// The reach of the key that these flags ask for. The process alone is the stricter one.
fn reach(flags: u32) -> Result<SealedFor, SecurityStatus> {
    match flags {
        FOR_LOGON => Ok(SealedFor::Logon),
        flags if flags & !FOR_LOGON == FOR_PROCESS => Ok(SealedFor::Process),
        _ => Err(SecurityStatus::UNSUPPORTED_FUNCTION),
    }
}

fn put16(bytes: &mut [u8], at: usize, value: usize) -> Result<(), SecurityStatus> {
    let value = u16::try_from(value).map_err(|_| SecurityStatus::INVALID_PARAMETER)?;
    bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
    Ok(())
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

fn number(value: usize) -> Result<u32, SecurityStatus> {
    u32::try_from(value).map_err(|_| SecurityStatus::INVALID_PARAMETER)
}

/// The place in the header of a part's offset and length.
type Field = (usize, usize);
const USER: Field = (offset_of!(Ex2, UserOffset), offset_of!(Ex2, UserLength));
const DOMAIN: Field = (offset_of!(Ex2, DomainOffset), offset_of!(Ex2, DomainLength));
const PACKED: Field = (offset_of!(Ex2, PackedCredentialsOffset), offset_of!(Ex2, PackedCredentialsLength));
const PACKAGES: Field = (offset_of!(Ex2, PackageListOffset), offset_of!(Ex2, PackageListLength));

const HEADER: usize = size_of::<Ex2>();
const SEAL: usize = size_of::<Seal>();

/// The encoding in which this SSP writes blocks.
const OWN_FORM: u32 = SEC_WINNT_AUTH_IDENTITY_UNICODE
    | SEC_WINNT_AUTH_IDENTITY_MARSHALLED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED;
