//! What parsers that others wrote read in the mock's tokens.
#![cfg(unix)]

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Engine, EngineBuilder,
    clock::ManualClock,
    context::{AcceptRequest, ContextFlags as F, InitializeRequest, NegotiateFirst},
};
use sspcache_tests::program::{fixture, root};

/// A kind of handshake, by its name.
struct Kind {
    name: &'static str,
    client: EngineBuilder,
    server: EngineBuilder,
    package: &'static str,
    flags: F,
    password: &'static str,
}

/// An engine whose clock stands still at the first second of 2026.
fn engine() -> EngineBuilder {
    Engine::builder("MSNSSPC.dll").account("alice", "contoso.com", "x").clock(ManualClock::default())
}

fn kinds() -> Vec<Kind> {
    let kind = |name, package, flags| Kind {
        name,
        client: engine(),
        server: engine(),
        package,
        flags,
        password: "x",
    };
    let mutual = F::MUTUAL_AUTH | F::INTEGRITY;
    vec![
        kind("kerberos", "Kerberos", F::empty()),
        kind("kerberos-mutual", "Kerberos", mutual),
        kind("kerberos-dce", "Kerberos", mutual | F::USE_DCE_STYLE),
        Kind { password: "wrong", ..kind("kerberos-denied", "Kerberos", mutual) },
        kind("ntlm", "NTLM", F::CONFIDENTIALITY),
        kind("negotiate", "Negotiate", F::empty()),
        kind("negotiate-mutual", "Negotiate", mutual),
        Kind { password: "wrong", ..kind("negotiate-denied", "Negotiate", mutual) },
        Kind {
            client: engine().negotiate_first(NegotiateFirst::Ntlm),
            ..kind("negotiate-ntlm", "Negotiate", F::empty())
        },
        Kind {
            server: engine().only_packages(["Negotiate", "NTLM"]),
            ..kind("negotiate-changed", "Negotiate", F::empty())
        },
    ]
}

/// Every token of a handshake, by the kind's name and its number.
fn tokens(kind: Kind) -> Vec<(String, Vec<u8>)> {
    let (client, server) = (kind.client.build(), kind.server.build());
    let identity = AuthIdentity::password("alice", "contoso.com", kind.password);
    let outbound = AcquireRequest::outbound(kind.package).with_identity(identity);
    let inbound = AcquireRequest::inbound(kind.package).with_principal(r"CONTOSO\web$");
    let outbound = client.acquire(&outbound).unwrap().handle;
    let inbound = server.acquire(&inbound).unwrap().handle;
    let (mut contexts, mut tokens) = ([None; 2], Vec::new());
    loop {
        let last = tokens.last().map(|(_, token): &(String, Vec<u8>)| token.clone());
        let step = if tokens.len() % 2 == 0 {
            client.initialize(&InitializeRequest {
                context: contexts[0],
                target: Some("HTTP/www.contoso.com".into()),
                flags: kind.flags,
                token: last.as_deref(),
                ..InitializeRequest::first(outbound)
            })
        } else {
            let token = last.unwrap_or_default();
            let first = AcceptRequest::first(inbound, &token);
            server.accept(&AcceptRequest { context: contexts[1], flags: F::EXTENDED_ERROR, ..first })
        };
        let name = format!("{}-{}", kind.name, tokens.len() + 1);
        match step {
            Ok(step) => {
                contexts[tokens.len() % 2] = Some(step.context);
                if step.token.is_empty() {
                    return tokens;
                }
                tokens.push((name, step.token));
            }
            Err(refusal) => {
                tokens.push((name, refusal.token.expect("the initiator is told")));
                return tokens;
            }
        }
    }
}

/// The Python of `cargo xtask setup`, which has both parsers.
fn python() -> PathBuf {
    let python = root().join(".tools/bin/python");
    let imported = Command::new(&python).args(["-c", "import spnego, impacket"]).output();
    assert!(
        imported.is_ok_and(|output| output.status.success()),
        "the Python packages pyspnego and impacket, which this test needs, are not in .tools: `cargo xtask setup` installs them"
    );
    python
}

/// P8: pyspnego and impacket find what the token is, and the names in it.
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn foreign_parsers_read_every_kind_of_token() {
    let mut program = Command::new(python())
        .arg(fixture("clients/read_tokens.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = program.stdin.take().unwrap();
    for (name, token) in kinds().into_iter().flat_map(tokens) {
        write!(input, "{name} ").unwrap();
        for byte in &token {
            write!(input, "{byte:02x}").unwrap();
        }
        writeln!(input).unwrap();
    }
    drop(input);
    let output = program.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", String::from_utf8_lossy(&output.stdout));
    let expected = std::fs::read_to_string(fixture("clients/read_tokens.txt")).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).replace('\r', ""), expected, "{errors}");
}

/// P8: what is DER is read by `openssl asn1parse`, to the last byte.
#[test]
#[ignore = "needs OpenSSL: cargo xtask test"]
fn openssl_reads_what_is_der() {
    let mut read = 0;
    for (name, token) in kinds().into_iter().flat_map(tokens) {
        // A token of Kerberos has two bytes in its frame that are no DER: what follows them is.
        let der = match token.as_slice() {
            [0x60, 0x82, _, _, 6, 9, rest @ ..] => &rest[9 + 2..],
            [0x60 | 0x6E | 0x6F | 0xA1, ..] => &token,
            _ => continue,
        };
        let mut program = Command::new("openssl")
            .args(["asn1parse", "-inform", "DER", "-i"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl, which this test needs, is there");
        program.stdin.take().unwrap().write_all(der).unwrap();
        let output = program.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let first = text.lines().next().unwrap();
        let number = |key: &str| {
            let (_, rest) = first.split_once(key).unwrap();
            rest.trim_start().split(' ').next().unwrap().trim().parse::<usize>().unwrap()
        };
        assert_eq!(number("hl=") + number(" l="), der.len(), "{name}: {text}");
        read += 1;
    }
    assert!(read > 20, "{read}");
}
