//! The verdict on a run: who signed in, when, what ended each cached credential, and which were left.
//!
//! The judge reads journals and nothing else, so `journal check` repeats what `exec` said. It follows clause M10: only
//! `CleanupCredentialCache` or expiry makes a process clean. Credentials that were wiped by unloading or by the end of
//! the process count as left. A process without an end event is judged by what it still held.

mod judge;
mod junit;
mod text;

use std::{collections::BTreeSet, time::Duration};

use serde::{Serialize, Serializer};
use sspcache_engine::Source;

pub(crate) use self::{judge::judge, junit::junit, text::text};

/// The result of judging the journals of a run.
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
    /// Which parts of the journals are missing, in words.
    pub(crate) gaps: Vec<String>,
}

impl Verdict {
    /// Whether the check of `--expect-clean` passes.
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
    /// Events are missing, so the verdict is unknown.
    Incomplete,
    /// No credential was ever cached: the run proves nothing.
    NotExercised,
    /// Every cached credential was flushed, or ended otherwise before its process did.
    Clean,
}

/// A process that used a mock.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    /// Its number in its operating system; under Wine, in Wine.
    pub(crate) pid: u32,
    pub(crate) program: String,
    /// Whether it was forked by a process that had used the mock.
    pub(crate) forked: bool,
    /// The mocks it used.
    pub(crate) modules: BTreeSet<String>,
    pub(crate) credentials: Vec<Credential>,
    /// How many of them were left.
    pub(crate) left: usize,
    /// Copies that live handles still kept at the end.
    pub(crate) retained: u32,
    /// Calls of `CleanupCredentialCache` that met an injected fault.
    pub(crate) failed_flushes: u32,
    /// Which parts of its journals are missing, in words.
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
    /// Silent sign-ins that used it, without a password.
    pub(crate) silent_sign_ins: u32,
    /// What ended it.
    pub(crate) end: End,
}

/// What ended a cached credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub(crate) enum End {
    /// The mock evicted it to make room for another.
    Evicted(Moment),
    /// Its lifetime was over.
    Expired(Moment),
    /// `CleanupCredentialCache` overwrote it.
    Flushed(Moment),
    /// It was still cached.
    Left {
        /// When the mock found it.
        when: LeftWhen,
    },
    /// Its principal signed in with a new secret.
    Replaced(Moment),
}

/// The moment at which a credential was left.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeftWhen {
    /// A program with the mock linked in dropped the instance.
    Dropped,
    /// The process ended.
    Exit,
    /// There is no end event: the process was killed, ended without running destructors, or still runs.
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
