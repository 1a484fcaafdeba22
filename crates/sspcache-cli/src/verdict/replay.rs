//! What one journal says, event by event.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sspcache_engine::{
    Ending, Event, EventKind, FileTime, Operation, SecurityStatus, Source, journal::Journal,
};

use super::{
    Credential, End, Kind, LeftWhen, Moment, Refusal, leaks::Account, misuse::Calls, policy::SignIns,
};
use crate::{
    cli::Policy,
    places::{Images, Place},
};

/// What one journal says, event by event.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Replay<'journal> {
    pub(super) journal: &'journal Journal,
    pub(super) module: &'journal str,
    pub(super) offered: &'journal [String],
    pub(super) is_windows: bool,
    pub(super) passed_on: bool,
    pub(super) start: FileTime,
    pub(super) credentials: Vec<Entry>,
    /// The credentials that are cached, with their places in the list.
    pub(super) cached: BTreeMap<u64, usize>,
    /// Those that are held.
    pub(super) held: BTreeMap<u64, usize>,
    pub(super) beside: BTreeSet<String>,
    /// When the program said that it had signed out.
    pub(super) marks: Vec<FileTime>,
    pub(super) flushed: bool,
    pub(super) asked: bool,
    /// The packages that the program signed in to.
    pub(super) signed_in: BTreeSet<&'journal str>,
    pub(super) default_sign_ins: usize,
    pub(super) refused: Vec<Refusal>,
    pub(super) failed_flushes: u32,
    pub(super) retained: u32,
    pub(super) end: Option<Ending>,
    /// Whether an event's count differs from the sum of the events before it.
    pub(super) miscounted: bool,
    pub(super) gaps: Vec<String>,
    /// The files that were named so far.
    pub(super) images: Images,
    /// What was given out and given back.
    pub(super) account: Account,
    /// What was refused.
    pub(super) calls: Calls,
    /// What a policy judges.
    pub(super) sign_ins: SignIns,
    /// Whether it was to free a handle that it doesn't know.
    pub(super) refused_to_free: bool,
}

pub(super) struct Entry {
    pub(super) credential: Credential,
    /// When it was gone, if that was before the end.
    pub(super) ended: Option<FileTime>,
}

impl<'journal> Replay<'journal> {
    pub(super) fn of(
        journal: &'journal Journal,
        module: &'journal str,
        start: FileTime,
        policy: &Policy,
    ) -> Self {
        let (os, offered) = match journal.started() {
            Some(EventKind::Started { os, packages, .. }) => (os.as_str(), packages.as_slice()),
            _ => ("", &[][..]),
        };
        let mut replay = Self {
            journal,
            module,
            offered,
            is_windows: os == "windows",
            passed_on: false,
            start,
            credentials: Vec::new(),
            cached: BTreeMap::new(),
            held: BTreeMap::new(),
            beside: BTreeSet::new(),
            marks: Vec::new(),
            flushed: false,
            asked: false,
            signed_in: BTreeSet::new(),
            default_sign_ins: 0,
            refused: Vec::new(),
            failed_flushes: 0,
            retained: 0,
            end: None,
            miscounted: false,
            gaps: Vec::new(),
            images: Images::default(),
            account: Account::default(),
            calls: Calls::default(),
            sign_ins: SignIns::new(policy),
            refused_to_free: false,
        };
        replay.run();
        replay
    }

    fn run(&mut self) {
        let (mut lost, mut left_at_end) = (0, None);
        let journal = self.journal;
        for event in &journal.events {
            let before = self.counts();
            self.step(event);
            let (cached, held) = self.counts();
            let held = if let EventKind::Ended { how, lost: missing, left } = event.kind {
                left_at_end = Some((left, event.held));
                // Ending wiped the copies; the verdict counts those that were there before.
                (self.end, lost) = (Some(how), missing);
                before.1
            } else {
                self.retained = event.retained;
                held
            };
            self.miscounted |= (event.after, event.held) != (cached, held);
        }
        if self.end.is_none() {
            self.leave(LeftWhen::NoEnd);
        }
        let path = self.journal.path.display();
        if self.journal.cut {
            self.gaps.push(format!("{path} ends in the middle of an event"));
        }
        if lost > 0 {
            self.gaps.push(format!("the mock could not write {lost} of the events of {path}"));
        } else if self.journal.incomplete || self.miscounted {
            self.gaps.push(format!("events are missing from {path}"));
        }
        if !self.gaps.is_empty() {
            self.doubt(left_at_end);
        }
    }

