//! Messages: `MakeSignature`, `VerifySignature`, `EncryptMessage`, `DecryptMessage`.
//!
//! | buffer | signing and verifying | encrypting and decrypting |
//! | --- | --- | --- |
//! | `SECBUFFER_TOKEN` | the signature | what is not the data's own length: the trailer |
//! | `SECBUFFER_DATA` | signed | encrypted in place |
//! | the same, `SECBUFFER_READONLY_WITH_CHECKSUM` | signed | signed |
//! | the same, `SECBUFFER_READONLY` | left out | left out |
//! | `SECBUFFER_PADDING` | left out | what the data is padded with, if the package pads; its length says how much |
//! | `SECBUFFER_STREAM` | left out | decrypting: trailer and data in one; an empty `SECBUFFER_DATA` then points at the data |
//!
//! Others are left out. Buffers that overlap are refused.
#![forbid(unsafe_code)]

use smallvec::SmallVec;
use sspcache_engine::{SecurityStatus, context::Part};
use windows_sys::Win32::Security::Authentication::Identity::{
    SECBUFFER_DATA, SECBUFFER_PADDING, SECBUFFER_STREAM, SECBUFFER_TOKEN,
};

use crate::{
    raw::{Access, BufferDesc, Descriptor, InHandle, Out, Piece, Whole},
    state::Ssp,
};

/// `MakeSignature` (clause S4).
///
/// Reference: [MakeSignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-makesignature).
pub fn make_signature(
    ssp: &Ssp,
    context: InHandle<'_>,
    qop: u32,
    message: Descriptor<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let context = context.context()?;
    let mut buffers = message.read()?;
    let length = {
        let (token, parts) = token_and_parts(&mut buffers, signed_part)?;
        engine.sign(context, qop, &parts, token.bytes_mut()?)?
    };
    buffers.set_length(SECBUFFER_TOKEN, length);
    Ok(())
}

/// `VerifySignature` (clause S4).
///
/// Reference: [VerifySignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-verifysignature).
pub fn verify_signature(
    ssp: &Ssp,
    context: InHandle<'_>,
    message: Descriptor<'_>,
    qop: Out<'_, u32>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let context = context.context()?;
    let buffers = message.read()?;
    let token = buffers.first(SECBUFFER_TOKEN).ok_or(SecurityStatus::INVALID_TOKEN)?;
    let data = buffers.iter().filter(|buffer| is_data(buffer.kind(), buffer.access()));
    let parts: Parts<&[u8]> = data.map(|buffer| buffer.bytes()).collect::<Result<_, _>>()?;
    qop.write(engine.verify_signature(context, &parts, token.bytes()?)?);
    Ok(())
}

/// `EncryptMessage` (clause S4).
///
/// Reference: [EncryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-encryptmessage).
pub fn encrypt_message(
    ssp: &Ssp,
    context: InHandle<'_>,
    qop: u32,
    message: Descriptor<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let context = context.context()?;
    let mut buffers = message.read()?;
    let (token, padding) = {
        let (token, mut parts) = token_and_parts(&mut buffers, part)?;
        let length = engine.encrypt(context, qop, &mut parts, token.bytes_mut()?)?;
        let padding: Parts<_> = parts
            .iter()
            .filter_map(|part| if let Part::Padding(padding) = part { Some(padding.len()) } else { None })
            .collect();
        (length, padding)
    };
    buffers.set_length(SECBUFFER_TOKEN, token);
    buffers.set_lengths(SECBUFFER_PADDING, padding);
    Ok(())
}

