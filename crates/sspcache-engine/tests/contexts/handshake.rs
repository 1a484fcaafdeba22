//! Handshakes between an initiator and an acceptor, as `SEMANTICS` S3, S5, S9, M4 and M5 say it.

// Credentials and a proxy for Kerberos that a handle is given after it was acquired.
mod added;
// Changed, cut, repeated, exchanged and foreign tokens, and any order of any calls.
mod attacks;
// The numbers of flags on both sides, and what is granted of them.
mod flags;
// The legs of each package: who is done when, and with which token.
mod legs;
// Flushes, wrong calls, too little room, and being forgotten.
mod lives;
// What the tokens of each package look like from outside.
mod tokens;

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Direction, Engine, Event, EventKind, Name, PackageInfo, PackageList,
    Principal, SecurityStatus,
    context::{ContextFlags as F, Progress, Role},
};
use windows_sys::Win32::Security::Authentication::Identity as sspi;

use crate::ends::{self, Ends, alice, engine};

/// S3: three legs, or four with mutual authentication; who has to send what, and what comes next, at each of them.
#[test]
fn a_handshake_is_done_after_three_legs_and_with_mutual_authentication_after_four() {
    let ssp = engine("MSN").build();
    for (flags, after_proof, confirmed) in
        [(F::empty(), Progress::Complete, false), (F::MUTUAL_AUTH, Progress::Continue, true)]
    {
        let mut ends = Ends::new(&ssp).asking(flags);
        let hello = ends.initialize(None).unwrap();
        assert_eq!(hello.progress, Progress::Continue);
        let challenge = ends.accept(&hello.token).unwrap();
        assert_eq!(challenge.progress, Progress::Continue);
        let proof = ends.initialize(Some(&challenge.token)).unwrap();
        assert_eq!(proof.progress, after_proof, "{flags:?}");
        let last = ends.accept(&proof.token).unwrap();
        assert_eq!(last.progress, Progress::Complete);
        assert_eq!(!last.token.is_empty(), confirmed, "{flags:?}");
        if confirmed {
            let done = ends.initialize(Some(&last.token)).unwrap();
            assert_eq!((done.progress, done.token), (Progress::Complete, Vec::new()));
        }
    }
}

/// S3, S4: two instances, as two processes have them, with names that no code page has.
#[test]
fn both_ends_agree_on_names_flags_and_key() {
    let user = Name::from_units(&[0xD83D, 0xDE00, 0x00E9, 0xD800]);
    let identity = || AuthIdentity::password(user.clone(), "CONTOSO", "x");
    let client = engine("Kerberos").build();
    let server = engine("Kerberos").account(user.clone(), "contoso", "x").build();
    let inbound = AcquireRequest::inbound("Kerberos").with_principal(r"CONTOSO\web$");
    let mut ends = Ends::with(
        &client,
        &AcquireRequest::outbound("Kerberos").with_identity(identity()),
        &server,
        &inbound,
    )
    .asking(F::MUTUAL_AUTH | F::CONFIDENTIALITY)
    .to("HTTP/web");
    ends.run().unwrap();
    let (client, server) = ends.infos();
    assert_eq!((client.role, server.role), (Role::Initiator, Role::Acceptor));
    for info in [&client, &server] {
        assert_eq!(info.client.user.units(), user.units());
        assert_eq!(info.server, Principal::new("web$", "CONTOSO"));
        assert_eq!(info.target, Some("HTTP/web".into()));
        assert_eq!(info.package.name, "Kerberos".into());
        assert!(!info.negotiated);
        assert_eq!(info.flags, F::MUTUAL_AUTH | F::CONFIDENTIALITY | F::INTEGRITY);
    }
    let module: Vec<u8> = "MSNSSPC.dll".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!([client.target_information, server.target_information], [module.clone(), module]);
    assert_eq!(client.session_key.bytes(), server.session_key.bytes());
}

/// S3: an unknown account and a wrong secret give the same status.
#[test]
fn a_wrong_password_and_an_unknown_account_are_both_denied_by_the_acceptor() {
    for identity in [
        AuthIdentity::password("alice", "CONTOSO", "wrong"),
        AuthIdentity::password("alice", "CONTOSO", ""),
        AuthIdentity::password("mallory", "CONTOSO", ends::PASSWORD),
        AuthIdentity::password("alice", "FABRIKAM", ends::PASSWORD),
    ] {
        let ssp = engine("MSN").build();
        let mut ends = Ends::of(&ssp, identity);
        let refusal = ends.run().unwrap_err();
        assert_eq!((refusal.status, refusal.token), (SecurityStatus::LOGON_DENIED, None));
    }
}

