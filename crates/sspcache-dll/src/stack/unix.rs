//! Stacks on Unix: `_Unwind_Backtrace` of the unwinder that panics need anyway, and the dynamic linker's list of images.
//!
//! References: [Unwind Library Interface](https://itanium-cxx-abi.github.io/cxx-abi/abi-eh.html#base-abi),
//! [`dl_iterate_phdr`](https://man7.org/linux/man-pages/man3/dl_iterate_phdr.3.html).

use std::ffi::{c_int, c_void};

use sspcache_engine::StackSource;

use super::{Edge, MOST_FRAMES, hands_on, outside};
use crate::linker;

#[cfg(not(target_vendor = "apple"))]
mod elf;
#[cfg(not(target_vendor = "apple"))]
use elf::Images;
#[cfg(target_vendor = "apple")]
mod mach_o;
#[cfg(target_vendor = "apple")]
use mach_o::Images;

/// As many frames of an image that only hands functions on as there can be at the beginning: a development build has some twenty.
const MOST_ON_THE_WAY: usize = 32;

const MOST_WALKED: usize = MOST_FRAMES + MOST_ON_THE_WAY;

/// Walks the stack of the current thread.
#[derive(Debug)]
pub(super) struct Walk {
    images: Images,
}

impl Walk {
    /// None where a fork could leave a lock taken.
    pub(super) fn new() -> Option<Self> {
        linker::hold_across_forks().then(|| Self { images: Images::new() })
    }
}

impl StackSource for Walk {
    fn walk(&self, limit: usize, found: &mut dyn FnMut(&str, u64)) {
        let Some(edge) = Edge::outermost() else { return };
        linker::ask(|| {
            if self.look(edge, limit, 0, found) {
                self.look(edge, limit, MOST_ON_THE_WAY, found);
            }
        });
    }
}

impl Walk {
    /// Passes so many frames on. Without `more` to walk, it passes none on if the first is one that only hands functions on: then
    /// true.
    fn look(&self, edge: usize, limit: usize, more: usize, found: &mut dyn FnMut(&str, u64)) -> bool {
        let stack = Stack::beyond(edge, limit + more);
        let (mut is_first, mut needs_more) = (true, false);
        let mut pass_on = outside(limit, found);
        self.images.find(stack.addresses(), |path, offset| {
            needs_more |= is_first && more == 0 && hands_on(path);
            is_first = false;
            !needs_more && pass_on(path, offset)
        });
        needs_more
    }
}

/// The return addresses of a stack, innermost first.
struct Stack {
    edge: usize,
    addresses: [usize; MOST_WALKED],
    length: usize,
    wanted: usize,
}

/// The unwinder's view of a frame.
#[repr(C)]
struct Context {
    _opaque: [u8; 0],
}

type Visit = extern "C" fn(*mut Context, *mut c_void) -> c_int;

unsafe extern "C" {
    fn _Unwind_Backtrace(visit: Visit, argument: *mut c_void) -> c_int;
    fn _Unwind_GetCFA(context: *mut Context) -> usize;
    fn _Unwind_GetIPInfo(context: *mut Context, is_before: *mut c_int) -> usize;
}

impl Stack {
    /// So many frames beyond an edge of this thread.
    fn beyond(edge: usize, wanted: usize) -> Self {
        let wanted = MOST_WALKED.min(wanted);
        let mut stack = Self { edge, addresses: [0; MOST_WALKED], length: 0, wanted };
        // SAFETY: the function takes what is passed beside it, which is valid for the call, and doesn't unwind.
        unsafe { _Unwind_Backtrace(visit, (&raw mut stack).cast()) };
        stack
    }

    fn addresses(&self) -> &[usize] {
        &self.addresses[..self.length]
    }
}

/// Takes a frame in. Anything but 0 ends the walk.
extern "C" fn visit(context: *mut Context, stack: *mut c_void) -> c_int {
    // SAFETY: it is what was passed to `_Unwind_Backtrace`, and nothing else refers to it meanwhile.
    let stack = unsafe { &mut *stack.cast::<Stack>() };
    if stack.length == stack.wanted {
        return 1;
    }
    // SAFETY: the unwinder passes a context that is valid for the call. In it, this is the stack pointer after the call that the frame
    // is in (libgcc: observed; LLVM's libunwind: by its source); stacks grow downwards. Further out a program may have another stack.
    if stack.length == 0 && unsafe { _Unwind_GetCFA(context) } <= stack.edge {
        return 0;
    }
    let mut is_before = 0;
    // SAFETY: as above; there is a place for the number.
    let address = unsafe { _Unwind_GetIPInfo(context, &raw mut is_before) };
    if address == 0 {
        return 1;
    }
    // The address of an instruction that a signal interrupted: made one like the others, which are behind an instruction.
    stack.addresses[stack.length] = if is_before == 0 { address } else { address + 1 };
    stack.length += 1;
    c_int::from(stack.length == stack.wanted)
}
