//! Handles: an index and a generation in one machine word, and the table that gives them out.

use std::fmt;

/// A credential handle: what an SSP keeps in `CredHandle::dwLower`.
///
/// It is bound to the [`Engine`](crate::Engine) that gave it out, and dead once freed: index and generation make its
/// whole identity, which fits in one machine word.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct CredentialHandle(usize);

impl CredentialHandle {
    /// The handle that this word stands for. Nothing is checked here: an engine refuses what it did not give out.
    pub fn from_word(word: usize) -> Self {
        Self(word)
    }

    /// The word that stands for the handle; never 0.
    pub fn word(self) -> usize {
        self.0
    }
}

impl fmt::Debug for CredentialHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialHandle({:#x})", self.0)
    }
}

/// Values by handle.
///
/// A word's low half is the index + 1 and its high half the generation, which starts at a random number, so that a
/// handle of one table is no handle of another. An index whose generations are used up is not used again.
pub(crate) struct HandleTable<T> {
    entries: Vec<Entry<T>>,
    free: Vec<usize>,
    first_generation: usize,
}

struct Entry<T> {
    generation: usize,
    value: Option<T>,
}

impl<T> HandleTable<T> {
    /// An empty table whose generations start at this number.
    pub(crate) fn new(seed: u64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "any bits of a random number will do")]
        let first_generation = seed as usize & HALF_MASK;
        Self { entries: Vec::new(), free: Vec::new(), first_generation }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.iter().filter(|entry| entry.value.is_some()).count()
    }

    /// Takes in a value; `None` when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Option<usize> {
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index].value = Some(value);
                index
            }
            None if self.entries.len() >= HALF_MASK => return None,
            None => {
                self.entries.push(Entry { generation: self.first_generation, value: Some(value) });
                self.entries.len() - 1
            }
        };
        Some(self.entries[index].generation << HALF_BITS | (index + 1))
    }

    pub(crate) fn get(&self, word: usize) -> Option<&T> {
        self.entries[self.find(word)?].value.as_ref()
    }

    pub(crate) fn get_mut(&mut self, word: usize) -> Option<&mut T> {
        let index = self.find(word)?;
        self.entries[index].value.as_mut()
    }

    /// Takes a value out; its handle is dead from then on.
    pub(crate) fn remove(&mut self, word: usize) -> Option<T> {
        let index = self.find(word)?;
        let entry = &mut self.entries[index];
        let value = entry.value.take()?;
        entry.generation = (entry.generation + 1) & HALF_MASK;
        if entry.generation != self.first_generation {
            self.free.push(index);
        }
        Some(value)
    }

    fn find(&self, word: usize) -> Option<usize> {
        let index = (word & HALF_MASK).checked_sub(1)?;
        let entry = self.entries.get(index)?;
        (entry.generation == word >> HALF_BITS && entry.value.is_some()).then_some(index)
    }
}

const HALF_BITS: u32 = usize::BITS / 2;
const HALF_MASK: usize = (1 << HALF_BITS) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// S5, S8
    #[test]
    fn a_freed_or_foreign_handle_is_no_handle() {
        let mut table = HandleTable::new(7);
        let first = table.insert('a').unwrap();
        assert_eq!(table.get(first), Some(&'a'));
        assert_eq!(table.remove(first), Some('a'));
        assert_eq!(table.remove(first), None);
        let second = table.insert('b').unwrap();
        assert_ne!(first, second);
        assert_eq!(table.get(first), None);
        for forged in [0, 1, usize::MAX, second + 1, second ^ (1 << HALF_BITS)] {
            assert_eq!(table.get(forged), None, "{forged:#x}");
        }
        assert_eq!(HandleTable::<char>::new(8).get(second), None);
    }

    #[test]
    fn an_index_whose_generations_are_used_up_is_retired() {
        let mut table = HandleTable::new(5);
        let first = table.insert(0).unwrap();
        table.remove(first).unwrap();
        table.entries[0].generation = 4; // as after 2^32 - 1 uses
        let last = table.insert(1).unwrap();
        table.remove(last).unwrap();
        let next = table.insert(2).unwrap();
        assert_eq!(next & HALF_MASK, 2, "index 0 would give out the first handle again");
    }
}
