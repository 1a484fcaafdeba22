//! The buffers of a call: `SecBufferDesc`.
//!
//! Reference: [SecBuffer](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secbuffer).

use std::{marker::PhantomData, ptr, slice};

use smallvec::SmallVec;
use sspcache_engine::SecurityStatus;
use windows_sys::Win32::Security::Authentication::Identity::{
    SECBUFFER_ATTRMASK, SECBUFFER_READONLY, SECBUFFER_READONLY_WITH_CHECKSUM, SECBUFFER_TOKEN,
    SECBUFFER_VERSION, SecBuffer, SecBufferDesc,
};

use super::place::{Place, Raw};

/// A descriptor that the caller passes.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor<'c>(Place<'c, SecBufferDesc>);

impl Raw<*mut SecBufferDesc> for Descriptor<'_> {
    unsafe fn from_raw(parameter: *mut SecBufferDesc) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter) })
    }
}

impl<'c> Descriptor<'c> {
    /// Reads a descriptor; a null pointer is one without buffers.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] for another version; [`SecurityStatus::INVALID_TOKEN`] for a descriptor or
    /// buffers at no place.
    pub(crate) fn read(self) -> Result<BufferDesc<'c>, SecurityStatus> {
        let mut buffers = SmallVec::new();
        if let Some(descriptor) = self.0.optional(SecurityStatus::INVALID_TOKEN)? {
            // SAFETY: a pointer that may be followed is to a descriptor.
            let SecBufferDesc { ulVersion, cBuffers, pBuffers } = unsafe { descriptor.read_unaligned() };
            if ulVersion != SECBUFFER_VERSION {
                return Err(SecurityStatus::INVALID_PARAMETER);
            }
            for index in 0..cBuffers as usize {
                // SAFETY: a descriptor that has buffers points at as many.
                let place = unsafe { Place::new(pBuffers.wrapping_add(index)) };
                buffers.push(Buffer::read(place).ok_or(SecurityStatus::INVALID_TOKEN)?);
            }
        }
        Ok(BufferDesc { buffers, memory: PhantomData })
    }
}

/// A buffer that the caller passes by itself.
#[derive(Clone, Copy, Debug)]
pub struct InBuffer<'c>(Place<'c, SecBuffer>);

impl Raw<*mut SecBuffer> for InBuffer<'_> {
    unsafe fn from_raw(parameter: *mut SecBuffer) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter) })
    }
}

impl<'c> InBuffer<'c> {
    /// Whether there is a buffer.
    pub(crate) fn is_given(self) -> bool {
        self.0.get().is_some()
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] when there is no buffer, [`SecurityStatus::INVALID_TOKEN`] for a length at
    /// no place.
    pub(crate) fn bytes(self) -> Result<&'c [u8], SecurityStatus> {
        let buffer = Buffer::read(self.0).ok_or(SecurityStatus::INVALID_PARAMETER)?;
        Piece { memory: buffer.memory, caller: PhantomData }.bytes()
    }
}

/// The buffers of a descriptor, in its order. What they hold is borrowed from here: shared as long as it is only read,
/// and by one alone when it is written to.
#[derive(Debug)]
pub(crate) struct BufferDesc<'c> {
    buffers: SmallVec<[Buffer; 4]>,
    memory: PhantomData<&'c mut [u8]>,
}

/// A buffer of a descriptor.
#[derive(Debug)]
pub(crate) struct Buffer {
    place: *mut SecBuffer,
    memory: Memory,
}

/// A piece of the caller's memory, with no other users as long as it is borrowed.
#[derive(Debug)]
pub(crate) struct Piece<'b> {
    memory: Memory,
    caller: PhantomData<&'b mut [u8]>,
}

/// A buffer that is written to, and beside it the others of its descriptor.
#[derive(Debug)]
pub(crate) struct Whole<'b> {
    pub(crate) whole: Piece<'b>,
    pub(crate) others: Others<'b>,
}

/// The buffers of a descriptor beside the one that is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Others<'b> {
    buffers: &'b [Buffer],
    written: Memory,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Other<'b> {
    buffer: &'b Buffer,
    written: Memory,
}

/// A buffer's memory and kind.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// `SECBUFFER_…`, without the bits that say how it is protected.
    kind: u32,
    access: Access,
    data: *mut u8,
    length: usize,
}

/// The access that a package has to a buffer, by the bits in its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Access {
    /// `SECBUFFER_READONLY_WITH_CHECKSUM`: protected against changes, left readable.
    Checked,
    /// Everything.
    Full,
    /// `SECBUFFER_READONLY`: nothing.
    Ignored,
}

