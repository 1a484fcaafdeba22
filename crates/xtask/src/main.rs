//! `cargo xtask …`: sets this project up, runs its checks and builds what ships.
//!
//! One file per command: [`setup`], [`test`](mod@test), [`dist`], [`packages`], [`release`]. [`workspace`] knows the folders, [`wine`] the
//! Wine prefix, [`clients`] the programs that it runs, [`other_wines`] where else they are run, [`platforms`] where else what ships is run,
//! [`zig`] the linker of what ships.

mod clients;
mod dist;
mod other_wines;
mod packages;
mod platforms;
mod release;
mod setup;
mod test;
mod wine;
mod workspace;
mod zig;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};

use crate::workspace::Workspace;

const HELP: &str = "\
Development tasks of sspcache.

Usage: cargo xtask <COMMAND>

Commands:
  setup [OPTIONS]          Install what the tests need, or say what to install and how
  test [OPTIONS] [STEP…]   Run every check of this machine, or only the steps named
  dist [--target TRIPLE]   Build what ships into dist/<TRIPLE>/
  dist --all               Build it for each target of a release
  packages [--test]        Make packages of what dist/ has, into dist/packages/; install and try this system's
  release [--dry-run]      Make all that a release has, into dist/release/; with --dry-run of what dist/ has
  help                     Print this

Options of setup:
  --all                    Install also what only `cargo xtask test --ci` and single steps need
  --wine-10                Install also Wine 10, for `cargo xtask test clients-wine-10`: a Debian in a folder, needs root
  --platforms              Install also other systems, for `cargo xtask test platform-…`: Debian 11 and musl for ARM in folders, musl, QEMU; needs root
  --winbind                Fetch also winbind, for `cargo xtask test clients-winbind`, without installing it
  --check                  Change nothing: print what is missing, and fail if anything is
  --without-wine           Leave out what only the Windows tests need

Options of test:
  --ci                     Run also what CI runs on each change
  --scheduled              Run only what CI runs once a week
  --list                   Print the steps
  --without-wine           Leave out what needs Wine
";

fn main() -> ExitCode {
    run().map_or_else(
        |error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// What follows the command: `--flags`, and names.
struct Arguments {
    flags: Vec<String>,
    names: Vec<String>,
}

impl Arguments {
    fn parse(arguments: impl Iterator<Item = String>) -> Self {
        let (flags, names) = arguments.partition(|argument| argument.starts_with("--"));
        Self { flags, names }
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|it| it.strip_prefix("--") == Some(flag))
    }

    /// Refuses what a command doesn't know.
    fn only(self, flags: &[&str], names: usize) -> Result<Self> {
        let unknown = self.flags.iter().find(|flag| !flags.contains(&&flag[2..]));
        match unknown.or_else(|| self.names.get(names)) {
            Some(unknown) => bail!("unexpected argument `{unknown}`; `cargo xtask help` lists what there is"),
            None => Ok(self),
        }
    }
}

fn run() -> Result<()> {
    let mut words = env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let arguments = Arguments::parse(words);
    match command.as_str() {
        "" | "help" | "--help" | "-h" => print!("{HELP}"),
        "dist" => {
            let arguments = arguments.only(&["all", "target"], 1)?;
            let target = arguments.names.first().map(String::as_str);
            ensure!(arguments.has("target") == target.is_some(), "`--target` and a target go together");
            let workspace = Workspace::open()?;
            if arguments.has("all") {
                ensure!(target.is_none(), "`--all` has every target");
                dist::all(&workspace)?;
            } else {
                dist::run(&workspace, target)?;
            }
        }
        "packages" => {
            let (arguments, workspace) = (arguments.only(&["test"], 0)?, Workspace::open()?);
            let folder = packages::build(&workspace)?;
            if arguments.has("test") {
                packages::check(&workspace, &folder, packages::Depth::All)?;
            }
        }
        "release" => {
            let arguments = arguments.only(&["dry-run"], 0)?;
            release::run(&Workspace::open()?, arguments.has("dry-run"))?;
        }
        "setup" => setup::run(
            &Workspace::open()?,
            &arguments.only(&["all", "check", "without-wine", "platforms", "wine-10", "winbind"], 0)?,
        )?,
        "test" => {
            let flags = ["ci", "scheduled", "list", "without-wine", "bare"];
            test::run(&Workspace::open()?, &arguments.only(&flags, usize::MAX)?)?;
        }
        other => bail!("there is no command `{other}`; `cargo xtask help` lists them"),
    }
    Ok(())
}
