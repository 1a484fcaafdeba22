//! The thread's last error (clause L6).

use std::cell::Cell;

thread_local! {
    // Without a destructor: a thread may end after this library was unloaded.
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// `GetLastError`
///
/// Reference: [GetLastError](https://learn.microsoft.com/en-us/windows/win32/api/errhandlingapi/nf-errhandlingapi-getlasterror).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GetLastError() -> u32 {
    LAST_ERROR.get()
}

/// `SetLastError`
///
/// Reference: [SetLastError](https://learn.microsoft.com/en-us/windows/win32/api/errhandlingapi/nf-errhandlingapi-setlasterror).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_SetLastError(code: u32) {
    LAST_ERROR.set(code);
}
