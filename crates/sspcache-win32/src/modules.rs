//! Modules and their exports: libloaderapi.h.

use std::{
    ffi::{CStr, c_char, c_void},
    mem::MaybeUninit,
    ptr, slice,
};

use sspcache_loader::{Handle, Lifetime, LookupFlags, Name, PlainName, Procedure, Sought};
use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER};

use crate::{
    disk, drives,
    ffi::{Failure, call},
    last_error::sspcache_SetLastError,
    locks::Address,
    process::{loader, refresh_search},
    text,
};

/// `HMODULE`
pub(crate) type Module = *mut c_void;

/// `GetModuleHandle` for UTF-8: the loaded module of this name, or the program for a null pointer. Takes no reference.
///
/// # Safety
/// A name that isn't null ends in a null.
///
/// Reference: [GetModuleHandle](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetModuleHandleA(name: *const c_char) -> Module {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    let name = unsafe { text::bytes(name) };
    find(name.map(Name::from))
}

/// `GetModuleHandle` for UTF-16: as [`sspcache_GetModuleHandleA`].
///
/// # Safety
/// A name that isn't null ends in a null.
///
/// Reference: [GetModuleHandle](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetModuleHandleW(name: *const u16) -> Module {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    let name = unsafe { text::units(name) };
    find(name.map(Name::from))
}

/// `GetModuleHandleEx` for UTF-8.
///
/// # Safety
/// A name that isn't null ends in a null, unless the flags say that it is an address; a place that isn't null may be
/// written to.
///
/// Reference: [GetModuleHandleEx](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandleexa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetModuleHandleExA(
    flags: u32,
    name: *const c_char,
    place: *mut Module,
) -> i32 {
    let by_name = |lifetime| {
        // SAFETY: the caller promises that a name which isn't null ends in a null.
        let name = unsafe { text::bytes(name) };
        named(name.map(Name::from), lifetime)
    };
    // SAFETY: the caller promises that a place which isn't null may be written to.
    unsafe { find_ex(flags, name.cast(), by_name, place) }
}

/// `GetModuleHandleEx` for UTF-16.
///
/// # Safety
/// As [`sspcache_GetModuleHandleExA`].
///
/// Reference: [GetModuleHandleEx](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandleexw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetModuleHandleExW(
    flags: u32,
    name: *const u16,
    place: *mut Module,
) -> i32 {
    let by_name = |lifetime| {
        // SAFETY: the caller promises that a name which isn't null ends in a null.
        let name = unsafe { text::units(name) };
        named(name.map(Name::from), lifetime)
    };
    // SAFETY: the caller promises that a place which isn't null may be written to.
    unsafe { find_ex(flags, name.cast(), by_name, place) }
}

/// `GetProcAddress`: an export of a module, or of the program for a null pointer. A name below 65,536 is an ordinal.
///
/// # Safety
/// A name that isn't an ordinal ends in a null.
///
/// Reference: [GetProcAddress](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getprocaddress).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetProcAddress(module: Module, name: *const c_char) -> *mut c_void {
    let found = call(|| {
        let procedure = match u16::try_from(name.addr()) {
            Ok(ordinal) => Procedure::Ordinal(ordinal),
            // SAFETY: the caller promises that a name which is no ordinal ends in a null.
            Err(_) => unsafe { CStr::from_ptr(name) }.into(),
        };
        Ok(loader().procedure(handle(module), procedure)?)
    });
    found.map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut::<c_void>)
}

/// `GetModuleFileName` for UTF-8: the path of a module's file, or of the program's for a null pointer.
///
/// # Safety
/// A buffer that isn't null has room for so many bytes.
///
/// # Platform-specific behaviour
/// The path has the host's form: with slashes, and without a drive.
///
/// Reference: [GetModuleFileName](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulefilenamea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetModuleFileNameA(module: Module, buffer: *mut c_char, size: u32) -> u32 {
    let written = call(|| {
        let path = file_name(module)?;
        // SAFETY: the caller promises that a buffer which isn't null has room for so many units.
        unsafe { fill(path.as_bytes(), buffer.cast(), size) }
    });
    written.unwrap_or(0)
}

