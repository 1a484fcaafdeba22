//! The names of the current user and of this computer.

use std::{
    env,
    ffi::{CStr, c_char},
    mem::MaybeUninit,
    ptr,
};

use widestring::U16String;
use windows_sys::Win32::Foundation::{
    ERROR_BUFFER_OVERFLOW, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA,
    ERROR_NONE_MAPPED,
};
use windows_sys::Win32::Security::Authentication::Identity::NameSamCompatible;

use crate::{
    ffi::{Failure, call},
    text,
};

/// `GetUserName` for UTF-8: the name of the user of this process. Sets the size to that of the name with its null. In a buffer that is
/// too small nothing is written (122).
///
/// # Safety
/// A buffer that isn't null has room for so many units, and a size that isn't null can be written to.
///
/// Reference: [GetUserName](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getusernamea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetUserNameA(buffer: *mut c_char, size: *mut u32) -> i32 {
    // SAFETY: as the caller promises.
    call(|| unsafe { Place { buffer: buffer.cast::<u8>(), size }.write(user().as_bytes(), USER) })
        .is_some()
        .into()
}

/// `GetUserName` for UTF-16: as [`sspcache_GetUserNameA`].
///
/// # Safety
/// As [`sspcache_GetUserNameA`].
///
/// Reference: [GetUserName](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getusernamew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetUserNameW(buffer: *mut u16, size: *mut u32) -> i32 {
    let name = || U16String::from_str(&user());
    // SAFETY: as the caller promises.
    call(|| unsafe { Place { buffer, size }.write(name().as_slice(), USER) }).is_some().into()
}

/// `GetComputerName` for UTF-8: the first part of the host's name, in capitals and no longer than 15 characters. Sets the size to its
/// length without a null, or in a buffer that is too small to that with one (111).
///
/// # Safety
/// As [`sspcache_GetUserNameA`].
///
/// Reference: [GetComputerName](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getcomputernamea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetComputerNameA(buffer: *mut c_char, size: *mut u32) -> i32 {
    // SAFETY: as the caller promises.
    call(|| unsafe { Place { buffer: buffer.cast::<u8>(), size }.write(computer().as_bytes(), COMPUTER) })
        .is_some()
        .into()
}

/// `GetComputerName` for UTF-16: as [`sspcache_GetComputerNameA`].
///
/// # Safety
/// As [`sspcache_GetUserNameA`].
///
/// Reference: [GetComputerName](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getcomputernamew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetComputerNameW(buffer: *mut u16, size: *mut u32) -> i32 {
    let name = || U16String::from_str(&computer());
    // SAFETY: as the caller promises.
    call(|| unsafe { Place { buffer, size }.write(name().as_slice(), COMPUTER) }).is_some().into()
}

/// `GetUserNameEx` for UTF-8: with `NameSamCompatible` the names of computer and user, as `HOST\user`. Sets the size to the length
/// without a null, or in a buffer that is too small to that with one (234). A local account has no other names (1332).
///
/// # Safety
/// As [`sspcache_GetUserNameA`].
///
/// Reference: [GetUserNameEx](https://learn.microsoft.com/en-us/windows/win32/api/secext/nf-secext-getusernameexa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetUserNameExA(format: i32, buffer: *mut c_char, size: *mut u32) -> u8 {
    let place = Place { buffer: buffer.cast::<u8>(), size };
    // SAFETY: as the caller promises.
    call(|| unsafe { place.write(account(format)?.as_bytes(), ACCOUNT) }).is_some().into()
}

/// `GetUserNameEx` for UTF-16: as [`sspcache_GetUserNameExA`].
///
/// # Safety
/// As [`sspcache_GetUserNameA`].
///
/// Reference: [GetUserNameEx](https://learn.microsoft.com/en-us/windows/win32/api/secext/nf-secext-getusernameexw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetUserNameExW(format: i32, buffer: *mut u16, size: *mut u32) -> u8 {
    let place = Place { buffer, size };
    let name = || account(format).map(|name| U16String::from_str(&name));
    // SAFETY: as the caller promises.
    call(|| unsafe { place.write(name()?.as_slice(), ACCOUNT) }).is_some().into()
}

/// How the functions differ: the code for a buffer that is too small, and whether a size that is returned includes the null.
#[derive(Clone, Copy)]
struct Rules {
    too_small: u32,
    counts_null: bool,
}

const USER: Rules = Rules { too_small: ERROR_INSUFFICIENT_BUFFER, counts_null: true };
const COMPUTER: Rules = Rules { too_small: ERROR_BUFFER_OVERFLOW, counts_null: false };
const ACCOUNT: Rules = Rules { too_small: ERROR_MORE_DATA, counts_null: false };

/// A buffer, and the place of its size.
struct Place<T> {
    buffer: *mut T,
    size: *mut u32,
}

impl<T: Copy + Default> Place<T> {
    /// Writes a name with its null, and its size.
    ///
    /// # Safety
    /// A buffer that isn't null has room for so many units, and a size that isn't null can be written to.
    unsafe fn write(&self, name: &[T], rules: Rules) -> Result<(), Failure> {
        if self.size.is_null() {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        let needed = u32::try_from(name.len() + 1).map_err(|_| Failure(ERROR_INVALID_PARAMETER))?;
        // SAFETY: it isn't null, and the caller promises that it is there.
        let room = unsafe { self.size.read() };
        let fits = needed <= room && !self.buffer.is_null();
        let said = if fits && !rules.counts_null { needed - 1 } else { needed };
        // SAFETY: as above.
        unsafe { self.size.write(said) };
        if !fits {
            return Err(Failure(rules.too_small));
        }
        // SAFETY: the caller promises room for so many units, which are no fewer than these and the null.
        unsafe { text::copy(name, self.buffer, room) };
        Ok(())
    }
}

fn account(format: i32) -> Result<String, Failure> {
    match format {
        format if format == NameSamCompatible => Ok(format!("{}\\{}", computer(), user())),
        // NameUnknown, and numbers that no name has.
        format if format <= 0 || format > 14 => Err(Failure(ERROR_INVALID_PARAMETER)),
        _ => Err(Failure(ERROR_NONE_MAPPED)),
    }
}

/// The user's name in the system's list, or what the environment says.
fn user() -> String {
    let mut entry = MaybeUninit::<libc::passwd>::uninit();
    let mut texts = vec![0; 16 * 1024];
    let mut found = ptr::null_mut();
    // SAFETY: it only asks.
    let user = unsafe { libc::getuid() };
    // SAFETY: the entry and its texts are there to be filled in.
    unsafe { libc::getpwuid_r(user, entry.as_mut_ptr(), texts.as_mut_ptr(), texts.len(), &raw mut found) };
    if found.is_null() {
        let variable = ["USER", "LOGNAME"].into_iter().find_map(env::var_os);
        return variable.map_or_else(|| user.to_string(), |name| name.to_string_lossy().into_owned());
    }
    // SAFETY: an entry was found and filled in.
    let name = unsafe { entry.assume_init_ref() }.pw_name;
    // SAFETY: its name ends in a null, in the texts above.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

/// The name that NetBIOS would have for this computer.
fn computer() -> String {
    const LONGEST: usize = 15;
    let mut name = [0 as c_char; 256];
    // SAFETY: there is room for so many bytes, and one for a null.
    unsafe { libc::gethostname(name.as_mut_ptr(), name.len() - 1) };
    // SAFETY: the last byte stays null.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    let first = name.split('.').next().unwrap_or_default().to_uppercase();
    first.chars().take(LONGEST).collect()
}
