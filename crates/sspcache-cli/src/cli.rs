//! The command line: what can be asked of the program.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Exit status of a verdict that didn't hold, unless `--error-exitcode` says otherwise.
pub(crate) const DEFAULT_ERROR_EXITCODE: u8 = 99;

/// Flushes SSP credential caches, and tests that programs do.
///
/// A Security Support Provider (SSP) keeps the credentials of whoever signed in through it, so that the next sign-in
/// needs no password. `CleanupCredentialCache` empties that cache; a program that forgets to call it leaves its
/// users' credentials behind. sspcache brings a mock SSP and watches.
#[derive(Debug, Parser)]
#[command(name = "sspcache", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Exec(ExecArgs),
    Inspect(InspectArgs),
    /// Reads what mock SSPs wrote down.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Checks a mock's configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints a manual page, in roff: try `sspcache man | man -l -`.
    Man {
        /// The command whose page is wanted, such as `exec` or `journal check`; without it, the program's own.
        command: Vec<String>,
    },
}

/// Who reads the result.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON document.
    Json,
}

/// Shows the main job with nothing installed: sign in, sign in silently, flush, look for what is left.
///
/// A mock SSP runs inside this process. On Linux the process then searches its own memory for the password, before the
/// flush and after it.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Runs a program against the mock SSPs and says who was signed in, when, and what flushed it.
///
/// The program finds the mock MSNSSPC.dll and MSAPSSPC.dll wherever it looks for DLLs, and nothing else about it
/// changes: its input, output and arguments are its own. The verdict goes to standard error, or to a file.
///
/// Exit status: the command's own when it fails, 128 + N when signal N killed it; with `--expect-clean`, 99 when the
/// command succeeded and credentials were left cached, nobody signed in, or the journal has gaps; 125 when sspcache
/// itself failed, 126 when the command can't be run, 127 when there is none of that name.
///
/// The mock DLLs lie beside the program, where `cargo xtask dist` puts them, or in the folder SSPCACHE_HOME.
#[derive(Debug, Args)]
#[command(after_long_help = EXEC_EXAMPLES)]
pub(crate) struct ExecArgs {
    /// Configures the mocks by this TOML file (see `sspcache config check`).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Keeps the journals here: a folder, or what their names begin with. Without it they are deleted.
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,

    /// Fails unless somebody signed in and nothing was left cached.
    #[arg(long)]
    pub(crate) expect_clean: bool,

    /// Expects no sign-in: a run in which nobody signed in passes too.
    #[arg(long, requires = "expect_clean")]
    pub(crate) allow_unused: bool,

    /// The exit status for an expectation that didn't hold.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ERROR_EXITCODE, requires = "expect_clean")]
    pub(crate) error_exitcode: u8,

    /// Preloads one mock (LD_PRELOAD), for programs that are linked to an SSPI library directly.
    #[arg(long, value_name = "MOCK", num_args = 0..=1, require_equals = true, default_missing_value = "msnsspc")]
    pub(crate) preload: Option<Mock>,

    /// Lists the mocks as security providers while the command runs, for programs that only know secur32. Automatic
    /// when the command is Wine; on Windows it needs an administrator.
    #[arg(long)]
    pub(crate) register: bool,

    /// Writes a JUnit report here: one test case per process.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Writes the verdict here instead of to standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) verdict: Option<PathBuf>,

    /// How the verdict is written; json is one line.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// The command to run, and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

const EXEC_EXAMPLES: &str = "\
Examples:
  sspcache exec --expect-clean -- ./client --sign-in --sign-out
  sspcache exec --expect-clean --junit report.xml -- python3 client.py
  sspcache exec --expect-clean -- wine client.exe";

/// One of the mock DLLs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Mock {
    Msapsspc,
    Msnsspc,
}

impl Mock {
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Msapsspc => "MSAPSSPC.dll",
            Self::Msnsspc => "MSNSSPC.dll",
        }
    }
}

/// Looks into DLLs: what they export, and whether CleanupCredentialCache can be found in them.
///
/// Reads PE, ELF and Mach-O files of any machine. Exit status: 1 when a file can't be read, or a caller that follows
/// the documented sequence (GetModuleHandle, GetProcAddress("CleanupCredentialCache"), call) would not find the
/// function in it.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The files.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Lists every export, not only what an SSP is known by.
    #[arg(long)]
    pub(crate) all: bool,

    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Draws what happened, with the number of cached credentials over time.
    Show {
        /// A journal file, the folder of several, or what their names begin with.
        #[arg(value_name = "PATH")]
        journal: PathBuf,

        /// Shows every event; without it, rows of like events are drawn together.
        #[arg(long)]
        all: bool,

        /// How the result is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Gives the verdict that `exec --expect-clean` would give, with its exit status.
    Check {
        /// A journal file, the folder of several, or what their names begin with.
        #[arg(value_name = "PATH")]
        journal: PathBuf,

        /// Passes a run in which nobody signed in, too.
        #[arg(long)]
        allow_unused: bool,

        /// The exit status for an expectation that didn't hold.
        #[arg(long, value_name = "N", default_value_t = DEFAULT_ERROR_EXITCODE)]
        error_exitcode: u8,

        /// Writes a JUnit report here: one test case per process.
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,

        /// How the result is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Says whether these files are valid, and if not, where and what is allowed there. Quotes nothing from them.
    Check {
        /// The TOML files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// How the result is written.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
