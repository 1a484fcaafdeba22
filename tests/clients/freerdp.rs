//! FreeRDP, unmodified, with the mock preloaded in place of WinPR's SSPI: network level authentication against a server of Remote
//! Desktop that accepts through the mock, too.
#![cfg(target_os = "linux")]

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::{Stage, python, words},
};

/// How long a program is waited for: a failure, not a measure.
const FOR_EVER: Duration = Duration::from_mins(2);

/// A program that this test needs, and that the set-up installs.
fn start(command: &mut Command) -> Child {
    let started = command.spawn();
    started.unwrap_or_else(|error| {
        panic!("can't run {command:?}, which this test needs ({error}): `cargo xtask setup` installs it or says how")
    })
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A display of its own, and its name: the client asks for one before it connects.
fn display() -> (Running, String) {
    let mut server = Command::new("Xvfb");
    server.args(["-displayfd", "1", "-nolisten", "tcp"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = start(&mut server);
    let mut number = String::new();
    BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut number).unwrap();
    (Running(server), format!(":{}", number.trim()))
}

/// The server, and the port that it waits at.
fn server(stage: &Stage, is_silent: bool) -> (Child, String) {
    let (key, certificate) = (stage.path("key.pem"), stage.path("certificate.pem"));
    let mut make = Command::new("openssl");
    make.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout"])
        .arg(key);
    make.arg("-out").arg(certificate).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(start(&mut make).wait().unwrap().success(), "openssl makes a certificate");
    let mut server = Command::new(python());
    server.arg(fixture("clients/credssp_server.py")).arg(stage.path("MSNSSPC.dll")).arg(stage.path(""));
    server.args(is_silent.then_some("silent")).stdout(Stdio::piped()).stderr(Stdio::piped());
    server.env("SSPCACHE_CONFIG", fixture("clients/both_ends.toml")).env_remove("SSPCACHE_JOURNAL");
    let mut server = start(&mut server);
    let (port, start) = (stage.path("port"), Instant::now());
    while !port.exists() && server.try_wait().unwrap().is_none() && start.elapsed() < FOR_EVER {
        thread::sleep(Duration::from_millis(20));
    }
    match fs::read_to_string(&port) {
        Ok(port) => (server, port),
        Err(error) => panic!("no port ({error}): {:?}", Ran::from(output(server))),
    }
}

fn output(server: Child) -> std::process::Output {
    server.wait_with_output().unwrap()
}

/// The client's command: it keeps what it knows of servers in a folder of the test's.
fn client(home: &Path, server: &str, password: &str) -> Vec<OsString> {
    let home = format!("HOME={}", home.display());
    let (server, password) = (format!("/v:{server}"), format!("/p:{password}"));
    words(&[
        &"env",
        &home,
        &"xfreerdp",
        &server,
        &"/u:alice",
        &"/d:CONTOSO",
        &password,
        &"/cert:ignore",
        &"/sec:nla",
    ])
}

/// Runs a command under `exec --preload --check=left,leaks,misuse`.
fn exec(stage: &Stage, display: &str, command: &[OsString]) -> Ran {
    let mut exec = stage.exec();
    Ran::of(exec.env("DISPLAY", display).args(["--preload", "--check=left,leaks,misuse", "--"]).args(command))
}

/// R2, P1, P2, S3, S4: over Negotiate, which has only NTLM for an IP address and Kerberos for a name.
#[test]
#[ignore = "needs FreeRDP: cargo xtask test"]
fn freerdp_signs_in_with_network_level_authentication_and_leaves_nothing() {
    let (_running, display) = display();
    for (host, package) in [("127.0.0.1", "NTLM"), ("localhost", "Kerberos")] {
        let stage = Stage::new();
        let (server, port) = server(&stage, false);
        let journal = stage.path("journal");
        fs::create_dir(&journal).unwrap();
        let client = client(&stage.path(""), &format!("{host}:{port}"), "correct horse");
        let mut exec = stage.exec();
        exec.env("DISPLAY", &display)
            .args(["--preload", "--check=left,leaks,misuse", "--journal"])
            .arg(&journal);
        let ran = Ran::of(exec.arg("--").args(&client));
        let accepted = Ran::from(output(server)).exits_with(0);
        assert_eq!(
            accepted.stdout,
            "version: 6\nsigned in: CONTOSO\\alice\nkey: seen by both\ndelegated: CONTOSO\\alice, correct horse\n",
            "{host}"
        );
        // The server has no desktop to show, which the client ends for.
        assert!(
            ran.stderr.contains("clean: 1 credential was held in 1 process, and nothing was left."),
            "{ran:?}"
        );
        let journal = fs::read_dir(&journal).unwrap().next().unwrap().unwrap().path();
        let text = fs::read_to_string(journal).unwrap();
        let established = text.lines().find(|line| line.contains("context-established")).expect(&text);
        assert!(established.contains(&format!("\"package\":\"{package}\"")), "{host}: {established}");
    }
}

/// R2, S3: the mock verifies the password, so a server takes no other.
#[test]
#[ignore = "needs FreeRDP: cargo xtask test"]
fn freerdp_is_refused_with_a_wrong_password_and_leaves_nothing() {
    let (_running, display) = display();
    let stage = Stage::new();
    let (server, port) = server(&stage, false);
    let client = client(&stage.path(""), &format!("127.0.0.1:{port}"), "wrong horse");
    let ran = exec(&stage, &display, &client);
    let accepted = Ran::from(output(server)).exits_with(1);
    assert!(
        accepted.stderr.ends_with("AcceptSecurityContext: 8009030C\n") && accepted.stdout.is_empty(),
        "{accepted:?}"
    );
    assert!(ran.status != 0 && ran.stderr.contains("and nothing was left."), "{ran:?}");
}

/// R2, Q1, M10: a client that is killed in the middle of its sign-in.
#[test]
#[ignore = "needs FreeRDP: cargo xtask test"]
fn freerdp_that_is_killed_while_it_signs_in_leaves_what_it_held() {
    let (_running, display) = display();
    let stage = Stage::new();
    let (server, port) = server(&stage, true);
    let script = r#"
        token=$1; shift
        "$@" & client=$!
        until [ -e "$token" ]; do kill -0 $client || exit 0; sleep 0.05; done
        kill -KILL $client; wait $client; true
    "#;
    let mut command = words(&[&"sh", &"-c", &script, &"sh", &stage.path("token")]);
    command.extend(client(&stage.path(""), &format!("127.0.0.1:{port}"), "correct horse"));
    let ran = exec(&stage, &display, &command).exits_with(99);
    assert!(ran.stderr.contains(r"CONTOSO\alice") && ran.stderr.contains("LEFT"), "{}", ran.stderr);
    drop(Running(server));
}
