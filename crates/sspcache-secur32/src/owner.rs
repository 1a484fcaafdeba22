//! Which credentials and contexts another DLL gave out. All others are the mock's to know or to refuse.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sspcache_dll::abi::SecHandle;

use crate::library::Library;

/// A handle's two halves.
pub(crate) type Key = (usize, usize);

/// Handles with the DLL that gave them out, in order. A program has few at a time, and a map would be ten times the code.
#[derive(Debug)]
pub(crate) struct Handles(Mutex<Vec<Owned>>);

type Owned = (Key, &'static Library);

/// The credentials of other DLLs.
pub(crate) static CREDENTIALS: Handles = Handles(Mutex::new(Vec::new()));
/// The contexts of other DLLs.
pub(crate) static CONTEXTS: Handles = Handles(Mutex::new(Vec::new()));

impl Handles {
    /// The DLL whose handle is at this place, if it is one of these.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn owner(&self, handle: *const SecHandle) -> Option<&'static Library> {
        // SAFETY: by this function's contract.
        let key = unsafe { read(handle) }?;
        let handles = self.lock();
        find(&handles, key).ok().map(|at| handles[at].1)
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
        let (mut handles, key) = (self.lock(), (lower, upper));
        match find(&handles, key) {
            Ok(at) => handles[at].1 = library,
            Err(at) => handles.insert(at, (key, library)),
        }
    }

    /// Forgets the handle that is about to be freed; the DLL whose it was, if it was one of these.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn take(&self, handle: *const SecHandle) -> Option<&'static Library> {
        // SAFETY: by this function's contract.
        let key = unsafe { read(handle) }?;
        let mut handles = self.lock();
        find(&handles, key).ok().map(|at| handles.remove(at).1)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Owned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a handle is, or belongs.
fn find(handles: &[Owned], key: Key) -> Result<usize, usize> {
    handles.binary_search_by_key(&key, |&(key, _)| key)
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
