//! Processes in which one test of this binary runs alone.

use std::{env, process::Command};

/// A process that runs one ignored test, named with its module.
pub(crate) fn child(test: &str) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "--ignored", "--nocapture", test]);
    child
}

/// Waits for the process to end.
///
/// # Panics
/// When its test failed, or there is none of this name; with what it printed.
#[track_caller]
pub(crate) fn assert_passes(child: &mut Command) {
    let ran = child.output().unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && printed.contains("1 passed"), "{printed}{errors}");
}
