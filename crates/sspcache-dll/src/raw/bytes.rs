//! Bytes whose number is another parameter.

use std::{ffi::c_void, slice};

use super::place::{Place, Raw};

/// Bytes that the caller passes.
#[derive(Clone, Copy, Debug)]
pub struct InBytes<'c> {
    start: Place<'c, u8>,
    length: u32,
}

impl Raw<(*const u8, u32)> for InBytes<'_> {
    unsafe fn from_raw((start, length): (*const u8, u32)) -> Self {
        // SAFETY: the caller has made the same promise.
        Self { start: unsafe { Place::new(start) }, length }
    }
}

impl Raw<(*mut c_void, u32)> for InBytes<'_> {
    unsafe fn from_raw((start, length): (*mut c_void, u32)) -> Self {
        // SAFETY: the caller has made the same promise.
        Self { start: unsafe { Place::new(start.cast()) }, length }
    }
}

impl<'c> InBytes<'c> {
    /// The bytes; `None` when they are at no place. No bytes may be anywhere but at a null pointer.
    pub(crate) fn get(self) -> Option<&'c [u8]> {
        if self.length == 0 && !self.start.is_null() {
            return Some(&[]);
        }
        let start = self.start.get()?;
        // No object is longer than half of what can be addressed.
        let length = isize::try_from(self.length).ok()?.cast_unsigned();
        // SAFETY: a pointer that may be followed is to as many bytes, which stay as they are for as long as the call
        // lasts.
        Some(unsafe { slice::from_raw_parts(start.as_ptr(), length) })
    }
}
