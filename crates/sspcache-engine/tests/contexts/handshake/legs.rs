//! The legs of each package: which side says what at each, and whether there is a token to send.

use std::time::Duration;

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Clock, Engine, EngineBuilder, FileTime, HandlePolicy, PackageInfo,
    PackageList, SecurityStatus,
    clock::ManualClock,
    context::{ContextFlags as F, ExportOptions, NegotiateFirst, Progress, Refusal, Role, Step},
};

use crate::ends::{self, Ends, alice};

/// An engine that offers all five packages.
fn all() -> EngineBuilder {
    Engine::builder("MSNSSPC.dll").account("alice", "CONTOSO", ends::PASSWORD)
}

/// One that offers these.
fn of(packages: &[&str]) -> EngineBuilder {
    all().only_packages(packages.iter().copied())
}

fn ends<'e>(client: &'e Engine, package: &str, server: &'e Engine, accepting: &str) -> Ends<'e> {
    let outbound = AcquireRequest::outbound(package).with_identity(alice());
    Ends::with(client, &outbound, server, &AcquireRequest::inbound(accepting)).to("HTTP/web")
}

/// Every step of a handshake, the initiator's and the acceptor's by turns, until neither has anything to say.
fn steps(ends: &mut Ends<'_>) -> Result<Vec<Step>, Refusal> {
    let mut steps = vec![ends.initialize(None)?];
    while let Some(last) = steps.last().filter(|step| !step.token.is_empty()) {
        let token = last.token.clone();
        let step = if steps.len() % 2 == 1 { ends.accept(&token) } else { ends.initialize(Some(&token)) };
        steps.push(step?);
    }
    Ok(steps)
}

/// `CONTINUE` or `OK`, and a `+` where there is a token.
fn told(steps: &[Step]) -> String {
    let told = steps.iter().map(|step| {
        let status = match step.progress {
            Progress::Complete => "OK",
            Progress::Continue => "CONTINUE",
            other => panic!("{other:?}"),
        };
        format!("{status}{}", if step.token.is_empty() { "" } else { "+" })
    });
    told.collect::<Vec<_>>().join(" ")
}

/// P7: the statuses of each leg, and whether it has a token: the initiator's first, then by turns.
#[test]
fn each_package_has_its_own_legs() {
    let [none, mutual, dce] = [F::empty(), F::MUTUAL_AUTH, F::USE_DCE_STYLE];
    let (five, ntlm) = (&["MSN", "Negotiate", "Kerberos", "NTLM", "DPA"][..], &["Negotiate", "NTLM"][..]);
    let three = "CONTINUE+ CONTINUE+ OK+ OK";
    for (package, server, accepting, flags, legs) in [
        ("MSN", five, "MSN", none, three),
        ("MSN", five, "MSN", mutual, "CONTINUE+ CONTINUE+ CONTINUE+ OK+ OK"),
        ("MSN", five, "MSN", dce, three),
        ("DPA", five, "Negotiate", none, three),
        ("NTLM", five, "NTLM", none, three),
        ("NTLM", five, "NTLM", mutual | dce, three),
        ("NTLM", five, "Negotiate", none, three),
        ("Kerberos", five, "Kerberos", none, "OK+ OK"),
        ("Kerberos", five, "Kerberos", mutual, "CONTINUE+ OK+ OK"),
        ("Kerberos", five, "Kerberos", dce, "CONTINUE+ CONTINUE+ OK+ OK"),
        ("Kerberos", five, "Kerberos", mutual | dce, "CONTINUE+ CONTINUE+ OK+ OK"),
        ("Kerberos", five, "Negotiate", none, "OK+ OK"),
        ("Kerberos", five, "Negotiate", mutual, "CONTINUE+ OK+ OK"),
        ("Negotiate", five, "Negotiate", none, "CONTINUE+ OK+ OK"),
        ("Negotiate", five, "Negotiate", mutual, "CONTINUE+ OK+ OK"),
        ("Negotiate", five, "Negotiate", mutual | dce, "CONTINUE+ CONTINUE+ CONTINUE+ OK+ OK"),
        // It asks for NTLM in the place of Kerberos, whose token came first.
        ("Negotiate", ntlm, "Negotiate", mutual, "CONTINUE+ CONTINUE+ CONTINUE+ CONTINUE+ CONTINUE+ OK+ OK"),
    ] {
        let (client, server) = (all().build(), of(server).build());
        let mut ends = ends(&client, package, &server, accepting).asking(flags);
        let steps = steps(&mut ends).unwrap_or_else(|refusal| panic!("{package} {flags:?}: {refusal:?}"));
        assert_eq!(told(&steps), legs, "{package} with {accepting}, {flags:?}");
        let (client, server) = ends.infos();
        assert_eq!(client.session_key.bytes(), server.session_key.bytes());
        assert_eq!(client.flags, server.flags);
        let granted = if client.package.name == "NTLM".into() { flags - mutual } else { flags };
        assert_eq!(client.flags, granted, "{package} {flags:?}");
        assert_eq!(client.client, server.client);
        assert_eq!(server.client.to_string(), r"CONTOSO\alice");
        assert_eq!([client.target, server.target], [Some("HTTP/web".into()), Some("HTTP/web".into())]);
    }
}

