//! The program `sspcache`: shows, checks and tests the flushing of SSP credential caches.
//!
//! Results go to standard output, messages to standard error. `exec` leaves standard output to the command it runs, and
//! its verdict goes to standard error.
//!
//! This is a library only because the fuzz targets in `fuzz/` call it, through the module `fuzzing`. Nothing in it is a
//! stable interface.

mod caches;
mod cli;
mod config;
mod demo;
mod exec;
mod flush;
#[cfg(any(feature = "fuzzing", test))]
pub mod fuzzing;
mod generate;
mod inspect;
mod journal;
mod output;
mod places;
#[cfg(feature = "serve")]
mod serve;
mod trace;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

use crate::{
    cli::{Cli, Command, ConfigCommand, JournalCommand},
    flush::Ended,
    journal::CheckError,
    output::message,
};

/// Runs the command line and returns the exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(&cli.command) {
        Ok(status) => ExitCode::from(status),
        // The reader has closed the pipe, as in `sspcache journal show | head`.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            message(failure);
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// Runs a command and returns the exit status.
fn run(command: &Command) -> Result<u8, Failure> {
    let passed = match command {
        Command::Caches(args) => caches::caches(args)?,
        Command::Completions { shell } => generate::completions(*shell).map(|()| true)?,
        Command::Config(ConfigCommand::Check { files, format }) => config::check(files, *format)?,
        Command::Config(ConfigCommand::Example) => config::example().map(|()| true)?,
        Command::Config(ConfigCommand::Keys { format }) => config::keys(*format).map(|()| true)?,
        Command::Demo(args) => demo::demo(args.format)?,
        Command::Exec(args) => return Ok(exec::exec(args)),
        Command::Flush(args) => {
            return Ok(match flush::flush(args)? {
                Ended::Done => STATUS_PASSED,
                Ended::NotFlushed => STATUS_FAULT_FOUND,
                Ended::NotAsked => STATUS_USAGE,
            });
        }
        Command::Inspect(args) => inspect::inspect(args)?,
        Command::Journal(JournalCommand::Check(args)) => {
            return Ok(if journal::check(args)? { STATUS_PASSED } else { args.error_exitcode });
        }
        Command::Journal(JournalCommand::Compare { recording, format }) => {
            journal::compare(recording, *format)?
        }
        Command::Journal(JournalCommand::Show { journal, calls: true, .. }) => journal::show_calls(journal)?,
        Command::Journal(JournalCommand::Show { journal, all, format, .. }) => {
            journal::show(journal, *all, *format)?
        }
        Command::Man { command } => generate::man(command)?,
        #[cfg(feature = "serve")]
        Command::Serve(command) => serve::serve(command).map(|()| true)?,
    };
    Ok(if passed { STATUS_PASSED } else { STATUS_FAULT_FOUND })
}

/// Why the program can't do what the command line asks for.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Check(CheckError),
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(serve::ServeFailure),
    #[error("can't write the result: {0}")]
    Output(#[from] std::io::Error),
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Output(error) => Self::Output(error),
            error => Self::Check(error),
        }
    }
}

#[cfg(feature = "serve")]
impl From<serve::ServeFailure> for Failure {
    fn from(error: serve::ServeFailure) -> Self {
        match error {
            serve::ServeFailure::Output(error) => Self::Output(error),
            error => Self::Serve(error),
        }
    }
}

/// Prints help, the version, or the mistake in the command line.
fn usage(error: &clap::Error) -> ExitCode {
    // When standard error can't be written, there is no other place for the message.
    let _ = error.print();
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let is_exec = std::env::args_os().nth(1).is_some_and(|command| command == "exec");
    match (asked_for, is_exec) {
        (true, _) => ExitCode::SUCCESS,
        // The command that `exec` runs may itself end with 2, so a usage error of `exec` gives the status of a failure.
        (false, true) => ExitCode::from(STATUS_FAILED),
        (false, false) => ExitCode::from(STATUS_USAGE),
    }
}

/// The command was carried out, and every check passed.
const STATUS_PASSED: u8 = 0;
/// `inspect`, `config check`, `demo`: a check failed; `flush`: a cache was not flushed.
const STATUS_FAULT_FOUND: u8 = 1;
/// The command line is wrong; `flush`: there was no terminal to ask on.
const STATUS_USAGE: u8 = 2;
/// sspcache itself failed.
const STATUS_FAILED: u8 = 125;
