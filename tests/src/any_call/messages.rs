//! Calls about messages.

use std::{ffi::c_void, ptr};

use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::Authentication::Identity::{SECBUFFER_DATA, SECBUFFER_TOKEN, SecBuffer, SecBufferDesc},
};

use super::{
    Bytes, Descriptor, Index, Protect, Shape,
    case::{Case, pointer},
    world::{Functions, Message, Read},
};
use crate::{
    context::{Pair, buffer, describe},
    dll::{Form, Handle},
};

impl Case<'_> {
    /// A message from one side to the other.
    pub(super) fn talk<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        pair: Index,
        sealed: bool,
        spoilt: bool,
    ) {
        if self.pairs.is_empty() {
            return;
        }
        let (contexts, Pair { client, server, .. }) = (functions.contexts, *pair.get(&self.pairs));
        let (mut token, mut data) = ([0; 28], *b"message");
        let mut buffers = [buffer(SECBUFFER_TOKEN, &mut token), buffer(SECBUFFER_DATA, &mut data)];
        let status = if sealed {
            contexts.encrypt(&client, 0, &mut buffers)
        } else {
            contexts.sign(&client, 0, &mut buffers)
        };
        let function = if sealed { "EncryptMessage" } else { "MakeSignature" };
        if !self.note_context(function, Some(client), status) {
            return;
        }
        data[3] ^= u8::from(spoilt);
        let (status, _) = if sealed {
            contexts.decrypt(&server, &mut buffers)
        } else {
            contexts.verify(&server, &mut buffers)
        };
        let function = if sealed { "DecryptMessage" } else { "VerifySignature" };
        if self.note_context(function, Some(server), status) {
            assert!(!spoilt, "what was altered is taken");
            assert_eq!(data, *b"message");
        }
    }

    pub(super) fn protect(
        &mut self,
        function: Protect,
        context: Option<Handle>,
        qop: u32,
        descriptor: Descriptor,
        shapes: &[Shape],
    ) {
        // Of the length itself, so that whatever lies behind it belongs to no object.
        let mut own: Vec<Box<[u8]>> = Vec::new();
        let mut buffers: Vec<SecBuffer> = Vec::new();
        for shape in shapes {
            let (length, data) = match shape.bytes {
                Bytes::Null(length) => (length, ptr::null_mut()),
                Bytes::Over(of, at) if !own.is_empty() => {
                    let of = of.get_mut(&mut own);
                    let start = at.index(of.len() + 1);
                    let rest = &mut of[start..];
                    (u32::try_from(rest.len()).expect("short"), rest.as_mut_ptr())
                }
                Bytes::Over(..) => (0, ptr::null_mut()),
                Bytes::Own(length) => {
                    own.push(vec![0xA5; length].into_boxed_slice());
                    (u32::try_from(length).expect("short"), own.last_mut().expect("pushed").as_mut_ptr())
                }
            };
            buffers.push(SecBuffer { cbBuffer: length, BufferType: shape.kind, pvBuffer: data.cast() });
        }
        let mut whole = match (descriptor, describe(&mut buffers)) {
            (Descriptor::Version(version), whole) => SecBufferDesc { ulVersion: version, ..whole },
            (Descriptor::WithoutBuffers(count), whole) => {
                SecBufferDesc { cBuffers: count, pBuffers: ptr::null_mut(), ..whole }
            }
            (Descriptor::Null | Descriptor::Sound, whole) => whole,
        };
        let message = match descriptor {
            Descriptor::Null => ptr::null_mut(),
            _ => &raw mut whole,
        };
        let (mock, handle) = (self.world.mock, context);
        let (context, mut found) = (pointer(handle.as_ref()), u32::MAX);
        let given: Vec<_> = buffers.iter().map(told).collect();
        let before = own.clone();
        // SAFETY: everything is null or lives until the call returns.
        let (name, status) = unsafe {
            match function {
                Protect::Decrypt => {
                    let name = "DecryptMessage";
                    (name, mock.expect::<Read>(name)(context, message, 0, &raw mut found))
                }
                Protect::Encrypt => {
                    let name = "EncryptMessage";
                    (name, mock.expect::<Message>(name)(context, qop, message, 0))
                }
                Protect::Sign => {
                    let name = "MakeSignature";
                    (name, mock.expect::<Message>(name)(context, qop, message, 0))
                }
                Protect::Verify => {
                    let name = "VerifySignature";
                    (name, mock.expect::<Read>(name)(context, message, 0, &raw mut found))
                }
            }
        };
        if !self.note_context(name, handle, status) {
            assert_eq!(found, u32::MAX, "{name} refuses and tells a quality of protection");
            assert!(buffers.iter().map(told).eq(given), "{name} refuses and changes the buffers");
            assert_eq!(own, before, "{name} refuses and writes");
        }
        let forgery = matches!(function, Protect::Decrypt | Protect::Verify);
        assert!(!(forgery && status == SEC_E_OK), "{name} takes what nobody made: {shapes:?}");
    }
}

/// A buffer as a call leaves it.
fn told(buffer: &SecBuffer) -> (u32, u32, *mut c_void) {
    (buffer.BufferType, buffer.cbBuffer, buffer.pvBuffer)
}
