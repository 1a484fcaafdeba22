//! Panics stop here (clause M11).

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache_engine::Status;
use windows_sys::Win32::Foundation::SEC_E_OK;

/// Runs a call and gives what the ABI returns: `SEC_E_OK`, the error's code, or `SEC_E_INTERNAL_ERROR` for a panic.
pub(crate) fn status(call: impl FnOnce() -> Result<(), Status>) -> i32 {
    match caught(call).unwrap_or(Err(Status::InternalError)) {
        Ok(()) => SEC_E_OK,
        Err(status) => status.code(),
    }
}

/// Runs a call; `None` for a panic.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    // The engine recovers from a panic by itself, and nothing else is shared.
    catch_unwind(AssertUnwindSafe(call)).ok()
}
