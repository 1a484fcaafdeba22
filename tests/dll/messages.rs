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

/// Runs a test with a client and a server that have this, once with each package.
#[track_caller]
fn with_flags(test: &str, flags: u32, body: impl Fn(Contexts<'_, Wide>, Pair)) {
    with_packages(test, flags, |_, contexts, pair| body(contexts, pair));
}

#[track_caller]
fn with_packages(test: &str, flags: u32, body: impl Fn(&str, Contexts<'_, Wide>, Pair)) {
    let config = format!("[[package]]\nname = 'MSN'\n{CONFIG}");
    configured(test, &config, || {
        let mock = Mock::own("MSNSSPC");
        let contexts = mock.contexts::<Wide>();
        // A package that Negotiate chooses may need one; others take it.
        let terms = Terms { flags, target: Some("HTTP/www"), ..Terms::default() };
        for package in ["NTLM", "Kerberos", "Negotiate", "MSN"] {
            body(package, contexts, contexts.shake(package, &terms, &Terms::default()));
        }
    });
}

const ALL: u32 = ISC_REQ_CONFIDENTIALITY | ISC_REQ_SEQUENCE_DETECT | ISC_REQ_REPLAY_DETECT;

/// Room for a token, as large as the context says.
fn trailer<F: Form>(contexts: Contexts<'_, F>, context: &Handle) -> Vec<u8> {
    let sizes: SecPkgContext_Sizes = contexts.query(context, SECPKG_ATTR_SIZES).unwrap();
    assert!(sizes.cbSecurityTrailer >= sizes.cbMaxSignature);
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
    // SAFETY: the buffer's bytes live, there are some, and no other code looks at them now.
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
        token.truncate(buffers[0].cbBuffer as usize);
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
        let short = SecBuffer { cbBuffer: 15, ..whole };
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

/// P9: `SECPKG_ATTR_SIZES`, and what `EncryptMessage` and `MakeSignature` leave in `cbBuffer`.
#[test]
fn sizes_are_kept_and_not_only_announced() {
    with_packages("sizes_are_kept_and_not_only_announced", ALL, |package, contexts, pair| {
        let (announced, used, signature) = match package {
            "MSN" => (28, 28, 28),
            "NTLM" => (16, 16, 16),
            _ => (76, 60, 28),
        };
        for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
            let sizes: SecPkgContext_Sizes = contexts.query(&from, SECPKG_ATTR_SIZES).unwrap();
            let max_token = match package {
                "NTLM" => 2_888,
                "MSN" => 4_096,
                // What Negotiate chose, Kerberos.
                _ => 48_000,
            };
            let found = (sizes.cbSecurityTrailer, sizes.cbMaxSignature, sizes.cbBlockSize, sizes.cbMaxToken);
            assert_eq!(found, (announced, signature, 1, max_token), "{package}");
            let mut token = vec![0xEE; announced as usize + 10];
            let mut data = *b"some data";
            for room in [announced, announced + 10] {
                let mut buffers = [buffer(SECBUFFER_TOKEN, &mut token), buffer(SECBUFFER_DATA, &mut data)];
                buffers[0].cbBuffer = room;
                assert_eq!(contexts.encrypt(&from, 0, &mut buffers), SEC_E_OK);
                assert_eq!(buffers.map(|buffer| buffer.cbBuffer), [used, 9], "{package}");
                assert_eq!(contexts.decrypt(&to, &mut buffers), (SEC_E_OK, 0));
                buffers[0].cbBuffer = room;
                assert_eq!(contexts.sign(&from, 0, &mut buffers), SEC_E_OK);
                assert_eq!(buffers.map(|buffer| buffer.cbBuffer), [signature, 9], "{package}");
                assert_eq!(contexts.verify(&to, &mut buffers), (SEC_E_OK, 0));
            }
            assert_eq!(&data, b"some data");
            assert!(token[used as usize..].iter().all(|&byte| byte == 0xEE), "{package}");
        }
    });
}

/// P9: a configuration can make a package like one whose sizes are others, and that pads.
#[test]
fn sizes_can_be_configured() {
    let kerberos = "[[package]]\nname = 'Kerberos'\ntrailer-size = 200\ntrailer-used = 90\nblock-size = 8\n";
    let config = format!("{CONFIG}\n{kerberos}");
    configured("sizes_can_be_configured", &config, || {
        let mock = Mock::own("MSNSSPC");
        let contexts = mock.contexts::<Wide>();
        let pair = contexts.shake("Kerberos", &Terms { flags: ALL, ..Terms::default() }, &Terms::default());
        let sizes: SecPkgContext_Sizes = contexts.query(&pair.client, SECPKG_ATTR_SIZES).unwrap();
        assert_eq!((sizes.cbSecurityTrailer, sizes.cbBlockSize, sizes.cbMaxSignature), (200, 8, 28));
        for qop in [0, SECQOP_WRAP_NO_ENCRYPT] {
            let (mut token, mut data, mut padding) = ([0; 200], *b"eleven byte", [0; 8]);
            let mut buffers = [
                buffer(SECBUFFER_TOKEN, &mut token),
                buffer(SECBUFFER_DATA, &mut data),
                buffer(SECBUFFER_PADDING, &mut padding),
            ];
            let [token_and_data @ .., _] = &mut { buffers };
            assert_eq!(contexts.encrypt(&pair.client, qop, token_and_data), SEC_E_INVALID_TOKEN);
            assert_eq!(contexts.encrypt(&pair.client, qop, &mut buffers), SEC_E_OK);
            assert_eq!(buffers.map(|buffer| buffer.cbBuffer), [90, 11, 5]);
            let mut whole = [&token[..90], &data, &padding[..5]].concat();
            let nothing = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_DATA, pvBuffer: ptr::null_mut() };
            let mut in_one = [buffer(SECBUFFER_STREAM, &mut whole), nothing];
            assert_eq!(contexts.decrypt(&pair.server, &mut in_one), (SEC_E_OK, qop));
            assert_eq!(in_one[1].cbBuffer, 11);
            assert_eq!(&whole[90..101], b"eleven byte");
        }
    });
}

/// P9, S4: the buffers of clients that other people wrote. Each is encrypted in one of their shapes and decrypted in all.
#[test]
fn messages_arrive_in_every_shape_that_clients_use() {
    const READ_ONLY: u32 = SECBUFFER_READONLY;
    with_packages("messages_arrive_in_every_shape_that_clients_use", ALL, |package, contexts, pair| {
        let (client, server) = (&pair.client, &pair.server);
        let nothing = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_DATA, pvBuffer: ptr::null_mut() };
        for encrypting in ["token, data, padding", "data, token", "token, data", "all in one array"] {
            for decrypting in
                ["stream, data", "data, token", "token, data", "read-only token", "padding", "more room"]
            {
                let mut token = trailer(contexts, client);
                let (mut data, mut padding) = (b"a message".to_vec(), [0; 1]);
                let t = buffer(SECBUFFER_TOKEN, &mut token);
                let d = buffer(SECBUFFER_DATA, &mut data);
                let p = buffer(SECBUFFER_PADDING, &mut padding);
                let used = match encrypting {
                    // winkerberos, pywin32's wrap, .NET.
                    "token, data, padding" => {
                        let mut buffers = [t, d, p];
                        assert_eq!(contexts.encrypt(client, 0, &mut buffers), SEC_E_OK, "{package}");
                        assert_eq!(buffers[2].cbBuffer, 0);
                        buffers[0].cbBuffer
                    }
                    // pywin32's encrypt.
                    "data, token" => {
                        let mut buffers = [d, t];
                        assert_eq!(contexts.encrypt(client, 0, &mut buffers), SEC_E_OK, "{package}");
                        buffers[1].cbBuffer
                    }
                    // pyspnego's wrap_winrm, FreeTDS.
                    "token, data" => {
                        let mut buffers = [t, d];
                        assert_eq!(contexts.encrypt(client, 0, &mut buffers), SEC_E_OK, "{package}");
                        buffers[0].cbBuffer
                    }
                    // libcurl: token, data and padding one after the other in one piece of memory.
                    _ => {
                        let mut whole = [&token[..], &data, &padding].concat();
                        let (first, rest) = whole.split_at_mut(token.len());
                        let (second, third) = rest.split_at_mut(data.len());
                        let mut buffers = [
                            buffer(SECBUFFER_TOKEN, first),
                            buffer(SECBUFFER_DATA, second),
                            buffer(SECBUFFER_PADDING, third),
                        ];
                        assert_eq!(contexts.encrypt(client, 0, &mut buffers), SEC_E_OK, "{package}");
                        let used = buffers[0].cbBuffer;
                        token.copy_from_slice(first);
                        data.copy_from_slice(second);
                        used
                    }
                };
                token.truncate(used as usize);
                let t = buffer(SECBUFFER_TOKEN, &mut token);
                let d = buffer(SECBUFFER_DATA, &mut data);
                let name = format!("{package}: {encrypting}; {decrypting}");
                let decrypted = match decrypting {
                    "stream, data" => {
                        let mut whole = [&token[..], &data].concat();
                        let mut buffers = [buffer(SECBUFFER_STREAM, &mut whole), nothing];
                        assert_eq!(contexts.decrypt(server, &mut buffers), (SEC_E_OK, 0), "{name}");
                        assert_eq!(buffers[1].cbBuffer, 9);
                        assert_eq!(buffers[0].cbBuffer as usize, whole.len());
                        whole[used as usize..].to_vec()
                    }
                    shape => {
                        let mut buffers = match shape {
                            "data, token" => vec![d, t],
                            "read-only token" => {
                                vec![SecBuffer { BufferType: SECBUFFER_TOKEN | READ_ONLY, ..t }, d]
                            }
                            "padding" => vec![t, d, SecBuffer { cbBuffer: 0, ..p }],
                            // A place for padding that no call has shortened.
                            "more room" => vec![t, d, p],
                            _ => vec![t, d],
                        };
                        assert_eq!(contexts.decrypt(server, &mut buffers), (SEC_E_OK, 0), "{name}");
                        data.clone()
                    }
                };
                assert_eq!(decrypted, b"a message", "{name}");
            }
        }
    });
}