    /// Accuses no program of what a missing event may have ended. What the mock counted at its end, of both kinds, is known all the same.
    fn doubt(&mut self, counted: Option<(u32, u32)>) {
        for (kind, counted) in
            [(Kind::Cached, counted.map(|(cached, _)| cached)), (Kind::Held, counted.map(|(_, held)| held))]
        {
            let is_left = |entry: &&mut Entry| {
                entry.credential.kind == kind && matches!(entry.credential.end, End::Left { .. })
            };
            let left: Vec<&mut Entry> = self.credentials.iter_mut().filter(is_left).collect();
            if counted.is_none_or(|counted| usize::try_from(counted).ok() != Some(left.len())) {
                for entry in left {
                    doubt(&mut entry.credential.end);
                }
            }
        }
    }

    fn step(&mut self, event: &'journal Event) {
        let moment = self.moment(event);
        self.images.note(event);
        self.account.step(event, moment, &self.images);
        self.calls.step(event, moment, &self.images);
        self.sign_ins.step(event, moment, &self.images);
        match &event.kind {
            EventKind::Acquired { credential, package, source, .. }
            | EventKind::CredentialsAdded { credential, package, source, .. } => {
                let stack = self.images.stack(event);
                self.acquired(*credential, package, *source, stack);
            }
            EventKind::Cached { credential, package, principal, source, .. } => {
                if *source == Source::Explicit {
                    self.signed_in.insert(package);
                }
                self.enter(Kind::Cached, *credential, [package, principal], *source, moment);
            }
            EventKind::Ended { how, .. } => self.leave(left_when(*how)),
            EventKind::Evicted { credential } => self.end(Kind::Cached, *credential, End::Evicted(moment)),
            EventKind::Expired { credential } => self.end(Kind::Cached, *credential, End::Expired(moment)),
            EventKind::Faulted { operation: Operation::CleanupCredentialCache, .. } => {
                self.failed_flushes = self.failed_flushes.saturating_add(1);
            }
            EventKind::Flushed => {
                self.flushed = true;
                self.end_all(Kind::Cached, &End::Flushed(moment));
            }
            EventKind::Held { credential, package, principal, source, .. } => {
                self.signed_in.insert(package);
                self.enter(Kind::Held, *credential, [package, principal], *source, moment);
            }
            EventKind::PassedOn => {
                self.passed_on = true;
                self.offered = &[];
            }
            EventKind::Modules { loaded } => self.beside.extend(loaded.iter().cloned()),
            EventKind::Refused {
                operation: Operation::AcquireCredentialsHandle | Operation::AddCredentials,
                status,
                package,
                principal,
                ..
            } => {
                self.asked = true;
                self.refused.push(Refusal {
                    module: self.module.to_owned(),
                    package: package.clone(),
                    principal: principal.clone(),
                    status: *status,
                    offered: self.offered.to_vec(),
                });
            }
            EventKind::Refused {
                operation: Operation::DeleteSecurityContext | Operation::FreeCredentialsHandle,
                status: SecurityStatus::INVALID_HANDLE,
                ..
            } => self.refused_to_free = true,
            EventKind::Released { credential } => self.end(Kind::Held, *credential, End::Released(moment)),
            EventKind::Replaced { credential, .. } => {
                self.end(Kind::Cached, *credential, End::Replaced(moment));
            }
            EventKind::SignedOut => self.marks.push(event.time),
            _ => {}
        }
    }

