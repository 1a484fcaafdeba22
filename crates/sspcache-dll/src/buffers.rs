//! The buffers of a call: `SecBufferDesc`.
//!
//! Reference: [SecBuffer](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secbuffer).

use std::{ptr, slice};

use smallvec::SmallVec;
use sspcache_engine::Status;
use windows_sys::Win32::Security::Authentication::Identity::{
    SECBUFFER_ATTRMASK, SECBUFFER_READONLY, SECBUFFER_READONLY_WITH_CHECKSUM, SECBUFFER_TOKEN,
    SECBUFFER_VERSION, SecBuffer, SecBufferDesc,
};

/// The buffers of a descriptor, in its order.
#[derive(Debug)]
pub(crate) struct Buffers(SmallVec<[Buffer; 4]>);

/// A buffer of a descriptor. The memory is the caller's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    place: *mut SecBuffer,
    /// `SECBUFFER_…`, without the bits that say how it is protected.
    pub(crate) kind: u32,
    pub(crate) access: Access,
    pub(crate) data: *mut u8,
    pub(crate) length: usize,
}

/// What a package does with a buffer, by the bits in its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// `SECBUFFER_READONLY_WITH_CHECKSUM`: protected against changes, left readable.
    Checked,
    /// Everything.
    Full,
    /// `SECBUFFER_READONLY`: nothing.
    Ignored,
}

impl Buffers {
    /// Reads a descriptor; a null pointer is one without buffers.
    ///
    /// # Safety
    /// A pointer that isn't null is to a descriptor, and that to as many buffers as it says.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] for another version; [`Status::InvalidToken`] for buffers at a null pointer.
    pub(crate) unsafe fn read(descriptor: *const SecBufferDesc) -> Result<Self, Status> {
        if descriptor.is_null() {
            return Ok(Self(SmallVec::new()));
        }
        // SAFETY: by this function's contract.
        let SecBufferDesc { ulVersion, cBuffers, pBuffers } = unsafe { descriptor.read() };
        if ulVersion != SECBUFFER_VERSION {
            return Err(Status::InvalidParameter);
        }
        if cBuffers > 0 && pBuffers.is_null() {
            return Err(Status::InvalidToken);
        }
        // SAFETY: by this function's contract.
        let buffers = (0..cBuffers as usize).map(|index| unsafe { Buffer::read(pBuffers.add(index)) });
        Ok(Self(buffers.collect()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Buffer> {
        self.0.iter()
    }

    /// The first buffer of this kind.
    pub(crate) fn first(&self, kind: u32) -> Option<&Buffer> {
        self.0.iter().find(|buffer| buffer.kind == kind)
    }

    /// Refuses buffers that lie in one another: what one is written to must not be what another is read from.
    ///
    /// # Errors
    /// [`Status::InvalidParameter`] when two of those that are used overlap.
    pub(crate) fn check_apart(&self) -> Result<(), Status> {
        for (index, one) in self.0.iter().enumerate() {
            if self.0[index + 1..].iter().any(|other| one.overlaps(other)) {
                return Err(Status::InvalidParameter);
            }
        }
        Ok(())
    }
}

impl Buffer {
    /// Reads one buffer.
    ///
    /// # Safety
    /// The pointer is to a buffer.
    pub(crate) unsafe fn read(place: *mut SecBuffer) -> Self {
        // SAFETY: by this function's contract.
        let SecBuffer { cbBuffer, BufferType, pvBuffer } = unsafe { place.read() };
        let access = if BufferType & SECBUFFER_READONLY_WITH_CHECKSUM != 0 {
            Access::Checked
        } else if BufferType & SECBUFFER_READONLY != 0 {
            Access::Ignored
        } else {
            Access::Full
        };
        Self {
            place,
            kind: BufferType & !SECBUFFER_ATTRMASK,
            access,
            data: pvBuffer.cast(),
            length: cbBuffer as usize,
        }
    }

    /// What is in the buffer.
    ///
    /// # Safety
    /// It may be read for as long as the slice lives.
    ///
    /// # Errors
    /// [`Status::InvalidToken`] for a length at a null pointer.
    pub(crate) unsafe fn bytes<'b>(&self) -> Result<&'b [u8], Status> {
        self.check()?;
        if self.length == 0 {
            return Ok(&[]);
        }
        // SAFETY: by this function's contract.
        Ok(unsafe { slice::from_raw_parts(self.data, self.length) })
    }

    /// What is in the buffer, to be changed.
    ///
    /// # Safety
    /// It may be read and, unless it says otherwise, written, and is used by nobody else, for as long as the slice
    /// lives.
    ///
    /// # Errors
    /// [`Status::InvalidToken`] for a read-only buffer, or a length at a null pointer.
    pub(crate) unsafe fn bytes_mut<'b>(&self) -> Result<&'b mut [u8], Status> {
        self.check()?;
        if self.access != Access::Full {
            return Err(Status::InvalidToken);
        }
        if self.length == 0 {
            return Ok(&mut []);
        }
        // SAFETY: by this function's contract.
        Ok(unsafe { slice::from_raw_parts_mut(self.data, self.length) })
    }

    /// Its first bytes and the others, as buffers of their own. There are that many.
    pub(crate) fn split_at(&self, length: usize) -> (Self, Self) {
        let rest = self.length - length;
        (Self { length, ..*self }, Self { data: self.data.wrapping_add(length), length: rest, ..*self })
    }

    /// Tells the caller how much is in the buffer.
    ///
    /// # Safety
    /// The descriptor that it was read from is still there, and may be written to.
    pub(crate) unsafe fn set_length(&self, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        // SAFETY: by this function's contract.
        unsafe { (&raw mut (*self.place).cbBuffer).write(length) };
    }

    /// Tells the caller where the buffer is, and how much is in it.
    ///
    /// # Safety
    /// As [`Self::set_length`].
    pub(crate) unsafe fn set(&self, data: *mut u8, length: usize) {
        // SAFETY: by this function's contract.
        unsafe {
            (&raw mut (*self.place).pvBuffer).write(data.cast());
            self.set_length(length);
        }
    }

    /// Copies bytes into the buffer, for which there is room.
    ///
    /// # Safety
    /// The buffer may be written to; the bytes are none of its own.
    pub(crate) unsafe fn fill(&self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.length);
        if !bytes.is_empty() {
            // SAFETY: by this function's contract.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.data, bytes.len()) };
        }
        // SAFETY: by this function's contract.
        unsafe { self.set_length(bytes.len()) };
    }

    fn check(&self) -> Result<(), Status> {
        // No object is longer than half of what can be addressed.
        let fits = isize::try_from(self.length).is_ok();
        if self.length > 0 && (self.data.is_null() || !fits) { Err(Status::InvalidToken) } else { Ok(()) }
    }

    /// Whether both are used and lie in one another.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        // A token is read even if it is read-only.
        let ignored = |buffer: &Self| buffer.access == Access::Ignored && buffer.kind != SECBUFFER_TOKEN;
        let used = |buffer: &Self| !ignored(buffer) && buffer.length > 0;
        let end = |buffer: &Self| buffer.data.addr().saturating_add(buffer.length);
        used(self) && used(other) && self.data.addr() < end(other) && other.data.addr() < end(self)
    }
}
