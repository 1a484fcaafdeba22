//! What contexts live through: flushes, wrong calls, too little room, and being forgotten.

use std::time::Duration;

use sspcache_engine::{
    AcquireRequest, AuthIdentity, CredentialHandle, Ending, Engine, EventKind, HandlePolicy, PackageInfo,
    SecurityStatus,
    clock::ManualClock,
    context::{AcceptRequest, ContextFlags as F, ContextHandle, InitializeRequest, Progress, Refusal, Step},
};
use windows_sys::Win32::Security::Authentication::Identity as sspi;

use crate::ends::{self, Ends, alice, engine};

fn status<T>(result: Result<T, Refusal>) -> Result<(), SecurityStatus> {
    result.map(|_| ()).map_err(|refusal| refusal.status)
}

/// M4, M5: what a handshake that is half done makes of the loss of its credential, under both policies.
#[test]
fn a_half_open_context_is_revoked_or_keeps_its_copy_whatever_took_its_credential() {
    type Loss = fn(&Engine, &ManualClock, CredentialHandle);
    let losses: [(&str, Loss, bool); 6] = [
        ("nothing", |_, _, _| (), false),
        ("freed", |ssp, _, handle| ssp.free(handle).unwrap(), false),
        ("flushed", |ssp, _, _| assert!(ssp.flush()), true),
        (
            "freed, then flushed",
            |ssp, _, handle| {
                ssp.free(handle).unwrap();
                assert!(ssp.flush());
            },
            true,
        ),
        (
            "replaced",
            |ssp, _, _| {
                let other = AuthIdentity::password("alice", "CONTOSO", "another");
                ssp.acquire(&AcquireRequest::outbound("MSN").with_identity(other)).unwrap();
            },
            true,
        ),
        ("expired", |_, clock, _| clock.advance(Duration::from_mins(1)), true),
    ];
    for policy in [HandlePolicy::Revoke, HandlePolicy::Retain] {
        for (what, lose, lost) in losses {
            let clock = ManualClock::default();
            let ssp = engine("MSN")
                .handle_policy(policy)
                .clock(clock.clone())
                .lifetime(Duration::from_mins(1))
                .build();
            let mut ends = Ends::new(&ssp);
            let hello = ends.initialize(None).unwrap().token;
            let challenge = ends.accept(&hello).unwrap().token;
            lose(&ssp, &clock, ends.client_credential);
            let request = InitializeRequest {
                credential: None,
                context: ends.client_context,
                token: Some(&challenge),
                ..InitializeRequest::first(ends.client_credential)
            };
            let proof = ssp.initialize(&request);
            let revoked = lost && policy == HandlePolicy::Revoke;
            let expected = if revoked { Err(SecurityStatus::NO_CREDENTIALS) } else { Ok(()) };
            assert_eq!(status(proof.clone()), expected, "{what}, {policy:?}");
            if let Ok(proof) = proof {
                ends.accept(&proof.token).unwrap();
            }
            // Nothing is kept for a handshake that is over.
            let _ = ssp.free(ends.client_credential);
            assert_eq!(ssp.retained(), 0, "{what}, {policy:?}");
        }
    }
}

/// M4: what is begun after the flush, and what is deleted before its end.
#[test]
fn a_flushed_credential_begins_nothing_and_a_deleted_context_keeps_nothing() {
    for (policy, result) in
        [(HandlePolicy::Revoke, Err(SecurityStatus::NO_CREDENTIALS)), (HandlePolicy::Retain, Ok(()))]
    {
        let ssp = engine("MSN").handle_policy(policy).build();
        let mut ends = Ends::new(&ssp);
        assert!(ssp.flush());
        assert_eq!(status(ends.initialize(None)), result, "{policy:?}");
        ssp.free(ends.client_credential).unwrap();
        assert_eq!(ssp.retained(), usize::from(result.is_ok()), "a half-open context keeps its copy");
        if let Some(context) = ends.client_context {
            ssp.delete_context(context).unwrap();
        }
        assert_eq!(ssp.retained(), 0, "{policy:?}");
    }
}