/// P7: what Negotiate does where NTLM comes first, or is all that is left.
#[test]
fn negotiate_sends_ntlm_bare_where_it_has_nothing_else_and_in_spnego_where_it_has() {
    let ssp = all().build();
    let bare = |list: &str, target: Option<&str>| {
        let identity = alice().with_packages(PackageList::parse(list));
        let outbound = AcquireRequest::outbound("Negotiate").with_identity(identity);
        let mut ends = Ends::with(&ssp, &outbound, &ssp, &AcquireRequest::inbound("Negotiate"));
        ends.target = target.map(Into::into);
        let steps = steps(&mut ends).unwrap();
        assert!(steps[0].token.starts_with(b"NTLMSSP\0"), "{list} {target:?}");
        assert_eq!(told(&steps), "CONTINUE+ CONTINUE+ OK+ OK");
        assert_eq!(ends.infos().0.package.name, "NTLM".into());
    };
    bare("!Kerberos", Some("HTTP/web"));
    bare("NTLM", Some("HTTP/web"));
    bare("", None);
    bare("", Some("HTTP/192.168.0.1:8080"));

    let first = all().negotiate_first(NegotiateFirst::Ntlm).build();
    let mut ends = ends(&first, "Negotiate", &ssp, "Negotiate");
    let steps = steps(&mut ends).unwrap();
    assert_eq!(told(&steps), "CONTINUE+ CONTINUE+ CONTINUE+ OK+ OK");
    assert_eq!(steps[0].token[0], 0x60);
    assert_eq!(ends.infos().0.package.name, "NTLM".into());
}

/// P7: what the configuration decides for a whole run.
#[test]
fn which_package_negotiate_begins_with_is_configured() {
    for (config, target, chosen) in [
        ("[negotiate]\nfirst = 'kerberos'", "", Ok("Kerberos")),
        ("[negotiate]\nfirst = 'kerberos'", "HTTP/10.0.0.1", Ok("Kerberos")),
        ("[negotiate]\nfirst = 'ntlm'", "HTTP/web", Ok("NTLM")),
        ("[negotiate]\nfirst = 'ntlm'", "", Ok("NTLM")),
        ("[targets]\nknown = ['HTTP/web']", "http/WEB", Ok("Kerberos")),
        // What Kerberos doesn't find, NTLM doesn't look for.
        ("[targets]\nknown = ['HTTP/web']", "HTTP/other", Ok("NTLM")),
        ("[targets]\naccepted = ['HTTP/web']", "HTTP/other", Err(SecurityStatus::WRONG_PRINCIPAL)),
    ] {
        let ssp = all().config(&config.parse().unwrap()).build();
        let mut ends = ends(&ssp, "Negotiate", &ssp, "Negotiate");
        ends.target = Some(target.into()).filter(|target: &sspcache_engine::Name| !target.is_empty());
        let run = steps(&mut ends).map_err(|refusal| refusal.status);
        let run = run.map(|_| ends.infos().1.package.name.to_string());
        assert_eq!(run.as_deref(), chosen.as_deref(), "{config} {target}");
    }
}

