//! Calls as loaders and libraries make them, beyond what a page shows: descriptors without buffers, buffers of other kinds,
//! outputs that no caller wants, and one handle for both contexts.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::c_void, ptr};

use sspcache_tests::{
    context::{CONFIG, Contexts, Terms, buffer, configured, describe},
    dll::{Form, Handle, Mock, UNTOUCHED, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_BUFFER_TOO_SMALL, SEC_E_INVALID_PARAMETER, SEC_E_INVALID_TOKEN, SEC_E_OK, SEC_I_CONTINUE_NEEDED,
    },
    Security::Authentication::Identity::{
        ISC_REQ_ALLOCATE_MEMORY, SECBUFFER_ALERT, SECBUFFER_APPLICATION_PROTOCOLS, SECBUFFER_DATA,
        SECBUFFER_EMPTY, SECBUFFER_EXTRA, SECBUFFER_MISSING, SECBUFFER_NEGOTIATION_INFO, SECBUFFER_PADDING,
        SECBUFFER_PKG_PARAMS, SECBUFFER_READONLY, SECBUFFER_STREAM, SECBUFFER_STREAM_HEADER,
        SECBUFFER_STREAM_TRAILER, SECBUFFER_TARGET, SECBUFFER_TARGET_HOST, SECBUFFER_TOKEN,
        SECBUFFER_VERSION, SecBuffer, SecBufferDesc,
    },
};

/// `InitializeSecurityContextW` and `AcceptSecurityContext`, with every pointer as it comes.
struct Raw<'m> {
    contexts: Contexts<'m, Wide>,
    initialize: unsafe extern "system" fn(
        *const Handle,
        *const Handle,
        *const u16,
        u32,
        u32,
        u32,
        *const SecBufferDesc,
        u32,
        *mut Handle,
        *mut SecBufferDesc,
        *mut u32,
        *mut i64,
    ) -> i32,
    accept: unsafe extern "system" fn(
        *const Handle,
        *const Handle,
        *const SecBufferDesc,
        u32,
        u32,
        *mut Handle,
        *mut SecBufferDesc,
        *mut u32,
        *mut i64,
    ) -> i32,
}

impl<'m> Raw<'m> {
    fn new(mock: &'m Mock) -> Self {
        Self {
            contexts: mock.contexts::<Wide>(),
            initialize: mock.expect("InitializeSecurityContextW"),
            accept: mock.expect("AcceptSecurityContext"),
        }
    }

    /// A step of the initiator without flags and expiry.
    fn initialize(
        &self,
        credential: *const Handle,
        context: *const Handle,
        flags: u32,
        input: *const SecBufferDesc,
        new: *mut Handle,
        output: *mut SecBufferDesc,
    ) -> i32 {
        let (target, null) = (Wide::terminated("HTTP/www"), ptr::null_mut());
        // SAFETY: whatever isn't null lives until the call returns.
        unsafe {
            (self.initialize)(
                credential,
                context,
                target.as_ptr(),
                flags,
                0,
                0,
                input,
                0,
                new,
                output,
                null,
                ptr::null_mut(),
            )
        }
    }

    /// A step of the acceptor, likewise.
    fn accept(
        &self,
        credential: *const Handle,
        context: *const Handle,
        input: *const SecBufferDesc,
        new: *mut Handle,
        output: *mut SecBufferDesc,
    ) -> i32 {
        let null = ptr::null_mut();
        // SAFETY: whatever isn't null lives until the call returns.
        unsafe { (self.accept)(credential, context, input, 0, 0, new, output, null, ptr::null_mut()) }
    }
}

/// Runs a test with each of today's packages.
#[track_caller]
fn in_each_package(test: &str, body: impl Fn(&str, &Raw<'_>)) {
    configured(test, CONFIG, || {
        let mock = Mock::own("MSNSSPC");
        for package in ["NTLM", "Kerberos", "Negotiate", "MSN"] {
            body(package, &Raw::new(&mock));
        }
    });
}

const NOWHERE: SecBuffer = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_EMPTY, pvBuffer: ptr::null_mut() };

fn empty(kind: u32) -> SecBuffer {
    SecBuffer { BufferType: kind, ..NOWHERE }
}

