//! Memory of the process's heap: all of it is malloc's.

use std::{ffi::c_void, ptr};

use windows_sys::Win32::Foundation::{ERROR_INVALID_HANDLE, ERROR_NOT_ENOUGH_MEMORY};

use crate::last_error::sspcache_SetLastError;

/// `HEAP_ZERO_MEMORY`
const HEAP_ZERO: u32 = 8;

/// `LMEM_ZEROINIT`, which is `GMEM_ZEROINIT`.
const LOCAL_ZERO: u32 = 0x40;

/// The handle of the one heap: an address of this library's, which nothing is read from.
static HEAP: u8 = 0;

/// `GetProcessHeap`: the one heap.
///
/// Reference: [GetProcessHeap](https://learn.microsoft.com/en-us/windows/win32/api/heapapi/nf-heapapi-getprocessheap).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GetProcessHeap() -> *mut c_void {
    (&raw const HEAP).cast_mut().cast()
}

/// `HeapAlloc`: memory of the process's heap, zeroed with `HEAP_ZERO_MEMORY`; null when there is none (8), and for another heap (6).
/// Other flags are ignored.
///
/// Reference: [HeapAlloc](https://learn.microsoft.com/en-us/windows/win32/api/heapapi/nf-heapapi-heapalloc).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_HeapAlloc(heap: *mut c_void, flags: u32, size: usize) -> *mut c_void {
    if heap != sspcache_GetProcessHeap() {
        sspcache_SetLastError(ERROR_INVALID_HANDLE);
        return ptr::null_mut();
    }
    allocate(size, flags & HEAP_ZERO != 0)
}

/// `HeapFree`: frees memory of the process's heap. Null may be freed; another heap is refused (6).
///
/// # Safety
/// The memory is null, or `HeapAlloc` allocated it and no caller uses it any more.
///
/// Reference: [HeapFree](https://learn.microsoft.com/en-us/windows/win32/api/heapapi/nf-heapapi-heapfree).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_HeapFree(heap: *mut c_void, _flags: u32, memory: *mut c_void) -> i32 {
    if heap != sspcache_GetProcessHeap() {
        sspcache_SetLastError(ERROR_INVALID_HANDLE);
        return 0;
    }
    // SAFETY: the caller promises that it is null, or was allocated by `HeapAlloc`, which asks malloc, and isn't used any more.
    unsafe { libc::free(memory) };
    1
}

/// `LocalAlloc`: memory that `LocalFree` frees, zeroed with `LMEM_ZEROINIT`; null when there is none (8).
///
/// # Platform-specific behaviour
/// Memory never moves: `LMEM_MOVEABLE` gives the memory itself, where Windows gives a handle to lock.
///
/// Reference: [LocalAlloc](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-localalloc).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_LocalAlloc(flags: u32, size: usize) -> *mut c_void {
    allocate(size, flags & LOCAL_ZERO != 0)
}

/// `LocalFree`: frees memory that `LocalAlloc` or `FormatMessage` allocated, and returns null.
///
/// # Safety
/// The memory is null, or `LocalAlloc` or `FormatMessage` allocated it and no caller uses it any more.
///
/// Reference: [LocalFree](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-localfree).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_LocalFree(memory: *mut c_void) -> *mut c_void {
    // SAFETY: the caller promises that it is null, or was allocated by a function that asks malloc, and isn't used any more.
    unsafe { libc::free(memory) };
    ptr::null_mut()
}

/// `GlobalAlloc`: as [`sspcache_LocalAlloc`].
///
/// Reference: [GlobalAlloc](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-globalalloc).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GlobalAlloc(flags: u32, size: usize) -> *mut c_void {
    sspcache_LocalAlloc(flags, size)
}

/// `GlobalFree`: as [`sspcache_LocalFree`].
///
/// # Safety
/// As [`sspcache_LocalFree`].
///
/// Reference: [GlobalFree](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-globalfree).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GlobalFree(memory: *mut c_void) -> *mut c_void {
    // SAFETY: as the caller promises.
    unsafe { sspcache_LocalFree(memory) }
}

/// Memory of malloc's, or null (8). None of size 0 is null, as on Windows.
fn allocate(size: usize, is_zeroed: bool) -> *mut c_void {
    let size = size.max(1);
    let memory = if is_zeroed {
        // SAFETY: it is asked for memory alone.
        unsafe { libc::calloc(1, size) }
    } else {
        // SAFETY: as above.
        unsafe { libc::malloc(size) }
    };
    if memory.is_null() {
        sspcache_SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    }
    memory
}
