//! Pages on Windows:
//! [VirtualAlloc](https://learn.microsoft.com/en-us/windows/win32/api/memoryapi/nf-memoryapi-virtualalloc) and
//! [VirtualLock](https://learn.microsoft.com/en-us/windows/win32/api/memoryapi/nf-memoryapi-virtuallock), whose limit is
//! the process's minimum working set: some 200 KB unless the program raised it.

use std::ptr::{self, NonNull};

use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree, VirtualLock,
};

use super::PageSize;

/// Lengths are multiples of this: the allocation granularity.
pub(super) const GRANULARITY: usize = 64 << 10;

/// Maps `len` zeroed bytes, aligned to [`GRANULARITY`]; `len` is a positive multiple of it. The mapping isn't guarded: there
/// is no fork, and no call of every supported release keeps a range out of dumps. Large pages need a privilege that few
/// accounts have: all are small.
pub(super) fn map(len: usize, _: PageSize) -> Option<(NonNull<u8>, bool)> {
    // SAFETY: a fresh mapping at an address of the system's choice touches no existing memory.
    let base = unsafe { VirtualAlloc(ptr::null(), len, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) };
    Some((NonNull::new(base.cast())?, false))
}

/// Gives a mapping back.
///
/// # Safety
/// `base` must be that of a mapping by [`map`], which nothing refers to any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, _: usize) {
    // SAFETY: by the caller's promise; MEM_RELEASE takes the whole mapping and wants a length of zero.
    let _ = unsafe { VirtualFree(base.as_ptr().cast(), 0, MEM_RELEASE) };
}

/// Locks pages in physical memory; whether the system did.
pub(super) fn lock(pages: &[u8]) -> bool {
    // SAFETY: locking changes no byte, and fails for a range that isn't mapped.
    unsafe { VirtualLock(pages.as_ptr().cast(), pages.len()) != 0 }
}
