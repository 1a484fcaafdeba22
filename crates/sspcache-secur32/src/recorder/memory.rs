//! Reads what a caller's parameters point to.

use std::slice;

use sspcache_dll::{
    abi::{Ansi, Raw, SecBuffer, SecBufferDesc, SecHandle, Wide},
    recording,
};

use super::Call;
use crate::owner::{self, Key};

/// Nothing is mapped below it, and some libraries pass small numbers in the place of pointers.
const LOWEST_ADDRESS: usize = 0x1_0000;

/// `SECBUFFER_TOKEN` and `SECBUFFER_ALERT`, of `sspi.h`: what a step may allocate.
const TOKEN: u32 = 2;
const ALERT: u32 = 17;

fn at<T>(address: usize) -> Option<*const T> {
    (address >= LOWEST_ADDRESS).then(|| std::ptr::with_exposed_provenance(address))
}

/// What is at an address; none where there can be nothing.
///
/// # Safety
/// The address is that of a `T`, by the function's page, or is none.
pub(super) unsafe fn read<T: Copy>(address: usize) -> Option<T> {
    // SAFETY: by this function's contract.
    at::<T>(address).map(|place| unsafe { place.read_unaligned() })
}

/// The handle at a parameter's address.
///
/// # Safety
/// As [`read`].
pub(super) unsafe fn handle(address: usize) -> Option<Key> {
    // SAFETY: by this function's contract.
    at::<SecHandle>(address).and_then(|handle| unsafe { owner::read(handle) })
}

/// A string of the function's encoding.
///
/// # Safety
/// The address is that of a string that ends in a null, or is none.
pub(super) unsafe fn text(call: &Call<'_>, address: usize) -> String {
    if address < LOWEST_ADDRESS {
        return String::new();
    }
    let text = if call.is_wide() {
        // SAFETY: by this function's contract.
        recording::name::<Wide>(unsafe { Raw::from_raw(std::ptr::with_exposed_provenance::<u16>(address)) })
    } else {
        // SAFETY: by this function's contract.
        recording::name::<Ansi>(unsafe { Raw::from_raw(std::ptr::with_exposed_provenance::<i8>(address)) })
    };
    text.unwrap_or_default()
}

/// The buffers of a descriptor.
///
/// # Safety
/// The address is that of a `SecBufferDesc`, or is none.
pub(super) unsafe fn buffers(address: usize) -> Vec<SecBuffer> {
    /// More than any function takes.
    const MOST: u32 = 64;
    // SAFETY: by this function's contract.
    let Some(descriptor) = (unsafe { read::<SecBufferDesc>(address) }) else { return Vec::new() };
    if descriptor.pBuffers.addr() < LOWEST_ADDRESS {
        return Vec::new();
    }
    let count = descriptor.cBuffers.min(MOST) as usize;
    // SAFETY: there are as many as the descriptor says.
    (0..count).map(|index| unsafe { descriptor.pBuffers.add(index).read_unaligned() }).collect()
}

/// Whether a step may have allocated this buffer.
pub(super) fn is_allocated_kind(buffer: &SecBuffer) -> bool {
    let kind = kind(buffer);
    kind == TOKEN || kind == ALERT
}

/// A token in these buffers.
pub(super) fn token(buffers: &[SecBuffer]) -> Option<&SecBuffer> {
    buffers.iter().find(|buffer| {
        kind(buffer) == TOKEN && buffer.cbBuffer > 0 && buffer.pvBuffer.addr() >= LOWEST_ADDRESS
    })
}

/// The type, without the marks for read-only buffers.
fn kind(buffer: &SecBuffer) -> u32 {
    buffer.BufferType & 0x0FFF_FFFF
}

/// What is in a buffer.
///
/// # Safety
/// The buffer has as many bytes as it says.
pub(super) unsafe fn bytes(buffer: &SecBuffer) -> &[u8] {
    // SAFETY: by this function's contract.
    unsafe { slice::from_raw_parts(buffer.pvBuffer.cast(), buffer.cbBuffer as usize) }
}

/// The addresses that an attribute has at these words of its structure.
///
/// # Safety
/// The structure at the address is as long.
pub(super) unsafe fn pointers(structure: usize, words: &[usize]) -> Vec<usize> {
    let place = |word: &usize| structure + word * size_of::<usize>();
    // SAFETY: by this function's contract.
    let pointer = |word| unsafe { read::<usize>(place(word)) };
    words.iter().filter_map(pointer).filter(|&address| address >= LOWEST_ADDRESS).collect()
}
