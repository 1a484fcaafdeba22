//! The table of an SSP that a test makes up: what the mock doesn't do, and others may.
#![allow(
    clippy::missing_safety_doc,
    clippy::multiple_unsafe_ops_per_block,
    reason = "an SSP as C code has it: every pointer is to what the function's page says"
)]

use std::{
    ffi::c_void,
    ptr, slice,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
};

use windows_sys::Win32::{
    Foundation::{SEC_E_INVALID_TOKEN, SEC_E_OK, SEC_I_INCOMPLETE_CREDENTIALS},
    Security::{
        Authentication::Identity::{
            SECBUFFER_DATA, SECBUFFER_PADDING, SECBUFFER_STREAM, SECBUFFER_TOKEN, SECPKG_ATTR_SIZES,
            SecBuffer, SecBufferDesc, SecPkgContext_Sizes, SecurityFunctionTableW,
        },
        Credentials::SecHandle,
    },
};

use super::{CredentialHandle, FunctionTable, SecurityInterface, memory::ChannelBindings};
use crate::{
    Identity, SecurityStatus, SignIn,
    context::{ContextRequest, Protection, Role, Sealed},
    loader::{Progress, Refusal},
};

/// An interface over a table that lives as long as the test.
fn interface(table: SecurityFunctionTableW) -> FunctionTable {
    FunctionTable { table: ptr::NonNull::from(Box::leak(Box::new(table))), _module: Arc::new(()) }
}

/// A package that pads to eight bytes, whose "encryption" counts: +1, and its token is "tok".
fn padding() -> FunctionTable {
    interface(SecurityFunctionTableW {
        InitializeSecurityContextW: Some(initialize::<SEC_E_OK>),
        QueryContextAttributesW: Some(query_sizes),
        EncryptMessage: Some(encrypt),
        DecryptMessage: Some(decrypt),
        FreeContextBuffer: Some(free_nothing),
        ..SecurityFunctionTableW::default()
    })
}

/// S4: what a package pads with travels behind the message, and is not part of it.
#[test]
fn a_package_may_pad() {
    let interface = padding();
    let context = first_step(&interface).unwrap();
    for message in [&b""[..], b"abc", b"eight by", b"eight byte"] {
        let sealed = interface.wrap(&context, message, Protection::Encrypt).unwrap();
        assert_eq!(sealed.token, b"tok");
        assert_eq!(sealed.data.len(), message.len().next_multiple_of(8), "{message:?}");
        assert_eq!(interface.unwrap(&context, &sealed), Ok((message.to_vec(), Protection::Encrypt)));
    }
}

/// S5: a message that an SSP says lies somewhere else is not read.
#[test]
fn a_message_outside_of_its_stream_is_refused() {
    let interface = padding();
    let context = first_step(&interface).unwrap();
    for token in [*b"bef", *b"beh"] {
        let sealed = Sealed { token: token.to_vec(), data: vec![0; 8] };
        assert_eq!(interface.unwrap(&context, &sealed), Err(SecurityStatus::INTERNAL_ERROR));
    }
}

/// S3: a status that is neither the end nor a reason to go on leaves a context to delete.
#[test]
fn an_informational_status_of_another_kind_is_a_refusal() {
    let interface = interface(SecurityFunctionTableW {
        InitializeSecurityContextW: Some(initialize::<SEC_I_INCOMPLETE_CREDENTIALS>),
        FreeContextBuffer: Some(free_nothing),
        ..SecurityFunctionTableW::default()
    });
    let mut context = None;
    let credential = CredentialHandle(SecHandle::default());
    let refused =
        interface.step(Role::Initiator, &credential, &mut context, &ContextRequest::new(), b"").unwrap_err();
    assert_eq!(refused.status, SecurityStatus(SEC_I_INCOMPLETE_CREDENTIALS));
    assert!(context.is_some());
}

