//! The credential cache: secrets in locked pages, found by package, user and domain (M1, M3, M6, M7, M9).
//!
//! Secrets live in [`Slab`]s and nowhere else, so that a flush is one pass at memory speed over what was ever stored,
//! not a walk over a million allocations. Records hold everything else about a credential; an index leads from a key's
//! hash to its record. Names aren't secrets: a flush forgets them without a visit to the records.
//!
//! A [`Vault`] is single-threaded: the engine keeps it under one lock, which makes flushing linearizable. What takes time,
//! the overwriting, is done on what [`Vault::empty`] took out, without the lock.
//!
//! # Memory
//! Memory for secrets comes in regions of two mebibytes, the first of them locked 64 KiB at a time, the others in huge
//! pages, where the system has them to give. It is kept after a flush, locked, for the credentials to come, and given back when the vault is dropped; a secret of more than 256 KiB has
//! pages of its own, given back when it goes.
//!
//! # Platforms
//! Linux locks the pages of secrets, keeps them out of core dumps, and lets a forked child find zeros in them. macOS
//! locks them; a forked child has copies until it drops or flushes its vault. Windows locks as many as the process's
//! minimum working set allows. [`Memory::lock_refused`] tells whether secrets could reach swap space.
//!
//! # Tests
//! After a change to the pages, run `cargo +nightly miri test -p sspcache-engine --lib vault`, too: there pages come from
//! the global allocator, and Miri checks every access (`rustup toolchain install nightly --component miri`).

use std::collections::BTreeSet;
use std::fmt;
use std::mem;
use std::num::NonZeroU32;

use hashbrown::HashTable;

mod credential;
mod key;
mod pages;
mod recency;
mod records;
mod secrets;
mod slab;
#[cfg(test)]
mod tests;

pub use credential::{Entry, Gone, How, Inserted, NEVER, NewCredential, OutOfMemory, Reason, Slot};
pub use key::KeyRef;
pub use slab::{Chunk, Slab};

use key::KeyHasher;
pub(crate) use pages::ForkMark;
#[cfg(all(test, target_os = "linux", not(miri)))]
pub(crate) use pages::tests::in_forked_child;
use recency::Recency;
use records::{Record, Records};
use secrets::Secrets;

/// A cache of credentials.
///
/// ```
/// use sspcache_engine::vault::{KeyRef, Limits, NEVER, NewCredential, Vault};
///
/// let [user, domain] = ["alice", "CONTOSO"].map(|name| name.encode_utf16().collect::<Vec<_>>());
/// let key = KeyRef { package: 0, user: &user, domain: &domain };
/// let alice = NewCredential { key, kind: 0, secret: b"correct horse", cached_at: 0, expires: NEVER };
/// let mut vault = Vault::new(Limits::default());
/// let slot = vault.insert(alice, &mut |_| {}).unwrap().slot;
/// assert_eq!(vault.find(key), Some(slot));
/// assert_eq!(vault.get(slot).unwrap().secret(), b"correct horse");
///
/// assert_eq!(vault.flush(), 1); // overwrites the secret
/// assert_eq!(vault.find(key), None);
/// assert!(vault.get(slot).is_none());
/// ```
pub struct Vault {
    store: Store,
    hasher: KeyHasher,
    /// The last one that was given to a record.
    generation: u32,
    capacity: Option<NonZeroU32>,
    fork_mark: ForkMark,
}

/// What a flush takes out.
#[derive(Default)]
struct Store {
    secrets: Secrets,
    records: Records,
    index: HashTable<Indexed>,
    recency: Recency,
    /// When each credential expires that ever does.
    expiries: BTreeSet<(u64, Slot)>,
}

/// A record's number, and the hash of its key, so that no record is visited in vain, nor when the table grows.
struct Indexed {
    hash: u32,
    number: u32,
}

impl Indexed {
    /// The hash as the table wants it, which takes bits from both ends.
    fn spread(hash: u32) -> u64 {
        u64::from(hash) << 32 | u64::from(hash)
    }

    fn hash(&self) -> u64 {
        Self::spread(self.hash)
    }
}

impl Vault {
    /// An empty vault. It takes no memory for credentials before the first one comes.
    pub fn new(limits: Limits) -> Self {
        Self {
            store: Store::default(),
            hasher: KeyHasher::new(),
            generation: 0,
            capacity: limits.capacity,
            fork_mark: ForkMark::new(),
        }
    }