/// P7: with `early-ok` an initiator of Negotiate doesn't wait for the acceptor's last token, which is there all the same.
#[test]
fn an_initiator_may_be_done_before_the_acceptors_last_token() {
    let early: sspcache_engine::Config = "[negotiate]\nearly-ok = true".parse().unwrap();
    let server = all().build();
    for (first, flags, legs) in [
        (NegotiateFirst::Kerberos, F::empty(), "OK+ OK+"),
        (NegotiateFirst::Kerberos, F::MUTUAL_AUTH, "CONTINUE+ OK+ OK"),
        (NegotiateFirst::Ntlm, F::empty(), "CONTINUE+ CONTINUE+ OK+ OK+"),
    ] {
        let client = all().config(&early).negotiate_first(first).build();
        let mut ends = ends(&client, "Negotiate", &server, "Negotiate").asking(flags);
        let mut steps = vec![ends.initialize(None).unwrap()];
        while let Some(last) = steps.last().filter(|step| !step.token.is_empty()) {
            let token = last.token.clone();
            if steps.len() % 2 == 0 && steps[steps.len() - 2].progress == Progress::Complete {
                break;
            }
            let step = if steps.len() % 2 == 1 { ends.accept(&token) } else { ends.initialize(Some(&token)) };
            steps.push(step.unwrap());
        }
        assert_eq!(told(&steps), legs, "{first:?} {flags:?}");
        let (client, server) = ends.infos();
        assert_eq!(client.session_key.bytes(), server.session_key.bytes());
    }
}

/// P7, S3: with `complete-tokens` a proof is to be completed, at whichever leg a package makes it, and is none before.
#[test]
fn a_proof_of_any_package_may_have_to_be_completed() {
    let ssp = all().complete_tokens(true).build();
    let [done, more] = [Progress::CompleteNeeded, Progress::CompleteAndContinue];
    for (package, flags, at, progress) in [
        ("MSN", F::empty(), 2, done),
        ("MSN", F::MUTUAL_AUTH, 2, more),
        ("NTLM", F::empty(), 2, done),
        ("Kerberos", F::empty(), 0, done),
        ("Kerberos", F::MUTUAL_AUTH, 0, more),
        ("Negotiate", F::empty(), 0, more),
    ] {
        for complete in [true, false] {
            let mut ends = ends(&ssp, package, &ssp, package).asking(flags);
            let mut steps = Vec::new();
            let run = loop {
                let last: Option<&Step> = steps.last();
                let token = last.map(|step: &Step| step.token.clone());
                let step = match &token {
                    Some(token) if token.is_empty() => break Ok(()),
                    Some(token) if steps.len() % 2 == 1 => ends.accept(token),
                    token => ends.initialize(token.as_deref()),
                };
                let mut step = match step {
                    Ok(step) => step,
                    Err(refusal) => break Err(refusal.status),
                };
                if steps.len() == at {
                    assert_eq!(step.progress, progress, "{package} {flags:?}");
                    if complete {
                        let mut other = step.token.clone();
                        *other.last_mut().unwrap() ^= 1;
                        assert_eq!(
                            ssp.complete(step.context, &mut other),
                            Err(SecurityStatus::INVALID_TOKEN)
                        );
                        ssp.complete(step.context, &mut step.token).unwrap();
                    }
                }
                steps.push(step);
            };
            let expected = if complete { Ok(()) } else { Err(SecurityStatus::LOGON_DENIED) };
            assert_eq!(run, expected, "{package} {flags:?} {complete}");
            if complete {
                let (client, server) = ends.infos();
                assert_eq!(client.session_key.bytes(), server.session_key.bytes());
            }
        }
    }
}

/// P7a: a request is good once, at the acceptor that took it.
#[test]
fn a_request_that_was_taken_is_refused_when_it_comes_again() {
    let ssp = all().build();
    for package in ["Kerberos", "Negotiate"] {
        for flags in [F::empty(), F::MUTUAL_AUTH, F::MUTUAL_AUTH | F::USE_DCE_STYLE] {
            let token = ends(&ssp, package, &ssp, package).asking(flags).initialize(None).unwrap().token;
            let accept = |room| {
                let mut ends = ends(&ssp, package, &ssp, package);
                ends.room = room;
                ends.accept(&token).map(|_| ()).map_err(|refusal| refusal.status)
            };
            if !flags.is_empty() || package == "Negotiate" {
                assert_eq!(accept(0), Err(SecurityStatus::BUFFER_TOO_SMALL), "which takes nothing");
            }
            assert_eq!(accept(usize::MAX), Ok(()), "{package} {flags:?}");
            assert_eq!(accept(usize::MAX), Err(SecurityStatus::LOGON_DENIED), "{package} {flags:?}");
            let again = ends(&ssp, package, &ssp, package).asking(flags).initialize(None).unwrap().token;
            assert_ne!(again, token);
        }
    }
}