/// M2: an acceptor verifies against its accounts; what is cached is none.
#[test]
fn what_is_cached_is_no_account() {
    let client = engine("MSN").build();
    let server = Engine::builder("MSNSSPC.dll").preload("MSN", alice()).build();
    assert_eq!(
        Ends::between(&client, &server, alice()).run().unwrap_err().status,
        SecurityStatus::LOGON_DENIED
    );
}

/// M2: who may initialize and who may accept.
#[test]
fn inbound_credentials_cannot_initialize_and_outbound_ones_cannot_accept() {
    let ssp = engine("MSN").build();
    for (direction, initializes, accepts) in
        [(Direction::Both, true, true), (Direction::Inbound, false, true), (Direction::Outbound, true, false)]
    {
        let own = AcquireRequest::new("MSN", direction).with_identity(alice());
        let hello = Ends::new(&ssp).initialize(None).unwrap().token;
        let mut ends = Ends::with(&ssp, &own, &ssp, &own);
        let no = Some(SecurityStatus::NO_CREDENTIALS);
        let initialized = ends.initialize(None).err().map(|refusal| refusal.status);
        assert_eq!(initialized, no.filter(|_| !initializes), "{direction:?}");
        let accepted = ends.accept(&hello).err().map(|refusal| refusal.status);
        assert_eq!(accepted, no.filter(|_| !accepts), "{direction:?}");
    }
}

