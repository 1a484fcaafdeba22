//! Comparing and measuring strings: `lstrcmp`, `lstrcmpi`, `lstrlen`.

use std::ffi::c_char;

use sspcache_types::name::fold;
use widestring::U16String;
use windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER;

use crate::{
    ffi::{Failure, call},
    text,
};

/// `lstrcmpi` for UTF-8: ignores case as in names of modules. A null pointer is less than any string.
///
/// # Safety
/// Strings that aren't null end in a null.
///
/// # Platform-specific behaviour
/// Windows compares words in the user's locale. This function compares units after simple upper-casing, which gives the
/// same equality for names without accents.
///
/// Reference: [lstrcmpi](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lstrcmpiw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_lstrcmpiA(left: *const c_char, right: *const c_char) -> i32 {
    // SAFETY: the caller promises that a string which isn't null ends in a null.
    let [left, right] = [left, right].map(|text| unsafe { text::ansi(text) });
    compare(left, right)
}

/// `lstrcmpi` for UTF-16: as [`sspcache_lstrcmpiA`].
///
/// # Safety
/// Strings that aren't null end in a null.
///
/// Reference: [lstrcmpi](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lstrcmpiw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_lstrcmpiW(left: *const u16, right: *const u16) -> i32 {
    // SAFETY: the caller promises that a string which isn't null ends in a null.
    let [left, right] = [left, right].map(|text| unsafe { text::wide(text) });
    compare(left, right)
}

/// `lstrcmp` for UTF-8: as [`sspcache_lstrcmpiA`], and of texts that differ in case alone, the one with the first small letter is
/// less.
///
/// # Safety
/// Strings that aren't null end in a null.
///
/// # Platform-specific behaviour
/// As for [`sspcache_lstrcmpiA`].
///
/// Reference: [lstrcmp](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lstrcmpa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_lstrcmpA(left: *const c_char, right: *const c_char) -> i32 {
    // SAFETY: the caller promises that a string which isn't null ends in a null.
    let texts = [left, right].map(|text| unsafe { text::ansi(text) });
    compare_with_case(texts)
}

/// `lstrcmp` for UTF-16: as [`sspcache_lstrcmpA`].
///
/// # Safety
/// Strings that aren't null end in a null.
///
/// Reference: [lstrcmp](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lstrcmpw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_lstrcmpW(left: *const u16, right: *const u16) -> i32 {
    // SAFETY: the caller promises that a string which isn't null ends in a null.
    let texts = [left, right].map(|text| unsafe { text::wide(text) });
    compare_with_case(texts)
}

/// `lstrlen` for bytes: the length without the null; of a null pointer, 0 and an error (87).
///
/// # Safety
/// A string that isn't null ends in a null.
///
/// Reference: [lstrlen](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lstrlena).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_lstrlenA(text: *const c_char) -> i32 {
    // SAFETY: the caller promises that a string which isn't null ends in a null.
    let text = unsafe { text::bytes(text) };
    length(text.map(|text| text.to_bytes().len()))
}

/// `lstrlen` for UTF-16: as [`sspcache_lstrlenA`], in units.
///
/// # Safety
/// A string that isn't null ends in a null.
///
/// Reference: [lstrlen](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-lstrlenw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_lstrlenW(text: *const u16) -> i32 {
    // SAFETY: the caller promises that a string which isn't null ends in a null.
    let text = unsafe { text::units(text) };
    length(text.map(widestring::U16CStr::len))
}

fn compare(left: Option<U16String>, right: Option<U16String>) -> i32 {
    let folded =
        |text: Option<U16String>| text.map(|text| text.into_vec().into_iter().map(fold).collect::<Vec<_>>());
    folded(left).cmp(&folded(right)) as i32
}

fn compare_with_case(texts: [Option<U16String>; 2]) -> i32 {
    let [left, right] = texts.clone();
    let order = compare(left, right);
    // Small letters have the higher numbers.
    let [left, right] = texts;
    if order == 0 { right.cmp(&left) as i32 } else { order }
}

fn length(units: Option<usize>) -> i32 {
    let length = call(|| units.ok_or(Failure(ERROR_INVALID_PARAMETER))).unwrap_or_default();
    i32::try_from(length).unwrap_or(i32::MAX)
}
