//! Pages on Linux, macOS and other Unix systems: [mmap](https://man7.org/linux/man-pages/man2/mmap.2.html),
//! [mlock](https://man7.org/linux/man-pages/man2/mlock.2.html),
//! [madvise](https://man7.org/linux/man-pages/man2/madvise.2.html).

use std::ptr::{self, NonNull};

/// Lengths are multiples of this, which is a multiple of the page size of every supported system (4, 16 or 64 KiB).
pub(super) const GRANULARITY: usize = 64 << 10;

/// Maps `len` zeroed bytes, aligned to a page; `len` is a positive multiple of [`GRANULARITY`]. Also returns whether a
/// forked child finds zeros in them.
pub(super) fn map(len: usize) -> Option<(NonNull<u8>, bool)> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a fresh anonymous mapping at an address of the system's choice touches no existing memory.
    let base = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
    if base == libc::MAP_FAILED {
        return None;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let guarded = {
        // SAFETY: the range is the whole new mapping, and no byte of it changes.
        let _ = unsafe { libc::madvise(base, len, libc::MADV_DONTDUMP) };
        // SAFETY: the range is the whole new mapping; no byte of it changes but in a child, where zeros are bytes as valid.
        unsafe { libc::madvise(base, len, libc::MADV_WIPEONFORK) == 0 }
    };
    // The other systems have no such advice.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let guarded = false;
    Some((NonNull::new(base.cast())?, guarded))
}

/// Gives a mapping back.
///
/// # Safety
/// `base` and `len` must be those of a mapping by [`map`], which nothing refers to any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: by the caller's promise. It can fail only for a range that is no mapping.
    let _ = unsafe { libc::munmap(base.as_ptr().cast(), len) };
}

/// Locks pages in physical memory; whether the system did.
pub(super) fn lock(pages: &[u8]) -> bool {
    // SAFETY: locking changes no byte, and fails for a range that isn't mapped.
    unsafe { libc::mlock(pages.as_ptr().cast(), pages.len()) == 0 }
}
