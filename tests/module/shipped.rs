//! The mock DLLs as they ship: loaded and unloaded thousands of times, natively and under Wine, without growth.
//!
//! They need a distribution, which takes minutes to build: `cargo xtask test dist` builds it and runs these; by themselves,
//! `SSPCACHE_DIST=dist/<TRIPLE> cargo test -p sspcache-cli --test module -- --ignored shipped::` does. `SSPCACHE_LOADS` says how
//! often: the step `dist-all` loads them a hundred thousand times. As cargo builds them for tests they are held to less by `tests/module/unload.rs`: on `x86_64-pc-windows-gnu` no DLL in Rust unloads for long.
#![cfg(target_os = "linux")]

mod one_file;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use sspcache_tests::{
    program::{Ran, fixture, root},
    residue::program::Program,
    stage::{MINGW, Stage},
};

/// How often they are loaded.
const LOADS: u32 = 5_000;
const LOADS_UNDER_WINE: u32 = 2_500;
/// Enough for a limit of several pages.
const LOADS_OF_SECUR32: u32 = 2_000;
/// How often before it is counted: the allocator and the loader take what they need at first.
const WARM_UP: u32 = 1000;

/// The distribution.
fn distribution() -> PathBuf {
    let folder = env::var_os("SSPCACHE_DIST").expect(
        "SSPCACHE_DIST names no distribution: `cargo xtask test dist` builds one and runs this, \
         `cargo xtask dist` only builds it",
    );
    root().join(folder)
}

/// What a process has.
#[derive(Debug)]
struct Belongings {
    kilobytes: u64,
    mappings: usize,
    files: usize,
}

impl Belongings {
    fn of(pid: u32) -> Self {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let status = fs::read_to_string(folder.join("status")).expect("a child's can be read");
        let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux tells");
        Self {
            kilobytes: memory.trim().trim_end_matches(" kB").parse().expect("a number"),
            mappings: fs::read_to_string(folder.join("maps")).expect("a child's can be read").lines().count(),
            files: fs::read_dir(folder.join("fd")).expect("a child's can be read").count(),
        }
    }
}

/// Has a program load and unload a mock, sign a user in each time, and looks at what the program has before and after.
fn load_and_unload(command: &mut Command, loads: u32) {
    let loads =
        env::var("SSPCACHE_LOADS").map_or(loads, |loads| loads.parse().expect("SSPCACHE_LOADS is a number"));
    let mut program = Program::start(command.env_remove("SSPCACHE_CONFIG").env_remove("SSPCACHE_JOURNAL"));
    assert_eq!(program.step(&format!("cycle {WARM_UP}")), WARM_UP);
    let before = Belongings::of(program.id());
    let start = Instant::now();
    assert_eq!(program.step(&format!("cycle {loads}")), loads);
    let (time, after) = (start.elapsed(), Belongings::of(program.id()));
    println!("{loads} loads and unloads in {time:.1?}; before {before:?}, after {after:?}");
    // A small allocation lost in each would be fifteen bytes at least.
    let kilobytes = u64::from(loads) * 15 / 1024;
    assert!(after.kilobytes < before.kilobytes + kilobytes, "{before:?}, {after:?}");
    assert!(after.mappings <= before.mappings + 2, "{before:?}, {after:?}");
    assert_eq!(after.files, before.files);
    program.quit();
}

fn mock(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(name);
    assert!(file.is_file(), "{} is missing: `cargo xtask dist` builds it", file.display());
    file
}

/// M10
#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn loads_and_unloads_of_what_ships_do_not_grow_a_program() {
    let stage = Stage::new();
    let program = stage.compile("cc", "residue", &fixture("clients/residue.c"), &["-O1", "-ldl"]);
    // The others differ by their name alone.
    for (name, loads) in [("MSNSSPC.dll", LOADS), ("secur32.dll", LOADS_OF_SECUR32)] {
        load_and_unload(Command::new(&program).arg(mock(&distribution(), name)), loads);
    }
}

/// M10: the linker that ships them links none of the start-up code that would take back what `pthread_atfork` was given.
#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn a_program_forks_after_what_ships_is_unloaded() {
    let stage = Stage::new();
    let program = stage.compile("cc", "fork_unloaded", &fixture("clients/fork_unloaded.c"), &["-ldl"]);
    for (library, export) in
        [("MSNSSPC.dll", "CleanupCredentialCache"), ("libsspcache_win32.so", "sspcache_SetDllDirectoryA")]
    {
        let mut command = Command::new(&program);
        command.arg(mock(&distribution(), library)).arg(export);
        // With stacks the mock registers handlers.
        command.env("SSPCACHE_STACK", "8").env("SSPCACHE_JOURNAL", stage.path("journal/"));
        Ran::of(&mut command).exits_with(0);
    }
}

/// M1: without `exec`, from the distribution's own links.
#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn each_name_in_what_ships_is_one_module() {
    let stage = Stage::new();
    let program = stage.compile("cc", "names", &fixture("clients/names.c"), &["-ldl"]);
    for names in [
        ["secur32.dll", "libsecur32.so", "libsecur32.dll.so", "sspicli.dll", "Secur32.dll"],
        ["MSNSSPC.dll", "libMSNSSPC.so", "libMSNSSPC.dll.so", "msnsspc.dll", "MSNSSPC.DLL"],
        ["MSAPSSPC.dll", "libMSAPSSPC.so", "libMSAPSSPC.dll.so", "msapsspc.dll", "MSAPSSPC.DLL"],
    ] {
        let mut command = Command::new(&program);
        command.args(names.iter().flat_map(|name| ["load", name])).env("LD_LIBRARY_PATH", distribution());
        let ran = Ran::of(&mut command).exits_with(0);
        assert_eq!(ran.stdout, names.map(|name| format!("{name}: module 1\n")).concat());
    }
}

/// M10
#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn loads_and_unloads_of_what_ships_do_not_grow_a_windows_program() {
    let Some(stage) = Stage::with_wine() else { return };
    let windows = distribution().join("windows");
    let program = stage.compile(MINGW, "residue.exe", &fixture("clients/residue.c"), &["-O1"]);
    let mut command = stage.wine();
    command.arg(program).arg(mock(&windows, "MSNSSPC.dll")).env("WINEPATH", windows.join("wine"));
    // What the mock needs of the system, and Wine 8 loses memory over whenever it is loaded and unloaded itself (observed:
    // three hundred bytes each time, without any mock).
    command.arg("bcryptprimitives.dll");
    load_and_unload(&mut command, LOADS_UNDER_WINE);
}
