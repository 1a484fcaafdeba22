//! Which credential was used most recently, and which least.
//!
//! Each use writes a rising stamp into the record, and the last few uses of each package are remembered besides. Nothing
//! more is kept in order, because a list through the records would cost each lookup two more visits to slow memory. When
//! the few are used up, or room has to be made, the records are scanned for the next batch: that costs about as much as
//! reading them once, for [`REMEMBERED`] removals of the most recent one, or for an eighth of the cache to be evicted.

use std::collections::VecDeque;

use super::OutOfMemory;
use super::records::{Record, Records};

pub(super) struct Recency {
    uses: u64,
    packages: Vec<Package>,
    /// The least recently used records as of the last scan, the oldest last. Since stamps only rise, one whose stamp is
    /// still the same is the oldest of all.
    oldest: Vec<Use>,
}

#[derive(Default)]
struct Package {
    live: u32,
    /// The latest uses, the last one last, without a gap: no record that isn't in it was used later than any that is.
    latest: VecDeque<Use>,
}

/// A record was used: true while the record has this stamp.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Use {
    stamp: u64,
    record: u32,
}

impl Recency {
    pub(super) const fn new() -> Self {
        Self { uses: 0, packages: Vec::new(), oldest: Vec::new() }
    }

    /// Makes sure that a credential of this package can be [added](Self::add).
    #[inline]
    pub(super) fn reserve(&mut self, package: u16) -> Result<(), OutOfMemory> {
        let package = usize::from(package);
        if package >= self.packages.len() {
            self.packages.try_reserve(package + 1 - self.packages.len())?;
            self.packages.resize_with(package + 1, Package::default);
        }
        let latest = &mut self.packages[package].latest;
        if latest.capacity() == 0 {
            latest.try_reserve(REMEMBERED)?;
        }
        Ok(())
    }

    /// A record came into use.
    #[inline]
    pub(super) fn add(&mut self, number: u32, record: &mut Record) {
        self.packages[usize::from(record.package)].live += 1;
        self.touch(number, record);
    }

    /// A record was used.
    #[inline]
    pub(super) fn touch(&mut self, number: u32, record: &mut Record) {
        self.uses += 1;
        record.used = self.uses;
        let latest = &mut self.packages[usize::from(record.package)].latest;
        match latest.back_mut() {
            Some(last) if last.record == number => last.stamp = self.uses,
            _ => {
                if latest.len() == REMEMBERED {
                    latest.pop_front();
                }
                latest.push_back(Use { stamp: self.uses, record: number });
            }
        }
    }

    /// A record went out of use.
    pub(super) fn remove(&mut self, record: &Record) {
        self.packages[usize::from(record.package)].live -= 1;
    }

    /// All records went out of use.
    pub(super) fn clear(&mut self) {
        for package in &mut self.packages {
            package.live = 0;
            package.latest.clear();
        }
        self.oldest.clear();
    }

    /// The package's most recently used record.
    pub(super) fn newest(&mut self, package: u16, records: &Records) -> Option<u32> {
        let Package { live, latest } = self.packages.get_mut(usize::from(package))?;
        if *live == 0 {
            return None;
        }
        while let Some(last) = latest.back() {
            if last.is_true(records) {
                return Some(last.record);
            }
            latest.pop_back();
        }
        // The greatest few of the package, in order, by insertion: nearly all are less than the least of them.
        for (number, record) in records.iter().filter(|(_, record)| record.package == package) {
            let used = Use { stamp: record.used, record: number };
            if latest.len() == REMEMBERED {
                if latest.front().is_some_and(|least| used < *least) {
                    continue;
                }
                latest.pop_front();
            }
            latest.insert(latest.partition_point(|other| *other < used), used);
        }
        latest.back().map(|last| last.record)
    }

    /// The least recently used record of all.
    pub(super) fn oldest(&mut self, records: &Records) -> Result<Option<u32>, OutOfMemory> {
        while let Some(first) = self.oldest.last() {
            if first.is_true(records) {
                return Ok(Some(first.record));
            }
            self.oldest.pop();
        }
        let live = records.len() as usize;
        self.oldest.try_reserve_exact(live)?;
        self.oldest.extend(records.iter().map(|(record, it)| Use { stamp: it.used, record }));
        let batch = (live / 8).max(REMEMBERED);
        if batch < live {
            self.oldest.select_nth_unstable(batch);
            self.oldest.truncate(batch);
            self.oldest.shrink_to_fit();
        }
        self.oldest.sort_unstable_by(|left, right| right.cmp(left));
        Ok(self.oldest.last().map(|first| first.record))
    }
}

impl Use {
    fn is_true(self, records: &Records) -> bool {
        records.live(self.record).is_some_and(|record| record.used == self.stamp)
    }
}

/// How many uses of each package are remembered.
const REMEMBERED: usize = 64;