impl BufferDesc<'_> {
    pub(crate) fn iter(&self) -> slice::Iter<'_, Buffer> {
        self.buffers.iter()
    }

    /// The first buffer of this kind.
    pub(crate) fn first(&self, kind: u32) -> Option<&Buffer> {
        self.iter().find(|buffer| buffer.kind() == kind)
    }

    /// What is in the first buffer of this kind, to be changed.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for a read-only buffer, or a length at no place.
    pub(crate) fn first_mut(&mut self, kind: u32) -> Result<Option<&mut [u8]>, SecurityStatus> {
        let Some(buffer) = self.first(kind) else { return Ok(None) };
        Piece { memory: buffer.memory, caller: PhantomData }.bytes_mut().map(Some)
    }

    /// The buffers that are used, each as a piece of its own.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] when two of them lie in one another: what one is written to must not be
    /// what another is read from.
    pub(crate) fn apart(&mut self) -> Result<impl Iterator<Item = Piece<'_>>, SecurityStatus> {
        for (index, one) in self.buffers.iter().enumerate() {
            if self.buffers[index + 1..].iter().any(|other| one.memory.overlaps(other.memory)) {
                return Err(SecurityStatus::INVALID_PARAMETER);
            }
        }
        let used = self.buffers.iter().filter(|buffer| !buffer.memory.is_ignored());
        Ok(used.map(|buffer| Piece { memory: buffer.memory, caller: PhantomData }))
    }

    /// The first buffer of this kind, beside the others.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for a buffer that isn't there, or is at no place.
    pub(crate) fn whole(&mut self, kind: u32) -> Result<Whole<'_>, SecurityStatus> {
        let memory = self.first(kind).ok_or(SecurityStatus::INVALID_TOKEN)?.memory;
        if !memory.is_somewhere() {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let others = Others { buffers: &self.buffers, written: memory };
        Ok(Whole { whole: Piece { memory, caller: PhantomData }, others })
    }

    /// Points a buffer at these bytes of the first buffer of that kind.
    pub(crate) fn point_into(&mut self, index: usize, kind: u32, offset: usize, length: usize) {
        if let (Some(buffer), Some(whole)) = (self.buffers.get(index), self.first(kind)) {
            buffer.set(whole.memory.data.wrapping_add(offset), length);
        }
    }

    /// Says how much is in the buffers of this kind that may be written to, in their order.
    pub(crate) fn set_lengths(&mut self, kind: u32, lengths: impl IntoIterator<Item = usize>) {
        let written = |buffer: &&Buffer| buffer.kind() == kind && buffer.access() == Access::Full;
        for (buffer, length) in self.buffers.iter().filter(written).zip(lengths) {
            buffer.set(buffer.memory.data, length);
        }
    }

    /// Says how much is in the first buffer of this kind.
    pub(crate) fn set_length(&mut self, kind: u32, length: usize) {
        if let Some(buffer) = self.first(kind) {
            buffer.set(buffer.memory.data, length);
        }
    }

    /// Points the first buffer of this kind at other memory, which is only an address here.
    pub(crate) fn point_at(&mut self, kind: u32, data: *mut u8, length: usize) {
        if let Some(buffer) = self.first(kind) {
            buffer.set(data, length);
        }
    }

    /// Copies bytes into the first buffer of this kind. Those for which there is no room are left out; how many there
    /// would be is said all the same.
    pub(crate) fn fill(&mut self, kind: u32, bytes: &[u8]) {
        let Some(buffer) = self.first(kind) else { return };
        let room = buffer.room().min(bytes.len());
        debug_assert_eq!(room, bytes.len(), "whoever made them knew how much room there is");
        // SAFETY: there is room for so many in a buffer of the caller's, which no value here borrows; they are ours.
        unsafe { ptr::copy(bytes.as_ptr(), buffer.memory.data, room) };
        buffer.set(buffer.memory.data, bytes.len());
    }
}

impl Buffer {
    /// Reads one buffer; `None` at no place.
    fn read(place: Place<'_, SecBuffer>) -> Option<Self> {
        let place = place.get()?;
        // SAFETY: a pointer that may be followed is to a buffer.
        let SecBuffer { cbBuffer, BufferType, pvBuffer } = unsafe { place.read_unaligned() };
        let access = if BufferType & SECBUFFER_READONLY_WITH_CHECKSUM != 0 {
            Access::Checked
        } else if BufferType & SECBUFFER_READONLY != 0 {
            Access::Ignored
        } else {
            Access::Full
        };
        let kind = BufferType & !SECBUFFER_ATTRMASK;
        let memory = Memory { kind, access, data: pvBuffer.cast(), length: cbBuffer as usize };
        Some(Self { place: place.as_ptr(), memory })
    }

