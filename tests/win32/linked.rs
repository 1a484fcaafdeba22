//! The loader with the mock linked in: one file of the program, and no DLL.
#![cfg(unix)]

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use sspcache_tests::{
    program::{fixture, root},
    stage::Stage,
    win32,
};

/// The static library with the mock in it: built here, once, and put into a folder of its own, since cargo would put it in the place of
/// the one without. What it consists of is built where the tests were, and so most of it was.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = temporary.join("linked");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args(["rustc", "--quiet", "--package", "sspcache-win32", "--lib"]);
        cargo.args(["--features", "mock", "--crate-type", "staticlib", "--target-dir"]).arg(&folder);
        cargo.env("CARGO_BUILD_BUILD_DIR", temporary.parent().expect("a folder in cargo's own"));
        let built = cargo.output().unwrap_or_else(|error| panic!("can't run cargo: {error}"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        folder.join("debug/libsspcache_win32.a")
    })
}

/// The documented sign-out with the library in it, in a folder without a DLL.
fn sign_out(stage: &Stage) -> OsString {
    linked(stage, "sign_out", &fixture("win32/sign_out.c"), &[])
}

fn linked(stage: &Stage, name: &str, source: &Path, more: &[&str]) -> OsString {
    let include = root().join("crates/sspcache-win32/include");
    let include = format!("-I{}", include.display());
    let options = [&include, library().to_str().unwrap(), "-lpthread", "-ldl", "-lm"];
    stage.compile("cc", name, source, &[more, &options].concat())
}

/// C1, C2, C3, C4, C5, L8, L12
#[test]
#[ignore = "takes long: cargo xtask test"]
fn a_linked_mock_is_loaded_by_name_without_a_file() {
    let stage = Stage::new();
    let program = sign_out(&stage);
    assert_eq!(fs::read_dir(stage.path("programs")).unwrap().count(), 1, "no DLL beside it");
    for (ssp, load, status, printed) in [
        ("MSNSSPC.dll", Some("MSNSSPC.dll"), 0, "flushed\n"),
        ("msapsspc.DLL", Some("MSAPSSPC"), 0, "flushed\n"),
        ("MSNSSPC.dll", None, 0, "not loaded: 126\n"),
        ("MSAPSSPC.dll", Some("MSNSSPC.dll"), 0, "not loaded: 126\n"),
        ("MSNSSPC.dll", Some("nowhere.dll"), 1, "not to be loaded: 126\n"),
    ] {
        let mut command = Command::new(&program);
        command.arg(ssp).args(load).env_remove("SSPCACHE_JOURNAL").env_remove("SSPCACHE_CONFIG");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*text), (Some(status), printed), "{ssp} after {load:?}: {error}");
    }
}

/// What a module is asked, in C.
const ASKS: &str = r#"
#include <windows.h>
#include <stdio.h>

static void ask(const char *name)
{
    HMODULE module = LoadLibraryA(name), found = NULL;
    FARPROC cleanup = GetProcAddress(module, "CleanupCredentialCache");
    char path[4096] = "";
    DWORD length = GetModuleFileNameA(module, path, sizeof path);

    printf("%s: %d exports", length > 12 ? path + length - 12 : path,
           (cleanup != NULL) + (GetProcAddress(module, "InitSecurityInterfaceW") != NULL) +
               (GetProcAddress(module, "SspiLocalFree") != NULL) + (GetProcAddress(module, "other") != NULL));
    GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, (LPCSTR)(ULONG_PTR)cleanup, &found);
    printf(", by address %d", found == module);
    printf(", freed %d", FreeLibrary(module));
    printf("%d", FreeLibrary(module));
    printf("%d", FreeLibrary(module));
    printf(", loaded %d\n", GetModuleHandleA(name) != NULL);
}

int main(void)
{
    ask("MSNSSPC.dll");
    ask("MSAPSSPC.dll");
    ask("MSNSSPC.dll");
    return 0;
}
"#;

/// L5, L7, L8: it is a module like any other, and comes again after it has gone.
#[test]
#[ignore = "takes long: cargo xtask test"]
fn a_linked_mock_is_a_module_like_any_other() {
    let stage = Stage::new();
    let source = stage.path("asks.c");
    fs::write(&source, ASKS).unwrap();
    let output = Command::new(linked(&stage, "asks", &source, &[])).output().unwrap();
    let said = "3 exports, by address 1, freed 110, loaded 0\n";
    let expected = format!("/MSNSSPC.dll: {said}MSAPSSPC.dll: {said}/MSNSSPC.dll: {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// M10: `exec` learns of a linked mock's cache what it learns of a DLL's.
#[test]
#[ignore = "takes long: cargo xtask test"]
fn exec_judges_a_program_with_a_linked_mock() {
    let stage = Stage::new();
    let program = sign_out(&stage);
    win32::exec_judges_sign_out(&stage, &program, |_| ());
}

/// Q4: all that a stack has is in one file.
#[test]
#[ignore = "takes long: cargo xtask test"]
#[cfg(target_os = "linux")]
fn a_stack_of_a_program_with_a_linked_mock_begins_in_the_program() {
    let stage = Stage::new();
    let program = linked(&stage, "where", &fixture("clients/where.c"), &["-DLINKED", "-g"]);
    crate::stacks::are_the_programs(&stage, &program, |_| ());
}
