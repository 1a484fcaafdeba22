//! Packages that don't cache, and the logon session's default credentials.

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Direction, Ending, Engine, EngineBuilder, EventKind, HandlePolicy, Logon,
    PackageInfo, PackageList, Secret, SecretKind, SecurityStatus, Source,
};

const PASSWORD: &str = "correct horse battery staple";

/// The packages that don't cache.
const HOLDING: [&str; 3] = ["Negotiate", "Kerberos", "NTLM"];

fn secur32() -> EngineBuilder {
    Engine::builder("secur32.dll")
}

fn bob() -> AuthIdentity {
    AuthIdentity::password("bob", "CONTOSO", PASSWORD)
}

fn explicit(package: &str) -> AcquireRequest {
    AcquireRequest::outbound(package).with_identity(bob())
}

fn silent(package: &str) -> AcquireRequest {
    AcquireRequest::outbound(package)
}

fn kinds(ssp: &Engine) -> Vec<EventKind> {
    ssp.events().into_iter().map(|event| event.kind).collect()
}

/// P2: no later acquire finds what a handle holds or held; the session's own credentials are found, or nothing is.
#[test]
fn what_a_program_signs_in_with_is_in_its_handle_alone() {
    for package in HOLDING {
        for logged_on in [false, true] {
            let builder = secur32().account("bob", "CONTOSO", PASSWORD);
            let logon = Logon::password("alice", "CONTOSO", "x");
            let ssp = if logged_on { builder.logon(logon) } else { builder }.build();
            let handle = ssp.acquire(&explicit(package)).unwrap().handle;
            assert_eq!((ssp.cached(), ssp.held_credentials().len()), (0, 1), "{package}");
            for freed in [false, true] {
                if freed {
                    ssp.free(handle).unwrap();
                }
                let found = ssp.acquire(&silent(package));
                let named = ssp.acquire(&silent(package).with_principal(r"CONTOSO\bob"));
                assert_eq!(named.err(), Some(SecurityStatus::NO_CREDENTIALS), "{package}");
                if !logged_on {
                    assert_eq!(found, Err(SecurityStatus::NO_CREDENTIALS), "{package}");
                    continue;
                }
                let found = found.unwrap();
                assert_eq!(found.source, Source::Default, "{package}");
                assert_eq!(ssp.principal(found.handle).unwrap().to_string(), r"CONTOSO\alice");
            }
            ssp.assert_clean();
        }
    }
}

/// P2, M3: a flush is for caches. What handles hold stays, whatever the policy for cached credentials.
#[test]
fn a_flush_leaves_alone_what_handles_hold() {
    for policy in [HandlePolicy::Revoke, HandlePolicy::Retain] {
        let ssp = secur32().handle_policy(policy).build();
        let handle = ssp.acquire(&explicit("NTLM")).unwrap().handle;
        ssp.acquire(&explicit("MSN")).unwrap();
        assert_eq!((ssp.cached(), ssp.held_credentials().len()), (1, 1));
        assert!(ssp.flush());
        assert_eq!((ssp.cached(), ssp.held_credentials().len()), (0, 1), "{policy:?}");
        assert_eq!(ssp.check_usable(handle), Ok(()), "{policy:?}");
        assert_eq!(ssp.holds_secret(handle, &Secret::password(PASSWORD)), Ok(true), "{policy:?}");
        ssp.free(handle).unwrap();
        ssp.assert_clean();
    }
}

/// P2: `caching` turns each package into the other kind.
#[test]
fn whether_a_package_caches_can_be_configured() {
    for (name, caching) in [("NTLM", true), ("MSN", false), ("Contoso", false)] {
        let package = PackageInfo::named(name).with_caching(caching);
        let toml = format!("[[package]]\nname = '{name}'\ncaching = {caching}");
        for builder in [secur32().package(package), secur32().config(&toml.parse().unwrap())] {
            let ssp = builder.build();
            ssp.acquire(&explicit(name)).unwrap();
            assert_eq!((ssp.cached() == 1, ssp.held_credentials().is_empty()), (caching, caching), "{name}");
            assert_eq!(ssp.acquire(&silent(name)).is_ok(), caching, "{name}");
        }
    }
}

