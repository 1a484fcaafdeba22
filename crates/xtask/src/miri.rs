//! Miri: undefined behaviour in the safe crates and behind the C ABI, by an interpreter that sees each access.
//!
//! It comes with nightly toolchains alone, and takes its time: what runs here are the tests that reach each kind of code
//! once, with fewer cases where a test asks `cfg!(miri)`. Pages of memory come from the heap then, since Miri has no
//! `mlock` or `madvise`; the tests of the mock DLLs call the same functions without a DLL (`tests/src/linked.rs`).

use std::path::Path;

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::{setup, workspace::Workspace};

/// Packages, what of them is built, and which of those tests run: all, where no name is given.
type Tests = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Where there is unsafe code to interpret, pages of memory and the C ABI, and the safe crates over it.
const TESTS: &[Tests] = &[
    ("sspcache-engine", &["--lib"], &["vault"]),
    ("sspcache-tests", &["--test=dll"], &["abi::"]),
    ("sspcache-fold", &["--test=table"], &["names_compare"]),
    ("sspcache-loader", &["--test=references", "--test=notifications", "--test=disk"], &[]),
    ("sspcache-mock", &["--test=sign_out"], &[]),
    ("sspcache", &["--test=protocol", "--test=providers", "--test=guard", "--test=report"], &[]),
];

/// What computes much: contexts, by the safe crates and behind the C ABI.
const CONTEXTS: &[Tests] = &[
    ("sspcache-mock", &["--test=both_ends"], &[]),
    ("sspcache-tests", &["--test=dll"], &["accounts::", "credentials::", "messages::"]),
];

/// The toolchain that it comes from: one day's, so that the same sources are judged alike on every day.
const TOOLCHAIN: &str = "nightly-2026-05-20";

/// Files and the environment are the real ones, and a pointer stays one to what it was made from.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-strict-provenance";

/// Runs the tests of what computes little.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    interpret(workspace, TESTS)
}

/// Runs all tests that Miri can, which takes twice as long.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    interpret(workspace, &[TESTS, CONTEXTS].concat())
}

fn interpret(workspace: &Workspace, tests: &[Tests]) -> Result<()> {
    add_miri(workspace)?;
    let shell = &workspace.shell;
    for &(package, tests, names) in tests {
        // One test at a time: what a process of its own would be for is done by turns.
        cmd!(
            shell,
            "rustup run {TOOLCHAIN} cargo miri test --locked --package {package} {tests...} -- --test-threads=1 {names...}"
        )
        .env("MIRIFLAGS", FLAGS)
        // Backtraces of panics that are asked for would be interpreted, too.
        .env("RUST_BACKTRACE", "0")
        // Snapshots would ask cargo for it, and Miri starts no program.
        .env("INSTA_WORKSPACE_ROOT", &workspace.root)
        .env("CARGO_TARGET_DIR", workspace.target.join("miri"))
        .run()?;
    }
    Ok(())
}

/// Adds the toolchain, where Miri or what it needs is missing.
fn add_miri(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let sysroot = cmd!(shell, "rustup run {TOOLCHAIN} rustc --print sysroot").quiet().ignore_stderr().read();
    if sysroot.is_ok_and(|sysroot| has_miri(&sysroot)) {
        return Ok(());
    }
    let add = || {
        cmd!(shell, "rustup toolchain install {TOOLCHAIN} --profile minimal --component miri,rust-src").run()
    };
    setup::once_more(add).with_context(|| {
        format!(
            "Miri is missing, and rustup can't add it: `rustup toolchain install {TOOLCHAIN} --component miri,rust-src`"
        )
    })
}

fn has_miri(sysroot: &str) -> bool {
    let sysroot = Path::new(sysroot);
    let program = format!("cargo-miri{}", std::env::consts::EXE_SUFFIX);
    sysroot.join("bin").join(program).is_file() && sysroot.join("lib/rustlib/src/rust/library").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_has_miri_with_the_source_of_the_standard_library() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let sysroot = folder.path().to_str().expect("a path in UTF-8");
        let program = folder.path().join(format!("bin/cargo-miri{}", std::env::consts::EXE_SUFFIX));
        std::fs::create_dir_all(folder.path().join("bin")).expect("created");
        std::fs::write(program, "").expect("written");
        assert!(!has_miri(sysroot), "the source is missing");
        std::fs::create_dir_all(folder.path().join("lib/rustlib/src/rust/library")).expect("created");
        assert!(has_miri(sysroot));
    }
}
