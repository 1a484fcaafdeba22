//! Messages of the mock DLLs, in the shapes of buffers that clients use.

use std::ptr;

use sspcache_tests::{
    context::{CONFIG, Contexts, Pair, Terms, buffer, configured},
    dll::{Form, Handle, Mock, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_BUFFER_TOO_SMALL, SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER, SEC_E_INVALID_TOKEN,
        SEC_E_MESSAGE_ALTERED, SEC_E_OK, SEC_E_OUT_OF_SEQUENCE, SEC_E_QOP_NOT_SUPPORTED,
        SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::Authentication::Identity::{
        ISC_REQ_CONFIDENTIALITY, ISC_REQ_INTEGRITY, ISC_REQ_REPLAY_DETECT, ISC_REQ_SEQUENCE_DETECT,
        SECBUFFER_DATA, SECBUFFER_PADDING, SECBUFFER_READONLY, SECBUFFER_READONLY_WITH_CHECKSUM,
        SECBUFFER_STREAM, SECBUFFER_TOKEN, SECPKG_ATTR_SIZES, SECQOP_WRAP_NO_ENCRYPT, SecBuffer,
        SecPkgContext_Sizes,
    },
};

/// Runs a test with a client and a server that have this.
#[track_caller]
fn with_flags(test: &str, flags: u32, body: impl Fn(Contexts<'_, Wide>, Pair)) {
    configured(test, CONFIG, || {
        let mock = Mock::own("MSNSSPC");
        let contexts = mock.contexts::<Wide>();
        let pair = contexts.shake("NTLM", &Terms { flags, ..Terms::default() }, &Terms::default());
        body(contexts, pair);
    });
}

const ALL: u32 = ISC_REQ_CONFIDENTIALITY | ISC_REQ_SEQUENCE_DETECT | ISC_REQ_REPLAY_DETECT;

/// Room for a token, as large as the context says.
fn trailer<F: Form>(contexts: Contexts<'_, F>, context: &Handle) -> Vec<u8> {
    let sizes: SecPkgContext_Sizes = contexts.query(context, SECPKG_ATTR_SIZES).unwrap();
    assert_eq!(sizes.cbSecurityTrailer, sizes.cbMaxSignature);
    vec![0; sizes.cbSecurityTrailer as usize]
}

/// S4: token, data, padding, as WinRM sends them.
#[test]
fn a_message_in_pieces_arrives() {
    with_flags("a_message_in_pieces_arrives", ALL, |contexts, pair| {
        for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
            let mut token = trailer(contexts, &from);
            let mut data = b"<s:Envelope/>".to_vec();
            let mut padding = [0u8; 8];
            let mut buffers = [
                buffer(SECBUFFER_TOKEN, &mut token),
                buffer(SECBUFFER_DATA, &mut data),
                buffer(SECBUFFER_PADDING, &mut padding),
            ];
            assert_eq!(contexts.encrypt(&from, 0, &mut buffers), SEC_E_OK);
            assert_eq!(buffers[2].cbBuffer, 0, "nothing is padded");
            assert_ne!(data, b"<s:Envelope/>");
            buffers[1] = buffer(SECBUFFER_DATA, &mut data);
            assert_eq!(contexts.decrypt(&to, &mut buffers), (SEC_E_OK, 0));
            assert_eq!(data, b"<s:Envelope/>");
        }
    });
}

/// Changes the first byte of a buffer, by the pointer that the mock has: another one would void it.
#[allow(unsafe_code, reason = "writes what a C ABI points to")]
fn flip(buffer: &SecBuffer) {
    // SAFETY: the buffer's bytes live, there are some, and nobody else looks at them now.
    unsafe { *buffer.pvBuffer.cast::<u8>() ^= 1 }
}

/// S4: trailer and data in one piece, as LDAP and TDS read them.
#[test]
fn a_message_in_one_piece_arrives() {
    with_flags("a_message_in_one_piece_arrives", ALL, |contexts, pair| {
        let mut token = trailer(contexts, &pair.client);
        let mut data = b"searchRequest".to_vec();
        let mut buffers = [buffer(SECBUFFER_TOKEN, &mut token), buffer(SECBUFFER_DATA, &mut data)];
        assert_eq!(contexts.encrypt(&pair.client, 0, &mut buffers), SEC_E_OK);
        let mut stream = [token.clone(), data.clone()].concat();
        let nothing = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_DATA, pvBuffer: ptr::null_mut() };
        for wrong in [&mut stream.clone()[..token.len() - 1], &mut []] {
            let mut buffers = [buffer(SECBUFFER_STREAM, wrong), nothing];
            assert_eq!(contexts.decrypt(&pair.server, &mut buffers).0, SEC_E_INVALID_TOKEN);
        }
        let mut buffers = [buffer(SECBUFFER_STREAM, &mut stream)];
        assert_eq!(contexts.decrypt(&pair.server, &mut buffers).0, SEC_E_INVALID_TOKEN, "no place for data");
        let mut buffers = [buffer(SECBUFFER_STREAM, &mut stream), nothing];
        assert_eq!(contexts.decrypt(&pair.server, &mut buffers), (SEC_E_OK, 0));
        let [_, found] = buffers;
        assert_eq!(found.pvBuffer.cast::<u8>().cast_const(), stream[token.len()..].as_ptr());
        assert_eq!(found.cbBuffer as usize, data.len());
        assert_eq!(stream[token.len()..], *b"searchRequest");
    });
}

