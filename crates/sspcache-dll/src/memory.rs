//! Memory that the SSP hands out, and takes back through the function that the page names (clause S6).

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    sync::{Mutex, PoisonError},
};

use sspcache_engine::Holds;
use zeroize::Zeroize;

/// The memory that callers hold: what is none of it is refused instead of freed.
#[derive(Debug, Default)]
pub(crate) struct HandedOut(Mutex<Blocks>);

#[derive(Debug, Default)]
struct Blocks {
    by_address: BTreeMap<usize, Kept>,
    /// How many there were before.
    count: u64,
    freed: Freed,
}

/// Blocks that were taken back last, overwritten and kept for a while: nothing else gets their addresses meanwhile, so a pointer to one of
/// them is one that was freed before.
#[derive(Debug, Default)]
struct Freed {
    blocks: VecDeque<Kept>,
    bytes: usize,
}

impl Freed {
    const MOST: usize = 256;
    const MOST_BYTES: usize = 1 << 20;

    /// Takes in a block; those for which there is no room any more.
    fn add(&mut self, kept: Kept) -> Vec<Kept> {
        self.bytes += kept.block.size();
        self.blocks.push_back(kept);
        let mut old = Vec::new();
        while self.blocks.len() > Self::MOST || self.bytes > Self::MOST_BYTES {
            let Some(kept) = self.blocks.pop_front() else { break };
            self.bytes -= kept.block.size();
            old.push(kept);
        }
        old
    }

    fn number_at(&self, address: usize) -> Option<u64> {
        let at = self.blocks.iter().find(|kept| kept.block.address() == address);
        at.map(|kept| kept.number)
    }
}

/// A block that a caller holds.
#[derive(Debug)]
struct Kept {
    freed_by: FreedBy,
    /// Its number in the journal.
    number: u64,
    block: Block,
}

/// Memory that was handed out just now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<T> {
    pub(crate) place: *mut T,
    /// Its number in the journal.
    pub(crate) number: u64,
    /// Its size in bytes, as it was asked for.
    pub(crate) size: usize,
}

/// What a function is not to free: with its number in the journal, if it was handed out and nothing else is at its address since.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotTaken {
    pub(crate) memory: Option<u64>,
}

/// The functions that take memory back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FreedBy {
    /// `FreeContextBuffer`
    ContextBuffer,
    /// `SspiFreeAuthIdentity` and `SspiLocalFree`
    Sspi,
}

impl FreedBy {
    /// The function for what memory holds.
    pub(crate) fn of(holds: Holds) -> Self {
        match holds {
            Holds::Identity | Holds::PackedIdentity => Self::Sspi,
            _ => Self::ContextBuffer,
        }
    }
}

/// A boxed slice that a caller has a pointer into.
#[derive(Debug)]
struct Block(*mut [u64]);

// SAFETY: the slice is owned; the owner may free it from any thread.
unsafe impl Send for Block {}

impl Block {
    /// Zeroed memory of so many bytes, aligned for anything that SSPI hands out.
    #[inline(never)]
    fn new(bytes: usize) -> Self {
        Self(Box::into_raw(vec![0u64; bytes.div_ceil(8).max(1)].into_boxed_slice()))
    }

