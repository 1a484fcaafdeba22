//! Strings as C passes them: UTF-8 to the functions that end in A (the active code page of this emulation), UTF-16 to
//! those that end in W (clause L11).

use std::{
    ffi::{CStr, c_char},
    mem::MaybeUninit,
    slice,
};

use widestring::{U16CStr, U16String};

/// A string of the A functions; `None` for a null pointer. A name that is not UTF-8 matches no module.
///
/// # Safety
/// A pointer that isn't null is to a string that ends in a null.
pub(crate) unsafe fn ansi(text: *const c_char) -> Option<U16String> {
    // SAFETY: the caller promises that a pointer which isn't null is to a string that ends in a null.
    unsafe { bytes(text) }.map(|text| U16String::from_str(&text.to_string_lossy()))
}

/// The same, borrowed.
///
/// # Safety
/// As [`ansi`], and the string doesn't change while the result is used.
pub(crate) unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: it isn't null, and so ends in a null, as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// A string of the W functions; `None` for a null pointer.
///
/// # Safety
/// A pointer that isn't null is to UTF-16 units that end in a null.
pub(crate) unsafe fn wide(text: *const u16) -> Option<U16String> {
    // SAFETY: the caller promises that a pointer which isn't null is to a string that ends in a null.
    unsafe { units(text) }.map(U16CStr::to_ustring)
}

/// The same, borrowed.
///
/// # Safety
/// As [`wide`], and the string doesn't change while the result is used.
pub(crate) unsafe fn units<'a>(text: *const u16) -> Option<&'a U16CStr> {
    // SAFETY: it isn't null, and so ends in a null, as the caller promises.
    (!text.is_null()).then(|| unsafe { U16CStr::from_ptr_str(text) })
}

/// Writes a whole string with a terminating null and returns its length. When it doesn't fit, returns the size that it
/// needs, and writes an empty string if the buffer has room for one (observed).
///
/// # Safety
/// A buffer that isn't null has room for so many units.
pub(crate) unsafe fn copy<T: Copy + Default>(text: &[T], buffer: *mut T, size: u32) -> u32 {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX - 1);
    if buffer.is_null() || size == 0 {
        return length + 1;
    }
    let fits = length < size;
    let written = if fits { text } else { &[] };
    // SAFETY: the caller promises room for so many units, which are no fewer than these and the null.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<T>>(), written.len() + 1) };
    put(written, buffer);
    if fits { length } else { length + 1 }
}

/// Writes a string with a terminating null into a buffer with room for both.
pub(crate) fn put<T: Copy + Default>(text: &[T], buffer: &mut [MaybeUninit<T>]) {
    for (place, unit) in buffer.iter_mut().zip(text.iter().copied().chain([T::default()])) {
        place.write(unit);
    }
}
