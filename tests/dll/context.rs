//! Contexts of the mock DLLs: handshakes, attributes, flags, and what is refused, in both forms.

use std::{ffi::c_void, ptr};

use sspcache_tests::{
    context::{CONFIG, Contexts, Pair, Terms, bindings, configured},
    dll::{Ansi, Form, Handle, Mock, UNTOUCHED, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_BAD_BINDINGS, SEC_E_BUFFER_TOO_SMALL, SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER,
        SEC_E_INVALID_TOKEN, SEC_E_LOGON_DENIED, SEC_E_NO_CREDENTIALS, SEC_E_NO_IMPERSONATION, SEC_E_OK,
        SEC_E_SECPKG_NOT_FOUND, SEC_E_UNSUPPORTED_FUNCTION, SEC_I_COMPLETE_NEEDED, SEC_I_CONTINUE_NEEDED,
    },
    Security::Authentication::Identity::{
        ASC_REQ_ALLOCATE_MEMORY, ASC_REQ_ALLOW_MISSING_BINDINGS, ASC_RET_CONFIDENTIALITY, ASC_RET_INTEGRITY,
        ASC_RET_MUTUAL_AUTH, ISC_REQ_ALLOCATE_MEMORY, ISC_REQ_CONFIDENTIALITY, ISC_REQ_INTEGRITY,
        ISC_REQ_MUTUAL_AUTH, ISC_RET_CONFIDENTIALITY, ISC_RET_INTEGRITY, ISC_RET_MUTUAL_AUTH,
        SECPKG_ATTR_CLIENT_SPECIFIED_TARGET, SECPKG_ATTR_ENDPOINT_BINDINGS, SECPKG_ATTR_FLAGS,
        SECPKG_ATTR_KEY_INFO, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS, SECPKG_ATTR_LIFESPAN, SECPKG_ATTR_NAMES,
        SECPKG_ATTR_NATIVE_NAMES, SECPKG_ATTR_NEGOTIATION_INFO, SECPKG_ATTR_PACKAGE_INFO,
        SECPKG_ATTR_SESSION_KEY, SECPKG_ATTR_SIZES, SECPKG_ATTR_STREAM_SIZES, SECPKG_ATTR_UNIQUE_BINDINGS,
        SECPKG_CONTEXT_EXPORT_DELETE_OLD, SECPKG_NEGOTIATION_COMPLETE, SECPKG_NEGOTIATION_IN_PROGRESS,
        SECPKG_NEGOTIATION_OPTIMISTIC, SecPkgAttrLastClientTokenYes, SecPkgContext_ClientSpecifiedTarget,
        SecPkgContext_Flags, SecPkgContext_KeyInfoW, SecPkgContext_LastClientTokenStatus,
        SecPkgContext_Lifespan, SecPkgContext_NamesW, SecPkgContext_NativeNamesW,
        SecPkgContext_NegotiationInfoW, SecPkgContext_PackageInfoW, SecPkgContext_SessionKey,
        SecPkgContext_Sizes,
    },
};

const TARGET: Terms<'_> =
    Terms { target: Some("HTTP/www.contoso.com"), flags: 0, bindings: None, room: 4096 };
const NO_TERMS: Terms<'_> = Terms { target: None, flags: 0, bindings: None, room: 4096 };

/// Runs a test in both forms, with the usual configuration.
#[track_caller]
fn in_both_forms(test: &str, ansi: impl Fn(Contexts<'_, Ansi>), wide: impl Fn(Contexts<'_, Wide>)) {
    configured(test, CONFIG, || {
        ansi(Mock::own("MSNSSPC").contexts());
        wide(Mock::own("MSNSSPC").contexts());
    });
}

