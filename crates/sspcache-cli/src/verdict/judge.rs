//! Makes the verdict from journals.

use std::{collections::BTreeMap, time::Duration};

use sspcache_engine::{
    Ending, Event, EventKind, FileTime, Operation, Source,
    journal::{Journal, JournalError},
};

use super::{Credential, End, LeftWhen, Moment, Outcome, Process, Verdict};

/// Judges a run by its journals, including those that can't be read.
pub(crate) fn judge(journals: &[Journal], unreadable: &[JournalError]) -> Verdict {
    let mut journals: Vec<&Journal> = journals.iter().collect();
    // Sorted by time, so that processes come in the order in which they first used a mock.
    journals.sort_by_key(|journal| journal.events.first().map(|event| event.time));
    let start = journals.iter().find_map(|journal| journal.events.first()).map(|event| event.time);
    let start = start.unwrap_or_default();

    let mut processes: Vec<Process> = Vec::new();
    let mut gaps: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    for journal in journals {
        let Some(EventKind::Started { module, version, pid, program, forked, .. }) = journal.started() else {
            gaps.push(format!("{} doesn't begin with the event that an SSP started", journal.path.display()));
            continue;
        };
        let known = processes.iter().position(|process| (process.pid, &process.program) == (*pid, program));
        let process = match known {
            Some(index) => &mut processes[index],
            None => processes.push_mut(Process {
                pid: *pid,
                program: program.clone(),
                forked: *forked,
                modules: [].into(),
                credentials: Vec::new(),
                left: 0,
                retained: 0,
                failed_flushes: 0,
                gaps: Vec::new(),
            }),
        };
        Replay::new(module, start).run(journal, process);
        if !is_understood(version) {
            process.gaps.push(format!(
                "a mock of version {version} wrote {}, but this program reads journals of version {}: take both \
                 from one distribution",
                journal.path.display(),
                env!("CARGO_PKG_VERSION"),
            ));
        }
    }
    conclude(processes, gaps)
}

fn conclude(processes: Vec<Process>, gaps: Vec<String>) -> Verdict {
    let cached = processes.iter().map(|process| process.credentials.len()).sum();
    let left = processes.iter().map(|process| process.left).sum();
    let retained = processes.iter().map(|process| u64::from(process.retained)).sum();
    let outcome = if left > 0 {
        Outcome::Left
    } else if !gaps.is_empty() || processes.iter().any(|process| !process.gaps.is_empty()) {
        Outcome::Incomplete
    } else if cached == 0 {
        Outcome::NotExercised
    } else {
        Outcome::Clean
    };
    Verdict { outcome, cached, left, retained, processes, gaps }
}

/// One journal, event by event.
struct Replay<'journal> {
    module: &'journal str,
    start: FileTime,
    /// The cached credentials, with their places in the process's list.
    cached: BTreeMap<u64, usize>,
    /// Whether an event's count differs from the sum of the events before it.
    miscounted: bool,
}

impl<'journal> Replay<'journal> {
    fn new(module: &'journal str, start: FileTime) -> Self {
        Self { module, start, cached: BTreeMap::new(), miscounted: false }
    }

    fn run(mut self, journal: &Journal, process: &mut Process) {
        process.modules.insert(self.module.to_owned());
        let mut retained = 0;
        let mut ended = false;
        let mut lost = 0;
        for event in &journal.events {
            self.step(event, process);
            match event.kind {
                // Ending wiped the copies; the verdict counts those that were there before.
                EventKind::Ended { lost: missing, .. } => (ended, lost) = (true, missing),
                _ => retained = event.retained,
            }
            self.miscounted |= usize::try_from(event.after) != Ok(self.cached.len());
        }
        if !ended {
            self.leave(LeftWhen::NoEnd, process);
        }
        process.retained = process.retained.saturating_add(retained);
        let path = journal.path.display();
        if journal.cut {
            process.gaps.push(format!("{path} ends in the middle of an event"));
        }
        if lost > 0 {
            process.gaps.push(format!("the mock could not write {lost} of the events of {path}"));
        } else if journal.incomplete || self.miscounted {
            process.gaps.push(format!("events are missing from {path}"));
        }
    }

    fn step(&mut self, event: &Event, process: &mut Process) {
        let moment = self.moment(event);
        match &event.kind {
            EventKind::Acquired { credential: Some(credential), source: Source::Cache, .. }
            | EventKind::CredentialsAdded { credential: Some(credential), source: Source::Cache, .. } => {
                if let Some(&index) = self.cached.get(credential) {
                    process.credentials[index].silent_sign_ins += 1;
                }
            }
            EventKind::Cached { credential, package, principal, source, .. } => {
                self.cached.insert(*credential, process.credentials.len());
                process.credentials.push(Credential {
                    module: self.module.to_owned(),
                    package: package.clone(),
                    principal: principal.clone(),
                    source: *source,
                    cached: moment,
                    silent_sign_ins: 0,
                    // Until a later event ends it.
                    end: End::Left { when: LeftWhen::NoEnd },
                });
            }
            EventKind::Ended { how, .. } => self.leave(left_when(*how), process),
            EventKind::Evicted { credential } => self.end(*credential, End::Evicted(moment), process),
            EventKind::Expired { credential } => self.end(*credential, End::Expired(moment), process),
            EventKind::Faulted { operation: Operation::CleanupCredentialCache, .. } => {
                process.failed_flushes += 1;
            }
            EventKind::Flushed => {
                for index in std::mem::take(&mut self.cached).into_values() {
                    process.credentials[index].end = End::Flushed(moment);
                }
            }
            EventKind::Replaced { credential, .. } => self.end(*credential, End::Replaced(moment), process),
            _ => {}
        }
    }

    fn end(&mut self, credential: u64, end: End, process: &mut Process) {
        if let Some(index) = self.cached.remove(&credential) {
            process.credentials[index].end = end;
        }
    }

    fn leave(&mut self, when: LeftWhen, process: &mut Process) {
        process.left += self.cached.len();
        for index in std::mem::take(&mut self.cached).into_values() {
            process.credentials[index].end = End::Left { when };
        }
    }

    fn moment(&self, event: &Event) -> Moment {
        Moment { event: event.seq, at: since(self.start, event.time) }
    }
}

/// Whether journals of this version can be judged: other versions may have events that this one misreads or lacks.
/// Versions that differ only in their last number are compatible, by cargo's rule.
fn is_understood(version: &str) -> bool {
    let compatible = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    compatible(version) == compatible(env!("CARGO_PKG_VERSION"))
}

/// Time between two moments; zero when the clock was set back between them.
fn since(start: FileTime, time: FileTime) -> Duration {
    time.since_unix_epoch().saturating_sub(start.since_unix_epoch())
}

fn left_when(how: Ending) -> LeftWhen {
    match how {
        Ending::Dropped => LeftWhen::Dropped,
        Ending::Exit => LeftWhen::Exit,
        _ => LeftWhen::Unloaded,
    }
}
