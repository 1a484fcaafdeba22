//! Pages on Linux, macOS and other Unix systems: [mmap](https://man7.org/linux/man-pages/man2/mmap.2.html),
//! [mlock](https://man7.org/linux/man-pages/man2/mlock.2.html),
//! [madvise](https://man7.org/linux/man-pages/man2/madvise.2.html).

use std::ptr::{self, NonNull};

use super::{PageSize, REGION};

/// Lengths are multiples of this, which is a multiple of the page size of every supported system (4, 16 or 64 KiB).
pub(super) const GRANULARITY: usize = 64 << 10;

/// What a mapping is aligned to at least.
pub(super) const ALIGNMENT: usize = 4 << 10;

/// Maps `len` zeroed bytes; `len` is a positive multiple of [`GRANULARITY`].
pub(super) fn map(len: usize, pages: PageSize) -> Option<NonNull<u8>> {
    match pages {
        PageSize::Small => map_anywhere(len),
        PageSize::Huge => map_aligned(len).or_else(|| map_anywhere(len)),
    }
}

/// Gives a mapping back.
///
/// # Safety
/// `base` and `len` must be those of a mapping by [`map`], which nothing refers to any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: by the caller's promise. It can fail only for a range that is no mapping.
    let _ = unsafe { libc::munmap(base.as_ptr().cast(), len) };
}

/// Locks a range in physical memory; whether the system did.
///
/// # Safety
/// The range must lie in a mapping by [`map`].
pub(super) unsafe fn lock(base: NonNull<u8>, len: usize) -> bool {
    // SAFETY: by the caller's promise; locking changes no byte.
    unsafe { libc::mlock(base.as_ptr().cast(), len) == 0 }
}

/// Keeps a mapping out of core dumps and, zeroed, out of forked children; whether the second was done.
///
/// # Safety
/// The range must be whole pages of a mapping by [`map`].
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) unsafe fn guard(base: NonNull<u8>, len: usize) -> bool {
    let base = base.as_ptr().cast();
    // SAFETY: by the caller's promise; this advice changes no byte in this process.
    unsafe {
        let _ = libc::madvise(base, len, libc::MADV_DONTDUMP);
        libc::madvise(base, len, libc::MADV_WIPEONFORK) == 0
    }
}

/// Does nothing: these systems have no such advice.
///
/// # Safety
/// None is needed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) unsafe fn guard(_: NonNull<u8>, _: usize) -> bool {
    false
}

fn map_anywhere(len: usize) -> Option<NonNull<u8>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a fresh anonymous mapping at an address of the system's choice touches no existing memory.
    let base = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
    if base == libc::MAP_FAILED { None } else { NonNull::new(base.cast()) }
}

/// A mapping aligned to [`REGION`], which huge pages need: maps more and gives the ends back.
fn map_aligned(len: usize) -> Option<NonNull<u8>> {
    let whole = len.checked_add(REGION)?;
    let base = map_anywhere(whole)?;
    let before = base.as_ptr().align_offset(REGION);
    let after = REGION - before;
    // SAFETY: `before <= REGION`, so `before..before + len` lies in the mapping of `len + REGION` bytes; what is
    // given back are its two ends, in whole pages, since `base`, `REGION` and `len` are multiples of the page size,
    // and nothing refers to them.
    unsafe {
        let aligned = base.add(before);
        if before > 0 {
            unmap(base, before);
        }
        if after > 0 {
            unmap(aligned.add(len), after);
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = libc::madvise(aligned.as_ptr().cast(), len, libc::MADV_HUGEPAGE);
        Some(aligned)
    }
}
