//! Signing in, silently and not, flushing and failing, as `SEMANTICS` M says it.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Config, Direction, Effect, Engine, EngineBuilder, EventKind, Fault,
    FileTime, HandlePolicy, Operation, PackageInfo, PackageList, Principal, Secret, SecurityStatus, Source,
    clock::ManualClock,
};

const PASSWORD: &str = "correct horse battery staple";

fn msn() -> EngineBuilder {
    Engine::builder("MSNSSPC.dll")
}

fn alice() -> AuthIdentity {
    AuthIdentity::password("alice", "CONTOSO", PASSWORD)
}

fn explicit() -> AcquireRequest {
    AcquireRequest::outbound("MSN").with_identity(alice())
}

fn silent() -> AcquireRequest {
    AcquireRequest::outbound("MSN")
}

/// M2: one row per way to ask; with nothing cached, and with alice cached.
#[test]
fn a_sign_in_needs_credentials_explicit_or_cached() {
    let no = Err(SecurityStatus::NO_CREDENTIALS);
    let policy_only = |request: AcquireRequest| AcquireRequest { process_policy_only: true, ..request };
    let restricted = |request: AcquireRequest| AcquireRequest { autologon_restricted: true, ..request };
    let listed = |list: &str| {
        AcquireRequest::outbound("MSN").with_identity(alice().with_packages(PackageList::parse(list)))
    };
    let anonymous = AcquireRequest::outbound("MSN").with_identity(AuthIdentity::password("", "", ""));
    let named = |name: &str| silent().with_principal(name);
    let both = AcquireRequest::new("MSN", Direction::Both);
    let inbound = AcquireRequest::inbound("MSN");
    for (what, request, empty, cached) in [
        ("explicit", explicit(), Ok(Source::Explicit), Ok(Source::Explicit)),
        (
            "explicit, in the package's other case",
            AcquireRequest { package: "msn".into(), ..explicit() },
            Ok(Source::Explicit),
            Ok(Source::Explicit),
        ),
        (
            "explicit, autologon restricted",
            restricted(explicit()),
            Ok(Source::Explicit),
            Ok(Source::Explicit),
        ),
        ("explicit, policy only", policy_only(explicit()), no, no),
        ("explicit, package allowed", listed("msn"), Ok(Source::Explicit), Ok(Source::Explicit)),
        // That nothing is left of the list shows in the first step of a context (clause P5).
        ("explicit, package excluded", listed("!MSN"), Ok(Source::Explicit), Ok(Source::Explicit)),
        (
            "explicit, other package allowed",
            listed("Kerberos,NTLM"),
            Ok(Source::Explicit),
            Ok(Source::Explicit),
        ),
        ("anonymous", anonymous, Ok(Source::Anonymous), Ok(Source::Anonymous)),
        ("silent", silent(), no, Ok(Source::Cache)),
        ("silent, policy only", policy_only(silent()), no, no),
        ("silent, autologon restricted", restricted(silent()), no, no),
        ("silent, both ways", both, no, Ok(Source::Cache)),
        ("silent, named", named(r"contoso\ALICE"), no, Ok(Source::Cache)),
        ("silent, named by realm", named("Alice@Contoso"), no, Ok(Source::Cache)),
        ("silent, somebody else", named(r"CONTOSO\bob"), no, no),
        ("silent, no domain", named("alice"), no, no),
        ("inbound", inbound, Ok(Source::Inbound), Ok(Source::Inbound)),
        (
            "unknown package",
            AcquireRequest::outbound("Digest"),
            Err(SecurityStatus::SECPKG_NOT_FOUND),
            Err(SecurityStatus::SECPKG_NOT_FOUND),
        ),
    ] {
        let source = |ssp: &Engine| ssp.acquire(&request).map(|acquired| acquired.source);
        assert_eq!(source(&msn().build()), empty, "{what}, nothing cached");
        assert_eq!(source(&msn().preload("MSN", alice()).build()), cached, "{what}, alice cached");
    }
}

/// M2
#[test]
fn a_cached_credential_outlives_its_handle_and_the_most_recent_one_is_taken() {
    let ssp = msn().preload("MSN", alice()).preload("MSN", AuthIdentity::password("bob", "", "x")).build();
    let who = |request: &AcquireRequest| {
        let acquired = ssp.acquire(request).unwrap();
        let principal = ssp.principal(acquired.handle).unwrap();
        ssp.free(acquired.handle).unwrap();
        principal.to_string()
    };
    assert_eq!(who(&silent()), "bob");
    assert_eq!(who(&silent().with_principal(r"CONTOSO\alice")), r"CONTOSO\alice");
    assert_eq!(who(&silent()), r"CONTOSO\alice");
    assert_eq!(ssp.cached(), 2);
}

