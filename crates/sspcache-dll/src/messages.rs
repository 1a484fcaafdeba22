//! Messages: `MakeSignature`, `VerifySignature`, `EncryptMessage`, `DecryptMessage`.
//!
//! | buffer | signing and verifying | encrypting and decrypting |
//! | --- | --- | --- |
//! | `SECBUFFER_TOKEN` | the signature | what is not the data's own length: the trailer |
//! | `SECBUFFER_DATA` | signed | encrypted in place |
//! | the same, `SECBUFFER_READONLY_WITH_CHECKSUM` | signed | signed |
//! | the same, `SECBUFFER_READONLY` | left out | left out |
//! | `SECBUFFER_PADDING` | left out | nothing is padded: its length becomes 0 |
//! | `SECBUFFER_STREAM` | left out | decrypting: trailer and data in one piece; an empty `SECBUFFER_DATA` is pointed at the data |
//!
//! Others are left out. Buffers that overlap are refused.

use smallvec::SmallVec;
use sspcache_engine::{
    Status,
    context::{MESSAGE_TOKEN, Part},
};
use windows_sys::Win32::Security::{
    Authentication::Identity::{
        SECBUFFER_DATA, SECBUFFER_PADDING, SECBUFFER_STREAM, SECBUFFER_TOKEN, SecBufferDesc,
    },
    Credentials::SecHandle,
};

use crate::{
    buffers::{Access, Buffer, Buffers},
    contexts::handle,
    guard,
    state::Ssp,
};

/// `MakeSignature` (clause S4).
///
/// # Safety
/// Pointers that aren't null are to what the function's page says.
///
/// Reference: [MakeSignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-makesignature).
pub unsafe fn make_signature(
    ssp: &Ssp,
    context: *const SecHandle,
    qop: u32,
    message: *const SecBufferDesc,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract; the buffers lie apart.
        unsafe {
            let context = handle(context)?;
            let buffers = Buffers::read(message)?;
            buffers.check_apart()?;
            let token = buffers.first(SECBUFFER_TOKEN).ok_or(Status::InvalidToken)?;
            let parts = signed(&buffers)?;
            token.set_length(engine.sign(context, qop, &parts, token.bytes_mut()?)?);
        }
        Ok(())
    })
}

/// `VerifySignature` (clause S4).
///
/// # Safety
/// Pointers that aren't null are to what the function's page says.
///
/// Reference: [VerifySignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-verifysignature).
pub unsafe fn verify_signature(
    ssp: &Ssp,
    context: *const SecHandle,
    message: *const SecBufferDesc,
    qop: *mut u32,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        unsafe {
            let context = handle(context)?;
            let buffers = Buffers::read(message)?;
            let token = buffers.first(SECBUFFER_TOKEN).ok_or(Status::InvalidToken)?;
            let parts = signed(&buffers)?;
            tell(qop, engine.verify_signature(context, &parts, token.bytes()?)?);
        }
        Ok(())
    })
}

/// `EncryptMessage` (clause S4).
///
/// # Safety
/// Pointers that aren't null are to what the function's page says.
///
/// Reference: [EncryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-encryptmessage).
pub unsafe fn encrypt_message(
    ssp: &Ssp,
    context: *const SecHandle,
    qop: u32,
    message: *const SecBufferDesc,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract; the buffers lie apart.
        unsafe {
            let context = handle(context)?;
            let buffers = Buffers::read(message)?;
            buffers.check_apart()?;
            let token = buffers.first(SECBUFFER_TOKEN).ok_or(Status::InvalidToken)?;
            let mut parts = encrypted(&buffers)?;
            token.set_length(engine.encrypt(context, qop, &mut parts, token.bytes_mut()?)?);
            for padding in buffers.iter().filter(|buffer| buffer.kind == SECBUFFER_PADDING) {
                padding.set_length(0);
            }
        }
        Ok(())
    })
}

