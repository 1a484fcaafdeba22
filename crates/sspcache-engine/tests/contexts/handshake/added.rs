//! What a handle is given after it was acquired: further credentials, and a proxy for Kerberos.

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Direction, Engine, EngineBuilder, EventKind, HandlePolicy, KdcProxy,
    PackageInfo, PackageList, SecurityStatus, Source,
    context::{ContextFlags as F, Role},
};

use crate::ends::{Ends, PASSWORD, alice};

fn negotiating() -> EngineBuilder {
    Engine::builder("MSNSSPC.dll").account("alice", "CONTOSO", PASSWORD).account("bob", "CONTOSO", PASSWORD)
}

/// The same, with packages that cache.
fn caching() -> EngineBuilder {
    let packages = ["Negotiate", "Kerberos", "NTLM"].map(|name| PackageInfo::named(name).with_caching(true));
    packages.into_iter().fold(negotiating(), EngineBuilder::package)
}

fn bob() -> AuthIdentity {
    AuthIdentity::password("bob", "CONTOSO", PASSWORD)
}

fn outbound(package: &str, identity: AuthIdentity) -> AcquireRequest {
    AcquireRequest::outbound(package).with_identity(identity)
}

/// Who has initiated, as the acceptor of this package sees it.
fn initiator(client: &Engine, request: &AcquireRequest, added: &[AcquireRequest], acceptor: &str) -> String {
    let server = negotiating().build();
    let mut ends = Ends::with(client, request, &server, &AcquireRequest::inbound(acceptor)).to("HTTP/web");
    for request in added {
        client.add_credentials(ends.client_credential, request).unwrap();
    }
    ends.run().unwrap();
    let (_, info) = ends.infos();
    format!("{} as {}", info.package.name, info.client)
}

/// S3, S7: Negotiate signs in over each package with the credential that was added for it.
#[test]
fn negotiate_takes_the_credential_that_was_added_for_the_package_that_it_chose() {
    let own = outbound("Negotiate", alice());
    let over_ntlm = |added: &[AcquireRequest]| {
        // An acceptor that has NTLM alone.
        let client = negotiating().build();
        let server = negotiating().only_packages(["Negotiate", "NTLM"]).build();
        let inbound = AcquireRequest::inbound("Negotiate");
        let mut ends = Ends::with(&client, &own, &server, &inbound).to("HTTP/web");
        for request in added {
            client.add_credentials(ends.client_credential, request).unwrap();
        }
        ends.run().unwrap();
        ends.infos().1.client.to_string()
    };
    assert_eq!(over_ntlm(&[]), r"CONTOSO\alice");
    assert_eq!(over_ntlm(&[outbound("NTLM", bob())]), r"CONTOSO\bob");
    assert_eq!(over_ntlm(&[outbound("Kerberos", bob())]), r"CONTOSO\alice");
    assert_eq!(
        over_ntlm(&[outbound("NTLM", bob()), outbound("NTLM", alice())]),
        r"CONTOSO\alice",
        "the latest"
    );
    assert_eq!(over_ntlm(&[outbound("Negotiate", bob())]), r"CONTOSO\bob", "for all packages");
    let both = [outbound("NTLM", bob()), outbound("Negotiate", alice())];
    assert_eq!(over_ntlm(&both), r"CONTOSO\alice", "the latest for all packages");

    let client = negotiating().build();
    let kerberos = outbound("Kerberos", bob());
    assert_eq!(initiator(&client, &own, &[kerberos], "Negotiate"), r"Kerberos as CONTOSO\bob");
}

/// S7: what a package list leaves out comes back with a credential of its own.
#[test]
fn an_added_credential_opens_a_package_that_the_list_left_out() {
    let client = negotiating().build();
    let own = outbound("Negotiate", alice().with_packages(PackageList::parse("!Kerberos")));
    assert_eq!(initiator(&client, &own, &[], "Negotiate"), r"NTLM as CONTOSO\alice");
    let kerberos = outbound("Kerberos", bob());
    assert_eq!(initiator(&client, &own, &[kerberos], "Negotiate"), r"Kerberos as CONTOSO\bob");
}

