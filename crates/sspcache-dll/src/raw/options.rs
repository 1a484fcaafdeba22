//! `SECURITY_PACKAGE_OPTIONS`.

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::Security::Authentication::Identity::SECURITY_PACKAGE_OPTIONS;

use super::place::{Place, Raw};

/// The options of a package, or a null pointer.
#[derive(Clone, Copy, Debug)]
pub struct PackageOptions<'c>(Place<'c, SECURITY_PACKAGE_OPTIONS>);

impl Raw<*const SECURITY_PACKAGE_OPTIONS> for PackageOptions<'_> {
    unsafe fn from_raw(parameter: *const SECURITY_PACKAGE_OPTIONS) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter) })
    }
}

impl PackageOptions<'_> {
    /// The size that they say they have; `None` for a null pointer.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] for a pointer that is never followed.
    pub(crate) fn size(self) -> Result<Option<u32>, SecurityStatus> {
        let place = self.0.optional(SecurityStatus::INVALID_PARAMETER)?;
        // SAFETY: whatever their size is, they begin with it.
        Ok(place.map(|place| unsafe { place.cast::<u32>().read_unaligned() }))
    }
}

const _: () = assert!(std::mem::offset_of!(SECURITY_PACKAGE_OPTIONS, Size) == 0);
