//! Texts in bytes and in UTF-16: `MultiByteToWideChar`, `WideCharToMultiByte`. The code page of the system and of the thread is UTF-8 (clause
//! L11), so all of them are one.

use std::{
    ffi::{CStr, c_char},
    mem::MaybeUninit,
    slice,
};

use widestring::{U16CStr, U16Str};
use windows_sys::Win32::Foundation::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_FLAGS, ERROR_INVALID_PARAMETER, ERROR_NO_UNICODE_TRANSLATION,
};
use windows_sys::Win32::Globalization::{
    CP_ACP, CP_OEMCP, CP_THREAD_ACP, CP_UTF8, MB_COMPOSITE, MB_ERR_INVALID_CHARS, MB_PRECOMPOSED,
    WC_COMPOSITECHECK, WC_ERR_INVALID_CHARS, WC_NO_BEST_FIT_CHARS,
};

use crate::ffi::{Failure, call};

/// `MultiByteToWideChar`: UTF-16 of a text in bytes, which ends in a null if its size is -1. Returns the number of units, or with a
/// buffer of 0 units the number that it would write. Bytes that are not UTF-8 become U+FFFD, or with `MB_ERR_INVALID_CHARS` an error (1113).
///
/// Errors: 87 for another code page, no text, no size or a negative one but -1, no buffer, or a buffer that is the text; 1004 for other
/// flags; 122 for a buffer that is too small.
///
/// # Safety
/// The text has as many bytes or ends in a null, and the buffer has room for so many units.
///
/// # Platform-specific behaviour
/// `CP_ACP`, `CP_OEMCP` and `CP_THREAD_ACP` are UTF-8, as in a program for Windows whose manifest says so. Others are refused (87).
///
/// Reference: [MultiByteToWideChar](https://learn.microsoft.com/en-us/windows/win32/api/stringapiset/nf-stringapiset-multibytetowidechar).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_MultiByteToWideChar(
    page: u32,
    flags: u32,
    text: *const c_char,
    size: i32,
    buffer: *mut u16,
    room: i32,
) -> i32 {
    let written = call(|| {
        check(page, text.cast(), size, buffer.cast(), room)?;
        // For UTF-8, these are the only flags; for the system's code page they change nothing here.
        let of_page = if page == CP_UTF8 { 0 } else { MB_PRECOMPOSED | MB_COMPOSITE };
        if flags & !(MB_ERR_INVALID_CHARS | of_page) != 0 {
            return Err(Failure(ERROR_INVALID_FLAGS));
        }
        // SAFETY: the caller promises as many bytes, or a null at the end.
        let bytes = unsafe { bytes(text, size) };
        let strict = flags & MB_ERR_INVALID_CHARS != 0;
        let text = match str::from_utf8(bytes) {
            Err(_) if strict => return Err(Failure(ERROR_NO_UNICODE_TRANSLATION)),
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(bytes),
        };
        let units: Vec<u16> = text.encode_utf16().collect();
        // SAFETY: the caller promises room for so many units.
        unsafe { write(&units, buffer, room) }
    });
    written.unwrap_or_default()
}

