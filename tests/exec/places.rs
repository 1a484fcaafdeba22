//! The verdict says in which line of a program a handle was acquired that was left.
#![cfg(target_os = "linux")]

use std::ffi::OsString;

use sspcache_tests::{
    program::{Ran, fixture},
    stage::{MINGW, Stage, words},
};

/// What the verdict says of a run of the program.
fn places(stage: &Stage, options: &[&str], command: &[OsString]) -> Vec<String> {
    let mut exec = stage.exec();
    exec.args(options).arg("--expect-clean").arg("--").args(command);
    let verdict = Ran::of(&mut exec).exits_with(99).stderr;
    let frames = verdict.lines().filter(|line| line.starts_with("   at 0x") || line.starts_with("   by 0x"));
    let place = |line: &str| line.split_once(": ").map(|(_, place)| place.to_owned()).unwrap();
    let places: Vec<String> = frames.map(place).collect();
    assert!(!places.is_empty(), "{verdict}");
    places
}

const PLACES: [&str; 2] = ["sign_in (keeps.c:28)", "main (keeps.c:40)"];

/// Q4
#[test]
fn the_verdict_has_the_line_that_acquired_what_was_left() {
    let stage = Stage::new();
    let source = fixture("places/keeps.c");
    let program = stage.compile("cc", "keeps", &source, &["-g", "-ldl"]);
    assert_eq!(places(&stage, &[], &words(&[&program, &"MSNSSPC.dll"]))[..2], PLACES);
    assert_eq!(places(&stage, &["--preload"], &words(&[&program]))[..2], PLACES);
    let stripped = stage.compile("cc", "stripped", &source, &["-s", "-ldl"]);
    let found = places(&stage, &[], &words(&[&stripped, &"MSNSSPC.dll"]));
    assert_eq!(found[..2], ["??? (in stripped)", "??? (in stripped)"]);
}

/// Q2, Q4
#[test]
fn a_finding_has_the_line_that_was_given_what_leaked() {
    let stage = Stage::new();
    let program = stage.compile("cc", "keeps", &fixture("places/keeps.c"), &["-g", "-ldl"]);
    let mut exec = stage.exec();
    exec.args(["--check=leaks", "--"]).args(words(&[&program, &"MSNSSPC.dll"]));
    let verdict = Ran::of(&mut exec).exits_with(99).stderr;
    let (_, finding) = verdict.split_once("1. 1 credential handle, never freed\n").unwrap();
    for place in PLACES {
        assert!(finding.contains(&format!(": {place}\n")), "{place}: {verdict}");
    }
}

/// Q4
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_verdict_has_the_line_of_a_windows_program_that_acquired_what_was_left() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let source = fixture("places/keeps.c");
    let program = stage.compile(MINGW, "keeps.exe", &source, &["-g", "-lsecur32"]);
    assert_eq!(places(&stage, &[], &words(&[&"wine", &program]))[..2], PLACES);
    let stripped = stage.compile(MINGW, "stripped.exe", &source, &["-s", "-lsecur32"]);
    let found = places(&stage, &[], &words(&[&"wine", &stripped]));
    assert_eq!(found[..2], ["??? (in stripped.exe)", "??? (in stripped.exe)"]);
}
