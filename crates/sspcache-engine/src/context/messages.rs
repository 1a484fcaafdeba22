//! The messages of an established context: signed or encrypted here, verified and decrypted there.

use super::{ContextHandle, Part, stage::Established};
use crate::{FileTime, Operation, SecurityStatus, state::Instance};

impl Instance {
    /// See [`Engine::sign`](crate::Engine::sign).
    pub(crate) fn sign(
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

    /// See [`Engine::verify_signature`](crate::Engine::verify_signature).
    pub(crate) fn verify_signature(
        &self,
        context: ContextHandle,
        parts: &[&[u8]],
        token: &[u8],
    ) -> Result<u32, SecurityStatus> {
        self.with_messages(Operation::VerifySignature, context, |context| {
            context.protection.verify(parts, token)
        })
    }

    /// See [`Engine::encrypt`](crate::Engine::encrypt).
    pub(crate) fn encrypt(
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

    /// See [`Engine::decrypt`](crate::Engine::decrypt).
    pub(crate) fn decrypt(
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
