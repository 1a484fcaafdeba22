//! When credentials expire: a heap with the soonest on top.
//!
//! What is removed, replaced or renewed leaves its old entry behind, to be dropped when it comes to the top. The top is
//! never such an entry, and they are never more than half of all, and a few.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{NEVER, OutOfMemory, Slot};

/// When, and which record: its number and generation.
pub(super) struct Expiries(BinaryHeap<Reverse<(u64, Slot)>>);

impl Expiries {
    pub(super) const fn new() -> Self {
        Self(BinaryHeap::new())
    }

    pub(super) fn reserve(&mut self) -> Result<(), OutOfMemory> {
        Ok(self.0.try_reserve(1)?)
    }

    /// Adds an expiry. [`settle`](Self::settle) comes after.
    pub(super) fn push(&mut self, expires: u64, slot: Slot) {
        if expires != NEVER {
            self.0.push(Reverse((expires, slot)));
        }
    }

    /// The soonest expiry.
    pub(super) fn next(&self) -> Option<(u64, Slot)> {
        self.0.peek().map(|&Reverse(entry)| entry)
    }

    /// Drops entries that are no longer true, as far as is needed; `live` is how many credentials there are.
    pub(super) fn settle(&mut self, live: usize, mut is_true: impl FnMut(u64, Slot) -> bool) {
        if self.0.len() > 2 * live + SLACK {
            self.0.retain(|&Reverse((expires, slot))| is_true(expires, slot));
        }
        while self.next().is_some_and(|(expires, slot)| !is_true(expires, slot)) {
            self.0.pop();
        }
    }

    /// How many entries there are, true or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// So that a small heap isn't rebuilt all the time.
const SLACK: usize = 64;
