//! The records beside the cache: events, counts, and the secrets that live handles keep.

use hashbrown::HashMap;

use crate::{
    AuthIdentity, Event, EventKind, EventSink, FileTime, Frame, Name, Source,
    credentials::stored::Stored,
    holdings::Holdings,
    stack::{self, Stacks},
    vault::{Chunk, Entry, Gone, OutOfMemory, Reason, Slab, Slot, Vault},
};

/// What a handle acquired before a flush may still do (clause M4). Real SSPs don't document it; a caller must
/// survive both.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum HandlePolicy {
    /// The handle can be freed and nothing else: starting a context gives `SEC_E_NO_CREDENTIALS`.
    #[default]
    Revoke,
    /// The handle keeps a copy of its own until it is freed.
    Retain,
}

/// Where events go.
#[derive(Default)]
pub(crate) struct Sinks(pub(crate) Vec<Box<dyn EventSink>>);

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sinks", self.0.len())
    }
}

/// The log of events, the counts in them, the copies, and what handles hold.
pub(crate) struct Ledger {
    module: String,
    /// The packages' names.
    packages: Vec<String>,
    policy: HandlePolicy,
    seq: u64,
    pub(crate) cached: u32,
    pub(crate) held: u32,
    pub(crate) lost: u64,
    pub(crate) ended: bool,
    record: bool,
    pub(crate) events: Vec<Event>,
    sinks: Sinks,
    stacks: Stacks,
    /// Live handles by credential; kept under [`HandlePolicy::Retain`] alone.
    holders: BySlot<u32>,
    /// With the tag of the secret's kind.
    pub(crate) retained: BySlot<(u8, Chunk)>,
    /// What handles hold that no cache has.
    pub(crate) holdings: Holdings,
    /// The secrets of both.
    pub(crate) copies: Slab,
}

impl Ledger {
    pub(crate) fn new(
        module: String,
        packages: Vec<String>,
        policy: HandlePolicy,
        stacks: Option<stack::Source>,
        record: bool,
    ) -> Self {
        Self {
            module,
            packages,
            policy,
            seq: 0,
            cached: 0,
            held: 0,
            lost: 0,
            ended: false,
            record,
            events: Vec::new(),
            sinks: Sinks::default(),
            stacks: Stacks::new(stacks),
            holders: BySlot::default(),
            retained: BySlot::default(),
            holdings: Holdings::default(),
            copies: Slab::new(),
        }
    }

    pub(crate) fn started(&mut self, now: FileTime, forked: bool) {
        let (module, packages) = (self.module.clone(), self.packages.clone());
        self.record_with(now, || EventKind::Started {
            module,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            program: program(),
            forked,
            os: std::env::consts::OS.to_owned(),
            packages,
        });
    }

    /// Begins, with the sinks of this process.
    pub(crate) fn started_with(&mut self, now: FileTime, sinks: Sinks, forked: bool) {
        self.sinks = sinks;
        self.stacks.forget_images();
        self.started(now, forked);
    }

    /// Whether this process's first event is recorded.
    pub(crate) fn has_started(&self) -> bool {
        self.seq > 0
    }

    /// Drops what a forked child inherited.
    pub(crate) fn let_go(&mut self) {
        self.sinks = Sinks::default();
        self.events = Vec::new();
        self.forget_copies();
    }

    /// A live handle more uses this credential.
    pub(crate) fn hold(&mut self, stored: Stored) {
        match stored {
            Stored::Cached(slot) if self.policy == HandlePolicy::Retain => {
                *self.holders.entry(slot).or_insert(0) += 1;
            }
            Stored::Cached(_) | Stored::Default | Stored::Logon(_) => {}
            Stored::Held(number) => self.holdings.hold(number),
        }
    }

    /// A live handle fewer uses it; the last one's copy is wiped.
    pub(crate) fn release(&mut self, stored: Stored, now: FileTime) {
        let slot = match stored {
            Stored::Cached(slot) => slot,
            Stored::Held(number) => {
                if self.holdings.release(number, &mut self.copies) {
                    self.held -= 1;
                    self.record(now, EventKind::Released { credential: number.into() });
                }
                return;
            }
            Stored::Default | Stored::Logon(_) => return,
        };
        let Some(count) = self.holders.get_mut(&slot) else { return };
        *count -= 1;
        if *count == 0 {
            self.holders.remove(&slot);
            if let Some((_, copy)) = self.retained.remove(&slot) {
                self.copies.release(copy);
            }
        }
    }

    /// Takes in the secret of a package that doesn't cache. It is overwritten once its last holder lets it go.
    pub(crate) fn take_in(
        &mut self,
        package: u16,
        identity: &AuthIdentity,
        now: FileTime,
    ) -> Result<Stored, OutOfMemory> {
        self.holdings.add(package, identity, now, &mut self.copies).map(Stored::Held)
    }

