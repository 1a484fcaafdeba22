//! Mach-O images.
//!
//! Reference: `dladdr(3)`.

use std::{ffi::CStr, mem::MaybeUninit, ptr};

/// Finds the image of an address.
#[derive(Debug)]
pub(super) struct Images;

impl Images {
    pub(super) fn new() -> Self {
        Self
    }

    /// Passes on the path of each return address's image, and where in it the address is: what is in no image is left out.
    #[allow(clippy::unused_self, reason = "as for ELF")]
    pub(super) fn find(&self, addresses: &[usize], mut found: impl FnMut(&str, u64) -> bool) {
        for &address in addresses {
            let mut image = MaybeUninit::<libc::Dl_info>::zeroed();
            // The call is before its return address, which may be in no image any more.
            let call = ptr::without_provenance(address - 1);
            // SAFETY: any address may be asked for; there is a place for the answer.
            if unsafe { libc::dladdr(call, image.as_mut_ptr()) } == 0 {
                continue;
            }
            // SAFETY: the call succeeded, and so it has filled the structure in.
            let image = unsafe { image.assume_init() };
            if image.dli_fname.is_null() {
                continue;
            }
            // SAFETY: it is a string of C, which stays while the image is loaded: the stack has a frame of it.
            let path = unsafe { CStr::from_ptr(image.dli_fname) };
            if !found(&path.to_string_lossy(), address.wrapping_sub(image.dli_fbase.addr()) as u64) {
                return;
            }
        }
    }
}