/// M2: an inbound acquire caches nothing, and an acceptor asks its accounts, never the cache.
#[test]
fn an_acceptor_verifies_against_accounts_and_never_against_the_cache() {
    let ssp = msn().account("Bob", "CONTOSO", PASSWORD).preload("MSN", alice()).build();
    let bob = |password: &str| AuthIdentity::password("bob", "contoso", password);
    assert_eq!(ssp.verify(&bob(PASSWORD)), Ok(()));
    assert_eq!(ssp.verify(&bob("wrong")), Err(SecurityStatus::LOGON_DENIED));
    assert_eq!(ssp.verify(&alice()), Err(SecurityStatus::LOGON_DENIED), "cached, but no account");
    ssp.acquire(&AcquireRequest { identity: Some(bob("x")), ..AcquireRequest::inbound("MSN") }).unwrap();
    assert_eq!(ssp.cached(), 1);
}

/// M1: no two instances share a credential, however many run at once.
#[test]
fn a_hundred_instances_at_once_do_not_see_each_other() {
    thread::scope(|scope| {
        for index in 0..100 {
            scope.spawn(move || {
                let ssp = msn().build();
                for round in 0..20 {
                    let user = format!("user{index}-{round}");
                    let identity = AuthIdentity::password(user.as_str(), "", PASSWORD);
                    let acquired = ssp.acquire(&silent().with_identity(identity)).unwrap();
                    assert_eq!(ssp.principal(acquired.handle).unwrap(), Principal::new(user, ""));
                    assert_eq!(ssp.cached(), 1);
                    assert!(ssp.flush());
                    assert_eq!(ssp.acquire(&silent()), Err(SecurityStatus::NO_CREDENTIALS));
                }
            });
        }
    });
}

/// S5: what one instance gave out is nothing to another.
#[test]
fn a_handle_is_bound_to_its_instance() {
    let (first, second) = (msn().build(), msn().build());
    let handle = first.acquire(&explicit()).unwrap().handle;
    second.acquire(&explicit()).unwrap();
    assert_eq!(second.free(handle), Err(SecurityStatus::INVALID_HANDLE));
    assert_eq!(second.principal(handle), Err(SecurityStatus::INVALID_HANDLE));
}

/// M4: each way a credential can leave the cache, under both policies.
#[test]
fn a_live_handle_is_revoked_or_keeps_its_copy_whatever_took_its_credential() {
    type Loss = fn(&Engine, &ManualClock);
    let losses: [(&str, Loss); 4] = [
        ("flushed", |ssp, _| assert!(ssp.flush())),
        ("replaced", |ssp, _| {
            let other = AuthIdentity::password("alice", "CONTOSO", "another");
            ssp.acquire(&silent().with_identity(other)).unwrap();
        }),
        ("expired", |_, clock| clock.advance(Duration::from_mins(1))),
        ("evicted", |ssp, _| {
            for user in ["bob", "carol"] {
                ssp.acquire(&silent().with_identity(AuthIdentity::password(user, "", "x"))).unwrap();
            }
        }),
    ];
    for (how, lose) in losses {
        for (policy, usable, copies) in [
            (HandlePolicy::Revoke, Err(SecurityStatus::NO_CREDENTIALS), 0),
            (HandlePolicy::Retain, Ok(()), 1),
        ] {
            let clock = ManualClock::default();
            let ssp = msn()
                .handle_policy(policy)
                .lifetime(Duration::from_mins(1))
                .capacity(NonZeroU32::new(2).unwrap())
                .clock(clock.clone())
                .build();
            let handles =
                [ssp.acquire(&explicit()).unwrap().handle, ssp.acquire(&explicit()).unwrap().handle];
            assert_eq!(ssp.check_usable(handles[0]), Ok(()));
            lose(&ssp, &clock);
            assert_eq!(ssp.retained(), copies, "{how}, {policy:?}");
            for handle in handles {
                assert_eq!(ssp.check_usable(handle), usable, "{how}, {policy:?}");
                if usable.is_ok() {
                    assert_eq!(ssp.holds_secret(handle, &Secret::password(PASSWORD)), Ok(true), "{how}");
                }
                assert_eq!(ssp.free(handle), Ok(()), "{how}, {policy:?}");
            }
            assert_eq!(ssp.retained(), 0, "{how}, {policy:?}");
        }
    }
}

