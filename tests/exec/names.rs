//! The names under which a program on Unix finds the mocks: whichever it asks for, one module with one cache.
//!
//! Not on macOS, where the linker compares names in its own way and nothing here can be tried.
#![cfg(target_os = "linux")]

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::{Stage, words},
};

/// The names, and the packages that the module of these names offers.
const FAMILIES: [&[&str]; 3] = [
    &[
        "secur32.dll",
        "Secur32.dll",
        "SECUR32.DLL",
        "sspicli.dll",
        "security.dll",
        "libsecur32.so",
        "libSecur32.so",
        "libsecur32.dll.so",
        "libsspicli.so",
    ],
    &["MSNSSPC.dll", "msnsspc.dll", "libMSNSSPC.so", "libmsnsspc.so", "libMSNSSPC.dll.so"],
    &["MSAPSSPC.dll", "msapsspc.dll", "libMSAPSSPC.so", "libmsapsspc.so", "libMSAPSSPC.dll.so"],
];

/// The program that asks for them, and what it is to do: each step for each name.
fn command(stage: &Stage, steps: &[(&str, &[&str])]) -> Vec<OsString> {
    let program = stage.compile("cc", "names", &fixture("clients/names.c"), &["-ldl"]);
    let each = steps.iter().flat_map(|(step, names)| names.iter().flat_map(move |name| [step, name]));
    words(&[&program]).into_iter().chain(each.map(OsString::from)).collect()
}

/// What it prints under `sspcache exec`.
fn output(stage: &Stage, steps: &[(&str, &[&str])]) -> String {
    Ran::of(stage.exec().arg("--").args(command(stage, steps))).exits_with(0).stdout
}

/// What it prints for each of these names.
fn lines(names: &[&str], what: &str) -> String {
    names.iter().map(|name| [name, ": ", what, "\n"].concat()).collect()
}

/// M1: whichever name comes first, also for a program that only looks for what is loaded.
#[test]
fn each_name_of_a_mock_is_one_module() {
    let stage = Stage::new();
    for names in FAMILIES {
        for first in names {
            let printed = output(&stage, &[("find", names), ("load", &[first]), ("find", names)]);
            let expected = [(names, "not loaded"), (&[*first][..], "module 1"), (names, "module 1")];
            assert_eq!(printed, expected.map(|(names, what)| lines(names, what)).concat());
        }
    }
}

/// M1, M2, M3
#[test]
fn what_is_signed_in_under_one_name_is_cached_and_flushed_under_each() {
    let stage = Stage::new();
    for names in &FAMILIES[..2] {
        for (index, &one) in names.iter().enumerate() {
            let other = names[(index + 1) % names.len()];
            let steps: [(&str, &[&str]); 4] =
                [("sign-in", &[one]), ("silent", &[other]), ("flush", &[other]), ("silent", &[one])];
            let ran = Ran::of(stage.exec().args(["--expect-clean", "--"]).args(command(&stage, &steps)));
            let ran = ran.exits_with(0);
            assert_eq!(
                ran.stdout,
                format!("{one}: 00000000\n{other}: 00000000\n{other}: TRUE\n{one}: 8009030E\n")
            );
            assert!(ran.stderr.contains("clean: 1 credential was cached in 1 process"), "{}", ran.stderr);
        }
    }
}

/// S1: each package once.
#[test]
fn secur32_offers_the_packages_of_both_mocks_once() {
    let printed = output(&Stage::new(), &[("packages", FAMILIES[0])]);
    assert_eq!(printed, lines(FAMILIES[0], "Negotiate Kerberos NTLM MSN DPA"));
}

/// M1: three modules, as on Windows, each with its own cache.
#[test]
fn mocks_that_a_program_loads_side_by_side_share_nothing() {
    let stage = Stage::new();
    let printed = output(
        &stage,
        &[
            ("load", &["libsecur32.so", "libMSNSSPC.so", "libMSAPSSPC.so"]),
            ("sign-in", &["MSNSSPC.dll"]),
            ("silent", &["secur32.dll"]),
        ],
    );
    let expected = "libsecur32.so: module 1\nlibMSNSSPC.so: module 2\nlibMSAPSSPC.so: module 3\n\
                    MSNSSPC.dll: 00000000\nsecur32.dll: 8009030E\n";
    assert_eq!(printed, expected);
}

/// M1: an archive without links makes copies of them. Without `exec`, copies are modules of their own.
#[test]
fn copies_beside_the_mocks_are_no_other_modules_under_exec() {
    let stage = Stage::new();
    let folder = stage.path("copied");
    fs::create_dir(&folder).unwrap();
    for (mock, name) in [
        ("MSNSSPC.dll", "MSNSSPC.dll"),
        ("MSAPSSPC.dll", "MSAPSSPC.dll"),
        ("secur32.dll", "secur32.dll"),
        ("secur32.dll", "libsecur32.so"),
        ("secur32.dll", "sspicli.dll"),
    ] {
        fs::copy(stage.path(mock), folder.join(name)).unwrap();
    }
    let names = ["libsecur32.so", "secur32.dll", "sspicli.dll"];
    let command = command(&stage, &[("load", &names)]);
    let ran = Ran::of(stage.exec().env("SSPCACHE_HOME", &folder).arg("--").args(&command)).exits_with(0);
    assert_eq!(ran.stdout, lines(&names, "module 1"));
    let ran = Ran::of(Command::new(&command[0]).args(&command[1..]).env("LD_LIBRARY_PATH", &folder));
    // What is loaded is known by its own name, secur32.dll, as well.
    assert_eq!(ran.exits_with(0).stdout, lines(&names[..2], "module 1") + &lines(&names[2..], "module 2"));
}

/// Nothing of a run stays.
#[test]
fn the_folder_of_names_is_removed_when_the_command_has_ended() {
    let stage = Stage::new();
    let temporary = stage.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let look = "ls $TMPDIR; ls -L $TMPDIR/sspcache-names-*/libsecur32.so";
    let ran = Ran::of(stage.exec().env("TMPDIR", &temporary).args(["--", "sh", "-c", look])).exits_with(0);
    assert!(ran.stdout.contains("libsecur32.so"), "{ran:?}");
    assert!(entries(&temporary).is_empty(), "{:?}", entries(&temporary));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}