/// S6: a token is given back by the SSP's own function, once and overwritten, of a step that fails too. An acceptor
/// always gets a token, were it an empty one.
#[test]
fn what_an_ssp_hands_out_is_overwritten_and_given_back_once() {
    let interface = interface(SecurityFunctionTableW {
        AcceptSecurityContext: Some(accept),
        FreeContextBuffer: Some(take_back),
        ..SecurityFunctionTableW::default()
    });
    let (mut context, credential) = (None, CredentialHandle(SecHandle::default()));
    for (given_back, received, is_met) in [(1, &b"hello"[..], true), (2, b"", false)] {
        for (byte, value) in HANDED_OUT.iter().zip(b"token") {
            byte.store(*value, SeqCst);
        }
        let step =
            interface.step(Role::Acceptor, &credential, &mut context, &ContextRequest::new(), received);
        let expected = if is_met {
            Ok((Progress::Complete, b"token".to_vec()))
        } else {
            Err(Refusal { status: SecurityStatus::INVALID_TOKEN, token: Some(b"token".to_vec()) })
        };
        assert_eq!(step, expected);
        assert_eq!(GIVEN_BACK.load(SeqCst), given_back);
    }
}

/// S2: an empty place in the table.
#[test]
fn an_empty_table_supports_nothing() {
    let interface = interface(SecurityFunctionTableW::default());
    assert_eq!(first_step(&interface).err(), Some(SecurityStatus::UNSUPPORTED_FUNCTION));
    assert_eq!(interface.acquire_inbound("MSN").err(), Some(SecurityStatus::UNSUPPORTED_FUNCTION));
    let credential = CredentialHandle(SecHandle::default());
    for unsupported in [
        interface.add_credentials(&credential, "MSN", &SignIn::silent()),
        interface.change_password("NTLM", Identity { user: "", domain: "", password: "" }, ""),
    ] {
        assert_eq!(unsupported, Err(SecurityStatus::UNSUPPORTED_FUNCTION));
    }
    assert_eq!(
        interface.import("MSN", Role::Acceptor, b"").err(),
        Some(SecurityStatus::UNSUPPORTED_FUNCTION)
    );
}

/// S5: the header is that of a structure without addresses, and the data stands behind it.
#[test]
fn channel_bindings_are_laid_out_as_the_page_says() {
    for data in [&b""[..], b"a", b"abcd", b"abcde"] {
        let mut bindings = ChannelBindings::new(data).unwrap();
        let buffer = bindings.buffer();
        assert_eq!(buffer.pvBuffer.addr() % 4, 0);
        // SAFETY: the buffer is that long, and `bindings` is alive.
        let bytes = unsafe { slice::from_raw_parts(buffer.pvBuffer.cast::<u8>(), buffer.cbBuffer as usize) };
        assert_eq!(&bytes[..24], [0; 24]);
        assert_eq!(&bytes[24..28], u32::try_from(data.len()).unwrap().to_ne_bytes());
        assert_eq!(&bytes[28..32], 32u32.to_ne_bytes());
        assert_eq!(&bytes[32..], data);
    }
}

fn first_step(interface: &FunctionTable) -> Result<super::ContextHandle, SecurityStatus> {
    let (mut context, credential) = (None, CredentialHandle(SecHandle::default()));
    interface
        .step(Role::Initiator, &credential, &mut context, &ContextRequest::new(), b"")
        .map_err(|refused| refused.status)?;
    context.ok_or(SecurityStatus::INTERNAL_ERROR)
}

unsafe extern "system" fn initialize<const STATUS: i32>(
    _credential: *mut SecHandle,
    _context: *mut SecHandle,
    _target: *mut u16,
    _flags: u32,
    _reserved: u32,
    _representation: u32,
    input: *mut SecBufferDesc,
    _reserved_too: u32,
    new: *mut SecHandle,
    _output: *mut SecBufferDesc,
    _attributes: *mut u32,
    _expiry: *mut i64,
) -> i32 {
    assert!(input.is_null(), "a first step has no token");
    // SAFETY: the caller passes a place for the handle.
    unsafe { new.write(SecHandle { dwLower: 1, dwUpper: 1 }) };
    STATUS
}

unsafe extern "system" fn accept(
    _credential: *mut SecHandle,
    _context: *mut SecHandle,
    input: *mut SecBufferDesc,
    _flags: u32,
    _representation: u32,
    new: *mut SecHandle,
    output: *mut SecBufferDesc,
    _attributes: *mut u32,
    _expiry: *mut i64,
) -> i32 {
    // SAFETY: the caller passes buffers for this call.
    let ([received], [sent]) = (unsafe { (buffers(input), buffers(output)) }) else { panic!("two buffers") };
    assert_eq!([received.BufferType, sent.BufferType], [SECBUFFER_TOKEN; 2]);
    sent.pvBuffer = HANDED_OUT.as_ptr().cast_mut().cast();
    sent.cbBuffer = 5;
    // SAFETY: the caller passes a place for the handle.
    unsafe { new.write(SecHandle { dwLower: 1, dwUpper: 1 }) };
    if received.cbBuffer == 0 { SEC_E_INVALID_TOKEN } else { SEC_E_OK }
}