/// P7a: the clocks of both sides may differ by five minutes, either way; a request that is older is refused for that.
#[test]
fn a_request_is_good_for_as_long_as_the_clocks_allow() {
    let minutes = |minutes| Duration::from_mins(minutes);
    let start = ManualClock::default().now();
    let (here, there) = (ManualClock::default(), ManualClock::default());
    let client = all().clock(here.clone()).build();
    let server = all().clock(there.clone()).build();
    let step = FileTime(1);
    for (ours, theirs, expected) in [
        (start, start, None),
        (start.after(minutes(5)), start, None),
        (start, start.after(minutes(5)), None),
        (FileTime(start.after(minutes(5)).0 + step.0), start, Some(SecurityStatus::TIME_SKEW)),
        (start, FileTime(start.after(minutes(5)).0 + step.0), Some(SecurityStatus::TIME_SKEW)),
    ] {
        here.set(ours);
        there.set(theirs);
        for package in ["Kerberos", "Negotiate"] {
            let mut ends = ends(&client, package, &server, package);
            let run = steps(&mut ends).err().map(|refusal| refusal.status);
            assert_eq!(run, expected, "{package} {ours:?} {theirs:?}");
        }
    }
    // A peer that doesn't know the secret learns nothing of the clock.
    here.set(start.after(minutes(10)));
    there.set(start);
    let wrong = AuthIdentity::password("alice", "CONTOSO", "wrong");
    let outbound = AcquireRequest::outbound("Kerberos").with_identity(wrong);
    let mut wrong = Ends::with(&client, &outbound, &server, &AcquireRequest::inbound("Kerberos"));
    assert_eq!(wrong.run().unwrap_err().status, SecurityStatus::LOGON_DENIED);
}

/// P7a, S5: a wrong secret, an unknown account, another target and other channel bindings, in each package.
#[test]
fn each_package_proves_who_signs_in_to_what_over_which_channel() {
    for package in ["MSN", "NTLM", "Kerberos", "Negotiate"] {
        let ssp = all().accepted_targets(["HTTP/web"]).build();
        let denied = Err(SecurityStatus::LOGON_DENIED);
        let bad = Err(SecurityStatus::BAD_BINDINGS);
        let [ours, other]: [Option<&[u8]>; 2] = [Some(b"tls-unique:1"), Some(b"tls-unique:2")];
        for (user, password, target, sent, own, result) in [
            ("alice", ends::PASSWORD, "HTTP/web", None, None, Ok(())),
            ("alice", ends::PASSWORD, "HTTP/web", ours, ours, Ok(())),
            ("alice", "wrong", "HTTP/web", None, None, denied),
            ("mallory", ends::PASSWORD, "HTTP/web", None, None, denied),
            ("alice", ends::PASSWORD, "HTTP/other", None, None, Err(SecurityStatus::WRONG_PRINCIPAL)),
            ("alice", ends::PASSWORD, "HTTP/web", ours, other, bad),
            ("alice", ends::PASSWORD, "HTTP/web", None, ours, bad),
        ] {
            let identity = AuthIdentity::password(user, "CONTOSO", password);
            let outbound = AcquireRequest::outbound(package).with_identity(identity);
            let mut ends = Ends::with(&ssp, &outbound, &ssp, &AcquireRequest::inbound(package)).to(target);
            (ends.client_bindings, ends.server_bindings) = (sent, own);
            let run = steps(&mut ends).map(|_| ()).map_err(|refusal| refusal.status);
            assert_eq!(run, result, "{package}: {user} {target} {sent:?} {own:?}");
        }
    }
}

/// S3: null sessions of NTLM and Kerberos, and of Negotiate, which leaves them to NTLM.
#[test]
fn a_null_session_of_each_package_needs_the_acceptors_leave() {
    for (package, chosen) in [("NTLM", "NTLM"), ("Kerberos", "Kerberos"), ("Negotiate", "NTLM")] {
        let ssp = all().build();
        let run = |demanded| {
            let nobody = AuthIdentity::password("", "", "");
            let outbound = AcquireRequest::outbound(package).with_identity(nobody);
            let inbound = AcquireRequest::inbound(package);
            let mut ends = Ends::with(&ssp, &outbound, &ssp, &inbound).to("HTTP/web").demanding(demanded);
            steps(&mut ends).map(|_| ends.infos().1).map_err(|refusal| refusal.status)
        };
        assert_eq!(run(F::empty()).map(|_| ()), Err(SecurityStatus::LOGON_DENIED), "{package}");
        let info = run(F::NULL_SESSION).unwrap();
        assert_eq!((info.flags, info.package.name.clone()), (F::NULL_SESSION, chosen.into()), "{package}");
        assert!(info.client.is_empty());
    }
}