/// M5
#[test]
fn an_established_context_survives_a_flush() {
    let ssp = engine("MSN").build();
    let mut ends = Ends::new(&ssp).asking(F::INTEGRITY);
    ends.run().unwrap();
    assert!(ssp.flush());
    ends.infos();
    let mut token = [0; sspcache_engine::context::MESSAGE_TOKEN];
    ssp.sign(ends.client_context.unwrap(), 0, &[b"after"], &mut token).unwrap();
    ssp.verify_signature(ends.server_context.unwrap(), &[b"after"], &token).unwrap();
}

/// M5: a confirmation needs no credential any more.
#[test]
fn with_its_proof_made_an_initiator_needs_its_credential_no_more() {
    let ssp = engine("MSN").handle_policy(HandlePolicy::Retain).build();
    let mut ends = Ends::new(&ssp).asking(F::MUTUAL_AUTH);
    let proof = ends.proof();
    ssp.free(ends.client_credential).unwrap();
    assert!(ssp.flush());
    assert_eq!(ssp.retained(), 0);
    let confirmation = ends.accept(&proof).unwrap().token;
    let context = ends.client_context;
    let request =
        InitializeRequest { credential: None, context, token: Some(&confirmation), ..request(&ends) };
    assert_eq!(ssp.initialize(&request).unwrap().progress, Progress::Complete);
}

fn request(ends: &Ends<'_>) -> InitializeRequest<'static> {
    InitializeRequest::first(ends.client_credential)
}

/// S5: a step that has too little room can be taken again, on both sides, and leaves nothing behind before.
#[test]
fn a_step_without_room_for_its_token_changes_nothing() {
    let ssp = engine("MSN").build();
    let mut ends = Ends::new(&ssp).asking(F::MUTUAL_AUTH);
    let again = |ends: &mut Ends<'_>, step: &dyn Fn(&mut Ends<'_>) -> Result<Step, Refusal>| {
        let before = (ssp.open_contexts(), ends.client_context, ends.server_context);
        for room in [0, 20] {
            ends.room = room;
            assert_eq!(status(step(ends)), Err(SecurityStatus::BUFFER_TOO_SMALL));
            assert_eq!((ssp.open_contexts(), ends.client_context, ends.server_context), before);
        }
        ends.room = usize::MAX;
        let token = step(ends).unwrap().token;
        ends.room = token.len();
        token
    };
    let hello = again(&mut ends, &|ends| ends.initialize(None));
    let challenge = again(&mut ends, &|ends| ends.accept(&hello));
    let proof = again(&mut ends, &|ends| ends.initialize(Some(&challenge)));
    let confirmation = again(&mut ends, &|ends| ends.accept(&proof));
    ends.room = 0;
    ends.initialize(Some(&confirmation)).unwrap();
    ends.infos();
}

/// S5: handles of nothing and of the other side; the context is as it was.
#[test]
fn a_step_with_a_wrong_handle_is_refused_and_the_right_one_goes_on() {
    let ssp = engine("MSN").build();
    let mut ends = Ends::new(&ssp);
    let hello = ends.initialize(None).unwrap().token;
    let challenge = ends.accept(&hello).unwrap().token;
    let freed = Ends::new(&ssp).client_credential;
    ssp.free(freed).unwrap();
    let base = InitializeRequest { context: ends.client_context, token: Some(&challenge), ..request(&ends) };
    for (credential, context, refused) in [
        (Some(freed), None, SecurityStatus::INVALID_HANDLE),
        (None, None, SecurityStatus::INVALID_HANDLE),
        (base.credential, Some(ContextHandle::from_word(0)), SecurityStatus::INVALID_HANDLE),
        (base.credential, ends.server_context, SecurityStatus::INVALID_HANDLE),
    ] {
        let request = InitializeRequest { credential, context, ..base.clone() };
        assert_eq!(status(ssp.initialize(&request)), Err(refused), "{credential:?} {context:?}");
    }
    let context = ends.client_context;
    let accept = AcceptRequest { context, ..AcceptRequest::first(ends.server_credential, &challenge) };
    assert_eq!(status(ssp.accept(&accept)), Err(SecurityStatus::INVALID_HANDLE), "an initiator's");
    let elsewhere = engine("MSN").build();
    let foreign = InitializeRequest { credential: None, ..base.clone() };
    assert_eq!(
        status(elsewhere.initialize(&foreign)),
        Err(SecurityStatus::INVALID_HANDLE),
        "another instance's"
    );
    let proof = ssp.initialize(&base).unwrap().token;
    ends.accept(&proof).unwrap();
    ends.infos();
}

