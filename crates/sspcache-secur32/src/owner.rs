//! Which credentials and contexts another DLL gave out. All others are the mock's to know or to refuse.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sspcache_dll::abi::SecHandle;

use crate::library::Library;

/// A handle's two halves.
pub(crate) type Key = (usize, usize);

/// Handles with the DLL that gave them out.
#[derive(Debug)]
pub(crate) struct Handles(Mutex<BTreeMap<Key, &'static Library>>);

/// The credentials of other DLLs.
pub(crate) static CREDENTIALS: Handles = Handles(Mutex::new(BTreeMap::new()));
/// The contexts of other DLLs.
pub(crate) static CONTEXTS: Handles = Handles(Mutex::new(BTreeMap::new()));

impl Handles {
    /// The DLL whose handle is at this place, if it is one of these.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn owner(&self, handle: *const SecHandle) -> Option<&'static Library> {
        // SAFETY: by this function's contract.
        let key = unsafe { read(handle) }?;
        self.lock().get(&key).copied()
    }

    /// Takes in the handle that a DLL has just written, and marks it as that DLL's.
    ///
    /// # Safety
    /// The pointer is to a handle that may be written to, unless it is null.
    pub(crate) unsafe fn insert(&self, library: &'static Library, handle: *mut SecHandle) {
        // SAFETY: by this function's contract.
        let Some((lower, mut upper)) = (unsafe { read(handle) }) else { return };
        if let Some(mark) = library.mark() {
            upper = mark;
            // SAFETY: by this function's contract; it was read just now.
            unsafe { handle.write_unaligned(SecHandle { dwLower: lower, dwUpper: upper }) };
        }
        self.lock().insert((lower, upper), library);
    }

    /// Forgets the handle that is about to be freed; the DLL whose it was, if it was one of these.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn take(&self, handle: *const SecHandle) -> Option<&'static Library> {
        // SAFETY: by this function's contract.
        let key = unsafe { read(handle) }?;
        self.lock().remove(&key)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, &'static Library>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// # Safety
/// The pointer is to a handle, or below [`LOWEST_ADDRESS`].
pub(crate) unsafe fn read(handle: *const SecHandle) -> Option<Key> {
    /// Nothing is ever mapped below on Windows. Some libraries pass small numbers where a page wants a handle (observed:
    /// Wine's Negotiate, on later steps).
    const LOWEST_ADDRESS: usize = 0x1_0000;
    if handle.addr() < LOWEST_ADDRESS {
        return None;
    }
    // SAFETY: by this function's contract.
    let handle = unsafe { handle.read_unaligned() };
    Some((handle.dwLower, handle.dwUpper))
}
