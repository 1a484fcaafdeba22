//! Clients that sign in over HTTP to the program's own server: by `sspcache serve http`, and by `exec --serve http`.
#![cfg(target_os = "linux")]

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use sspcache_tests::{
    program::{Ran, Running, fixture, sspcache},
    schema,
    stage::Stage,
};

use crate::sspilib::python;

/// sspilib over `http.client`, which signs in to the port of the URL.
const CLIENT: &str = r#"exec "$0" "$1" "${SSPCACHE_HTTP_URL##*:}" "$2" alice "$3""#;

/// A run of it, with a package and a password.
fn run(stage: &Stage, options: &[&str], package: &str, password: &str) -> Ran {
    let mut exec = stage.exec();
    exec.args(["--preload", "--check=left,leaks,misuse", "--serve", "http", "--config"]);
    exec.arg(fixture("clients/native.toml")).args(options).args(["--", "sh", "-c", CLIENT]);
    Ran::of(exec.arg(python()).arg(fixture("clients/real/sspilib_client.py")).args([package, password]))
}

/// W1, W3: both ends of a sign-in are in one verdict.
#[test]
#[ignore = "needs sspilib: cargo xtask test"]
fn sspilib_signs_in_over_http_client_and_the_verdict_says_as_whom() {
    let stage = Stage::new();
    for (package, said) in [
        ("Negotiate", "Kerberos (Negotiate) to HTTP/localhost, with 1 token"),
        ("NTLM", "NTLM to HTTP/localhost, with 2 tokens"),
    ] {
        let ran = run(&stage, &[], package, "correct horse").exits_with(0);
        assert!(ran.stdout.starts_with("server: CONTOSO\\alice by "), "{ran:?}");
        let served = format!("served: 1 sign-in, 0 refused\nCONTOSO\\alice signed in by {said}\n");
        assert!(ran.stderr.contains(&served), "{served}: {}", ran.stderr);
        assert!(ran.stderr.contains("clean: 1 credential was held in 1 process"), "{}", ran.stderr);
    }
}

/// W5
#[test]
#[ignore = "needs sspilib: cargo xtask test"]
fn a_refused_sign_in_is_in_the_verdict_and_no_password_is() {
    let stage = Stage::new();
    let ran = run(&stage, &[], "NTLM", "wrong horse").exits_with(1);
    let served = "served: 0 sign-ins, 1 refused\na sign-in by NTLM was refused: SEC_E_LOGON_DENIED\n";
    assert!(ran.stderr.contains(served), "{}", ran.stderr);
    let ran = run(&stage, &["--format", "json"], "Negotiate", "correct horse").exits_with(0);
    let verdict = schema::verdict(&ran.stderr);
    let sign_in = &verdict["served"]["sign_ins"][0];
    assert_eq!(verdict["served"]["signed_in"], 1);
    assert_eq!((&sign_in["principal"], &sign_in["package"]), (&r"CONTOSO\alice".into(), &"Kerberos".into()));
    assert!(!ran.stderr.contains("horse"), "{}", ran.stderr);
}

/// W6: over TLS, with the bindings of the server's certificate, others, and none.
#[test]
#[ignore = "needs sspilib: cargo xtask test"]
fn sspilib_signs_in_over_tls_and_its_channel_bindings_are_checked() {
    let stage = Stage::new();
    for (checked, package, bindings, statuses, served) in [
        ("required", "Negotiate", "end-point", "200", "with 1 token, bound to its channel"),
        ("required", "NTLM", "end-point", "401 200", "with 2 tokens, bound to its channel"),
        (
            "required",
            "Negotiate",
            "-",
            "401",
            "https: a sign-in by Negotiate was refused: SEC_E_BAD_BINDINGS",
        ),
        ("if-sent", "NTLM", "-", "401 200", "with 2 tokens\n"),
        ("if-sent", "NTLM", "wrong", "401 401", "https: a sign-in by NTLM was refused: SEC_E_BAD_BINDINGS"),
    ] {
        let mut exec = stage.exec();
        exec.args(["--preload", "--check=leaks", "--serve", "http,https", "--serve-bindings", checked]);
        exec.arg("--config").arg(fixture("clients/native.toml")).arg("--").arg(python());
        exec.arg(fixture("clients/real/sspilib_served.py")).args(["https", package, bindings, "/"]);
        let ran = Ran::of(&mut exec).exits_with(0);
        let said: Vec<_> = ran.stdout.lines().filter_map(|line| line.strip_prefix("status: ")).collect();
        assert_eq!(said.join(" "), statuses, "{ran:?}");
        assert!(ran.stderr.contains(served), "{served}: {}", ran.stderr);
    }
}

/// What sspilib over `http.client` makes of each fault, the second time that it meets it on one connection, or on the next one: the
/// statuses or what it fails with, and whether its context is established. `docs/serve.md` has the same table.
const FAULTS: &[(&str, &str, &str, bool)] = &[
    ("close-before-answer", "NTLM", "RemoteDisconnected", false),
    ("close-after-challenge", "NTLM", "401 RemoteDisconnected", false),
    ("other-scheme", "NTLM", "401 200", true),
    ("not-base64", "NTLM", "401 Error", false),
    ("broken-token", "NTLM", "401 80090308", false),
    ("cut-token", "NTLM", "401 80090308", false),
    ("foreign-token", "NTLM", "401 80090308", false),
    ("replayed-token", "NTLM", "401 80090308", false),
    ("other-connection", "NTLM", "401 401", true),
    ("delay", "NTLM", "401 200", true),
    ("other-user", "NTLM", "401 200", true),
    ("forgotten", "NTLM", "401 200", true),
    ("last-token-broken", "Negotiate", "200 80090308", false),
    ("last-token-missing", "Negotiate", "200", false),
    ("last-token-surplus", "Negotiate", "200 80090308", false),
    ("last-token-surplus", "NTLM", "401 200 80090308", false),
    ("last-token-foreign", "Negotiate", "200 80090308", false),
    ("last-token-right-in-401", "Negotiate", "401", true),
    ("last-token-broken-in-401", "Negotiate", "401 80090308", false),
    ("last-token-missing-in-401", "Negotiate", "401", false),
    ("last-token-surplus-in-401", "Negotiate", "401 80090308", false),
    ("last-token-foreign-in-401", "Negotiate", "401 80090308", false),
];

