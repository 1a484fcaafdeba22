//! The verdict on a run: who signed in, when, what ended each credential, and which were left.
//!
//! The judge reads journals and nothing else, so `journal check` repeats what `exec` said. It follows clauses M10 and Q1:
//! what is cached is left unless `CleanupCredentialCache` or expiry ended it, what a handle holds is left unless the
//! handle was freed. What was wiped by unloading or by the end of the process counts as left. A process without an end
//! event is judged by what was still there.

mod advice;
mod finding;
mod finding_text;
mod github;
mod judge;
mod junit;
mod leaks;
mod leaks_text;
mod misuse;
mod misuse_text;
mod policy;
mod policy_rule;
mod policy_text;
mod replay;
mod report;
mod rule;
mod suppressions;
mod text;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};
use sspcache_engine::{FileTime, SecurityStatus, Source};

use self::{
    finding::Finding,
    leaks::{ByKind, Totals},
    policy::{PolicyOutcome, PolicyVerdict},
};
pub(crate) use self::{
    judge::judge,
    report::Report,
    suppressions::{Suppressions, SuppressionsError},
};
use crate::{cli::Check, exec::Running, places::Place};

/// The result of judging the journals of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// When the first event was.
    #[serde(skip)]
    pub(crate) began: Option<FileTime>,
    /// The time from the first event to the last one.
    #[serde(skip)]
    pub(crate) lasted: Duration,
    /// Credentials that were cached, in all processes.
    pub(crate) cached: usize,
    /// Credentials that handles alone held, in all processes.
    pub(crate) held: usize,
    /// Those of both that were left.
    pub(crate) left: usize,
    /// Those that a suppression keeps from being left.
    pub(crate) suppressed: usize,
    /// Sign-ins with the default credentials of the logon session, which are never left.
    pub(crate) default_sign_ins: usize,
    /// Copies that live handles still kept at the end (clause M4).
    pub(crate) retained: u64,
    pub(crate) processes: Vec<Process>,
    /// Which parts of the journals are missing, in words.
    pub(crate) gaps: Vec<String>,
    /// Processes that still run, and may do so.
    #[serde(rename = "running_allowed")]
    pub(crate) idle: Vec<Running>,
    /// Processes that still run, as far as they are known.
    pub(crate) running: Vec<Running>,
    /// The folder of journals that would have been deleted if no process wrote to them any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) journals_kept_in: Option<PathBuf>,
    /// Why no sign-in was seen, in words: as far as it is known.
    pub(crate) hints: Vec<String>,
    /// What came of what was given out.
    pub(crate) leaks: Leaks,
    /// What came of the calls that were refused.
    pub(crate) misuse: Misuse,
    /// What came of the policy, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<PolicyVerdict>,
    /// Who signed in to the servers of the run, if it had any.
    #[cfg(feature = "serve")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) served: Option<crate::serve::Served>,
    /// What was found, most important first.
    pub(crate) findings: Vec<Finding>,
    /// The suppressions of the user's file that were for nothing.
    pub(crate) unused_suppressions: Vec<String>,
}

impl Verdict {
    /// Whether a check passes.
    pub(crate) fn holds(&self, check: Check, allow_unused: bool) -> bool {
        match check {
            Check::Left => {
                self.outcome == Outcome::Clean || (allow_unused && self.outcome == Outcome::NotExercised)
            }
            Check::Leaks => {
                self.leaks.outcome == LeaksOutcome::Clean
                    || (allow_unused && self.leaks.outcome == LeaksOutcome::NotExercised)
            }
            Check::Misuse => {
                self.misuse.outcome == MisuseOutcome::Clean
                    || (allow_unused && self.misuse.outcome == MisuseOutcome::NotExercised)
            }
            Check::Policy => self.policy.as_ref().is_none_or(|policy| {
                policy.outcome == PolicyOutcome::Kept
                    || (allow_unused && policy.outcome == PolicyOutcome::NotExercised)
            }),
        }
    }

    /// Adds what the command left running. Nothing is clean then (clause Q6); but a process that used no mock is only named where
    /// that is allowed.
    pub(crate) fn note_running(&mut self, running: Vec<Running>, allows_unused: bool) {
        for running in running {
            if self.running.contains(&running) {
                continue;
            }
            let is_it =
                |process: &&mut Process| (process.pid, &process.program) == (running.pid, &running.program);
            match self.processes.iter_mut().find(is_it) {
                // Its mock has ended. It may load one again.
                Some(process) => process.gaps.push(still_runs(&process.name())),
                None if allows_unused => {
                    self.idle.push(running);
                    continue;
                }
                None => {
                    self.gaps
                        .push(format!("{}, and has used no mock until now", still_runs(&running.name())));
                }
            }
            self.running.push(running);
            if matches!(self.outcome, Outcome::Clean | Outcome::NotExercised) {
                self.outcome = Outcome::Incomplete;
                self.hints.clear();
            }
            if matches!(self.leaks.outcome, LeaksOutcome::Clean | LeaksOutcome::NotExercised) {
                self.leaks.outcome = LeaksOutcome::Incomplete;
            }
            if matches!(self.misuse.outcome, MisuseOutcome::Clean | MisuseOutcome::NotExercised) {
                self.misuse.outcome = MisuseOutcome::Incomplete;
            }
        }
    }

