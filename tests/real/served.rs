//! Clients at the server of `sspcache-serve`, which is what `sspcache serve http` and `exec --serve` start.

use std::{env, ffi::OsString, fs, path::PathBuf, process::Command};

use sspcache_engine::Config;
use sspcache_mock::MockSsp;
use sspcache_serve::{Fault, HttpServer, ServerEventKind, Settings};
use sspcache_tests::{
    program::{Ran, Running, fixture, program, root, target, temporary_folder},
    stage::{MINGW, Stage},
};

use crate::runs::{ACCOUNTS, ALICE, Client, NOBODY, Run, clean, existing, fetched, kept, real, refused};

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

/// A program in C over a library of Windows, at the servers of `exec --serve`.
struct Served {
    stage: Stage,
    program: OsString,
    /// The accounts, without Negotiate.
    ntlm_alone: PathBuf,
}

impl Served {
    /// None when Wine was left out by a flag, which is said.
    fn new(library: &str) -> Option<Self> {
        let stage = Stage::with_windows_mocks_alone()?;
        let source = real(&format!("{library}_served.c"));
        let options = ["-municode", &format!("-l{library}"), "-lcrypt32"];
        let program = stage.compile(MINGW, &format!("{library}_served.exe"), &source, &options);
        let ntlm_alone = stage.path("ntlm.toml");
        let accounts = fs::read_to_string(fixture(ACCOUNTS)).expect("readable");
        fs::write(&ntlm_alone, accounts + "\n[packages]\nonly = ['NTLM']\n")
            .expect("the folder is this test's own");
        Some(Self { stage, program, ntlm_alone })
    }

    /// Runs it: where it goes, how it trusts, and what it is asked for, in words.
    fn run(&self, bindings: &str, is_ntlm_alone: bool, before: &str, after: &str) -> Ran {
        let mut exec = self.stage.exec();
        exec.args(["--check=left,leaks,misuse", "--serve", "http,https,proxy", "--serve-bindings", bindings]);
        let config = if is_ntlm_alone { self.ntlm_alone.clone() } else { fixture(ACCOUNTS) };
        exec.arg("--config").arg(config).args(["--", "wine"]).arg(&self.program);
        exec.args(before.split(' ')).args(ALICE).args(after.split(' '));
        let mut ran = Ran::of(&mut exec);
        ran.stdout = ran.stdout.replace("\r\n", "\n");
        assert!(!ran.stdout.contains(ALICE[1]) && !ran.stderr.contains(ALICE[1]), "{ran:?}");
        ran
    }

    /// Runs a table: bindings, whether NTLM alone is there, arguments, what is printed, and what the servers say. Whoever signed in has
    /// left, leaked and misused nothing.
    #[track_caller]
    fn runs(&self, after: &str, table: &[(&str, bool, &str, &str, &[&str])]) {
        for &(bindings, is_ntlm_alone, before, printed, served) in table {
            let ran = self.run(bindings, is_ntlm_alone, before, after);
            assert!(ran.stdout.contains(printed), "{before}: {printed:?} is missing: {ran:?}");
            for part in served {
                assert!(ran.stderr.contains(part), "{before}: {part:?} is missing: {}", ran.stderr);
            }
            let is_clean =
                ["clean: ", "no misuse: ", "no leaks: "].iter().all(|part| ran.stderr.contains(part));
            assert_eq!(is_clean, !served.contains(&NOTHING), "{before}: {}", ran.stderr);
        }
    }
}

/// No client came as far as a sign-in.
const NOTHING: &str = "served: 0 sign-ins, 0 refused";