unsafe extern "system" fn take_back(memory: *mut c_void) -> i32 {
    assert_eq!(memory.addr(), HANDED_OUT.as_ptr().addr());
    assert!(HANDED_OUT.iter().all(|byte| byte.load(SeqCst) == 0));
    GIVEN_BACK.fetch_add(1, SeqCst);
    SEC_E_OK
}

static HANDED_OUT: [AtomicU8; 5] = [const { AtomicU8::new(0) }; 5];
static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);

unsafe extern "system" fn query_sizes(_: *mut SecHandle, attribute: u32, structure: *mut c_void) -> i32 {
    assert_eq!(attribute, SECPKG_ATTR_SIZES);
    let sizes =
        SecPkgContext_Sizes { cbMaxToken: 16, cbMaxSignature: 16, cbBlockSize: 8, cbSecurityTrailer: 16 };
    // SAFETY: the caller passes the attribute's structure.
    unsafe { structure.cast::<SecPkgContext_Sizes>().write(sizes) };
    SEC_E_OK
}

unsafe extern "system" fn encrypt(_: *mut SecHandle, qop: u32, message: *mut SecBufferDesc, _: u32) -> i32 {
    assert_eq!(qop, 0);
    // SAFETY: the caller passes buffers, each as long as it says, for this call.
    let [token, data, padding] = (unsafe { buffers(message) }) else { panic!("three buffers") };
    assert_eq!(
        [token.BufferType, data.BufferType, padding.BufferType],
        [SECBUFFER_TOKEN, SECBUFFER_DATA, SECBUFFER_PADDING]
    );
    let pad = data.cbBuffer.next_multiple_of(8) - data.cbBuffer;
    // SAFETY: what is tested passes buffers, each as long as it says, for this call.
    unsafe {
        bytes(token)[..3].copy_from_slice(b"tok");
        bytes(padding)[..pad as usize].fill(0xFF);
        for byte in bytes(data) {
            *byte += 1;
        }
    }
    (token.cbBuffer, padding.cbBuffer) = (3, pad);
    SEC_E_OK
}

unsafe extern "system" fn decrypt(
    _: *mut SecHandle,
    message: *mut SecBufferDesc,
    _: u32,
    qop: *mut u32,
) -> i32 {
    // SAFETY: what is tested passes buffers, each as long as it says, for this call.
    let [stream, data] = (unsafe { buffers(message) }) else { panic!("two buffers") };
    assert_eq!([stream.BufferType, data.BufferType], [SECBUFFER_STREAM, SECBUFFER_DATA]);
    // SAFETY: what is tested passes buffers, each as long as it says, for this call.
    let (token, rest) = unsafe { bytes(stream) }.split_at_mut(3);
    let padding = rest.iter().rev().take_while(|&&byte| byte == 0xFF).count();
    let length = rest.len() - padding;
    rest[..length].iter_mut().for_each(|byte| *byte = byte.wrapping_sub(1));
    data.cbBuffer = u32::try_from(length).unwrap();
    data.pvBuffer = match &*token {
        b"bef" => stream.pvBuffer.wrapping_byte_sub(1),
        b"beh" => rest.as_mut_ptr().wrapping_add(1).cast(),
        _ => rest.as_mut_ptr().cast(),
    };
    // SAFETY: the caller passes a place for it.
    unsafe { qop.write(0) };
    SEC_E_OK
}

unsafe extern "system" fn free_nothing(_: *mut c_void) -> i32 {
    panic!("nothing was handed out")
}

/// # Safety
/// The description is of that many buffers, which live as long as is said.
unsafe fn buffers<'a>(message: *mut SecBufferDesc) -> &'a mut [SecBuffer] {
    // SAFETY: the caller promises buffers, each as long as it says.
    unsafe { slice::from_raw_parts_mut((*message).pBuffers, (*message).cBuffers as usize) }
}

/// # Safety
/// The buffer is as long as it says, and its memory lives as long as is said.
unsafe fn bytes<'a>(buffer: &SecBuffer) -> &'a mut [u8] {
    // SAFETY: the caller promises buffers, each as long as it says.
    unsafe { slice::from_raw_parts_mut(buffer.pvBuffer.cast(), buffer.cbBuffer as usize) }
}
