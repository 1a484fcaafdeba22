//! Strings as C passes them: UTF-8 to the functions that end in A (the active code page of this emulation), UTF-16 to those
//! that end in W (clause L11).

use std::ffi::{CStr, c_char};

use widestring::{U16CStr, U16String};

/// A string of the A functions; `None` for a null pointer. Bytes that are no UTF-8 name nothing that is there.
///
/// # Safety
/// A pointer that isn't null is to a string that ends in a null.
pub(crate) unsafe fn ansi(text: *const c_char) -> Option<U16String> {
    // SAFETY: by this function's contract.
    unsafe { bytes(text) }.map(|text| U16String::from_str(&text.to_string_lossy()))
}

/// The same, where it lies.
///
/// # Safety
/// As [`ansi`], and the string stays as it is for as long as the result is used.
pub(crate) unsafe fn bytes<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: by this function's contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// A string of the W functions; `None` for a null pointer.
///
/// # Safety
/// A pointer that isn't null is to UTF-16 units that end in a null.
pub(crate) unsafe fn wide(text: *const u16) -> Option<U16String> {
    // SAFETY: by this function's contract.
    unsafe { units(text) }.map(U16CStr::to_ustring)
}

/// The same, where it lies.
///
/// # Safety
/// As [`wide`], and the string stays as it is for as long as the result is used.
pub(crate) unsafe fn units<'a>(text: *const u16) -> Option<&'a U16CStr> {
    // SAFETY: by this function's contract.
    (!text.is_null()).then(|| unsafe { U16CStr::from_ptr_str(text) })
}

/// Writes a whole string with a terminating null and gives its length; where it doesn't fit, gives the size that it needs, and an
/// empty string in a buffer that has room for one (observed).
///
/// # Safety
/// A buffer that isn't null has room for so many units.
pub(crate) unsafe fn copy<T: Copy + Default>(text: &[T], buffer: *mut T, size: u32) -> u32 {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX - 1);
    if buffer.is_null() || size == 0 {
        return length + 1;
    }
    if length >= size {
        // SAFETY: by this function's contract, there is room for one unit.
        unsafe { buffer.write(T::default()) };
        return length + 1;
    }
    // SAFETY: by this function's contract, there is room for that and the null.
    unsafe {
        buffer.copy_from_nonoverlapping(text.as_ptr(), text.len());
        buffer.add(text.len()).write(T::default());
    }
    length
}