/// P9: RPC's fragments: a header and a security trailer that are only signed, around a body in pieces.
#[test]
fn a_fragment_of_rpc_is_sealed_in_pieces() {
    const CHECKED: u32 = SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM;
    with_packages("a_fragment_of_rpc_is_sealed_in_pieces", ALL, |package, contexts, pair| {
        let mut token = trailer(contexts, &pair.client);
        let (mut head, mut tail) = (*b"rpc header, 24 bytes lon", *b"8 bytes.");
        let (mut first, mut second) = (*b"stub data, ", *b"more of it");
        let mut buffers = [
            buffer(CHECKED, &mut head),
            buffer(SECBUFFER_DATA, &mut first),
            buffer(SECBUFFER_DATA, &mut second),
            buffer(CHECKED, &mut tail),
            buffer(SECBUFFER_TOKEN, &mut token),
        ];
        assert_eq!(contexts.encrypt(&pair.client, 0, &mut buffers), SEC_E_OK, "{package}");
        for checked in [0, 3] {
            flip(&buffers[checked]);
            assert_eq!(contexts.decrypt(&pair.server, &mut buffers).0, SEC_E_MESSAGE_ALTERED, "{package}");
            flip(&buffers[checked]);
        }
        assert_eq!(contexts.decrypt(&pair.server, &mut buffers), (SEC_E_OK, 0), "{package}");
        assert_eq!((&first, &second), (b"stub data, ", b"more of it"));
    });
}

