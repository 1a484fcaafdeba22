//! Which credentials and contexts are the system's. All others are the mock's to know or to refuse.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use sspcache_dll::abi::SecHandle;

/// Handles that the system gave out.
#[derive(Debug)]
pub(crate) struct Handles(Mutex<BTreeSet<(usize, usize)>>);

/// Credentials of the system's packages.
pub(crate) static CREDENTIALS: Handles = Handles(Mutex::new(BTreeSet::new()));
/// Contexts of the system's packages.
pub(crate) static CONTEXTS: Handles = Handles(Mutex::new(BTreeSet::new()));

impl Handles {
    /// Whether the handle that is at this place, if any, is one of these.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn has(&self, handle: *const SecHandle) -> bool {
        // SAFETY: by this function's contract.
        unsafe { read(handle) }.is_some_and(|key| self.lock().contains(&key))
    }

    /// Takes in the handle that the system has just written.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn insert(&self, handle: *const SecHandle) {
        // SAFETY: by this function's contract.
        if let Some(key) = unsafe { read(handle) } {
            self.lock().insert(key);
        }
    }

    /// Forgets the handle that is about to be given back; whether it was one of these.
    ///
    /// # Safety
    /// The pointer is to a handle, unless it is null.
    pub(crate) unsafe fn take(&self, handle: *const SecHandle) -> bool {
        // SAFETY: by this function's contract.
        unsafe { read(handle) }.is_some_and(|key| self.lock().remove(&key))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<(usize, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Below this address nothing is ever mapped on Windows; some libraries pass small numbers where a page wants a handle
/// (observed: Wine's Negotiate, on later steps).
const LOWEST_ADDRESS: usize = 0x1_0000;

/// # Safety
/// The pointer is to a handle, or below [`LOWEST_ADDRESS`].
unsafe fn read(handle: *const SecHandle) -> Option<(usize, usize)> {
    if handle.addr() < LOWEST_ADDRESS {
        return None;
    }
    // SAFETY: by this function's contract.
    let handle = unsafe { handle.read_unaligned() };
    Some((handle.dwLower, handle.dwUpper))
}