    fn acquired(
        &mut self,
        credential: Option<u64>,
        package: &'journal str,
        source: Source,
        stack: Vec<Place>,
    ) {
        self.asked = true;
        // The event of the credential itself came just before, without a stack. One that is presented again keeps the first.
        let live = |credential| self.held.get(&credential).or_else(|| self.cached.get(&credential));
        let passed = credential.filter(|_| source == Source::Explicit).and_then(live);
        if let Some(&index) = passed {
            let known = &mut self.credentials[index].credential.stack;
            if known.is_empty() {
                *known = stack;
            }
        }
        match source {
            Source::Default => self.default_sign_ins += 1,
            Source::Cache => {
                let used = credential.and_then(|credential| self.cached.get(&credential));
                if let Some(&index) = used {
                    self.credentials[index].credential.silent_sign_ins += 1;
                }
            }
            Source::Explicit => {}
            _ => return,
        }
        self.signed_in.insert(package);
    }

    fn enter(
        &mut self,
        kind: Kind,
        credential: u64,
        [package, principal]: [&str; 2],
        source: Source,
        since: Moment,
    ) {
        let place = self.credentials.len();
        self.live(kind).insert(credential, place);
        let credential = Credential {
            kind,
            module: self.module.to_owned(),
            package: package.to_owned(),
            principal: principal.to_owned(),
            source,
            since,
            silent_sign_ins: 0,
            stack: Vec::new(),
            // Until a later event ends it.
            end: End::Left { when: LeftWhen::NoEnd },
        };
        self.credentials.push(Entry { credential, ended: None });
    }

    fn end(&mut self, kind: Kind, credential: u64, end: End) {
        if let Some(index) = self.live(kind).remove(&credential) {
            let entry = &mut self.credentials[index];
            entry.ended = end.moment().map(|moment| moment.time);
            entry.credential.end = end;
        }
    }

    fn end_all(&mut self, kind: Kind, end: &End) {
        let all: Vec<u64> = self.live(kind).keys().copied().collect();
        for credential in all {
            self.end(kind, credential, end.clone());
        }
    }

    fn leave(&mut self, when: LeftWhen) {
        for kind in [Kind::Cached, Kind::Held] {
            self.end_all(kind, &End::Left { when });
        }
    }

    /// How many credentials are cached and held.
    fn counts(&self) -> (u32, u32) {
        let count = |live: &BTreeMap<u64, usize>| u32::try_from(live.len()).unwrap_or(u32::MAX);
        (count(&self.cached), count(&self.held))
    }

    fn live(&mut self, kind: Kind) -> &mut BTreeMap<u64, usize> {
        match kind {
            Kind::Cached => &mut self.cached,
            Kind::Held => &mut self.held,
        }
    }

    fn moment(&self, event: &Event) -> Moment {
        Moment { event: event.seq, at: since(self.start, event.time), time: event.time }
    }

    pub(super) fn first(&self) -> FileTime {
        self.journal.events.first().map(|event| event.time).unwrap_or_default()
    }

    pub(super) fn last(&self) -> Option<FileTime> {
        self.journal.events.last().map(|event| event.time)
    }

    /// Whether the process signed out here, other than by a mark: it flushed, or unloaded the SSP and went on until `last`.
    pub(super) fn signed_out(&self, last: FileTime) -> bool {
        // Only Windows distinguishes unloading from the end of a process. Elsewhere, what happened later in the process does.
        let unloaded = self.end == Some(Ending::Unloaded) && (self.is_windows || self.last() < Some(last));
        self.flushed || (!self.signed_in.is_empty() && unloaded)
    }
}

/// Says of what was left that it isn't known.
pub(super) fn doubt(end: &mut End) {
    if matches!(end, End::Left { .. }) {
        *end = End::Unknown { why: "events are missing" };
    }
}

/// Time between two moments; zero when the clock was set back between them.
pub(super) fn since(start: FileTime, time: FileTime) -> Duration {
    time.since_unix_epoch().saturating_sub(start.since_unix_epoch())
}

pub(super) fn left_when(how: Ending) -> LeftWhen {
    match how {
        Ending::Dropped => LeftWhen::Dropped,
        Ending::Exit => LeftWhen::Exit,
        _ => LeftWhen::Unloaded,
    }
}
