//! `OutputDebugString`. Unix has no debugger that takes texts, so they go nowhere, or to standard error where the user says so.

use std::{env, ffi::c_char};

use crate::{ffi::call, text};

/// The variable with which the texts are written to standard error.
const VARIABLE: &str = "SSPCACHE_WIN32_DEBUG";

/// `OutputDebugString` for UTF-8: writes a text for the debugger. It is discarded, or with the variable
/// `SSPCACHE_WIN32_DEBUG` written to standard error.
///
/// # Safety
/// A text that isn't null ends in a null.
///
/// Reference: [OutputDebugString](https://learn.microsoft.com/en-us/windows/win32/api/debugapi/nf-debugapi-outputdebugstringa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_OutputDebugStringA(text: *const c_char) {
    // SAFETY: the caller promises that a text which isn't null ends in a null.
    let text = unsafe { text::bytes(text) };
    write(|| text.map(|text| text.to_string_lossy().into_owned()));
}

/// `OutputDebugString` for UTF-16: as [`sspcache_OutputDebugStringA`].
///
/// # Safety
/// As [`sspcache_OutputDebugStringA`].
///
/// Reference: [OutputDebugString](https://learn.microsoft.com/en-us/windows/win32/api/debugapi/nf-debugapi-outputdebugstringw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_OutputDebugStringW(text: *const u16) {
    // SAFETY: the caller promises that a text which isn't null ends in a null.
    let text = unsafe { text::units(text) };
    write(|| text.map(widestring::U16CStr::to_string_lossy));
}

/// `IsDebuggerPresent`: never, for none takes the texts of this process.
///
/// Reference: [IsDebuggerPresent](https://learn.microsoft.com/en-us/windows/win32/api/debugapi/nf-debugapi-isdebuggerpresent).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_IsDebuggerPresent() -> i32 {
    0
}

fn write(text: impl FnOnce() -> Option<String>) {
    if env::var_os(VARIABLE).is_none() {
        return;
    }
    call(|| {
        if let Some(text) = text() {
            eprint!("{text}");
        }
        Ok(())
    });
}
