//! What contexts sign in with: default credentials, lists of packages, keytabs, and what handles alone hold.

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Engine, EngineBuilder, EventKind, HandlePolicy, Logon, PackageList,
    Principal, Secret, SecretKind, SecurityStatus,
};

use crate::ends::{Ends, PASSWORD, alice};

/// Two users with an account each, whose password is the same.
fn secur32() -> EngineBuilder {
    let builder = Engine::builder("secur32.dll");
    ["alice", "bob", "carol"]
        .into_iter()
        .fold(builder, |builder, user| builder.account(user, "CONTOSO", PASSWORD))
}

fn logon(user: &str) -> Logon {
    Logon::password(user, "CONTOSO", PASSWORD)
}

/// The principal that signs in, and over which package.
fn initiator(ssp: &Engine, request: &AcquireRequest, target: Option<&str>) -> Result<String, SecurityStatus> {
    let inbound = AcquireRequest::inbound(request.package.clone());
    let mut ends = Ends::with(ssp, request, ssp, &inbound);
    ends.target = target.map(Into::into);
    ends.run().map_err(|refusal| refusal.status)?;
    let (client, server) = ends.infos();
    assert_eq!(client.client, server.client);
    Ok(format!("{} over {}", server.client, server.package.name))
}

/// P3: the target chooses among the session's credentials, and the package does.
#[test]
fn a_context_signs_in_with_the_default_credentials_that_fit_its_target() {
    let ssp = secur32()
        .logon(logon("alice"))
        .logon(logon("bob").to("web.fabrikam.example"))
        .logon(logon("carol").to("HTTP/web.fabrikam.example").with_packages(PackageList::parse("NTLM")))
        .build();
    for (package, target, expected) in [
        ("Negotiate", None, r"CONTOSO\alice over NTLM"),
        ("Negotiate", Some("HTTP/web.contoso.example"), r"CONTOSO\alice over Kerberos"),
        ("Negotiate", Some("HTTP/web.fabrikam.example"), r"CONTOSO\bob over Kerberos"),
        ("NTLM", Some("HTTP/web.fabrikam.example"), r"CONTOSO\carol over NTLM"),
        ("NTLM", Some("CIFS/web.fabrikam.example"), r"CONTOSO\bob over NTLM"),
        ("NTLM", None, r"CONTOSO\alice over NTLM"),
        ("MSN", Some("HTTP/web.fabrikam.example"), r"CONTOSO\bob over MSN"),
    ] {
        let request = AcquireRequest::outbound(package);
        assert_eq!(initiator(&ssp, &request, target).unwrap(), expected, "{package} to {target:?}");
    }
    let bob = AcquireRequest::outbound("NTLM").with_principal(r"CONTOSO\bob");
    assert_eq!(initiator(&ssp, &bob, None).unwrap(), r"CONTOSO\bob over NTLM", "named");
    ssp.assert_clean();
}

/// P3: a session that has credentials for one target alone has none for another.
#[test]
fn without_a_fitting_default_credential_no_context_begins() {
    let ssp = secur32().logon(logon("bob").to("web")).build();
    let request = AcquireRequest::outbound("NTLM");
    let handle = ssp.acquire(&request).unwrap().handle;
    assert!(ssp.principal(handle).unwrap().is_empty(), "known once there is a target");
    assert_eq!(initiator(&ssp, &request, Some("HTTP/web")).unwrap(), r"CONTOSO\bob over NTLM");
    for target in [None, Some("HTTP/other")] {
        assert_eq!(initiator(&ssp, &request, target), Err(SecurityStatus::NO_CREDENTIALS), "{target:?}");
    }
}

/// P3: an acceptor verifies default credentials as any others.
#[test]
fn default_credentials_that_no_account_has_are_denied() {
    let ssp = secur32().logon(Logon::password("alice", "CONTOSO", "wrong")).build();
    for package in ["Negotiate", "NTLM", "MSN"] {
        let denied = initiator(&ssp, &AcquireRequest::outbound(package), None);
        assert_eq!(denied, Err(SecurityStatus::LOGON_DENIED), "{package}");
    }
}

/// P4, P5: acquired, and the first step says that there is nothing to sign in with.
#[test]
fn what_leaves_nothing_to_sign_in_with_shows_in_the_first_step() {
    let listed = |list: &str| alice().with_packages(PackageList::parse(list));
    let without_user = AuthIdentity::password("", "CONTOSO", PASSWORD).without_user();
    let ssp = secur32().logon(logon("bob")).build();
    for (package, identity, is_held) in [
        ("Negotiate", listed("nosuch"), true),
        ("Negotiate", listed("!Kerberos,!NTLM"), true),
        ("Kerberos", listed("NTLM"), true),
        ("MSN", listed("NTLM"), false),
        ("Negotiate", without_user.clone(), true),
        ("NTLM", without_user.clone(), true),
        ("MSN", without_user, false),
    ] {
        let request = AcquireRequest::outbound(package).with_identity(identity);
        let handle = ssp.acquire(&request).unwrap().handle;
        assert_eq!((ssp.cached(), ssp.held_credentials().len()), (0, usize::from(is_held)), "{package}");
        ssp.free(handle).unwrap();
        let mut ends = Ends::with(&ssp, &request, &ssp, &AcquireRequest::inbound(package));
        let refusal = ends.initialize(None).unwrap_err();
        assert_eq!(refusal.status, SecurityStatus::NO_CREDENTIALS, "{package}");
        assert!(ends.client_context.is_none());
        ssp.free(ends.client_credential).unwrap();
        ssp.assert_clean();
    }
    let silent = AcquireRequest::outbound("NTLM").with_packages(PackageList::parse("Kerberos"));
    assert_eq!(initiator(&ssp, &silent, None), Err(SecurityStatus::NO_CREDENTIALS));
}