/// S3
#[test]
fn both_sides_shake_hands_with_buffers_of_either_kind() {
    fn shake<F: Form>(contexts: Contexts<'_, F>) {
        for package in ["NTLM", "Kerberos", "Negotiate"] {
            for (isc, asc) in [(0, 0), (ISC_REQ_ALLOCATE_MEMORY, ASC_REQ_ALLOCATE_MEMORY)] {
                let client = Terms { flags: isc | ISC_REQ_MUTUAL_AUTH | ISC_REQ_CONFIDENTIALITY, ..TARGET };
                let server = Terms { flags: asc, ..NO_TERMS };
                let pair = contexts.shake(package, &client, &server);
                let ntlm = package == "NTLM";
                let [isc, asc] = if ntlm { [0, 0] } else { [ISC_RET_MUTUAL_AUTH, ASC_RET_MUTUAL_AUTH] };
                let all = ISC_RET_MUTUAL_AUTH | ISC_RET_CONFIDENTIALITY | ISC_RET_INTEGRITY;
                assert_eq!(pair.client_flags & all, all & !ISC_RET_MUTUAL_AUTH | isc, "{package}");
                let all = ASC_RET_MUTUAL_AUTH | ASC_RET_CONFIDENTIALITY | ASC_RET_INTEGRITY;
                assert_eq!(pair.server_flags & all, all & !ASC_RET_MUTUAL_AUTH | asc, "{package}");
                assert_eq!(contexts.delete(&raw const pair.client), SEC_E_OK);
                assert_eq!(contexts.delete(&raw const pair.server), SEC_E_OK);
                assert_eq!(contexts.delete(&raw const pair.server), SEC_E_INVALID_HANDLE);
            }
        }
    }
    in_both_forms("both_sides_shake_hands_with_buffers_of_either_kind", shake, shake);
}

/// R1: observed, Wine's Negotiate passes small numbers as the credential there. Without a target it has NTLM's legs.
#[test]
fn a_later_step_does_not_follow_the_pointer_to_its_credential() {
    fn shake<F: Form>(contexts: Contexts<'_, F>) {
        let [alice, service] = [contexts.client("Negotiate", "correct horse"), contexts.server("Negotiate")];
        for number in [0x10, 0x20, usize::MAX] {
            let nowhere = ptr::without_provenance(number);
            let hello = contexts.initialize(Some(&alice), None, None, &NO_TERMS);
            let challenge = contexts.accept(Some(&service), None, Some(&hello.token), &NO_TERMS);
            let proof =
                contexts.initialize_with(nowhere, Some(hello.context), Some(&challenge.token), &NO_TERMS);
            assert_eq!(proof.status, SEC_E_OK, "{number:#x}");
            let accepted =
                contexts.accept_with(nowhere, Some(challenge.context), Some(&proof.token), &NO_TERMS);
            assert_eq!(accepted.status, SEC_E_OK, "{number:#x}");
        }
    }
    in_both_forms("a_later_step_does_not_follow_the_pointer_to_its_credential", shake::<Ansi>, shake::<Wide>);
}

/// The state of a negotiation.
fn negotiated<F: Form>(contexts: Contexts<'_, F>, context: &Handle) -> u32 {
    let info: SecPkgContext_NegotiationInfoW = contexts.query(context, SECPKG_ATTR_NEGOTIATION_INFO).unwrap();
    assert_eq!(free(contexts, info.PackageInfo.cast()), SEC_E_OK);
    info.NegotiationState
}

/// S4
#[test]
fn a_half_open_context_of_negotiate_says_how_far_it_has_come() {
    fn ask<F: Form>(contexts: Contexts<'_, F>) {
        let [alice, service] = [contexts.client("Negotiate", "correct horse"), contexts.server("Negotiate")];
        let client = contexts.initialize(Some(&alice), None, None, &NO_TERMS);
        assert_eq!(negotiated(contexts, &client.context), SECPKG_NEGOTIATION_OPTIMISTIC);
        let server = contexts.accept(Some(&service), None, Some(&client.token), &NO_TERMS);
        assert_eq!(server.status, SEC_I_CONTINUE_NEEDED);
        assert_eq!(negotiated(contexts, &server.context), SECPKG_NEGOTIATION_IN_PROGRESS);
    }
    in_both_forms("a_half_open_context_of_negotiate_says_how_far_it_has_come", ask, ask);
}