/// `DecryptMessage` (clause S4).
///
/// # Safety
/// Pointers that aren't null are to what the function's page says.
///
/// Reference: [DecryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-decryptmessage).
pub unsafe fn decrypt_message(
    ssp: &Ssp,
    context: *const SecHandle,
    message: *const SecBufferDesc,
    qop: *mut u32,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract; the buffers lie apart.
        unsafe {
            let context = handle(context)?;
            let buffers = Buffers::read(message)?;
            let found = if let Some(stream) = buffers.first(SECBUFFER_STREAM) {
                let split = Stream::split(&buffers, *stream)?;
                let (token, mut parts) = split.parts(&buffers)?;
                let found = engine.decrypt(context, &mut parts, token)?;
                split.place.set(split.data.data, split.data.length);
                found
            } else {
                buffers.check_apart()?;
                let token = buffers.first(SECBUFFER_TOKEN).ok_or(Status::InvalidToken)?;
                let mut parts = encrypted(&buffers)?;
                engine.decrypt(context, &mut parts, token.bytes()?)?
            };
            tell(qop, found);
        }
        Ok(())
    })
}

/// A message in one piece: its token, and behind that its data.
struct Stream {
    token: Buffer,
    data: Buffer,
    /// The buffer that is pointed at the data.
    place: Buffer,
}

impl Stream {
    fn split(buffers: &Buffers, stream: Buffer) -> Result<Self, Status> {
        let place = buffers.iter().find(|buffer| is_data(buffer) && buffer.access == Access::Full);
        let place = *place.ok_or(Status::InvalidToken)?;
        if stream.data.is_null() || stream.length < MESSAGE_TOKEN {
            return Err(Status::InvalidToken);
        }
        let (token, data) = stream.split_at(MESSAGE_TOKEN);
        Ok(Self { token, data, place })
    }

    /// The token, and the parts in the order of their buffers: the data in the place that it will be pointed from.
    ///
    /// # Safety
    /// The buffers may be read, and the stream written to.
    unsafe fn parts<'b>(&self, buffers: &Buffers) -> Result<(&'b [u8], Parts<'b>), Status> {
        let mut parts = Parts::new();
        let mut placed = false;
        // SAFETY: by this function's contract; the checked parts lie apart from the stream.
        unsafe {
            for buffer in buffers.iter().filter(|buffer| is_data(buffer)) {
                match buffer.access {
                    Access::Ignored => {}
                    Access::Checked if buffer.overlaps(&self.token) || buffer.overlaps(&self.data) => {
                        return Err(Status::InvalidParameter);
                    }
                    Access::Checked => parts.push(Part::Checked(buffer.bytes()?)),
                    Access::Full if placed => return Err(Status::InvalidToken),
                    Access::Full => {
                        placed = true;
                        parts.push(Part::Data(self.data.bytes_mut()?));
                    }
                }
            }
            Ok((self.token.bytes()?, parts))
        }
    }
}

type Parts<'b> = SmallVec<[Part<'b>; 8]>;

/// The parts of a message that is signed.
///
/// # Safety
/// The buffers may be read.
unsafe fn signed<'b>(buffers: &Buffers) -> Result<SmallVec<[&'b [u8]; 8]>, Status> {
    let parts = buffers.iter().filter(|buffer| is_data(buffer) && buffer.access != Access::Ignored);
    // SAFETY: by this function's contract.
    parts.map(|buffer| unsafe { buffer.bytes() }).collect()
}

/// The parts of a message that is encrypted or decrypted in place.
///
/// # Safety
/// The buffers may be read, and those that aren't read-only written to; they lie apart.
unsafe fn encrypted<'b>(buffers: &Buffers) -> Result<Parts<'b>, Status> {
    let parts = buffers.iter().filter(|buffer| is_data(buffer) && buffer.access != Access::Ignored);
    parts
        .map(|buffer| {
            // SAFETY: by this function's contract.
            unsafe {
                match buffer.access {
                    Access::Checked => buffer.bytes().map(Part::Checked),
                    _ => buffer.bytes_mut().map(Part::Data),
                }
            }
        })
        .collect()
}

fn is_data(buffer: &Buffer) -> bool {
    buffer.kind == SECBUFFER_DATA
}

/// # Safety
/// The pointer, unless it is null, may be written to.
unsafe fn tell(qop: *mut u32, found: u32) {
    if !qop.is_null() {
        // SAFETY: by this function's contract.
        unsafe { qop.write(found) };
    }
}
