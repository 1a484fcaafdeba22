//! Clients at the server of `sspcache-serve`, which is what `sspcache serve http` and `exec --serve` start.

use sspcache_engine::Config;
use sspcache_mock::MockSsp;
use sspcache_serve::{HttpServer, ServerEventKind, Settings};
use sspcache_tests::{
    program::{Ran, fixture},
    stage::{MINGW, Stage},
};

use crate::runs::{ACCOUNTS, ALICE, Client, NOBODY, Run, clean, fetched, kept, real, refused};

const KERBEROS: &[&str] = &[r"CONTOSO\alice by Kerberos"];
const NTLM: &[&str] = &[r"CONTOSO\alice by NTLM"];
const BOB: &[&str] = &[r"CONTOSO\bob by Kerberos"];

/// What a server offers by default.
const BOTH: &[&str] = &["Negotiate", "NTLM"];

/// The program's server, with what the runs ask of one.
pub(crate) struct Program(HttpServer);

impl Program {
    /// Starts one whose accounts are those of a configuration, and that offers these schemes.
    pub(crate) fn new(config: &str, schemes: &[&str]) -> Self {
        let config: Config = config.parse().expect("the configuration of the tests is valid");
        let settings = Settings::new().schemes(schemes.iter().copied());
        Self(HttpServer::start_with(&MockSsp::msn().config(&config), settings).expect("a port is free"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }

    /// What became of the sign-ins so far.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let outcome = |kind| match kind {
            ServerEventKind::SignedIn(sign_in) => {
                Some(format!("{} by {}", sign_in.principal, sign_in.package))
            }
            ServerEventKind::Refused { reason, .. } => Some(format!("refused: {reason}")),
            _ => None,
        };
        self.0.events().into_iter().filter_map(|event| outcome(event.kind)).collect()
    }
}

/// Runs a program in C over a library of Windows.
#[track_caller]
fn runs(library: &str, schemes: &'static [&'static str], table: &[Run<'_>]) {
    let compiler = Stage::new();
    let name = format!("{library}_client");
    let source = real(&name).with_extension("c");
    let program =
        compiler.compile(MINGW, &format!("{name}.exe"), &source, &["-municode", &format!("-l{library}")]);
    if let Some(client) = Client::new(&[&program]) {
        client.served(schemes).runs(table);
    }
}

/// W1, W3: libcurl.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn pycurl() {
    let command: [&dyn AsRef<std::ffi::OsStr>; 2] =
        [&fetched("python/home/python.exe"), &real("pycurl_client.py")];
    let Some(client) = Client::new(&command) else { return };
    client.served(BOTH).runs(&[
        clean("Negotiate", ALICE, KERBEROS),
        clean("Negotiate", NOBODY, BOB),
        kept("Negotiate", KERBEROS),
        refused("Negotiate"),
    ]);
}

/// W6, W7: directly and through the proxy, with TLS and without. libcurl 8.23 passes channel bindings with its second token alone, and so with
/// none of Kerberos's. Behind a tunnel that took a sign-in it makes none at the server (observed).
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn pycurl_over_tls_and_through_a_proxy() {
    let Some(stage) = Stage::with_windows_mocks_alone() else { return };
    let (by_server, by_proxy) = ("signed in by Kerberos (Negotiate) to HTTP/localhost", "proxy: CONTOSO");
    for (bindings, scheme, way, path, status, served) in [
        ("off", "https", "direct", "/", "200", &["served: 1 sign-in, 0 refused", by_server][..]),
        ("if-sent", "https", "direct", "/", "200", &["served: 1 sign-in, 0 refused", by_server]),
        ("required", "https", "direct", "/", "401", &["served: 0 sign-ins, 1 refused", "SEC_E_BAD_BINDINGS"]),
        ("off", "http", "proxy", "/", "200", &["served: 2 sign-ins, 0 refused", by_server, by_proxy]),
        ("off", "https", "proxy", "/open", "200", &["served: 1 sign-in, 0 refused", by_proxy]),
        ("off", "https", "proxy", "/", "401", &["served: 1 sign-in, 0 refused", by_proxy]),
    ] {
        let mut exec = stage.exec();
        exec.args(["--check=left,leaks,misuse", "--serve", "http,https,proxy", "--serve-bindings", bindings]);
        exec.arg("--config")
            .arg(fixture(ACCOUNTS))
            .args(["--", "wine"])
            .arg(fetched("python/home/python.exe"));
        exec.arg(real("pycurl_served.py")).args([scheme, way, path]).args(ALICE);
        let ran = Ran::of(&mut exec).exits_with(i32::from(status != "200"));
        assert!(ran.stdout.starts_with(&format!("status: {status}")), "{scheme} {way}: {ran:?}");
        for part in served {
            assert!(ran.stderr.contains(part), "{scheme} {way}: {part} in {}", ran.stderr);
        }
    }
}

/// W1, W3
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn winhttp() {
    runs(
        "winhttp",
        BOTH,
        &[
            clean("Negotiate", ALICE, KERBEROS),
            clean("NTLM", ALICE, NTLM),
            kept("Negotiate", KERBEROS),
            refused("Negotiate"),
        ],
    );
}

/// W1, W3
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn wininet() {
    runs(
        "wininet",
        BOTH,
        &[
            clean("Negotiate", ALICE, KERBEROS),
            clean("Negotiate", NOBODY, BOB),
            kept("Negotiate", KERBEROS),
            refused("Negotiate"),
        ],
    );
    runs("wininet", &["NTLM"], &[clean("NTLM", ALICE, NTLM), refused("NTLM")]);
}