/// S4
#[test]
fn both_sides_are_told_the_same() {
    fn ask<F: Form>(contexts: Contexts<'_, F>) {
        let client = Terms { flags: ISC_REQ_CONFIDENTIALITY, ..TARGET };
        for (package, chosen) in [("NTLM", "NTLM"), ("Negotiate", "Kerberos")] {
            let Pair { client, server, client_flags, server_flags } =
                contexts.shake(package, &client, &NO_TERMS);
            let told = [client, server].map(|side| tell(contexts, &side));
            assert_eq!(told[0], told[1]);
            assert_eq!(told[0].0, [r"CONTOSO\alice", r"CONTOSO\alice", "HTTP/www.contoso.com", chosen]);
            assert_eq!(told[0].1.len(), 32);
            for (side, flags) in [(client, client_flags), (server, server_flags)] {
                let found: SecPkgContext_Flags = contexts.query(&side, SECPKG_ATTR_FLAGS).unwrap();
                assert_eq!(found.Flags, flags);
            }
            assert_eq!(negotiated(contexts, &server), SECPKG_NEGOTIATION_COMPLETE, "{package}");
            let token: SecPkgContext_LastClientTokenStatus =
                contexts.query(&server, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS).unwrap();
            assert_eq!(token.LastClientTokenStatus, SecPkgAttrLastClientTokenYes);
            let target: SecPkgContext_ClientSpecifiedTarget =
                contexts.query(&server, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET).unwrap();
            assert_eq!(contexts.take_text(target.sTargetName), "HTTP/www.contoso.com");
        }
    }
    in_both_forms("both_sides_are_told_the_same", ask, ask);
}

/// Client's name, native names and package; session key; lifespan; sizes.
fn tell<F: Form>(contexts: Contexts<'_, F>, side: &Handle) -> ([String; 4], Vec<u8>, (bool, [u32; 4])) {
    let names: SecPkgContext_NamesW = contexts.query(side, SECPKG_ATTR_NAMES).unwrap();
    let native: SecPkgContext_NativeNamesW = contexts.query(side, SECPKG_ATTR_NATIVE_NAMES).unwrap();
    let info: SecPkgContext_PackageInfoW = contexts.query(side, SECPKG_ATTR_PACKAGE_INFO).unwrap();
    // The structure's first strings lie behind its numbers.
    // SAFETY: the mock handed out this structure, until it is freed below.
    #[allow(unsafe_code, reason = "reads what a C ABI gave")]
    let package = unsafe { F::text_at((*info.PackageInfo).Name.cast()) };
    assert_eq!(free(contexts, info.PackageInfo.cast()), SEC_E_OK);
    let key: SecPkgContext_SessionKey = contexts.query(side, SECPKG_ATTR_SESSION_KEY).unwrap();
    // SAFETY: the mock handed out that much, until it is freed below.
    #[allow(unsafe_code, reason = "reads what a C ABI gave")]
    let bytes = unsafe { std::slice::from_raw_parts(key.SessionKey, key.SessionKeyLength as usize) }.to_vec();
    assert_eq!(free(contexts, key.SessionKey.cast()), SEC_E_OK);
    let algorithms: SecPkgContext_KeyInfoW = contexts.query(side, SECPKG_ATTR_KEY_INFO).unwrap();
    assert_eq!(contexts.take_text(algorithms.sSignatureAlgorithmName), "HMAC-SHA256");
    assert_eq!(contexts.take_text(algorithms.sEncryptAlgorithmName), "ChaCha20-Poly1305");
    let lifespan: SecPkgContext_Lifespan = contexts.query(side, SECPKG_ATTR_LIFESPAN).unwrap();
    let sizes: SecPkgContext_Sizes = contexts.query(side, SECPKG_ATTR_SIZES).unwrap();
    let names = [
        contexts.take_text(names.sUserName),
        contexts.take_text(native.sClientName),
        contexts.take_text(native.sServerName),
        package,
    ];
    let sizes = [sizes.cbMaxToken, sizes.cbMaxSignature, sizes.cbBlockSize, sizes.cbSecurityTrailer];
    (names, bytes, (lifespan.tsStart < lifespan.tsExpiry, sizes))
}

fn free<F: Form>(contexts: Contexts<'_, F>, buffer: *mut c_void) -> i32 {
    contexts.mock.sspi::<F>().free_buffer(buffer)
}

/// S3
#[test]
fn a_wrong_password_is_denied_by_the_server() {
    fn deny<F: Form>(contexts: Contexts<'_, F>) {
        let [alice, service] = [contexts.client("NTLM", "wrong"), contexts.server("NTLM")];
        let refused = contexts.shake_as(&alice, &service, &TARGET, &NO_TERMS);
        assert_eq!(refused.unwrap_err(), ("server", SEC_E_LOGON_DENIED));
    }
    in_both_forms("a_wrong_password_is_denied_by_the_server", deny, deny);
}