/// P1, P5, P7: what Negotiate chooses, and when there is nothing to choose.
#[test]
fn negotiate_chooses_among_the_other_packages_that_both_ends_may_use() {
    let all: &[&str] = &[];
    let three = &["Negotiate", "NTLM", "Kerberos"][..];
    let ntlm = &["Negotiate", "NTLM"][..];
    let web = "HTTP/web";
    let [invalid, unknown, nothing] =
        [SecurityStatus::INVALID_TOKEN, SecurityStatus::TARGET_UNKNOWN, SecurityStatus::NO_CREDENTIALS]
            .map(Err);
    for (client, list, target, server, chosen) in [
        (three, "", web, three, Ok("Kerberos")),
        (three, "", "", three, Ok("NTLM")),
        (three, "", "HTTP/10.0.0.1:80", three, Ok("NTLM")),
        (three, "", "HTTP/[::1]", three, Ok("NTLM")),
        (three, "", web, ntlm, Ok("NTLM")),
        (three, "ntlm", web, three, Ok("NTLM")),
        (three, "!Kerberos", web, three, Ok("NTLM")),
        (three, "!NTLM", web, three, Ok("Kerberos")),
        (three, "!NTLM", web, ntlm, invalid),
        (three, "!NTLM", "", three, unknown),
        (three, "!NTLM", "HTTP/10.0.0.1", three, unknown),
        (ntlm, "", web, ntlm, Ok("NTLM")),
        (ntlm, "", web, &["Negotiate", "Kerberos"], invalid),
        // Where Negotiate is alone, it knows the two that Windows' own knows.
        (&["Negotiate"], "", web, &["Negotiate"], Ok("Kerberos")),
        (&["Negotiate"], "", "", &["Negotiate"], Ok("NTLM")),
        (&["Negotiate"], "NTLM", web, &["Negotiate"], Ok("NTLM")),
        // MSN and DPA don't say that Negotiate may choose them.
        (&["Negotiate", "MSN", "DPA"], "", web, &["Negotiate", "DPA", "MSN"], Ok("Kerberos")),
        (&["MSN", "NTLM", "Negotiate", "Kerberos"], "", "", &["Negotiate", "NTLM", "MSN"], Ok("NTLM")),
        (&["MSN", "NTLM", "Negotiate", "Kerberos"], "MSN", web, &["Negotiate", "NTLM", "MSN"], nothing),
        (&["MSN", "Negotiate", "Kerberos"], "", "HTTP/10.0.0.1", &["Negotiate", "MSN"], unknown),
        // A bare package on either side.
        (&["NTLM"], "", web, &["Negotiate", "Kerberos", "NTLM"], Ok("NTLM")),
        (&["Kerberos"], "", web, &["Negotiate", "Kerberos", "NTLM"], Ok("Kerberos")),
        (&["MSN"], "", web, &["Negotiate", "Kerberos", "MSN"], Ok("MSN")),
        (&["DPA"], "", web, &["Negotiate", "Kerberos", "NTLM"], invalid),
        (ntlm, "", web, &["NTLM"], Ok("NTLM")),
        (three, "", web, &["NTLM"], invalid),
        (three, "", web, &["MSN"], invalid),
        (three, "", web, &["Kerberos"], Err(SecurityStatus::INSUFFICIENT_MEMORY)),
        (ntlm, "", web, &["Kerberos"], invalid),
        (&["NTLM"], "", web, &["Kerberos"], invalid),
        (&["Kerberos"], "", web, &["NTLM"], invalid),
        (&["MSN"], "", web, &["Kerberos"], invalid),
        // The order of the list is the order of preference.
        (all, "", web, all, Ok("Kerberos")),
        (all, "NTLM,Kerberos", web, all, Ok("NTLM")),
        (all, "Kerberos, NTLM", web, all, Ok("Kerberos")),
        (all, "Kerberos, !kerberos, NTLM", web, all, Ok("NTLM")),
        (all, "-Kerberos", web, all, Ok("Kerberos")),
        (all, "NTLM,-NTLM", web, all, Ok("NTLM")),
        (all, "nosuch", web, all, nothing),
        (all, "!NTLM,!Kerberos", web, all, nothing),
        (&["NTLM"], "nosuch", web, &["NTLM"], nothing),
        (&["MSN"], "!MSN", web, &["MSN"], nothing),
    ] {
        let engine = |names: &[&str]| {
            let builder = Engine::builder("MSNSSPC.dll").account("alice", "CONTOSO", ends::PASSWORD);
            if names.is_empty() { builder } else { builder.only_packages(names.iter().copied()) }.build()
        };
        let credential = |ssp: &Engine| {
            let names: Vec<Name> = ssp.packages().into_iter().map(|package| package.name).collect();
            names.iter().find(|name| **name == "Negotiate".into()).unwrap_or(&names[0]).clone()
        };
        let case = format!("{client:?} {list} {target} {server:?}");
        let (client, server) = (engine(client), engine(server));
        let identity = alice().with_packages(PackageList::parse(list));
        let outbound = AcquireRequest::outbound(credential(&client)).with_identity(identity);
        let mut ends = Ends::with(&client, &outbound, &server, &AcquireRequest::inbound(credential(&server)));
        ends.target = Some(Name::from(target)).filter(|target| !target.is_empty());
        let run = ends.run().map_err(|refusal| refusal.status);
        assert_eq!(run.as_ref().err().copied(), chosen.err(), "{case}");
        let Ok(chosen) = chosen else { continue };
        let (client_info, server_info) = ends.infos();
        assert_eq!(client_info.package.name, chosen.into(), "{case}");
        assert_eq!(server_info.package.name, chosen.into(), "{case}");
        assert_eq!(client_info.negotiated, outbound.package == "Negotiate".into(), "{case}");
        assert_eq!(server_info.negotiated, credential(&server) == "Negotiate".into(), "{case}");
        assert_eq!(client_info.session_key.bytes(), server_info.session_key.bytes(), "{case}");
    }
}

/// S5: which targets an initiator finds, and which an acceptor is.
#[test]
fn targets_are_looked_for_and_checked_where_the_configuration_names_them() {
    let [unknown, wrong] = [Err(SecurityStatus::TARGET_UNKNOWN), Err(SecurityStatus::WRONG_PRINCIPAL)];
    for (target, known, accepted, result) in [
        (Some("HTTP/web"), None, None, Ok(())),
        (Some("http/WEB"), Some("HTTP/web"), Some("HTTP/web"), Ok(())),
        (Some("HTTP/other"), Some("HTTP/web"), None, unknown),
        (Some("HTTP/other"), None, Some("HTTP/web"), wrong),
        (None, Some("HTTP/web"), Some("HTTP/web"), Ok(())),
    ] {
        let client = engine("MSN").known_targets(known.unwrap_or("HTTP/other").split(' '));
        let client = if known.is_some() { client.build() } else { engine("MSN").build() };
        let server = engine("MSN");
        let server = match accepted {
            Some(accepted) => server.accepted_targets([accepted]).build(),
            None => server.build(),
        };
        let mut ends = Ends::between(&client, &server, alice());
        ends.target = target.map(Name::from);
        let run = ends.run().map(|_| ()).map_err(|refusal| refusal.status);
        assert_eq!(run, result, "{target:?} {known:?} {accepted:?}");
        assert_eq!(server.open_contexts() > 0, result.is_ok(), "no context of a first step is left");
    }
}

