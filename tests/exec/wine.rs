//! `sspcache exec` on Windows programs under Wine: one that loads the mock by name, and one that only knows secur32.
//! Each runs in a shadow of the prefix, which stays as it is.
//!
//! They are compiled here and run by the host's own `exec`, so a test that runs under Wine itself has no part in it.
#![cfg(unix)]

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read as _},
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use sha2::{Digest as _, Sha256};
use sspcache_tests::{
    program::{Ran, fixture},
    stage::{Case, MINGW, Stage, words},
};

/// The mocks for both systems, and a Wine prefix of the test's own.
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

    /// The prefix.
    fn prefix(&self) -> &Path {
        self.stage.prefix()
    }

    /// Every file and link of the prefix, with what it holds.
    fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = BTreeMap::new();
        collect(self.prefix(), &mut files);
        assert!(files.len() > 100, "that is no prefix: {files:?}");
        files
    }

    /// Starts a client that waits after its first steps, which print a line, for the end of its input.
    fn start(&self, client: &[OsString], steps: &str) -> Child {
        let mut command = self.stage.exec();
        let temporary = self.stage.path("temporary");
        if temporary.is_dir() {
            command.env("TMPDIR", temporary);
        }
        command.args(["--expect-clean", "--"]).args(client).args(steps.split_whitespace());
        Self::started(&mut command)
    }

    /// Starts such a client, and waits for its line.
    fn started(command: &mut Command) -> Child {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut exec = command.spawn().expect("it starts");
        let mut line = String::new();
        let output = exec.stdout.as_mut().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("readable");
        if !line.contains(": ") {
            let ran = Ran::from(exec.wait_with_output().expect("it ends"));
            panic!("it printed {line:?} instead of its first step: {ran:?}");
        }
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
    // No module is told of the end: the same as when it crashes.
    (
        "sign-in alice flush quit",
        99,
        &["incomplete", "has no end in its journal: it crashed, was terminated"],
    ),
    ("keep Negotiate alice free", 0, &["clean: 1 credential was held in 1 process"]),
    ("keep Negotiate alice flush", 99, &["LEFT at exit, held by a handle", r"left CONTOSO\alice."]),
    ("keep NTLM alice free mark", 0, &["clean"]),
    ("keep NTLM alice mark free", 99, &["LEFT at the end of the sign-out"]),
    (
        "beside wininet.dll keep Kerberos alice",
        99,
        &[
            "LEFT at exit, held by a handle",
            "WinINet is in the process: it frees what a request signed in with",
        ],
    ),
    ("sign-in alice kill", 137, &["LEFT (killed, or still running)", r"left CONTOSO\alice."]),
];

/// Q1a: a runtime by its name alone, and a program that is linked to secur32.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_with_the_runtime_of_dotnet_still_holds_at_exit_what_it_did_not_free() {
    let Some(wine) = WineStage::new() else { return };
    let source = wine.stage.path("empty.c");
    fs::write(&source, "int sspcache_test_empty;\n").unwrap();
    // Beside the program, where it is found first.
    wine.stage.compile(MINGW, "coreclr.dll", &source, &["-shared"]);
    wine.stage.judge(
        &wine.secur32(),
        &[
            (
                "beside coreclr.dll keep Negotiate alice",
                0,
                &["still held at exit (suppressed)", "note: still held at exit of secur32.exe"],
            ),
            ("beside coreclr.dll keep Negotiate alice mark", 99, &["LEFT at the end of the sign-out"]),
            (
                "beside coreclr.dll keep Negotiate alice sign-in bob flush",
                99,
                &["LEFT at exit, held by a handle", ".NET is in the process: dispose of what signs in"],
            ),
        ],
    );
}

