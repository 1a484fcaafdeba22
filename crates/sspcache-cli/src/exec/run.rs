//! Runs the command with the inherited input and output, and waits for its end.

use std::{
    ffi::OsString,
    io,
    process::{Command, ExitStatus},
};

#[cfg(unix)]
use super::signals::status_of_signal;
use super::{ExecError, environment::Environment, shown, signals::Signals};

/// Runs the command and returns its exit status, as a shell would.
pub(crate) fn run(
    command: &[OsString],
    environment: &Environment,
    signals: &mut Signals,
) -> Result<u8, ExecError> {
    if let Some(status) = signals.interrupted() {
        return Ok(status); // Before there was a command.
    }
    let (program, arguments) = command.split_first().expect("the command line requires a command");
    let mut command = Command::new(program);
    command.args(arguments);
    environment.apply(&mut command);
    let mut child = command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ExecError::NotFound { command: shown(program) },
        _ => ExecError::CannotRun { command: shown(program), source },
    })?;
    let status = signals.wait(&mut child)?;
    Ok(status_of(status))
}

#[cfg(unix)]
fn status_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        // Both are a byte.
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => status_of_signal(signal),
        (None, None) => u8::MAX,
    }
}

/// On Windows a status has 32 bits, and only a byte is passed on: what doesn't fit becomes 255, a failure.
#[cfg(windows)]
fn status_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
