//! The credential cache: secrets in locked pages, found by package, user and domain (M1, M3, M6, M7, M9).
//!
//! Secrets live in a [`Slab`] and nowhere else, so that a flush is one pass at memory speed over what was ever stored,
//! not a walk over a million allocations. Records with everything else about a credential live beside it, and an index
//! leads from a key to its record. A flush wipes the slab and forgets the rest without a look at it: names aren't
//! secrets, and stay in memory until their records are used again.
//!
//! A [`Vault`] is the single-threaded core: the engine keeps it under one lock, which makes flushing linearizable.
//!
//! # Memory
//! The first region of two mebibytes is reserved when the first secret comes, locked and touched 64 KiB at a time; from
//! the second on, huge pages are asked for. Memory is kept after a flush, locked, for the credentials to come, and
//! given back when the vault is dropped; a secret of more than 256 KiB has pages of its own, given back when it goes.
//! `docs/performance.md` has numbers.
//!
//! # Platforms
//! Linux locks the pages of secrets, keeps them out of core dumps, and lets a forked child find zeros in them. macOS
//! locks them; a forked child has copies until it drops or flushes its vault. Windows locks as many as the process's
//! minimum working set allows. [`Memory::lock_refused`] tells whether secrets could reach swap space.
//!
//! # Tests
//! After a change to the pages, run `cargo +nightly miri test -p sspcache-engine --lib vault`, too: there pages come from
//! the global allocator, and Miri checks every access (`rustup toolchain install nightly --component miri`).

use std::collections::TryReserveError;
use std::fmt;
use std::mem;
use std::num::NonZeroU32;

mod expiry;
mod index;
mod key;
mod pages;
mod recency;
mod records;
mod secrets;
mod slab;
#[cfg(test)]
mod tests;

pub use key::KeyRef;
pub use slab::{Chunk, Slab};

use expiry::Expiries;
use index::Index;
use key::KeyHasher;
use pages::ForkMark;
use recency::Recency;
use records::{Contents, Record, Records};
use secrets::Secrets;

/// A cache of credentials.
///
/// ```
/// use sspcache_engine::vault::{KeyRef, Limits, NEVER, Vault};
///
/// let [user, domain] = ["alice", "CONTOSO"].map(|name| name.encode_utf16().collect::<Vec<_>>());
/// let key = KeyRef { package: 0, user: &user, domain: &domain };
/// let mut vault = Vault::new(Limits::default());
/// let slot = vault.insert(key, 0, b"correct horse", 0, NEVER, &mut |_| {}).unwrap().slot;
/// assert_eq!(vault.find(key), Some(slot));
/// assert_eq!(vault.get(slot).unwrap().secret(), b"correct horse");
///
/// assert_eq!(vault.flush(), 1); // overwrites the secret
/// assert_eq!(vault.find(key), None);
/// assert!(vault.get(slot).is_none());
/// ```
pub struct Vault {
    secrets: Secrets,
    records: Records,
    recency: Recency,
    index: Index,
    hasher: KeyHasher,
    expiries: Expiries,
    capacity: Option<NonZeroU32>,
    fork_mark: ForkMark,
}

impl Vault {
    /// An empty vault. It takes no memory for credentials before the first one comes.
    pub fn new(limits: Limits) -> Self {
        Self {
            secrets: Secrets::new(),
            records: Records::new(),
            recency: Recency::new(),
            index: Index::new(),
            hasher: KeyHasher::new(),
            expiries: Expiries::new(),
            capacity: limits.capacity,
            fork_mark: ForkMark::new(),
        }
    }

