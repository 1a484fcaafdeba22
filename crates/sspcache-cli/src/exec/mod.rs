//! `sspcache exec`: runs a command against the mock SSPs and judges what it left.
//!
//! | file | what it does |
//! | --- | --- |
//! | `accounts` | adds the accounts of the command line to the configuration |
//! | `find` | finds the mock DLLs |
//! | `carried` | puts those that the program carries into a folder |
//! | `names` | makes links to them, under each name that programs ask for |
//! | `environment` | sets the variables through which the command finds them |
//! | `wine` | handles commands that are Windows programs: gives them a prefix in which secur32.dll is the mock |
//! | `run` | starts the command, and waits |
//! | `descendants` | knows and waits for what the command leaves running |
//! | `signals` | passes signals on to the command |
//! | `tracing` | prints the calls while the command runs |
//! | `unseen` | says why no process used a mock, as far as that can be seen |

mod accounts;
mod carried;
mod descendants;
mod environment;
mod find;
mod names;
mod run;
mod signals;
mod tracing;
mod unseen;
#[cfg(unix)]
mod wine;
#[cfg(not(unix))]
#[path = "no_wine.rs"]
mod wine;

use std::{
    ffi::OsStr,
    fs, io,
    path::{self, Path, PathBuf},
};

use sspcache_engine::{
    Config, ConfigError,
    journal::{self, JournalError},
};
use tempfile::TempDir;

use self::{
    accounts::Table,
    descendants::Descendants,
    environment::Environment,
    find::Mocks,
    names::Names,
    signals::Signals,
    tracing::{Following, Sink},
    wine::Wine,
};
pub(crate) use self::{
    accounts::{Accounts, Configuration},
    descendants::Running,
};
#[cfg(feature = "serve")]
use crate::serve::{ServeFailure, Servers};
use crate::{
    cli::{ExecArgs, VerdictFormat},
    inspect::Format,
    journal::Journals,
    output::{Stream, message, terminal_width},
    verdict::{Outcome, Report, Suppressions, SuppressionsError, Verdict},
};

/// Runs the command of `sspcache exec` and returns the exit status.
pub(crate) fn exec(args: &ExecArgs) -> u8 {
    match try_exec(args) {
        Ok(status) => status,
        Err(error) => {
            message(&error);
            error.status()
        }
    }
}

fn try_exec(args: &ExecArgs) -> Result<u8, ExecError> {
    if args.wait && !cfg!(target_os = "linux") {
        return Err(ExecError::NoWaiting);
    }
    let mocks = Mocks::find()?;
    let wine = Wine::of(args);
    if let Some(wine) = &wine {
        wine.check(&mocks)?;
    }
    if args.record && cfg!(unix) {
        check_recordable(wine.as_ref(), &mocks)?;
    }
    let config = args.config.as_deref().map(check_config).transpose()?;
    let suppressions = Suppressions::of(args.suppressing.suppressions.as_deref())?;
    let accounts = Accounts::new(&args.account, &args.logon)?;
    let trace = args.trace.as_ref().map(|file| Sink::open(file.as_deref())).transpose()?;
    // From here on Ctrl-C ends the command and not this process, which has to clean up after it.
    let mut signals = Signals::watch().map_err(ExecError::Signals)?;
    let mut target = JournalTarget::open(args.journal.as_deref())?;
    let config = accounts.configure(config.as_deref(), &args.policy.forbid)?;
    // Until the command has ended.
    let names = Names::link(&mocks)?;
    let session = match &wine {
        Some(wine) => wine.begin(&mocks, args.prefix_as_is, &mut signals)?,
        None => None,
    };
    // Until their part of the verdict is known.
    #[cfg(feature = "serve")]
    let servers = Servers::start(&args.serve, args.serve_bindings, config.as_ref().map(Configuration::path))?;
    #[allow(unused_mut, reason = "without the feature `serve` nothing is added")]
    let mut environment = Environment::new(
        &mocks,
        &names,
        wine.as_ref(),
        session.as_ref(),
        &target.path,
        config.as_ref().map(Configuration::path),
        args.stack,
        tracing::wanted(args),
        args.preload,
        args.record,
    )?;
    #[cfg(feature = "serve")]
    environment.add(servers.variables());
    // Until the processes that the command started have ended, or are given up.
    let announced = environment.announce(session.as_ref())?;
    let descendants = Descendants::adopt();
    let following = trace.map(|sink| Following::start(&target.path, target.before.clone(), sink));
    let ended = run::run(&args.command, &environment, &mut signals);
    if let Some(session) = session {
        session.end(&mut signals)?;
    }
    let mut status = ended?;
    let running = descendants.settle(args.wait, &mut signals);
    drop(announced);
    following.map(Following::end).transpose()?;
    if let Some(interrupted) = signals.interrupted().filter(|_| status == 0 && args.wait) {
        status = interrupted;
    }

    let mut verdict = Journals::of_run(&target.path, &target.before)?.judge(suppressions, &args.policy);
    verdict.note_running(running, args.allow_running);
    #[cfg(feature = "serve")]
    {
        verdict.served = servers.served();
        drop(servers);
    }
    if !verdict.running.is_empty() {
        target.keep(&mut verdict);
    }
    if verdict.outcome == Outcome::NotExercised && verdict.processes.is_empty() {
        verdict.hints = unseen::reasons(&args.command, &mocks);
    }
    let report = Report {
        verdict: &verdict,
        checks: &args.checks(),
        allow_unused: args.allow_unused,
        generates: args.suppressing.gen_suppressions,
    };
    write(args, &report)?;
    Ok(if status == 0 && !report.holds() { args.error_exitcode } else { status })
}