/// M3, M5
#[test]
fn a_flush_ends_what_is_half_open_and_leaves_what_is_established() {
    fn flush<F: Form>(contexts: Contexts<'_, F>) {
        let pair = contexts.shake("MSN", &TARGET, &NO_TERMS);
        let [alice, service] = [contexts.client("MSN", "correct horse"), contexts.server("MSN")];
        let first = contexts.initialize(Some(&alice), None, None, &TARGET);
        let second = contexts.accept(Some(&service), None, Some(&first.token), &NO_TERMS);
        assert!(contexts.mock.flush());
        let third = contexts.initialize(Some(&alice), Some(first.context), Some(&second.token), &TARGET);
        assert_eq!(third.status, SEC_E_NO_CREDENTIALS);
        assert_eq!(contexts.initialize(Some(&alice), None, None, &TARGET).status, SEC_E_NO_CREDENTIALS);
        let names: SecPkgContext_NamesW = contexts.query(&pair.client, SECPKG_ATTR_NAMES).unwrap();
        assert_eq!(contexts.take_text(names.sUserName), r"CONTOSO\alice");
        assert_eq!(contexts.delete(&raw const first.context), SEC_E_OK);
    }
    in_both_forms("a_flush_ends_what_is_half_open_and_leaves_what_is_established", flush, flush);
}

/// S5
#[test]
fn a_token_that_does_not_fit_can_be_asked_for_again() {
    fn ask<F: Form>(contexts: Contexts<'_, F>) {
        let [alice, service] = [contexts.client("NTLM", "correct horse"), contexts.server("NTLM")];
        let small = Terms { room: 3, ..TARGET };
        let first = contexts.initialize(Some(&alice), None, None, &small);
        assert_eq!(first.status, SEC_E_BUFFER_TOO_SMALL);
        let untouched = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
        assert_eq!((first.context, first.flags), (untouched, u32::MAX), "nothing is written");
        let first = contexts.initialize(Some(&alice), None, None, &TARGET);
        let none = contexts.accept(Some(&service), None, Some(&first.token), &Terms { room: 3, ..NO_TERMS });
        assert_eq!(none.status, SEC_E_BUFFER_TOO_SMALL);
        let second = contexts.accept(Some(&service), None, Some(&first.token), &NO_TERMS);
        assert_eq!(second.status, SEC_I_CONTINUE_NEEDED);
        let again = contexts.initialize(Some(&alice), Some(first.context), Some(&second.token), &small);
        assert_eq!(again.status, SEC_E_BUFFER_TOO_SMALL);
        let third = contexts.initialize(Some(&alice), Some(first.context), Some(&second.token), &TARGET);
        assert_eq!(third.status, SEC_E_OK);
        let fourth = contexts.accept(Some(&service), Some(second.context), Some(&third.token), &NO_TERMS);
        assert_eq!(fourth.status, SEC_E_OK);
    }
    in_both_forms("a_token_that_does_not_fit_can_be_asked_for_again", ask, ask);
}