/// S5: no descriptor, one without buffers, wherever its array is said to be, and one whose buffers are empty: libcurl's,
/// pywin32's, Java's. All of them are an initiator's first step without a token.
#[test]
fn a_first_step_may_have_any_descriptor_without_a_token() {
    in_each_package("a_first_step_may_have_any_descriptor_without_a_token", |package, raw| {
        let alice = raw.contexts.client(package, "correct horse");
        let mut buffers = [empty(SECBUFFER_TOKEN), NOWHERE];
        let none = SecBufferDesc { ulVersion: SECBUFFER_VERSION, cBuffers: 0, pBuffers: ptr::null_mut() };
        let somewhere = SecBufferDesc { pBuffers: buffers.as_mut_ptr(), ..none };
        let small_number = SecBufferDesc { pBuffers: ptr::without_provenance_mut(0x10), ..none };
        let empty_token = SecBufferDesc { cBuffers: 1, pBuffers: buffers.as_mut_ptr(), ..none };
        let both = SecBufferDesc { cBuffers: 2, ..empty_token };
        let descriptors = [none, somewhere, small_number, empty_token, both];
        let inputs = std::iter::once(ptr::null()).chain(descriptors.iter().map(ptr::from_ref));
        for (index, input) in inputs.enumerate() {
            let mut token = vec![0; 20_000];
            let mut outputs = [buffer(SECBUFFER_TOKEN, &mut token)];
            let mut new = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
            let status = raw.initialize(
                &raw const alice,
                ptr::null(),
                0,
                input,
                &raw mut new,
                &mut describe(&mut outputs),
            );
            assert!([SEC_I_CONTINUE_NEEDED, SEC_E_OK].contains(&status), "{package}, {index}: {status:#x}");
            assert!(outputs[0].cbBuffer > 0, "{package}, {index}");
            assert_eq!(raw.contexts.delete(&raw const new), SEC_E_OK);
        }
    });
}

/// S5: buffers that no package of these knows take no part, whatever is in them, before and behind the token.
#[test]
fn buffers_of_other_kinds_take_no_part() {
    in_each_package("buffers_of_other_kinds_take_no_part", |package, raw| {
        let mut bytes = *b"not for this package";
        let others = [
            SECBUFFER_EMPTY,
            SECBUFFER_DATA,
            SECBUFFER_EXTRA,
            SECBUFFER_MISSING,
            SECBUFFER_NEGOTIATION_INFO,
            SECBUFFER_PADDING,
            SECBUFFER_PKG_PARAMS,
            SECBUFFER_STREAM,
            SECBUFFER_STREAM_HEADER,
            SECBUFFER_STREAM_TRAILER,
            SECBUFFER_TARGET,
            SECBUFFER_TARGET_HOST,
            SECBUFFER_ALERT,
            SECBUFFER_APPLICATION_PROTOCOLS,
            SECBUFFER_PKG_PARAMS | SECBUFFER_READONLY,
            0x0FFF_FFFF,
        ];
        let mut around: Vec<SecBuffer> = others.iter().map(|&kind| buffer(kind, &mut bytes)).collect();
        // A length at no place, and a place without a length.
        around.push(SecBuffer { cbBuffer: 77, ..NOWHERE });
        around.push(SecBuffer { cbBuffer: 0, ..around[0] });
        around.push(SecBuffer {
            cbBuffer: 77,
            BufferType: SECBUFFER_EXTRA,
            pvBuffer: ptr::without_provenance_mut(0x20),
        });
        let [alice, service] = [raw.contexts.client(package, "correct horse"), raw.contexts.server(package)];
        for token_at in [0, around.len() / 2, around.len()] {
            let with_token = |token: SecBuffer| {
                let mut all = around.clone();
                all.insert(token_at, token);
                all
            };
            let (mut client, mut server) = (None::<Handle>, None::<Handle>);
            let mut received: Vec<u8> = Vec::new();
            let mut ends = [false; 2];
            for step in 0..8 {
                let is_client = step % 2 == 0;
                let mut input = with_token(buffer(SECBUFFER_TOKEN, &mut received));
                let mut room = vec![0; 20_000];
                let mut output = with_token(buffer(SECBUFFER_TOKEN, &mut room));
                let side = if is_client { &mut client } else { &mut server };
                let mut new = side.unwrap_or(Handle { lower: UNTOUCHED, upper: UNTOUCHED });
                let context = if side.is_some() { &raw const new } else { ptr::null() };
                let (given, made) = (describe(&mut input), &mut describe(&mut output));
                let status = if is_client {
                    raw.initialize(&raw const alice, context, 0, &raw const given, &raw mut new, made)
                } else {
                    raw.accept(&raw const service, context, &raw const given, &raw mut new, made)
                };
                assert!(
                    [SEC_I_CONTINUE_NEEDED, SEC_E_OK].contains(&status),
                    "{package}, {step}: {status:#x}"
                );
                *side = Some(new);
                ends[step % 2] = status == SEC_E_OK;
                let sent = output[token_at].cbBuffer as usize;
                for (index, other) in output.iter().enumerate().filter(|(index, _)| *index != token_at) {
                    let before = around[index - usize::from(index > token_at)];
                    assert_eq!((other.cbBuffer, other.pvBuffer), (before.cbBuffer, before.pvBuffer));
                }
                received = room[..sent].to_vec();
                if ends == [true; 2] && received.is_empty() {
                    break;
                }
            }
            assert_eq!(ends, [true; 2], "{package}");
        }
        assert_eq!(&bytes, b"not for this package");
    });
}