/// S4: a header and a trailer that are signed, around a body that is encrypted, as DCE/RPC sends them; what is
/// read-only without a checksum takes no part.
#[test]
fn what_is_checked_stays_readable_and_can_not_be_changed() {
    with_flags("what_is_checked_stays_readable_and_can_not_be_changed", ALL, |contexts, pair| {
        const CHECKED: u32 = SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM;
        let mut token = trailer(contexts, &pair.client);
        let (mut head, mut body, mut tail) = (b"head".to_vec(), b"body".to_vec(), b"tail".to_vec());
        let mut free = b"free".to_vec();
        let kinds = [CHECKED, SECBUFFER_DATA, CHECKED, SECBUFFER_DATA | SECBUFFER_READONLY, SECBUFFER_TOKEN];
        let mut all = [&mut head[..], &mut body, &mut tail, &mut free, &mut token];
        let mut buffers: Vec<_> =
            kinds.iter().zip(&mut all).map(|(&kind, bytes)| buffer(kind, bytes)).collect();
        assert_eq!(contexts.encrypt(&pair.client, 0, &mut buffers), SEC_E_OK);
        assert_eq!((&all[0][..], &all[2][..], &all[3][..]), (&b"head"[..], &b"tail"[..], &b"free"[..]));
        assert_ne!(*all[1], *b"body");
        for checked in [0, 2] {
            flip(&buffers[checked]);
            assert_eq!(contexts.decrypt(&pair.server, &mut buffers).0, SEC_E_MESSAGE_ALTERED);
            flip(&buffers[checked]);
        }
        flip(&buffers[3]);
        assert_eq!(contexts.decrypt(&pair.server, &mut buffers), (SEC_E_OK, 0));
        assert_eq!(*all[1], *b"body");
    });
}

/// S4
#[test]
fn a_message_may_be_signed_and_not_encrypted() {
    with_flags("a_message_may_be_signed_and_not_encrypted", ALL, |contexts, pair| {
        let mut token = trailer(contexts, &pair.client);
        let mut data = b"in the clear".to_vec();
        let mut buffers = [buffer(SECBUFFER_DATA, &mut data), buffer(SECBUFFER_TOKEN, &mut token)];
        assert_eq!(contexts.encrypt(&pair.client, SECQOP_WRAP_NO_ENCRYPT, &mut buffers), SEC_E_OK);
        assert_eq!(data, b"in the clear");
        assert_eq!(contexts.decrypt(&pair.server, &mut buffers), (SEC_E_OK, SECQOP_WRAP_NO_ENCRYPT));
        assert_eq!(contexts.sign(&pair.client, 0, &mut buffers), SEC_E_OK);
        assert_eq!(contexts.verify(&pair.server, &mut buffers), (SEC_E_OK, 0));
        assert_eq!(contexts.verify(&pair.server, &mut buffers).0, SEC_E_OUT_OF_SEQUENCE, "a replay");
        assert_eq!(contexts.sign(&pair.client, 77, &mut buffers), SEC_E_QOP_NOT_SUPPORTED);
        assert_eq!(contexts.encrypt(&pair.client, 77, &mut buffers), SEC_E_QOP_NOT_SUPPORTED);
        assert_eq!(contexts.sign(&pair.client, 0, &mut buffers), SEC_E_OK);
        flip(&buffers[0]);
        assert_eq!(contexts.verify(&pair.server, &mut buffers).0, SEC_E_MESSAGE_ALTERED);
    });
}

