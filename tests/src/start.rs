//! Starting programs, under Wine too.

use std::{
    io::{self, Write as _},
    process::{self, Command, Output},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long a program is waited for: a failure, not a measure.
const FOR_EVER: Duration = Duration::from_mins(10);

/// Runs a command to its end.
///
/// Wine 8 on a busy machine now and then fails to start a program, with an internal error of its own before the program's
/// first step (observed). That is no answer of the program's, so it is started again, and said; what fails three times fails.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    const ERROR_INTERNAL_ERROR: i32 = 1359;
    for _ in 0..2 {
        match ended(command) {
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(ERROR_INTERNAL_ERROR) => {
                eprintln!("started again: {command:?}: {error}");
            }
            result => return result,
        }
    }
    ended(command)
}

/// Runs a command to its end. One that doesn't come to an end would keep the tests running for ever, and no output would say which: it is
/// named, and ends them.
fn ended(command: &mut Command) -> io::Result<Output> {
    let (ended, has_ended) = mpsc::channel::<()>();
    let named = format!("{command:?}");
    let watch = thread::spawn(move || {
        if has_ended.recv_timeout(FOR_EVER) == Err(RecvTimeoutError::Timeout) {
            // Written past what the test's own output is kept in, which is never printed.
            let minutes = FOR_EVER.as_secs() / 60;
            let _ = writeln!(io::stderr(), "{named} has not ended within {minutes} minutes");
            process::abort();
        }
    });
    let output = command.output();
    drop(ended);
    watch.join().expect("it doesn't panic");
    output
}