/// M4, M5: a request is the proof: with it made, the credential is needed no more, unless NTLM may still be asked for.
#[test]
fn with_its_request_made_an_initiator_needs_its_credential_no_more() {
    let ssp = all().build();
    let ntlm = of(&["Negotiate", "NTLM"]).build();
    for (package, server, result) in [
        ("Kerberos", &ssp, Ok(())),
        ("Negotiate", &ssp, Ok(())),
        ("Negotiate", &ntlm, Err(SecurityStatus::NO_CREDENTIALS)),
    ] {
        for policy in [HandlePolicy::Revoke, HandlePolicy::Retain] {
            let caching = |name: &str| PackageInfo::named(name).with_caching(true);
            let client = ["Negotiate", "Kerberos", "NTLM"]
                .into_iter()
                .fold(all(), |builder, name| builder.package(caching(name)))
                .handle_policy(policy)
                .build();
            let mut ends = ends(&client, package, server, package).asking(F::MUTUAL_AUTH);
            let first = ends.initialize(None).unwrap().token;
            client.free(ends.client_credential).unwrap();
            assert!(client.flush());
            let second = ends.accept(&first).unwrap().token;
            let third = ends.initialize(Some(&second)).map(|_| ()).map_err(|refusal| refusal.status);
            let expected = if policy == HandlePolicy::Retain { Ok(()) } else { result };
            assert_eq!(third, expected, "{package} {policy:?}");
        }
    }
}

/// S3: what an acceptor with extended errors sends in each package, and what the initiator makes of it.
#[test]
fn each_package_tells_the_reason_in_its_own_way() {
    let with_errors = |name: &str| {
        let mut package = PackageInfo::named(name);
        package.capabilities.0 |=
            windows_sys::Win32::Security::Authentication::Identity::SECPKG_FLAG_EXTENDED_ERROR;
        package
    };
    let client = ["Negotiate", "Kerberos", "NTLM"]
        .iter()
        .fold(all(), |builder, name| builder.package(with_errors(name)))
        .build();
    for (package, flags, begins) in [
        ("Kerberos", F::MUTUAL_AUTH, &[0x60][..]),
        ("NTLM", F::empty(), b"SSPCACHE mock"),
        ("Negotiate", F::MUTUAL_AUTH, &[0xA1]),
        ("Negotiate", F::empty(), &[0xA1]),
    ] {
        let wrong = AuthIdentity::password("alice", "CONTOSO", "wrong");
        let outbound = AcquireRequest::outbound(package).with_identity(wrong);
        let mut ends = Ends::with(&client, &outbound, &client, &AcquireRequest::inbound(package))
            .to("HTTP/web")
            .asking(flags)
            .demanding(F::EXTENDED_ERROR);
        let refusal = steps(&mut ends).unwrap_err();
        assert_eq!(refusal.status, SecurityStatus::LOGON_DENIED, "{package}");
        let token = refusal.token.expect("the initiator is told");
        assert!(token.starts_with(begins), "{package}: {token:02x?}");
        assert!(token.windows(13).any(|window| window == b"SSPCACHE mock"));
        let context = ends.client_context.unwrap();
        let told = ends.initialize(Some(&token)).unwrap_err();
        // NTLM's initiator is done with its proof.
        let expected =
            if package == "NTLM" { SecurityStatus::INVALID_TOKEN } else { SecurityStatus::LOGON_DENIED };
        assert_eq!(told.status, expected, "{package}");
        assert_eq!(told.token, None, "an error is not answered");
        let _ = context;
    }
}

/// S4: contexts of each package are exported and go on elsewhere, on both sides.
#[test]
fn a_context_of_each_package_is_exported_and_imported() {
    for package in ["Kerberos", "NTLM", "Negotiate"] {
        let ssp = all().build();
        let mut ends = ends(&ssp, package, &ssp, package).asking(F::INTEGRITY | F::MUTUAL_AUTH);
        steps(&mut ends).unwrap();
        for (context, role) in
            [(ends.client_context.unwrap(), Role::Initiator), (ends.server_context.unwrap(), Role::Acceptor)]
        {
            let packed = ssp.export(context, ExportOptions::default()).unwrap();
            let imported = ssp.import(&package.into(), &packed).unwrap();
            let info = ssp.context(imported).unwrap();
            assert_eq!((info.role, info.negotiated), (role, package == "Negotiate"));
            assert_eq!(info.session_key.bytes(), ssp.context(context).unwrap().session_key.bytes());
        }
    }
}
