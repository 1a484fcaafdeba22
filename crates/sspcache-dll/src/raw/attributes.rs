//! Buffers for attributes of contexts and credentials.

use std::{ffi::c_void, ptr::NonNull};

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::Security::Authentication::Identity::{
    SECPKG_ATTR_ACCESS_TOKEN, SECPKG_ATTR_AUTHORITY, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET,
    SECPKG_ATTR_DCE_INFO, SECPKG_ATTR_FLAGS, SECPKG_ATTR_KEY_INFO, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS,
    SECPKG_ATTR_LIFESPAN, SECPKG_ATTR_NAMES, SECPKG_ATTR_NATIVE_NAMES, SECPKG_ATTR_NEGOTIATION_INFO,
    SECPKG_ATTR_PACKAGE_INFO, SECPKG_ATTR_PASSWORD_EXPIRY, SECPKG_ATTR_SESSION_KEY, SECPKG_ATTR_SIZES,
    SECPKG_ATTR_TARGET_INFORMATION, SECPKG_ATTR_USER_FLAGS, SECPKG_CRED_ATTR_NAMES,
    SecPkgContext_AccessToken, SecPkgContext_AuthorityW, SecPkgContext_ClientSpecifiedTarget,
    SecPkgContext_DceInfo, SecPkgContext_Flags, SecPkgContext_KeyInfoW, SecPkgContext_LastClientTokenStatus,
    SecPkgContext_Lifespan, SecPkgContext_NamesW, SecPkgContext_NativeNamesW, SecPkgContext_NegotiationInfoW,
    SecPkgContext_PackageInfoW, SecPkgContext_PasswordExpiry, SecPkgContext_SessionKey, SecPkgContext_Sizes,
    SecPkgContext_TargetInformation, SecPkgContext_UserFlags, SecPkgCredentials_NamesW,
};

use super::place::{Place, Raw};

/// An attribute's number, and the buffer for its structure.
#[derive(Clone, Copy, Debug)]
pub struct AttributeBuffer<'c> {
    /// `SECPKG_ATTR_…` or `SECPKG_CRED_ATTR_…`.
    pub(crate) attribute: u32,
    place: Place<'c, u8>,
    size: Option<u32>,
}

impl Raw<(u32, *mut c_void)> for AttributeBuffer<'_> {
    unsafe fn from_raw((attribute, buffer): (u32, *mut c_void)) -> Self {
        // SAFETY: the caller has made the same promise.
        Self { attribute, place: unsafe { Place::new(buffer.cast()) }, size: None }
    }
}

/// The functions that end in Ex say how large the buffer is.
impl Raw<(u32, *mut c_void, u32)> for AttributeBuffer<'_> {
    unsafe fn from_raw((attribute, buffer, size): (u32, *mut c_void, u32)) -> Self {
        // SAFETY: the caller has made the same promise.
        Self { attribute, place: unsafe { Place::new(buffer.cast()) }, size: Some(size) }
    }
}

impl AttributeBuffer<'_> {
    /// Writes the attribute's structure. It is made only once there is room for it, so that nothing is handed out in
    /// vain.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] without a buffer, [`SecurityStatus::BUFFER_TOO_SMALL`] for one that is too
    /// small, the structure's own, and [`SecurityStatus::INTERNAL_ERROR`] for another attribute's structure.
    pub(crate) fn put<T: Structure>(
        self,
        make: impl FnOnce() -> Result<T, SecurityStatus>,
    ) -> Result<(), SecurityStatus> {
        let place = self.place_for(T::ATTRIBUTE, size_of::<T>())?;
        let structure = make()?;
        // SAFETY: the buffer of an attribute is its structure, as `Structure` says, wherever it is aligned.
        unsafe { place.cast::<T>().write_unaligned(structure) };
        Ok(())
    }

    /// The place for an attribute's structure, which has this size.
    #[inline(never)]
    fn place_for(self, attribute: u32, size: usize) -> Result<NonNull<u8>, SecurityStatus> {
        if self.attribute != attribute {
            return Err(SecurityStatus::INTERNAL_ERROR);
        }
        let place = self.place.get().ok_or(SecurityStatus::INVALID_PARAMETER)?;
        if self.size.is_some_and(|given| (given as usize) < size) {
            return Err(SecurityStatus::BUFFER_TOO_SMALL);
        }
        Ok(place)
    }
}

/// The structure of an attribute.
///
/// # Safety
/// The attribute's page names this structure; those that have an A and a W form differ in the types of strings alone.
pub(crate) unsafe trait Structure {
    const ATTRIBUTE: u32;
}

macro_rules! structures {
    ($($structure:ty = $attribute:ident,)*) => {
        $(
            // SAFETY: so says the attribute's page.
            unsafe impl Structure for $structure {
                const ATTRIBUTE: u32 = $attribute;
            }
        )*
    };
}

structures! {
    SecPkgContext_AccessToken = SECPKG_ATTR_ACCESS_TOKEN,
    SecPkgContext_AuthorityW = SECPKG_ATTR_AUTHORITY,
    SecPkgContext_ClientSpecifiedTarget = SECPKG_ATTR_CLIENT_SPECIFIED_TARGET,
    SecPkgContext_DceInfo = SECPKG_ATTR_DCE_INFO,
    SecPkgContext_Flags = SECPKG_ATTR_FLAGS,
    SecPkgContext_KeyInfoW = SECPKG_ATTR_KEY_INFO,
    SecPkgContext_LastClientTokenStatus = SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS,
    SecPkgContext_Lifespan = SECPKG_ATTR_LIFESPAN,
    SecPkgContext_NamesW = SECPKG_ATTR_NAMES,
    SecPkgContext_NativeNamesW = SECPKG_ATTR_NATIVE_NAMES,
    SecPkgContext_NegotiationInfoW = SECPKG_ATTR_NEGOTIATION_INFO,
    SecPkgContext_PackageInfoW = SECPKG_ATTR_PACKAGE_INFO,
    SecPkgContext_PasswordExpiry = SECPKG_ATTR_PASSWORD_EXPIRY,
    SecPkgContext_SessionKey = SECPKG_ATTR_SESSION_KEY,
    SecPkgContext_Sizes = SECPKG_ATTR_SIZES,
    SecPkgContext_TargetInformation = SECPKG_ATTR_TARGET_INFORMATION,
    SecPkgContext_UserFlags = SECPKG_ATTR_USER_FLAGS,
    SecPkgCredentials_NamesW = SECPKG_CRED_ATTR_NAMES,
}
