//! What the vault knows of each credential, but for its secret: fixed-size records in chunks that never move.
//!
//! A record holds the names itself when they are short, as nearly all are; longer ones are on the heap. Using a
//! credential writes a stamp into its record, which is at hand, and touches nothing else that is far away: see
//! [`recency`](super::recency).

use std::mem;

use super::OutOfMemory;
use super::key::{KeyRef, same};
use super::pages::{FixedVec, PageSize, REGION};
use super::slab::Span;

/// Two cache lines: all that a lookup reads is in the first, when the names are as short as most.
#[derive(Clone, Copy)]
#[repr(C, align(128))]
pub(super) struct Record {
    /// Which use of the record this is; 0 when it is free.
    pub(super) generation: u32,
    pub(super) package: u16,
    pub(super) kind: u8,
    /// Units of each name, or [`LONG`].
    user_len: u16,
    domain_len: u16,
    secret_len: u32,
    /// When it was used last, in uses of the vault.
    pub(super) used: u64,
    /// Both names, one after the other, if they aren't long.
    names: [u16; INLINE],
    /// Where the secret is, if its length says that it isn't in the record's cell.
    secret_at: u32,
    /// Where the names are, if they are long. Of a free record, the next free one.
    link: u32,
    pub(super) cached_at: u64,
    pub(super) expires: u64,
}

/// Records by number, and the names that don't fit into them.
pub(super) struct Records {
    chunks: Vec<FixedVec<Record>>,
    /// How many records are in use, or free for reuse; those beyond are from before a flush.
    cut: u32,
    live: u32,
    free: u32,
    long: Vec<LongNames>,
    long_free: Vec<u32>,
    generations: u32,
}

/// Names that are longer than a record has room for, and where the second one starts.
#[derive(Default)]
struct LongNames(Box<[u16]>, usize);

/// What a record is filled with, besides its key.
pub(super) struct Contents {
    pub(super) kind: u8,
    pub(super) secret: Span,
    pub(super) cached_at: u64,
    pub(super) expires: u64,
}

impl Records {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            cut: 0,
            live: 0,
            free: NONE,
            long: Vec::new(),
            long_free: Vec::new(),
            generations: 0,
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.live
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Record {
        &self.chunks[index as usize / PER_CHUNK][index as usize % PER_CHUNK]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        &mut self.chunks[index as usize / PER_CHUNK][index as usize % PER_CHUNK]
    }

    /// The record, if it is in use.
    #[inline]
    pub(super) fn live(&self, index: u32) -> Option<&Record> {
        (index < self.cut).then(|| self.at(index)).filter(|record| record.generation != 0)
    }