/// M4: a sign-in after the flush brings the principal back, and not the handles of before.
#[test]
fn signing_in_again_does_not_revive_a_revoked_handle() {
    let ssp = msn().build();
    let old = ssp.acquire(&explicit()).unwrap().handle;
    ssp.flush();
    let new = ssp.acquire(&explicit()).unwrap().handle;
    assert_eq!(ssp.check_usable(old), Err(SecurityStatus::NO_CREDENTIALS));
    assert_eq!(ssp.check_usable(new), Ok(()));
}

/// M3, C2
#[test]
fn flushing_is_idempotent_and_refuses_silent_sign_ins_until_the_next_explicit_one() {
    let ssp = msn().build();
    assert!(ssp.flush(), "an empty cache");
    ssp.acquire(&explicit()).unwrap();
    assert!(ssp.flush());
    assert!(ssp.flush());
    assert_eq!(ssp.acquire(&silent()), Err(SecurityStatus::NO_CREDENTIALS));
    ssp.acquire(&explicit()).unwrap();
    assert!(ssp.acquire(&silent()).is_ok());
}

/// M9
#[test]
fn expiry_is_a_local_filetime_and_a_refresh_renews_it() {
    let clock = ManualClock::new(FileTime(10_000_000_000), 3_600);
    let ssp = msn().lifetime(Duration::from_mins(1)).clock(clock.clone()).build();
    let first = ssp.acquire(&explicit()).unwrap();
    assert_eq!(first.expires, FileTime(10_600_000_000));
    assert_eq!(first.expires_local, FileTime(46_600_000_000));
    clock.advance(Duration::from_secs(59));
    let again = ssp.acquire(&explicit()).unwrap();
    assert_eq!(again.expires, first.expires.after(Duration::from_secs(59)));
    clock.advance(Duration::from_secs(59));
    assert!(ssp.acquire(&silent()).is_ok());
    clock.advance(Duration::from_secs(1));
    assert_eq!(ssp.acquire(&silent()), Err(SecurityStatus::NO_CREDENTIALS));
    assert_eq!(msn().build().acquire(&explicit()).unwrap().expires_local, FileTime::NEVER);
}

/// M11: every operation, every effect: what the caller sees, and that the next call works.
#[test]
fn a_fault_strikes_its_operation_and_later_calls_work() {
    type Call = fn(&Engine) -> Result<(), SecurityStatus>;
    let calls: [(Operation, Call); 4] = [
        (Operation::AcquireCredentialsHandle, |ssp| ssp.acquire(&explicit()).map(|_| ())),
        (Operation::CleanupCredentialCache, |ssp| {
            ssp.flush().then_some(()).ok_or(SecurityStatus::INTERNAL_ERROR)
        }),
        (Operation::FreeCredentialsHandle, |ssp| {
            let handle = ssp.acquire(&explicit())?.handle;
            ssp.free(handle)
        }),
        (Operation::QueryCredentialsAttributes, |ssp| {
            let handle = ssp.acquire(&explicit())?.handle;
            ssp.principal(handle).map(|_| ())
        }),
    ];
    for (operation, call) in calls {
        for (effect, expected) in [
            (Effect::False, Err(SecurityStatus::INTERNAL_ERROR)),
            (Effect::Delay, Ok(())),
            (Effect::Status(SecurityStatus::LOGON_DENIED), Err(SecurityStatus::LOGON_DENIED)),
        ] {
            let expected = match (operation, effect) {
                // A BOOL has no status to give.
                (Operation::CleanupCredentialCache, Effect::Status(_)) => Err(SecurityStatus::INTERNAL_ERROR),
                _ => expected,
            };
            let fault = Fault::new(operation, effect).after(1).times(1).delay(Duration::from_millis(1));
            let ssp = msn().fault(fault).build();
            assert_eq!(call(&ssp), Ok(()), "{operation}, {effect:?}: before");
            assert_eq!(call(&ssp), expected, "{operation}, {effect:?}");
            assert_eq!(call(&ssp), Ok(()), "{operation}, {effect:?}: after");
            let strikes = ssp
                .events()
                .into_iter()
                .filter(|event| event.kind == EventKind::Faulted { operation, effect });
            assert_eq!(strikes.count(), 1, "{operation}, {effect:?}");
        }
        let ssp = msn().fault(Fault::new(operation, Effect::Panic).times(1)).build();
        assert!(catch_unwind(AssertUnwindSafe(|| call(&ssp))).is_err(), "{operation}");
        assert_eq!(call(&ssp), Ok(()), "{operation}: after a panic");
        assert!(ssp.flush());
        ssp.assert_clean();
    }
}