/// R1: whatever stands for the credential on a later step, the context says which it is.
#[test]
fn a_later_step_does_not_read_its_credential() {
    let ssp = engine("MSN").build();
    let other = Ends::new(&ssp).client_credential;
    let freed = Ends::new(&ssp).client_credential;
    ssp.free(freed).unwrap();
    for credential in [None, Some(other), Some(freed), Some(CredentialHandle::from_word(0x10))] {
        let mut ends = Ends::new(&ssp);
        let hello = ends.initialize(None).unwrap().token;
        let challenge = ends.accept(&hello).unwrap().token;
        let context = ends.client_context;
        let proof = ssp
            .initialize(&InitializeRequest { credential, context, token: Some(&challenge), ..request(&ends) })
            .unwrap()
            .token;
        let context = ends.server_context;
        ssp.accept(&AcceptRequest {
            credential,
            context,
            ..AcceptRequest::first(ends.server_credential, &proof)
        })
        .unwrap();
        ends.infos();
    }
}

/// S5: a context that is not established has no attributes, messages or anything else, whichever step it is at.
#[test]
fn an_unfinished_or_failed_context_can_only_go_on_or_be_deleted() {
    let ssp = engine("MSN").simulate_impersonation(true).build();
    let refuse_all = |context: ContextHandle| {
        let invalid = Err(SecurityStatus::INVALID_HANDLE);
        assert_eq!(ssp.context(context).map(|_| ()), invalid);
        assert_eq!(ssp.impersonate(context), invalid);
        assert_eq!(ssp.revert(context), invalid);
        assert_eq!(ssp.context_token(context).map(|_| ()), invalid);
        assert_eq!(ssp.apply_control_token(context), invalid);
        assert_eq!(ssp.sign(context, 0, &[b"x"], &mut [0; 64]).map(|_| ()), invalid);
    };
    let mut ends = Ends::of(&ssp, AuthIdentity::password("alice", "CONTOSO", "wrong")).asking(F::MUTUAL_AUTH);
    let hello = ends.initialize(None).unwrap().token;
    refuse_all(ends.client_context.unwrap());
    let challenge = ends.accept(&hello).unwrap().token;
    refuse_all(ends.server_context.unwrap());
    let proof = ends.initialize(Some(&challenge)).unwrap().token;
    refuse_all(ends.client_context.unwrap());
    assert_eq!(status(ends.accept(&proof)), Err(SecurityStatus::LOGON_DENIED));
    refuse_all(ends.server_context.unwrap());
    assert_eq!(status(ends.accept(&proof)), Err(SecurityStatus::INVALID_HANDLE), "it can only be deleted");
    assert_eq!(ssp.complete(ends.server_context.unwrap(), &mut []), Err(SecurityStatus::INVALID_HANDLE));
    for context in [ends.client_context.unwrap(), ends.server_context.unwrap()] {
        ssp.delete_context(context).unwrap();
        refuse_all(context);
        assert_eq!(ssp.delete_context(context), Err(SecurityStatus::INVALID_HANDLE));
    }
    assert_eq!(ssp.open_contexts(), 0);
}

/// S5: steps out of turn; a context that is established is not harmed by them.
#[test]
fn a_step_out_of_turn_is_refused() {
    let ssp = engine("MSN").build();
    let mut ends = Ends::new(&ssp);
    let hello = ends.initialize(None).unwrap().token;
    let challenge = ends.accept(&hello).unwrap().token;
    let proof = ends.initialize(Some(&challenge)).unwrap().token;
    ends.accept(&proof).unwrap();
    for token in [None, Some(&*challenge), Some(&[])] {
        assert_eq!(status(ends.initialize(token)), Err(SecurityStatus::INVALID_TOKEN));
    }
    for token in [&*hello, &proof, &[]] {
        assert_eq!(status(ends.accept(token)), Err(SecurityStatus::INVALID_TOKEN));
    }
    ends.infos();
    // Each token at each side that does not await it.
    for (token, first) in [(&hello, false), (&challenge, true), (&proof, true)] {
        let mut other = Ends::new(&ssp);
        if !first {
            let hello = other.initialize(None).unwrap().token;
            other.accept(&hello).unwrap();
        }
        assert_eq!(status(other.accept(token)), Err(SecurityStatus::INVALID_TOKEN));
        assert_eq!(other.server_context.is_some(), !first);
    }
    // An initiator's first step takes a token for a server's hint, and doesn't read it.
    let mut first = Ends::new(&ssp);
    let hello = first.initialize(Some(&challenge)).unwrap().token;
    first.accept(&hello).unwrap();
    let first = Ends::new(&ssp);
    let accept = AcceptRequest { token: None, ..AcceptRequest::first(first.server_credential, &[]) };
    assert_eq!(status(ssp.accept(&accept)), Err(SecurityStatus::INVALID_TOKEN));
}