    /// Copies items to a place that is so many bytes from the beginning, and gives the address of the first.
    ///
    /// # Panics
    /// When the items don't lie within the block, or not aligned.
    fn put<T: Copy>(&mut self, at: usize, items: &[T]) -> *mut T {
        const { assert!(align_of::<T>() <= align_of::<u64>(), "a block is aligned for it") };
        let place = self.place(at, size_of_val(items), align_of::<T>()).cast::<T>();
        // SAFETY: the items lie within this block, as was just checked, aligned, and are none of its own.
        unsafe { place.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        place
    }

    /// A place in the block, for so many bytes.
    ///
    /// # Panics
    /// When it isn't in the block, or not aligned.
    #[inline(never)]
    fn place(&self, at: usize, size: usize, align: usize) -> *mut u8 {
        let fits = self.size().checked_sub(at).is_some_and(|room| size <= room);
        assert!(fits && at.is_multiple_of(align), "a block is made for what is put into it");
        self.0.cast::<u8>().wrapping_add(at)
    }

    fn size(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }

    fn address(&self) -> usize {
        self.0.addr()
    }

    fn wipe(&mut self) {
        // SAFETY: it came from `Box::into_raw`, and who has `self` alone may write to it.
        unsafe { &mut *self.0 }.zeroize();
    }

    fn release(mut self) {
        self.wipe();
        // SAFETY: it came from `Box::into_raw`, and `self` is the only one that frees it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl HandedOut {
    /// Hands out a copy of these items.
    pub(crate) fn copy<T: Copy>(&self, freed_by: FreedBy, items: &[T]) -> Given<T> {
        self.copy_with_room(freed_by, items, 0)
    }

    /// Hands out a copy of a string without a null, and puts one behind it.
    pub(crate) fn copy_terminated(&self, freed_by: FreedBy, text: &[u16]) -> Given<u16> {
        self.copy_with_room(freed_by, text, 1)
    }

    /// Hands out an array, and behind it, in the same block, the strings that its items point at. `make` gives an item,
    /// by its index and the addresses of its strings.
    pub(crate) fn copy_with_strings<T: Copy, U: Copy, const N: usize>(
        &self,
        freed_by: FreedBy,
        strings: &[[Vec<U>; N]],
        make: impl Fn(usize, [*mut U; N]) -> T,
    ) -> Given<T> {
        const { assert!(size_of::<T>().is_multiple_of(align_of::<U>()), "strings are aligned behind the array") };
        let items = size_of::<T>() * strings.len();
        let units: usize = strings.iter().flatten().map(|string| size_of_val(string.as_slice())).sum();
        let mut block = Block::new(items + units);
        let mut next = items;
        for (index, strings) in strings.iter().enumerate() {
            let places = strings.each_ref().map(|string| {
                let place = block.put(next, string);
                next += size_of_val(string.as_slice());
                place
            });
            block.put(index * size_of::<T>(), &[make(index, places)]);
        }
        self.keep(freed_by, block, items + units)
    }

    /// The number of bytes that a caller got at this address, if it was handed out.
    pub(crate) fn size_at(&self, address: usize) -> Option<usize> {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.by_address.get(&address).map(|kept| kept.block.size())
    }

    /// Whether memory at this address was handed out, and has no other owner since.
    pub(crate) fn knows(&self, address: usize) -> bool {
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.by_address.contains_key(&address) || blocks.freed.number_at(address).is_some()
    }

    /// Overwrites and frees what this function is to free; its number in the journal. With `remembers`, it is freed later, so that
    /// it can be said of its address that it was freed before.
    ///
    /// # Errors
    /// For an address that was not handed out, was freed, or is another function's to free.
    pub(crate) fn take_back(
        &self,
        freed_by: FreedBy,
        address: usize,
        remembers: bool,
    ) -> Result<u64, NotTaken> {
        let mut kept = {
            let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match blocks.by_address.entry(address) {
                Entry::Occupied(kept) if kept.get().freed_by == freed_by => kept.remove(),
                Entry::Occupied(kept) => return Err(NotTaken { memory: Some(kept.get().number) }),
                Entry::Vacant(_) => return Err(NotTaken { memory: blocks.freed.number_at(address) }),
            }
        };
        let number = kept.number;
        if remembers {
            kept.block.wipe();
            let old = {
                let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                blocks.freed.add(kept)
            };
            for kept in old {
                kept.block.release();
            }
        } else {
            kept.block.release();
        }
        Ok(number)
    }

    /// Takes over what callers hold from the list of the process that this one was forked from, unless a thread of that one was in the
    /// middle of changing it.
    pub(crate) fn take_over(&self, inherited: &Self) {
        let Ok(mut inherited) = inherited.0.try_lock() else { return };
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.by_address.append(&mut inherited.by_address);
        // No number means two of them.
        blocks.count = blocks.count.max(inherited.count);
    }

    /// Overwrites and frees everything, unless another thread is busy with it.
    ///
    /// On Windows it leaves alone what `FreeContextBuffer` frees: secur32's own function may have given it back by `HeapFree`,
    /// without calling the SSP (observed under Wine 8). The address may have another owner by then: writing to it corrupted the
    /// heap, and the process then hung at its end.
    pub(crate) fn try_release_all(&self) {
        let Ok(mut blocks) = self.0.try_lock() else { return };
        // These were given back, so they are still there.
        for kept in std::mem::take(&mut blocks.freed).blocks {
            kept.block.release();
        }
        for Kept { freed_by, block, .. } in std::mem::take(&mut blocks.by_address).into_values() {
            if cfg!(not(windows)) || freed_by == FreedBy::Sspi {
                block.release();
            }
        }
    }

    fn copy_with_room<T: Copy>(&self, freed_by: FreedBy, items: &[T], room: usize) -> Given<T> {
        let size = size_of_val(items) + room * size_of::<T>();
        let mut block = Block::new(size);
        block.put(0, items);
        self.keep(freed_by, block, size)
    }

    fn keep<T>(&self, freed_by: FreedBy, block: Block, size: usize) -> Given<T> {
        let place: *mut u64 = block.0.cast();
        let mut blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.count += 1;
        let number = blocks.count;
        blocks.by_address.insert(place.addr(), Kept { freed_by, number, block });
        Given { place: place.cast(), number, size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Q2, M1
    #[test]
    fn a_child_numbers_its_memory_after_what_it_inherits() {
        let [parent, child] = [HandedOut::default(), HandedOut::default()];
        let inherited = parent.copy(FreedBy::Sspi, &[1u8]);
        let freed = parent.copy(FreedBy::Sspi, &[1u8]);
        parent.take_back(FreedBy::Sspi, freed.place.addr(), true).unwrap();
        child.take_over(&parent);
        let own = child.copy(FreedBy::Sspi, &[1u8]);
        assert!(own.number > freed.number, "{own:?} {freed:?}");
        for given in [inherited, own] {
            assert_eq!(child.take_back(FreedBy::Sspi, given.place.addr(), true), Ok(given.number));
        }
    }

    /// S6
    #[test]
    fn only_the_function_that_frees_a_block_takes_it_back_and_only_once() {
        let handed_out = HandedOut::default();
        let ways = [FreedBy::ContextBuffer, FreedBy::Sspi];
        for (right, wrong) in [(ways[0], ways[1]), (ways[1], ways[0])] {
            let Given { place, number, size } = handed_out.copy(right, &[1u8; 20]);
            let address = place.addr();
            assert_eq!(size, 20);
            let unknown = Err(NotTaken { memory: None });
            assert_eq!(handed_out.take_back(wrong, address, false), Err(NotTaken { memory: Some(number) }));
            assert_eq!(handed_out.size_at(address), Some(24), "whole words");
            assert_eq!(handed_out.take_back(right, address, false), Ok(number));
            assert_eq!(handed_out.size_at(address), None);
            assert!(!handed_out.knows(address));
            assert_eq!(handed_out.take_back(right, address, false), unknown);
        }
    }

    /// Q3, S6
    #[test]
    fn what_was_freed_last_is_overwritten_and_known_by_its_address_and_what_was_freed_long_ago_is_not() {
        let handed_out = HandedOut::default();
        let give = |bytes: &[u8]| {
            let Given { place, number, .. } = handed_out.copy(FreedBy::Sspi, bytes);
            assert_eq!(handed_out.take_back(FreedBy::Sspi, place.addr(), true), Ok(number));
            (place, number)
        };
        let freed_before =
            |address| handed_out.take_back(FreedBy::ContextBuffer, address, true).unwrap_err().memory;
        let (first, number) = give(&[7; 20]);
        // SAFETY: the block is kept.
        assert_eq!(unsafe { std::slice::from_raw_parts(first, 24) }, [0; 24]);
        assert_eq!((freed_before(first.addr()), handed_out.knows(first.addr())), (Some(number), true));
        let rest: Vec<_> = (1..Freed::MOST).map(|_| give(&[7; 20])).collect();
        assert_eq!(freed_before(first.addr()), Some(number));
        give(&[7; 20]);
        assert_eq!((freed_before(first.addr()), handed_out.knows(first.addr())), (None, false));
        let (second, number) = rest[0];
        assert_eq!(freed_before(second.addr()), Some(number));
        // One that is too large for it leaves no room for any.
        give(&vec![7; Freed::MOST_BYTES + 1]);
        assert_eq!(freed_before(second.addr()), None);
        handed_out.try_release_all();
    }
}