/// `DecryptMessage` (clause S4).
///
/// Reference: [DecryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-decryptmessage).
pub fn decrypt_message(
    ssp: &Ssp,
    context: InHandle<'_>,
    message: Descriptor<'_>,
    qop: Out<'_, u32>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let context = context.context()?;
    let mut buffers = message.read()?;
    let found = if buffers.first(SECBUFFER_STREAM).is_some() {
        // The buffer that is pointed at the data.
        let is_place = |kind, access| is_data(kind, access) && access == Access::Full;
        let place = buffers.iter().position(|buffer| is_place(buffer.kind(), buffer.access()));
        let place = place.ok_or(SecurityStatus::INVALID_TOKEN)?;
        let (found, offset, length) = {
            let whole = buffers.whole(SECBUFFER_STREAM)?;
            let start = whole.whole.addr();
            let mut parts = stream_parts(whole)?;
            let found = engine.decrypt(context, &mut parts, &[])?;
            let message = parts.iter().find_map(|part| match part {
                Part::Stream(message) => Some((message.as_ptr().addr() - start, message.len())),
                _ => None,
            });
            let (offset, length) = message.ok_or(SecurityStatus::INTERNAL_ERROR)?;
            (found, offset, length)
        };
        buffers.point_into(place, SECBUFFER_STREAM, offset, length);
        found
    } else {
        let (found, lengths) = {
            let (token, mut parts) = token_and_parts(&mut buffers, part)?;
            let found = engine.decrypt(context, &mut parts, token.bytes()?)?;
            let lengths: Parts<_> = parts
                .iter()
                .filter_map(|part| if let Part::Data(data) = part { Some(data.len()) } else { None })
                .collect();
            (found, lengths)
        };
        buffers.set_lengths(SECBUFFER_DATA, lengths);
        found
    };
    qop.write(found);
    Ok(())
}

type Parts<P> = SmallVec<[P; 8]>;

/// The token of a message and the parts that it protects, all of which lie apart.
fn token_and_parts<'b, P>(
    buffers: &'b mut BufferDesc<'_>,
    part: impl Fn(Piece<'b>) -> Option<Result<P, SecurityStatus>>,
) -> Result<(Piece<'b>, Parts<P>), SecurityStatus> {
    let (mut token, mut parts) = (None, Parts::new());
    for piece in buffers.apart()? {
        if piece.kind() == SECBUFFER_TOKEN && token.is_none() {
            token = Some(piece);
        } else if let Some(part) = part(piece) {
            parts.push(part?);
        }
    }
    Ok((token.ok_or(SecurityStatus::INVALID_TOKEN)?, parts))
}

/// A part of a message that is signed.
fn signed_part(piece: Piece<'_>) -> Option<Result<&[u8], SecurityStatus>> {
    is_data(piece.kind(), piece.access()).then(|| piece.bytes())
}

/// A part of a message that is encrypted or decrypted in place.
fn part(piece: Piece<'_>) -> Option<Result<Part<'_>, SecurityStatus>> {
    match (piece.kind(), piece.access()) {
        // Whether a place for padding is needed, the package knows.
        (SECBUFFER_PADDING, _) => Some(Ok(Part::Padding(piece.bytes_mut().unwrap_or_default()))),
        (SECBUFFER_DATA, Access::Checked) => Some(piece.bytes().map(Part::Checked)),
        (SECBUFFER_DATA, Access::Full) => Some(piece.bytes_mut().map(Part::Data)),
        _ => None,
    }
}

/// The parts of a message whose token and data are in one piece, in the order of their buffers: that piece in the place
/// that the data will be pointed from.
fn stream_parts(stream: Whole<'_>) -> Result<Parts<Part<'_>>, SecurityStatus> {
    let Whole { whole, others } = stream;
    let mut whole = Some(whole);
    let mut parts = Parts::new();
    for other in others.iter().filter(|other| is_data(other.kind(), other.access())) {
        parts.push(match other.access() {
            Access::Checked => Part::Checked(other.bytes()?),
            _ => Part::Stream(whole.take().ok_or(SecurityStatus::INVALID_TOKEN)?.bytes_mut()?),
        });
    }
    Ok(parts)
}

/// Whether a buffer is a part of its message.
fn is_data(kind: u32, access: Access) -> bool {
    kind == SECBUFFER_DATA && access != Access::Ignored
}
