//! From the hash of a key to the number of its record.
//!
//! An open-addressing table in groups of eight. A group has a tag of eight bits for each of its slots, and, elsewhere,
//! the number in each. What isn't there is told by the tags alone, which are small enough to stay in the processor's
//! caches; and since a group's numbers lie where its tags do, a search need not have read the tags in order to know which
//! numbers to fetch. Lookups are little else than waiting for memory: one wait instead of two is what this table has
//! over a general one, whose numbers' places depend on their tags.
//!
//! The hashes, which growing needs, are kept beside it, so that no record is visited for them.

use std::hint::black_box;

use super::OutOfMemory;
use super::pages::{FixedVec, PageSize, REGION};

pub(super) struct Index {
    /// A power of two of them, or none.
    tags: FixedVec<[u8; GROUP]>,
    numbers: FixedVec<[u32; GROUP]>,
    /// By number; [`ABSENT`] where that isn't in the index.
    hashes: Vec<u32>,
    live: usize,
    /// Slots of full groups that something was removed from: a search has to go on beyond them.
    graves: usize,
}

impl Index {
    pub(super) const fn new() -> Self {
        Self { tags: FixedVec::new(), numbers: FixedVec::new(), hashes: Vec::new(), live: 0, graves: 0 }
    }

    /// Brings the numbers that belong to a hash near: before an insertion, which will need them in any case.
    #[inline]
    pub(super) fn fetch(&self, hash: u32) {
        if let Some(numbers) = self.numbers.get(self.home(hash)) {
            // A load that nothing waits for.
            black_box(numbers[0]);
        }
    }

    /// The number under this hash for which `is` is true.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag(hash);
        let mut at = self.home(hash);
        loop {
            // There is no group before the first insertion.
            let tags = u64::from_le_bytes(*self.tags.get(at)?);
            let mut found = slots_with(tags, tag);
            if found != 0 {
                let numbers = &self.numbers[at];
                black_box(numbers[0]); // So that the load doesn't wait for the tags.
                while found != 0 {
                    let number = numbers[slot(found)];
                    if is(number) {
                        return Some(number);
                    }
                    found &= found - 1;
                }
            }
            if slots_with(tags, EMPTY) != 0 {
                return None;
            }
            at = self.after(at);
        }
    }

    /// Makes sure that [`insert`](Self::insert) can't fail for this number; those below it were inserted before.
    #[inline]
    pub(super) fn reserve(&mut self, number: u32) -> Result<(), OutOfMemory> {
        if (self.live + self.graves + 1) * 4 > self.tags.len() * GROUP * 3 {
            self.grow()?;
        }
        if number as usize >= self.hashes.len() {
            self.hashes.try_reserve(1)?;
        }
        Ok(())
    }

    /// Adds a number that isn't in the index. [`reserve`](Self::reserve) comes first.
    #[inline]
    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        debug_assert!(hash != ABSENT);
        match self.hashes.get_mut(number as usize) {
            Some(place) => *place = hash,
            None => self.hashes.push(hash),
        }
        self.place(hash, number);
        self.live += 1;
    }

    /// Removes a number that is in the index.
    pub(super) fn remove(&mut self, number: u32) {
        let hash = std::mem::replace(&mut self.hashes[number as usize], ABSENT);
        let mut at = self.home(hash);
        loop {
            let tags = u64::from_le_bytes(self.tags[at]);
            let ends = slots_with(tags, EMPTY) != 0;
            let mut found = slots_with(tags, tag(hash));
            while found != 0 {
                if self.numbers[at][slot(found)] == number {
                    self.tags[at][slot(found)] = if ends { EMPTY } else { GRAVE };
                    self.graves += usize::from(!ends);
                    self.live -= 1;
                    return;
                }
                found &= found - 1;
            }
            assert!(!ends, "the number is in the index");
            at = self.after(at);
        }
    }

    /// Removes all, and keeps the memory.
    pub(super) fn clear(&mut self) {
        if self.live + self.graves > 0 {
            self.tags.fill([EMPTY; GROUP]);
        }
        self.hashes.clear();
        (self.live, self.graves) = (0, 0);
    }

    /// Bytes taken from the system.
    pub(super) fn reserved(&self) -> usize {
        self.tags.reserved() + self.numbers.reserved() + self.hashes.capacity() * size_of::<u32>()
    }

    /// Moves everything into twice the groups, or into as many when it is graves that fill them.
    #[cold]
    fn grow(&mut self) -> Result<(), OutOfMemory> {
        let groups = self.tags.len();
        let groups =
            if self.live * 8 >= groups * GROUP * 3 { (groups * 2).max(FIRST_GROUPS) } else { groups };
        // A table that is searched at random gains more from huge pages than anything else does.
        let pages = if groups * GROUP >= REGION { PageSize::Huge } else { PageSize::Small };
        let tags = FixedVec::filled(groups, [EMPTY; GROUP], pages)?;
        let numbers = FixedVec::filled(groups, [0; GROUP], pages)?;
        (self.tags, self.numbers, self.graves) = (tags, numbers, 0);
        for number in 0..self.hashes.len() {
            let hash = self.hashes[number];
            if hash != ABSENT {
                // Numbers are `u32`, and so are those here.
                #[allow(clippy::cast_possible_truncation)]
                self.place(hash, number as u32);
            }
        }
        Ok(())
    }

    #[inline]
    fn place(&mut self, hash: u32, number: u32) {
        let mut at = self.home(hash);
        loop {
            let tags = u64::from_le_bytes(self.tags[at]);
            // A grave is as good as an empty slot, and taking one keeps searches short.
            let free = slots_with(tags, GRAVE) | slots_with(tags, EMPTY);
            if free != 0 {
                let slot = slot(free);
                self.graves -= usize::from(self.tags[at][slot] == GRAVE);
                self.tags[at][slot] = tag(hash);
                self.numbers[at][slot] = number;
                return;
            }
            at = self.after(at);
        }
    }

    /// The group where a search starts: the lower bits of the hash.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & self.tags.len().wrapping_sub(1)
    }

    #[inline]
    fn after(&self, group: usize) -> usize {
        (group + 1) & (self.tags.len() - 1)
    }
}

/// What a slot that holds a number is marked with: the upper bits of the hash, but for the two marks below.
#[inline]
fn tag(hash: u32) -> u8 {
    let [.., tag] = hash.to_le_bytes();
    if tag > GRAVE { tag } else { tag + 2 }
}

/// The highest bit of each of the eight bytes that is this one. There may be more bits above the first, never below: a
/// number found by one of those is looked at in vain.
#[inline]
fn slots_with(tags: u64, tag: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let zero_where_equal = tags ^ (u64::from(tag) * EACH);
    zero_where_equal.wrapping_sub(EACH) & !zero_where_equal & (0x80 * EACH)
}

/// The first slot of those found.
#[inline]
fn slot(found: u64) -> usize {
    found.trailing_zeros() as usize / 8
}

const GROUP: usize = 8;
const FIRST_GROUPS: usize = 64;
/// The hash of no key.
pub(super) const ABSENT: u32 = 0;
/// No number, and none of this hash in the groups beyond.
const EMPTY: u8 = 0;
/// No number any more.
const GRAVE: u8 = 1;
