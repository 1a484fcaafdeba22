//! Messages between the two ends of an established context, and contexts that go on in another process: clause S4.

use std::{collections::BTreeSet, thread, time::Duration};

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Effect, Engine, EventKind, Fault, Name, Operation, SecurityStatus,
    clock::ManualClock,
    context::{ContextFlags as F, ContextHandle, ExportOptions, Part, Role, WRAP_NO_ENCRYPT},
};

use crate::ends::{self, Ends, alice, engine};

type Token = Vec<u8>;

fn everything() -> F {
    F::INTEGRITY | F::CONFIDENTIALITY | F::SEQUENCE_DETECT
}

/// The contexts of both ends, established: the initiator's first.
fn established(ssp: &Engine, flags: F) -> (ContextHandle, ContextHandle) {
    let mut ends = Ends::new(ssp).asking(flags).to("HTTP/web");
    ends.run().unwrap();
    (ends.client_context.unwrap(), ends.server_context.unwrap())
}

fn sign(ssp: &Engine, context: ContextHandle, text: &[u8]) -> Result<Token, SecurityStatus> {
    let mut token = vec![0; ROOM];
    let length = ssp.sign(context, 0, &[text], &mut token)?;
    token.truncate(length);
    Ok(token)
}

fn encrypt(ssp: &Engine, context: ContextHandle, text: &[u8]) -> Result<(Vec<u8>, Token), SecurityStatus> {
    let (mut data, mut token) = (text.to_vec(), vec![0; ROOM]);
    let length = ssp.encrypt(context, 0, &mut [Part::Data(&mut data)], &mut token)?;
    token.truncate(length);
    Ok((data, token))
}

fn decrypt(
    ssp: &Engine,
    context: ContextHandle,
    (data, token): &(Vec<u8>, Token),
) -> Result<Vec<u8>, SecurityStatus> {
    let mut data = data.clone();
    ssp.decrypt(context, &mut [Part::Data(&mut data)], token).map(|_| data)
}

/// Enough for any package's token.
const ROOM: usize = 100;

