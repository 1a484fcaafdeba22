//! Miri: undefined behaviour in the safe crates and behind the C ABI, by an interpreter that sees each access.
//!
//! It comes with nightly toolchains alone, and takes its time: what runs here are the tests that reach each kind of code
//! once, with fewer cases where a test asks `cfg!(miri)`. Pages of memory come from the heap then, since Miri has no
//! `mlock` or `madvise`; the mock DLLs' own tests call the same functions without a DLL
//! (`crates/sspcache-dll/tests/miri.rs`).

use std::path::Path;

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::workspace::Workspace;

/// Packages, what of them is built, and which of those tests run: all, where no name is given.
type Tests = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Where there is unsafe code to interpret: pages of memory, and the C ABI.
const UNSAFE: &[Tests] =
    &[("sspcache-engine", &["--lib"], &["vault"]), ("sspcache-dll", &["--test=miri"], &["dll_abi"])];

/// What is safe code but for what it calls, and what computes much: contexts behind the C ABI.
const REST: &[Tests] = &[
    ("sspcache-fold", &["--test=table"], &["names_compare"]),
    ("sspcache-loader", &["--test=references", "--test=notifications", "--test=disk"], &[]),
    ("sspcache-mock", &["--test=sign_out", "--test=both_ends"], &[]),
    ("sspcache", &["--test=protocol", "--test=providers", "--test=guard", "--test=report"], &[]),
    ("sspcache-dll", &["--test=miri"], &["dll_accounts", "dll_credentials", "dll_messages"]),
];

/// Files and the environment are the real ones, and a pointer stays one to what it was made from.
const FLAGS: &str = "-Zmiri-disable-isolation -Zmiri-strict-provenance";

/// Runs the tests of what is unsafe.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    interpret(workspace, UNSAFE)
}

/// Runs all tests that Miri can, which takes hours.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    interpret(workspace, UNSAFE)?;
    interpret(workspace, REST)
}

fn interpret(workspace: &Workspace, tests: &[Tests]) -> Result<()> {
    add_miri(workspace)?;
    let shell = &workspace.shell;
    for &(package, tests, names) in tests {
        // One test at a time: what a process of its own would be for is done by turns.
        cmd!(
            shell,
            "rustup run nightly cargo miri test --locked --package {package} {tests...} -- --test-threads=1 {names...}"
        )
        .env("MIRIFLAGS", FLAGS)
        // Backtraces of panics that are asked for would be interpreted, too.
        .env("RUST_BACKTRACE", "0")
        .env("CARGO_TARGET_DIR", workspace.target.join("miri"))
        .run()?;
    }
    Ok(())
}

/// Adds Miri to the nightly toolchain, and that toolchain where there is none.
fn add_miri(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let sysroot = cmd!(shell, "rustup run nightly rustc --print sysroot").quiet().ignore_stderr().read().ok();
    if sysroot.as_deref().is_some_and(has_miri) {
        return Ok(());
    }
    let components = ["miri", "rust-src"];
    let add = if sysroot.is_some() {
        cmd!(shell, "rustup component add --toolchain nightly {components...}")
    } else {
        let list = components.join(",");
        cmd!(shell, "rustup toolchain install nightly --profile minimal --component {list}")
    };
    add.run().context(
        "Miri is missing, and rustup can't add it. It comes with most nightly toolchains: \
         `rustup toolchain install nightly --component miri,rust-src`",
    )
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