    /// `SECBUFFER_…`, without the bits that say how it is protected.
    pub(crate) fn kind(&self) -> u32 {
        self.memory.kind
    }

    pub(crate) fn access(&self) -> Access {
        self.memory.access
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for a length at no place.
    pub(crate) fn bytes(&self) -> Result<&[u8], SecurityStatus> {
        Piece { memory: self.memory, caller: PhantomData }.bytes()
    }

    /// How much can be put into it.
    pub(crate) fn room(&self) -> usize {
        if self.memory.is_somewhere() { self.memory.length } else { 0 }
    }

    /// Gives the caller the buffer's address and its length.
    fn set(&self, data: *mut u8, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        // SAFETY: the descriptor's array, from which this buffer was read, is the caller's to have written to.
        let buffer = unsafe { self.place.read_unaligned() };
        let buffer = SecBuffer { cbBuffer: length, pvBuffer: data.cast(), ..buffer };
        // SAFETY: it was just read from there.
        unsafe { self.place.write_unaligned(buffer) };
    }
}

impl<'b> Piece<'b> {
    /// `SECBUFFER_…`, without the bits that say how it is protected.
    pub(crate) fn kind(&self) -> u32 {
        self.memory.kind
    }

    pub(crate) fn access(&self) -> Access {
        self.memory.access
    }

    pub(crate) fn addr(&self) -> usize {
        self.memory.data.addr()
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for a length at no place.
    pub(crate) fn bytes(self) -> Result<&'b [u8], SecurityStatus> {
        self.memory.check()?;
        if self.memory.length == 0 {
            return Ok(&[]);
        }
        // SAFETY: the caller's buffer has as many bytes, and they are only read as long as this is borrowed.
        Ok(unsafe { slice::from_raw_parts(self.memory.data, self.memory.length) })
    }

    /// What is in it, to be changed.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for what is read-only, or a length at no place.
    pub(crate) fn bytes_mut(self) -> Result<&'b mut [u8], SecurityStatus> {
        self.memory.check()?;
        if self.memory.access != Access::Full {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        if self.memory.length == 0 {
            return Ok(&mut []);
        }
        // SAFETY: the caller's buffer has as many bytes, which may be written to. The code that made this piece
        // checked that no other one overlaps it.
        Ok(unsafe { slice::from_raw_parts_mut(self.memory.data, self.memory.length) })
    }
}

impl<'b> Others<'b> {
    pub(crate) fn iter(self) -> impl Iterator<Item = Other<'b>> {
        self.buffers.iter().map(move |buffer| Other { buffer, written: self.written })
    }
}

impl<'b> Other<'b> {
    /// `SECBUFFER_…`, without the bits that say how it is protected.
    pub(crate) fn kind(self) -> u32 {
        self.buffer.kind()
    }

    pub(crate) fn access(self) -> Access {
        self.buffer.access()
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_PARAMETER`] when it lies in the one that is written to, [`SecurityStatus::INVALID_TOKEN`]
    /// for a length at no place.
    pub(crate) fn bytes(self) -> Result<&'b [u8], SecurityStatus> {
        if self.buffer.memory.overlaps(self.written) {
            return Err(SecurityStatus::INVALID_PARAMETER);
        }
        self.buffer.bytes()
    }
}

impl Memory {
    /// Whether nothing is done with it. A token is read even if it is read-only.
    fn is_ignored(self) -> bool {
        self.access == Access::Ignored && self.kind != SECBUFFER_TOKEN
    }

    /// Whether both are used and lie in one another.
    fn overlaps(self, other: Self) -> bool {
        let used = |memory: Self| !memory.is_ignored() && memory.length > 0;
        let end = |memory: Self| memory.data.addr().saturating_add(memory.length);
        used(self) && used(other) && self.data.addr() < end(other) && other.data.addr() < end(self)
    }

    fn is_somewhere(self) -> bool {
        // SAFETY: it is asked for its address here.
        let place = unsafe { Place::new(self.data) };
        place.get().is_some()
    }

    fn check(self) -> Result<(), SecurityStatus> {
        // No object is longer than half of what can be addressed.
        let fits = isize::try_from(self.length).is_ok();
        if self.length > 0 && !(fits && self.is_somewhere()) {
            Err(SecurityStatus::INVALID_TOKEN)
        } else {
            Ok(())
        }
    }
}