    /// Caches a credential, and makes it its package's most recently used one.
    ///
    /// `kind` is kept and not looked at. `now` and `expires` are in the caller's unit of time; [`NEVER`] is no expiry.
    /// The same key with the same secret and kind renews what is cached; another secret replaces it, under a new slot. A
    /// new key beyond the capacity evicts the least recently used credential, of whatever package.
    ///
    /// `on_gone` is called for what is replaced or evicted, before its secret is overwritten. Should it panic, nothing has
    /// gone, and nothing has come; the new secret may be in the slab all the same until the next flush or drop.
    ///
    /// On an error nothing has changed.
    pub fn insert(
        &mut self,
        key: KeyRef<'_>,
        kind: u8,
        secret: &[u8],
        now: u64,
        expires: u64,
        on_gone: &mut dyn FnMut(Gone<'_>),
    ) -> Result<Inserted, OutOfMemory> {
        let hash = self.hasher.hash(key);
        self.index.fetch(hash);
        self.expiries.reserve()?;
        if let Some(index) = self.lookup(hash, key) {
            return self.renew(index, kind, secret, now, expires, on_gone);
        }
        self.recency.reserve(key.package)?;
        let fresh = self.records.reserve(key)?;
        self.secrets.reserve(fresh)?;
        self.index.reserve(fresh)?;
        let crowded = self.capacity.is_some_and(|capacity| self.records.len() >= capacity.get());
        let evicted = if crowded { self.recency.oldest(&self.records)? } else { None };
        let span = self.secrets.prepare(secret)?;
        if let Some(evicted) = evicted {
            self.discard(evicted, Reason::Evicted, on_gone);
            self.settle_expiries();
        }
        let record = self.records.insert(key, &Contents { kind, secret: span, cached_at: now, expires });
        self.secrets.put(record, span, secret);
        self.recency.add(record, self.records.at_mut(record));
        self.index.insert(hash, record);
        let slot = self.entry(record).slot();
        self.expiries.push(expires, slot);
        Ok(Inserted { slot, how: How::Added })
    }

    /// The credential of this key, which becomes its package's most recently used one.
    #[inline]
    pub fn find(&mut self, key: KeyRef<'_>) -> Option<Slot> {
        let record = self.lookup(self.hasher.hash(key), key)?;
        Some(self.touch(record))
    }

    /// The package's most recently used credential, which this makes used once more.
    pub fn most_recent(&mut self, package: u16) -> Option<Slot> {
        let record = self.recency.newest(package, &self.records)?;
        Some(self.touch(record))
    }

    /// The credential in a slot, unless it is gone. Doesn't count as a use.
    #[inline]
    pub fn get(&self, slot: Slot) -> Option<Entry<'_>> {
        let record = self.records.live(slot.index).filter(|record| record.generation == slot.generation)?;
        Some(Entry { vault: self, number: slot.index, record })
    }