/// W8: whatever a server does, the client leaks nothing.
#[test]
#[ignore = "needs sspilib: cargo xtask test"]
fn sspilib_meets_each_fault() {
    let stage = Stage::new();
    for &(fault, package, outcome, is_established) in FAULTS {
        let mut exec = stage.exec();
        exec.args(["--preload", "--check=left,leaks,misuse", "--serve", "http"]);
        exec.arg("--config").arg(fixture("clients/native.toml")).arg("--").arg(python());
        exec.arg(fixture("clients/real/sspilib_served.py")).args(["http", package, "-"]);
        let ran = Ran::of(exec.args([&*format!("/fault/{fault}"), "2"])).exits_with(0);
        let first = ran.stdout.find("server: ").expect("there are two sign-ins");
        let lines = ran.stdout[first..].lines();
        let said = lines.filter_map(|line| line.strip_prefix("status: ").or(line.strip_prefix("error: ")));
        assert_eq!(said.collect::<Vec<_>>().join(" "), outcome, "{fault}: {ran:?}");
        let established = if is_established { "established: True" } else { "established: False" };
        assert!(ran.stdout[first..].contains(established), "{fault}: {ran:?}");
    }
}

/// A server of its own process, and its URL.
struct Server {
    running: Running,
    url: String,
}

impl Server {
    /// Starts `sspcache serve` with the accounts of the tests.
    fn start(arguments: &[&str]) -> Self {
        let mut serve = sspcache();
        serve.arg("serve").args(arguments).args(["--events", "--config"]).arg(fixture("clients/native.toml"));
        let mut running = Running::start(&mut serve);
        let url = running.line();
        Self { running, url }
    }

    /// Ends it by a signal, and returns the events that it printed.
    fn end(self) -> String {
        kill_process(Pid::from_child(self.running.process()), Signal::TERM).expect("it runs");
        self.running.end()
    }
}

/// W1: the address is printed, the events follow, and a signal ends it.
#[test]
#[ignore = "needs sspilib: cargo xtask test"]
fn a_server_prints_its_address_and_events_until_it_is_told_to_end() {
    let stage = Stage::new();
    let server = Server::start(&["http", "--scheme", "NTLM"]);
    let port = server.url.strip_prefix("http://localhost:").expect("a URL");
    let mut exec = stage.exec();
    exec.args(["--preload", "--"]).arg(python()).arg(fixture("clients/real/sspilib_client.py"));
    Ran::of(exec.args([port, "NTLM", "alice", "correct horse"])).exits_with(0);
    let events = server.end();
    assert!(
        events.contains(r#""event":"signed-in","principal":"CONTOSO\\alice","scheme":"NTLM""#),
        "{events}"
    );
    assert!(!events.contains("horse"), "{events}");
}

/// W9: curl sends a password to the server, or to the proxy, that asks for Basic; the events have neither.
#[test]
#[ignore = "needs curl: cargo xtask test"]
fn curl_signs_in_with_basic() {
    for (kind, user, password, ends) in [
        ("http", "--user", "correct horse", "200"),
        ("http", "--user", "wrong horse", "401"),
        ("proxy", "--proxy-user", "correct horse", "200"),
        ("proxy", "--proxy-user", "wrong horse", "407"),
    ] {
        let server = Server::start(&[kind, "--scheme", "Basic,NTLM"]);
        let mut curl = Command::new("curl");
        // A variable of the environment may say which proxy is not used.
        curl.args(["--silent", "--basic", "--proxy-basic", "--write-out", "\n%{http_code}", "--noproxy"]);
        let behind = (kind == "proxy").then(|| Server::start(&["http"]));
        let ran = match &behind {
            Some(behind) => curl.args(["", "--proxy", &server.url]).arg(format!("{}/open", behind.url)),
            None => curl.arg("*").arg(format!("{}/whoami", server.url)),
        };
        let ran = Ran::of(ran.arg(user).arg(format!(r"CONTOSO\alice:{password}"))).exits_with(0);
        assert_eq!(ran.stdout.lines().last(), Some(ends), "{kind}: {ran:?}");
        let events = server.end();
        let said = if ends == "200" {
            r#""event":"signed-in","principal":"CONTOSO\\alice","scheme":"Basic","package":"Basic","legs":1"#
        } else {
            r#""event":"refused","scheme":"Basic","reason":"SEC_E_LOGON_DENIED""#
        };
        assert!(events.contains(said), "{events}");
        assert!(!events.contains("horse"), "{events}");
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    for (arguments, said) in [
        (["--scheme", "NoSuchPackage"], "can't offer the scheme NoSuchPackage"),
        (["--scheme", "Basic,Digest"], "can't offer the scheme Digest"),
        (["--address", "192.0.2.1:1"], "can't listen at 192.0.2.1:1"),
        (["--config", "no-such-file"], "no-such-file"),
    ] {
        let ran = Ran::of(sspcache().args(["serve", "http"]).args(arguments)).exits_with(125);
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{ran:?}");
    }
}
