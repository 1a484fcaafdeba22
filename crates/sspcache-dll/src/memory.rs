//! Memory that the SSP hands out, and takes back through the function that the page names (clause S6).

use std::{collections::BTreeMap, ffi::c_void, sync::PoisonError};

use sspcache_engine::{Operation, Status};
use zeroize::Zeroize;

use crate::{guard, state::Ssp};

/// The buffers that callers hold, by address: what is none of them is refused instead of freed.
#[derive(Debug)]
pub(crate) struct Buffers(BTreeMap<usize, (FreedBy, Raw)>);

/// The functions that take a buffer back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FreedBy {
    /// `FreeContextBuffer`
    ContextBuffer,
    /// `SspiFreeAuthIdentity` and `SspiLocalFree`
    Sspi,
}

/// A boxed slice that a caller has a pointer into.
#[derive(Debug)]
struct Raw(*mut [u64]);

// SAFETY: the slice is owned; whoever holds this may free it from any thread.
unsafe impl Send for Raw {}

impl Raw {
    fn release(self) {
        // SAFETY: it came from `Box::into_raw`, and `self` is the only one that frees it.
        let mut buffer = unsafe { Box::from_raw(self.0) };
        buffer.zeroize();
    }
}

impl Buffers {
    pub(crate) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn release_all(&mut self) {
        for (_, buffer) in std::mem::take(&mut self.0).into_values() {
            buffer.release();
        }
    }
}

impl Ssp {
    /// Memory for the caller: zeroed, so many bytes, aligned for anything that SSPI hands out. `FreeContextBuffer` frees it.
    pub(crate) fn hand_out(&self, bytes: usize) -> *mut c_void {
        self.hand_out_until(FreedBy::ContextBuffer, bytes)
    }

    /// The same, to be freed by another function.
    pub(crate) fn hand_out_until(&self, freed_by: FreedBy, bytes: usize) -> *mut c_void {
        let buffer = Box::into_raw(vec![0u64; bytes.div_ceil(8).max(1)].into_boxed_slice());
        let address: *mut c_void = buffer.cast();
        self.buffers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .insert(address.addr(), (freed_by, Raw(buffer)));
        address
    }

    /// How many bytes a caller got at this address, if it is one that was handed out.
    pub(crate) fn size_of_handed_out(&self, address: *const c_void) -> Option<usize> {
        let buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        buffers.0.get(&address.addr()).map(|(_, buffer)| buffer.0.len() * size_of::<u64>())
    }

    /// Overwrites and frees what this function is to free.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`] for an address that was not handed out, was freed, or is another function's to free.
    pub(crate) fn take_back(&self, freed_by: FreedBy, address: *const c_void) -> Result<(), Status> {
        let taken = {
            let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            match buffers.0.get(&address.addr()) {
                Some((by, _)) if *by == freed_by => buffers.0.remove(&address.addr()),
                _ => None,
            }
        };
        taken.map(|(_, buffer)| buffer.release()).ok_or(Status::InvalidHandle)
    }
}

/// `FreeContextBuffer`: overwrites and frees memory that this SSP handed out.
///
/// A pointer that isn't, or was freed, gives `SEC_E_INVALID_HANDLE`, null as well.
///
/// Reference: [FreeContextBuffer](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecontextbuffer).
pub fn free_context_buffer(ssp: &Ssp, buffer: *mut c_void) -> i32 {
    guard::status(|| {
        ssp.engine()?.enter(Operation::FreeContextBuffer)?;
        ssp.take_back(FreedBy::ContextBuffer, buffer)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S6
    #[test]
    fn only_the_function_that_frees_a_buffer_takes_it_back_and_only_once() {
        let ssp = Ssp::new("MSNSSPC.dll");
        let ways = [FreedBy::ContextBuffer, FreedBy::Sspi];
        for (right, wrong) in [(ways[0], ways[1]), (ways[1], ways[0])] {
            let buffer = ssp.hand_out_until(right, 20);
            assert_eq!(ssp.take_back(wrong, buffer), Err(Status::InvalidHandle));
            assert_eq!(ssp.size_of_handed_out(buffer), Some(24), "whole words");
            assert_eq!(ssp.take_back(right, buffer), Ok(()));
            assert_eq!(ssp.size_of_handed_out(buffer), None);
            assert_eq!(ssp.take_back(right, buffer), Err(Status::InvalidHandle));
        }
    }
}
