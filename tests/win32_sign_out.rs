//! The documented sign-out in C, from one file: against the headers and the library of `sspcache-win32`, and as a Windows
//! program under Wine.
#![cfg(unix)]

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use stage::{MINGW, Stage};
use support::fixture;

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

/// The folder of the headers.
fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sspcache-win32/include")
}

/// The folder in which cargo put the library.
fn library() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

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

/// C1 to C5, L2, L6, L7, L8
#[test]
fn the_documented_sign_out_builds_and_behaves_off_windows() {
    let (include, library) = (format!("-I{}", include().display()), format!("-L{}", library().display()));
    for (compiler, language) in [("cc", ["-std=c11", "-xc"]), ("c++", ["-std=c++17", "-xc++"])] {
        let stage = Stage::new();
        others(&stage, "cc");
        let [standard, language] = language;
        let source = stage.path("sign_out.source");
        fs::copy(fixture("win32/sign_out.c"), &source).unwrap();
        let options = [standard, &include, &library, "-lsspcache_win32"];
        let program = stage.compile_as(compiler, "sign_out", language, &source, &options);
        fs::copy(stage.path("MSNSSPC.dll"), stage.path("programs/MSNSSPC.dll")).unwrap();
        tell(&stage, || {
            let mut command = Command::new(&program);
            command.env("LD_LIBRARY_PATH", self::library()).env("DYLD_LIBRARY_PATH", self::library());
            command
        });
    }
}

/// C1 to C5, L2, L6, L7, L8: the same file under Wine, whose loader is the witness.
#[test]
fn the_documented_sign_out_behaves_so_as_a_windows_program() {
    if !stage::has_wine() {
        return;
    }
    let stage = Stage::with_windows_mocks();
    let program = stage.compile(MINGW, "sign_out.exe", &fixture("win32/sign_out.c"), &[]);
    others(&stage, MINGW);
    fs::copy(stage.path("windows/MSNSSPC.dll"), stage.path("programs/MSNSSPC.dll")).unwrap();
    tell(&stage, || {
        let mut command = Command::new("wine");
        command.arg(&program);
        command
    });
}