/// S5: the channel bindings of both sides, and what an acceptor makes of their absence.
#[test]
fn channel_bindings_have_to_fit_as_far_as_the_acceptor_cares() {
    let [ours, theirs]: [Option<&[u8]>; 2] = [Some(b"tls-unique:1"), Some(b"tls-unique:2")];
    let missing = F::ALLOW_MISSING_BINDINGS;
    let proxy = F::PROXY_BINDINGS;
    let bad = Err(SecurityStatus::BAD_BINDINGS);
    let ssp = engine("MSN").build();
    for (client, server, flags, result) in [
        (None, None, F::empty(), Ok(())),
        (None, None, proxy, bad),
        (ours, None, F::empty(), Ok(())),
        (ours, None, proxy, Ok(())),
        (ours, ours, F::empty(), Ok(())),
        (ours, ours, proxy, Ok(())),
        (ours, theirs, F::empty(), bad),
        (ours, theirs, missing, bad),
        (ours, Some(b""), F::empty(), bad),
        (None, ours, F::empty(), bad),
        (None, ours, missing, Ok(())),
        (None, ours, missing | proxy, Err(SecurityStatus::INVALID_PARAMETER)),
    ] {
        let run = Ends::new(&ssp).bound(client, server).demanding(flags).run();
        let run = run.map(|_| ()).map_err(|refusal| refusal.status);
        assert_eq!(run, result, "{client:?} {server:?} {flags:?}");
    }
}

/// S5: bindings that came with a first step count in the later ones.
#[test]
fn channel_bindings_of_the_first_step_are_kept() {
    let ssp = engine("MSN").build();
    let mut ends = Ends::new(&ssp).bound(Some(b"x"), Some(b"x"));
    let hello = ends.initialize(None).unwrap().token;
    let challenge = ends.accept(&hello).unwrap().token;
    (ends.client_bindings, ends.server_bindings) = (None, None);
    let proof = ends.initialize(Some(&challenge)).unwrap().token;
    ends.accept(&proof).unwrap();
}

/// S3: null sessions, by an anonymous credential or because one was asked for.
#[test]
fn a_null_session_needs_the_acceptors_leave_and_names_nobody() {
    let nobody = || AuthIdentity::password("", "", "");
    for (identity, asked) in
        [(nobody(), F::empty()), (alice(), F::NULL_SESSION), (nobody(), F::MUTUAL_AUTH | F::DELEGATE)]
    {
        let ssp = engine("MSN").build();
        let mut refused = Ends::of(&ssp, identity.clone()).asking(asked);
        assert_eq!(refused.run().unwrap_err().status, SecurityStatus::LOGON_DENIED, "{asked:?}");
        let mut ends = Ends::of(&ssp, identity).asking(asked).demanding(F::NULL_SESSION);
        let (client, server) = ends.run().unwrap();
        assert_eq!((client.flags, server.flags), (F::NULL_SESSION, F::NULL_SESSION), "{asked:?}");
        let (client, server) = ends.infos();
        assert!(client.client.is_empty() && server.client.is_empty());
        assert_eq!(client.session_key.bytes(), server.session_key.bytes());
    }
    // A user is one, even where a null session would do.
    let ssp = engine("MSN").build();
    let (_, server) = Ends::new(&ssp).demanding(F::NULL_SESSION).run().unwrap();
    assert!(!server.flags.contains(F::NULL_SESSION));
}