/// M11
#[test]
fn a_failed_flush_leaves_the_cache_as_it_was() {
    let ssp = msn().fault(Fault::new(Operation::CleanupCredentialCache, Effect::False)).build();
    ssp.acquire(&explicit()).unwrap();
    assert!(!ssp.flush());
    assert!(ssp.acquire(&silent()).is_ok());
}

/// M8: nothing that can be printed has the secret in it.
#[test]
fn a_secret_is_in_nothing_that_can_be_printed() {
    let builder = msn().account("alice", "CONTOSO", PASSWORD).preload("MSN", alice());
    let set_up = format!("{builder:?} {:?} {:?} {:?}", alice(), explicit(), Secret::password(PASSWORD));
    let ssp = builder.build();
    let acquired = ssp.acquire(&explicit()).unwrap();
    let shown = [
        set_up,
        format!("{ssp:?} {acquired:?} {:?} {:?}", ssp.events(), ssp.cached_credentials()),
        format!("{} {:?}", ssp.check_clean().unwrap_err(), ssp.check_clean()),
        serde_json::to_string(&ssp.events()).unwrap(),
    ]
    .concat();
    assert!(shown.contains("alice"));
    for word in PASSWORD.split(' ') {
        assert!(!shown.contains(word), "{word} in {shown}");
    }
}

#[test]
fn assert_clean_names_who_is_cached_and_since_which_event() {
    let ssp = msn().build();
    ssp.acquire(&explicit()).unwrap();
    let message = ssp.check_clean().unwrap_err().to_string();
    assert_eq!(message, "1 credential is still cached in MSNSSPC.dll:\n  MSN CONTOSO\\alice, since event 1");
    let panic = catch_unwind(AssertUnwindSafe(|| ssp.assert_clean())).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>(), Some(&message));
}

/// P1, S1
#[test]
fn every_module_offers_all_packages_and_its_own_first() {
    for (module, packages) in [
        ("MSNSSPC.dll", &["MSN", "Negotiate", "Kerberos", "NTLM", "DPA"][..]),
        ("msapsspc.DLL", &["DPA", "Negotiate", "Kerberos", "NTLM", "MSN"]),
        ("secur32.dll", &["Negotiate", "Kerberos", "NTLM", "MSN", "DPA"]),
        ("Contoso.dll", &["Contoso", "Negotiate", "Kerberos", "NTLM", "MSN", "DPA"]),
        ("ntlm.dll", &["ntlm", "Negotiate", "Kerberos", "MSN", "DPA"]),
    ] {
        let ssp = Engine::builder(module).build();
        assert_eq!(names(&ssp), packages, "{module}");
    }
    let rpc_id = |name: &str| msn().build().package(&name.into()).unwrap().rpc_id;
    assert_eq!(["MSN", "dpa", "ntlm", "Negotiate", "Kerberos"].map(rpc_id), [18, 17, 10, 9, 16]);
}

/// P1: what is configured comes beside the others, or in the place of the one of its name; a list restricts.
#[test]
fn packages_are_added_overridden_and_restricted() {
    let mut ntlm = PackageInfo::named("ntlm");
    ntlm.max_token = 1_000;
    let builder = || msn().package(PackageInfo::named("Contoso")).package(ntlm.clone());
    let ssp = builder().build();
    assert_eq!(names(&ssp), ["MSN", "Negotiate", "Kerberos", "ntlm", "DPA", "Contoso"]);
    assert_eq!(ssp.package(&"NTLM".into()).unwrap().max_token, 1_000);
    let ssp = builder().only_packages(["contoso", "NTLM", "Digest"]).build();
    assert_eq!(names(&ssp), ["ntlm", "Contoso"]);
    assert_eq!(ssp.package(&"MSN".into()), Err(SecurityStatus::SECPKG_NOT_FOUND));
    let config = "[packages]\nonly = ['MSN', 'Contoso']\n[[package]]\nname = 'Contoso'";
    let ssp = msn().config(&config.parse().unwrap()).build();
    assert_eq!(names(&ssp), ["MSN", "Contoso"]);
}

