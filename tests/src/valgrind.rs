//! Watching a C program with valgrind, which sees what it misreads and what it never gives back.

use std::{ffi::OsString, process::Command};

use crate::program::fixture;

/// A command, watched: it fails on every block of memory that is left, but for what the C library's loader keeps as long as the
/// process lives, and on every misread byte.
pub fn watched(command: &[OsString]) -> Vec<OsString> {
    let found = Command::new("valgrind").arg("--version").output();
    found.unwrap_or_else(|error| {
        panic!(
            "can't run valgrind, which this test needs ({error}): `cargo xtask setup` installs it or says how"
        )
    });
    let options = [
        "valgrind",
        "--quiet",
        "--leak-check=full",
        "--errors-for-leak-kinds=all",
        "--show-leak-kinds=all",
        "--keep-debuginfo=yes",
        "--error-exitcode=9",
    ];
    let mut kept = OsString::from("--suppressions=");
    kept.push(fixture("win32/kept.supp"));
    options.into_iter().map(OsString::from).chain([kept]).chain(command.iter().cloned()).collect()
}