/// S5
#[test]
fn buffers_that_make_no_message_are_refused() {
    with_flags("buffers_that_make_no_message_are_refused", ALL, |contexts, pair| {
        let client = &pair.client;
        let mut token = trailer(contexts, client);
        let mut data = [1u8; 16];
        let whole = buffer(SECBUFFER_TOKEN, &mut token);
        let short = SecBuffer { cbBuffer: whole.cbBuffer - 1, ..whole };
        let body = buffer(SECBUFFER_DATA, &mut data);
        let null = SecBuffer { pvBuffer: ptr::null_mut(), ..body };
        let mut over = body;
        over.pvBuffer = whole.pvBuffer;
        let fixed = SecBuffer { BufferType: SECBUFFER_TOKEN | SECBUFFER_READONLY, ..whole };
        for (mut buffers, status) in [
            (vec![], SEC_E_INVALID_TOKEN),
            (vec![body], SEC_E_INVALID_TOKEN),
            (vec![whole], SEC_E_INVALID_TOKEN),
            (vec![whole, null], SEC_E_INVALID_TOKEN),
            (vec![body, short], SEC_E_BUFFER_TOO_SMALL),
            (vec![body, body, whole], SEC_E_INVALID_PARAMETER),
            (vec![over, whole], SEC_E_INVALID_PARAMETER),
            (vec![over, fixed], SEC_E_INVALID_PARAMETER),
            (vec![body, fixed], SEC_E_INVALID_TOKEN),
        ] {
            assert_eq!(contexts.encrypt(client, 0, &mut buffers), status, "{}", buffers.len());
            assert_eq!(contexts.sign(client, 0, &mut buffers), status, "{}", buffers.len());
        }
        assert_eq!(data, [1; 16]);
        assert_eq!(contexts.decrypt(client, &mut [over, fixed]).0, SEC_E_INVALID_PARAMETER);
        let half = contexts.client("NTLM", "correct horse");
        let half = contexts.initialize(Some(&half), None, None, &Terms::default()).context;
        assert_eq!(contexts.encrypt(&half, 0, &mut [body, whole]), SEC_E_INVALID_HANDLE);
        assert_eq!(contexts.delete(&raw const *client), SEC_E_OK);
        assert_eq!(contexts.encrypt(client, 0, &mut [body, whole]), SEC_E_INVALID_HANDLE);
    });
}

/// S4
#[test]
fn what_was_not_asked_for_can_not_be_done() {
    with_flags("what_was_not_asked_for_can_not_be_done", ISC_REQ_INTEGRITY, |contexts, pair| {
        let sizes: SecPkgContext_Sizes = contexts.query(&pair.client, SECPKG_ATTR_SIZES).unwrap();
        assert_eq!(sizes.cbSecurityTrailer, 0);
        let mut token = vec![0; sizes.cbMaxSignature as usize];
        let mut data = [1u8; 16];
        let mut buffers = [buffer(SECBUFFER_DATA, &mut data), buffer(SECBUFFER_TOKEN, &mut token)];
        assert_eq!(contexts.encrypt(&pair.client, 0, &mut buffers), SEC_E_UNSUPPORTED_FUNCTION);
        assert_eq!(contexts.sign(&pair.client, 0, &mut buffers), SEC_E_OK);
        assert_eq!(contexts.verify(&pair.server, &mut buffers), (SEC_E_OK, 0));
    });
}