    /// Suppressions for what these checks found, in the form of a file, to be completed with reasons.
    pub(crate) fn generated_suppressions(&self, checks: &[Check]) -> String {
        let mut entries: Vec<String> = Vec::new();
        if checks.contains(&Check::Left) {
            for process in &self.processes {
                let left = process
                    .credentials
                    .iter()
                    .filter(|credential| matches!(credential.end, End::Left { .. }));
                entries.extend(left.map(|credential| suppressions::generated_for_left(process, credential)));
            }
        }
        if checks.contains(&Check::Leaks) {
            let leaked = self.findings.iter().filter(|finding| finding.is_leaked());
            entries.extend(leaked.map(suppressions::generated));
        }
        if checks.contains(&Check::Misuse) {
            let misused = self.findings.iter().filter(|finding| finding.is_misused());
            entries.extend(misused.map(suppressions::generated));
        }
        if checks.contains(&Check::Policy) {
            let against = self.findings.iter().filter(|finding| finding.is_against_policy());
            entries.extend(against.map(suppressions::generated));
        }
        // Those that differ in whom they name suppress the same.
        let mut known = BTreeSet::new();
        entries.retain(|entry| {
            let (what, _) = entry.split_once("why = ").unwrap_or((entry, ""));
            known.insert(what.to_owned())
        });
        entries.join("\n")
    }
}

/// What is said of a process that has not ended.
fn still_runs(name: &str) -> String {
    format!("{name} still runs")
}

/// What came of what an SSP gave out.
#[derive(Debug, Serialize)]
pub(crate) struct Leaks {
    pub(crate) outcome: LeaksOutcome,
    #[serde(flatten)]
    pub(crate) all: Totals,
    /// The same for each kind.
    pub(crate) kinds: ByKind,
}

/// What came of the calls that an SSP refused.
#[derive(Debug, Serialize)]
pub(crate) struct Misuse {
    pub(crate) outcome: MisuseOutcome,
    /// Calls that broke a rule.
    pub(crate) misused: usize,
    /// Calls that did, and a suppression says why that is no fault of the program.
    pub(crate) suppressed: usize,
    /// Calls that did, as far as the journals tell, which is not enough to accuse the program.
    pub(crate) not_judged: usize,
}

/// The result of the check for misuse. Of several that apply it is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MisuseOutcome {
    /// A call broke a rule.
    Misused,
    /// Events are missing.
    Incomplete,
    /// Nothing was given out: the run proves nothing.
    NotExercised,
    /// No call broke a rule that is checked.
    Clean,
}

/// The result of the check for leaks. Of several that apply it is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeaksOutcome {
    /// Something was given out and not given back.
    Leaked,
    /// Events are missing, or a process had no chance to give back what it had.
    Incomplete,
    /// Nothing was given out: the run proves nothing.
    NotExercised,
    /// Everything was given back.
    Clean,
}

/// The verdict in one word. Of several that apply it is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Credentials were still cached or held when their process ended.
    Left,
    /// Events are missing, so the verdict is unknown.
    Incomplete,
    /// No process signed in: the run proves nothing.
    NotExercised,
    /// Every credential was flushed or freed, or ended otherwise before its process did.
    Clean,
}

