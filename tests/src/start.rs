//! Starting programs, under Wine too.

use std::{
    io,
    process::{Command, Output},
};

/// Runs a command to its end.
///
/// Wine 8 on a busy machine now and then fails to start a program, with an internal error of its own before the program's
/// first step (observed). That is no answer of the program's, so it is started again, and said; what fails three times fails.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    for _ in 0..2 {
        match command.output() {
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(ERROR_INTERNAL_ERROR) => {
                eprintln!("started again: {command:?}: {error}");
            }
            result => return result,
        }
    }
    command.output()
}