/// S5, R1: a later step may name its context twice, in two places, or only as the old one.
#[test]
fn a_later_step_names_its_context_in_any_way() {
    in_each_package("a_later_step_names_its_context_in_any_way", |package, raw| {
        for way in 0..3 {
            let [alice, service] =
                [raw.contexts.client(package, "correct horse"), raw.contexts.server(package)];
            let terms = Terms { target: Some("HTTP/www"), ..Terms::default() };
            let first = raw.contexts.initialize(Some(&alice), None, None, &terms);
            if first.status == SEC_E_OK {
                continue;
            }
            let mut second = raw.contexts.accept(Some(&service), None, Some(&first.token), &terms);
            let mut old = first.context;
            let mut new = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
            let place: *mut Handle = match way {
                0 => &raw mut old,
                1 => &raw mut new,
                _ => ptr::null_mut(),
            };
            let mut input = [buffer(SECBUFFER_TOKEN, &mut second.token)];
            let mut room = vec![0; 20_000];
            let mut output = [buffer(SECBUFFER_TOKEN, &mut room)];
            let context = if way == 0 { place.cast_const() } else { &raw const old };
            let status = raw.initialize(
                ptr::null(),
                context,
                0,
                &describe(&mut input),
                place,
                &mut describe(&mut output),
            );
            assert!([SEC_I_CONTINUE_NEEDED, SEC_E_OK].contains(&status), "{package}, {way}: {status:#x}");
            assert_eq!(old.lower, first.context.lower);
            if way == 1 {
                assert_eq!(new.lower, first.context.lower, "{package}");
            }
        }
    });
}

/// S5: what an output descriptor lacks is a status, and nothing is written elsewhere.
#[test]
fn an_output_without_room_for_a_token_is_refused() {
    in_each_package("an_output_without_room_for_a_token_is_refused", |package, raw| {
        let alice = raw.contexts.client(package, "correct horse");
        let mut one = [0xEE_u8; 1];
        let mut data = [0xEE_u8; 9];
        let none = SecBufferDesc { ulVersion: SECBUFFER_VERSION, cBuffers: 0, pBuffers: ptr::null_mut() };
        let mut at_nothing = SecBufferDesc { cBuffers: 1, ..none };
        let mut null_token = [SecBuffer { cbBuffer: 4096, ..empty(SECBUFFER_TOKEN) }];
        let mut short = [buffer(SECBUFFER_TOKEN, &mut one)];
        let mut no_token = [buffer(SECBUFFER_DATA, &mut data)];
        for (output, expected) in [
            (ptr::null_mut(), SEC_E_INVALID_TOKEN),
            (ptr::from_mut(&mut { none }), SEC_E_INVALID_TOKEN),
            (&raw mut at_nothing, SEC_E_INVALID_TOKEN),
            (ptr::from_mut(&mut describe(&mut no_token)), SEC_E_INVALID_TOKEN),
            (ptr::from_mut(&mut describe(&mut null_token)), SEC_E_BUFFER_TOO_SMALL),
            (ptr::from_mut(&mut describe(&mut short)), SEC_E_BUFFER_TOO_SMALL),
        ] {
            let mut new = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
            let status = raw.initialize(&raw const alice, ptr::null(), 0, ptr::null(), &raw mut new, output);
            assert_eq!((status, new.lower), (expected, UNTOUCHED), "{package}: {status:#x}");
        }
        assert_eq!((one, data), ([0xEE], [0xEE; 9]));
        let mut room = vec![0; 20_000];
        let mut output = [buffer(SECBUFFER_TOKEN, &mut room)];
        let output = &mut describe(&mut output);
        let nowhere = ptr::null_mut();
        let status = raw.initialize(&raw const alice, ptr::null(), 0, ptr::null(), nowhere, output);
        assert_eq!(status, SEC_E_INVALID_PARAMETER, "no place for a new context");
    });
}

/// S6: what the SSP is to allocate replaces the caller's pointer, whatever it was, and is freed by its own function.
#[test]
fn allocated_output_replaces_what_the_pointer_was() {
    in_each_package("allocated_output_replaces_what_the_pointer_was", |package, raw| {
        let alice = raw.contexts.client(package, "correct horse");
        let mut own = [0xEE_u8; 64];
        let at = own.as_mut_ptr().cast::<c_void>();
        for token in [
            empty(SECBUFFER_TOKEN),
            buffer(SECBUFFER_TOKEN, &mut own),
            SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_TOKEN, pvBuffer: at },
            SecBuffer {
                pvBuffer: ptr::without_provenance_mut(0x20),
                cbBuffer: 9,
                BufferType: SECBUFFER_TOKEN,
            },
        ] {
            // The token's buffer isn't the first.
            let mut output = [empty(SECBUFFER_EMPTY), token];
            let mut new = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
            let status = raw.initialize(
                &raw const alice,
                ptr::null(),
                ISC_REQ_ALLOCATE_MEMORY,
                ptr::null(),
                &raw mut new,
                &mut describe(&mut output),
            );
            assert!([SEC_I_CONTINUE_NEEDED, SEC_E_OK].contains(&status), "{package}: {status:#x}");
            assert!(output[1].cbBuffer > 0 && output[1].pvBuffer != at, "{package}");
            assert!(output[0].pvBuffer.is_null());
            assert_eq!(raw.contexts.mock.sspi::<Wide>().free_buffer(output[1].pvBuffer), SEC_E_OK);
        }
        assert_eq!(own, [0xEE; 64]);
    });
}
