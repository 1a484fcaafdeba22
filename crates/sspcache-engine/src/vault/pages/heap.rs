//! Pages from the global allocator, for Miri and for systems without pages to lock.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use super::PageSize;

/// Lengths are multiples of this.
pub(super) const GRANULARITY: usize = 4 << 10;

/// Allocates `len` zeroed bytes, aligned to [`GRANULARITY`]; `len` is a positive multiple of it. The allocation isn't guarded.
pub(super) fn map(len: usize, _: PageSize) -> Option<(NonNull<u8>, bool)> {
    // SAFETY: the length isn't zero.
    let base = unsafe { alloc_zeroed(layout(len)?) };
    Some((NonNull::new(base)?, false))
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

/// Locks nothing.
pub(super) fn lock(_: &[u8]) -> bool {
    false
}

fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len, GRANULARITY).ok()
}