/// Checks that there is something to record: calls that go through the `secur32.dll` of Wine.
fn check_recordable(wine: Option<&Wine>, mocks: &Mocks) -> Result<(), ExecError> {
    let Some(wine) = wine else { return Err(ExecError::NothingToRecord) };
    if wine.is_32_bit() {
        return Err(ExecError::NotRecorded);
    }
    if mocks.has_windows() {
        Ok(())
    } else {
        Err(ExecError::NoWindowsMocks { folder: mocks.windows.clone() })
    }
}

/// Checks a configuration as the mock DLLs will, to report a mistake before the command starts.
fn check_config(path: &Path) -> Result<PathBuf, ExecError> {
    Config::read(path)?
        .check_for_dll()
        .map_err(|source| ExecError::EmulationOnly { path: path.to_owned(), source: source.into() })?;
    absolute(path)
}

fn absolute(path: &Path) -> Result<PathBuf, ExecError> {
    path::absolute(path).map_err(|source| ExecError::Path { path: path.to_owned(), source })
}

fn write(args: &ExecArgs, report: &Report<'_>) -> Result<(), ExecError> {
    let width = if args.verdict.is_none() { terminal_width(Stream::Stderr) } else { None };
    let text = match args.format {
        VerdictFormat::Github => {
            report.append_summary().map_err(|(path, source)| ExecError::Write { path, source })?;
            report.github()
        }
        // One line, so that a reader can separate it from the command's own standard error.
        VerdictFormat::Json => serde_json::to_string(&report.document()).map_err(io::Error::from)? + "\n",
        VerdictFormat::Text => report.text(width),
    };
    match &args.verdict {
        None => io::Write::write_all(&mut anstream::stderr(), text.as_bytes())?,
        Some(path) => {
            let plain = anstream::adapter::strip_str(&text).to_string();
            fs::write(path, plain).map_err(|source| ExecError::Write { path: path.clone(), source })?;
        }
    }
    if let Some(path) = &args.junit {
        report.write_junit(path).map_err(|source| ExecError::Write { path: path.clone(), source })?;
    }
    Ok(())
}

/// The place for the journals.
struct JournalTarget {
    path: PathBuf,
    /// Journals of earlier runs in the same place.
    before: Vec<PathBuf>,
    /// Deletes the journals at the end, unless `--journal` keeps them.
    temporary: Option<TempDir>,
}

impl JournalTarget {
    fn open(wanted: Option<&Path>) -> Result<Self, ExecError> {
        let Some(wanted) = wanted else {
            let folder = tempfile::Builder::new().prefix("sspcache-journal-").tempdir()?;
            // As a folder's name: where it is gone, a mock of a process that still runs may not take it for the beginning of a
            // file's name, and write its journal beside it.
            let path = folder.path().join("");
            return Ok(Self { path, before: Vec::new(), temporary: Some(folder) });
        };
        let is_folder =
            wanted.as_os_str().as_encoded_bytes().last().is_some_and(|&last| path::is_separator(last.into()));
        let path = absolute(wanted)?;
        let create = if is_folder { Some(path.as_path()) } else { path.parent() };
        if let Some(folder) = create {
            fs::create_dir_all(folder)
                .map_err(|source| ExecError::Write { path: folder.to_owned(), source })?;
        }
        // Mocks that can't write their journals would fail the command, each by itself.
        let folder = if path.is_dir() { &path } else { path.parent().unwrap_or(&path) };
        tempfile::tempfile_in(folder)
            .and_then(|mut file| io::Write::write_all(&mut file, b"\n"))
            .map_err(|source| ExecError::Write { path: folder.to_owned(), source })?;
        let before = journal::find(&path)?;
        Ok(Self { path, before, temporary: None })
    }

