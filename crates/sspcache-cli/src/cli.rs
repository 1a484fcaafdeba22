//! The command line: commands, options and their help texts.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::Serialize;

use crate::caches::Reachable;

/// Exit status when the check fails, unless `--error-exitcode` names another.
pub(crate) const DEFAULT_ERROR_EXITCODE: u8 = 99;

/// The frames of a stack, unless `--stack` says how many.
const DEFAULT_FRAMES: u8 = 8;

/// The most frames of a stack that the mocks record.
const MOST_FRAMES: i64 = 32;

/// Flushes credential caches, and tests that programs do.
///
/// A Security Support Provider (SSP) may cache the credentials of each user who signs in through it, so that the next
/// sign-in needs no password. `CleanupCredentialCache` flushes that cache; a program that forgets to call it leaves its
/// users' credentials behind. sspcache runs programs against a mock SSP and reports what they leave. It also lists and flushes what
/// the user's programs share: Kerberos tickets, and entries of the Credential Manager.
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
    Caches(CachesArgs),
    Flush(FlushArgs),
    Inspect(InspectArgs),
    /// Reads the journals that mock SSPs write.
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Checks configurations of the mocks, and shows how to write one.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Serves clients that sign in, with a mock that verifies them.
    ///
    /// Prints its URL, and serves until it is interrupted or terminated.
    #[cfg(feature = "serve")]
    #[command(subcommand)]
    Serve(ServeCommand),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell to write it for.
        shell: Shell,
    },
    /// Prints a manual page, in roff: try `sspcache man | man -l -`.
    Man {
        /// The command to print the page of, such as `exec` or `journal check`; without it, the program's own page.
        command: Vec<String>,
    },
}

/// The form of the result.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON document.
    Json,
}

/// The form of a verdict.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum VerdictFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON document.
    Json,
    /// For GitHub Actions: an annotation for each thing that was left, leaked or misused, with file and line where they are known, and a
    /// summary in the file that GITHUB_STEP_SUMMARY names.
    Github,
}

/// What a run is checked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Check {
    /// Credentials that the program passed and that are still there: cached, or held by a handle.
    Left,
    /// Credential handles, contexts and memory that were never given back.
    Leaks,
    /// Calls that break the rules of their pages: for what was given back before, or is another function's.
    Misuse,
    /// What `--forbid` and `--require` say.
    #[value(skip)]
    Policy,
}

/// What is forbidden to sign-ins, and what is required of them.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub(crate) struct Policy {
    /// Fails when the command asks for one of these packages, a list with commas: for NTLM by its name, by a package list that
    /// prefers it or has -NTLM, or because Negotiate falls back to it. `exec` also takes NTLM away: the mocks offer none, so that
    /// the run shows whether the command signs in without it.
    #[arg(long, value_enum, value_name = "PACKAGES", value_delimiter = ',', group = "checks")]
    pub(crate) forbid: Vec<Forbid>,

    /// Fails unless each handshake that a client begins has these, a list with commas. `mutual`: mutual authentication was granted;
    /// `bindings`: channel bindings were passed, whether or not there is TLS, which a mock can't see; `spn`: the target is a
    /// service principal name, such as HTTP/web; `kerberos`: it came to Kerberos.
    #[arg(long, value_enum, value_name = "PROPERTIES", value_delimiter = ',', group = "checks")]
    pub(crate) require: Vec<Require>,
}

impl Policy {
    pub(crate) fn is_empty(&self) -> bool {
        self.forbid.is_empty() && self.require.is_empty()
    }
}

/// A package that can be forbidden.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Forbid {
    Ntlm,
}

impl Forbid {
    /// The package's name.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
        }
    }
}

/// What can be required of a handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Require {
    Mutual,
    Bindings,
    Spn,
    Kerberos,
}