/// The bindings of client and server, the server's flags, and who refuses, with what.
type BindingsRow<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, u32, Option<(&'static str, i32)>);

/// S5
#[test]
fn channel_bindings_are_compared() {
    fn compare<F: Form>(contexts: Contexts<'_, F>) {
        let [one, other] = [bindings(b"tls-unique:one"), bindings(b"tls-unique:other")];
        let cut = &one[..one.len() - 1];
        let lenient = ASC_REQ_ALLOW_MISSING_BINDINGS;
        let rows: [BindingsRow<'_>; 7] = [
            (Some(&one), Some(&one), 0, None),
            (Some(&one), Some(&other), 0, Some(("server", SEC_E_BAD_BINDINGS))),
            (None, Some(&one), 0, Some(("server", SEC_E_BAD_BINDINGS))),
            (None, Some(&one), lenient, None),
            (Some(&other), Some(&one), lenient, Some(("server", SEC_E_BAD_BINDINGS))),
            (Some(&one), None, 0, None),
            (Some(cut), None, 0, Some(("client", SEC_E_BAD_BINDINGS))),
        ];
        let [alice, service] = [contexts.client("NTLM", "correct horse"), contexts.server("NTLM")];
        for (of_client, of_server, flags, refused) in rows {
            let client = Terms { bindings: of_client, ..TARGET };
            let server = Terms { bindings: of_server, flags, ..NO_TERMS };
            let shaken = contexts.shake_as(&alice, &service, &client, &server);
            assert_eq!(shaken.err(), refused, "{of_client:?} {of_server:?} {flags:#x}");
        }
    }
    in_both_forms("channel_bindings_are_compared", compare, compare);
}

/// S5
#[test]
fn what_is_no_token_and_no_handle_is_refused() {
    fn refuse<F: Form>(contexts: Contexts<'_, F>) {
        let [alice, service] = [contexts.client("NTLM", "correct horse"), contexts.server("NTLM")];
        for token in [&b""[..], b"NTLMSSP\0\x01\0\0\0", &[0x60, 0x28, 0x06, 0x06]] {
            let refused = contexts.accept(Some(&service), None, Some(token), &NO_TERMS);
            assert_eq!(refused.status, SEC_E_INVALID_TOKEN, "{token:?}");
        }
        assert_eq!(contexts.accept(Some(&service), None, None, &NO_TERMS).status, SEC_E_INVALID_TOKEN);
        assert_eq!(contexts.accept(Some(&alice), None, Some(b"x"), &NO_TERMS).status, SEC_E_NO_CREDENTIALS);
        assert_eq!(contexts.initialize(Some(&service), None, None, &TARGET).status, SEC_E_NO_CREDENTIALS);
        let first = contexts.initialize(Some(&alice), None, None, &TARGET);
        assert_eq!(first.status, SEC_I_CONTINUE_NEEDED);
        let pair = contexts.shake("NTLM", &TARGET, &NO_TERMS);
        let forged = Handle { lower: pair.client.lower ^ 1 << 20, upper: 0 };
        for handle in [forged, alice, Handle { lower: 0, upper: 0 }] {
            let refused = contexts.initialize(Some(&alice), Some(handle), Some(&first.token), &TARGET);
            assert_eq!(refused.status, SEC_E_INVALID_HANDLE);
            assert_eq!(contexts.delete(&raw const handle), SEC_E_INVALID_HANDLE);
        }
        // A context that isn't finished has no attributes yet.
        assert_eq!(
            contexts.query::<SecPkgContext_Sizes>(&first.context, SECPKG_ATTR_SIZES).err(),
            Some(SEC_E_INVALID_HANDLE)
        );
        for attribute in
            [SECPKG_ATTR_STREAM_SIZES, SECPKG_ATTR_UNIQUE_BINDINGS, SECPKG_ATTR_ENDPOINT_BINDINGS, 7777]
        {
            let refused = contexts.query::<[u64; 8]>(&pair.client, attribute);
            assert_eq!(refused.err(), Some(SEC_E_UNSUPPORTED_FUNCTION), "{attribute}");
        }
        let null = contexts.query_into(&raw const pair.client, SECPKG_ATTR_SIZES, ptr::null_mut());
        assert_eq!(null, SEC_E_INVALID_PARAMETER);
        let mut room = [0; 8];
        assert_eq!(contexts.query_ex(&pair.client, SECPKG_ATTR_SIZES, &mut room, 15), SEC_E_BUFFER_TOO_SMALL);
        assert_eq!(room, [0; 8]);
        assert_eq!(contexts.query_ex(&pair.client, SECPKG_ATTR_SIZES, &mut room, 16), SEC_E_OK);
    }
    in_both_forms("what_is_no_token_and_no_handle_is_refused", refuse, refuse);
}

/// S8: what secur32 writes into the other half of a handle is none of the mock's business.
#[test]
fn the_upper_half_of_a_handle_is_neither_read_nor_written_over() {
    fn pass<F: Form>(contexts: Contexts<'_, F>) {
        let mark = |handle: Handle| Handle { upper: 0xABCD, ..handle };
        let alice = mark(contexts.client("NTLM", "correct horse"));
        let service = mark(contexts.server("NTLM"));
        let first = contexts.initialize(Some(&alice), None, None, &TARGET);
        let second = contexts.accept(Some(&service), None, Some(&first.token), &NO_TERMS);
        let client = mark(first.context);
        let third = contexts.initialize(Some(&alice), Some(client), Some(&second.token), &TARGET);
        assert_eq!((third.status, third.context), (SEC_E_OK, client));
    }
    in_both_forms("the_upper_half_of_a_handle_is_neither_read_nor_written_over", pass, pass);
}

/// S9
#[test]
fn nobody_is_impersonated() {
    configured("nobody_is_impersonated", CONFIG, || impersonate(SEC_E_NO_IMPERSONATION));
}

/// S9
#[test]
fn the_configuration_can_pretend_that_the_client_is_impersonated() {
    let config = format!("{CONFIG}\n[context]\nimpersonation = 'simulate'\n");
    let test = "the_configuration_can_pretend_that_the_client_is_impersonated";
    configured(test, &config, || impersonate(SEC_E_OK));
}

fn impersonate(expected: i32) {
    let mock = Mock::own("MSNSSPC");
    let pair = mock.contexts::<Wide>().shake("NTLM", &TARGET, &NO_TERMS);
    let impersonate: extern "system" fn(*const Handle) -> i32 = mock.expect("ImpersonateSecurityContext");
    let revert: extern "system" fn(*const Handle) -> i32 = mock.expect("RevertSecurityContext");
    let token: extern "system" fn(*const Handle, *mut *mut c_void) -> i32 =
        mock.expect("QuerySecurityContextToken");
    assert_eq!(impersonate(&raw const pair.server), expected);
    assert_eq!(revert(&raw const pair.server), expected);
    assert_eq!(impersonate(&raw const pair.client), SEC_E_NO_IMPERSONATION);
    assert_eq!(token(&raw const pair.server, ptr::null_mut()), SEC_E_NO_IMPERSONATION);
}

/// S3
#[test]
fn a_token_may_have_to_be_completed() {
    let config = format!("{CONFIG}\n[context]\ncomplete-tokens = true\n");
    configured("a_token_may_have_to_be_completed", &config, || {
        let mock = Mock::own("MSNSSPC");
        let contexts = mock.contexts::<Wide>();
        for completed in [true, false] {
            let [alice, service] = [contexts.client("NTLM", "correct horse"), contexts.server("NTLM")];
            let first = contexts.initialize(Some(&alice), None, None, &TARGET);
            let second = contexts.accept(Some(&service), None, Some(&first.token), &NO_TERMS);
            let mut third =
                contexts.initialize(Some(&alice), Some(first.context), Some(&second.token), &TARGET);
            assert_eq!(third.status, SEC_I_COMPLETE_NEEDED);
            if completed {
                assert_eq!(contexts.complete(&first.context, &mut third.token), SEC_E_OK);
            }
            let fourth = contexts.accept(Some(&service), Some(second.context), Some(&third.token), &NO_TERMS);
            assert_eq!(fourth.status == SEC_E_OK, completed, "{:#x}", fourth.status);
        }
    });
}

/// S4
#[test]
fn an_exported_context_is_imported_by_another_copy_with_the_same_key() {
    let config = format!("{CONFIG}\n[context]\nexport-key = 'of both'\n");
    configured("an_exported_context_is_imported_by_another_copy_with_the_same_key", &config, || {
        let [here, there] = [Mock::own("MSNSSPC"), Mock::own("MSNSSPC")];
        let (here, there) = (here.contexts::<Wide>(), there.contexts::<Ansi>());
        let client = Terms { flags: ISC_REQ_INTEGRITY, ..TARGET };
        let pair = here.shake("NTLM", &client, &NO_TERMS);
        let packed = here.export(&pair.server, SECPKG_CONTEXT_EXPORT_DELETE_OLD).unwrap();
        assert_eq!(here.delete(&raw const pair.server), SEC_E_INVALID_HANDLE, "it was deleted");
        assert_eq!(there.import("Kerberos", &packed).unwrap_err(), SEC_E_INVALID_TOKEN);
        assert_eq!(there.import("Nobody's", &packed).unwrap_err(), SEC_E_SECPKG_NOT_FOUND);
        assert_eq!(there.import("NTLM", &packed[1..]).unwrap_err(), SEC_E_INVALID_TOKEN);
        let imported = there.import("NTLM", &packed).unwrap();
        let names: SecPkgContext_NamesW = there.query(&imported, SECPKG_ATTR_NAMES).unwrap();
        assert_eq!(there.take_text(names.sUserName), r"CONTOSO\alice");
    });
}