/// S3: a handshake that its caller leaves half-open has failed after its time, and holds nothing from then on.
#[test]
fn an_abandoned_handshake_ends_and_lets_its_credential_go() {
    let clock = ManualClock::default();
    let ssp = engine("MSN").handle_policy(HandlePolicy::Retain).clock(clock.clone()).build();
    let mut ends = Ends::new(&ssp).asking(F::MUTUAL_AUTH);
    let hello = ends.initialize(None).unwrap().token;
    let challenge = ends.accept(&hello).unwrap().token;
    let mut confirming = Ends::new(&ssp).asking(F::MUTUAL_AUTH);
    let proof = confirming.proof();
    let confirmation = confirming.accept(&proof).unwrap().token;
    ssp.free(ends.client_credential).unwrap();
    ssp.free(confirming.client_credential).unwrap();
    assert!(ssp.flush());
    assert_eq!(ssp.retained(), 1);
    clock.advance(Duration::from_mins(5));
    let late = |ends: &Ends<'_>, token: &[u8]| {
        let context = ends.client_context;
        let late = InitializeRequest { credential: None, context, token: Some(token), ..request(ends) };
        status(ssp.initialize(&late))
    };
    for _ in 0..2 {
        assert_eq!(late(&ends, &challenge), Err(SecurityStatus::CONTEXT_EXPIRED));
        assert_eq!(late(&confirming, &confirmation), Err(SecurityStatus::CONTEXT_EXPIRED));
        assert_eq!(status(ends.accept(&proof)), Err(SecurityStatus::CONTEXT_EXPIRED));
    }
    assert_eq!(ssp.retained(), 0);
    confirming.server.context(confirming.server_context.unwrap()).expect("established long before");
    let ended = |kind: &EventKind| {
        matches!(kind, EventKind::ContextFailed { status: SecurityStatus::CONTEXT_EXPIRED, .. })
    };
    assert_eq!(ssp.events().iter().filter(|event| ended(&event.kind)).count(), 3);
    assert_eq!(ssp.context(ends.client_context.unwrap()).map(|_| ()), Err(SecurityStatus::INVALID_HANDLE));
    ssp.delete_context(ends.client_context.unwrap()).unwrap();
}

/// S3: how long that is can be configured.
#[test]
fn how_long_a_handshake_and_a_context_may_take_is_configured() {
    let clock = ManualClock::default();
    let builder = engine("MSN").clock(clock.clone()).lifetime(Duration::from_secs(50));
    let config = "[context]\nhandshake-seconds = 10\nlifetime-seconds = 20".parse().unwrap();
    let ssp = builder.config(&config).build();
    let now = sspcache_engine::Clock::now(&clock);
    let mut ends = Ends::new(&ssp);
    let hello = ends.initialize(None).unwrap();
    assert_eq!(hello.expires, now.after(Duration::from_secs(20)));
    clock.advance(Duration::from_secs(9));
    let challenge = ends.accept(&hello.token).unwrap().token;
    ends.initialize(Some(&challenge)).unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!(status(ends.accept(&challenge)), Err(SecurityStatus::CONTEXT_EXPIRED));
    // Without a lifetime of its own, a context is good for as long as the credential.
    let ssp = engine("MSN").clock(clock.clone()).lifetime(Duration::from_secs(50)).build();
    let now = sspcache_engine::Clock::now(&clock);
    let (client, server) = Ends::new(&ssp).run().unwrap();
    assert_eq!(client.expires, now.after(Duration::from_secs(50)));
    assert_eq!(server.expires, sspcache_engine::FileTime::NEVER);
}

