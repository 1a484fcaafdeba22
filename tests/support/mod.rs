//! What the whole-system tests of the program share.
#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "start.rs"]
mod start;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A fixture's path.
pub(crate) fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

/// The program, with nothing from this environment that would change its output.
pub(crate) fn sspcache() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sspcache"));
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "SSPCACHE_HOME", "SSPCACHE_CONFIG", "SSPCACHE_JOURNAL"] {
        command.env_remove(variable);
    }
    command
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(start::output(command).unwrap_or_else(|error| panic!("can't run {command:?}: {error}")))
    }

    /// Panics with all that was printed, unless this is the exit status.
    #[track_caller]
    pub(crate) fn exits_with(self, status: i32) -> Self {
        let Self { status: actual, stdout, stderr } = &self;
        assert_eq!(*actual, status, "standard output:\n{stdout}\nstandard error:\n{stderr}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
        Self {
            // What a signal ended has no status of its own.
            status: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}
