//! The program `sspcache`: shows, checks and tests the flushing of SSP credential caches.
//!
//! Results go to standard output, messages to standard error. `exec` leaves standard output to the command it runs, and
//! its verdict goes to standard error.
//!
//! A library only so that the fuzz targets of `fuzz/` can call it: [`given`] is theirs, and nothing here is stable.

mod cli;
mod config;
mod demo;
mod exec;
mod generate;
pub mod given;
mod inspect;
mod journal;
mod output;
mod verdict;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

use crate::{
    cli::{Cli, Command, ConfigCommand, JournalCommand},
    journal::CheckError,
    output::message,
};

/// Does what the command line asks for; the exit status.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(&cli.command) {
        Ok(status) => ExitCode::from(status),
        // Whoever reads has seen enough: `sspcache journal show | head`.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            message(failure);
            ExitCode::from(STATUS_FAILED)
        }
    }
}

/// Runs a command; its exit status.
fn run(command: &Command) -> Result<u8, Failure> {
    let passed = match command {
        Command::Completions { shell } => generate::completions(*shell).map(|()| true)?,
        Command::Config(ConfigCommand::Check { files, format }) => config::check(files, *format)?,
        Command::Demo(args) => demo::demo(args.format)?,
        Command::Exec(args) => return Ok(exec::exec(args)),
        Command::Inspect(args) => inspect::inspect(args)?,
        Command::Journal(JournalCommand::Check { journal, allow_unused, error_exitcode, junit, format }) => {
            let holds = journal::check(journal, *allow_unused, junit.as_deref(), *format)?;
            return Ok(if holds { STATUS_PASSED } else { *error_exitcode });
        }
        Command::Journal(JournalCommand::Show { journal, all, format }) => {
            journal::show(journal, *all, *format)?
        }
        Command::Man { command } => generate::man(command)?,
    };
    Ok(if passed { STATUS_PASSED } else { STATUS_FAULT_FOUND })
}

/// What keeps the program from doing what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Check(CheckError),
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

/// Prints help, the version, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when this fails.
    let _ = error.print();
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let is_exec = std::env::args_os().nth(1).is_some_and(|command| command == "exec");
    match (asked_for, is_exec) {
        (true, _) => ExitCode::SUCCESS,
        // A command's own status may be 2: `exec` has one of its own for what it can't do.
        (false, true) => ExitCode::from(STATUS_FAILED),
        (false, false) => ExitCode::from(STATUS_USAGE),
    }
}

/// What was asked for was done, and what was checked is as it should be.
const STATUS_PASSED: u8 = 0;
/// `inspect`, `config check`, `demo`: what was checked is not as it should be.
const STATUS_FAULT_FOUND: u8 = 1;
/// The command line makes no sense.
const STATUS_USAGE: u8 = 2;
/// sspcache itself failed.
const STATUS_FAILED: u8 = 125;
