//! What the tokens of each package look like from outside: whose they are, how long they are, and that each byte counts.

use sspcache_engine::{
    AcquireRequest, Engine, EngineBuilder,
    context::{ContextFlags as F, NegotiateFirst, Progress, Refusal},
};

use crate::ends::{self, Ends, alice};

/// An engine that offers all five packages.
fn all() -> EngineBuilder {
    Engine::builder("MSNSSPC.dll").account("alice", "CONTOSO", ends::PASSWORD).record_events(false)
}

/// A handshake in which each token is changed on its way; whether both sides are done in the end.
fn run(
    client: &Engine,
    server: &Engine,
    package: &str,
    flags: F,
    mut change: impl FnMut(usize, &mut Vec<u8>),
) -> Result<(), Refusal> {
    let outbound = AcquireRequest::outbound(package).with_identity(alice());
    let mut ends =
        Ends::with(client, &outbound, server, &AcquireRequest::inbound(package)).asking(flags).to("HTTP/web");
    let mut done = [false; 2];
    let outcome = (|| {
        let mut step = ends.initialize(None)?;
        for leg in 0.. {
            done[leg % 2] = step.progress == Progress::Complete;
            if step.token.is_empty() {
                break;
            }
            change(leg, &mut step.token);
            step = if leg % 2 == 0 { ends.accept(&step.token)? } else { ends.initialize(Some(&step.token))? };
        }
        Ok(())
    })();
    for (engine, context) in [(client, ends.client_context), (server, ends.server_context)] {
        if let Some(context) = context {
            engine.delete_context(context).unwrap();
        }
    }
    client.free(ends.client_credential).unwrap();
    server.free(ends.server_credential).unwrap();
    outcome.map(|()| assert_eq!(done, [true; 2], "{package} {flags:?}"))
}

/// The kinds of handshakes that have tokens of their own.
fn kinds() -> Vec<(Engine, Engine, &'static str, F)> {
    let [mutual, dce] = [F::MUTUAL_AUTH, F::MUTUAL_AUTH | F::USE_DCE_STYLE];
    let five = || all().build();
    let ntlm_first = || all().negotiate_first(NegotiateFirst::Ntlm).build();
    vec![
        (five(), five(), "MSN", mutual),
        (five(), five(), "NTLM", F::INTEGRITY),
        (five(), five(), "Kerberos", F::empty()),
        (five(), five(), "Kerberos", mutual),
        (five(), five(), "Kerberos", dce),
        (five(), five(), "Negotiate", F::empty()),
        (five(), five(), "Negotiate", mutual),
        (five(), five(), "Negotiate", dce),
        (ntlm_first(), five(), "Negotiate", F::empty()),
        (five(), all().only_packages(["Negotiate", "NTLM"]).build(), "Negotiate", F::empty()),
    ]
}

fn lengths(client: &Engine, server: &Engine, package: &str, flags: F) -> Vec<usize> {
    let mut lengths = Vec::new();
    run(client, server, package, flags, |_, token| lengths.push(token.len())).unwrap();
    lengths
}

/// P7a, S3, S5: a changed byte anywhere in any token of any package is noticed.
#[test]
fn a_handshake_of_any_package_with_any_byte_of_any_token_changed_is_refused() {
    for (client, server, package, flags) in kinds() {
        for (leg, length) in lengths(&client, &server, package, flags).into_iter().enumerate() {
            for at in 0..length {
                // One bit of each byte, and where the frames are, one that numbers of mechanisms differ in.
                let bits = if at < 128 { &[2, at % 8][..] } else { &[at % 8] };
                for &bit in bits {
                    let change = |now, token: &mut Vec<u8>| {
                        if now == leg {
                            token[at] ^= 1 << bit;
                        }
                    };
                    let changed = run(&client, &server, package, flags, change);
                    assert!(changed.is_err(), "{package} {flags:?}: leg {leg}, byte {at}, bit {bit}");
                }
            }
        }
        assert_eq!((client.open_contexts(), server.open_contexts()), (0, 0));
    }
}

