//! Modules loaded with flags and from chosen folders, and the texts of codes: from one file in C, against the headers and the
//! library of `sspcache-win32`, and as a Windows program under Wine.
#![cfg(unix)]

use std::{env, ffi::OsStr, fs, path::PathBuf, process::Command};

use sspcache_tests::{
    program::{fixture, root},
    stage::{MINGW, Stage},
};

/// What the program prints, here and on Windows.
const PRINTED: &str = "\
as data: done
GetModuleHandle: 126
GetProcAddress: 126
FreeLibrary: done
as code: done
DisableThreadLibraryCalls: done
FreeLibrary: done
DisableThreadLibraryCalls, freed: 126
nowhere: 126
SetDllDirectory: done
GetDllDirectory: done
in the folder: done
  answer 42
  FreeLibrary: done
SetDllDirectory(NULL): done
GetDllDirectory: 0
nowhere again: 126
AddDllDirectory, relative: 87
AddDllDirectory: done
not asked for: 126
asked for: done
  answer 42
  FreeLibrary: done
by default: done
  answer 42
  FreeLibrary: done
elsewhere: 126
both kinds: 87
SetDefaultDllDirectories(0): 87
SetDefaultDllDirectories: done
now the default: done
  answer 42
  FreeLibrary: done
RemoveDllDirectory: done
removed: 126
FormatMessage: done
LocalFree: done
too small: 122
no such code: 317
no source: 87
CloseHandle: 6
";

/// A module without a C runtime: that of MinGW has thread-local storage, for which DisableThreadLibraryCalls fails.
const MODULE: &str = "\
int answer(void) { return 42; }
#ifdef _WIN32
int DllMainCRTStartup(void *module, unsigned long reason, void *reserved) { return module && reason < 4 && reserved != module; }
#endif
";

/// The folder in which cargo put the library.
fn library() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

/// A program of the fixtures, against the headers and the library of this project.
fn off_windows(stage: &Stage, name: &str) -> Command {
    let headers = root().join("crates/sspcache-win32/include");
    let (include, library) = (format!("-I{}", headers.display()), library());
    let folder = format!("-L{}", library.display());
    let source = fixture(&format!("win32/{name}.c"));
    let options = ["-std=c11", &include, &folder, "-lsspcache_win32", "-pthread"];
    let mut command = Command::new(stage.compile_as("cc", name, "-xc", &source, &options));
    command.env("LD_LIBRARY_PATH", &library).env("DYLD_LIBRARY_PATH", &library);
    command
}

/// Puts a module that exports a function into a folder beside the program.
fn add(stage: &Stage, compiler: &str) -> PathBuf {
    let source = stage.path("one.c");
    fs::write(&source, MODULE).unwrap();
    let built = stage.compile(compiler, "one.dll", &source, &["-shared", "-fPIC", "-nostdlib"]);
    let added = stage.path("programs/added");
    fs::create_dir(&added).unwrap();
    let module = added.join("one.dll");
    fs::rename(built, &module).unwrap();
    module
}

/// What a command prints when it succeeds.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

/// L6, L7, L8, L12
#[test]
fn modules_are_loaded_with_flags_and_from_chosen_folders() {
    let stage = Stage::new();
    let mut program = off_windows(&stage, "folders");
    add(&stage, "cc");
    assert_eq!(printed(&mut program), PRINTED);
}

/// L6, L7, L8, L12: the same file under Wine, whose loader is the witness.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn modules_are_loaded_so_by_a_windows_program() {
    let Some(stage) = Stage::with_wine() else { return };
    let program = stage.compile(MINGW, "folders.exe", &fixture("win32/folders.c"), &[]);
    add(&stage, MINGW);
    assert_eq!(printed(stage.wine().arg(program)), PRINTED);
}

/// L8
#[test]
fn a_thread_frees_its_module_and_ends() {
    let stage = Stage::new();
    let mut program = off_windows(&stage, "leaving");
    let module = add(&stage, "cc");
    assert_eq!(printed(program.arg(module)), "in: 1\nout: fffffffe, loaded: 0\n");
}

/// L12: a letter is a folder of the table, in whatever form the path is written; what isn't in the table has no files.
#[test]
fn drive_letters_are_folders_of_the_table() {
    let stage = Stage::new();
    let module = add(&stage, "cc");
    let folder = module.parent().unwrap().parent().unwrap();
    let table = |table: &OsStr, name: &str| {
        let mut program = off_windows(&stage, "leaving");
        let output = program.env("SSPCACHE_WIN32_DRIVES", table).arg(name).output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let mut drives = std::ffi::OsString::from("d=/nowhere:C=");
    drives.push(folder);
    let loaded = "in: 1\nout: fffffffe, loaded: 0\n";
    for name in [r"C:\added\one.dll", "c:/ADDED/one", r"\\?\C:\added\One.dll"] {
        assert_eq!(table(&drives, name), [loaded, ""], "{name}");
    }
    let missing = "in: 0\nout: fffffffe, loaded: 0\n";
    for name in [r"D:\added\one.dll", r"E:\added\one.dll", r"\\server\share\one.dll"] {
        assert_eq!(table(&drives, name), [missing, ""], "{name}");
    }
    let [said, error] = table("C=added".as_ref(), r"C:\added\one.dll");
    assert_eq!(said, missing);
    assert!(error.contains("SSPCACHE_WIN32_DRIVES: \"C=added\": the folder must be absolute"), "{error}");
}
