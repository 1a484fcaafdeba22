//! The documented sign-out in C, from one file: against the headers and the library of `sspcache-win32`, and as a Windows
//! program under Wine.
#![cfg(unix)]

#[cfg(target_os = "linux")]
use sspcache_tests::{program::Ran, stage, valgrind};
use sspcache_tests::{
    program::fixture,
    stage::{MINGW, Stage},
    win32::{self, COMPILERS, Compiler},
};
use std::{ffi::OsString, fs, process::Command};

/// A fault that lets the flush fail.
const FALSE: &str = "[[fault]]\noperation = 'CleanupCredentialCache'\neffect = 'false'\n";

/// What the program is given and what comes of it: the SSP, the module that is loaded first, whether the flush is to fail,
/// the exit status and the output.
const STORIES: [(&str, Option<&str>, bool, i32, &str); 9] = [
    ("MSNSSPC.dll", Some("MSNSSPC.dll"), false, 0, "flushed\n"),
    ("msnsspc.DLL", Some("msnsspc"), false, 0, "flushed\n"),
    ("MSNSSPC.dll", None, false, 0, "not loaded: 126\n"),
    ("MSAPSSPC.dll", Some("MSNSSPC.dll"), false, 0, "not loaded: 126\n"),
    ("CONTOSSP.dll", None, false, 1, "unknown\n"),
    ("MSAPSSPC.dll", Some("MSAPSSPC.dll"), false, 1, "no such export: 127\n"),
    ("MSNSSPC.dll", Some("MSNSSPC.dll"), true, 1, "FALSE\n"),
    ("MSNSSPC.dll", Some("nowhere.dll"), false, 1, "not to be loaded: 126\n"),
    ("MSNSSPC.dll", Some("text.dll"), false, 1, "not to be loaded: 193\n"),
];

/// Puts an MSAPSSPC.dll without the export beside the program, and a text that is no module.
fn others(stage: &Stage, compiler: &str) {
    let source = stage.path("other.c");
    fs::write(&source, "int other(void) { return 1; }\n").unwrap();
    stage.compile(compiler, "MSAPSSPC.dll", &source, &["-shared", "-fPIC"]);
    fs::write(stage.path("programs/text.dll"), "not a module").unwrap();
}

/// Runs the stories with a command that gets their arguments.
#[track_caller]
fn tell(stage: &Stage, command: impl Fn() -> Command) {
    let config = stage.path("false.toml");
    fs::write(&config, FALSE).unwrap();
    for (ssp, load, fails, status, printed) in STORIES {
        let mut command = command();
        command.arg(ssp).args(load).env_remove("SSPCACHE_JOURNAL").env_remove("SSPCACHE_CONFIG");
        if fails {
            command.env("SSPCACHE_CONFIG", &config);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*text), (Some(status), printed), "{ssp} after {load:?}: {error}");
    }
}

/// The program, against the headers and the library of this project.
fn off_windows(stage: &Stage, compiler: Compiler) -> OsString {
    win32::compile(stage, compiler, "sign_out", &fixture("win32/sign_out.c"), &[])
}

/// C1, C2, C3, C4, C5, L2, L6, L7, L8
#[test]
fn the_documented_sign_out_builds_and_behaves_off_windows() {
    builds_and_behaves(&COMPILERS[..1]);
}

/// C1 to C5, L2, L6, L7, L8: as C++, too, with each compiler.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn the_documented_sign_out_builds_with_every_compiler() {
    builds_and_behaves(&COMPILERS[1..]);
}

fn builds_and_behaves(compilers: &[Compiler]) {
    for &compiler in compilers {
        let stage = Stage::new();
        let program = off_windows(&stage, compiler);
        others(&stage, "cc");
        fs::copy(stage.path("MSNSSPC.dll"), stage.path("programs/MSNSSPC.dll")).unwrap();
        tell(&stage, || {
            let mut command = Command::new(&program);
            win32::finds_library(&mut command);
            command
        });
    }
}

/// C1, C2, C3, C4, C5, L2, L6, L7, L8: the same file under Wine, whose loader is the witness.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_documented_sign_out_behaves_so_as_a_windows_program() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let program = stage.compile(MINGW, "sign_out.exe", &fixture("win32/sign_out.c"), &[]);
    others(&stage, MINGW);
    fs::copy(stage.path("windows/MSNSSPC.dll"), stage.path("programs/MSNSSPC.dll")).unwrap();
    tell(&stage, || {
        let mut command = stage.wine();
        command.arg(&program);
        command
    });
}

/// C1, C2, C3, C4, C5, M10: the program is judged like any other: it passes when it flushes, and fails when it doesn't.
#[test]
fn exec_passes_and_fails_the_documented_sign_out_as_it_should() {
    let stage = Stage::new();
    let program = off_windows(&stage, COMPILERS[0]);
    win32::exec_judges_sign_out(&stage, &program, |exec| {
        win32::finds_library(exec);
    });
}

/// L6, L8: what the library takes for a module it gives back with it, and it reads nothing that was never written.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs valgrind: cargo xtask test"]
fn valgrind_finds_nothing_lost_when_modules_come_and_go() {
    let stage = Stage::new();
    let program =
        win32::compile(&stage, COMPILERS[0], "come_and_go", &fixture("win32/come_and_go.c"), &["-g"]);
    fs::copy(stage.path("MSNSSPC.dll"), stage.path("programs/MSNSSPC.dll")).unwrap();
    let command = valgrind::watched(&stage::words(&[&program, &"MSNSSPC.dll"]));
    let mut watched = Command::new(&command[0]);
    win32::finds_library(watched.args(&command[1..]));
    watched.env_remove("SSPCACHE_JOURNAL").env_remove("SSPCACHE_CONFIG");
    let ran = Ran::of(&mut watched).exits_with(0);
    assert_eq!(ran.stdout, "gone\n", "{ran:?}");
}