/// Shows a sign-out with nothing installed: sign in, sign in silently, flush, search for copies of the password.
///
/// A mock SSP runs inside this process. On Linux the process searches its own memory for the password, before the flush
/// and after it.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// The form of the result.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Runs a program against the mock SSPs and reports who signed in, when, and what ended each cached credential.
///
/// The program finds the mocks MSNSSPC.dll and MSAPSSPC.dll where it looks for DLLs. Its input, output and arguments
/// stay unchanged. sspcache writes its verdict to standard error, or to a file.
///
/// Exit status: that of the command when it fails, 128 + N when signal N killed it; with `--check`, `--expect-clean`, `--forbid` or
/// `--require`, 99 when the command succeeded but a check fails, also for a run that used no mock, or of which events are missing; 125 when
/// sspcache itself failed, 126 when the command can't be run, 127 when no such command exists.
///
/// sspcache looks for the mock DLLs beside itself, where `cargo xtask dist` puts them, or in the folder SSPCACHE_HOME.
///
/// Under Wine the command runs in a shadow of the prefix (WINEPREFIX), in which secur32.dll is the mock. Files that it
/// writes are in the prefix afterwards; what it writes to the registry is not. Windows programs that the command left
/// running are waited for.
#[derive(Debug, Args)]
#[command(after_long_help = EXEC_EXAMPLES, group = clap::ArgGroup::new("checks").multiple(true))]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct ExecArgs {
    /// Configures the mocks from this TOML file: see `sspcache config example`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Adds an account that servers verify sign-ins against: 'DOMAIN\user' or user@realm. Its password is in the
    /// variable SSPCACHE_PASSWORD, unless the name is followed by :env:VARIABLE or :file:PATH.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Vec<String>,

    /// Adds default credentials, those of the user who is logged on: a name and a password as for `--account`. A name
    /// that both options have needs its password once.
    #[arg(long, value_name = "NAME")]
    pub(crate) logon: Vec<String>,

    /// Keeps the journals in this folder, or under names that begin with this path. Without it they are deleted.
    #[arg(long, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,

    /// Fails unless the command signed in and left nothing: no credential cached, and none held by a handle that was
    /// never freed. The same as --check=left.
    #[arg(long, group = "checks")]
    pub(crate) expect_clean: bool,

    /// Fails unless the run passes these checks, a list with commas. `left`: no credential is cached or held at the end;
    /// `leaks`: each credential handle, context and buffer was given back; `misuse`: nothing was freed twice, used after it was
    /// freed, or passed to a function that isn't for it.
    #[arg(long, value_enum, value_name = "CHECKS", value_delimiter = ',', group = "checks")]
    pub(crate) check: Vec<Check>,

    #[command(flatten)]
    pub(crate) policy: Policy,

    /// Also passes a run without any sign-in.
    #[arg(long, requires = "checks")]
    pub(crate) allow_unused: bool,

    /// Waits for processes that the command leaves running, and judges them, too. Without it a run that leaves one is incomplete.
    /// Linux only.
    #[arg(long)]
    pub(crate) wait: bool,

    /// Doesn't fail for processes that still run when the command has ended and that used no mock until then, such as a
    /// compiler's server.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) allow_running: bool,

    /// The exit status when a check fails.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ERROR_EXITCODE, requires = "checks")]
    pub(crate) error_exitcode: u8,

    #[command(flatten)]
    pub(crate) suppressing: Suppressing,

    /// Records where the command signs in: this many frames of its stack, 32 at most; 0 for none. `sspcache journal show`
    /// prints them.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FRAMES, value_parser = clap::value_parser!(u8).range(..=MOST_FRAMES))]
    pub(crate) stack: u8,

    /// Mocks nothing: passes each call of a Windows program on to the SSPs of Windows, or of Wine, and records and judges it all the same.
    /// On Windows the program has to find secur32.dll of the distribution beside it.
    #[arg(long, conflicts_with_all = ["account", "config", "forbid", "logon", "preload", "require", "trace"])]
    pub(crate) record: bool,

    /// Prints each call of the mocks' functions as it happens, one a line: to standard error, or to this file. No secret and no
    /// contents of messages are in it.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option, reason = "the option, and its value")]
    pub(crate) trace: Option<Option<PathBuf>>,

    /// Adds the tokens of handshakes to the trace, in hexadecimal.
    #[arg(long, requires = "trace")]
    pub(crate) trace_tokens: bool,

    /// Starts these servers for the time of the run, a list with commas, and adds to the verdict who signed in to them. `http`, `https` and
    /// `proxy`: their URLs are in SSPCACHE_HTTP_URL, SSPCACHE_HTTPS_URL and SSPCACHE_PROXY_URL, and the file in SSPCACHE_CA_FILE has the
    /// certificate to trust. They verify against the accounts of the run.
    #[cfg(feature = "serve")]
    #[arg(long, value_enum, value_name = "SERVERS", value_delimiter = ',', conflicts_with = "record")]
    pub(crate) serve: Vec<Server>,

    /// Which channel bindings the https server checks.
    #[cfg(feature = "serve")]
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, requires = "serve")]
    pub(crate) serve_bindings: Bindings,

    /// Preloads one mock (LD_PRELOAD, behind what is there), for programs that link to an SSPI library directly.
    #[arg(long, value_name = "MOCK", num_args = 0..=1, require_equals = true, default_missing_value = "secur32")]
    pub(crate) preload: Option<Mock>,

    /// Prepares for Windows programs that the command starts through Wine. Automatic when the command has `wine` or a
    /// `.exe` file among its words.
    #[arg(long)]
    pub(crate) wine: bool,

    /// Runs in the Wine prefix itself, with the mock in it for the time of the run, for programs that have to meet others
    /// that run there.
    #[arg(long)]
    pub(crate) prefix_as_is: bool,

    /// Writes a JUnit report to this file: one test case per program, and one each for leaks, misuse and the policy if they are checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Writes the verdict to this file instead of standard error.
    #[arg(long, value_name = "FILE")]
    pub(crate) verdict: Option<PathBuf>,

    /// The form of the verdict; json is one line.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: VerdictFormat,

    /// The command to run, and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

