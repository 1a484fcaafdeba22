//! Packages, and memory that the SSPs return.

use std::{collections::BTreeSet, ffi::c_void, ptr, slice};

use sspcache_types::name::fold;
use widestring::U16String;
use windows_sys::Win32::{
    Foundation::{
        SEC_E_INSUFFICIENT_MEMORY, SEC_E_INTERNAL_ERROR, SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER,
        SEC_E_OK, SEC_E_SECPKG_NOT_FOUND, SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::Authentication::Identity::{SECURITY_PACKAGE_OPTIONS, SecPkgInfoA, SecPkgInfoW},
};

use super::{
    forward::Text,
    providers::{self, Provider, Slots},
};
use crate::{edge::Edge, ffi::call, locks::lists};

forward! {
    /// Describes a package (UTF-8).
    fn sspcache_QuerySecurityPackageInfoA = "QuerySecurityPackageInfoA"(
        name: *mut i8, package: *mut *mut SecPkgInfoA
    ) by package(name);
    /// Describes a package (UTF-16).
    fn sspcache_QuerySecurityPackageInfoW = "QuerySecurityPackageInfoW"(
        name: *mut u16, package: *mut *mut SecPkgInfoW
    ) by package(name);
    /// Adds a package, which must exist (UTF-8).
    fn sspcache_AddSecurityPackageA = "AddSecurityPackageA"(
        name: *const i8, options: *const SECURITY_PACKAGE_OPTIONS
    ) by package(name);
    /// Adds a package, which must exist (UTF-16).
    fn sspcache_AddSecurityPackageW = "AddSecurityPackageW"(
        name: *const u16, options: *const SECURITY_PACKAGE_OPTIONS
    ) by package(name);
    /// Removes a package (UTF-8).
    fn sspcache_DeleteSecurityPackageA = "DeleteSecurityPackageA"(name: *const i8) by package(name);
    /// Removes a package (UTF-16).
    fn sspcache_DeleteSecurityPackageW = "DeleteSecurityPackageW"(name: *const u16) by package(name);
}

/// Lists the packages of all SSPs (UTF-8). `FreeContextBuffer` frees the list.
///
/// # Safety
/// Pointers that aren't null may be written to.
///
/// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "system" fn sspcache_EnumerateSecurityPackagesA(
    count: *mut u32,
    packages: *mut *mut SecPkgInfoA,
) -> i32 {
    static FOUND: Slots = Slots::new();
    // SAFETY: the caller promises that places which aren't null may be written to; the export is one for this form of
    // text.
    unsafe { enumerate(&FOUND, "EnumerateSecurityPackagesA", count, packages) }
}

/// Lists the packages of all SSPs (UTF-16). `FreeContextBuffer` frees the list.
///
/// # Safety
/// Pointers that aren't null may be written to.
///
/// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "system" fn sspcache_EnumerateSecurityPackagesW(
    count: *mut u32,
    packages: *mut *mut SecPkgInfoW,
) -> i32 {
    static FOUND: Slots = Slots::new();
    // SAFETY: the caller promises that places which aren't null may be written to; the export is one for this form of
    // text.
    unsafe { enumerate(&FOUND, "EnumerateSecurityPackagesW", count, packages) }
}

/// Frees memory that an SSP returned, or a list of packages.
///
/// # Safety
/// The memory is no longer in use.
///
/// Reference: [FreeContextBuffer](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecontextbuffer).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "system" fn sspcache_FreeContextBuffer(buffer: *mut c_void) -> i32 {
    let edge = Edge::default();
    let free_it = || {
        if lists().remove(&buffer.addr()) {
            // SAFETY: malloc allocated it for a list, and the caller promises that it is no longer in use.
            unsafe { libc::free(buffer) };
            return Ok(SEC_E_OK);
        }
        // Each SSP refuses memory that is not its own.
        let mut freed = providers::all().map(|provider| free(provider, buffer));
        Ok(freed.find(|&status| status == SEC_E_OK).unwrap_or(SEC_E_INVALID_HANDLE))
    };
    edge.within(|| call(free_it)).unwrap_or(SEC_E_INTERNAL_ERROR)
}

/// Makes an SSP free memory that it returned.
fn free(provider: &Provider, buffer: *mut c_void) -> i32 {
    type Function = unsafe extern "system" fn(*mut c_void) -> i32;
    static FOUND: Slots = Slots::new();
    // SAFETY: an SSP's export of this name is such a function.
    let Some(function) = (unsafe { provider.function::<Function>(&FOUND, "FreeContextBuffer") }) else {
        return SEC_E_UNSUPPORTED_FUNCTION;
    };
    // SAFETY: it refuses what the SSP didn't hand out, and what it did is the caller's to give back.
    unsafe { function(buffer) }
}

/// A description of a package, with strings of either form.
trait Info: Copy + 'static {
    type Unit: Copy + Default + PartialEq;

    /// Its name.
    ///
    /// # Safety
    /// The texts end in a null.
    unsafe fn name(&self) -> Option<U16String>;

    /// Its name and its comment.
    fn texts(&mut self) -> [&mut *mut Self::Unit; 2];
}

impl Info for SecPkgInfoA {
    type Unit = i8;

    unsafe fn name(&self) -> Option<U16String> {
        // SAFETY: the caller promises that it ends in a null.
        unsafe { self.Name.to_utf16() }
    }

    fn texts(&mut self) -> [&mut *mut i8; 2] {
        [&mut self.Name, &mut self.Comment]
    }
}