/// P7a, S3, S5
#[test]
fn a_handshake_of_any_package_with_any_token_cut_or_lengthened_is_refused() {
    for (client, server, package, flags) in kinds() {
        for (leg, length) in lengths(&client, &server, package, flags).into_iter().enumerate() {
            let is_tried = |cut: &usize| *cut < 128 || cut.is_multiple_of(5) || *cut + 40 > length;
            for cut in (0..=length).filter(is_tried) {
                let change = |now, token: &mut Vec<u8>| {
                    if now == leg {
                        token.truncate(cut);
                        if cut == length {
                            token.push(0);
                        }
                    }
                };
                let changed = run(&client, &server, package, flags, change);
                assert!(changed.is_err(), "{package} {flags:?}: leg {leg} cut to {cut} of {length}");
            }
        }
    }
}

/// P8: the words that say whose they are stand in each token.
#[test]
fn every_token_says_that_it_is_the_mocks() {
    for (client, server, package, flags) in kinds() {
        let check = |leg: usize, token: &mut Vec<u8>| {
            let says = token.windows(13).any(|window| window == b"SSPCACHE mock");
            assert!(says, "{package} {flags:?}: leg {leg}: {token:02x?}");
        };
        run(&client, &server, package, flags, check).unwrap();
    }
}

/// P8: what programs look for at the beginning of a token.
#[test]
fn a_first_token_begins_as_its_package_says_and_has_the_length_that_base64_shows() {
    for (client, server, package, flags) in kinds() {
        let check = |leg: usize, token: &mut Vec<u8>| {
            if leg > 0 || package == "MSN" {
                return;
            }
            assert!((256..16_384).contains(&token.len()), "{package} {flags:?}: {}", token.len());
            match package {
                "NTLM" => assert!(token.starts_with(b"NTLMSSP\0\x01\0\0\0")),
                // In DCE style there is no frame of GSS-API.
                "Kerberos" if flags.contains(F::USE_DCE_STYLE) => assert_eq!(token[..2], [0x6E, 0x82]),
                // `YII` in base64.
                _ => assert!(token[..2] == [0x60, 0x82] && token[2] < 0x40, "{:02x?}", &token[..4]),
            }
        };
        run(&client, &server, package, flags, check).unwrap();
    }
}

/// P8: a token has the size that the configuration says.
#[test]
fn the_size_of_a_first_token_is_configured() {
    for (package, target, sizes) in [
        ("MSN", "HTTP/web", &[200, 1_000, 12_000][..]),
        ("NTLM", "HTTP/web", &[260, 2_000, 40_000]),
        ("Kerberos", "HTTP/web", &[600, 2_000, 12_000, 48_000]),
        ("Negotiate", "HTTP/web", &[700, 2_000, 12_000, 65_791]),
        ("Negotiate", "HTTP/10.0.0.1", &[700, 2_000]),
    ] {
        for &size in sizes {
            let config = format!("[[package]]\nname = '{package}'\ntoken-size = {size}");
            let client = all().config(&config.parse().unwrap()).build();
            let server = all().build();
            let outbound = AcquireRequest::outbound(package).with_identity(alice());
            let inbound = AcquireRequest::inbound(package);
            let mut ends =
                Ends::with(&client, &outbound, &server, &inbound).to(target).asking(F::MUTUAL_AUTH);
            let first = ends.initialize(None).unwrap();
            assert_eq!(first.token.len(), size, "{package} {target}");
            ends.accept(&first.token).unwrap();
        }
    }
    // Where it says less than the token needs, it is as long as it has to be.
    let shortest = |package: &str| {
        let config = format!("[[package]]\nname = '{package}'\ntoken-size = 1");
        let client = all().config(&config.parse().unwrap()).build();
        let outbound = AcquireRequest::outbound(package).with_identity(alice());
        let mut ends = Ends::with(&client, &outbound, &client, &AcquireRequest::inbound(package));
        ends.run().unwrap();
        ends.client_context = None;
        ends.initialize(None).unwrap().token.len()
    };
    assert!(shortest("NTLM") < 256, "{}", shortest("NTLM"));
}