/// W6, W7: over TLS, with its issuer trusted, ignored and neither, and through the proxy. Wine 8's passes no channel bindings, and takes no 407
/// for an answer to CONNECT (observed).
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn winhttp_over_tls_and_through_a_proxy() {
    let Some(client) = Served::new("winhttp") else { return };
    let (kerberos, ntlm) = ("/: 200 CONTOSO\\alice by Kerberos", "/: 200 CONTOSO\\alice by NTLM");
    client.runs(
        "/",
        &[
            (
                "if-sent",
                false,
                "https direct trust Negotiate",
                kerberos,
                &["https: CONTOSO\\alice signed in by Kerberos (Negotiate) to localhost, with 2 tokens\n"],
            ),
            (
                "if-sent",
                false,
                "https direct trust NTLM",
                ntlm,
                &["https: CONTOSO\\alice signed in by NTLM to localhost, with 2 tokens\n"],
            ),
            ("off", false, "https direct ignore Negotiate", kerberos, &["served: 1 sign-in, 0 refused"]),
            ("off", false, "https direct - Negotiate", "/: send: error 12157", &[NOTHING]),
            (
                "required",
                false,
                "https direct trust NTLM",
                "/: 401 SEC_E_BAD_BINDINGS",
                &["https: a sign-in by NTLM was refused: SEC_E_BAD_BINDINGS"],
            ),
            ("off", false, "https proxy trust NTLM", "/: send: error 12157", &[NOTHING]),
        ],
    );
    // The target is the proxy's address, which rules Kerberos out. A request that has signed in to the proxy repeats its last token for the proxy
    // when the server asks, too (observed), so that the proxy has to be asked for something else before.
    client.runs(
        "/open /",
        &[
            // The target is the proxy's address, which rules Kerberos out.
            (
                "off",
                false,
                "http proxy - Negotiate",
                ntlm,
                &[
                    "\nCONTOSO\\alice signed in by NTLM (Negotiate) to 127.0.0.1, with 2 tokens\n",
                    "proxy: CONTOSO\\alice signed in by NTLM (Negotiate) to 127.0.0.1, with 2 tokens\n",
                ],
            ),
            (
                "off",
                false,
                "http proxy - NTLM",
                ntlm,
                &[
                    "\nCONTOSO\\alice signed in by NTLM to 127.0.0.1, with 2 tokens\n",
                    "proxy: CONTOSO\\alice signed in by NTLM to 127.0.0.1, with 2 tokens\n",
                ],
            ),
        ],
    );
    client.runs(
        "/",
        &[(
            "off",
            false,
            "http proxy - NTLM",
            "/: 407 SEC_E_INVALID_TOKEN",
            &[
                "proxy: CONTOSO\\alice signed in by NTLM to 127.0.0.1, with 2 tokens\n",
                "proxy: a sign-in by NTLM was refused: SEC_E_INVALID_TOKEN",
            ],
        )],
    );
}

/// W6, W7: the same for WinINet, which takes what is offered first. Of a server's and a proxy's sign-ins over `http` it does those by NTLM alone:
/// `docs/serve.md` says what becomes of the others.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn wininet_over_tls_and_through_a_proxy() {
    let Some(client) = Served::new("wininet") else { return };
    let (kerberos, ntlm) = ("/: 200 CONTOSO\\alice by Kerberos", "/: 200 CONTOSO\\alice by NTLM");
    let by_kerberos = "CONTOSO\\alice signed in by Kerberos (Negotiate) to localhost, with 2 tokens\n";
    let by_ntlm = "CONTOSO\\alice signed in by NTLM to localhost, with 2 tokens\n";
    let (https, proxy) = (|by| format!("https: {by}"), |by| format!("proxy: {by}"));
    client.runs(
        "/",
        &[
            ("if-sent", false, "https direct trust", kerberos, &[&https(by_kerberos)]),
            ("if-sent", true, "https direct trust", ntlm, &[&https(by_ntlm)]),
            ("off", false, "https direct ignore", kerberos, &["served: 1 sign-in, 0 refused"]),
            ("off", false, "https direct -", "/: send: error 12057", &[NOTHING]),
            ("off", false, "https proxy trust", kerberos, &[&https(by_kerberos), &proxy(by_kerberos)]),
            ("off", true, "https proxy trust", ntlm, &[&https(by_ntlm), &proxy(by_ntlm)]),
            ("off", true, "http proxy -", ntlm, &[&proxy(by_ntlm), "served: 2 sign-ins, 0 refused"]),
        ],
    );
    client.runs(
        "/open",
        &[(
            "off",
            false,
            "http proxy -",
            "/open: 200 open",
            &[&proxy(by_kerberos), "served: 1 sign-in, 0 refused"],
        )],
    );
}

