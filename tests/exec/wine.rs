//! `sspcache exec` on Windows programs under Wine: one that loads the mock by name, and one that only knows secur32.
//!
//! They are compiled here and run by the host's own `exec`, so a test that runs under Wine itself has no part in it.
#![cfg(unix)]

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::{Case, MINGW, Stage, words},
};

/// The mocks for both systems, in a Wine prefix of the test's own: it has one list of security providers.
struct WineStage {
    stage: Stage,
}

impl WineStage {
    /// None when Wine was left out by a flag, which is said.
    fn new() -> Option<Self> {
        Some(Self { stage: Stage::with_windows_mocks()? })
    }

    /// A Windows program that loads MSNSSPC.dll by name, as a command.
    fn by_name(&self) -> Vec<OsString> {
        words(&[&"wine", &self.stage.compile(MINGW, "client.exe", &fixture("clients/client.c"), &[])])
    }

    /// A Windows program that is linked to secur32 and knows no SSP, as a command.
    fn secur32(&self) -> Vec<OsString> {
        let options = ["-DSECUR32", "-lsecur32"];
        words(&[&"wine", &self.stage.compile(MINGW, "secur32.exe", &fixture("clients/client.c"), &options)])
    }

    /// What the registry lists as security providers.
    fn providers(&self) -> String {
        let key = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders";
        let mut reg = self.stage.wine();
        let output =
            reg.args(["reg", "query", key, "/v", "SecurityProviders"]).output().expect("wine starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Starts a client that waits after its first steps, which print a line, for the end of its input.
    fn start(&self, client: &[OsString], steps: &str) -> Child {
        let mut command = self.stage.exec();
        command.args(["--expect-clean", "--"]).args(client).args(steps.split_whitespace());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut exec = command.spawn().expect("it starts");
        let mut line = String::new();
        let output = exec.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("readable");
        assert!(line.contains(": "), "{line:?}");
        exec
    }
}

const CASES: &[Case] = &[
    ("sign-in alice silent flush", 0, &["clean: 1 credential was cached in 1 process", "1 silent sign-in"]),
    ("sign-in alice", 99, &["LEFT at exit", r"left CONTOSO\alice."]),
    ("sign-in alice flush sign-in bob", 99, &["of 2 cached credentials, 1 was left", r"left CONTOSO\bob."]),
    ("load", 99, &["not exercised"]),
    ("sign-in alice fail", 3, &[r"left CONTOSO\alice."]),
    ("sign-in alice quit", 99, &["LEFT (killed, or still running)", r"left CONTOSO\alice."]),
    ("sign-in alice flush quit", 0, &["clean"]),
    ("sign-in alice kill", 137, &["LEFT (killed, or still running)", r"left CONTOSO\alice."]),
];

/// C4, M2, M3, M10
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_that_loads_the_mock_by_name_is_judged_by_what_it_left() {
    let Some(wine) = WineStage::new() else { return };
    let client = wine.by_name();
    wine.stage.judge(&client, CASES);
    // SSPCACHE_DLL_DIR is a path as Windows programs have them.
    wine.stage.judge(&client, &[("by-path sign-in alice flush", 0, &["clean"])]);
    wine.stage.judge(&client, &[("sign-in alice unload", 99, &["LEFT at unload", r"left CONTOSO\alice."])]);
}

/// S8, M10
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_that_only_knows_secur32_is_judged_by_what_it_left() {
    let Some(wine) = WineStage::new() else { return };
    wine.stage.judge(&wine.secur32(), CASES);
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_security_providers_are_as_before_however_the_command_ended() {
    let Some(wine) = WineStage::new() else { return };
    let before = wine.providers();
    assert!(!before.contains("MSNSSPC.dll"), "{before}");
    let client = wine.secur32();
    let listed = Ran::of(wine.stage.exec().args(["--", "wine", "reg", "query"]).args([
        r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders",
        "/v",
        "SecurityProviders",
    ]));
    assert!(listed.stdout.contains("MSNSSPC.dll, MSAPSSPC.dll"), "{listed:?}");
    assert_eq!(wine.providers(), before, "after a command that succeeded");

    wine.stage.expect_clean(&client, "sign-in alice kill").exits_with(137);
    assert_eq!(wine.providers(), before, "after one that was killed");

    let mut exec = wine.start(&client, "sign-in alice wait");
    signal(&exec, "TERM");
    drop(exec.stdin.take());
    exec.wait().expect("it ends");
    assert_eq!(wine.providers(), before, "after one that was told to end");
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn what_a_killed_run_left_listed_is_put_back_by_the_next_one() {
    let Some(wine) = WineStage::new() else { return };
    let before = wine.providers();
    let client = wine.secur32();
    let mut exec = wine.start(&client, "sign-in alice wait");
    signal(&exec, "KILL");
    // The command outlives it, until its input ends.
    drop(exec.stdin.take());
    exec.wait().expect("it ends");
    assert!(wine.providers().contains("MSNSSPC.dll"), "nobody was left to put it back");
    wine.stage.expect_clean(&client, "sign-in alice flush").exits_with(0);
    assert_eq!(wine.providers(), before);
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_last_of_several_runs_puts_the_security_providers_back() {
    let Some(wine) = WineStage::new() else { return };
    let before = wine.providers();
    let client = wine.secur32();
    // The first has not asked secur32 for anything yet while the second comes and goes.
    let mut first = wine.start(&client, "load wait sign-in alice flush");
    wine.stage.expect_clean(&client, "sign-in bob flush").exits_with(0);
    drop(first.stdin.take());
    let first = Ran::from(first.wait_with_output().expect("it ends")).exits_with(0);
    assert!(first.stderr.contains("clean: 1 credential"), "{first:?}");
    assert_eq!(wine.providers(), before);
}

fn signal(process: &Child, signal: &str) {
    let kill = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
    assert!(kill.expect("there is a program `kill`").success());
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_native_program_that_starts_windows_programs_gets_the_mocks_registered_on_request() {
    let Some(wine) = WineStage::new() else { return };
    let client = wine.secur32();
    let script = words(&[&"sh", &"-c", &r#"wine "$1" sign-in alice flush"#, &"sh", &client[1]]);
    let run = |options: &[&str]| Ran::of(wine.stage.exec().args(options).arg("--").args(&script));
    let unregistered = run(&["--expect-clean"]).exits_with(99);
    assert!(unregistered.stderr.contains("not exercised"), "{}", unregistered.stderr);
    run(&["--expect-clean", "--register"]).exits_with(0);
}

/// M12
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn native_and_windows_programs_of_one_tree_are_judged_together() {
    let Some(wine) = WineStage::new() else { return };
    let windows = wine.by_name();
    let native = wine.stage.c_client();
    let script = r#"wine "$1" sign-in alice flush; "$2" sign-in bob; true"#;
    let tree = words(&[&"sh", &"-c", &script, &"sh", &windows[1], &native]);
    let ran = wine.stage.expect_clean(&tree, "").exits_with(99);
    assert!(ran.stderr.contains("of 2 cached credentials, 1 was left. client ("), "{}", ran.stderr);
    assert!(ran.stderr.contains(r"left CONTOSO\bob."), "{}", ran.stderr);
    assert!(ran.stderr.contains("client.exe (") && ran.stderr.contains("flushed"), "{}", ran.stderr);
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_file_that_wine_would_stop_at_is_refused_and_explained() {
    let Some(wine) = WineStage::new() else { return };
    let program = wine.by_name();
    // Beside the program, where Windows' loader looks first; without regard to case.
    let in_the_way = wine.stage.path("msnsspc.DLL");
    for (content, what) in
        [(fs::read(wine.stage.path("MSNSSPC.dll")).unwrap(), "an ELF file"), (b"text".to_vec(), "not a DLL")]
    {
        let folder = tempfile::tempdir_in(wine.stage.path("")).unwrap();
        let here = folder.path().join("client.exe");
        fs::hard_link(&program[1], &here).unwrap();
        fs::write(folder.path().join(in_the_way.file_name().unwrap()), content).unwrap();
        let ran = wine.stage.expect_clean(&words(&[&"wine", &here]), "sign-in alice flush").exits_with(125);
        assert!(ran.stdout.is_empty(), "the command was started: {ran:?}");
        for said in ["msnsspc.DLL", what, "error 193", "move it to another folder"] {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
    }
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_command_without_the_mocks_for_windows_is_refused() {
    let Some(wine) = WineStage::new() else { return };
    fs::remove_file(wine.stage.path("windows/MSAPSSPC.dll")).unwrap();
    for command in [&["wine", "client.exe"][..], &["client.exe"], &["/usr/bin/wine64", "client.exe"]] {
        let ran = Ran::of(wine.stage.exec().arg("--").args(command)).exits_with(125);
        assert!(
            ran.stderr.contains("mock DLLs for Windows") && ran.stderr.contains("cargo xtask dist"),
            "{}",
            ran.stderr
        );
    }
}
