//! What goes into a vault, and what it shows of that.

use std::fmt;

use hashbrown::TryReserveError;

use super::records::Record;
use super::{KeyRef, Store};

/// A credential to be cached.
#[derive(Clone, Copy)]
pub struct NewCredential<'a> {
    /// What it is found by.
    pub key: KeyRef<'a>,
    /// A tag of the caller's, kept with the secret.
    pub kind: u8,
    /// The secret, which is copied.
    pub secret: &'a [u8],
    /// The present time, in the caller's unit.
    pub cached_at: u64,
    /// When it expires, in the same unit, or [`NEVER`].
    pub expires: u64,
}

impl fmt::Debug for NewCredential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCredential").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The expiry of what never expires.
pub const NEVER: u64 = u64::MAX;

/// A cached credential's place: good until it is removed, replaced, expires, is evicted or flushed, and void from then
/// on, even when another credential takes the place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Slot {
    pub(super) number: u32,
    pub(super) generation: u32,
}

impl Slot {
    /// The whole slot in one word, never zero.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.number)
    }

    /// The slot that [`to_u64`](Self::to_u64) gave. A forged one finds nothing, or what it happens to name.
    #[allow(clippy::cast_possible_truncation)] // Each half is cut out.
    pub fn from_u64(word: u64) -> Self {
        Self { number: word as u32, generation: (word >> 32) as u32 }
    }
}

/// A cached credential.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub(super) store: &'a Store,
    pub(super) number: u32,
    pub(super) record: &'a Record,
}

impl<'a> Entry<'a> {
    /// Its slot.
    pub fn slot(self) -> Slot {
        Slot { number: self.number, generation: self.record.generation.get() }
    }

    /// The number of its package.
    pub fn package(self) -> u16 {
        self.record.package
    }

    /// The user's name, in the case it was first given in.
    pub fn user(self) -> &'a [u16] {
        self.store.records.key(self.number).user
    }

    /// The domain's name, in the case it was first given in.
    pub fn domain(self) -> &'a [u16] {
        self.store.records.key(self.number).domain
    }

    /// The tag that was given with the secret.
    pub fn kind(self) -> u8 {
        self.record.kind
    }

    /// The secret itself.
    pub fn secret(self) -> &'a [u8] {
        self.store.secrets.get(self.number, self.record.secret)
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

/// The system has no memory for another credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutOfMemory;

impl std::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("out of memory for cached credentials; flush the cache or limit its capacity")
    }
}

impl std::error::Error for OutOfMemory {}

impl From<TryReserveError> for OutOfMemory {
    fn from(_: TryReserveError) -> Self {
        Self
    }
}

impl From<std::collections::TryReserveError> for OutOfMemory {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self
    }
}