    /// Keeps the journals of processes that still write to them, and says where they are.
    fn keep(&mut self, verdict: &mut Verdict) {
        if let Some(folder) = self.temporary.take() {
            verdict.journals_kept_in = Some(folder.keep());
        }
    }
}

/// Why `exec` fails, other than by the command or the verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(not(unix), allow(dead_code, reason = "Wine runs on Unix"))]
pub(crate) enum ExecError {
    #[error(
        "{}: can't add what the command line says: {source}. Write `account`, `logon` and `forbid` as [[account]], \
         [[logon]] and [[forbid]], not as lists in one line",
        path.display()
    )]
    CannotAdd { path: PathBuf, source: Box<ConfigError> },
    #[error("can't run {command}: {source}")]
    CannotRun { command: String, source: io::Error },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{}: {source}", path.display())]
    EmulationOnly { path: PathBuf, source: Box<ConfigError> },
    #[error(
        "{} is {}. Wine searches this folder before the one with the mock DLLs for Windows, and fails with error 193 \
         when the file is not a Windows DLL: move it to another folder",
        path.display(),
        found.map_or_else(|| "not a DLL".to_owned(), |format| format!("{} {format} file", format.article()))
    )]
    InTheWayOfWine { path: PathBuf, found: Option<Format> },
    #[error("{}", find::not_found(folder, *from_variable))]
    NoMocks { folder: PathBuf, from_variable: bool },
    #[error(
        "the command is Wine, but the mock DLLs for Windows are not in {}. {}",
        folder.display(),
        find::HOW_TO_GET_THEM
    )]
    NoWindowsMocks { folder: PathBuf },
    #[error("{option} is a user's name, such as 'CONTOSO\\alice' or alice@contoso.com")]
    NoName { option: Table },
    #[error(
        "{option} {name}: there is no password: {reason}. Set SSPCACHE_PASSWORD, or write {name}:env:VARIABLE or \
         {name}:file:PATH"
    )]
    NoPassword { option: Table, name: String, reason: String },
    #[error("Wine can't make a prefix in {}: {reason}", prefix.display())]
    NoPrefix { prefix: PathBuf, reason: String },
    #[error(
        "--record passes calls on to the SSPs of Windows or Wine, and the command is no Windows program: name `wine` or a .exe file in it, \
         or add --wine if it starts one out of sight"
    )]
    NothingToRecord,
    #[error("--record records 64-bit programs alone, and the command is a 32-bit program")]
    NotRecorded,
    #[error("{command}: no such command")]
    NotFound { command: String },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Output(#[from] io::Error),
    #[error("{}: {source}", path.display())]
    Path { path: PathBuf, source: io::Error },
    #[error(
        "{option} {name}: behind the name can stand env:VARIABLE or file:PATH, and no password: other users of the \
         machine can read command lines, and logs keep them"
    )]
    PasswordOnCommandLine { option: Table, name: String },
    #[error("can't add {} to {variable}: the path contains a separator of that list", folder.display())]
    PathList { variable: &'static str, folder: PathBuf },
    #[error("can't run the command in a Wine prefix made of {}: {source}", prefix.display())]
    Prefix { prefix: PathBuf, source: io::Error },
    #[error("--wait needs Linux: other systems don't show what a command leaves running")]
    NoWaiting,
    #[cfg(feature = "serve")]
    #[error(transparent)]
    Serve(Box<ServeFailure>),
    #[error("can't watch for signals: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Suppressions(#[from] SuppressionsError),
    #[error("can't write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{} is {} {found} file, and this system loads {wanted} files: does SSPCACHE_HOME name the folder of a \
         release for another platform?",
        path.display(),
        found.article()
    )]
    WrongFormat { path: PathBuf, found: Format, wanted: Format },
}

#[cfg(feature = "serve")]
impl From<ServeFailure> for ExecError {
    fn from(error: ServeFailure) -> Self {
        Self::Serve(Box::new(error))
    }
}

impl ExecError {
    #[cfg(unix)]
    #[allow(clippy::needless_pass_by_value, reason = "takes errors and texts")]
    fn no_prefix(prefix: &Path, reason: impl ToString) -> Self {
        Self::NoPrefix { prefix: prefix.to_owned(), reason: reason.to_string() }
    }

    fn status(&self) -> u8 {
        match self {
            Self::CannotRun { .. } => 126,
            Self::NotFound { .. } => 127,
            _ => 125,
        }
    }
}

/// A command's name for a message.
fn shown(command: &OsStr) -> String {
    command.to_string_lossy().into_owned()
}