/// W2: WinINet sends the session's cookie until the application ends its session, and then has nothing to sign in with.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn wininet_signs_out_of_a_session_that_a_cookie_keeps() {
    let Some(client) = Served::new("wininet") else { return };
    let ran =
        client.run("off", false, "http direct -", "/cookie anonymous /whoami sign-out /whoami").exits_with(1);
    let lines: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with('/')).collect();
    let [first, before, after] = *lines else { panic!("three pages: {ran:?}") };
    assert!(first.starts_with("/cookie: 200 ") && first.contains(r#""is_new":true"#), "{first}");
    assert!(before.starts_with("/whoami: 200 ") && before.contains(r#""by":"cookie""#), "{before}");
    assert_eq!(after, "/whoami: 401 sign in");
    assert!(ran.stderr.contains("served: 1 sign-in, 0 refused"), "{}", ran.stderr);
}

/// What WinHTTP makes of each fault, with NTLM: the page's beginning, or the call that failed. `docs/serve.md` has the same table.
const FAULTS: &[(&str, &str)] = &[
    ("close-before-answer", "receive: error 12152"),
    ("close-after-offer", SIGNED_IN),
    ("close-after-challenge", REFUSED),
    ("no-offer", "401 sign in"),
    ("reversed-offer", SIGNED_IN),
    ("other-scheme", GIVEN_UP),
    ("not-base64", GIVEN_UP),
    ("broken-token", GIVEN_UP),
    ("cut-token", GIVEN_UP),
    ("foreign-token", GIVEN_UP),
    ("replayed-token", SIGNED_IN),
    ("replayed-token", GIVEN_UP),
    ("other-connection", REFUSED),
    ("delay", SIGNED_IN),
    ("other-user", "200 {"),
    ("forgotten", SIGNED_IN),
    ("last-token-broken", SIGNED_IN),
    ("last-token-missing", SIGNED_IN),
    ("last-token-surplus", SIGNED_IN),
    ("last-token-foreign", SIGNED_IN),
    ("last-token-right-in-401", DENIED),
    ("last-token-broken-in-401", DENIED),
    ("last-token-missing-in-401", DENIED),
    ("last-token-surplus-in-401", DENIED),
    ("last-token-foreign-in-401", DENIED),
];
const SIGNED_IN: &str = r"200 CONTOSO\alice by NTLM";
/// What it says where it sends its next request before it has seen that the server has closed the connection.
const CLOSED_UNSEEN: &str = "receive: error 12152";
const GIVEN_UP: &str = "401 go on";
const REFUSED: &str = "401 SEC_E_INVALID_TOKEN";
const DENIED: &str = "401 denied after a sign-in";

/// W8: whatever a server does, the client leaks nothing.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn winhttp_meets_each_fault() {
    for fault in Fault::all().map(|fault| fault.to_string()) {
        assert!(FAULTS.iter().any(|(known, _)| *known == fault), "{fault} is in no row");
    }
    let Some(client) = Served::new("winhttp") else { return };
    let paths: Vec<_> = FAULTS.iter().map(|(fault, _)| format!("/fault/{fault}")).collect();
    let ran =
        client.run("off", false, "http direct - NTLM", &format!("each {}", paths.join(" "))).exits_with(1);
    let lines: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with('/')).collect();
    assert_eq!(lines.len(), FAULTS.len(), "{ran:?}");
    for ((line, (_, outcome)), path) in lines.iter().zip(FAULTS).zip(paths) {
        let said = line.strip_prefix(&format!("{path}: ")).unwrap_or_else(|| panic!("{path}: {line:?}"));
        let is_unseen = path.starts_with("/fault/close-after-") && said.starts_with(CLOSED_UNSEEN);
        assert!(is_unseen || said.starts_with(outcome), "{path}: {outcome:?} is not {said:?}");
        let other = r#""connection":{"principal":"CONTOSO\\mallory""#;
        assert_eq!(line.contains(other), path == "/fault/other-user", "{line}");
    }
    for part in ["\nclean: ", "\nno misuse: ", "\nno leaks: "] {
        assert!(ran.stderr.contains(part), "{part:?} is missing: {}", ran.stderr);
    }
}

/// P7: `[negotiate] first` decides for a client that leaves the choice to Negotiate, as WinHTTP does, and not for pycurl's libcurl, whose
/// package list excludes NTLM (observed).
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn ntlm_comes_first_by_configuration_unless_a_client_excludes_it() {
    let Some(client) = Served::new("winhttp") else { return };
    let config = client.stage.path("ntlm-first.toml");
    let accounts = fs::read_to_string(fixture(ACCOUNTS)).expect("readable");
    fs::write(&config, accounts + "\n[negotiate]\nfirst = 'ntlm'\n").expect("the folder is this test's own");
    let python = fetched("python/home/python.exe").into_os_string();
    let script = real("pycurl_served.py").into_os_string();
    let winhttp =
        [&[client.program.clone()][..], &["http", "direct", "-", "Negotiate"].map(Into::into)].concat();
    let pycurl = [&[python, script][..], &["http", "direct", "/"].map(Into::into)].concat();
    for (command, after, by) in [(winhttp, Some("/"), "NTLM"), (pycurl, None, "Kerberos")] {
        let mut exec = client.stage.exec();
        exec.args(["--serve", "http", "--config"]).arg(&config).args(["--", "wine"]);
        let ran = Ran::of(exec.args(command).args(ALICE).args(after)).exits_with(0);
        let served = format!("CONTOSO\\alice signed in by {by} (Negotiate) to ");
        assert!(ran.stderr.contains(&served), "{served}: {}", ran.stderr);
    }
}

/// W1, W3: the command of `README.md` as it is there, and what it says that is printed.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn the_example_of_the_readme_does_what_it_says() {
    let Some(stage) = Stage::with_windows_mocks_alone() else { return };
    let readme = fs::read_to_string(root().join("README.md")).expect("readable");
    let (_, example) =
        readme.split_once("An HTTP client signs in to a server of the run").expect("it is there");
    let (_, example) = example.split_once("```console\n$ ").expect("a command follows");
    let (example, _) = example.split_once("```").expect("the block ends");
    // The command has two lines.
    let end = example.match_indices('\n').nth(1).expect("what is printed follows").0;
    let (command, printed) = example.split_at(end);
    let python = fetched("python/home/python.exe");
    let python = python.to_str().expect("cargo's folders are UTF-8");
    assert_eq!(command.matches(" python.exe ").count(), 1, "{command}");
    // Not beside the mock DLLs for this system, which Wine would meet first.
    let folder = temporary_folder();
    fs::write(folder.path().join("password.txt"), "correct horse").expect("the folder is this test's own");
    let path = env::var_os("PATH").expect("there is a PATH");
    let program = program().parent().expect("it is in a folder").to_owned();
    let path = env::join_paths([program].into_iter().chain(env::split_paths(&path))).expect("a PATH");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command.replace(" python.exe ", &format!(" '{python}' "))).current_dir(folder.path());
    let ran = Ran::of(shell.env("PATH", path).env("SSPCACHE_HOME", stage.path(""))).exits_with(0);
    let printed: Vec<_> = printed.lines().filter(|line| !line.is_empty()).collect();
    assert!(!printed.is_empty(), "{example}");
    for line in printed {
        assert!(ran.stderr.lines().any(|said| said == line), "{line}: {ran:?}");
    }
    assert!(ran.stderr.contains("\nclean: 1 sign-in with default credentials"), "{}", ran.stderr);
}

