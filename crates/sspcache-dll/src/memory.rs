//! Memory that the SSP hands out, and takes back through `FreeContextBuffer` (clause S6).

use std::{collections::BTreeMap, ffi::c_void, sync::PoisonError};

use sspcache_engine::{Operation, Status};
use zeroize::Zeroize;

use crate::{guard, state::Ssp};

/// The buffers that callers hold, by address: what is none of them is refused instead of freed.
#[derive(Debug)]
pub(crate) struct Buffers(BTreeMap<usize, Raw>);

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
        std::mem::take(&mut self.0).into_values().for_each(Raw::release);
    }
}

impl Ssp {
    /// Memory for the caller: zeroed, so many bytes, aligned for anything that SSPI hands out.
    pub(crate) fn hand_out(&self, bytes: usize) -> *mut c_void {
        let buffer = Box::into_raw(vec![0u64; bytes.div_ceil(8).max(1)].into_boxed_slice());
        let address: *mut c_void = buffer.cast();
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).0.insert(address.addr(), Raw(buffer));
        address
    }

    fn take_back(&self, address: *mut c_void) -> Result<(), Status> {
        let taken = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&address.addr());
        taken.map(Raw::release).ok_or(Status::InvalidHandle)
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
        ssp.take_back(buffer)
    })
}
