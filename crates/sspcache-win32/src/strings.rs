//! Comparing names: `lstrcmpi`.

use std::ffi::c_char;

use sspcache_types::name::fold;
use widestring::U16String;

use crate::text;

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

fn compare(left: Option<U16String>, right: Option<U16String>) -> i32 {
    let folded =
        |text: Option<U16String>| text.map(|text| text.into_vec().into_iter().map(fold).collect::<Vec<_>>());
    folded(left).cmp(&folded(right)) as i32
}
