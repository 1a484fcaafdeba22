//! Identities as three strings, and back.
//!
//! The third one is the password, as long as that says all there is to say. Else, for a key, a certificate, a list of
//! packages or flags, it is [`MARK`] and one block with all of it, in hexadecimal digits: what the page calls an
//! encoded string version of `SEC_WINNT_AUTH_IDENTITY_EX2`, in a form of the mock's own.

use std::ffi::c_void;

use sspcache_engine::{Holds, Operation, SecurityStatus};
use windows_sys::Win32::Foundation::{SEC_E_OK, STATUS_INVALID_PARAMETER};
use zeroize::Zeroizing;

use super::common::{copy, copy_string, parts};
use crate::{
    identity::{self, Block, Credential, Parts, encryption_of},
    raw::{AuthData, Out, Str, all_given},
    state::Ssp,
    text::{Text, Units, Wide},
};

/// `SspiEncodeStringsAsAuthIdentity`: a null pointer is a part that isn't given. None at all is `SEC_E_INVALID_TOKEN`,
/// as seen under Wine.
///
/// Reference: [SspiEncodeStringsAsAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiencodestringsasauthidentity).
pub fn encode_strings_as_auth_identity(
    ssp: &Ssp,
    [user, domain, packed]: [Str<'_, Wide>; 3],
    place: Out<'_, *mut c_void>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiEncodeStringsAsAuthIdentity)?;
    all_given([place.is_given()])?;
    let (user, domain, packed) = (user.text()?, domain.text()?, packed.text()?);
    if user.is_none() && domain.is_none() && packed.is_none() {
        return Err(SecurityStatus::INVALID_TOKEN);
    }
    let block = identity::build(&Parts { user, domain, ..decode(ssp, packed)? })?;
    place.write(copy(ssp, Some(Holds::Identity), &block).cast());
    Ok(())
}

/// `SspiEncodeAuthIdentityAsStrings`: the third string need not be asked for. What is encrypted gives
/// `STATUS_INVALID_PARAMETER`, as the page says of what is encrypted for the process.
///
/// Reference: [SspiEncodeAuthIdentityAsStrings](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiencodeauthidentityasstrings).
pub fn encode_auth_identity_as_strings(
    ssp: &Ssp,
    identity: AuthData<'_>,
    [user, domain, packed]: [Out<'_, *const u16>; 3],
) -> Result<i32, SecurityStatus> {
    ssp.enter(Operation::SspiEncodeAuthIdentityAsStrings)?;
    all_given([identity.is_given(), user.is_given(), domain.is_given()])?;
    if encryption_of(ssp, &identity)? != 0 {
        return Ok(STATUS_INVALID_PARAMETER);
    }
    let mut parts = parts(ssp, &identity)?;
    let names = [parts.user.take(), parts.domain.take()];
    let encoded = if packed.is_given() { encode(&parts)? } else { None };
    user.write(copy_string(ssp, Some(Holds::Identity), names[0].as_deref()));
    domain.write(copy_string(ssp, Some(Holds::Identity), names[1].as_deref()));
    if packed.is_given() {
        packed.write(copy_string(ssp, Some(Holds::Identity), encoded.as_deref().map(Vec::as_slice)));
    }
    Ok(SEC_E_OK)
}

/// Decodes the third string.
fn decode<'t>(ssp: &Ssp, text: Option<Text<'t>>) -> Result<Parts<'t>, SecurityStatus> {
    let Some(text) = text else { return Ok(plain(Credential::Missing)) };
    match coded(&text) {
        Some(block) => Block::of(&block)?.read(ssp),
        None => Ok(plain(Credential::Password(text))),
    }
}

/// The third string; `None` when there is nothing to say.
fn encode(parts: &Parts<'_>) -> Result<Option<Units>, SecurityStatus> {
    if parts.flags == 0 && parts.packages.is_empty() {
        match &parts.credential {
            Credential::Missing => return Ok(None),
            // One with a null would end there.
            Credential::Password(password) if coded(password).is_none() && !password.contains(&0) => {
                return Ok(Some(password.clone().into_units()));
            }
            _ => {}
        }
    }
    identity::build(parts).map(|block| Some(digits(&block)))
}

fn plain(credential: Credential<'_>) -> Parts<'_> {
    Parts { user: None, domain: None, credential, packages: Units::default(), flags: 0 }
}

/// The block that a string stands for. What only begins like one of those is a password, too.
fn coded(text: &[u16]) -> Option<Zeroizing<Vec<u8>>> {
    let block = bytes(text.strip_prefix(&mark()[..])?)?;
    Block::of(&block).is_ok().then_some(block)
}

/// Bytes as a marked string.
fn digits(bytes: &[u8]) -> Units {
    let mut text = Zeroizing::new(Vec::with_capacity(MARK.len() + 2 * bytes.len()));
    text.extend_from_slice(&mark());
    for byte in bytes {
        text.extend([byte >> 4, byte & 15].map(|digit| u16::from(DIGITS[usize::from(digit)])));
    }
    text
}

/// The bytes that these digits stand for.
fn bytes(digits: &[u16]) -> Option<Zeroizing<Vec<u8>>> {
    let value = |unit: u16| DIGITS.iter().position(|&digit| u16::from(digit) == unit);
    let (pairs, rest) = digits.as_chunks::<2>();
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for &[high, low] in pairs {
        bytes.push(u8::try_from(value(high)? << 4 | value(low)?).ok()?);
    }
    rest.is_empty().then_some(bytes)
}

fn mark() -> [u16; MARK.len()] {
    MARK.map(u16::from)
}

/// The beginning of a third string that is more than a password.
const MARK: [u8; 14] = *b"@@sspcache:v1:";
const DIGITS: [u8; 16] = *b"0123456789abcdef";
