//! Packages that are forbidden, and what events say for policies and misuse.

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Engine, EngineBuilder, EventKind, Name, PackageList, SecurityStatus,
    context::{ContextFlags, Role},
};

use crate::ends::{Ends, PASSWORD, alice};

fn all() -> EngineBuilder {
    Engine::builder("secur32.dll").account("alice", "CONTOSO", PASSWORD)
}

/// The last event of a refused step: its status, the forbidden package, and the target.
fn refused(ssp: &Engine) -> (SecurityStatus, String, String) {
    match ssp.events().pop().unwrap().kind {
        EventKind::Refused { status, forbidden, target, .. } => (status, forbidden, target),
        other => panic!("{other:?}"),
    }
}

/// Q7
#[test]
fn a_forbidden_package_is_not_offered_and_negotiate_signs_in_without_it() {
    for ssp in [
        all().forbid_package("ntlm").build(),
        all().only_packages(["Negotiate"]).forbid_package("NTLM").build(),
    ] {
        assert!(ssp.forbids(&Name::from("NTLM")) && ssp.package(&Name::from("NTLM")).is_err());
        let status = ssp.acquire(&AcquireRequest::outbound("NTLM").with_identity(alice())).unwrap_err();
        assert_eq!(status, SecurityStatus::SECPKG_NOT_FOUND);
        let mut ends = Ends::new(&ssp).to("HTTP/web");
        ends.run().unwrap();
        let info = ssp.context(ends.client_context.unwrap()).unwrap();
        assert_eq!(info.package.name, Name::from("Kerberos"));
        // Kerberos alone is left, which needs a target.
        let refusal = Ends::new(&ssp).initialize(None).unwrap_err();
        assert_eq!(refusal.status, SecurityStatus::TARGET_UNKNOWN);
    }
}

/// Q7
#[test]
fn where_a_forbidden_package_alone_is_left_the_first_step_is_refused_and_its_event_says_which() {
    let ssp = all().forbid_package("NTLM").build();
    let ntlm = || "NTLM".to_owned();
    let refuse = |identity: AuthIdentity, target: Option<&str>| {
        let mut ends = Ends::of(&ssp, identity);
        ends.target = target.map(Name::from);
        ends.initialize(None).unwrap_err();
        refused(&ssp)
    };
    let list = |list: &str| alice().with_packages(PackageList::parse(list));
    let unknown = SecurityStatus::TARGET_UNKNOWN;
    assert_eq!(refuse(alice(), Some("192.0.2.1")), (unknown, ntlm(), "192.0.2.1".into()));
    assert_eq!(refuse(alice(), None), (unknown, ntlm(), String::new()));
    assert_eq!(
        refuse(list("NTLM"), Some("HTTP/web")),
        (SecurityStatus::NO_CREDENTIALS, ntlm(), "HTTP/web".into())
    );
    // These excluded NTLM themselves.
    assert_eq!(refuse(list("Kerberos"), None), (unknown, String::new(), String::new()));
    assert_eq!(refuse(list("!NTLM"), None), (unknown, String::new(), String::new()));
    // Nor is it said where nothing is forbidden.
    let ssp = all().build();
    let mut ends = Ends::of(&ssp, list("Kerberos"));
    ends.initialize(None).unwrap_err();
    assert_eq!(refused(&ssp), (unknown, String::new(), String::new()));
}

/// Q7
#[test]
fn an_acceptor_of_negotiate_takes_no_token_of_a_forbidden_package() {
    let (client, server) = (all().build(), all().forbid_package("NTLM").build());
    let mut ends = Ends::between(&client, &server, alice());
    let token = ends.initialize(None).unwrap().token;
    assert_eq!(ends.accept(&token).unwrap_err().status, SecurityStatus::INVALID_TOKEN);
    // With NTLM as what may be chosen in the place of Kerberos, it chooses Kerberos.
    let mut ends = Ends::between(&client, &server, alice()).to("HTTP/web");
    ends.run().unwrap();
}

/// Q7: `-name` excludes nothing, and what is said of a list can be read again.
#[test]
fn a_package_list_is_written_as_it_can_be_read() {
    for (list, written) in [
        ("Kerberos, NTLM ,!Digest", "Kerberos,NTLM,!Digest"),
        ("-NTLM,! Digest,Kerberos", "Kerberos,!Digest,-NTLM"),
        ("", ""),
    ] {
        let read = PackageList::parse(list);
        assert_eq!(read.to_string(), written);
        assert_eq!(PackageList::parse(written), read);
    }
    assert!(PackageList::parse("-ntlm").excludes_in_vain(&Name::from("NTLM")));
    assert!(!PackageList::parse("!NTLM").excludes_in_vain(&Name::from("NTLM")));
}

/// Q3, Q7: what was asked for, granted and bound, and whether a buffer was too short.
#[test]
fn events_say_what_a_handshake_asks_for_and_has() {
    let ssp = all().build();
    let wanted = ContextFlags::MUTUAL_AUTH | ContextFlags::CONFIDENTIALITY | ContextFlags::INTEGRITY;
    let mut ends = Ends::new(&ssp).asking(wanted).to("HTTP/web");
    ends.room = 16;
    ends.initialize(None).unwrap_err();
    assert!(matches!(ssp.events().pop().unwrap().kind, EventKind::Refused { short: true, .. }));
    ends.room = usize::MAX;
    ends.run().unwrap();
    let role = Role::Initiator;
    let kinds: Vec<EventKind> = ssp.events().into_iter().map(|event| event.kind).collect();
    let has = |is: &dyn Fn(&EventKind) -> bool| kinds.iter().any(is);
    let asked_for =
        |asked: &Option<u32>| asked.map(|bits| ContextFlags::from_wire(role, bits)) == Some(wanted);
    assert!(has(
        &|kind| matches!(kind, EventKind::ContextStarted { asked, target, handle, role: Role::Initiator, .. }
        if asked_for(asked) && target == "HTTP/web" && *handle == Some(ends.client_credential.word()))
    ));
    let granted =
        |granted: &Option<u32>| granted.map(|bits| ContextFlags::from_returned(role, bits)) == Some(wanted);
    assert!(has(
        &|kind| matches!(kind, EventKind::ContextEstablished { granted: flags, bound: false, role: Role::Initiator, .. }
        if granted(flags))
    ));
}
