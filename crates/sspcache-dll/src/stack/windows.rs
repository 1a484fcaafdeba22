//! Stacks on 64-bit Windows.
//!
//! An image is found by what is mapped at an address: only for its path the loader is asked.
//!
//! References:
//! [RtlCaptureStackBackTrace](https://learn.microsoft.com/en-us/windows/win32/api/winnt/nf-winnt-rtlcapturestackbacktrace),
//! [VirtualQuery](https://learn.microsoft.com/en-us/windows/win32/api/memoryapi/nf-memoryapi-virtualquery).

use std::{ffi::c_void, ptr};

use sspcache_engine::StackSource;
use windows_sys::Win32::System::{
    Diagnostics::Debug::RtlCaptureStackBackTrace,
    LibraryLoader::{GetModuleFileNameW, GetModuleHandleW},
    Memory::{MEM_IMAGE, MEMORY_BASIC_INFORMATION, VirtualQuery},
};

use super::{MOST_FRAMES, outside};

/// As many frames of the SSP itself and on the way to it as there can be at the beginning: a development build has some thirty.
const MOST_OF_OWN: usize = 40;

/// Walks the stack of the current thread.
#[derive(Debug)]
pub(super) struct Walk {
    /// The SSP's own image.
    own: usize,
}

impl Walk {
    /// None where the frames of a program can't be distinguished from those of the SSP in it.
    pub(super) fn new() -> Option<Self> {
        let own = image_at(Self::new as fn() -> Option<Self> as usize)?;
        // SAFETY: without a name it is the program's handle.
        let program = unsafe { GetModuleHandleW(ptr::null()) };
        (own != program.addr()).then_some(Self { own })
    }
}

impl StackSource for Walk {
    fn walk(&self, limit: usize, found: &mut dyn FnMut(&str, u64)) {
        let mut addresses = [ptr::null_mut::<c_void>(); MOST_FRAMES + MOST_OF_OWN];
        let wanted = addresses.len().min(limit + MOST_OF_OWN);
        let walked = u32::try_from(wanted).map_or(0, |wanted| {
            // SAFETY: there is room for so many addresses, and no hash is asked for.
            unsafe { RtlCaptureStackBackTrace(0, wanted, addresses.as_mut_ptr(), ptr::null_mut()) }
        });
        let mut found = outside(limit, found);
        let mut last = (0, String::new());
        let mut is_inside = true;
        for address in &addresses[..walked.into()] {
            // The call is before its return address, which may be in no image any more.
            let Some(image) = image_at(address.addr().wrapping_sub(1)) else { continue };
            is_inside &= image == self.own;
            if is_inside {
                continue;
            }
            if last.0 != image {
                last = (image, path_of(image));
            }
            if !last.1.is_empty() && !found(&last.1, (address.addr() - image) as u64) {
                return;
            }
        }
    }
}

/// Where the image begins that has this address; `None` for what is no image.
fn image_at(address: usize) -> Option<usize> {
    let mut memory = MEMORY_BASIC_INFORMATION::default();
    // SAFETY: there is room for the answer; any address may be asked for.
    let size = unsafe {
        VirtualQuery(ptr::without_provenance(address), &raw mut memory, size_of::<MEMORY_BASIC_INFORMATION>())
    };
    (size > 0 && memory.Type == MEM_IMAGE).then(|| memory.AllocationBase.addr())
}

/// The path of a loaded image; empty where the loader has none.
fn path_of(image: usize) -> String {
    /// As long as paths of the loader can be.
    const LONGEST: u32 = 1 << 15;
    let mut room = 1 << 9;
    loop {
        let mut path = vec![0u16; room as usize];
        // SAFETY: there is room for as many units as is said; a handle that is none is refused.
        let length =
            unsafe { GetModuleFileNameW(ptr::without_provenance_mut(image), path.as_mut_ptr(), room) };
        if length < room || room >= LONGEST {
            return String::from_utf16_lossy(&path[..length.min(room) as usize]);
        }
        room *= 4;
    }
}
