//! Which credential was used most recently, and which least.
//!
//! Each use gets a rising stamp, in the record and at the end of its package's queue. Entries of the queue whose record
//! has been used again, or is gone, are dropped when they come to an end of it, or when the queue is full.

use std::collections::VecDeque;

use super::OutOfMemory;
use super::records::Records;

#[derive(Default)]
pub(super) struct Recency {
    last: u64,
    packages: Vec<Package>,
}

#[derive(Default)]
struct Package {
    /// Has room for twice as many as there are credentials, and some: it is seldom full, and never of true entries.
    uses: VecDeque<Use>,
    credentials: usize,
}

/// A record was used: true while the record has this stamp.
struct Use {
    stamp: u64,
    number: u32,
}

impl Use {
    fn is_true(&self, records: &Records) -> bool {
        records.get(self.number).is_some_and(|record| record.used == self.stamp)
    }
}

impl Recency {
    /// Makes sure that a credential of this package can be [added](Self::add), and used from then on.
    pub(super) fn reserve(&mut self, package: u16) -> Result<(), OutOfMemory> {
        let package = usize::from(package);
        if package >= self.packages.len() {
            self.packages.try_reserve(package + 1 - self.packages.len())?;
            self.packages.resize_with(package + 1, Package::default);
        }
        let Package { uses, credentials } = &mut self.packages[package];
        let room = 2 * (*credentials + 1) + SLACK;
        Ok(uses.try_reserve(room.saturating_sub(uses.len()))?)
    }

    /// A credential has come, and is its package's most recently used one.
    pub(super) fn add(&mut self, number: u32, records: &mut Records) {
        self.packages[usize::from(records.at(number).package)].credentials += 1;
        self.touch(number, records);
    }

    /// A credential was used.
    #[inline]
    pub(super) fn touch(&mut self, number: u32, records: &mut Records) {
        self.last += 1;
        let record = records.at_mut(number);
        record.used = self.last;
        let uses = &mut self.packages[usize::from(record.package)].uses;
        if uses.len() == uses.capacity() {
            uses.retain(|it| it.is_true(records));
        }
        uses.push_back(Use { stamp: self.last, number });
    }

    /// A credential of this package has gone.
    pub(super) fn remove(&mut self, package: u16) {
        self.packages[usize::from(package)].credentials -= 1;
    }

    /// The package's most recently used credential.
    pub(super) fn newest(&mut self, package: u16, records: &Records) -> Option<u32> {
        let uses = &mut self.packages.get_mut(usize::from(package))?.uses;
        while uses.back().is_some_and(|last| !last.is_true(records)) {
            uses.pop_back();
        }
        uses.back().map(|last| last.number)
    }

    /// The least recently used credential of all packages.
    pub(super) fn oldest(&mut self, records: &Records) -> Option<u32> {
        let oldest = self.packages.iter_mut().filter_map(|Package { uses, .. }| {
            while uses.front().is_some_and(|first| !first.is_true(records)) {
                uses.pop_front();
            }
            uses.front()
        });
        oldest.min_by_key(|first| first.stamp).map(|first| first.number)
    }

    /// All credentials have gone.
    pub(super) fn clear(&mut self) {
        for package in &mut self.packages {
            package.uses.clear();
            package.credentials = 0;
        }
    }

    /// How many uses are remembered, true or not.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.packages.iter().map(|package| package.uses.len()).sum()
    }
}

/// So that the queue of few credentials isn't searched all the time.
const SLACK: usize = 64;