fn names(ssp: &Engine) -> Vec<String> {
    ssp.packages().iter().map(|package| package.name.to_string()).collect()
}

/// The same set-up as TOML.
#[test]
fn a_configuration_sets_up_what_the_builder_does() {
    let config: Config = r#"
        [cache]
        handle-policy = "retain"
        lifetime-seconds = 60
        capacity = 2
        [[package]]
        name = "NTLM"
        capabilities = ["integrity", "privacy"]
        max-token = 1000
        rpc-id = 7
        caching = true
        comment = "for a test"
        [[package]]
        name = "DPA"
        module = "MSAPSSPC.dll"
        comment = "another module's"
        [[account]]
        user = "alice"
        domain = "CONTOSO"
        password = "correct horse battery staple"
        [[preload]]
        package = "NTLM"
        user = "bob"
        password = "x"
        [[fault]]
        operation = "CleanupCredentialCache"
        effect = "false"
        times = 1
    "#
    .parse()
    .unwrap();
    let clock = ManualClock::default();
    let ssp = msn().config(&config).clock(clock.clone()).build();
    let packages = ssp.packages();
    assert_eq!(packages.len(), 5, "the other one is another module's");
    let ntlm = ssp.package(&"NTLM".into()).unwrap();
    assert_eq!((ntlm.capabilities.0, ntlm.max_token, ntlm.rpc_id, ntlm.caching), (3, 1000, 7, true));
    assert_eq!(ntlm.comment, "for a test".into());
    assert_ne!(ssp.package(&"DPA".into()).unwrap().comment, "another module's".into());
    assert_eq!(ssp.verify(&alice()), Ok(()));
    let bob = ssp.acquire(&AcquireRequest::outbound("NTLM")).unwrap();
    assert!(!ssp.flush());
    assert!(ssp.flush());
    assert_eq!(ssp.retained(), 1);
    ssp.free(bob.handle).unwrap();
    for user in ["a", "b", "c"] {
        let identity = AuthIdentity::password(user, "", "x");
        ssp.acquire(&AcquireRequest::outbound("NTLM").with_identity(identity)).unwrap();
    }
    assert_eq!(ssp.cached(), 2);
    clock.advance(Duration::from_mins(1));
    ssp.assert_clean();
}

