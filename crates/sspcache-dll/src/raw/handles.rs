//! Handles: a `SecHandle` holds the engine's word in `dwLower`; `dwUpper` is never looked at, since secur32 overwrites
//! it (clause S8).

use sspcache_engine::{CredentialHandle, SecurityStatus, context::ContextHandle};
use windows_sys::Win32::Security::Credentials::SecHandle;

use super::place::{Place, Raw};

/// A handle that the caller passes.
#[derive(Clone, Copy, Debug)]
pub struct InHandle<'c>(Place<'c, SecHandle>);

impl Raw<*mut SecHandle> for InHandle<'_> {
    unsafe fn from_raw(parameter: *mut SecHandle) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter) })
    }
}

impl InHandle<'_> {
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The handle of a credential.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] when there is none.
    pub(crate) fn credential(self) -> Result<CredentialHandle, SecurityStatus> {
        self.optional_credential()?.ok_or(SecurityStatus::INVALID_HANDLE)
    }

    /// The handle of an existing context.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] when there is none.
    pub(crate) fn context(self) -> Result<ContextHandle, SecurityStatus> {
        self.optional_context()?.ok_or(SecurityStatus::INVALID_HANDLE)
    }

    /// The handle of a credential; `None` for a null pointer.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for a pointer that is never followed.
    pub(crate) fn optional_credential(self) -> Result<Option<CredentialHandle>, SecurityStatus> {
        Ok(self.word()?.map(CredentialHandle::from_word))
    }

    /// The handle of a context; `None` for a null pointer.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for a pointer that is never followed.
    pub(crate) fn optional_context(self) -> Result<Option<ContextHandle>, SecurityStatus> {
        Ok(self.word()?.map(ContextHandle::from_word))
    }

    fn word(self) -> Result<Option<usize>, SecurityStatus> {
        let place = self.0.optional(SecurityStatus::INVALID_HANDLE)?;
        // SAFETY: a pointer that may be followed is to a handle.
        Ok(place.map(|place| unsafe { place.read_unaligned() }.dwLower))
    }
}

/// A place for a new handle.
#[derive(Clone, Copy, Debug)]
pub struct OutHandle<'c>(Place<'c, SecHandle>);

impl Raw<*mut SecHandle> for OutHandle<'_> {
    unsafe fn from_raw(parameter: *mut SecHandle) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter) })
    }
}

impl OutHandle<'_> {
    /// Whether there is a place.
    pub(crate) fn is_given(self) -> bool {
        self.0.get().is_some()
    }

    /// Whether it is the place of that handle.
    pub(crate) fn is_at(self, handle: InHandle<'_>) -> bool {
        self.0.addr() == handle.0.addr()
    }

    /// Writes a handle with this word, if there is a place for it.
    pub(crate) fn write(self, word: usize) {
        if let Some(place) = self.0.get() {
            // SAFETY: a pointer that may be followed is to a place for a handle.
            unsafe { place.write_unaligned(SecHandle { dwLower: word, dwUpper: 0 }) };
        }
    }
}