    /// Caches a credential, and makes it its package's most recently used one.
    ///
    /// The same key with the same secret and kind renews what is cached; another secret replaces it, under a new slot. A
    /// new key beyond the capacity evicts the least recently used credential, of whatever package.
    ///
    /// `on_gone` is called for what is replaced or evicted, before its secret is overwritten. Should it panic, nothing has
    /// gone, and nothing has come; the new secret may be in the slab all the same until the next flush or drop.
    ///
    /// On an error nothing has changed.
    pub fn insert(
        &mut self,
        new: NewCredential<'_>,
        on_gone: &mut dyn FnMut(Gone<'_>),
    ) -> Result<Inserted, OutOfMemory> {
        let hash = self.hasher.hash(new.key);
        if let Some(number) = self.store.find(hash, new.key) {
            return self.renew(number, new, on_gone);
        }
        let store = &mut self.store;
        let most = store.records.reserve(new.key)?;
        store.recency.reserve(new.key.package)?;
        store.index.try_reserve(1, Indexed::hash)?;
        let crowded = self.capacity.is_some_and(|capacity| store.records.len() >= capacity.get() as usize);
        let evicted = if crowded { store.recency.oldest(&store.records) } else { None };
        let secret = store.secrets.prepare(most, new.secret)?;
        if let Some(evicted) = evicted {
            self.discard(evicted, Reason::Evicted, on_gone);
        }
        let record = Record::new(self.next_generation(), new.kind, secret, new.cached_at, new.expires);
        let store = &mut self.store;
        let number = store.records.insert(new.key, record);
        store.secrets.put(number, secret, new.secret);
        store.recency.add(number, &mut store.records);
        store.index.insert_unique(Indexed::spread(hash), Indexed { hash, number }, Indexed::hash);
        store.expect_expiry(number);
        Ok(Inserted { slot: store.entry(number).slot(), how: How::Added })
    }

    /// The credential of this key, which becomes its package's most recently used one.
    pub fn find(&mut self, key: KeyRef<'_>) -> Option<Slot> {
        let number = self.store.find(self.hasher.hash(key), key)?;
        Some(self.store.touch(number))
    }

    /// The package's most recently used credential, which this makes used once more.
    pub fn most_recent(&mut self, package: u16) -> Option<Slot> {
        let number = self.store.recency.newest(package, &self.store.records)?;
        Some(self.store.touch(number))
    }

    /// The credential in a slot, unless it is gone. Doesn't count as a use.
    pub fn get(&self, slot: Slot) -> Option<Entry<'_>> {
        let record = self.store.records.get(slot.number)?;
        (record.generation.get() == slot.generation).then(|| self.store.entry(slot.number))
    }

