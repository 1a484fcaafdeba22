//! `exec --trace`: prints calls as they happen.
//!
//! The mocks write calls to their journals, one file for each process, since several writers of one file lose lines under Wine. Here those
//! files are followed, so that a trace has whole lines, whatever a process is.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use sspcache_engine::{Event, journal};

use super::ExecError;
use crate::{cli::ExecArgs, trace::Trace};

/// How long a line may take from the call to its print.
const INTERVAL: Duration = Duration::from_millis(20);

/// What the mocks are asked to record of calls, by the value of their variable.
pub(super) fn wanted(args: &ExecArgs) -> &'static str {
    match (&args.trace, args.trace_tokens) {
        (None, _) => "off",
        (Some(_), false) => "calls",
        (Some(_), true) => "tokens",
    }
}

/// Where the lines go.
pub(super) struct Sink {
    /// Without one, to standard error.
    file: Option<(PathBuf, File)>,
}

impl Sink {
    /// # Errors
    /// When the file can't be written to, also for want of room.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, ExecError> {
        let Some(path) = path else { return Ok(Self { file: None }) };
        let file = File::create(path).and_then(|mut file| {
            let version = env!("CARGO_PKG_VERSION");
            writeln!(file, "# sspcache {version}: time program[process/thread] call = result at place")?;
            Ok(file)
        });
        let file = file.map_err(|source| ExecError::Write { path: path.to_owned(), source })?;
        Ok(Self { file: Some((path.to_owned(), file)) })
    }

    /// Writes a line with one call to the operating system, so that it stays whole beside what the command writes.
    fn write(&mut self, line: &str) -> Result<(), ExecError> {
        let line = line.to_owned() + "\n";
        match &mut self.file {
            Some((path, file)) => file
                .write_all(line.as_bytes())
                .map_err(|source| ExecError::Write { path: path.clone(), source }),
            None => Ok(io::stderr().write_all(line.as_bytes())?),
        }
    }
}

/// The journals of a run, followed in a thread.
pub(super) struct Following {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<Result<(), ExecError>>,
}

impl Following {
    /// Follows the journals that the target names, except those that were there before.
    pub(super) fn start(target: &Path, before: Vec<PathBuf>, sink: Sink) -> Self {
        let (stop, stopped) = mpsc::channel();
        let mut follower = Follower {
            target: target.to_owned(),
            before,
            sink,
            journals: BTreeMap::new(),
            trace: Trace::new(),
        };
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                follower.print_new()?;
            }
            follower.print_new()
        });
        Self { stop, thread }
    }

    /// Prints what is there still.
    ///
    /// # Errors
    /// When a line couldn't be printed.
    pub(super) fn end(self) -> Result<(), ExecError> {
        // Where it has stopped by itself, it says why.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Follower {
    target: PathBuf,
    before: Vec<PathBuf>,
    sink: Sink,
    journals: BTreeMap<PathBuf, Followed>,
    trace: Trace<PathBuf>,
}

/// A journal, and how much of it was read.
struct Followed {
    file: File,
    /// The beginning of a line.
    rest: Vec<u8>,
}

impl Follower {
    /// Prints the calls since the last time, of all processes in their order.
    fn print_new(&mut self) -> Result<(), ExecError> {
        let mut events = Vec::new();
        for path in journal::find(&self.target)? {
            if self.before.contains(&path) {
                continue;
            }
            if !self.journals.contains_key(&path) {
                // What can't be read is the verdict's to report.
                let Ok(file) = File::open(&path) else { continue };
                let followed = Followed { file, rest: Vec::new() };
                self.journals.insert(path.clone(), followed);
            }
            let Some(followed) = self.journals.get_mut(&path) else { continue };
            events.push((path, followed.new_events()));
        }
        self.trace.print(events, |line| self.sink.write(line))
    }
}

impl Followed {
    /// The events of the lines that are whole. One that a full disk cut is left out: the next event shows that it is missing.
    fn new_events(&mut self) -> Vec<Event> {
        // What was read before an error is kept.
        let _ = self.file.read_to_end(&mut self.rest);
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else { return Vec::new() };
        let rest = self.rest.split_off(end + 1);
        let lines = std::mem::replace(&mut self.rest, rest);
        lines.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