/// S9
#[test]
fn impersonation_is_refused_unless_it_is_to_be_simulated() {
    let can = sspi::SECPKG_FLAG_IMPERSONATION;
    for (simulate, capabilities, demanded, result) in [
        (false, can, F::empty(), Err(SecurityStatus::NO_IMPERSONATION)),
        (true, can, F::empty(), Ok(())),
        (true, !can, F::empty(), Err(SecurityStatus::NO_IMPERSONATION)),
        (true, can, F::NO_TOKEN, Err(SecurityStatus::NO_IMPERSONATION)),
    ] {
        let mut package = PackageInfo::named("MSN");
        package.capabilities.0 = capabilities;
        let ssp = engine("MSN").package(package).simulate_impersonation(simulate).build();
        let mut ends = Ends::new(&ssp).demanding(demanded);
        ends.run().unwrap();
        let (client, server) = (ends.client_context.unwrap(), ends.server_context.unwrap());
        assert_eq!(ssp.impersonate(server), result);
        assert_eq!(ssp.revert(server), result);
        assert_eq!(ssp.impersonate(client), Err(SecurityStatus::NO_IMPERSONATION), "nobody's server");
        assert_eq!(
            ssp.context_token(server),
            Err(SecurityStatus::NO_IMPERSONATION),
            "there never is a token"
        );
        assert_eq!(ssp.apply_control_token(server), Err(SecurityStatus::UNSUPPORTED_FUNCTION));
        let recorded = |event: &Event| match &event.kind {
            EventKind::Impersonated { principal, .. } => principal == r"CONTOSO\alice",
            _ => false,
        };
        assert_eq!(ssp.events().iter().any(recorded), result.is_ok());
        let reverted = |event: &Event| matches!(event.kind, EventKind::Reverted { .. });
        assert_eq!(ssp.events().iter().any(reverted), result.is_ok());
    }
}

/// M8, M12: what happened, in order, and no secret or key in it.
#[test]
fn a_handshake_is_told_in_events_that_hold_no_secret() {
    let ssp = engine("Negotiate").only_packages(["Negotiate", "NTLM"]).build();
    let mut ends = Ends::new(&ssp).to("HTTP/web").bound(Some(b"tls-unique:1"), None);
    let [client_handle, server_handle] =
        [ends.client_credential, ends.server_credential].map(sspcache_engine::CredentialHandle::word);
    let before = ssp.events().len();
    ends.run().unwrap();
    let (client, server) = (ends.client_context.unwrap(), ends.server_context.unwrap());
    ssp.delete_context(client).unwrap();
    let mut failing = Ends::of(&ssp, AuthIdentity::password("alice", "CONTOSO", "hunter2"));
    failing.run().unwrap_err();
    let failed = failing.server_context.unwrap().word();
    let (client, server) = (client.word(), server.word());
    let kinds: Vec<EventKind> = ssp.events().into_iter().skip(before).map(|event| event.kind).collect();
    let (initiator, acceptor) = (Role::Initiator, Role::Acceptor);
    let started = |context, role, package: &str, principal: &str| EventKind::ContextStarted {
        context,
        role,
        package: package.into(),
        principal: principal.into(),
        handle: Some(if role == initiator { client_handle } else { server_handle }),
        asked: Some(0),
        target: if role == initiator { "HTTP/web".into() } else { String::new() },
    };
    let established = |context, role| EventKind::ContextEstablished {
        context,
        role,
        package: "NTLM".into(),
        principal: r"CONTOSO\alice".into(),
        granted: Some(0),
        bound: true,
    };
    assert_eq!(
        kinds[..5],
        [
            started(client, initiator, "Negotiate", r"CONTOSO\alice"),
            started(server, acceptor, "NTLM", ""),
            established(client, initiator),
            established(server, acceptor),
            EventKind::ContextDeleted { context: client },
        ]
    );
    let status = SecurityStatus::LOGON_DENIED;
    assert!(kinds.contains(&EventKind::ContextFailed { context: failed, status }), "{kinds:?}");
    let text = format!("{kinds:?} {:?} {:?}", ends.server.context(ends.server_context.unwrap()), ssp);
    assert!(!text.contains("hunter2") && !text.contains(ends::PASSWORD), "{text}");
    let json: Vec<Event> = ssp.events();
    let back: Vec<Event> = serde_json::from_str(&serde_json::to_string(&json).unwrap()).unwrap();
    assert_eq!(back, json);
}
