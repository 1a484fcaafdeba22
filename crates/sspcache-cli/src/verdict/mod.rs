//! The verdict on a run: who was signed in, when, what ended it, and whether anything was left.
//!
//! It is made from journals alone, so that `journal check` says the same afterwards as `exec` at once. Clause M10 rules
//! it: only `CleanupCredentialCache`, or expiry, makes a process clean. What unloading or the end of the process wiped
//! counts as left, and a process without an end event is judged by what it still held.

mod judge;
mod junit;
mod text;

use std::{collections::BTreeSet, time::Duration};

use serde::{Serialize, Serializer};
use sspcache_engine::Source;

pub(crate) use self::{judge::judge, junit::junit, text::text};

/// What the journals of a run say.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    /// Credentials that were cached, in all processes.
    pub(crate) cached: usize,
    /// Those of them that were left.
    pub(crate) left: usize,
    /// Copies that live handles still kept at the end (clause M4).
    pub(crate) retained: u64,
    pub(crate) processes: Vec<Process>,
    /// What is missing from the journals, in words.
    pub(crate) gaps: Vec<String>,
}

impl Verdict {
    /// Whether the expectation of `--expect-clean` holds.
    pub(crate) fn holds(&self, allow_unused: bool) -> bool {
        self.outcome == Outcome::Clean || (allow_unused && self.outcome == Outcome::NotExercised)
    }
}

/// The verdict in one word. Of several that apply it is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Credentials were still cached when their process ended.
    Left,
    /// Events are missing, so that nothing can be told.
    Incomplete,
    /// No credential was ever cached: the run proves nothing.
    NotExercised,
    /// Everything that was cached was flushed, or gone before its process ended.
    Clean,
}

/// A process that used a mock.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    /// As its operating system numbers it; under Wine, as Wine does.
    pub(crate) pid: u32,
    pub(crate) program: String,
    /// Whether it is the fork of a process that had used the mock.
    pub(crate) forked: bool,
    /// The mocks it used.
    pub(crate) modules: BTreeSet<String>,
    pub(crate) credentials: Vec<Credential>,
    /// How many of them were left.
    pub(crate) left: usize,
    /// Copies that live handles still kept at the end.
    pub(crate) retained: u32,
    /// Calls of `CleanupCredentialCache` that a fault made fail.
    pub(crate) failed_flushes: u32,
    /// What is missing from its journals, in words.
    pub(crate) gaps: Vec<String>,
}

impl Process {
    /// `client.py (4242)`.
    pub(crate) fn name(&self) -> String {
        let forked = if self.forked { ", forked" } else { "" };
        format!("{} ({}{forked})", self.program, self.pid)
    }
}

/// A credential that was cached: a sign-in with a secret.
#[derive(Debug, Serialize)]
pub(crate) struct Credential {
    pub(crate) module: String,
    pub(crate) package: String,
    pub(crate) principal: String,
    /// Where it came from.
    pub(crate) source: Source,
    /// When it was cached.
    pub(crate) cached: Moment,
    /// Silent sign-ins that used it: no password was asked for.
    pub(crate) silent_sign_ins: u32,
    /// What became of it.
    pub(crate) end: End,
}

/// What became of a cached credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub(crate) enum End {
    /// It made room for another.
    Evicted(Moment),
    /// Its time had come.
    Expired(Moment),
    /// `CleanupCredentialCache` overwrote it.
    Flushed(Moment),
    /// It was still cached.
    Left {
        /// When that was found.
        when: LeftWhen,
    },
    /// Its principal signed in with another secret.
    Replaced(Moment),
}

/// At which end a credential was found to be left.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeftWhen {
    /// The instance was dropped, in a program that has the mock linked in.
    Dropped,
    /// The process ended.
    Exit,
    /// There is no end event: the process was killed, ended without its destructors, or still runs.
    NoEnd,
    /// The module was unloaded, or the process ended.
    Unloaded,
}

/// An event's place and time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Moment {
    /// Its number in its journal.
    pub(crate) event: u64,
    /// Time since the first event of the run, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub(crate) at: Duration,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn seconds<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(at.as_secs_f64())
}
