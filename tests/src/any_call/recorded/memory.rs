//! The memory that a call is given: each piece as long as it is said to be, so that whatever lies behind it belongs to no object.

use windows_sys::Win32::Security::Authentication::Identity::{SecBuffer, SecBufferDesc};

use super::{Auth, Descriptor, Place};
use crate::dll::Handle;

/// The length of what a parameter points to whose structure isn't recorded: no attribute is longer.
pub(super) const LONGEST: usize = 512;

/// What lives until the call has returned.
#[derive(Default)]
pub(super) struct Memory {
    bytes: Vec<Box<[u8]>>,
    words: Vec<Box<[u64]>>,
}

/// Buffers that were given to a call.
pub(super) struct Given {
    pub(super) descriptor: usize,
    array: usize,
    count: usize,
}

impl Memory {
    /// Bytes for the call; their address.
    pub(super) fn bytes(&mut self, content: Vec<u8>) -> usize {
        // An empty one has an address all the same.
        let content = if content.is_empty() { vec![0] } else { content };
        self.bytes.push(content.into_boxed_slice());
        self.bytes.last_mut().expect("pushed").as_mut_ptr().expose_provenance()
    }

    /// Zeros for a structure; their address, which is aligned for any.
    pub(super) fn structure(&mut self, bytes: usize) -> usize {
        self.words.push(vec![0; bytes.div_ceil(8).max(1)].into_boxed_slice());
        self.words.last_mut().expect("pushed").as_mut_ptr().expose_provenance()
    }

    fn put<T: Copy>(&mut self, value: T) -> usize {
        self.put_with_room(0, value)
    }

    fn put_with_room<T: Copy>(&mut self, bytes: usize, value: T) -> usize {
        let address = self.structure(size_of::<T>().max(bytes));
        // SAFETY: the structure is that long, and aligned.
        unsafe { std::ptr::with_exposed_provenance_mut::<T>(address).write(value) };
        address
    }

    pub(super) fn handle(&mut self, handle: Handle) -> usize {
        self.put(handle)
    }

    /// A string of so many units that ends in a null.
    pub(super) fn text(&mut self, text: &str, wide: bool) -> usize {
        self.string(text, wide, true)
    }

    fn string(&mut self, text: &str, wide: bool, terminated: bool) -> usize {
        let end = terminated.then_some(0);
        if wide {
            let units = text.encode_utf16().chain(end).flat_map(u16::to_le_bytes).collect();
            self.aligned(units)
        } else {
            self.bytes(text.bytes().chain(end.map(|_| 0)).collect())
        }
    }

    /// Bytes at an even address, as `malloc` gives.
    fn aligned(&mut self, content: Vec<u8>) -> usize {
        self.bytes(content)
    }

    /// An identity with parts of these lengths: names and a password that an account has, where they have its length.
    pub(super) fn auth(&mut self, auth: &Auth) -> usize {
        const ANSI: u32 = 1;
        const KNOWN: [&[&str]; 4] = [
            &["alice", r"CONTOSO\alice"],
            &["CONTOSO", ""],
            &["correct horse"],
            &["NTLM", "Kerberos", "!ntlm"],
        ];
        let wide = auth.flags & ANSI == 0;
        let parts: Vec<(usize, u32)> = auth
            .parts
            .iter()
            .zip(KNOWN)
            .map(|(&(is_there, length), known)| {
                let known = known.iter().find(|text| text.len() == usize::from(length));
                let text = known.map_or_else(|| "x".repeat(length.into()), ToString::to_string);
                let address = if is_there { self.string(&text, wide, false) } else { 0 };
                (address, length.into())
            })
            .collect();
        let part = |index: usize| parts.get(index).copied().unwrap_or_default();
        let [(user, user_length), (domain, domain_length), (password, password_length), (list, list_length)] =
            [0, 1, 2, 3].map(part);
        match auth.extended {
            None => self.put(Plain {
                user,
                user_length,
                domain,
                domain_length,
                password,
                password_length,
                flags: auth.flags,
            }),
            // As long as it says of itself.
            Some(length) => self.put_with_room(
                length.min(1 << 12) as usize,
                Extended {
                    version: 0x200,
                    length: length.min(1 << 12),
                    user,
                    user_length,
                    domain,
                    domain_length,
                    password,
                    password_length,
                    flags: auth.flags,
                    list,
                    list_length,
                },
            ),
        }
    }

    /// Buffers, each with what `content` says of it: by its index and length.
    pub(super) fn buffers(
        &mut self,
        descriptor: &Descriptor,
        mut content: impl FnMut(usize, usize) -> Option<Vec<u8>>,
    ) -> Given {
        let mut buffers: Vec<SecBuffer> = Vec::new();
        for (index, shape) in descriptor.buffers.iter().enumerate() {
            let (size, address) = match shape.place {
                Place::Own => {
                    let content =
                        content(index, shape.size as usize).unwrap_or_else(|| vec![0; shape.size as usize]);
                    (u32::try_from(content.len()).expect("short"), self.bytes(content))
                }
                Place::Null => (shape.size, 0),
                Place::Small => (shape.size, 0x10),
                Place::In(of, at) => match buffers.get(usize::from(of)) {
                    // As much of it as there is.
                    Some(other) if other.pvBuffer.addr() >= 0x1_0000 => {
                        let at = u32::from(at).min(other.cbBuffer);
                        (shape.size.min(other.cbBuffer - at), other.pvBuffer.addr() + at as usize)
                    }
                    _ => (0, 0),
                },
            };
            let address = std::ptr::with_exposed_provenance_mut(address);
            buffers.push(SecBuffer { cbBuffer: size, BufferType: shape.kind, pvBuffer: address });
        }
        let array = self.structure(size_of_val(buffers.as_slice()));
        for (index, buffer) in buffers.iter().enumerate() {
            // SAFETY: the array is as long as the list, and aligned.
            unsafe { std::ptr::with_exposed_provenance_mut::<SecBuffer>(array).add(index).write(*buffer) };
        }
        let (count, pointer) = match descriptor.without {
            Some(count) => (count.into(), 0),
            None => (u32::try_from(buffers.len()).expect("few"), array),
        };
        let descriptor = self.put(SecBufferDesc {
            ulVersion: descriptor.version,
            cBuffers: count,
            pBuffers: std::ptr::with_exposed_provenance_mut(pointer),
        });
        Given { descriptor, array, count: buffers.len() }
    }
}

impl Given {
    /// The first buffer itself.
    pub(super) fn first(&self) -> usize {
        self.array
    }

    /// The buffers as the call has left them.
    pub(super) fn now(&self) -> Vec<SecBuffer> {
        let buffer = |index| {
            // SAFETY: the array lives as long as the memory of the call, and has so many.
            unsafe { std::ptr::with_exposed_provenance::<SecBuffer>(self.array).add(index).read() }
        };
        (0..self.count).map(buffer).collect()
    }
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Plain {
    user: usize,
    user_length: u32,
    domain: usize,
    domain_length: u32,
    password: usize,
    password_length: u32,
    flags: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Extended {
    version: u32,
    length: u32,
    user: usize,
    user_length: u32,
    domain: usize,
    domain_length: u32,
    password: usize,
    password_length: u32,
    flags: u32,
    list: usize,
    list_length: u32,
}
