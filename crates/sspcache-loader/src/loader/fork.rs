//! What keeps a loader whole in a forked child.
//!
//! A module that is loaded stays loaded in the child, so the loader can't begin anew there. Instead nothing of it changes while
//! the process forks.

use std::{fmt, mem};

use super::EmulatedLoader;
use crate::{
    sync::{PausedLock, TableGuard},
    table::Table,
};

/// A loader in which nothing changes, for a process that is about to fork: see [`EmulatedLoader::pause`].
#[must_use = "the loader goes on when this is dropped"]
pub struct Paused<'a, E> {
    // In the order in which they are taken.
    table: TableGuard<'a, Table<E>>,
    loader_lock: PausedLock<'a>,
}

impl<E> EmulatedLoader<E> {
    /// Has nothing change until the result is dropped. Its thread must not call the loader meanwhile.
    ///
    /// For a handler that runs before a fork, such as `pthread_atfork` registers. It waits for short changes alone, never for code of a
    /// module that is being loaded or unloaded: where another thread is in the middle of that, the child
    /// [does without that module](Paused::in_child).
    pub fn pause(&self) -> Paused<'_, E> {
        let table = self.0.table.write();
        Paused { table, loader_lock: self.0.loader_lock.pause() }
    }
}

impl<E> Paused<'_, E> {
    /// Goes on in a forked child. It has none of the other threads: a module that one of them was loading or unloading isn't loaded
    /// here, and can be loaded again.
    pub fn in_child(mut self) {
        if self.loader_lock.take_from_others() {
            // What it was in the middle of is no longer known, so it is neither used nor dropped.
            self.table.remove_in_transit().into_iter().for_each(mem::forget);
        }
    }
}

impl<E> fmt::Debug for Paused<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paused").finish_non_exhaustive()
    }
}
