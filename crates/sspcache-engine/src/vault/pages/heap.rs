//! Pages from the global allocator, for Miri and for systems without pages to lock.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::PageSize;

/// Lengths are multiples of this.
pub(super) const GRANULARITY: usize = 4 << 10;

/// What a mapping is aligned to.
pub(super) const ALIGNMENT: usize = 4 << 10;

/// Allocates `len` zeroed bytes; `len` is a positive multiple of [`GRANULARITY`].
pub(super) fn map(len: usize, _: PageSize) -> Option<NonNull<u8>> {
    // SAFETY: the length isn't zero.
    NonNull::new(unsafe { alloc_zeroed(layout(len)?) })
}

/// Gives an allocation back.
///
/// # Safety
/// `base` and `len` must be those of an allocation by [`map`], which nothing refers to any more.
pub(super) unsafe fn unmap(base: NonNull<u8>, len: usize) {
    if let Some(layout) = layout(len) {
        // SAFETY: by the caller's promise, with the layout that it was allocated with.
        unsafe { dealloc(base.as_ptr(), layout) }
    }
}

/// Does nothing; whether memory was locked.
///
/// # Safety
/// None is needed.
pub(super) unsafe fn lock(_: NonNull<u8>, _: usize) -> bool {
    false
}

/// Does nothing.
///
/// # Safety
/// None is needed.
pub(super) unsafe fn guard(_: NonNull<u8>, _: usize) -> bool {
    false
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len, ALIGNMENT).ok()
}
