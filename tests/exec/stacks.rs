//! `sspcache exec --stack`: journals say where in the program something was given out and taken back.
#![cfg(unix)]

use std::{ffi::OsString, process::Command};

use sspcache_engine::{EventKind, journal::Journal};
use sspcache_tests::{
    program::{Ran, fixture},
    stack::{self, Debugged},
    stage::{MINGW, Stage, words},
};

/// Runs a program under `exec` with these options; what it printed, and the one journal.
fn run(stage: &Stage, options: &[&str], command: &[OsString]) -> (String, Journal) {
    let folder = stage.path("journal/");
    let _ = std::fs::remove_dir_all(&folder);
    let mut exec = stage.exec();
    exec.args(options).arg("--journal").arg(&folder).arg("--").args(command);
    let ran = Ran::of(&mut exec).exits_with(0);
    let mut journals = stack::journals(&folder);
    assert_eq!(journals.len(), 1, "{journals:?}");
    (ran.stdout, journals.remove(0))
}

fn compile(stage: &Stage, name: &str, options: &[&str]) -> OsString {
    let options = [options, &["-g", "-ldl"]].concat();
    stage.compile("cc", name, &fixture("clients/where.c"), &options)
}

/// Q4
#[test]
#[cfg(target_os = "linux")]
fn a_stack_has_the_functions_and_lines_of_the_program() {
    let stage = Stage::new();
    let programs = ["-pie", "-no-pie"].map(|kind| {
        let code = if kind == "-pie" { "-fPIE" } else { "-fno-pie" };
        compile(&stage, &format!("where{kind}"), &[kind, code])
    });
    for program in &programs {
        let debugged = Debugged::elf(program);
        let (stdout, journal) = run(&stage, &[], &words(&[program, &"MSNSSPC.dll"]));
        stack::are_right(&stdout, &journal, &debugged);
        let (stdout, journal) = run(&stage, &["--preload"], std::slice::from_ref(program));
        stack::are_right(&stdout, &journal, &debugged);
    }
}

/// Q4: the system's word for the process's file would be the dynamic linker.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn a_stack_has_the_path_of_a_program_that_was_started_by_its_linker_or_by_a_relative_path() {
    let stage = Stage::new();
    let program = compile(&stage, "where", &[]);
    let script = r#"cd "${1%/*}" && "$2" "./${1##*/}" MSNSSPC.dll"#;
    for starter in ["/lib64/ld-linux-x86-64.so.2", "env"] {
        let (stdout, journal) = run(&stage, &[], &words(&[&"sh", &"-c", &script, &"sh", &program, &starter]));
        let acquired = journal.events.iter().find(|event| matches!(event.kind, EventKind::Acquired { .. }));
        assert_eq!(stack::image(&journal, &acquired.unwrap().stack[0]), program.to_str().unwrap());
        stack::are_right(&stdout, &journal, &Debugged::elf(&program));
    }
}

/// Q4
#[test]
fn a_stack_has_as_many_frames_as_are_asked_for() {
    let stage = Stage::new();
    let program = compile(&stage, "where", &[]);
    for frames in [0, 1, 2] {
        let option = format!("--stack={frames}");
        let (_, journal) = run(&stage, &[&option], &words(&[&program, &"MSNSSPC.dll"]));
        let longest = journal.events.iter().map(|event| event.stack.len()).max();
        assert_eq!(longest, Some(frames), "{journal:?}");
        let images = journal.events.iter().filter(|event| matches!(event.kind, EventKind::Image { .. }));
        assert_eq!(images.count(), frames.min(1), "{journal:?}");
    }
}

/// M1, Q4: neither the unwinder nor the linker keeps a child waiting.
#[test]
fn a_child_that_is_forked_while_other_threads_look_for_frames_does_not_wait() {
    const FORKS: usize = 100;
    let stage = Stage::new();
    let program = stage.compile("cc", "forks", &fixture("clients/forks.c"), &["-lpthread", "-ldl"]);
    let folder = stage.path("journal/");
    let mut exec = stage.exec();
    exec.args(["--stack=32", "--journal"]).arg(&folder).arg("--").arg(&program);
    let ran = Ran::of(exec.args(["MSNSSPC.dll", &FORKS.to_string()])).exits_with(0);
    assert_eq!(ran.stdout, format!("{FORKS} children\n"));
    let journals = stack::journals(&folder);
    assert_eq!(journals.len(), FORKS + 1);
    let has_stacks = |journal: &&Journal| journal.events.iter().any(|event| !event.stack.is_empty());
    assert!(journals.iter().filter(has_stacks).count() > 1, "that of the parent, and those of most children");
}

/// Q4
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_stack_has_the_functions_and_lines_of_a_windows_program() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let program = stage.compile(MINGW, "where.exe", &fixture("clients/where.c"), &["-g", "-lsecur32"]);
    let debugged = Debugged::pe(&program);
    let linked = words(&[&"wine", &program]);
    let loads = words(&[&"wine", &program, &"MSNSSPC.dll"]);
    for command in [linked, loads] {
        let (stdout, journal) = run(&stage, &[], &command);
        stack::are_right(&stdout, &journal, &debugged);
    }
}

/// Q4
#[test]
fn a_number_of_frames_that_cannot_be_is_refused_before_the_command_starts() {
    let stage = Stage::new();
    for number in ["33", "-1", "many"] {
        let ran = Ran::of(stage.exec().args([&format!("--stack={number}"), "--", "echo", "started"]))
            .exits_with(125);
        assert!(ran.stderr.contains("--stack") && ran.stdout.is_empty(), "{ran:?}");
    }
    // For a program that was not started by `exec`.
    let program = compile(&stage, "where", &[]);
    let mut alone = Command::new(program);
    alone.arg(stage.path("MSNSSPC.dll")).env_remove("SSPCACHE_CONFIG").env_remove("SSPCACHE_JOURNAL");
    let ran = Ran::of(alone.env("SSPCACHE_STACK", "33")).exits_with(1);
    assert!(ran.stderr.contains("MSNSSPC.dll: SSPCACHE_STACK: \"33\" is not a number of frames"), "{ran:?}");
}
