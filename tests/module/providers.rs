//! Wine's list of security providers: one for all programs of a prefix. While the mock is in it, secur32 loads the mock into any
//! process that loads secur32, to list its packages, and that instance writes a journal of its own.

#[cfg(windows)]
use std::sync::RwLockWriteGuard;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

static LIST: RwLock<()> = RwLock::new(());

/// Keeps the list as it is. For a test that counts journals.
pub(crate) fn unchanged() -> RwLockReadGuard<'static, ()> {
    LIST.read().unwrap_or_else(PoisonError::into_inner)
}

/// Lets one test change the list.
#[cfg(windows)]
pub(crate) fn changing() -> RwLockWriteGuard<'static, ()> {
    LIST.write().unwrap_or_else(PoisonError::into_inner)
}
