//! Pages on Linux, macOS and other Unix systems: [mmap](https://man7.org/linux/man-pages/man2/mmap.2.html),
//! [mlock](https://man7.org/linux/man-pages/man2/mlock.2.html),
//! [madvise](https://man7.org/linux/man-pages/man2/madvise.2.html).

use std::ptr::{self, NonNull};

use super::{HUGE_PAGE, PageSize};

/// Lengths are multiples of this, which is a multiple of the page size of every supported system (4, 16 or 64 KiB).
pub(super) const GRANULARITY: usize = 64 << 10;

/// Maps `len` zeroed bytes, aligned to a page; `len` is a positive multiple of [`GRANULARITY`]. Also returns whether a
/// forked child finds zeros in them.
pub(super) fn map(len: usize, size: PageSize) -> Option<(NonNull<u8>, bool)> {
    let base = match size {
        PageSize::Small => map_anywhere(len)?,
        PageSize::Huge => map_aligned(len).or_else(|| map_anywhere(len))?,
    };
    // The other systems have no such advice.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let guarded = false;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let guarded = {
        let start = base.as_ptr().cast();
        if size == PageSize::Huge {
            // SAFETY: the range is the whole new mapping, and no byte of it changes.
            let _ = unsafe { libc::madvise(start, len, libc::MADV_HUGEPAGE) };
        }
        // SAFETY: as above.
        let _ = unsafe { libc::madvise(start, len, libc::MADV_DONTDUMP) };
        // SAFETY: as above, but for a child, to which zeros are as valid.
        unsafe { libc::madvise(start, len, libc::MADV_WIPEONFORK) == 0 }
    };
    Some((base, guarded))
}

fn map_anywhere(len: usize) -> Option<NonNull<u8>> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
    // SAFETY: a fresh anonymous mapping at an address of the system's choice touches no existing memory.
    let base = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
    if base == libc::MAP_FAILED { None } else { NonNull::new(base.cast()) }
}

/// A mapping aligned to [`HUGE_PAGE`]: maps more and gives the ends back.
fn map_aligned(len: usize) -> Option<NonNull<u8>> {
    let base = map_anywhere(len.checked_add(HUGE_PAGE)?)?;
    let before = base.as_ptr().align_offset(HUGE_PAGE);
    // SAFETY: `before < HUGE_PAGE`, so this is within the mapping of `len + HUGE_PAGE` bytes.
    let aligned = unsafe { base.add(before) };
    // SAFETY: `len` bytes more are still within it.
    let end = unsafe { aligned.add(len) };
    for (start, len) in [(base, before), (end, HUGE_PAGE - before)] {
        if len > 0 {
            // SAFETY: an end of the mapping, in whole pages, since `base`, `HUGE_PAGE` and `len` are multiples of the
            // page size. Nothing refers to it.
            unsafe { unmap(start, len) }
        }
    }
    Some(aligned)
}

/// Gives a mapping back.
///
/// # Safety
/// `base` and `len` must be those of whole pages mapped by [`map`], which nothing refers to any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    // SAFETY: by the caller's promise. It can fail only for a range that is no mapping.
    let _ = unsafe { libc::munmap(base.as_ptr().cast(), len) };
}

/// Locks pages in physical memory; whether the system did.
pub(super) fn lock(pages: &[u8]) -> bool {
    // SAFETY: locking changes no byte, and fails for a range that isn't mapped.
    unsafe { libc::mlock(pages.as_ptr().cast(), pages.len()) == 0 }
}