/// The sequence number in a token of the mock's own shape, as `docs/messages.md` has it.
fn number(token: &[u8]) -> u64 {
    token[7..12].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// What uses an established context, each with the status that it gives.
fn all(
    ssp: &Engine,
    context: ContextHandle,
    received: &(Vec<u8>, Token),
) -> [(Operation, Option<SecurityStatus>); 5] {
    let verify = || ssp.verify_signature(context, &[&received.0], &received.1);
    [
        (Operation::MakeSignature, sign(ssp, context, b"text").err()),
        (Operation::VerifySignature, verify().err()),
        (Operation::EncryptMessage, encrypt(ssp, context, b"text").err()),
        (Operation::DecryptMessage, decrypt(ssp, context, received).err()),
        (Operation::ExportSecurityContext, ssp.export(context, ExportOptions::default()).err()),
    ]
}

/// S4, P9
#[test]
fn both_ends_read_what_the_other_signs_and_encrypts_in_every_package() {
    for (package, used) in [("MSN", 28), ("NTLM", 16), ("Kerberos", 60), ("Negotiate", 60)] {
        let ssp = engine(package).build();
        let (client, server) = established(&ssp, everything());
        for (from, to) in [(client, server), (server, client), (client, server)] {
            let token = sign(&ssp, from, b"signed").unwrap();
            assert_eq!(ssp.verify_signature(to, &[b"signed"], &token), Ok(0), "{package}");
            let secret = encrypt(&ssp, from, b"a secret").unwrap();
            assert_ne!(secret.0, b"a secret");
            assert_eq!(decrypt(&ssp, to, &secret).unwrap(), b"a secret", "{package}");
            let (mut data, mut token) = (*b"plain", [0; ROOM]);
            let mut parts = [Part::Checked(b"head"), Part::Data(&mut data)];
            assert_eq!(ssp.encrypt(from, WRAP_NO_ENCRYPT, &mut parts, &mut token), Ok(used), "{package}");
            assert_eq!(ssp.decrypt(to, &mut parts, &token[..used]), Ok(WRAP_NO_ENCRYPT));
            assert_eq!(&data, b"plain");
        }
    }
}

/// S4
#[test]
fn altered_repeated_and_reordered_messages_are_told_apart() {
    let ssp = engine("MSN").build();
    for (detect, replayed, reordered) in [
        (F::SEQUENCE_DETECT, Some(SecurityStatus::OUT_OF_SEQUENCE), Some(SecurityStatus::OUT_OF_SEQUENCE)),
        (F::REPLAY_DETECT, Some(SecurityStatus::OUT_OF_SEQUENCE), None),
        (F::empty(), None, None),
    ] {
        let (client, server) = established(&ssp, F::INTEGRITY | F::CONFIDENTIALITY | detect);
        let [first, second, third] = [b"1", b"2", b"3"].map(|text| encrypt(&ssp, client, text).unwrap());
        let altered = (vec![first.0[0] ^ 1], first.1.clone());
        assert_eq!(decrypt(&ssp, server, &altered), Err(SecurityStatus::MESSAGE_ALTERED));
        assert_eq!(decrypt(&ssp, server, &first).as_deref(), Ok(&b"1"[..]));
        assert_eq!(decrypt(&ssp, server, &first).err(), replayed, "{detect:?}");
        assert_eq!(decrypt(&ssp, server, &third).err(), reordered, "{detect:?}");
        assert_eq!(decrypt(&ssp, server, &second).as_deref(), Ok(&b"2"[..]), "{detect:?}");
    }
}

/// S4
#[test]
fn a_message_of_another_context_is_taken_for_an_altered_one() {
    let ssp = engine("MSN").build();
    let (client, server) = established(&ssp, everything());
    let (other_client, other_server) = established(&ssp, everything());
    let token = sign(&ssp, client, b"text").unwrap();
    for stranger in [other_server, other_client, client] {
        assert_eq!(ssp.verify_signature(stranger, &[b"text"], &token), Err(SecurityStatus::MESSAGE_ALTERED));
    }
    assert_eq!(ssp.verify_signature(server, &[b"text"], &token), Ok(0));
}

/// S4, S5
#[test]
fn without_integrity_or_confidentiality_a_context_has_no_such_quality() {
    let ssp = engine("MSN").build();
    let none = Some(SecurityStatus::QOP_NOT_SUPPORTED);
    let unsupported = Some(SecurityStatus::UNSUPPORTED_FUNCTION);
    for (flags, signing, encrypting) in [
        (F::empty(), none, none),
        (F::INTEGRITY, None, unsupported),
        (F::CONFIDENTIALITY, None, None), // which brings integrity with it
        (F::CONFIDENTIALITY | F::NO_INTEGRITY, none, None),
        (F::CONFIDENTIALITY_ONLY, none, None),
    ] {
        let (client, _) = established(&ssp, flags);
        assert_eq!(sign(&ssp, client, b"text").err(), signing, "{flags:?}");
        assert_eq!(encrypt(&ssp, client, b"text").err(), encrypting, "{flags:?}");
    }
}

/// Q3, S5: the refusal names the context.
#[test]
fn only_an_established_context_of_the_same_instance_has_messages() {
    let ssp = engine("MSN").build();
    let (client, server) = established(&ssp, everything());
    let received = encrypt(&ssp, client, b"text").unwrap();
    let mut ends = Ends::new(&ssp).asking(everything());
    let half_open = ends.initialize(None).unwrap().context;
    let foreign = established(&engine("MSN").build(), everything()).0;
    ssp.delete_context(server).unwrap();
    for context in [half_open, foreign, server, ContextHandle::from_word(0)] {
        let before = ssp.events().len();
        let refusals = all(&ssp, context, &received).map(|(operation, status)| {
            assert_eq!(status, Some(SecurityStatus::INVALID_HANDLE), "{operation}");
            operation
        });
        let recorded = ssp.events().into_iter().skip(before).map(|event| match event.kind {
            EventKind::Refused {
                operation,
                status: SecurityStatus::INVALID_HANDLE,
                handle: None,
                context: Some(named),
                memory: None,
                ..
            } if named == context.word() => operation,
            other => panic!("{other:?}"),
        });
        assert!(recorded.eq(refusals));
    }
}

/// S4, M9
#[test]
fn an_expired_context_has_no_messages_any_more() {
    let clock = ManualClock::default();
    let ssp = engine("MSN").lifetime(Duration::from_mins(1)).clock(clock.clone()).build();
    let (client, _) = established(&ssp, everything());
    let (_, server) = established(&ssp, everything());
    let received = encrypt(&ssp, client, b"text").unwrap();
    clock.advance(Duration::from_secs(59));
    assert!(encrypt(&ssp, client, b"text").is_ok());
    clock.advance(Duration::from_secs(1));
    for (operation, status) in all(&ssp, client, &received) {
        let expected =
            (operation != Operation::ExportSecurityContext).then_some(SecurityStatus::CONTEXT_EXPIRED);
        assert_eq!(status, expected, "{operation}");
    }
    // The acceptor's credential never expires, and so neither does its context.
    assert!(sign(&ssp, server, b"text").is_ok());
}

/// M11
#[test]
fn each_operation_can_be_made_to_fail() {
    let operations = [
        Operation::MakeSignature,
        Operation::VerifySignature,
        Operation::EncryptMessage,
        Operation::DecryptMessage,
        Operation::ExportSecurityContext,
    ];
    let effect = Effect::Status(SecurityStatus::INSUFFICIENT_MEMORY);
    let builder = operations
        .into_iter()
        .chain([Operation::ImportSecurityContext])
        .fold(engine("MSN"), |builder, operation| builder.fault(Fault::new(operation, effect)));
    let ssp = builder.build();
    let (client, _) = established(&ssp, everything());
    for (operation, status) in all(&ssp, client, &(b"text".to_vec(), vec![0; ROOM])) {
        assert_eq!(status, Some(SecurityStatus::INSUFFICIENT_MEMORY), "{operation}");
    }
    assert_eq!(ssp.import(&Name::from("MSN"), &[]), Err(SecurityStatus::INSUFFICIENT_MEMORY));
}

/// S4
#[test]
fn no_number_is_used_twice_by_threads_that_share_a_context() {
    const THREADS: usize = 4;
    const EACH: usize = 100;
    let ssp = engine("MSN").build();
    let (client, server) = established(&ssp, F::INTEGRITY | F::CONFIDENTIALITY | F::REPLAY_DETECT);
    let sent: Vec<_> = thread::scope(|scope| {
        let send = || (0..EACH).map(|_| encrypt(&ssp, client, b"text").unwrap()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(send)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let ciphertexts: BTreeSet<_> = sent.iter().map(|(data, _)| data).collect();
    let tokens: BTreeSet<_> = sent.iter().map(|(_, token)| &token[..12]).collect();
    assert_eq!((ciphertexts.len(), tokens.len()), (THREADS * EACH, THREADS * EACH));
    let mut in_order = sent.clone();
    in_order.sort_by_key(|(_, token)| number(token));
    for message in &in_order {
        assert_eq!(decrypt(&ssp, server, message).as_deref(), Ok(&b"text"[..]));
    }
}

/// S4
#[test]
fn an_exported_context_goes_on_in_a_process_of_the_same_configuration() {
    let config = "[context]\nexport-key = 'shared'".parse().unwrap();
    let ssp = engine("MSN").config(&config).build();
    let other = engine("MSN").config(&config).build();
    let (client, server) = established(&ssp, everything());
    let first = encrypt(&ssp, client, b"1").unwrap();
    assert_eq!(decrypt(&ssp, server, &first).as_deref(), Ok(&b"1"[..]));
    let packed = ssp.export(server, ExportOptions { delete_old: true, reset_new: false }).unwrap();
    assert_eq!(ssp.context(server).err(), Some(SecurityStatus::INVALID_HANDLE));

    let moved = other.import(&Name::from("MSN"), &packed).unwrap();
    let info = other.context(moved).unwrap();
    assert_eq!((info.role, info.flags, &info.client), (Role::Acceptor, everything(), &alice().principal));
    assert_eq!(info.session_key.bytes(), ssp.context(client).unwrap().session_key.bytes());
    assert_eq!(decrypt(&other, moved, &first), Err(SecurityStatus::OUT_OF_SEQUENCE));
    let second = encrypt(&ssp, client, b"2").unwrap();
    assert_eq!(decrypt(&other, moved, &second).as_deref(), Ok(&b"2"[..]));
    let answer = encrypt(&other, moved, b"3").unwrap();
    assert_eq!(decrypt(&ssp, client, &answer).as_deref(), Ok(&b"3"[..]));
    other.delete_context(moved).unwrap();
    assert_eq!(engine("MSN").build().import(&Name::from("MSN"), &packed), Err(SecurityStatus::INVALID_TOKEN));
}

/// S4
#[test]
fn a_context_that_negotiate_chose_is_imported_under_either_name() {
    let ssp = engine("Negotiate").only_packages(["Negotiate", "NTLM", "Kerberos"]).build();
    let identity = AuthIdentity::password("alice", "CONTOSO", ends::PASSWORD);
    let outbound = AcquireRequest::outbound("Negotiate").with_identity(identity);
    let mut ends = Ends::with(&ssp, &outbound, &ssp, &AcquireRequest::inbound("Negotiate")).to("HTTP/web");
    ends.run().unwrap();
    let context = ends.server_context.unwrap();
    let chosen = ssp.context(context).unwrap().package.name.clone();
    assert_eq!(chosen, Name::from("Kerberos"));
    let packed = ssp.export(context, ExportOptions::default()).unwrap();
    for (package, expected) in [
        ("negotiate", None),
        ("kerberos", None),
        ("NTLM", Some(SecurityStatus::INVALID_TOKEN)),
        ("Digest", Some(SecurityStatus::SECPKG_NOT_FOUND)),
    ] {
        let imported = ssp.import(&Name::from(package), &packed);
        assert_eq!(imported.err(), expected, "{package}");
        if let Ok(imported) = imported {
            assert!(ssp.context(imported).unwrap().negotiated);
        }
    }
}

/// M12
#[test]
fn exports_and_imports_are_events() {
    let ssp = engine("MSN").build();
    let (_, server) = established(&ssp, everything());
    let before = ssp.events().len();
    let packed = ssp.export(server, ExportOptions { delete_old: true, reset_new: false }).unwrap();
    let imported = ssp.import(&Name::from("MSN"), &packed).unwrap();
    let kinds: Vec<_> = ssp.events().into_iter().skip(before).map(|event| event.kind).collect();
    let context = server.word();
    assert_eq!(
        kinds,
        [
            EventKind::ContextExported { context },
            EventKind::ContextDeleted { context },
            EventKind::ContextImported {
                context: imported.word(),
                role: Role::Acceptor,
                package: "MSN".to_owned(),
                principal: r"CONTOSO\alice".to_owned(),
            },
        ]
    );
}