/// Q5: secur32 loads the mocks to list their packages, or doesn't.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn what_is_preloaded_for_a_windows_program_is_left_only_where_it_signed_in() {
    let Some(wine) = WineStage::new() else { return };
    let config = wine.stage.path("config.toml");
    fs::write(&config, "[[preload]]\npackage = \"MSN\"\nuser = \"erin\"\npassword = \"correct horse\"\n")
        .unwrap();
    for client in [wine.secur32(), wine.by_name()] {
        for (steps, status, said) in [
            ("silent flush", 0, "clean: 1 credential was cached"),
            ("silent", 99, "left erin"),
            ("keep NTLM alice free", 0, "clean: 1 credential was held"),
        ] {
            let mut exec = wine.stage.exec();
            exec.args(["--expect-clean", "--config"]).arg(&config).arg("--");
            let ran = Ran::of(exec.args(&client).args(steps.split_whitespace())).exits_with(status);
            assert!(ran.stderr.contains(said), "{steps}: {}", ran.stderr);
        }
    }
}

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

/// Adds every file and link below a folder.
fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, u64>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let entry = entry.expect("readable");
        let (kind, path) = (entry.file_type().expect("readable"), entry.path());
        if kind.is_dir() {
            files.insert(path.clone(), 0);
            collect(&path, files);
        } else {
            let content = if kind.is_symlink() {
                fs::read_link(&path).expect("readable").into_os_string().into_vec()
            } else {
                fs::read(&path).expect("readable")
            };
            // A prefix has a gigabyte: what isn't optimized, as a test isn't, would take a minute for it.
            let digest = Sha256::digest(content);
            files.insert(path, u64::from_le_bytes(digest[..8].try_into().expect("eight bytes")));
        }
    }
}

/// Asserts that nothing was added, removed or changed but these files.
#[track_caller]
fn assert_changed(before: &BTreeMap<PathBuf, u64>, after: &BTreeMap<PathBuf, u64>, files: &[&Path]) {
    let in_one = |one: &BTreeMap<PathBuf, u64>, other: &BTreeMap<PathBuf, u64>| -> BTreeSet<PathBuf> {
        one.iter()
            .filter(|(path, hash)| other.get(*path) != Some(hash))
            .map(|(path, _)| path.clone())
            .collect()
    };
    let changed: BTreeSet<_> = in_one(before, after).union(&in_one(after, before)).cloned().collect();
    assert_eq!(changed, files.iter().map(|path| path.to_path_buf()).collect());
}

/// The shadows of this test's runs that are there, in the folder that `TMPDIR` names.
fn shadows(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("readable").flatten().map(|entry| entry.path());
    entries.filter(|path| path.join("drive_c").is_dir()).collect()
}