    /// Removes a credential and overwrites its secret; whether it was there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let there = self.get(slot).is_some();
        if there {
            self.release(slot.index);
            self.settle_expiries();
        }
        there
    }

    /// Removes what has expired by `now`, and overwrites its secrets: an expiry that equals `now` has passed. Costs
    /// nothing while nothing has.
    ///
    /// `on_gone` is called for each, soonest expiry first, before its secret is overwritten.
    pub fn sweep(&mut self, now: u64, on_gone: &mut dyn FnMut(Gone<'_>)) {
        while let Some((_, slot)) = self.expiries.next().filter(|&(expires, _)| expires <= now) {
            self.discard(slot.index, Reason::Expired, on_gone);
            self.settle_expiries();
        }
    }

    /// When the next credential expires.
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiries.next().map(|(expires, _)| expires)
    }

    /// Overwrites all secrets and empties the vault; how many credentials it held. Every slot given out before is void.
    pub fn flush(&mut self) -> usize {
        let held = self.len();
        let mut emptied = self.empty();
        emptied.wipe();
        self.reuse(emptied);
        held
    }

    /// Empties the vault, and hands its secrets over to be overwritten: that takes a while, for which nobody else need
    /// wait. Every slot given out before is void. Costs the same however much the vault holds.
    pub fn empty(&mut self) -> Emptied {
        self.recency.clear();
        self.expiries.clear();
        Emptied {
            secrets: mem::replace(&mut self.secrets, Secrets::new()),
            records: self.records.take(),
            index: mem::replace(&mut self.index, Index::new()),
        }
    }

    /// Takes the memory of what was [emptied](Self::empty) back for credentials to come. When the vault has got new ones
    /// since, in other memory, it keeps that and returns the old, to be dropped where nobody waits.
    pub fn reuse(&mut self, emptied: Emptied) -> Option<Emptied> {
        let Emptied { secrets, records, index } = emptied;
        if self.memory().record_bytes > 0 {
            return Some(Emptied { secrets, records, index });
        }
        self.secrets = secrets;
        self.records.reuse(records);
        self.index = index;
        None
    }

    /// All credentials, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, Entry<'_>)> {
        self.records.iter().map(|(number, _)| {
            let entry = self.entry(number);
            (entry.slot(), entry)
        })
    }

    /// How many credentials are cached.
    pub fn len(&self) -> usize {
        self.records.len() as usize
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the vault takes of the system's memory.
    pub fn memory(&self) -> Memory {
        let slabs = self.secrets.slabs();
        Memory {
            secret_bytes: slabs.iter().map(|slab| slab.reserved()).sum(),
            locked_bytes: slabs.iter().map(|slab| slab.locked()).sum(),
            lock_refused: slabs.iter().any(|slab| slab.lock_refused()),
            record_bytes: self.records.reserved(),
            index_bytes: self.index.reserved(),
        }
    }

    /// Whether this process is a child that was forked while the vault existed. On Linux its secrets are zeros then;
    /// anywhere, what it holds belongs to the parent: drop it and start with an empty one. As cheap as a load on Linux.
    pub fn is_forked(&self) -> bool {
        self.fork_mark.is_forked()
    }

    #[inline]
    fn lookup(&self, hash: u32, key: KeyRef<'_>) -> Option<u32> {
        self.index.find(hash, |record| self.records.matches(record, key))
    }

    /// Inserts where the key is cached already.
    fn renew(
        &mut self,
        number: u32,
        kind: u8,
        secret: &[u8],
        now: u64,
        expires: u64,
        on_gone: &mut dyn FnMut(Gone<'_>),
    ) -> Result<Inserted, OutOfMemory> {
        let entry = self.entry(number);
        let old = entry.slot();
        let same = entry.kind() == kind && entry.secret() == secret;
        let how = if same {
            How::Refreshed
        } else {
            let span = self.secrets.prepare(secret)?;
            on_gone(Gone { reason: Reason::Replaced, slot: old, entry: self.entry(number) });
            let generation = self.records.next_generation();
            let record = self.records.at_mut(number);
            self.secrets.release(number, record.secret());
            self.secrets.put(number, span, secret);
            record.set_secret(span);
            (record.kind, record.generation) = (kind, generation);
            How::Replaced { old }
        };
        let record = self.records.at_mut(number);
        let known = same && record.expires == expires;
        (record.cached_at, record.expires) = (now, expires);
        let slot = self.touch(number);
        if !known {
            self.expiries.push(expires, slot);
            self.settle_expiries();
        }
        Ok(Inserted { slot, how })
    }

    /// Announces that a credential goes, and removes it. [`settle_expiries`](Self::settle_expiries) comes after.
    fn discard(&mut self, number: u32, reason: Reason, on_gone: &mut dyn FnMut(Gone<'_>)) {
        let entry = self.entry(number);
        on_gone(Gone { reason, slot: entry.slot(), entry });
        self.release(number);
    }

    /// Overwrites a credential's secret, and frees its record.
    fn release(&mut self, number: u32) {
        let record = self.records.at(number);
        self.secrets.release(number, record.secret());
        self.recency.remove(record);
        self.index.remove(number);
        self.records.remove(number);
    }

    #[inline]
    fn touch(&mut self, number: u32) -> Slot {
        let record = self.records.at_mut(number);
        self.recency.touch(number, record);
        Slot { index: number, generation: record.generation }
    }

    fn settle_expiries(&mut self) {
        let (live, records) = (self.len(), &self.records);
        self.expiries.settle(live, |expires, slot| {
            records
                .live(slot.index)
                .is_some_and(|record| record.generation == slot.generation && record.expires == expires)
        });
    }

    #[inline]
    fn entry(&self, number: u32) -> Entry<'_> {
        Entry { vault: self, number, record: self.records.at(number) }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("len", &self.len())
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}

/// What a vault held before it was [emptied](Vault::empty). Dropping it overwrites the secrets and gives the memory back.
#[must_use = "dropped, its memory is lost to the vault: wipe it and have the vault reuse it"]
pub struct Emptied {
    secrets: Secrets,
    records: Records,
    index: Index,
}

impl Emptied {
    /// Overwrites all secrets, in one pass at the speed of memory.
    pub fn wipe(&mut self) {
        self.secrets.wipe();
        self.records.clear();
        self.index.clear();
    }
}

impl fmt::Debug for Emptied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emptied").finish_non_exhaustive()
    }
}