impl ExecArgs {
    /// What the run is checked for.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let mut checks = self.check.clone();
        if self.expect_clean && !checks.contains(&Check::Left) {
            checks.insert(0, Check::Left);
        }
        with_policy(checks, &self.policy)
    }
}

/// The checks of an option, and that of a policy if there is one.
fn with_policy(mut checks: Vec<Check>, policy: &Policy) -> Vec<Check> {
    checks.extend((!policy.is_empty()).then_some(Check::Policy));
    checks
}

/// What isn't held against a program.
#[derive(Debug, Args)]
pub(crate) struct Suppressing {
    /// Doesn't fail for what this TOML file lists: tables [[suppression]] with `kind`, `module` or `function`, and `why`.
    #[arg(long, value_name = "FILE")]
    pub(crate) suppressions: Option<PathBuf>,

    /// Adds to the verdict, for each thing that was found, an entry for such a file.
    #[arg(long)]
    pub(crate) gen_suppressions: bool,
}

/// A server that `exec` starts.
#[cfg(feature = "serve")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Server {
    /// An HTTP server that asks for a sign-in.
    Http,
    /// The same over TLS.
    Https,
    /// A proxy that asks for a sign-in.
    Proxy,
}

/// Which channel bindings a server checks.
#[cfg(feature = "serve")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Bindings {
    /// None.
    #[default]
    Off,
    /// Of a client that passes some: `tls-server-end-point`.
    IfSent,
    /// They have to be passed.
    Required,
}

#[cfg(feature = "serve")]
#[derive(Debug, Subcommand)]
pub(crate) enum ServeCommand {
    /// An HTTP server that asks for a sign-in: 401 with `WWW-Authenticate`. `/whoami` says in JSON who signed in, and how.
    Http(ServeArgs),
    /// A proxy that asks for a sign-in: 407 with `Proxy-Authenticate`. It reaches loopback addresses alone.
    Proxy(ServeArgs),
}

