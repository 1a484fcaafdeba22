//! `cargo xtask …`: whatever a person would otherwise type to set this project up, test it and build what ships.
//!
//! One file per command: [`setup`], [`test`](mod@test), [`dist`]. The rest serves them: [`workspace`] knows the
//! folders, [`requirements`] what must be installed, [`python`] the tools from PyPI, [`wine`] the Wine prefix, [`zig`]
//! the linker for Windows DLLs and [`mock`] what a mock DLL that ships must be like; [`fuzz`], [`miri`], [`reproducible`] and
//! [`semver`] are steps of the test with more to them than a command.

mod dist;
mod fuzz;
mod miri;
mod mock;
mod packages;
mod python;
mod reproducible;
mod requirements;
mod sanitized;
mod semver;
mod setup;
mod test;
mod wine;
mod workspace;
mod zig;

use std::process::ExitCode;

use anyhow::Result;
use lexopt::prelude::*;

use crate::workspace::Workspace;

const HELP: &str = "\
Development tasks of sspcache.

Usage: cargo xtask <COMMAND>

Commands:
  setup [OPTIONS]          Install what the tests need, or say what to install and how
  test [OPTIONS] [STEP…]   Run everything that this machine can, or only the steps named
  dist [--target TRIPLE]   Build what ships into dist/<TRIPLE>/
  help                     Print this

Options of setup:
  --check                  Change nothing: say what is missing, and fail if anything is
  --without-wine           Leave out what only the Windows tests need

Options of test:
  --list                   Name the steps
  --without-wine           Leave out what needs Wine
  --fail-fast              Stop at the first step that fails
";

fn main() -> ExitCode {
    // rustc starts its linker with arguments that only a linker understands: see the module.
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

fn run() -> Result<()> {
    let mut arguments = lexopt::Parser::from_env();
    let command = match arguments.next()? {
        Some(Value(command)) => command.string()?,
        None | Some(Short('h') | Long("help")) => "help".to_owned(),
        Some(other) => return Err(other.unexpected().into()),
    };
    match command.as_str() {
        "dist" => dist::run(&Workspace::open()?, &dist::Options::parse(&mut arguments)?).map(drop),
        "help" => {
            print!("{HELP}");
            Ok(())
        }
        "setup" => setup::run(&Workspace::open()?, &setup::Options::parse(&mut arguments)?),
        "test" => test::run(&Workspace::open()?, &test::Options::parse(&mut arguments)?),
        other => anyhow::bail!("there is no command `{other}`; `cargo xtask help` lists them"),
    }
}