/// P2, M12: `held` and `released` tell where a secret is, and each event counts what is held.
#[test]
fn what_comes_into_a_handle_and_leaves_it_is_told() {
    let ssp = secur32().build();
    let handle = ssp.acquire(&explicit("Negotiate")).unwrap().handle;
    ssp.add_credentials(handle, &explicit("NTLM")).unwrap();
    ssp.add_credentials(handle, &explicit("NTLM")).unwrap();
    ssp.acquire(&AcquireRequest::inbound("NTLM")).unwrap();
    ssp.free(handle).unwrap();
    let held = |credential: u64, package: &str| EventKind::Held {
        credential,
        package: package.into(),
        principal: r"CONTOSO\bob".into(),
        source: Source::Explicit,
        handle: handle.word(),
    };
    let events: Vec<_> = kinds(&ssp).into_iter().zip(ssp.events().iter().map(|event| event.held)).collect();
    let told = |event: &(EventKind, u32)| {
        matches!(event.0, EventKind::Held { .. } | EventKind::Released { .. } | EventKind::Freed { .. })
    };
    let told: Vec<_> = events.iter().filter(|event| told(event)).cloned().collect();
    assert_eq!(
        told[..4],
        [
            (held(1, "Negotiate"), 1),
            (held(2, "NTLM"), 2),
            (held(3, "NTLM"), 3),
            (EventKind::Released { credential: 2 }, 2),
        ]
    );
    assert_eq!(told[4], (EventKind::Freed { handle: handle.word() }, 2));
    let mut rest = [told[5].clone(), told[6].clone()];
    rest.sort_by_key(|(_, held)| std::cmp::Reverse(*held));
    assert_eq!(rest.map(|(_, held)| held), [1, 0]);
    assert!(told[5..].iter().all(|(kind, _)| matches!(kind, EventKind::Released { credential: 1 | 3 })));
    let acquired = kinds(&ssp).into_iter().find_map(|kind| match kind {
        EventKind::Acquired { credential, source: Source::Explicit, .. } => Some(credential),
        _ => None,
    });
    assert_eq!(acquired, Some(Some(1)), "as the `held` event numbers it");
}

/// P2, M10: what is held at the end is told, and overwritten.
#[test]
fn the_end_tells_what_was_held() {
    let ssp = secur32().logon(Logon::password("alice", "", "x")).build();
    let handle = ssp.acquire(&explicit("Kerberos")).unwrap().handle;
    ssp.acquire(&silent("Kerberos")).unwrap();
    ssp.end(Ending::Unloaded);
    let last = ssp.events().pop().unwrap();
    assert_eq!((last.held, last.after), (1, 0));
    assert!(matches!(last.kind, EventKind::Ended { left: 0, .. }), "{last:?}");
    assert!(ssp.held_credentials().is_empty());
    ssp.restart();
    assert_eq!(ssp.events().pop().unwrap().held, 0);
    assert_eq!(ssp.check_usable(handle), Err(SecurityStatus::INVALID_HANDLE));
    assert_eq!(ssp.acquire(&silent("Kerberos")).unwrap().source, Source::Default, "the session goes on");
}

/// P2: who is held, since when, and which of the two it is.
#[test]
fn assert_clean_says_which_credentials_are_cached_and_which_are_held() {
    let ssp = secur32().build();
    ssp.acquire(&explicit("NTLM")).unwrap();
    let message = ssp.check_clean().unwrap_err().to_string();
    let held = "1 credential is still held by a handle that was not freed, in secur32.dll:\n  NTLM CONTOSO\\bob, since \
                event 1";
    assert_eq!(message, held);
    ssp.acquire(&explicit("MSN")).unwrap();
    let message = ssp.check_clean().unwrap_err().to_string();
    let cached = "1 credential is still cached in secur32.dll:\n  MSN CONTOSO\\bob, since event 3";
    assert_eq!(message, format!("{cached}\n{held}"));
    ssp.acquire(&explicit("Kerberos")).unwrap();
    let message = ssp.check_clean().unwrap_err().to_string();
    assert!(message.contains("2 credentials are still held by handles that were not freed"), "{message}");
}

