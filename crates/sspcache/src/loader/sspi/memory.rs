//! Buffers that go to an SSP, and memory that comes from one.

use std::{ffi::c_void, ptr, ptr::NonNull, slice};

use windows_sys::Win32::Security::Authentication::Identity::{
    SEC_CHANNEL_BINDINGS, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_VERSION, SecBuffer, SecBufferDesc,
};
use zeroize::{Zeroize, Zeroizing};

use crate::SecurityStatus;

/// A buffer of this type over these bytes, which live and are not touched until the call has returned.
pub(super) fn buffer(kind: u32, bytes: &mut [u8]) -> Result<SecBuffer, SecurityStatus> {
    Ok(SecBuffer { BufferType: kind, cbBuffer: size(bytes.len())?, pvBuffer: bytes.as_mut_ptr().cast() })
}

/// A buffer of this type over bytes that the function only reads.
pub(super) fn read_only(kind: u32, bytes: &[u8]) -> Result<SecBuffer, SecurityStatus> {
    let pointer = bytes.as_ptr().cast_mut().cast();
    Ok(SecBuffer { BufferType: kind, cbBuffer: size(bytes.len())?, pvBuffer: pointer })
}

/// A buffer of this type without memory, for the SSP to fill in.
pub(super) fn empty(kind: u32) -> SecBuffer {
    SecBuffer { BufferType: kind, cbBuffer: 0, pvBuffer: ptr::null_mut() }
}

/// The description of these buffers, for one call.
pub(super) fn describe(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    // There are never more than three.
    let count = u32::try_from(buffers.len()).unwrap_or(u32::MAX);
    SecBufferDesc { ulVersion: SECBUFFER_VERSION, cBuffers: count, pBuffers: buffers.as_mut_ptr() }
}

fn size(bytes: usize) -> Result<u32, SecurityStatus> {
    u32::try_from(bytes).map_err(|_| SecurityStatus::INVALID_PARAMETER)
}

/// `SEC_CHANNEL_BINDINGS`, and behind it the application data; aligned as the structure is.
///
/// Reference: [SEC_CHANNEL_BINDINGS](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_channel_bindings).
pub(super) struct ChannelBindings {
    words: Vec<u32>,
    length: u32,
}

impl ChannelBindings {
    pub(super) fn new(application_data: &[u8]) -> Result<Self, SecurityStatus> {
        let data = size(application_data.len())?;
        let length = data.checked_add(HEADER).ok_or(SecurityStatus::INVALID_PARAMETER)?;
        // No addresses: types, lengths and offsets are zero.
        let mut words = vec![0, 0, 0, 0, 0, 0, data, HEADER];
        words.extend(application_data.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_ne_bytes(word)
        }));
        Ok(Self { words, length })
    }

    /// The buffer, which lives as long as this isn't touched.
    pub(super) fn buffer(&mut self) -> SecBuffer {
        let pointer = self.words.as_mut_ptr().cast();
        SecBuffer { BufferType: SECBUFFER_CHANNEL_BINDINGS, cbBuffer: self.length, pvBuffer: pointer }
    }
}

const HEADER: u32 = 32;
const _: () = assert!(size_of::<SEC_CHANNEL_BINDINGS>() == HEADER as usize);

/// `SECURITY_STATUS FreeContextBuffer(PVOID)`
pub(super) type FreeContextBufferFn = unsafe extern "system" fn(*mut c_void) -> i32;

/// Memory that an SSP handed out, given back when dropped.
pub(super) struct HandedOut {
    pointer: *mut c_void,
    free: FreeContextBufferFn,
}

impl HandedOut {
    /// # Safety
    /// The pointer is null, or to memory that the SSP of that function handed out to be freed by it, once.
    pub(super) unsafe fn new<T>(pointer: *mut T, free: FreeContextBufferFn) -> Self {
        Self { pointer: pointer.cast(), free }
    }

    /// Copies so many bytes that an SSP handed out, overwrites and frees them; nothing, if the pointer is null.
    ///
    /// # Safety
    /// As [`Self::new`]; if the pointer isn't null, that many bytes are initialized there.
    pub(super) unsafe fn take<T>(
        pointer: *mut T,
        length: u32,
        free: FreeContextBufferFn,
    ) -> Zeroizing<Vec<u8>> {
        // SAFETY: the caller promises memory of that SSP, or a null pointer. It is freed when this is dropped.
        let memory = unsafe { Self::new(pointer, free) };
        let Some(start) = NonNull::new(memory.pointer.cast::<u8>()) else { return Zeroizing::default() };
        // SAFETY: the caller promises that many initialized bytes, and no other code has the memory.
        let bytes = unsafe { slice::from_raw_parts_mut(start.as_ptr(), length as usize) };
        let copy = Zeroizing::new(bytes.to_vec());
        bytes.zeroize();
        copy
    }
}

impl Drop for HandedOut {
    fn drop(&mut self) {
        if !self.pointer.is_null() {
            // SAFETY: the contract of `new` says that this function frees the memory, and no other code does. Its status
            // is ignored, since nothing could be done about a failure.
            unsafe { (self.free)(self.pointer) };
        }
    }
}
