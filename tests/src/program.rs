//! What the whole-system tests of the program share.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::start;

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A fixture's path.
pub fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

/// The program's file. Cargo names it to the tests of its package alone, when it runs them.
pub fn program() -> PathBuf {
    env::var_os("CARGO_BIN_EXE_sspcache")
        .expect("CARGO_BIN_EXE_sspcache is not set: run these tests by `cargo test`, as those of the package sspcache-cli")
        .into()
}

/// Cargo's folder of what was built for this system or, under Wine, for Windows: `target/` or a folder below it.
pub fn target() -> PathBuf {
    let test = env::current_exe().expect("a test knows its own path");
    test.ancestors().nth(3).expect("it is in cargo's folders").to_path_buf()
}

/// A new folder on the disk of cargo's own, so that what was built can be linked to.
pub fn temporary_folder() -> TempDir {
    let folder = target().join("tmp");
    fs::create_dir_all(&folder)
        .and_then(|()| tempfile::tempdir_in(&folder))
        .expect("cargo's folder can be written to")
}

/// The program, with nothing from this environment that would change its output.
pub fn sspcache() -> Command {
    let mut command = Command::new(program());
    for variable in [
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "SSPCACHE_HOME",
        "SSPCACHE_CONFIG",
        "SSPCACHE_JOURNAL",
        "SSPCACHE_PASSWORD",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_WORKSPACE",
        "SSPCACHE_STACK",
        "SSPCACHE_TRACE",
    ] {
        command.env_remove(variable);
    }
    command
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self::from(start::output(command).unwrap_or_else(|error| panic!("can't run {command:?}: {error}")))
    }

    /// Panics with all that was printed, unless this is the exit status.
    #[track_caller]
    pub fn exits_with(self, status: i32) -> Self {
        let Self { status: actual, stdout, stderr } = &self;
        assert_eq!(*actual, status, "standard output:\n{stdout}\nstandard error:\n{stderr}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
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

/// A program that prints lines while it runs, such as a server. It is killed when it is dropped.
#[derive(Debug)]
pub struct Running {
    pub(crate) process: Child,
    pub(crate) output: BufReader<ChildStdout>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::piped()).spawn();
        let mut process = spawned.unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, output }
    }

    /// The process, for a signal.
    pub fn process(&self) -> &Child {
        &self.process
    }

    /// Waits for its next line.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Waits for its end, sees that it is a good one, and returns what else it printed.
    #[track_caller]
    pub fn end(mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("UTF-8");
        assert!(self.process.wait().expect("it ends").success(), "{rest}");
        rest
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long since.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
