//! What the vault knows of each credential, but for its secret: records of a fixed size, by number.
//!
//! A record holds names of usual lengths itself, and nothing in it has to be dropped: emptying a vault doesn't visit its
//! records.

use std::num::NonZeroU32;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::slab::Span;
use super::{KeyRef, OutOfMemory};

/// In the order of what a lookup reads: most are done after one cache line.
#[repr(C)]
pub(super) struct Record {
    /// When it was used last, in uses of the vault.
    pub(super) used: u64,
    pub(super) secret: Span,
    /// Which use of the record's number this is.
    pub(super) generation: NonZeroU32,
    pub(super) package: u16,
    pub(super) kind: u8,
    /// Units of the user's name, or [`LONG`].
    user_len: u8,
    domain_len: u8,
    /// Both names, one after the other, unless they are [long](Records::long).
    names: [u16; INLINE],
    pub(super) cached_at: u64,
    pub(super) expires: u64,
}

#[derive(Default)]
pub(super) struct Records {
    all: Vec<Option<Record>>,
    free: Vec<u32>,
    /// User and domain, where a record has no room for them, by its number.
    long: HashMap<u32, [Box<[u16]>; 2], FixedState>,
}

impl Record {
    /// A record without a key, which [`Records::insert`] gives it.
    pub(super) fn new(generation: NonZeroU32, kind: u8, secret: Span, cached_at: u64, expires: u64) -> Self {
        let (used, package, user_len, domain_len, names) = (0, 0, LONG, 0, [0; INLINE]);
        Self { used, secret, generation, package, kind, user_len, domain_len, names, cached_at, expires }
    }
}

impl Records {
    pub(super) fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    /// The record of a number that is in use.
    #[inline]
    pub(super) fn at(&self, number: u32) -> &Record {
        self.all[number as usize].as_ref().expect("the number is in use")
    }

    #[inline]
    pub(super) fn at_mut(&mut self, number: u32) -> &mut Record {
        self.all[number as usize].as_mut().expect("the number is in use")
    }

    /// The record, if the number is in use.
    #[inline]
    pub(super) fn get(&self, number: u32) -> Option<&Record> {
        self.all.get(number as usize)?.as_ref()
    }

    /// What a record is found by, in the case that it was first given in.
    #[inline]
    pub(super) fn key(&self, number: u32) -> KeyRef<'_> {
        let record = self.at(number);
        let (user, domain) = if record.user_len == LONG {
            let [user, domain] = &self.long[&number];
            (&**user, &**domain)
        } else {
            let (user, rest) = record.names.split_at(usize::from(record.user_len));
            (user, &rest[..usize::from(record.domain_len)])
        };
        KeyRef { package: record.package, user, domain }
    }

    /// All numbers in use, in no particular order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.all).filter(|(_, record)| record.is_some()).map(|(number, _)| number)
    }

    /// Makes sure that [`insert`](Self::insert) finds a number and memory for it, and [`remove`](Self::remove) too. Returns the
    /// greatest number that it may be.
    pub(super) fn reserve(&mut self, key: KeyRef<'_>) -> Result<u32, OutOfMemory> {
        let most = u32::try_from(self.all.len()).ok().filter(|&most| most < MOST).ok_or(OutOfMemory)?;
        if !fits(key) {
            self.long.try_reserve(1)?;
        }
        if self.free.is_empty() {
            self.all.try_reserve(1)?;
            self.free.try_reserve(self.all.len() + 1)?;
        }
        Ok(most)
    }

    /// Adds a record. [`reserve`](Self::reserve) comes first.
    #[allow(clippy::cast_possible_truncation)] // It saw to that.
    pub(super) fn insert(&mut self, key: KeyRef<'_>, record: Record) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() as u32 - 1
        });
        let record = self.all[number as usize].insert(record);
        record.package = key.package;
        if fits(key) {
            let (user, rest) = record.names.split_at_mut(key.user.len());
            user.copy_from_slice(key.user);
            rest[..key.domain.len()].copy_from_slice(key.domain);
            (record.user_len, record.domain_len) = (key.user.len() as u8, key.domain.len() as u8);
        } else {
            self.long.insert(number, [key.user.into(), key.domain.into()]);
        }
        number
    }

    /// Removes the record of a number that is in use.
    pub(super) fn remove(&mut self, number: u32) {
        let removed = self.all[number as usize].take().expect("the number is in use");
        if removed.user_len == LONG {
            self.long.remove(&number);
        }
        self.free.push(number);
    }

    /// Removes all records, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.all.clear();
        self.free.clear();
        self.long.clear();
    }

    /// Bytes of memory held for records.
    pub(super) fn reserved(&self) -> usize {
        self.all.capacity() * size_of::<Option<Record>>()
    }
}

fn fits(key: KeyRef<'_>) -> bool {
    key.user.len() + key.domain.len() <= INLINE
}

/// As many as there are cells for.
const MOST: u32 = 1 << 30;
/// Units of both names that fit into a record.
const INLINE: usize = 40;
/// A length that isn't one.
const LONG: u8 = u8::MAX;

const _: () = assert!(size_of::<Option<Record>>() == 128, "the names fill what the other fields leave");
