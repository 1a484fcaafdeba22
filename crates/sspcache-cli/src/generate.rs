//! `sspcache completions` and `sspcache man`: files that a package installs beside the program.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{cli::Cli, output::message};

/// Writes a shell's completion script to standard output.
pub(crate) fn completions(shell: Shell) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sspcache", &mut script);
    io::stdout().write_all(&script)
}

/// Writes a manual page to standard output, of the program or of one of its commands. Returns whether that command
/// exists.
pub(crate) fn man(wanted: &[String]) -> io::Result<bool> {
    let mut page = Cli::command();
    // Fills in what commands inherit from their parents.
    page.build();
    let mut name = page.get_name().to_owned();
    for word in wanted {
        let Some(found) = page.find_subcommand(word) else {
            message(format!("no such command: `{}`; see `sspcache --help`", wanted.join(" ")));
            return Ok(false);
        };
        page = found.clone();
        name = format!("{name}-{word}");
    }
    if !wanted.is_empty() {
        // Named like git's pages.
        page = page.name(name).version(env!("CARGO_PKG_VERSION"));
    }
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    io::stdout().write_all(&roff)?;
    Ok(true)
}
