//! The out parameters of `SspiPrepareForCredWrite`.

use super::place::{Out, Raw};

/// The places for CredWrite's arguments.
#[derive(Clone, Copy, Debug)]
pub struct CredWriteParameters<'c> {
    /// `pCredmanCredentialType`
    pub(crate) credential_type: Out<'c, u32>,
    /// `ppszCredmanTargetName`
    pub(crate) target: Out<'c, *const u16>,
    /// `ppszCredmanUserName`
    pub(crate) user: Out<'c, *const u16>,
    /// `ppCredentialBlob`
    pub(crate) blob: Out<'c, *mut u8>,
    /// `pCredentialBlobSize`
    pub(crate) size: Out<'c, u32>,
}

/// In the order of the fields.
type Parameters = (*mut u32, *mut *const u16, *mut *const u16, *mut *mut u8, *mut u32);

impl Raw<Parameters> for CredWriteParameters<'_> {
    unsafe fn from_raw((credential_type, target, user, blob, size): Parameters) -> Self {
        Self {
            // SAFETY: the caller has made the promise for the place of the type.
            credential_type: unsafe { Raw::from_raw(credential_type) },
            // SAFETY: the caller has made the promise for the place of the target.
            target: unsafe { Raw::from_raw(target) },
            // SAFETY: the caller has made the promise for the place of the user.
            user: unsafe { Raw::from_raw(user) },
            // SAFETY: the caller has made the promise for the place of the blob.
            blob: unsafe { Raw::from_raw(blob) },
            // SAFETY: the caller has made the promise for the place of the size.
            size: unsafe { Raw::from_raw(size) },
        }
    }
}
