//! A C program that is both ends of an authentication, compiled against mingw's sspi.h and run as a Windows program.
#![cfg(unix)]

use std::{ffi::OsString, fs};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::{MINGW, Stage, words},
};

/// The programs that call the A and the W functions; none when Wine was left out by a flag, which is said.
fn programs() -> Option<(Stage, [OsString; 2])> {
    let stage = Stage::with_windows_mocks()?;
    let programs = [("ansi.exe", "-UUNICODE"), ("wide.exe", "-DUNICODE")].map(|(name, form)| {
        let options = ["-DLINKED", form, "-lsecur32"];
        stage.compile(MINGW, name, &fixture("clients/both_ends.c"), &options)
    });
    Some((stage, programs))
}

/// The output of a program under `sspcache exec`, which puts the mock in secur32's place.
fn output(stage: &Stage, program: &OsString, arguments: [&str; 3]) -> String {
    let mut exec = stage.exec();
    exec.args(["--check=left,leaks,misuse", "--config"]).arg(fixture("clients/both_ends.toml"));
    exec.arg("--").args(words(&[&"wine", program])).args(arguments);
    let ran = Ran::of(&mut exec).exits_with(0);
    assert!(ran.stderr.contains("clean: 1 credential was "), "{}", ran.stderr);
    ran.stdout.replace("\r\n", "\n")
}

/// S2, S3, S4, M3
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_has_both_ends_from_the_table_and_from_the_exports_alike() {
    let Some((stage, programs)) = programs() else { return };
    let mut outputs = Vec::new();
    for program in &programs {
        for from in ["table", "exports"] {
            outputs.push(output(&stage, program, ["MSNSSPC.dll", from, "NTLM"]));
        }
    }
    let expected = fs::read_to_string(fixture("clients/both_ends.txt")).unwrap();
    assert!(outputs.iter().all(|output| *output == expected), "{outputs:#?}");
}

/// S2, S3, S4: through the mock that takes secur32's place, which asks MSNSSPC.dll for MSN.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_has_both_ends_through_secur32_alike() {
    let Some((stage, programs)) = programs() else { return };
    let mut outputs = Vec::new();
    for program in &programs {
        for from in ["table", "linked-table", "linked"] {
            outputs.push(output(&stage, program, ["MSNSSPC.dll", from, "MSN"]));
        }
        for from in ["table", "exports"] {
            outputs.push(output(&stage, program, ["secur32.dll", from, "MSN"]));
        }
    }
    assert!(outputs.iter().all(|output| *output == outputs[0]), "{outputs:#?}");
}
