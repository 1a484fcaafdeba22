//! The examples that ship beside the headers: each built from its one file for this system and, where it is C or C++, as a Windows
//! program, and judged by `sspcache exec`.
#![cfg(unix)]

use std::{ffi::OsString, path::PathBuf};

use sspcache_tests::{
    program::{Ran, root},
    stage::{self, MINGW, MINGW_CPP, Stage, words},
    win32::{self, COMPILERS, Compiler},
};

/// What each prints when it signs out.
const SIGNS_OUT: &str = "\
with the password: CONTOSO\\alice
without it: CONTOSO\\alice
sign-out: TRUE
without it: 8009030E
";

/// What each prints when it is told not to.
const KEEPS: &str = "\
with the password: CONTOSO\\alice
without it: CONTOSO\\alice
without it: CONTOSO\\alice
";

/// An example, by the ending of its file.
fn example(ending: &str) -> PathBuf {
    let folder = root().join("crates/sspcache-win32/examples");
    folder.join(format!("sign_in_and_out.{ending}"))
}

/// Runs a program under `sspcache exec`, which passes it when it signs out, and fails it when it doesn't.
#[track_caller]
fn judge(stage: &Stage, program: &[OsString]) {
    for (option, status, printed, said) in [
        (None, 0, SIGNS_OUT, "clean: 1 credential was cached in 1 process"),
        (Some("--keep"), 99, KEEPS, r"left CONTOSO\alice"),
    ] {
        let mut exec = stage.exec();
        win32::finds_library(&mut exec).args(["--expect-clean", "--"]).args(program).args(option);
        let ran = Ran::of(&mut exec).exits_with(status);
        assert_eq!(ran.stdout.replace("\r\n", "\n"), printed, "{program:?} {option:?}");
        assert!(ran.stderr.contains(said), "{program:?} {option:?}: {}", ran.stderr);
    }
}

/// C1, C2, C4, C5, M10, L11
#[test]
fn the_example_in_c_is_judged_as_a_program_of_this_system() {
    build_and_judge(&COMPILERS[..1]);
}

/// C1, C2, C4, C5, M10, L11
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn the_examples_in_c_and_cpp_are_judged_as_programs_of_this_system() {
    build_and_judge(&COMPILERS[1..]);
}

fn build_and_judge(compilers: &[Compiler]) {
    let stage = Stage::new();
    for &compiler in compilers {
        let ending = if compiler.1[1] == "-xc" { "c" } else { "cpp" };
        judge(&stage, &[win32::compile(&stage, compiler, "example", &example(ending), &[])]);
    }
}

/// C1, C2, C4, C5, M10, L11: from the same files.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_examples_in_c_and_cpp_are_judged_as_windows_programs() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    for (compiler, language, ending, options) in [
        (MINGW, "-xc", "c", &["-std=c11"][..]),
        // Its runtime library is no part of Windows.
        (MINGW_CPP, "-xc++", "cpp", &["-std=c++17", "-static"]),
    ] {
        let program = stage.compile_as(compiler, "example.exe", language, &example(ending), options);
        judge(&stage, &words(&[&"wine", &program]));
    }
}

/// C1, C2, C4, C5, M10: ctypes asks the host's linker, and needs no library of this project but the mock.
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn the_example_in_python_is_judged() {
    judge(&Stage::new(), &words(&[&stage::python(), &example("py")]));
}