/// M2: added credentials are cached, or come from the cache, as acquired ones; and a handle can be given a direction.
#[test]
fn adding_credentials_follows_the_rules_of_acquiring_them() {
    let ssp = caching().record_events(true).build();
    let handle = ssp.acquire(&outbound("Negotiate", alice())).unwrap().handle;
    let silent = AcquireRequest::outbound("NTLM");
    assert_eq!(
        ssp.add_credentials(handle, &silent),
        Err(SecurityStatus::NO_CREDENTIALS),
        "nothing is cached for NTLM"
    );
    let added = ssp.add_credentials(handle, &outbound("NTLM", bob())).unwrap();
    assert_eq!((added.handle, added.source), (handle, Source::Explicit));
    assert_eq!(ssp.cached(), 2);
    assert_eq!(ssp.add_credentials(handle, &silent).unwrap().source, Source::Cache);
    assert_eq!(ssp.principal(handle).unwrap().to_string(), r"CONTOSO\alice", "the handle's own");
    let events = ssp.events();
    let last = &events.last().unwrap().kind;
    assert!(
        matches!(last, EventKind::CredentialsAdded { package, principal, source: Source::Cache, .. }
            if package == "NTLM" && principal == r"CONTOSO\bob"),
        "{last:?}"
    );

    assert!(ssp.flush());
    assert_eq!(ssp.cached(), 0);
    assert_eq!(ssp.add_credentials(handle, &silent), Err(SecurityStatus::NO_CREDENTIALS));
    ssp.free(handle).unwrap();
    assert_eq!(ssp.add_credentials(handle, &silent), Err(SecurityStatus::INVALID_HANDLE));

    let mut ends = Ends::with(&ssp, &outbound("NTLM", alice()), &ssp, &outbound("NTLM", alice()));
    ends.client_flags = F::INTEGRITY;
    let hello = ends.initialize(None).unwrap().token;
    assert_eq!(
        ends.accept(&hello).unwrap_err().status,
        SecurityStatus::NO_CREDENTIALS,
        "for initiating alone"
    );
    let inbound = AcquireRequest::inbound("NTLM").with_principal(r"CONTOSO\web$");
    ssp.add_credentials(ends.server_credential, &inbound).unwrap();
    let challenge = ends.accept(&hello).unwrap().token;
    let proof = ends.initialize(Some(&challenge)).unwrap().token;
    ends.accept(&proof).unwrap();
    let (client, server) = ends.infos();
    assert_eq!(server.role, Role::Acceptor);
    assert_eq!(client.server.to_string(), r"CONTOSO\web$");
}

/// S5
#[test]
fn only_credentials_that_a_handle_has_a_use_for_can_be_added() {
    let ssp = caching().build();
    let ntlm = ssp.acquire(&outbound("NTLM", alice())).unwrap().handle;
    for (package, status) in [
        ("Kerberos", Some(SecurityStatus::UNKNOWN_CREDENTIALS)),
        ("Negotiate", Some(SecurityStatus::UNKNOWN_CREDENTIALS)),
        ("Digest", Some(SecurityStatus::SECPKG_NOT_FOUND)),
        ("ntlm", None),
    ] {
        let added = ssp.add_credentials(ntlm, &outbound(package, bob()));
        assert_eq!(added.err(), status, "{package}");
    }
    let direct = initiator(&ssp, &outbound("NTLM", alice()), &[outbound("NTLM", bob())], "NTLM");
    assert_eq!(direct, r"NTLM as CONTOSO\bob", "in the place of the handle's own");
    assert_eq!(ssp.cached(), 2, "one a principal; what was refused is not cached");
}

/// M4: each of a handle's credentials is revoked, or kept, for itself.
#[test]
fn a_flush_leaves_of_a_handle_what_was_added_after_it() {
    for (policy, over) in [(HandlePolicy::Revoke, "NTLM"), (HandlePolicy::Retain, "Kerberos")] {
        let ssp = caching().handle_policy(policy).build();
        let own = outbound("Negotiate", alice());
        let mut ends = Ends::with(&ssp, &own, &ssp, &AcquireRequest::inbound("Negotiate")).to("HTTP/web");
        let handle = ends.client_credential;
        for identity in [bob(), alice()] {
            ssp.add_credentials(handle, &outbound("Kerberos", identity)).unwrap();
        }
        assert!(ssp.flush(), "the first of the two that were added is nobody's any more");
        ssp.add_credentials(handle, &outbound("NTLM", bob())).unwrap();
        assert_eq!(ssp.retained(), if policy == HandlePolicy::Retain { 2 } else { 0 });
        ends.run().unwrap();
        assert_eq!(ends.infos().0.package.name, over.into(), "{policy:?}");
        ssp.free(handle).unwrap();
        assert_eq!(ssp.retained(), 0, "{policy:?}");
    }
}