/// Broken files, and what is said of each.
const BROKEN: &[(&str, &str)] = &[
    ("[[account]]\nuser = 'a'\npassword = hunter2", "line 3, column 12: not TOML from here on"),
    ("[[account]]\nuser = 'a'\npassword = 'hunter2", "not TOML from here on"),
    (
        "[[account]]\nuser = 'a'\npassword = ['hunter2']",
        "line 3, column 12: account[0].password: not valid here; allowed is a string",
    ),
    (
        "[[account]]\nuser = 'a'\nhunter2 = 'x'\npassword = ''",
        "line 3, column 1: account[0]: there is no such key; allowed is tables of user, domain, password, keytab, certificate",
    ),
    (
        "[[account]]\npassword = 'hunter2'",
        "line 1, column 1: account[0]: `user` is missing; allowed is a string",
    ),
    (
        "hunter2 = 1",
        "line 1, column 1: there is no such key; allowed is [cache], [context], [targets], [negotiate], [packages], [[forbid]], [[package]]",
    ),
    // Of several the first, whatever their names are.
    ("hunter2 = 1\nanother = 1", "line 1, column 1: there is no such key"),
    ("other = 1\nhunter2 = 1", "line 1, column 1: there is no such key"),
    // Paths of other keys are no names of keys.
    ("'cache.capacity' = 1", "line 1, column 1: there is no such key"),
    ("'cache[0]' = 1", "line 1, column 1: there is no such key"),
    ("'' = 1", "line 1, column 1: there is no such key"),
    (
        "[context]\nexport-key = ['hunter2']",
        "line 2, column 14: context.export-key: not valid here; allowed is a string that is not empty",
    ),
    (
        "[context]\nimpersonation = 'hunter2'",
        "context.impersonation: not valid here; allowed is \"refuse\", \"simulate\" or \"process-token\"",
    ),
    (
        "[context]\ncomplete-tokens = 'hunter2'",
        "context.complete-tokens: not valid here; allowed is true or false",
    ),
    (
        "[context]\nhandshake-seconds = 0",
        "context.handshake-seconds: not valid here; allowed is a whole number of seconds, at least 1",
    ),
    (
        "[context]\nhunter2 = 1",
        "context: there is no such key; allowed is a table of lifetime-seconds, handshake-seconds, ",
    ),
    (
        "[targets]\nknown = 'hunter2'",
        "line 2, column 9: targets.known: not valid here; allowed is a list of targets' names",
    ),
    (
        "[cache]\nhandle-policy = 'hunter2'",
        "line 2, column 17: cache.handle-policy: not valid here; allowed is \"revoke\" or \"retain\"",
    ),
    (
        "[cache]\nlifetime-seconds = 0",
        "line 2, column 20: cache.lifetime-seconds: not valid here; allowed is a whole number of seconds, at least 1",
    ),
    (
        "[cache]\ncapacity = -1",
        "cache.capacity: not valid here; allowed is a whole number of credentials, at least 1",
    ),
    (
        "[[fault]]\noperation = 'hunter2'\neffect = 'false'",
        "line 2, column 13: fault[0].operation: not valid here; allowed is one of AcceptSecurityContext, ",
    ),
    (
        "[[fault]]\noperation = 'FreeContextBuffer'\neffect = 'hunter2'",
        "line 3, column 10: fault[0].effect: not valid here; allowed is \"false\", \"delay\"",
    ),
    (
        "[[package]]\nname = 'x'\ncapabilities = ['integrity', 'hunter2']",
        "package[0].capabilities: not valid here; allowed is a list of any of accept-win32-name, ",
    ),
    (
        "[[package]]\nname = 'x'\nrpc-id = 70000",
        "line 3, column 10: package[0].rpc-id: not valid here; allowed is a whole number from 0 to 65535",
    ),
    (
        "[[preload]]\npackage = 'ntlm'\nuser = 'a'\npassword = 'hunter2'",
        "line 2, column 11: preload[0].package: this package doesn't cache, so nothing can be preloaded for it: use \
             [[logon]]",
    ),
    (
        "[[package]]\nname = 'hunter2'\ncaching = false\n[[preload]]\nuser = 'a'\npassword = ''\npackage = 'HUNTER2'",
        "line 7, column 11: preload[0].package: this package doesn't cache",
    ),
    (
        "[[account]]\nuser = 'a'\nkeytab = 'hunter2'",
        "line 3, column 10: account[0].keytab: not valid here; allowed is bytes in Base64, at least one",
    ),
    (
        "[packages]\nonly = 'hunter2'",
        "line 2, column 8: packages.only: not valid here; allowed is a list of packages' names",
    ),
    (
        "[[logon]]\nuser = 'a'\npassword = 'hunter2'\ntarget = ['b']",
        "line 4, column 10: logon[0].target: not valid here; allowed is a service, a host",
    ),
];

/// M8, P2: each broken file, what is said of it; never a word of it.
#[test]
fn a_refused_configuration_is_located_and_never_quoted() {
    for (text, expected) in BROKEN {
        let error = text.parse::<Config>().unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(expected), "{text}\n  gives {shown}\n  not  {expected}");
        assert!(!shown.contains("hunter2") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

/// M12
#[test]
fn events_of_one_story_come_in_order() {
    let ssp = msn().build();
    let first = ssp.acquire(&explicit()).unwrap().handle;
    ssp.acquire(&explicit()).unwrap();
    ssp.acquire(&silent().with_identity(AuthIdentity::password("alice", "CONTOSO", "new"))).unwrap();
    ssp.free(first).unwrap();
    ssp.flush();
    ssp.acquire(&silent()).unwrap_err();
    let story: Vec<String> = ssp
        .events()
        .iter()
        .map(|event| {
            let kind = serde_json::to_value(&event.kind).unwrap();
            format!("{} {}>{}", kind["event"].as_str().unwrap(), event.before, event.after)
        })
        .collect();
    assert_eq!(
        story,
        [
            "started 0>0",
            "cached 0>1",
            "acquired 1>1",
            "refreshed 1>1",
            "acquired 1>1",
            "replaced 1>0",
            "cached 0>1",
            "acquired 1>1",
            "freed 1>1",
            "flushed 1>0",
            "refused 0>0",
        ]
    );
    let credentials: HashSet<u64> = ssp
        .events()
        .iter()
        .filter_map(|event| {
            if let EventKind::Cached { credential, .. } = event.kind { Some(credential) } else { None }
        })
        .collect();
    assert_eq!(credentials.len(), 2);
}