    /// All records in use with their numbers, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        (0..self.cut).map(|index| (index, self.at(index))).filter(|(_, record)| record.generation != 0)
    }

    /// Makes sure that [`insert`](Self::insert) can't fail for this key; the greatest number that the record may have.
    pub(super) fn reserve(&mut self, key: KeyRef<'_>) -> Result<u32, OutOfMemory> {
        if self.free == NONE && self.cut as usize == self.chunks.len() * PER_CHUNK {
            self.add_chunk()?;
        }
        if !fits(key) {
            self.long.try_reserve(1)?;
            // So that giving the name back can't fail either.
            self.long_free.try_reserve(self.long.len() + 1)?;
        }
        Ok(self.cut)
    }

    /// Fills a record. [`reserve`](Self::reserve) comes first.
    #[inline]
    pub(super) fn insert(&mut self, key: KeyRef<'_>, contents: &Contents) -> u32 {
        let &Contents { kind, secret, cached_at, expires } = contents;
        let mut record = Record {
            generation: self.next_generation(),
            package: key.package,
            kind,
            user_len: LONG,
            domain_len: LONG,
            secret_len: secret.len,
            used: 0,
            names: [0; INLINE],
            secret_at: secret.at,
            link: NONE,
            cached_at,
            expires,
        };
        if fits(key) {
            record.set_names(key);
        } else {
            record.link = self.store_long(key);
        }
        self.live += 1;
        self.place(record)
    }

    /// Makes a record free.
    pub(super) fn remove(&mut self, index: u32) {
        let free = self.free;
        let record = self.at_mut(index);
        record.generation = 0;
        let long = record.is_long().then_some(record.link);
        record.link = free;
        if let Some(long) = long {
            self.long[long as usize] = LongNames::default();
            self.long_free.push(long);
        }
        self.free = index;
        self.live -= 1;
    }

    /// Hands all records over. Those to come have generations of their own.
    pub(super) fn take(&mut self) -> Self {
        let generations = self.generations;
        mem::replace(self, Self { generations, ..Self::new() })
    }

    /// Takes the memory of others, which are [clear](Self::clear), in place of its own, which has none.
    pub(super) fn reuse(&mut self, others: Self) {
        *self = Self { generations: self.generations, ..others };
    }

    /// Frees all records without a look at any.
    pub(super) fn clear(&mut self) {
        self.cut = 0;
        self.live = 0;
        self.free = NONE;
        self.long.clear();
        self.long_free.clear();
    }

    /// Whether the record is that of this key.
    #[inline]
    pub(super) fn matches(&self, index: u32, key: KeyRef<'_>) -> bool {
        let record = self.at(index);
        if record.package != key.package {
            return false;
        }
        let (user, domain) = self.names(record);
        same(user, key.user) && same(domain, key.domain)
    }

    /// User and domain, in the case they were given in.
    #[inline]
    pub(super) fn names<'a>(&'a self, record: &'a Record) -> (&'a [u16], &'a [u16]) {
        if record.is_long() {
            let LongNames(names, user_len) = &self.long[record.link as usize];
            names.split_at(*user_len)
        } else {
            let (user, rest) = record.names.split_at(usize::from(record.user_len));
            (user, &rest[..usize::from(record.domain_len)])
        }
    }

    /// A generation that no record has had, but for wrapping around after four billion.
    pub(super) fn next_generation(&mut self) -> u32 {
        self.generations = self.generations.checked_add(1).unwrap_or(1);
        self.generations
    }

    /// Bytes of page memory held.
    pub(super) fn reserved(&self) -> usize {
        self.chunks.iter().map(FixedVec::reserved).sum()
    }

    #[cold]
    fn add_chunk(&mut self) -> Result<(), OutOfMemory> {
        if self.cut as usize > MAX_RECORDS - PER_CHUNK {
            return Err(OutOfMemory);
        }
        self.chunks.try_reserve(1)?;
        let size = if self.chunks.is_empty() { PageSize::Small } else { PageSize::Huge };
        self.chunks.push(FixedVec::with_capacity(PER_CHUNK, size)?);
        Ok(())
    }

    #[inline]
    fn place(&mut self, record: Record) -> u32 {
        let index = self.free;
        if index != NONE {
            self.free = self.at(index).link;
            *self.at_mut(index) = record;
            return index;
        }
        let index = self.cut;
        let chunk = &mut self.chunks[index as usize / PER_CHUNK];
        match chunk.get_mut(index as usize % PER_CHUNK) {
            Some(place) => *place = record,
            None => chunk.push(record),
        }
        self.cut += 1;
        index
    }

    #[cold]
    fn store_long(&mut self, key: KeyRef<'_>) -> u32 {
        let index = self.long_free.pop().unwrap_or_else(|| {
            self.long.push(LongNames::default());
            u32::try_from(self.long.len() - 1).expect("no more names than records")
        });
        self.long[index as usize] = LongNames([key.user, key.domain].concat().into(), key.user.len());
        index
    }
}

impl Record {
    /// The secret's place.
    #[inline]
    pub(super) fn secret(&self) -> Span {
        Span { at: self.secret_at, len: self.secret_len }
    }

    pub(super) fn set_secret(&mut self, Span { at, len }: Span) {
        (self.secret_at, self.secret_len) = (at, len);
    }

    #[inline]
    fn is_long(&self) -> bool {
        self.user_len == LONG
    }

    #[inline]
    fn set_names(&mut self, key: KeyRef<'_>) {
        let (user, rest) = self.names.split_at_mut(key.user.len());
        user.copy_from_slice(key.user);
        rest[..key.domain.len()].copy_from_slice(key.domain);
        // Both are at most INLINE.
        #[allow(clippy::cast_possible_truncation)]
        {
            (self.user_len, self.domain_len) = (key.user.len() as u16, key.domain.len() as u16);
        }
    }
}

#[inline]
fn fits(key: KeyRef<'_>) -> bool {
    key.user.len() + key.domain.len() <= INLINE
}

/// No record.
const NONE: u32 = u32::MAX;
/// A length that isn't one: the names are in [`Records::long`].
const LONG: u16 = u16::MAX;
/// Units of both names that fit into a record.
const INLINE: usize = 40;
const PER_CHUNK: usize = REGION / size_of::<Record>();
/// As many as there are cells for their secrets.
const MAX_RECORDS: usize = super::secrets::MAX_CELLS;

const _: () = assert!(size_of::<Record>() == 128, "the names fill what the other fields leave");