    /// Removes a credential and overwrites its secret; whether it was there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let there = self.get(slot).is_some();
        if there {
            self.release(slot.number);
        }
        there
    }

    /// Removes what has expired by `now`, and overwrites its secrets: an expiry that equals `now` has passed. Costs
    /// nothing while nothing has.
    ///
    /// `on_gone` is called for each, soonest expiry first, before its secret is overwritten.
    pub fn sweep(&mut self, now: u64, on_gone: &mut dyn FnMut(Gone<'_>)) {
        while let Some(&(_, slot)) = self.store.expiries.first().filter(|(expires, _)| *expires <= now) {
            self.discard(slot.number, Reason::Expired, on_gone);
        }
    }

    /// When the next credential expires.
    pub fn next_expiry(&self) -> Option<u64> {
        self.store.expiries.first().map(|(expires, _)| *expires)
    }

    /// Overwrites all secrets and empties the vault; how many credentials it held. Every slot given out before is void.
    pub fn flush(&mut self) -> usize {
        let held = self.len();
        let mut emptied = self.empty();
        emptied.wipe();
        self.reuse(emptied);
        held
    }

    /// Empties the vault, and hands its secrets over to be overwritten: that takes a while, for which no other call need
    /// wait. Every slot given out before is void. Costs the same however much the vault holds.
    pub fn empty(&mut self) -> Emptied {
        Emptied(mem::take(&mut self.store))
    }

    /// Takes the memory of what was [emptied](Self::empty) back for credentials to come. When the vault has got new ones
    /// since, in other memory, it keeps that and returns the old, to be dropped where no call waits.
    pub fn reuse(&mut self, emptied: Emptied) -> Option<Emptied> {
        if self.store.records.reserved() > 0 {
            return Some(emptied);
        }
        self.store = emptied.0;
        None
    }

    /// All credentials, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, Entry<'_>)> {
        let entries = self.store.records.numbers().map(|number| self.store.entry(number));
        entries.map(|entry| (entry.slot(), entry))
    }

    /// How many credentials are cached.
    pub fn len(&self) -> usize {
        self.store.records.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the vault takes of the system's memory.
    pub fn memory(&self) -> Memory {
        let Store { secrets, records, index, .. } = &self.store;
        let slabs = secrets.slabs();
        Memory {
            secret_bytes: slabs.iter().map(|slab| slab.reserved()).sum(),
            locked_bytes: slabs.iter().map(|slab| slab.locked()).sum(),
            lock_refused: slabs.iter().any(|slab| slab.lock_refused()),
            record_bytes: records.reserved(),
            index_bytes: index.allocation_size(),
        }
    }

    /// Whether this process is a child that was forked while the vault existed. On Linux its secrets are zeros then;
    /// anywhere, what it holds belongs to the parent: drop it and start with an empty one. As cheap as a load on Linux.
    pub fn is_forked(&self) -> bool {
        self.fork_mark.is_forked()
    }

    /// Inserts where the key is cached already.
    fn renew(
        &mut self,
        number: u32,
        new: NewCredential<'_>,
        on_gone: &mut dyn FnMut(Gone<'_>),
    ) -> Result<Inserted, OutOfMemory> {
        let entry = self.store.entry(number);
        let old = entry.slot();
        if entry.kind() == new.kind && entry.secret() == new.secret {
            self.store.forget_expiry(number);
            let record = self.store.records.at_mut(number);
            (record.cached_at, record.expires) = (new.cached_at, new.expires);
            self.store.expect_expiry(number);
            return Ok(Inserted { slot: self.store.touch(number), how: How::Refreshed });
        }
        let secret = self.store.secrets.prepare(number, new.secret)?;
        on_gone(Gone { reason: Reason::Replaced, slot: old, entry: self.store.entry(number) });
        let generation = self.next_generation();
        let store = &mut self.store;
        store.forget_expiry(number);
        let record = store.records.at_mut(number);
        store.secrets.release(number, mem::replace(&mut record.secret, secret));
        store.secrets.put(number, secret, new.secret);
        (record.kind, record.generation) = (new.kind, generation);
        (record.cached_at, record.expires) = (new.cached_at, new.expires);
        store.expect_expiry(number);
        Ok(Inserted { slot: store.touch(number), how: How::Replaced { old } })
    }

    /// Announces that a credential goes, and removes it.
    fn discard(&mut self, number: u32, reason: Reason, on_gone: &mut dyn FnMut(Gone<'_>)) {
        let entry = self.store.entry(number);
        on_gone(Gone { reason, slot: entry.slot(), entry });
        self.release(number);
    }

    /// Overwrites a credential's secret, and frees its record.
    fn release(&mut self, number: u32) {
        let store = &mut self.store;
        store.forget_expiry(number);
        store.secrets.release(number, store.records.at(number).secret);
        let key = store.records.key(number);
        let hash = self.hasher.hash(key);
        if let Ok(indexed) = store.index.find_entry(Indexed::spread(hash), |indexed| indexed.number == number)
        {
            indexed.remove();
        }
        store.recency.remove(key.package);
        store.records.remove(number);
    }

    /// A generation that no record has had, but for wrapping around after four billion.
    fn next_generation(&mut self) -> NonZeroU32 {
        let next = NonZeroU32::MIN.saturating_add(self.generation);
        self.generation = if next == NonZeroU32::MAX { 0 } else { next.get() };
        next
    }
}

impl Store {
    #[inline]
    fn find(&self, hash: u32, key: KeyRef<'_>) -> Option<u32> {
        let is = |indexed: &Indexed| indexed.hash == hash && self.records.key(indexed.number).matches(key);
        self.index.find(Indexed::spread(hash), is).map(|indexed| indexed.number)
    }

    fn entry(&self, number: u32) -> Entry<'_> {
        Entry { store: self, number, record: self.records.at(number) }
    }

    fn touch(&mut self, number: u32) -> Slot {
        self.recency.touch(number, &mut self.records);
        self.entry(number).slot()
    }

    fn expect_expiry(&mut self, number: u32) {
        let entry = self.entry(number);
        if entry.expires() != NEVER {
            let expiry = (entry.expires(), entry.slot());
            self.expiries.insert(expiry);
        }
    }

    fn forget_expiry(&mut self, number: u32) {
        let entry = self.entry(number);
        if entry.expires() != NEVER {
            let expiry = (entry.expires(), entry.slot());
            self.expiries.remove(&expiry);
        }
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
pub struct Emptied(Store);

impl Emptied {
    /// Overwrites all secrets, in one pass at the speed of memory.
    pub fn wipe(&mut self) {
        let Store { secrets, records, index, recency, expiries } = &mut self.0;
        secrets.wipe();
        records.clear();
        index.clear();
        recency.clear();
        expiries.clear();
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