/// What a server offers.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The address and the port to listen at; port 0 is one that is free. Anybody who reaches it can try passwords, and read
    /// `/events`.
    #[arg(long, value_name = "ADDRESS", default_value_t = crate::serve::ADDRESS)]
    pub(crate) address: std::net::SocketAddr,

    /// Configures the mock from this TOML file: see `sspcache config example`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Adds an account to verify sign-ins against: 'DOMAIN\user' or user@realm, as for `exec`.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Vec<String>,

    /// Offers these schemes in this order, a list with commas: names of packages, and Basic. Without it, Negotiate and NTLM.
    #[arg(long, value_name = "SCHEMES", value_delimiter = ',')]
    pub(crate) scheme: Vec<String>,

    /// What a sign-in counts for.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) counts_for: Counts,

    /// Does something wrong on purpose, for requests of any path: the name of a fault, and perhaps how often, such as
    /// close-after-challenge:1. A client asks for a fault itself with the path /fault/NAME.
    #[arg(long, value_name = "NAME", value_parser = crate::serve::fault)]
    pub(crate) fault: Vec<(sspcache_serve::Fault, Option<u32>)>,

    /// Speaks TLS, and writes the certificate to trust to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls: Option<PathBuf>,

    /// Which channel bindings are checked.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, requires = "tls")]
    pub(crate) bindings: Bindings,

    /// Prints each event, a JSON document a line.
    #[arg(long)]
    pub(crate) events: bool,
}

/// What a sign-in counts for.
#[cfg(feature = "serve")]
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Counts {
    /// By Kerberos for its request, by any other package for the connection: as IIS has it.
    #[default]
    ByPackage,
    /// For the connection.
    Connection,
    /// For its request.
    Request,
}

const EXEC_EXAMPLES: &str = "\
Examples:
  sspcache exec --expect-clean -- ./client --sign-in --sign-out
  sspcache exec --expect-clean --junit report.xml -- python3 client.py
  sspcache exec --expect-clean -- wine client.exe
  sspcache exec --check=left,leaks,misuse -- ./client
  sspcache exec --record --check=left,leaks,misuse --journal recording/ -- wine client.exe
  sspcache exec --forbid ntlm --require mutual,spn -- ./client
  sspcache exec --trace=calls.txt --preload -- ./client
  sspcache exec --account 'CONTOSO\\alice:env:ALICE_PASSWORD' --logon 'CONTOSO\\alice' -- ./client

`sspcache config example` prints a configuration with every key, `sspcache config keys` lists them.";

/// One of the mock DLLs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Mock {
    Msapsspc,
    Msnsspc,
    Secur32,
}

impl Mock {
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Msapsspc => "MSAPSSPC.dll",
            Self::Msnsspc => "MSNSSPC.dll",
            Self::Secur32 => "secur32.dll",
        }
    }
}

/// Lists the caches of signed-in users that a command can reach, and what is in them: names, never secrets.
///
/// These are Kerberos tickets, of the logon session on Windows and in ccaches elsewhere, and entries of the Credential Manager.
/// Nothing is changed. Exit status: 1 when a cache that is named can't be looked at.
#[derive(Debug, Args)]
#[command(after_long_help = CACHE_NAMES)]
pub(crate) struct CachesArgs {
    /// The caches to look at. Without any: Kerberos tickets, and all ccaches of the user's collection.
    #[arg(value_name = "NAME", value_parser = Reachable::parse)]
    pub(crate) names: Vec<Reachable>,

    /// The form of the result.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// Empties caches of the logon session and of the user: Kerberos tickets, ccaches, entries of the Credential Manager.
///
/// Lists what is in them, and asks before it empties them, which signs the user's other programs out as well. A cache that isn't
/// there is a success. Exit status: 1 when a cache was not emptied, also because the answer was no; 2 when a name is
/// wrong or its cache can't be reached by a command, or when there is no terminal to ask on and no --yes; 125 when the result can't be
/// written.
#[derive(Debug, Args)]
#[command(after_long_help = CACHE_NAMES)]
pub(crate) struct FlushArgs {
    /// The caches to empty.
    #[arg(required = true, value_name = "NAME", value_parser = Reachable::parse)]
    pub(crate) names: Vec<Reachable>,

    /// Doesn't ask.
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Lists what would be emptied, and empties nothing.
    #[arg(long, short = 'n', conflicts_with = "yes")]
    pub(crate) dry_run: bool,