/// P3: which packages take which default credentials, and what has none.
#[test]
fn a_sign_in_without_credentials_takes_the_sessions() {
    let alice = || Logon::password("alice", "CONTOSO", "x");
    let only = |list: &str| alice().with_packages(PackageList::parse(list));
    let (yes, no) = (Ok(Source::Default), Err(SecurityStatus::NO_CREDENTIALS));
    for (what, logon, negotiate, kerberos, ntlm, msn) in [
        ("for all", alice(), yes, yes, yes, yes),
        ("for one", only("NTLM"), yes, no, yes, no),
        ("for Negotiate", only("Negotiate"), yes, no, no, no),
        ("for MSN", only("MSN"), no, no, no, yes),
        ("for a target", alice().to("HTTP/web"), yes, yes, yes, yes),
    ] {
        let ssp = secur32().logon(logon).build();
        for (package, expected) in
            [("Negotiate", negotiate), ("Kerberos", kerberos), ("NTLM", ntlm), ("MSN", msn)]
        {
            let source = ssp.acquire(&silent(package)).map(|acquired| acquired.source);
            assert_eq!(source, expected, "{what}, {package}");
            let restricted = AcquireRequest { autologon_restricted: true, ..silent(package) };
            assert_eq!(ssp.acquire(&restricted), Err(SecurityStatus::NO_CREDENTIALS));
        }
        assert!(ssp.flush());
        ssp.assert_clean();
        assert!(
            kinds(&ssp).iter().all(|kind| !matches!(kind, EventKind::Cached { .. } | EventKind::Held { .. }))
        );
    }
}

/// P3: a package that caches takes what is cached before the session's own.
#[test]
fn what_is_cached_comes_before_default_credentials() {
    let ssp = secur32().logon(Logon::password("alice", "CONTOSO", "x")).build();
    let source = || ssp.acquire(&silent("MSN")).unwrap().source;
    assert_eq!(source(), Source::Default);
    ssp.acquire(&explicit("MSN")).unwrap();
    assert_eq!(source(), Source::Cache);
    let alice = silent("MSN").with_principal(r"contoso\ALICE");
    assert_eq!(ssp.acquire(&alice).unwrap().source, Source::Default, "the one that is named");
    assert!(ssp.flush());
    assert_eq!(source(), Source::Default, "untouched by a flush");
}

/// P4: which identities are anonymous, and which lack a user.
#[test]
fn an_identity_without_a_user_is_acquired_and_never_cached() {
    for package in ["MSN", "NTLM", "Negotiate"] {
        let ssp = secur32().build();
        let nobody = AuthIdentity::password("", "CONTOSO", PASSWORD).without_user();
        let acquired = ssp.acquire(&silent(package).with_identity(nobody)).unwrap();
        assert_eq!((acquired.source, ssp.cached()), (Source::Explicit, 0), "{package}");
        let anonymous = ssp.acquire(&silent(package).with_identity(AuthIdentity::password("", "", "")));
        assert_eq!(anonymous.unwrap().source, Source::Anonymous, "{package}");
    }
}

/// P2: what there is to preload for a package that doesn't cache is a logon.
#[test]
#[should_panic(expected = "NTLM doesn't cache, so nothing is preloaded for it: use `logon` instead")]
fn nothing_is_preloaded_for_a_package_that_does_not_cache() {
    secur32().preload("ntlm", bob()).build();
}

/// P2: a configuration is for several modules. One that caches a package doesn't make another refuse to start.
#[test]
fn a_preload_is_for_the_modules_whose_package_caches() {
    let config = "[[package]]\nname = 'NTLM'\nmodule = 'MSNSSPC.dll'\ncaching = true\n\
                  [[preload]]\npackage = 'NTLM'\nuser = 'bob'\npassword = 'x'"
        .parse()
        .unwrap();
    for (module, cached) in [("MSNSSPC.dll", 1), ("MSAPSSPC.dll", 0)] {
        assert_eq!(Engine::builder(module).config(&config).build().cached(), cached, "{module}");
    }
}

/// P6: keys and certificates are for Negotiate and Kerberos, and not for NTLM.
#[test]
fn keytabs_and_certificates_are_for_negotiate_and_kerberos() {
    let ssp = secur32().build();
    for kind in [SecretKind::Keytab, SecretKind::Certificate] {
        for (package, expected) in
            [("Negotiate", None), ("Kerberos", None), ("NTLM", Some(SecurityStatus::UNKNOWN_CREDENTIALS))]
        {
            let identity = AuthIdentity::new(bob().principal, Secret::opaque(kind, b"opaque"));
            let request = AcquireRequest::new(package, Direction::Both).with_identity(identity);
            assert_eq!(ssp.acquire(&request).err(), expected, "{kind:?} for {package}");
        }
    }
}