/// S3: a proof that `CompleteAuthToken` is to complete is none before.
#[test]
fn a_token_that_is_to_be_completed_proves_nothing_before() {
    for (flags, progress) in
        [(F::empty(), Progress::CompleteNeeded), (F::MUTUAL_AUTH, Progress::CompleteAndContinue)]
    {
        let ssp = engine("MSN").complete_tokens(true).build();
        let mut forgetful = Ends::new(&ssp).asking(flags);
        let proof = forgetful.proof();
        assert_eq!(status(forgetful.accept(&proof)), Err(SecurityStatus::LOGON_DENIED), "not completed");

        let mut ends = Ends::new(&ssp).asking(flags);
        let hello = ends.initialize(None).unwrap().token;
        assert_eq!(
            ssp.complete(ends.client_context.unwrap(), &mut []),
            Err(SecurityStatus::UNSUPPORTED_FUNCTION)
        );
        let challenge = ends.accept(&hello).unwrap().token;
        let mut proof = ends.initialize(Some(&challenge)).unwrap();
        assert_eq!(proof.progress, progress);
        let context = proof.context;
        assert_eq!(ssp.context(context).map(|_| ()), Err(SecurityStatus::INVALID_HANDLE), "not yet");
        let mut another = proof.token.clone();
        another[30] ^= 1;
        assert_eq!(ssp.complete(context, &mut another), Err(SecurityStatus::INVALID_TOKEN));
        assert_eq!(ssp.complete(context, &mut proof.token[1..]), Err(SecurityStatus::INVALID_TOKEN));
        ssp.complete(context, &mut proof.token).unwrap();
        assert_eq!(
            ssp.complete(context, &mut proof.token),
            Err(SecurityStatus::UNSUPPORTED_FUNCTION),
            "once"
        );
        let last = ends.accept(&proof.token).unwrap();
        if !last.token.is_empty() {
            ends.initialize(Some(&last.token)).unwrap();
        }
        let (client, server) = ends.infos();
        assert_eq!(client.session_key.bytes(), server.session_key.bytes());
    }
}

/// S3: with extended errors, the other side gets the reason; it never takes it for a success.
#[test]
fn who_asked_for_extended_errors_tells_the_other_side_why_it_gave_up() {
    let mut package = PackageInfo::named("MSN");
    package.capabilities.0 |= sspi::SECPKG_FLAG_EXTENDED_ERROR | sspi::SECPKG_FLAG_MUTUAL_AUTH;
    let ssp = || engine("MSN").package(package.clone());
    let (client, server) = (ssp().build(), ssp().accepted_targets(["HTTP/web"]).build());
    let wrong = || AuthIdentity::password("alice", "CONTOSO", "wrong");
    let told = |ends: &mut Ends<'_>| {
        let refusal = ends.run().unwrap_err();
        let token = refusal.token.expect("the other side is told");
        assert_eq!(status(ends.initialize(Some(&token))), Err(refusal.status));
        refusal.status
    };
    // In the acceptor's later step, and in its first one.
    let mut ends =
        Ends::between(&client, &server, wrong()).demanding(F::EXTENDED_ERROR).asking(F::MUTUAL_AUTH);
    assert_eq!(told(&mut ends), SecurityStatus::LOGON_DENIED);
    let mut ends = Ends::between(&client, &server, alice()).demanding(F::EXTENDED_ERROR).to("HTTP/other");
    assert_eq!(told(&mut ends), SecurityStatus::WRONG_PRINCIPAL);
    // The initiator's own, sent to the acceptor.
    let mut ends = Ends::between(&client, &server, alice()).asking(F::EXTENDED_ERROR);
    let hello = ends.initialize(None).unwrap().token;
    ends.accept(&hello).unwrap();
    let refusal = ends.initialize(Some(&hello)).unwrap_err();
    assert_eq!(refusal.status, SecurityStatus::INVALID_TOKEN);
    assert_eq!(status(ends.accept(&refusal.token.unwrap())), Err(SecurityStatus::INVALID_TOKEN));
    // Not sent when not asked for, nor where there is no room for it.
    let mut ends = Ends::between(&client, &server, wrong());
    assert_eq!(ends.run().unwrap_err().token, None);
    let mut ends = Ends::between(&client, &server, wrong()).demanding(F::EXTENDED_ERROR);
    let proof = ends.proof();
    ends.room = 8;
    let refusal = ends.accept(&proof).unwrap_err();
    assert_eq!((refusal.status, refusal.token), (SecurityStatus::LOGON_DENIED, None));
}

