//! Environment variables of the process. A variable with the very name comes first, then one whose name differs in case alone, as on
//! Windows.

use std::{
    borrow::Cow,
    env,
    ffi::{CStr, CString, c_char},
    os::unix::ffi::OsStrExt,
};

use sspcache_types::name::same;
use widestring::U16String;
use windows_sys::Win32::Foundation::{
    ERROR_ENVVAR_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY,
};

use crate::{
    ffi::{Failure, call},
    text,
};

/// `GetEnvironmentVariable` for UTF-8: the value of a variable. Returns its length, or when the buffer is too small the
/// size that it needs. Of a variable that isn't there, 0 (203).
///
/// # Safety
/// A name that isn't null ends in a null. A buffer that isn't null has room for so many units. No other thread changes the environment.
///
/// Reference: [GetEnvironmentVariable](https://learn.microsoft.com/en-us/windows/win32/api/processenv/nf-processenv-getenvironmentvariablea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetEnvironmentVariableA(
    name: *const c_char,
    buffer: *mut c_char,
    size: u32,
) -> u32 {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    let name = unsafe { text::ansi(name) };
    let Some(value) = call(|| get(name)) else { return 0 };
    // SAFETY: the caller promises that a buffer which isn't null has room for so many units.
    unsafe { text::copy(value.as_bytes(), buffer.cast(), size) }
}

/// `GetEnvironmentVariable` for UTF-16: as [`sspcache_GetEnvironmentVariableA`].
///
/// # Safety
/// As [`sspcache_GetEnvironmentVariableA`].
///
/// Reference: [GetEnvironmentVariable](https://learn.microsoft.com/en-us/windows/win32/api/processenv/nf-processenv-getenvironmentvariablew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetEnvironmentVariableW(
    name: *const u16,
    buffer: *mut u16,
    size: u32,
) -> u32 {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    let name = unsafe { text::wide(name) };
    let Some(value) = call(|| get(name)) else { return 0 };
    // SAFETY: the caller promises that a buffer which isn't null has room for so many units.
    unsafe { text::copy(U16String::from_str(&value).as_slice(), buffer, size) }
}

/// `SetEnvironmentVariable` for UTF-8: sets a variable, or with a null value removes it. An empty name, and one with `=`,
/// are refused (87).
///
/// # Safety
/// Texts that aren't null end in a null. No other thread reads or changes the environment.
///
/// Reference: [SetEnvironmentVariable](https://learn.microsoft.com/en-us/windows/win32/api/processenv/nf-processenv-setenvironmentvariablea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_SetEnvironmentVariableA(name: *const c_char, value: *const c_char) -> i32 {
    // SAFETY: the caller promises that a text which isn't null ends in a null.
    let [name, value] = [name, value].map(|text| unsafe { text::ansi(text) });
    call(|| set(name, value)).is_some().into()
}

/// `SetEnvironmentVariable` for UTF-16: as [`sspcache_SetEnvironmentVariableA`].
///
/// # Safety
/// As [`sspcache_SetEnvironmentVariableA`].
///
/// Reference: [SetEnvironmentVariable](https://learn.microsoft.com/en-us/windows/win32/api/processenv/nf-processenv-setenvironmentvariablew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_SetEnvironmentVariableW(name: *const u16, value: *const u16) -> i32 {
    // SAFETY: the caller promises that a text which isn't null ends in a null.
    let [name, value] = [name, value].map(|text| unsafe { text::wide(text) });
    call(|| set(name, value)).is_some().into()
}

/// The value of a variable; bytes that are no UTF-8 are replaced.
fn get(name: Option<U16String>) -> Result<String, Failure> {
    let name = name.unwrap_or_default().to_string_lossy();
    let found = own_name(&name).ok_or(Failure(ERROR_ENVVAR_NOT_FOUND))?;
    // SAFETY: the caller promises that no thread changes the environment.
    let value = unsafe { libc::getenv(found.as_ptr()) };
    if value.is_null() {
        return Err(Failure(ERROR_ENVVAR_NOT_FOUND));
    }
    // SAFETY: it isn't null, and a variable's value ends in a null.
    Ok(unsafe { CStr::from_ptr(value) }.to_string_lossy().into_owned())
}

fn set(name: Option<U16String>, value: Option<U16String>) -> Result<(), Failure> {
    let name = name.unwrap_or_default().to_string_lossy();
    if name.is_empty() || name.contains('=') {
        return Err(Failure(ERROR_INVALID_PARAMETER));
    }
    let found = own_name(&name);
    let done = if let Some(value) = value {
        let new = CString::new(name).map_err(|_| Failure(ERROR_INVALID_PARAMETER))?;
        let value = CString::new(value.to_string_lossy()).map_err(|_| Failure(ERROR_INVALID_PARAMETER))?;
        let name = found.unwrap_or(new);
        // SAFETY: both end in a null, and the caller promises that no other thread uses the environment.
        unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) }
    } else {
        // What isn't there is removed (observed, Wine 8).
        let Some(name) = found else { return Ok(()) };
        // SAFETY: the name ends in a null, and the caller promises that no other thread uses the environment.
        unsafe { libc::unsetenv(name.as_ptr()) }
    };
    if done == 0 { Ok(()) } else { Err(Failure(ERROR_NOT_ENOUGH_MEMORY)) }
}

/// The name of a variable as the process has it.
fn own_name(name: &str) -> Option<CString> {
    let found = if env::var_os(name_or_none(name)?).is_some() {
        Cow::Borrowed(name.as_bytes())
    } else {
        let mut names = env::vars_os().map(|(name, _)| name);
        let of = |other: &str| same(other.encode_utf16(), name.encode_utf16());
        Cow::Owned(names.find(|other| other.to_str().is_some_and(of))?.as_bytes().to_owned())
    };
    CString::new(found).ok()
}

/// A name that a variable can have.
fn name_or_none(name: &str) -> Option<&str> {
    (!name.is_empty() && !name.contains(['=', '\0'])).then_some(name)
}
