//! What a call comes to: a result, or a last error. No panic crosses the ABI.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache_loader::LoaderError;
use windows_sys::Win32::Foundation::ERROR_INTERNAL_ERROR;

use crate::last_error::sspcache_SetLastError;

/// The code of a failure.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) u32);

impl From<LoaderError> for Failure {
    fn from(error: LoaderError) -> Self {
        Self(error.code())
    }
}

/// Runs a call; of one that fails, the code becomes the last error.
pub(crate) fn call<T>(call: impl FnOnce() -> Result<T, Failure>) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(Failure(ERROR_INTERNAL_ERROR)));
    result.map_err(|Failure(code)| sspcache_SetLastError(code)).ok()
}
