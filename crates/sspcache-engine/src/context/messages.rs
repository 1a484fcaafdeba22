//! The messages of an established context: signed or encrypted here, verified and decrypted there.

use super::{ContextHandle, Part, established::Established};
use crate::{Engine, FileTime, Operation, SecurityStatus};

impl Engine {
    /// `MakeSignature`: signs the parts of a message into a token; returns its length. The parts are one message: how
    /// it is divided doesn't matter.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`] for any quality but 0, and
    /// without integrity; [`SecurityStatus::UNSUPPORTED_FUNCTION`] when the context is for encryption only;
    /// [`SecurityStatus::INVALID_TOKEN`] without any part; [`SecurityStatus::BUFFER_TOO_SMALL`] for a token of less than
    /// [`MESSAGE_TOKEN`](super::MESSAGE_TOKEN) bytes. After 2⁴⁰ messages a context has expired.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [MakeSignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-makesignature).
    pub fn sign(
        &self,
        context: ContextHandle,
        qop: u32,
        parts: &[&[u8]],
        token: &mut [u8],
    ) -> Result<usize, SecurityStatus> {
        self.with_messages(Operation::MakeSignature, context, |context| {
            context.protection.sign(qop, parts, token)
        })
    }

    /// `VerifySignature`: verifies a signed message; returns the quality of protection.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`] without integrity;
    /// [`SecurityStatus::UNSUPPORTED_FUNCTION`] when the context is for encryption only; [`SecurityStatus::INVALID_TOKEN`] without any
    /// part, and for what is no token of a signature; [`SecurityStatus::MESSAGE_ALTERED`]; then [`SecurityStatus::OUT_OF_SEQUENCE`], where
    /// the context detects it. A message that is refused changes nothing.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [VerifySignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-verifysignature).
    pub fn verify_signature(
        &self,
        context: ContextHandle,
        parts: &[&[u8]],
        token: &[u8],
    ) -> Result<u32, SecurityStatus> {
        self.with_messages(Operation::VerifySignature, context, |context| {
            context.protection.verify(parts, token)
        })
    }

    /// `EncryptMessage`: encrypts the parts of a message in place and makes its token; returns the token's length. With
    /// [`WRAP_NO_ENCRYPT`](super::WRAP_NO_ENCRYPT) it signs only. Parts of one kind that follow each other are one: how
    /// they are divided doesn't matter.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`] for any other quality, and in a
    /// context with neither integrity nor confidentiality; [`SecurityStatus::UNSUPPORTED_FUNCTION`] in a context that has the
    /// other of the two; [`SecurityStatus::INVALID_TOKEN`] without any data; [`SecurityStatus::BUFFER_TOO_SMALL`] for a token of less
    /// than [`MESSAGE_TOKEN`](super::MESSAGE_TOKEN) bytes. After 2⁴⁰ messages a context has expired.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [EncryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-encryptmessage).
    pub fn encrypt(
        &self,
        context: ContextHandle,
        qop: u32,
        parts: &mut [Part<'_>],
        token: &mut [u8],
    ) -> Result<usize, SecurityStatus> {
        self.with_messages(Operation::EncryptMessage, context, |context| {
            context.protection.encrypt(qop, parts, token)
        })
    }

    /// `DecryptMessage`: decrypts the parts of a message in place; returns the quality of protection, which is
    /// [`WRAP_NO_ENCRYPT`](super::WRAP_NO_ENCRYPT) when it was only signed. On failure they are as they were.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`] in a context with neither
    /// integrity nor confidentiality; [`SecurityStatus::INVALID_TOKEN`] without any data, and for what is no token of an
    /// encrypted message in such a context; [`SecurityStatus::MESSAGE_ALTERED`]; then [`SecurityStatus::OUT_OF_SEQUENCE`], where the context
    /// detects it. A message that is refused changes nothing.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [DecryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-decryptmessage).
    pub fn decrypt(
        &self,
        context: ContextHandle,
        parts: &mut [Part<'_>],
        token: &[u8],
    ) -> Result<u32, SecurityStatus> {
        self.with_messages(Operation::DecryptMessage, context, |context| {
            context.protection.decrypt(parts, token)
        })
    }

    /// Does something with a context whose time is not up: an expired one "can no longer be used", as the page on
    /// [status codes](https://learn.microsoft.com/en-us/windows/win32/secauthn/sspi-status-codes) says.
    fn with_messages<T>(
        &self,
        operation: Operation,
        context: ContextHandle,
        body: impl FnOnce(&mut Established) -> Result<T, SecurityStatus>,
    ) -> Result<T, SecurityStatus> {
        self.enter(operation)?;
        self.with_established(operation, context, |context, now: FileTime| {
            if context.expires <= now { Err(SecurityStatus::CONTEXT_EXPIRED) } else { body(context) }
        })
    }
}