/// S3: whatever an error token says, it is an error.
#[test]
fn an_error_token_is_never_taken_for_a_success() {
    let mut package = PackageInfo::named("MSN");
    package.capabilities.0 |= sspi::SECPKG_FLAG_EXTENDED_ERROR;
    let ssp = engine("MSN").package(package).build();
    let mut ends =
        Ends::of(&ssp, AuthIdentity::password("alice", "CONTOSO", "wrong")).demanding(F::EXTENDED_ERROR);
    let token = ends.run().unwrap_err().token.unwrap();
    let said = |code: i32| {
        let mut token = token.clone();
        let at = token.len() - 4;
        token[at..].copy_from_slice(&code.to_le_bytes());
        let mut ends = Ends::new(&ssp);
        ends.initialize(None).unwrap();
        let refused = status(ends.initialize(Some(&token))).unwrap_err();
        let mut first = Ends::new(&ssp);
        assert_eq!(status(first.accept(&token)), Err(SecurityStatus::INVALID_TOKEN), "nobody failed yet");
        refused
    };
    for told in [SecurityStatus::BAD_BINDINGS, SecurityStatus::INTERNAL_ERROR] {
        assert_eq!(said(told.code()), told);
    }
    // A status that no side sends is no valid token.
    for untold in [
        0,
        SecurityStatus::CONTINUE_NEEDED.code(),
        SecurityStatus::COMPLETE_NEEDED.code(),
        SecurityStatus::BUFFER_TOO_SMALL.code(),
        0x1234,
    ] {
        assert_eq!(said(untold), SecurityStatus::INVALID_TOKEN, "{untold:#x}");
    }
}

/// S3, M6: handshakes of several threads, with flushes, deletions and abandoned ones among them.
#[test]
fn threads_share_an_instance_and_leave_nothing_behind() {
    let clock = ManualClock::default();
    let ssp = engine("MSN")
        .handle_policy(HandlePolicy::Retain)
        .clock(clock.clone())
        .handshake_time(Duration::from_secs(10))
        .record_events(false)
        .build();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (ssp, clock) = (&ssp, &clock);
            scope.spawn(move || {
                for round in 0..100 {
                    let mut ends = Ends::new(ssp).asking(F::MUTUAL_AUTH);
                    let run = status(ends.run());
                    assert!(matches!(run, Ok(()) | Err(SecurityStatus::CONTEXT_EXPIRED)), "{run:?}");
                    let mut given_up = Ends::new(ssp);
                    given_up.initialize(None).unwrap();
                    match (thread + round) % 16 {
                        0 => assert!(ssp.flush()),
                        1 => clock.advance(Duration::from_secs(10)),
                        _ => {}
                    }
                    for ends in [ends, given_up] {
                        ssp.free(ends.client_credential).unwrap();
                        ssp.free(ends.server_credential).unwrap();
                        for context in [ends.client_context, ends.server_context].into_iter().flatten() {
                            ssp.delete_context(context).unwrap();
                        }
                    }
                }
            });
        }
    });
    assert!(ssp.flush());
    assert_eq!((ssp.open_contexts(), ssp.open_handles(), ssp.retained()), (0, 0, 0));
}

/// M7, M10: nothing of a context outlives its instance's end.
#[test]
fn an_end_takes_every_context_with_it() {
    let ssp = engine("MSN").build();
    let mut ends = Ends::new(&ssp);
    ends.run().unwrap();
    let mut half_open = Ends::new(&ssp);
    let hello = half_open.initialize(None).unwrap().token;
    ssp.end(Ending::Unloaded);
    assert_eq!(ssp.open_contexts(), 0);
    ssp.restart();
    for context in [ends.client_context, ends.server_context, half_open.client_context] {
        assert_eq!(ssp.context(context.unwrap()).map(|_| ()), Err(SecurityStatus::INVALID_HANDLE));
        assert_eq!(ssp.delete_context(context.unwrap()), Err(SecurityStatus::INVALID_HANDLE));
    }
    assert_eq!(status(half_open.initialize(Some(&hello))), Err(SecurityStatus::INVALID_HANDLE));
    Ends::new(&ssp).run().unwrap();
    assert!(hello.windows(ends::PASSWORD.len()).all(|bytes| bytes != ends::PASSWORD.as_bytes()));
}