/// M4: a half-open handshake keeps the copies of all credentials that it may still need.
#[test]
fn a_handshake_keeps_what_was_added_to_a_handle_that_is_freed_meanwhile() {
    let ssp = caching().handle_policy(HandlePolicy::Retain).build();
    // It has NTLM alone, and asks for that instead of the Kerberos that it is offered first.
    let server = negotiating().only_packages(["Negotiate", "NTLM"]).build();
    let own = outbound("Negotiate", alice());
    let mut ends = Ends::with(&ssp, &own, &server, &AcquireRequest::inbound("NTLM")).to("HTTP/web");
    ssp.add_credentials(ends.client_credential, &outbound("NTLM", bob())).unwrap();
    let first = ends.initialize(None).unwrap().token;
    assert!(ssp.flush());
    ssp.free(ends.client_credential).unwrap();
    assert_eq!(ssp.retained(), 1, "bob's: Kerberos has made its proof as alice");
    // The acceptor takes no negotiated token, as one of NTLM alone.
    assert_eq!(ends.accept(&first).unwrap_err().status, SecurityStatus::INVALID_TOKEN);
    ends.server_credential = server.acquire(&AcquireRequest::inbound("Negotiate")).unwrap().handle;
    let other = ends.accept(&first).unwrap().token;
    let hello = ends.initialize(Some(&other)).unwrap().token;
    let challenge = ends.accept(&hello).unwrap().token;
    assert_eq!(ssp.retained(), 1);
    let proof = ends.initialize(Some(&challenge)).unwrap().token;
    assert_eq!(ssp.retained(), 0, "with the proof made, none is needed");
    let last = ends.accept(&proof).unwrap().token;
    ends.initialize(Some(&last)).unwrap();
    assert_eq!(ends.infos().1.client.to_string(), r"CONTOSO\bob");
}

/// S5: a proxy is kept with the handles of the packages that have a use for one.
#[test]
fn a_proxy_for_kerberos_is_kept_with_the_handle_and_told_without_its_secret() {
    let ssp = negotiating().record_events(true).build();
    let proxy = KdcProxy {
        server: "https://proxy.contoso.com/KdcProxy".into(),
        force: true,
        client_tls_credential: b"certificate".to_vec().into(),
    };
    let set = |package: &str, direction| {
        let request = AcquireRequest::new(package, direction).with_identity(alice());
        let handle = ssp.acquire(&request).unwrap().handle;
        (handle, ssp.set_kdc_proxy(handle, || Ok(proxy.clone())))
    };
    for package in ["Kerberos", "Negotiate"] {
        let (handle, outcome) = set(package, Direction::Outbound);
        assert_eq!(outcome, Ok(()), "{package}");
        let refused = ssp.set_kdc_proxy(handle, || Err(SecurityStatus::INVALID_PARAMETER));
        assert_eq!(refused, Err(SecurityStatus::INVALID_PARAMETER));
        assert_eq!(ssp.kdc_proxy(handle), Ok(Some(proxy.clone())), "what is refused changes nothing");
        let told =
            EventKind::KdcProxySet { handle: handle.word(), server: proxy.server.to_string(), force: true };
        assert!(ssp.events().iter().any(|event| event.kind == told), "{package}");
    }
    let (ntlm, outcome) = set("NTLM", Direction::Both);
    assert_eq!(outcome, Err(SecurityStatus::UNSUPPORTED_FUNCTION));
    assert_eq!(ssp.kdc_proxy(ntlm), Ok(None));
    ssp.free(ntlm).unwrap();
    let never = || -> Result<KdcProxy, SecurityStatus> { panic!("a dead handle is refused first") };
    assert_eq!(ssp.set_kdc_proxy(ntlm, never), Err(SecurityStatus::INVALID_HANDLE));
    assert!(!format!("{proxy:?}").contains("cert"), "{proxy:?}");
}
