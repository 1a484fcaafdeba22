//! Calls advapi32's functions of the Credential Manager.
//!
//! References: [CredEnumerate](https://learn.microsoft.com/en-us/windows/win32/api/wincred/nf-wincred-credenumeratew),
//! [CredDelete](https://learn.microsoft.com/en-us/windows/win32/api/wincred/nf-wincred-creddeletew).
#![allow(unsafe_code, reason = "calls advapi32.dll")]

use std::{error::Error as StdError, ffi::c_void, fmt, io, ptr, slice};

use libloading::os::windows::Library;
use windows_sys::{
    Win32::{
        Foundation::{ERROR_CALL_NOT_IMPLEMENTED, ERROR_NOT_FOUND},
        Security::Credentials::{CRED_ENUMERATE_FLAGS, CRED_TYPE, CREDENTIALW},
        System::LibraryLoader::LOAD_LIBRARY_SEARCH_SYSTEM32,
    },
    core::{BOOL, PCWSTR},
};
use zeroize::Zeroize;

use super::{super::Refusal, Filter, StoredCredential};

type CredEnumerateW =
    unsafe extern "system" fn(PCWSTR, CRED_ENUMERATE_FLAGS, *mut u32, *mut *mut *mut CREDENTIALW) -> BOOL;
type CredDeleteW = unsafe extern "system" fn(PCWSTR, CRED_TYPE, u32) -> BOOL;
type CredFree = unsafe extern "system" fn(*const c_void);

/// The entries that match, as the Credential Manager understands the filter.
pub(super) fn enumerate(filter: &Filter) -> Result<Vec<StoredCredential>, Refusal> {
    let advapi32 = advapi32()?;
    // SAFETY: the export of this name has the documented signature.
    let enumerate = unsafe { export::<CredEnumerateW>(&advapi32, "CredEnumerateW") }?;
    // SAFETY: the export of this name has the documented signature.
    let free = unsafe { export::<CredFree>(&advapi32, "CredFree") }?;

    let filter = wide(filter.as_str());
    let mut list = List { free, entries: ptr::null_mut(), count: 0 };
    // SAFETY: the filter ends in a null, and the places are valid for the call to fill in.
    let found = unsafe { enumerate(filter.as_ptr(), 0, &raw mut list.count, &raw mut list.entries) };
    check("CredEnumerateW", found)?;
    // SAFETY: the list is there until they are made.
    Ok(list.entries().map(|entry| unsafe { stored(&entry) }).collect())
}

/// Deletes one entry.
pub(super) fn delete(credential: &StoredCredential) -> Result<(), Refusal> {
    let advapi32 = advapi32()?;
    // SAFETY: the export of this name has the documented signature.
    let delete = unsafe { export::<CredDeleteW>(&advapi32, "CredDeleteW") }?;
    let target = wide(&credential.target);
    // SAFETY: the name ends in a null; the flags are reserved.
    check("CredDeleteW", unsafe { delete(target.as_ptr(), credential.kind, 0) })
}

fn advapi32() -> Result<Library, Refusal> {
    // SAFETY: it is Windows' own, from its own folder, and this is no loader callback (clause C6 comes before).
    unsafe { Library::load_with_flags("advapi32.dll", LOAD_LIBRARY_SEARCH_SYSTEM32) }.map_err(Refusal::failed)
}

/// A function of advapi32.dll.
///
/// # Safety
/// The export has this type, and is called as long as the library is there.
unsafe fn export<F: Copy>(library: &Library, name: &'static str) -> Result<F, Refusal> {
    // SAFETY: by this function's contract.
    let function = unsafe { library.get::<F>(name) };
    function
        .map(|function| *function)
        .map_err(|_| Refusal::Unsupported(format!("advapi32.dll has no {name}")))
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// What `CredEnumerateW` returned. It is overwritten and freed when this is dropped.
struct List {
    free: CredFree,
    entries: *mut *mut CREDENTIALW,
    count: u32,
}

impl List {
    /// The entries, whose pointers are valid until this is dropped. Nothing but the array is aligned: Wine 8 puts a string where the
    /// secret before it ends *(observed)*.
    fn entries(&self) -> impl Iterator<Item = CREDENTIALW> {
        let entries: &[*mut CREDENTIALW] = if self.entries.is_null() {
            &[]
        } else {
            // SAFETY: the call that filled both in returned an array of that many pointers, which is freed when this is dropped.
            unsafe { slice::from_raw_parts(self.entries, self.count as usize) }
        };
        // SAFETY: each points to an entry in the same allocation.
        entries.iter().filter(|entry| !entry.is_null()).map(|entry| unsafe { entry.read_unaligned() })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if self.entries.is_null() {
            return;
        }
        for entry in self.entries() {
            if !entry.CredentialBlob.is_null() {
                let size = entry.CredentialBlobSize as usize;
                // SAFETY: the secret has that size, and lies in the allocation that this owns.
                unsafe { slice::from_raw_parts_mut(entry.CredentialBlob, size) }.zeroize();
            }
        }
        // SAFETY: `CredEnumerateW` allocated it, and it is freed once.
        unsafe { (self.free)(self.entries.cast()) };
    }
}

/// What is shown of an entry.
///
/// # Safety
/// It is one of a list that is there.
unsafe fn stored(entry: &CREDENTIALW) -> StoredCredential {
    let mut target = Vec::new();
    if !entry.TargetName.is_null() {
        // SAFETY: the strings of an entry end in a null, and this one is read no further.
        let unit = |index| unsafe { entry.TargetName.add(index).read_unaligned() };
        target.extend((0..usize::MAX).map(unit).take_while(|&unit| unit != 0));
    }
    // Where it is not Unicode, the text names no entry: it is left, and so reported.
    StoredCredential { target: String::from_utf16_lossy(&target), kind: entry.Type }
}

/// What a function returned.
fn check(function: &'static str, succeeded: BOOL) -> Result<(), Refusal> {
    if succeeded != 0 {
        return Ok(());
    }
    let source = io::Error::last_os_error();
    match source.raw_os_error().map(i32::cast_unsigned) {
        Some(ERROR_NOT_FOUND) => Err(Refusal::Absent),
        Some(ERROR_CALL_NOT_IMPLEMENTED) => Err(Refusal::Unsupported(format!("{function}: {source}"))),
        _ => Err(Refusal::failed(WinCredError { function, source })),
    }
}

/// A function that failed.
#[derive(Debug)]
struct WinCredError {
    function: &'static str,
    source: io::Error,
}

impl fmt::Display for WinCredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.function)
    }
}

impl StdError for WinCredError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}