    /// The form of the result.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

const CACHE_NAMES: &str = "\
Names:
  kerberos              the tickets of the logon session, which Windows has (klist purge)
  ccache                the default ccache of MIT krb5 or Heimdal (kdestroy)
  ccache:TYPE:NAME      the ccache of this name, such as ccache:FILE:/tmp/krb5cc_1000
  ccache:*              each ccache of the user's collection (kdestroy -A)
  credentials:TARGET    the entry of the Credential Manager for this target
  credentials:PREFIX*   each entry whose target begins so, such as credentials:MyApp/*

What SSPs, WinINet, Schannel and MEMORY: ccaches keep is in the memory of the program that uses them, which no command can reach.";

/// Reports what DLLs export, and whether callers can find CleanupCredentialCache in them; and of a Windows program whether it takes a
/// secur32.dll that lies beside it.
///
/// Reads PE, ELF and Mach-O files of any machine. Exit status: 1 when a file can't be read, when the documented
/// sequence (GetModuleHandle, GetProcAddress("CleanupCredentialCache"), call) would not find the function in a DLL, or when a
/// Windows program takes secur32.dll from system32 alone or doesn't name it.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The files to read.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Lists every export, not only the functions of an SSP.
    #[arg(long)]
    pub(crate) all: bool,

    /// The form of the result.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// Prints a timeline of the events, with the number of cached credentials at each.
    Show {
        /// A journal file, a folder of journals, or the beginning of their names.
        #[arg(value_name = "PATH")]
        journal: PathBuf,

        /// Prints every event, and all frames of the stacks that `exec --stack` recorded; without it, repeated events
        /// share a row.
        #[arg(long)]
        all: bool,

        /// Prints the calls instead, as `exec --trace` does: those of a run that was traced.
        #[arg(long, conflicts_with_all = ["all", "format"])]
        calls: bool,

        /// The form of the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    Check(CheckArgs),
    /// Compares what `exec --record` recorded with what the mock does, call by call, and prints where they differ.
    ///
    /// Each step of a handshake is made again in the mock, with the same package, target and flags, where both ends were in the
    /// recorded process. Compared are statuses, the flags that were granted, the sizes that are announced, and of tokens whether there is
    /// one, its size, and its first bytes. Exit status: 1 when something differs, or nothing could be compared.
    Compare {
        /// A journal of `exec --record`, or a folder of journals.
        #[arg(value_name = "RECORDING")]
        recording: PathBuf,

        /// The form of the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Prints the verdict that `exec --check` would print, and returns its exit status.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("checks").multiple(true))]
pub(crate) struct CheckArgs {
    /// A journal file, a folder of journals, or the beginning of their names.
    #[arg(value_name = "PATH")]
    pub(crate) journal: PathBuf,

    /// Fails unless the run passes these checks, a list with commas: see `exec`. Without any, and without a policy, `left`.
    #[arg(long, value_enum, value_name = "CHECKS", value_delimiter = ',')]
    pub(crate) check: Vec<Check>,

    #[command(flatten)]
    pub(crate) policy: Policy,

    /// Also passes a run without any sign-in.
    #[arg(long)]
    pub(crate) allow_unused: bool,

    /// The exit status when a check fails.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_ERROR_EXITCODE)]
    pub(crate) error_exitcode: u8,

    #[command(flatten)]
    pub(crate) suppressing: Suppressing,

    /// Writes a JUnit report to this file: one test case per program, and one each for leaks, misuse and the policy if they are checked.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// The form of the verdict.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: VerdictFormat,
}

impl CheckArgs {
    /// What the journals are checked for.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let checks = with_policy(self.check.clone(), &self.policy);
        if checks.is_empty() { vec![Check::Left] } else { checks }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Reports whether these files are valid; if not, where the mistake is and what is allowed there. Never prints
    /// their content.
    Check {
        /// The TOML files to check.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,

        /// The form of the result.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Prints a configuration with every key, and comments that say what it does.
    Example,
    /// Lists every key: what it means, and what is allowed there.
    Keys {
        /// The form of the result.
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