/// A process that used a mock.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    /// Its number in its operating system; under Wine, in Wine.
    pub(crate) pid: u32,
    pub(crate) program: String,
    /// Whether it was forked by a process that had used the mock.
    pub(crate) forked: bool,
    /// The mocks it used.
    pub(crate) modules: BTreeSet<String>,
    /// Other modules of the process that free credentials in a way of their own.
    pub(crate) beside: BTreeSet<String>,
    pub(crate) credentials: Vec<Credential>,
    /// How many of them were left.
    pub(crate) left: usize,
    /// How many of them a suppression keeps from being left.
    pub(crate) suppressed: usize,
    /// Sign-ins with the default credentials of the logon session.
    pub(crate) default_sign_ins: usize,
    /// Sign-ins that a mock refused.
    pub(crate) refused: Vec<Refusal>,
    /// Whether it asked a mock for a credential.
    #[serde(skip)]
    pub(crate) asked: bool,
    /// Whether it is a Windows program.
    #[serde(skip)]
    pub(crate) is_windows: bool,
    /// Whether its calls were passed on to the system's own SSPs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) passed_on: bool,
    /// Whether it signed out: flushed a cache, unloaded the SSP while it went on, or said so.
    pub(crate) signed_out: bool,
    /// Whether it has no end in its journal, and still runs.
    #[serde(skip)]
    runs: bool,
    /// The time from its first event to its last one.
    #[serde(skip)]
    lasted: Duration,
    /// Copies that live handles still kept at the end.
    pub(crate) retained: u32,
    /// Calls of `CleanupCredentialCache` that met an injected fault.
    pub(crate) failed_flushes: u32,
    /// Which parts of its journals are missing, in words.
    pub(crate) gaps: Vec<String>,
    /// What was found in it, until the verdict has it.
    #[serde(skip)]
    findings: Vec<Finding>,
    /// What became of what it was given.
    #[serde(skip)]
    given_out: ByKind,
}

impl Process {
    /// `client.py (4242)`.
    pub(crate) fn name(&self) -> String {
        let forked = if self.forked { ", forked" } else { "" };
        format!("{} ({}{forked})", self.program, self.pid)
    }

    fn running(&self) -> Running {
        Running { pid: self.pid, program: self.program.clone() }
    }

    /// Whether it signed in, or flushed what was cached from the start.
    pub(crate) fn is_exercised(&self) -> bool {
        !self.credentials.is_empty() || self.default_sign_ins > 0
    }
}

/// A credential that was cached, or that a handle held: a sign-in with a secret.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Credential {
    pub(crate) kind: Kind,
    pub(crate) module: String,
    pub(crate) package: String,
    pub(crate) principal: String,
    /// Where it came from.
    pub(crate) source: Source,
    /// Since when it was cached or held.
    pub(crate) since: Moment,
    /// Silent sign-ins that used it, without a password.
    pub(crate) silent_sign_ins: u32,
    /// Where the program passed it, innermost place first; empty where no stack was recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) stack: Vec<Place>,
    /// What ended it.
    pub(crate) end: End,
}

/// Where an SSP keeps a credential.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// In the cache of a package that caches.
    Cached,
    /// In the credential handle that was acquired with it.
    Held,
}

/// What ended a credential.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub(crate) enum End {
    /// The mock evicted it to make room for another.
    Evicted(Moment),
    /// Its lifetime was over.
    Expired(Moment),
    /// `CleanupCredentialCache` overwrote it.
    Flushed(Moment),
    /// It was still cached or held.
    Left {
        /// When the mock found it.
        when: LeftWhen,
    },
    /// The last handle that held it was freed.
    Released(Moment),
    /// Its principal signed in with a new secret.
    Replaced(Moment),
    /// It was still there as far as the journal tells, which is not enough to say that it was left.
    Unknown {
        /// What isn't known.
        why: &'static str,
    },
    /// It was still there, and a suppression says why that is no fault of the program.
    Suppressed {
        /// When the mock found it.
        when: LeftWhen,
        /// The suppression's reason.
        why: String,
    },
}

impl End {
    /// When it was, unless it was the end of the journal.
    fn moment(&self) -> Option<Moment> {
        match self {
            Self::Evicted(moment)
            | Self::Expired(moment)
            | Self::Flushed(moment)
            | Self::Released(moment)
            | Self::Replaced(moment) => Some(*moment),
            Self::Left { .. } | Self::Suppressed { .. } | Self::Unknown { .. } => None,
        }
    }
}

/// The moment at which a credential was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeftWhen {
    /// A program with the mock linked in dropped the instance.
    Dropped,
    /// The process ended.
    Exit,
    /// There is no end event: the process crashed, was killed, or ended without running destructors. A Windows program may still
    /// run.
    NoEnd,
    /// There is no end event, and the process still runs.
    Running,
    /// The program said that it had signed out.
    SignedOut,
    /// The module was unloaded, or the process ended.
    Unloaded,
}

/// A sign-in that a mock refused.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Refusal {
    pub(crate) module: String,
    pub(crate) package: String,
    pub(crate) principal: String,
    pub(crate) status: SecurityStatus,
    /// The packages that the mock offers.
    pub(crate) offered: Vec<String>,
}

/// An event's place and time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Moment {
    /// Its number in its journal.
    pub(crate) event: u64,
    /// Time since the first event of the run, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(crate) at: Duration,
    #[serde(skip)]
    pub(crate) time: FileTime,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn seconds<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.as_secs_f64())
}