fn signal(process: &Child, signal: &str) {
    let kill = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
    assert!(kill.expect("there is a program `kill`").success());
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_prefix_is_as_before_however_the_run_ended() {
    let Some(wine) = WineStage::new() else { return };
    let before = wine.files();
    let client = wine.secur32();
    wine.stage.expect_clean(&client, "sign-in alice flush").exits_with(0);
    assert_changed(&before, &wine.files(), &[]);
    wine.stage.expect_clean(&client, "sign-in alice kill").exits_with(137);
    assert_changed(&before, &wine.files(), &[]);

    let temporary = wine.stage.path("temporary");
    fs::create_dir(&temporary).unwrap();
    for interrupt in ["INT", "TERM"] {
        let mut exec = wine.start(&client, "sign-in alice wait");
        assert_eq!(shadows(&temporary).len(), 1);
        signal(&exec, interrupt);
        let status = exec.wait().expect("it ends");
        drop(exec.stdin.take());
        assert!(!status.success(), "{interrupt}: {status}");
        assert_eq!(shadows(&temporary), <[PathBuf; 0]>::default(), "{interrupt}");
        assert_changed(&before, &wine.files(), &[]);
    }

    let mut exec = wine.start(&client, "sign-in alice wait");
    signal(&exec, "KILL");
    exec.wait().expect("it ends");
    assert_changed(&before, &wine.files(), &[]);
    // The next run ends what was left running, and removes the shadow.
    assert_eq!(shadows(&temporary).len(), 1);
    let mut next = wine.stage.exec();
    next.env("TMPDIR", &temporary).arg("--").args(&client).args(["sign-in", "bob", "flush"]);
    Ran::of(&mut next).exits_with(0);
    assert_eq!(shadows(&temporary), <[PathBuf; 0]>::default());
    let mut rest = String::new();
    exec.stdout.take().expect("piped").read_to_string(&mut rest).expect("nothing holds it open any more");
    assert_changed(&before, &wine.files(), &[]);
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn what_a_program_writes_to_files_stays_and_what_it_writes_to_the_registry_does_not() {
    let Some(wine) = WineStage::new() else { return };
    let before = wine.files();
    let run = |line: &str| {
        let command = ["wine", "cmd", "/c", line];
        Ran::of(wine.stage.exec().arg("--").args(command)).exits_with(0).stdout
    };
    run(
        r"echo root > C:\new.txt&& echo users > C:\users\new.txt&& echo system > C:\windows\system32\new.txt",
    );
    let drive = wine.prefix().join("drive_c");
    let written = ["new.txt", "users/new.txt", "windows/system32/new.txt"].map(|name| drive.join(name));
    assert_changed(&before, &wine.files(), &written.each_ref().map(PathBuf::as_path));
    assert_eq!(fs::read_to_string(&written[0]).unwrap().trim(), "root");

    let set = run(r"reg add HKCU\Software\Ours /v value /d 1 /f&& reg query HKCU\Software\Ours");
    assert!(set.contains("value"), "{set}");
    let gone = Ran::of(wine.stage.exec().args(["--", "wine", "reg", "query", r"HKCU\Software\Ours"]));
    assert_ne!(gone.status, 0, "{gone:?}");
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn several_runs_at_once_have_a_prefix_each() {
    let Some(wine) = WineStage::new() else { return };
    let before = wine.files();
    let client = wine.secur32();
    let waiting: Vec<_> =
        (0..8).map(|number| wine.start(&client, &format!("sign-in user{number} wait flush"))).collect();
    for mut exec in waiting {
        drop(exec.stdin.take());
        let ran = Ran::from(exec.wait_with_output().expect("it ends")).exits_with(0);
        assert!(ran.stderr.contains("clean: 1 credential was cached in 1 process"), "{ran:?}");
    }
    assert_changed(&before, &wine.files(), &[]);
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn windows_programs_that_the_command_left_running_are_waited_for_and_judged() {
    let Some(wine) = WineStage::new() else { return };
    let client = wine.secur32();
    // A shell's child is no Wine yet when it begins; on a busy machine for some time.
    for pause in ["0", "0.5"] {
        let script = r#"(sleep "$2"; exec wine "$1" load sign-in alice) & true"#;
        let script = words(&[&"sh", &"-c", &script, &"sh", &client[1], &pause]);
        let ran = wine.stage.expect_clean(&script, "").exits_with(99);
        assert!(ran.stderr.contains("LEFT at exit"), "{pause}: {}", ran.stderr);
    }
    // `start` takes a Unix path for an option.
    let program = Path::new(&client[1]);
    let mut detached = wine.stage.exec();
    detached.current_dir(program.parent().expect("it is in a folder")).args(["--expect-clean", "--"]);
    detached.args(["wine", "cmd", "/c", "start", "/b"]).arg(program.file_name().expect("it has a name"));
    let ran = Ran::of(detached.args(["sign-in", "alice", "flush"])).exits_with(0);
    assert!(ran.stderr.contains("clean: 1 credential was cached in 1 process"), "{}", ran.stderr);
}

/// Q6
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_that_was_started_without_the_variables_is_judged() {
    let Some(wine) = WineStage::new() else { return };
    let client = wine.secur32();
    let starts = wine.stage.compile(MINGW, "starts.exe", &fixture("clients/starts.c"), &[]);
    let before = wine.files();
    for (steps, status, said) in
        [("keep NTLM alice", 99, r"left CONTOSO\alice"), ("keep NTLM alice free", 0, "clean: 1 credential")]
    {
        let program = Path::new(&client[1]);
        let mut exec = wine.stage.exec();
        exec.current_dir(program.parent().expect("it is in a folder")).args(["--expect-clean", "--", "wine"]);
        exec.arg(&starts).arg(format!("{} {steps}", program.file_name().unwrap().display()));
        let ran = Ran::of(&mut exec).exits_with(status);
        assert!(ran.stderr.contains(said), "{steps}: {}", ran.stderr);
    }
    assert!(
        !wine.files().into_keys().any(|file| !before.contains_key(&file) && file.ends_with("sspcache-run"))
    );
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_prefix_that_is_not_there_is_made_once() {
    let Some(wine) = WineStage::new() else { return };
    let client = wine.secur32();
    let prefix = wine.stage.path("new prefix");
    let start = || {
        let mut exec = wine.stage.exec();
        exec.env("WINEPREFIX", &prefix).env("WINEDLLOVERRIDES", "mscoree,mshtml=").env_remove("DISPLAY");
        exec.args(["--expect-clean", "--"]).args(&client).args(["sign-in", "alice", "flush"]);
        exec.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    for exec in [start(), start()] {
        let ran = Ran::from(exec.wait_with_output().expect("it ends")).exits_with(0);
        assert!(ran.stderr.contains("clean: 1 credential"), "{ran:?}");
    }
    let registry = fs::read_to_string(prefix.join("system.reg")).expect("the prefix stays");
    assert!(registry.contains("#arch="), "{registry:.200}");
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_prefix_as_it_is_has_the_mock_for_the_time_of_the_run() {
    let Some(wine) = WineStage::new() else { return };
    // Wine's own services run there, and write to the registry: only these files are looked at.
    let system = wine.prefix().join("drive_c/windows/system32");
    let files = || {
        let mut files = BTreeMap::new();
        collect(&system, &mut files);
        files
    };
    let before = files();
    let client = wine.secur32();
    let as_is = |steps: &str| {
        let mut exec = wine.stage.exec();
        exec.args(["--expect-clean", "--prefix-as-is", "--"]).args(&client).args(steps.split_whitespace());
        exec
    };
    Ran::of(&mut as_is("sign-in alice flush")).exits_with(0);
    assert_changed(&before, &files(), &[]);

    let mut exec = WineStage::started(&mut as_is("sign-in alice wait"));
    assert_ne!(before, files());
    signal(&exec, "KILL");
    exec.wait().expect("it ends");
    assert_ne!(before, files(), "nobody was left to restore it");
    drop(exec.stdin.take());
    Ran::of(&mut as_is("sign-in alice flush")).exits_with(0);
    assert_changed(&before, &files(), &[]);
    let mut registry = wine.stage.wine();
    registry.args(["reg", "add", r"HKCU\Software\Ours", "/v", "value", "/d", "1", "/f"]);
    Ran::of(&mut registry).exits_with(0);
    let query = ["--prefix-as-is", "--", "wine", "reg", "query", r"HKCU\Software\Ours"];
    let seen = Ran::of(wine.stage.exec().args(query)).exits_with(0);
    assert!(seen.stdout.contains("value"), "{seen:?}");
}

#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_native_program_that_starts_windows_programs_gives_them_the_mock() {
    let Some(wine) = WineStage::new() else { return };
    let client = wine.secur32();
    let script = wine.stage.path("run");
    fs::write(&script, "#!/bin/sh\nexec wine \"$APP\" sign-in alice flush\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |options: &[&str], command: &[OsString]| {
        let mut exec = wine.stage.exec();
        exec.env("APP", &client[1]).args(["--expect-clean"]).args(options).arg("--").args(command);
        Ran::of(&mut exec)
    };
    run(&[], &words(&[&"env", &"wine", &client[1], &"sign-in", &"alice", &"flush"])).exits_with(0);
    run(&[], &words(&[&"sh", &"-c", &r#"wine "$APP" sign-in alice flush"#])).exits_with(0);
    // Nothing shows that this one does.
    let unknown = run(&[], &words(&[&script])).exits_with(99);
    assert!(unknown.stderr.contains("not exercised"), "{}", unknown.stderr);
    run(&["--wine"], &words(&[&script])).exits_with(0);
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
            ran.stderr.contains("mock DLLs for Windows") && ran.stderr.contains("pip install sspcache"),
            "{}",
            ran.stderr
        );
    }
}
