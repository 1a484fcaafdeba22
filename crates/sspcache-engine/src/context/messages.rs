//! The messages of an established context: signed or encrypted here, verified and decrypted there.

use super::{ContextHandle, Part, established::Established};
use crate::{Engine, FileTime, Operation, Status};

impl Engine {
    /// `MakeSignature`: signs the parts of a message into a token; returns its length. The parts are one message: how
    /// it is divided doesn't matter.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::ContextExpired`]; [`Status::QopNotSupported`] for any quality but 0, and
    /// without integrity; [`Status::UnsupportedFunction`] when the context is for encryption only;
    /// [`Status::InvalidToken`] without any part; [`Status::BufferTooSmall`] for a token of less than
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
    ) -> Result<usize, Status> {
        self.with_messages(Operation::MakeSignature, context, |context| {
            context.protection.sign(qop, parts, token)
        })
    }

    /// `VerifySignature`: verifies a signed message; returns the quality of protection.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::ContextExpired`]; [`Status::QopNotSupported`] without integrity;
    /// [`Status::UnsupportedFunction`] when the context is for encryption only; [`Status::InvalidToken`] without any
    /// part, and for what is no token of a signature; [`Status::MessageAltered`]; then [`Status::OutOfSequence`], where
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
    ) -> Result<u32, Status> {
        self.with_messages(Operation::VerifySignature, context, |context| {
            context.protection.verify(parts, token)
        })
    }

    /// `EncryptMessage`: encrypts the parts of a message in place and makes its token; returns the token's length. With
    /// [`WRAP_NO_ENCRYPT`](super::WRAP_NO_ENCRYPT) it signs only. Parts of one kind that follow each other are one: how
    /// they are divided doesn't matter.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::ContextExpired`]; [`Status::QopNotSupported`] for any other quality, and in a
    /// context with neither integrity nor confidentiality; [`Status::UnsupportedFunction`] in a context that has the
    /// other of the two; [`Status::InvalidToken`] without any data; [`Status::BufferTooSmall`] for a token of less
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
    ) -> Result<usize, Status> {
        self.with_messages(Operation::EncryptMessage, context, |context| {
            context.protection.encrypt(qop, parts, token)
        })
    }

    /// `DecryptMessage`: decrypts the parts of a message in place; returns the quality of protection, which is
    /// [`WRAP_NO_ENCRYPT`](super::WRAP_NO_ENCRYPT) when it was only signed. On failure they are as they were.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], [`Status::ContextExpired`]; [`Status::QopNotSupported`] in a context with neither
    /// integrity nor confidentiality; [`Status::InvalidToken`] without any data, and for what is no token of an
    /// encrypted message in such a context; [`Status::MessageAltered`]; then [`Status::OutOfSequence`], where the context
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
    ) -> Result<u32, Status> {
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
        body: impl FnOnce(&mut Established) -> Result<T, Status>,
    ) -> Result<T, Status> {
        self.enter(operation)?;
        self.with_established(operation, context, |context, now: FileTime| {
            if context.expires <= now { Err(Status::ContextExpired) } else { body(context) }
        })
    }
}
