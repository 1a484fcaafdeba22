//! A C program that is both ends of an authentication, compiled here against the headers and the library of `sspcache-win32`, and
//! run with the mock for this system.
#![cfg(unix)]

#[cfg(target_os = "linux")]
use sspcache_tests::valgrind;
use sspcache_tests::{
    program::{Ran, fixture},
    stage::{Stage, words},
    win32::{self, COMPILERS},
};
use std::{ffi::OsString, fs};

/// The program that calls the A functions, and the one that calls the W functions.
fn programs(stage: &Stage) -> [OsString; 2] {
    [("ansi", "-UUNICODE"), ("wide", "-DUNICODE")].map(|(name, form)| {
        win32::compile(stage, COMPILERS[0], name, &fixture("clients/both_ends.c"), &["-DLINKED", form])
    })
}

/// Runs a command under `sspcache exec`, with the packages and the account that it signs in with.
fn exec(stage: &Stage, command: &[OsString]) -> Ran {
    let mut exec = stage.exec();
    win32::finds_library(&mut exec);
    exec.args(["--check=left,leaks,misuse", "--config"])
        .arg(fixture("clients/both_ends.toml"))
        .arg("--")
        .args(command);
    Ran::of(&mut exec)
}

/// S2, S3, S4, M3, L11: from the mock, which is loaded by name, from the library, which passes calls on to it, and from the
/// library's secur32.dll.
#[test]
fn a_c_program_has_both_ends_from_the_table_and_from_the_exports_alike() {
    let stage = Stage::new();
    let mut outputs = Vec::new();
    for program in programs(&stage) {
        let ways = ["table", "exports", "linked-table", "linked"].map(|way| ("MSNSSPC.dll", way));
        for (module, way) in ways.into_iter().chain([("secur32.dll", "table"), ("SspiCli.dll", "exports")]) {
            let ran = exec(&stage, &words(&[&program, &module, &way, &"NTLM"])).exits_with(0);
            assert!(ran.stderr.contains("clean: 1 credential was held in 1 process"), "{}", ran.stderr);
            outputs.push(ran.stdout);
        }
    }
    let expected = fs::read_to_string(fixture("clients/both_ends.txt")).unwrap();
    assert!(outputs.iter().all(|output| *output == expected), "{outputs:#?}");
}

/// M2, M3: the package of the SSP that caches, by its own name and through the library's secur32.dll.
#[test]
fn a_c_program_signs_in_silently_to_a_package_that_caches_until_the_flush() {
    let stage = Stage::new();
    for program in programs(&stage) {
        for module in ["MSNSSPC.dll", "secur32.dll"] {
            let ran = exec(&stage, &words(&[&program, &module, &"table", &"MSN"])).exits_with(0);
            assert!(ran.stdout.ends_with("silent: 00000000\nflush: TRUE\nsilent: 8009030E\n"), "{ran:?}");
            assert!(ran.stderr.contains("clean: 1 credential was cached in 1 process"), "{}", ran.stderr);
        }
    }
}

/// S6: whatever the mock hands out can be given back, and nothing else is left but what the loader keeps for the process; nothing is
/// read that was never written.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs valgrind: cargo xtask test"]
fn valgrind_finds_nothing_left_and_nothing_misread() {
    let stage = Stage::new();
    for program in programs(&stage) {
        for package in ["NTLM", "Negotiate"] {
            let valgrind = valgrind::watched(&words(&[&program, &"MSNSSPC.dll", &"table", &package]));
            let ran = exec(&stage, &valgrind).exits_with(0);
            assert!(ran.stdout.ends_with("silent: 8009030E\n"), "{ran:?}");
        }
    }
}