    /// Overwrites what was [taken in](Self::take_in) for a handle that there is none of.
    pub(crate) fn give_up(&mut self, stored: Option<Stored>) {
        if let Some(Stored::Held(number)) = stored {
            self.holdings.release(number, &mut self.copies);
        }
    }

    /// Records that what was [taken in](Self::take_in) came into a handle.
    pub(crate) fn came(&mut self, stored: Option<Stored>, handle: usize, package: &Name, now: FileTime) {
        let Some(Stored::Held(number)) = stored else { return };
        self.held += 1;
        self.holdings.came(number, handle, self.seq);
        let principal = self.holdings.get(number).map(|holding| holding.principal.clone());
        self.record_with(now, || EventKind::Held {
            credential: number.into(),
            package: package.to_string(),
            principal: principal.unwrap_or_default().to_string(),
            source: Source::Explicit,
            handle,
        });
    }

    /// A credential is about to be overwritten.
    pub(crate) fn gone(&mut self, gone: &Gone<'_>, now: FileTime) {
        if self.holders.contains_key(&gone.slot) {
            self.retain(gone.slot, gone.entry);
        }
        let credential = gone.slot.to_u64();
        self.cached -= 1;
        match gone.reason {
            Reason::Evicted => self.record_dropped(now, EventKind::Evicted { credential }),
            Reason::Expired => self.record_dropped(now, EventKind::Expired { credential }),
            // Its event, which names the new credential, follows once that one is in.
            Reason::Replaced => {}
        }
    }

    /// Copies what live handles use, before a flush.
    pub(crate) fn retain_from(&mut self, vault: &Vault) {
        let slots: Vec<Slot> = self.holders.keys().copied().collect();
        for slot in slots {
            if let Some(entry) = vault.get(slot) {
                self.retain(slot, entry);
            }
        }
    }

    /// Keeps a copy for a credential's handles. When there is no room for it, they are revoked, as under the other
    /// policy: whatever overwrites the credential must not fail for it.
    fn retain(&mut self, slot: Slot, entry: Entry<'_>) {
        if let Ok(copy) = self.copies.store(entry.secret()) {
            self.retained.insert(slot, (entry.kind(), copy));
        }
    }

    pub(crate) fn forget_copies(&mut self) {
        self.holders.clear();
        self.retained.clear();
        self.holdings = Holdings::default();
        self.copies = Slab::new();
    }

    /// The event that cached a credential.
    pub(crate) fn cached_by(&self, slot: Slot) -> Option<u64> {
        let wanted = slot.to_u64();
        let caching = |event: &&Event| match event.kind {
            EventKind::Cached { credential, .. } => credential == wanted,
            _ => false,
        };
        self.events.iter().rev().find(caching).map(|event| event.seq)
    }

    pub(crate) fn record(&mut self, now: FileTime, kind: EventKind) {
        self.record_with(now, || kind);
    }

    pub(crate) fn record_with(&mut self, now: FileTime, kind: impl FnOnce() -> EventKind) {
        self.write(now, self.cached, kind);
    }

    pub(crate) fn record_cached(&mut self, now: FileTime, kind: impl FnOnce() -> EventKind) {
        let before = self.cached;
        self.cached += 1;
        self.write(now, before, kind);
    }

    pub(crate) fn record_dropped(&mut self, now: FileTime, kind: EventKind) {
        self.write(now, self.cached + 1, || kind);
    }

    pub(crate) fn record_emptied(&mut self, now: FileTime, kind: EventKind) {
        let before = std::mem::take(&mut self.cached);
        self.write(now, before, || kind);
    }

    /// Whether events are kept in memory.
    pub(crate) fn records(&self) -> bool {
        self.record
    }

    /// Whether a sink takes events.
    pub(crate) fn is_read(&self) -> bool {
        self.record || !self.sinks.0.is_empty()
    }

    fn write(&mut self, now: FileTime, before: u32, kind: impl FnOnce() -> EventKind) {
        if !self.is_read() {
            self.seq += 1;
            return;
        }
        let kind = kind();
        let (stack, images) = self.stacks.walk(kind.frames());
        for (image, path) in images {
            self.write_event(now, before, before, Vec::new(), EventKind::Image { image, path });
        }
        self.write_event(now, before, self.cached, stack, kind);
    }

    fn write_event(&mut self, now: FileTime, before: u32, after: u32, stack: Vec<Frame>, kind: EventKind) {
        let seq = self.seq;
        self.seq += 1;
        let retained = u32::try_from(self.retained.len()).unwrap_or(u32::MAX);
        let event = Event { seq, time: now, before, after, retained, held: self.held, stack, kind };
        for sink in &mut self.sinks.0 {
            if sink.record(&event).is_err() {
                self.lost += 1;
            }
        }
        if self.record {
            self.events.push(event);
        }
    }
}

/// A map whose keys the engine chooses itself, so that any quick hash will do.
type BySlot<T> = HashMap<Slot, T, foldhash::fast::FixedState>;

/// The file name of the program that this process runs.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