impl Info for SecPkgInfoW {
    type Unit = u16;

    unsafe fn name(&self) -> Option<U16String> {
        // SAFETY: the caller promises that it ends in a null.
        unsafe { self.Name.to_utf16() }
    }

    fn texts(&mut self) -> [&mut *mut u16; 2] {
        [&mut self.Name, &mut self.Comment]
    }
}

/// Lists the packages of all SSPs, each name once.
///
/// # Safety
/// Pointers that aren't null may be written to; the SSPs' exports of this name list packages of this form.
unsafe fn enumerate<I: Info>(found: &Slots, name: &str, count: *mut u32, packages: *mut *mut I) -> i32 {
    let listed = call(|| {
        if count.is_null() || packages.is_null() {
            return Ok(SEC_E_INVALID_PARAMETER);
        }
        let mut lists = Vec::new();
        let mut status = SEC_E_SECPKG_NOT_FOUND;
        for provider in providers::all() {
            // SAFETY: the caller promises that the export of this name lists packages of this form.
            match unsafe { list::<I>(provider, found, name) } {
                Ok(list) => {
                    status = SEC_E_OK;
                    lists.push((provider, list));
                }
                Err(refused) => {
                    status = refused;
                    break;
                }
            }
        }
        if status == SEC_E_OK {
            let mut seen = BTreeSet::new();
            let mut infos: Vec<I> = lists.iter().flat_map(|(_, list)| list.iter().copied()).collect();
            infos.retain(|info| {
                // SAFETY: the SSPs' texts end in a null.
                let name = unsafe { info.name() }.unwrap_or_default();
                seen.insert(name.as_slice().iter().copied().map(fold).collect::<Vec<_>>())
            });
            // SAFETY: the texts are the SSPs', which free them below; neither place is null, so that both may be
            // written to.
            status = unsafe { hand_out(&infos, count, packages) };
        }
        for (provider, list) in lists {
            free(provider, list.as_ptr().cast_mut().cast());
        }
        Ok(status)
    });
    listed.unwrap_or(SEC_E_INTERNAL_ERROR)
}

/// The packages of one SSP, until its `FreeContextBuffer`.
///
/// # Safety
/// The SSP's export of this name lists packages of this form.
unsafe fn list<I: Info>(provider: &Provider, found: &Slots, name: &str) -> Result<&'static [I], i32> {
    type Function<I> = unsafe extern "system" fn(*mut u32, *mut *mut I) -> i32;
    // SAFETY: the caller promises that the export of this name is such a function.
    let function = unsafe { provider.function::<Function<I>>(found, name) };
    let function = function.ok_or(SEC_E_UNSUPPORTED_FUNCTION)?;
    let (mut count, mut packages) = (0, ptr::null_mut());
    // SAFETY: both places may be written to.
    let status = unsafe { function(&raw mut count, &raw mut packages) };
    if status != SEC_E_OK {
        return Err(status);
    }
    // SAFETY: the SSP returned this number of packages, and frees them only when this library asks it to.
    Ok(unsafe { slice::from_raw_parts(packages, count as usize) })
}

/// Copies descriptions and their strings into one block of memory for the caller.
///
/// # Safety
/// The strings end in a null; the places may be written to.
unsafe fn hand_out<I: Info>(infos: &[I], count: *mut u32, packages: *mut *mut I) -> i32 {
    let mut texts: Vec<I::Unit> = Vec::new();
    let mut infos = infos.to_vec();
    let mut offsets = Vec::new();
    for text in infos.iter_mut().flat_map(I::texts) {
        offsets.push(texts.len());
        // SAFETY: the caller promises that the text ends in a null.
        texts.extend_from_slice(unsafe { terminated(*text) });
        texts.push(I::Unit::default());
    }
    let size = size_of_val(&*infos) + size_of_val(&*texts);
    // SAFETY: it is asked for memory alone.
    let memory: *mut I = unsafe { libc::malloc(size.max(1)) }.cast();
    if memory.is_null() {
        return SEC_E_INSUFFICIENT_MEMORY;
    }
    let units: *mut I::Unit = memory.wrapping_add(infos.len()).cast();
    for (text, offset) in infos.iter_mut().flat_map(I::texts).zip(offsets) {
        *text = units.wrapping_add(offset);
    }
    // SAFETY: the texts lie behind the descriptions, within what was allocated for both.
    unsafe { units.copy_from_nonoverlapping(texts.as_ptr(), texts.len()) };
    // SAFETY: the descriptions lie at its beginning, where malloc aligns for anything.
    unsafe { memory.copy_from_nonoverlapping(infos.as_ptr(), infos.len()) };
    // SAFETY: the caller promises that this place may be written to.
    unsafe { count.write(u32::try_from(infos.len()).unwrap_or(u32::MAX)) };
    // SAFETY: the caller promises that this place may be written to.
    unsafe { packages.write(memory) };
    lists().insert(memory.addr());
    SEC_E_OK
}

/// The units of a string before its null.
///
/// # Safety
/// The string ends in a null, and doesn't change while the result is used.
unsafe fn terminated<'t, T: Default + PartialEq>(text: *const T) -> &'t [T] {
    let unit_at = |index: usize| {
        // SAFETY: every unit before this one is of the text and no null, so that this one is of the text as well.
        unsafe { &*text.wrapping_add(index) }
    };
    let mut length = 0;
    while *unit_at(length) != T::default() {
        length += 1;
    }
    // SAFETY: these are the units before the null.
    unsafe { slice::from_raw_parts(text, length) }
}