/// P10: a signed wrap has the room that it needs, and says what it was.
#[test]
fn with_integrity_alone_a_message_is_wrapped_in_the_announced_room() {
    let test = "with_integrity_alone_a_message_is_wrapped_in_the_announced_room";
    with_packages(test, ISC_REQ_INTEGRITY, |package, contexts, pair| {
        for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
            let mut token = trailer(contexts, &from);
            let (mut data, mut padding) = (*b"in the clear", [0; 1]);
            let mut buffers = [
                buffer(SECBUFFER_TOKEN, &mut token),
                buffer(SECBUFFER_DATA, &mut data),
                buffer(SECBUFFER_PADDING, &mut padding),
            ];
            let wrapped = contexts.encrypt(&from, SECQOP_WRAP_NO_ENCRYPT, &mut buffers);
            assert_eq!(wrapped, SEC_E_OK, "{package}");
            token.truncate(buffers[0].cbBuffer as usize);
            let mut stream = [&token[..], &data].concat();
            let nothing = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_DATA, pvBuffer: ptr::null_mut() };
            let mut buffers = [buffer(SECBUFFER_STREAM, &mut stream), nothing];
            assert_eq!(contexts.decrypt(&to, &mut buffers), (SEC_E_OK, SECQOP_WRAP_NO_ENCRYPT), "{package}");
            assert_eq!(stream[token.len()..], *b"in the clear");
        }
    });
}

/// S4, P10
#[test]
fn what_was_not_asked_for_can_not_be_done() {
    let test = "what_was_not_asked_for_can_not_be_done";
    with_packages(test, ISC_REQ_INTEGRITY, |package, contexts, pair| {
        let mut token = trailer(contexts, &pair.client);
        let mut data = [1u8; 16];
        let mut buffers = [buffer(SECBUFFER_DATA, &mut data), buffer(SECBUFFER_TOKEN, &mut token)];
        assert_eq!(contexts.encrypt(&pair.client, 0, &mut buffers), SEC_E_UNSUPPORTED_FUNCTION);
        assert_eq!(contexts.sign(&pair.client, 0, &mut buffers), SEC_E_OK);
        assert_eq!(contexts.verify(&pair.server, &mut buffers), (SEC_E_OK, 0));
        let bare = contexts.shake(package, &Terms::default(), &Terms::default());
        let sizes: SecPkgContext_Sizes = contexts.query(&bare.client, SECPKG_ATTR_SIZES).unwrap();
        assert_eq!((sizes.cbSecurityTrailer, sizes.cbMaxSignature), (0, 0), "{package}");
    });
}
