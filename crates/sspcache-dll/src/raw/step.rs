//! The parameters that the steps of both sides have.

use sspcache_engine::{CredentialHandle, SecurityStatus, context::ContextHandle};
use windows_sys::Win32::Security::{
    Authentication::Identity::{SECBUFFER_TOKEN, SecBufferDesc},
    Credentials::SecHandle,
};

use super::{
    buffers::{BufferDesc, Descriptor},
    handles::{InHandle, OutHandle},
    place::{Out, Raw},
};

/// The parameters that `InitializeSecurityContext` and `AcceptSecurityContext` share.
#[derive(Clone, Copy, Debug)]
pub struct StepCall<'c> {
    credential: InHandle<'c>,
    context: InHandle<'c>,
    /// `ISC_REQ_…` or `ASC_REQ_…`.
    pub(crate) requirements: u32,
    input: Descriptor<'c>,
    new_context: OutHandle<'c>,
    output: Descriptor<'c>,
    /// The place for `ISC_RET_…` or `ASC_RET_…`.
    pub(crate) attributes: Out<'c, u32>,
    /// The place for the local time at which the context expires.
    pub(crate) expiry: Out<'c, i64>,
}

/// Credential, context, requirements, input, new context, output, attributes and expiry.
type Parameters = (
    *mut SecHandle,
    *mut SecHandle,
    u32,
    *mut SecBufferDesc,
    *mut SecHandle,
    *mut SecBufferDesc,
    *mut u32,
    *mut i64,
);

impl Raw<Parameters> for StepCall<'_> {
    unsafe fn from_raw(
        (credential, context, requirements, input, new_context, output, attributes, expiry): Parameters,
    ) -> Self {
        Self {
            // SAFETY: the caller has made the promise for the credential's handle.
            credential: unsafe { Raw::from_raw(credential) },
            // SAFETY: the caller has made the promise for the context's handle.
            context: unsafe { Raw::from_raw(context) },
            requirements,
            // SAFETY: the caller has made the promise for the buffers that are read.
            input: unsafe { Raw::from_raw(input) },
            // SAFETY: the caller has made the promise for the place of the new handle.
            new_context: unsafe { Raw::from_raw(new_context) },
            // SAFETY: the caller has made the promise for the buffers that are written to.
            output: unsafe { Raw::from_raw(output) },
            // SAFETY: the caller has made the promise for the place of the attributes.
            attributes: unsafe { Raw::from_raw(attributes) },
            // SAFETY: the caller has made the promise for the place of the time.
            expiry: unsafe { Raw::from_raw(expiry) },
        }
    }
}

impl<'c> StepCall<'c> {
    /// Refuses a call that names neither a context nor a place for a new one.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`]
    pub(crate) fn check(&self) -> Result<(), SecurityStatus> {
        let nowhere = self.context.is_null() && !self.new_context.is_given();
        if nowhere { Err(SecurityStatus::INVALID_PARAMETER) } else { Ok(()) }
    }

    /// The credential, which the first step needs. On a later step the context says which it is, and the parameter
    /// isn't read: Wine's Negotiate passes small numbers there (clause R1).
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for a pointer that is never followed.
    pub(crate) fn credential(&self) -> Result<Option<CredentialHandle>, SecurityStatus> {
        if !self.context.is_null() {
            return Ok(None);
        }
        self.credential.optional_credential()
    }

    /// The context; `None` in the first step.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for a pointer that is never followed.
    pub(crate) fn context(&self) -> Result<Option<ContextHandle>, SecurityStatus> {
        self.context.optional_context()
    }

    /// The buffers of both directions.
    ///
    /// # Errors
    /// As [`Descriptor::read`].
    pub(crate) fn buffers(&self) -> Result<StepBuffers<'c>, SecurityStatus> {
        Ok(StepBuffers { input: self.input.read()?, output: self.output.read()? })
    }

    /// Writes the context's handle. What secur32 keeps in the other half of a handle that it passes both ways is its
    /// own.
    pub(crate) fn put_context(&self, context: ContextHandle) {
        if !self.new_context.is_at(self.context) {
            self.new_context.write(context.word());
        }
    }
}

/// The buffers of a step. Both directions may use the same memory: it is written to only when nothing read is left.
#[derive(Debug)]
pub(crate) struct StepBuffers<'c> {
    input: BufferDesc<'c>,
    output: BufferDesc<'c>,
}

impl StepBuffers<'_> {
    /// What is in the first input buffer of this kind.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for a length at no place.
    pub(crate) fn input(&self, kind: u32) -> Result<Option<&[u8]>, SecurityStatus> {
        self.input.first(kind).map(|buffer| buffer.bytes()).transpose()
    }

    /// The room for the token to send; `None` without a buffer for it.
    pub(crate) fn room(&self) -> Option<usize> {
        Some(self.output.first(SECBUFFER_TOKEN)?.room())
    }

    /// Copies the token to send into its buffer, if there is one.
    pub(crate) fn fill(&mut self, token: &[u8]) {
        self.output.fill(SECBUFFER_TOKEN, token);
    }

    /// Points the buffer of the token to send at memory that was handed out, if there is one.
    pub(crate) fn point_at(&mut self, data: *mut u8, length: usize) {
        self.output.point_at(SECBUFFER_TOKEN, data, length);
    }
}
