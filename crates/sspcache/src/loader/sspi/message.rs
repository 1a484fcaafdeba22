//! Messages: signed, and encrypted.

use windows_sys::Win32::Security::Authentication::Identity::{
    SECBUFFER_DATA, SECBUFFER_PADDING, SECBUFFER_STREAM, SECBUFFER_TOKEN, SECQOP_WRAP_NO_ENCRYPT, SecBuffer,
};
use zeroize::Zeroizing;

use super::{
    ContextHandle, FunctionTable, UNSUPPORTED,
    memory::{buffer, describe, empty, read_only},
    ok,
};
use crate::{
    SecurityStatus,
    request::{Protection, Sealed},
};

impl FunctionTable {
    pub(super) fn make_signature(
        &self,
        context: &ContextHandle,
        message: &[u8],
    ) -> Result<Vec<u8>, SecurityStatus> {
        let sign = self.table().MakeSignature.ok_or(UNSUPPORTED)?;
        let mut signature = vec![0; self.sizes_of(context)?.cbMaxSignature as usize];
        let mut buffers = [read_only(SECBUFFER_DATA, message)?, buffer(SECBUFFER_TOKEN, &mut signature)?];
        let mut described = describe(&mut buffers);
        let mut handle = context.handle;
        // SAFETY: the pointers live until the call returns and buffers are as long as they say; the function writes to
        // no other than the token.
        ok(unsafe { sign(&raw mut handle, 0, &raw mut described, 0) })?;
        signature.truncate(buffers[1].cbBuffer as usize);
        Ok(signature)
    }

    pub(super) fn verify_signature(
        &self,
        context: &ContextHandle,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SecurityStatus> {
        let verify = self.table().VerifySignature.ok_or(UNSUPPORTED)?;
        let mut buffers = [read_only(SECBUFFER_DATA, message)?, read_only(SECBUFFER_TOKEN, signature)?];
        let mut described = describe(&mut buffers);
        let (mut handle, mut qop) = (context.handle, 0);
        // SAFETY: the pointers live until the call returns and buffers are as long as they say; the function only reads
        // them.
        ok(unsafe { verify(&raw mut handle, &raw mut described, 0, &raw mut qop) })
    }

    pub(super) fn encrypt_message(
        &self,
        context: &ContextHandle,
        message: &[u8],
        protection: Protection,
    ) -> Result<Sealed, SecurityStatus> {
        let encrypt = self.table().EncryptMessage.ok_or(UNSUPPORTED)?;
        let sizes = self.sizes_of(context)?;
        let qop = match protection {
            Protection::Encrypt => 0,
            Protection::Sign => SECQOP_WRAP_NO_ENCRYPT,
        };
        let mut token = vec![0; sizes.cbSecurityTrailer as usize];
        let mut data = Zeroizing::new(message.to_vec());
        let mut padding = vec![0; sizes.cbBlockSize as usize];
        let mut buffers = [
            buffer(SECBUFFER_TOKEN, &mut token)?,
            buffer(SECBUFFER_DATA, &mut data)?,
            buffer(SECBUFFER_PADDING, &mut padding)?,
        ];
        let mut described = describe(&mut buffers);
        let mut handle = context.handle;
        // SAFETY: the pointers live until the call returns, and buffers are as long as they say.
        ok(unsafe { encrypt(&raw mut handle, qop, &raw mut described, 0) })?;
        token.truncate(buffers[0].cbBuffer as usize);
        padding.truncate(buffers[2].cbBuffer as usize);
        let mut data = std::mem::take(&mut *data);
        data.append(&mut padding);
        Ok(Sealed { token, data })
    }

    /// As a stream, which the packages take whether they pad or not.
    pub(super) fn decrypt_message(
        &self,
        context: &ContextHandle,
        sealed: &Sealed,
    ) -> Result<(Vec<u8>, Protection), SecurityStatus> {
        let decrypt = self.table().DecryptMessage.ok_or(UNSUPPORTED)?;
        let mut stream = [sealed.token.as_slice(), &sealed.data].concat();
        let mut buffers = [buffer(SECBUFFER_STREAM, &mut stream)?, empty(SECBUFFER_DATA)];
        let mut described = describe(&mut buffers);
        let (mut handle, mut qop) = (context.handle, 0);
        // SAFETY: the pointers live until the call returns, and the stream is as long as it says.
        ok(unsafe { decrypt(&raw mut handle, &raw mut described, 0, &raw mut qop) })?;
        let message = within(&stream, &buffers[1]).ok_or(SecurityStatus::INTERNAL_ERROR)?;
        stream.truncate(message.end);
        stream.drain(..message.start);
        let protection = if qop == SECQOP_WRAP_NO_ENCRYPT { Protection::Sign } else { Protection::Encrypt };
        Ok((stream, protection))
    }
}

/// Where in the stream the message is, if it is in it at all.
fn within(stream: &[u8], message: &SecBuffer) -> Option<std::ops::Range<usize>> {
    let length = message.cbBuffer as usize;
    if length == 0 {
        return Some(0..0);
    }
    let start = message.pvBuffer.addr().checked_sub(stream.as_ptr().addr())?;
    let end = start.checked_add(length)?;
    (end <= stream.len()).then_some(start..end)
}