/// `GetModuleFileName` for UTF-16: as [`sspcache_GetModuleFileNameA`].
///
/// # Safety
/// A buffer that isn't null has room for so many units.
///
/// Reference: [GetModuleFileName](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulefilenamew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetModuleFileNameW(module: Module, buffer: *mut u16, size: u32) -> u32 {
    let written = call(|| {
        let path: Vec<u16> = file_name(module)?.encode_utf16().collect();
        // SAFETY: the caller promises that a buffer which isn't null has room for so many units.
        unsafe { fill(&path, buffer, size) }
    });
    written.unwrap_or(0)
}

fn find(name: Option<Name<'_>>) -> Module {
    call(|| named(name, Lifetime::Unchanged)).map_or(ptr::null_mut(), module)
}

/// The loaded module of this name; the program for `None`.
fn named(name: Option<Name<'_>>, lifetime: Lifetime) -> Result<Handle, Failure> {
    let Some(name) = name else { return Ok(loader().find_ex(Sought::Program, lifetime)?) };
    let found = match PlainName::new(name) {
        Some(plain) => loader().find_ex(plain, lifetime),
        None if name.has_folder() => {
            // The search uses the folders of the process as they are now.
            refresh_search();
            loader().find_ex(&drives::resolve(name.to_utf16()), lifetime)
        }
        // A name with a drive would have a slash.
        None => loader().find_ex(name, lifetime),
    };
    Ok(found?)
}

/// # Safety
/// A place that isn't null may be written to.
unsafe fn find_ex(
    flags: u32,
    address: *const c_void,
    by_name: impl FnOnce(Lifetime) -> Result<Handle, Failure>,
    place: *mut Module,
) -> i32 {
    let found = call(|| {
        if place.is_null() {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        // SAFETY: the caller promises that a place which isn't null may be written to. On failure the result is null
        // (clause L5).
        unsafe { place.write(ptr::null_mut()) };
        let flags = LookupFlags::from_bits(flags)?;
        if flags.from_address { at_address(address, flags) } else { by_name(flags.lifetime) }
    });
    if let Some(found) = found {
        // SAFETY: something was found, so that the place isn't null; the caller promises that it may be written to.
        unsafe { place.write(module(found)) };
    }
    found.is_some().into()
}

/// The module that contains an address, by the file that the dynamic linker names.
fn at_address(address: *const c_void, flags: LookupFlags) -> Result<Handle, Failure> {
    #[cfg(feature = "mock")]
    if let Some(name) = crate::linked::at_address(address) {
        return Ok(loader().find_ex(name, flags.lifetime)?);
    }
    let Some(file) = disk::file_of(address) else {
        return Ok(loader().find_ex(Sought::Address(address.addr() as u64), flags.lifetime)?);
    };
    let name = disk::to_windows(&file);
    match loader().find_ex(&name, flags.lifetime) {
        Ok(found) => Ok(found),
        // The linker names the program as it was started.
        Err(_) if std::fs::canonicalize(&file).ok() == std::env::current_exe().ok() => {
            Ok(loader().find_ex(Sought::Program, flags.lifetime)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// The path of a module on the host.
fn file_name(module: Module) -> Result<String, Failure> {
    let path = loader().file_name(handle(module))?;
    Ok(disk::to_host(&path).unwrap_or_else(|| path.to_string_lossy()))
}

/// Writes a string with a terminating null, cut to the size of the buffer (clause L10).
///
/// # Safety
/// A buffer that isn't null has room for so many units.
unsafe fn fill<T: Copy + Default>(text: &[T], buffer: *mut T, size: u32) -> Result<u32, Failure> {
    let room = size as usize;
    if room == 0 || buffer.is_null() {
        return Err(Failure(ERROR_INSUFFICIENT_BUFFER));
    }
    let length = text.len().min(room - 1);
    // SAFETY: the caller promises room for so many units, which are that many and the null.
    let buffer = unsafe { slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<T>>(), length + 1) };
    text::put(&text[..length], buffer);
    if length == text.len() {
        sspcache_SetLastError(0);
        return Ok(u32::try_from(length).unwrap_or(u32::MAX));
    }
    sspcache_SetLastError(ERROR_INSUFFICIENT_BUFFER);
    Ok(size)
}

/// A handle in C's form.
pub(crate) fn module(handle: Handle) -> Module {
    ptr::without_provenance_mut(usize::try_from(handle.to_u64()).unwrap_or_default())
}

/// The handle that C passes; `None` for null.
pub(crate) fn handle(module: Module) -> Option<Handle> {
    Handle::from_u64(module.addr() as u64)
}

const _: () = assert!(size_of::<Address>() == size_of::<Module>());
