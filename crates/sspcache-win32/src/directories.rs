//! The folders that the program chooses for the search of modules.

use std::{
    ffi::{c_char, c_void},
    ptr,
};

use sspcache_loader::DirectoryCookie;
use widestring::U16String;
use windows_sys::Win32::Foundation::ERROR_INVALID_PARAMETER;

use crate::{
    drives,
    ffi::{Failure, call},
    locks::given,
    process::{loader, refresh_search},
    text,
};

/// `SetDllDirectory` for UTF-8: sets the folder that is searched after the program's own. An empty name removes the
/// current directory from the search; null undoes both.
///
/// # Safety
/// A name that isn't null ends in a null.
///
/// Reference: [SetDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-setdlldirectorya).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_SetDllDirectoryA(folder: *const c_char) -> i32 {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    set(unsafe { text::ansi(folder) })
}

/// `SetDllDirectory` for UTF-16: as [`sspcache_SetDllDirectoryA`].
///
/// # Safety
/// As [`sspcache_SetDllDirectoryA`].
///
/// Reference: [SetDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-setdlldirectoryw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_SetDllDirectoryW(folder: *const u16) -> i32 {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    set(unsafe { text::wide(folder) })
}

/// `GetDllDirectory` for UTF-8: the folder of `SetDllDirectory`, empty at first. Returns its length. When the buffer is
/// too small, returns the size that it needs, and empties it.
///
/// # Safety
/// A buffer that isn't null has room for so many bytes.
///
/// Reference: [GetDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getdlldirectorya).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetDllDirectoryA(size: u32, buffer: *mut c_char) -> u32 {
    let folder = call(|| Ok(get().to_string_lossy())).unwrap_or_default();
    // SAFETY: the caller promises that a buffer which isn't null has room for so many units.
    unsafe { text::copy(folder.as_bytes(), buffer.cast(), size) }
}

/// `GetDllDirectory` for UTF-16: as [`sspcache_GetDllDirectoryA`].
///
/// # Safety
/// A buffer that isn't null has room for so many units.
///
/// Reference: [GetDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getdlldirectoryw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetDllDirectoryW(size: u32, buffer: *mut u16) -> u32 {
    let folder = call(|| Ok(get())).unwrap_or_default();
    // SAFETY: the caller promises that a buffer which isn't null has room for so many units.
    unsafe { text::copy(folder.as_slice(), buffer, size) }
}

/// `AddDllDirectory`: adds a folder for loads with `LOAD_LIBRARY_SEARCH_USER_DIRS`, and returns a cookie to remove it
/// with. The path must be absolute, and the folder must exist.
///
/// # Safety
/// A name that isn't null ends in a null.
///
/// Reference: [AddDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-adddlldirectory).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_AddDllDirectory(folder: *const u16) -> *mut c_void {
    let added = call(|| {
        // SAFETY: the caller promises that a name which isn't null ends in a null.
        let folder = unsafe { text::wide(folder) }.ok_or(Failure(ERROR_INVALID_PARAMETER))?;
        refresh_search();
        Ok(loader().add_dll_directory(&drives::resolve(folder))?)
    });
    let word = added.and_then(|cookie| usize::try_from(cookie.to_u64()).ok());
    word.map_or(ptr::null_mut(), ptr::without_provenance_mut)
}

/// `RemoveDllDirectory`: removes an added folder.
///
/// Reference: [RemoveDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-removedlldirectory).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_RemoveDllDirectory(cookie: *mut c_void) -> i32 {
    let removed = call(|| {
        let cookie =
            DirectoryCookie::from_u64(cookie.addr() as u64).ok_or(Failure(ERROR_INVALID_PARAMETER))?;
        Ok(loader().remove_dll_directory(cookie)?)
    });
    removed.is_some().into()
}

/// `SetDefaultDllDirectories`: sets the folders for all further loads whose flags choose none. This can't be undone.
///
/// Reference: [SetDefaultDllDirectories](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-setdefaultdlldirectories).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_SetDefaultDllDirectories(flags: u32) -> i32 {
    call(|| Ok(loader().set_default_dll_directories(flags)?)).is_some().into()
}

fn set(folder: Option<U16String>) -> i32 {
    let set = call(|| {
        let found = folder.clone().map(drives::resolve);
        let mut given = given();
        loader().set_dll_directory(found.as_ref().map(Into::into));
        *given = folder;
        Ok(())
    });
    set.is_some().into()
}

fn get() -> U16String {
    given().clone().unwrap_or_default()
}