/// P1, P2, P3: libpq, by psycopg2, with the default credentials. It names no target but the server's host and service.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn libpq_signs_in_to_postgresqls_protocol() {
    let Some(stage) = Stage::with_windows_mocks_alone() else { return };
    let example = target().join("debug/examples/postgresql");
    let example = existing(example, "`cargo build -p sspcache-serve --example postgresql` builds it");
    let mut server = Running::start(&mut Command::new(example));
    let port = server.line();
    for (password, status, printed, served) in [
        ("correct horse", 0, "connected", r"CONTOSO\alice by Kerberos"),
        ("wrong horse", 1, "SSPI authentication failed: ", "refused: "),
    ] {
        let mut exec = stage.exec();
        exec.args([
            "--check=left,leaks,misuse",
            "--logon",
            r"CONTOSO\alice:env:LOGON_PASSWORD",
            "--",
            "wine",
        ]);
        exec.arg(fetched("python/home/python.exe")).arg(real("psycopg2_client.py")).arg(&port);
        let ran = Ran::of(exec.env("LOGON_PASSWORD", password)).exits_with(status);
        assert!(ran.stdout.contains(printed), "{printed}: {ran:?}");
        let said = server.line();
        assert!(said.starts_with(served), "{served}: {said}");
        for part in ["\nclean: ", "\nno misuse: ", "\nno leaks: "] {
            assert!(ran.stderr.contains(part), "{part:?} is missing: {}", ran.stderr);
        }
        assert!(!said.contains("horse") && !ran.stdout.contains("horse"), "{said} {ran:?}");
    }
}