/// `WideCharToMultiByte`: the bytes of a text in UTF-16, which ends in a null if its length is -1. Returns their number, or with a buffer
/// of 0 bytes the number that it would write. Unpaired surrogates become U+FFFD, or with `WC_ERR_INVALID_CHARS` an error (1113).
///
/// Errors: as [`sspcache_MultiByteToWideChar`]; for `CP_UTF8`, 87 with a default character or a place for whether it was used.
///
/// # Safety
/// The text has as many units or ends in a null, the buffer has room for so many bytes, and `used` is null or can be written to.
///
/// # Platform-specific behaviour
/// Code pages are as for [`sspcache_MultiByteToWideChar`]. The default character is never used.
///
/// Reference: [WideCharToMultiByte](https://learn.microsoft.com/en-us/windows/win32/api/stringapiset/nf-stringapiset-widechartomultibyte).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_WideCharToMultiByte(
    page: u32,
    flags: u32,
    text: *const u16,
    length: i32,
    buffer: *mut c_char,
    room: i32,
    default: *const c_char,
    used: *mut i32,
) -> i32 {
    let written = call(|| {
        check(page, text.cast(), length, buffer.cast(), room)?;
        if page == CP_UTF8 && (!default.is_null() || !used.is_null()) {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        let of_page = if page == CP_UTF8 { 0 } else { WC_NO_BEST_FIT_CHARS | WC_COMPOSITECHECK };
        if flags & !(WC_ERR_INVALID_CHARS | of_page) != 0 {
            return Err(Failure(ERROR_INVALID_FLAGS));
        }
        // SAFETY: the caller promises as many units, or a null at the end.
        let units = unsafe { units(text, length) };
        let text = match units.to_string() {
            Ok(text) => text,
            Err(_) if flags & WC_ERR_INVALID_CHARS != 0 => return Err(Failure(ERROR_NO_UNICODE_TRANSLATION)),
            Err(_) => units.to_string_lossy(),
        };
        if !used.is_null() {
            // SAFETY: it isn't null, and the caller promises that it can be written to.
            unsafe { used.write(0) };
        }
        // SAFETY: the caller promises room for so many bytes.
        unsafe { write(text.as_bytes(), buffer.cast(), room) }
    });
    written.unwrap_or_default()
}

/// What both refuse.
fn check(page: u32, text: *const u8, size: i32, buffer: *const u8, room: i32) -> Result<(), Failure> {
    let is_known = [CP_ACP, CP_OEMCP, CP_THREAD_ACP, CP_UTF8].contains(&page);
    let has_text = !text.is_null() && (size > 0 || size == -1);
    let has_place = room == 0 || room > 0 && !buffer.is_null() && buffer != text;
    if is_known && has_text && has_place { Ok(()) } else { Err(Failure(ERROR_INVALID_PARAMETER)) }
}

/// The bytes of a text; with -1 up to its null, which is one of them.
///
/// # Safety
/// It has as many, or ends in a null, and isn't changed while the result is used.
unsafe fn bytes<'a>(text: *const c_char, size: i32) -> &'a [u8] {
    match usize::try_from(size) {
        // SAFETY: the caller promises as many.
        Ok(size) => unsafe { slice::from_raw_parts(text.cast(), size) },
        // SAFETY: the caller promises a null at the end.
        Err(_) => unsafe { CStr::from_ptr(text) }.to_bytes_with_nul(),
    }
}

/// The units of a text; with -1 up to its null, which is one of them.
///
/// # Safety
/// As [`bytes`].
unsafe fn units<'a>(text: *const u16, length: i32) -> &'a U16Str {
    let units = match usize::try_from(length) {
        // SAFETY: the caller promises as many.
        Ok(length) => unsafe { slice::from_raw_parts(text, length) },
        // SAFETY: the caller promises a null at the end.
        Err(_) => unsafe { U16CStr::from_ptr_str(text) }.as_slice_with_nul(),
    };
    U16Str::from_slice(units)
}

/// Writes a text if there is room for all of it, and returns how long it is.
///
/// # Safety
/// The buffer has room for so many units.
unsafe fn write<T: Copy>(text: &[T], buffer: *mut T, room: i32) -> Result<i32, Failure> {
    let length = i32::try_from(text.len()).map_err(|_| Failure(ERROR_INVALID_PARAMETER))?;
    if room == 0 {
        return Ok(length);
    }
    if length > room {
        return Err(Failure(ERROR_INSUFFICIENT_BUFFER));
    }
    // SAFETY: the caller promises room for so many, which are no fewer than these.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<T>>(), text.len()) };
    for (place, &unit) in buffer.iter_mut().zip(text) {
        place.write(unit);
    }
    Ok(length)
}