/// What a vault may hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// How many credentials; `None` for as many as memory holds.
    pub capacity: Option<NonZeroU32>,
}

/// A cached credential's place: good until it is removed, replaced, expires, is evicted or flushed, and void from then
/// on, even when another credential takes the place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot {
    index: u32,
    generation: u32,
}

impl Slot {
    /// The whole slot in one word, never zero.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The slot that [`to_u64`](Self::to_u64) gave. A forged one finds nothing, or what it happens to name.
    pub fn from_u64(word: u64) -> Self {
        let [.., a, b, c, d] = word.to_be_bytes();
        #[allow(clippy::cast_possible_truncation)]
        let generation = (word >> 32) as u32;
        Self { index: u32::from_be_bytes([a, b, c, d]), generation }
    }
}

/// A cached credential.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    vault: &'a Vault,
    number: u32,
    record: &'a Record,
}

impl<'a> Entry<'a> {
    /// Its slot.
    pub fn slot(self) -> Slot {
        Slot { index: self.number, generation: self.record.generation }
    }

    /// The number of its package.
    pub fn package(self) -> u16 {
        self.record.package
    }

    /// The user's name, in the case it was first given in.
    pub fn user(self) -> &'a [u16] {
        self.vault.records.names(self.record).0
    }

    /// The domain's name, in the case it was first given in.
    pub fn domain(self) -> &'a [u16] {
        self.vault.records.names(self.record).1
    }

    /// The tag that was given with the secret.
    pub fn kind(self) -> u8 {
        self.record.kind
    }

    /// The secret itself.
    #[inline]
    pub fn secret(self) -> &'a [u8] {
        self.vault.secrets.get(self.number, self.record.secret())
    }

    /// When it was cached or renewed last.
    pub fn cached_at(self) -> u64 {
        self.record.cached_at
    }

    /// When it expires, or [`NEVER`].
    pub fn expires(self) -> u64 {
        self.record.expires
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("package", &self.package())
            .field("user", &String::from_utf16_lossy(self.user()))
            .field("domain", &String::from_utf16_lossy(self.domain()))
            .field("cached_at", &self.cached_at())
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

/// A credential on its way out.
#[derive(Debug)]
pub struct Gone<'a> {
    /// Why it goes.
    pub reason: Reason,
    /// The slot that is void from now on.
    pub slot: Slot,
    /// The credential, its secret not yet overwritten.
    pub entry: Entry<'a>,
}

/// Why a credential went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// To make room for another one.
    Evicted,
    /// Its time had come.
    Expired,
    /// The same key came with another secret.
    Replaced,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Inserted {
    /// Where the credential is.
    pub slot: Slot,
    /// Whether it had been there before.
    pub how: How,
}

/// Whether a credential had been cached before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// It is new.
    Added,
    /// It was there with this very secret: its slot is the same, its times are new.
    Refreshed,
    /// Its key was there with another secret.
    Replaced {
        /// The slot of the old secret, which is void.
        old: Slot,
    },
}

/// What a vault takes of the system's memory, in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Memory {
    /// Reserved for secrets.
    pub secret_bytes: usize,
    /// How many of these are locked in physical memory.
    pub locked_bytes: usize,
    /// Whether the system refused to lock some, so that secrets could reach its swap space. On Linux, raise
    /// `RLIMIT_MEMLOCK` (`ulimit -l`); on Windows, the process's minimum working set.
    pub lock_refused: bool,
    /// Reserved for records.
    pub record_bytes: usize,
    /// Reserved for the index.
    pub index_bytes: usize,
}

/// The system has no memory for another credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("out of memory for cached credentials; flush the cache or limit its capacity")]
pub struct OutOfMemory;

impl From<TryReserveError> for OutOfMemory {
    fn from(_: TryReserveError) -> Self {
        Self
    }
}

/// The expiry of what never expires.
pub const NEVER: u64 = u64::MAX;
