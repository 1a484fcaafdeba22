//! An allocator that leaves nothing behind.

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator that overwrites what is freed before it hands it on to another one, the system's, so that no copy of a
/// secret is left in freed heap: not in a parser's temporary string, nor in the old block of a buffer that grew (clause
/// M7).
///
/// `export_ssp!` makes it the allocator of the DLL. It knows nothing of its process's other heaps.
#[derive(Debug)]
pub struct WipingAllocator<A = System>(pub A);

// SAFETY: every call is the other allocator's; a block is written to only while it is still ours.
unsafe impl<A: GlobalAlloc> GlobalAlloc for WipingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the other allocator asks what this one asks: a layout that isn't empty.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the other allocator asks what this one asks: a layout that isn't empty.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has this size, and is still the caller's.
        unsafe { block.write_bytes(0, layout.size()) };
        // SAFETY: the block has this size, and every byte of it was just written.
        let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
        // The writes must not be taken for dead: the block is used once more, as far as the compiler knows.
        zeroize::optimization_barrier(bytes);
        // SAFETY: the caller frees a block of the other allocator's, with the layout that it has.
        unsafe { self.0.dealloc(block, layout) };
    }

    // `realloc` is the trait's own: allocate, copy, and free through `dealloc` above. The system's would move a block
    // and leave the old one as it was.
}
