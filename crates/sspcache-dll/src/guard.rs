//! Panics stop here (clause M11).

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache_engine::Status;
use windows_sys::Win32::Foundation::SEC_E_OK;

/// Runs a call and gives what the ABI returns: `SEC_E_OK`, the error's code, or `SEC_E_INTERNAL_ERROR` for a panic.
pub(crate) fn status(call: impl FnOnce() -> Result<(), Status>) -> i32 {
    code(|| call().map(|()| SEC_E_OK))
}

/// The same for a call that succeeds in several ways.
pub(crate) fn code(call: impl FnOnce() -> Result<i32, Status>) -> i32 {
    caught(call).unwrap_or(Err(Status::InternalError)).unwrap_or_else(Status::code)
}

/// Runs a call; `None` for a panic.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    // The engine recovers from a panic by itself, and nothing else is shared.
    catch_unwind(AssertUnwindSafe(call)).ok()
}
