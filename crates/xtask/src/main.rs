//! `cargo xtask …`: sets this project up, runs its checks and builds what ships.
//!
//! One file per command: [`setup`], [`test`](mod@test), [`dist`]. [`workspace`] knows the folders, [`wine`] the Wine prefix,
//! [`zig`] the linker for Windows DLLs; [`fuzz`], [`reproducible`], [`sanitized`] and [`mock`] are steps of `test` that are
//! more than a command.

mod dist;
mod fuzz;
mod mock;
mod reproducible;
mod sanitized;
mod setup;
mod test;
mod wine;
mod workspace;
mod zig;

use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

use crate::workspace::Workspace;

const HELP: &str = "\
Development tasks of sspcache.

Usage: cargo xtask <COMMAND>

Commands:
  setup [OPTIONS]          Install what the tests need, or say what to install and how
  test [OPTIONS] [STEP…]   Run every check of this machine, or only the steps named
  dist [--target TRIPLE]   Build what ships into dist/<TRIPLE>/
  help                     Print this

Options of setup:
  --all                    Install also what only `cargo xtask test --ci` and single steps need
  --check                  Change nothing: print what is missing, and fail if anything is
  --without-wine           Leave out what only the Windows tests need

Options of test:
  --ci                     Run also what CI runs on each change
  --scheduled              Run only what CI runs once a week
  --list                   Print the steps
  --without-wine           Leave out what needs Wine
";

fn main() -> ExitCode {
    // rustc starts this program as a linker: see the module.
    if let Some(code) = zig::linker_main() {
        return code;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What follows the command: flags, the target of `dist`, and names.
#[derive(Default)]
struct Arguments {
    flags: Vec<String>,
    target: Option<String>,
    names: Vec<String>,
}

impl Arguments {
    fn parse(mut parser: lexopt::Parser, allowed: &[&str]) -> Result<Self> {
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("target") if allowed.contains(&"target") => {
                    arguments.target = Some(parser.value()?.string()?);
                }
                Long(flag) if allowed.contains(&flag) => arguments.flags.push(flag.to_owned()),
                Value(name) if allowed.contains(&"NAME") => arguments.names.push(name.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(arguments)
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it == flag)
    }
}

fn run() -> Result<()> {
    let mut parser = lexopt::Parser::from_env();
    let command = match parser.next()? {
        Some(Value(command)) => command.string()?,
        None | Some(Short('h') | Long("help")) => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "help" => print!("{HELP}"),
        "dist" => {
            let arguments = Arguments::parse(parser, &["target"])?;
            dist::run(&Workspace::open()?, arguments.target.as_deref())?;
        }
        "setup" => {
            let arguments = Arguments::parse(parser, &["all", "check", "without-wine"])?;
            setup::run(&Workspace::open()?, &arguments)?;
        }
        "test" => {
            let allowed = ["ci", "scheduled", "list", "without-wine", "bare", "NAME"];
            test::run(&Workspace::open()?, &Arguments::parse(parser, &allowed)?)?;
        }
        other => bail!("there is no command `{other}`; `cargo xtask help` lists them"),
    }
    Ok(())
}