/// P2, M5: a half-open context still needs the secret; an established one doesn't, nor one that is deleted.
#[test]
fn a_secret_lives_as_long_as_a_handle_or_a_half_open_context_needs_it() {
    for policy in [HandlePolicy::Revoke, HandlePolicy::Retain] {
        let ssp = secur32().handle_policy(policy).build();
        let own = AcquireRequest::outbound("NTLM").with_identity(alice());
        let held = || ssp.held_credentials().len();
        let released = || {
            let is_released = |kind: &EventKind| matches!(kind, EventKind::Released { .. });
            ssp.events().iter().filter(|event| is_released(&event.kind)).count()
        };
        let mut ends = Ends::with(&ssp, &own, &ssp, &AcquireRequest::inbound("NTLM"));
        let hello = ends.initialize(None).unwrap().token;
        let challenge = ends.accept(&hello).unwrap().token;
        assert!(ssp.flush());
        ssp.free(ends.client_credential).unwrap();
        assert_eq!((held(), released()), (1, 0), "{policy:?}");
        let proof = ends.initialize(Some(&challenge)).unwrap().token;
        assert_eq!((held(), released()), (0, 1), "{policy:?}: with the proof made it is not needed");
        ends.accept(&proof).unwrap();

        let mut given_up = Ends::with(&ssp, &own, &ssp, &AcquireRequest::inbound("NTLM"));
        given_up.initialize(None).unwrap();
        ssp.free(given_up.client_credential).unwrap();
        assert_eq!(held(), 1);
        ssp.delete_context(given_up.client_context.unwrap()).unwrap();
        assert_eq!((held(), released()), (0, 2), "{policy:?}");
    }
}

/// P6: a keytab or a certificate signs in as the principal that it names, to an account that has the same.
#[test]
fn a_keytab_signs_in_to_an_account_that_has_it() {
    let config = "[[account]]\nuser = 'web'\ndomain = 'CONTOSO'\npassword = 'correct horse'\nkeytab = 'a2V5dGFi'\n\
                  [[account]]\nuser = 'card'\ndomain = 'CONTOSO'\ncertificate = 'Y2VydA=='";
    let ssp = secur32().config(&config.parse().unwrap()).build();
    let denied = Err(SecurityStatus::LOGON_DENIED);
    for (user, kind, secret, package, expected) in [
        ("web", SecretKind::Keytab, "keytab", "Kerberos", Ok(r"CONTOSO\web over Kerberos")),
        ("web", SecretKind::Keytab, "keytab", "Negotiate", Ok(r"CONTOSO\web over Kerberos")),
        ("web", SecretKind::Keytab, "another", "Negotiate", denied),
        ("web", SecretKind::Certificate, "keytab", "Kerberos", denied),
        ("card", SecretKind::Certificate, "cert", "Kerberos", Ok(r"CONTOSO\card over Kerberos")),
        ("card", SecretKind::Keytab, "cert", "Kerberos", denied),
        ("alice", SecretKind::Keytab, PASSWORD, "Kerberos", denied),
    ] {
        let identity =
            AuthIdentity::new(Principal::new(user, "CONTOSO"), Secret::opaque(kind, secret.as_bytes()));
        let request = AcquireRequest::outbound(package).with_identity(identity);
        let signed_in = initiator(&ssp, &request, Some("HTTP/web"));
        assert_eq!(signed_in.as_deref().map_err(|status| *status), expected, "{user}, {kind:?}, {package}");
    }
    let password = AuthIdentity::password("web", "CONTOSO", PASSWORD);
    let request = AcquireRequest::outbound("NTLM").with_identity(password);
    assert_eq!(
        initiator(&ssp, &request, None).unwrap(),
        r"CONTOSO\web over NTLM",
        "its password does as well"
    );
    let keytab =
        AuthIdentity::new(Principal::new("web", "CONTOSO"), Secret::opaque(SecretKind::Keytab, b"keytab"));
    let ntlm_alone = AcquireRequest::outbound("Negotiate")
        .with_identity(keytab.with_packages(PackageList::parse("!Kerberos")));
    assert_eq!(
        initiator(&ssp, &ntlm_alone, None),
        Err(SecurityStatus::NO_CREDENTIALS),
        "NTLM has no use for it"
    );
}
