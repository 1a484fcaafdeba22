//! The locks of the loader, in one place, so that the model checker can replace them (feature `shuttle`).

use std::sync::PoisonError;

cfg_if::cfg_if! {
    if #[cfg(feature = "shuttle")] {
        use shuttle::sync::{self, Condvar, Mutex, MutexGuard, RwLockReadGuard, RwLockWriteGuard};
        use shuttle::thread::{self, ThreadId};

        fn this_thread() -> ThreadId {
            thread::current().id()
        }
    } else {
        use std::sync::{self, Condvar, Mutex, MutexGuard, RwLockReadGuard, RwLockWriteGuard};

        /// The address of something that each thread has of its own.
        type ThreadId = usize;

        /// Not `std::thread::current`, which sets up data of the thread.
        fn this_thread() -> ThreadId {
            thread_local!(static OWN: u8 = const { 0 });
            OWN.with(|own| std::ptr::from_ref(own).addr())
        }
    }
}

/// The lock of the table: that of the standard library.
///
/// `parking_lot`'s lock allocates thread data the first time that a thread waits, which takes the lock of the host's
/// dynamic linker. A thread inside a module's constructor already owns the linker's lock: if it then waits for this
/// lock, both threads wait for each other.
pub(crate) struct RwLock<T>(sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(sync::RwLock::new(value))
    }

    // Poison is ignored, as in parking_lot: no panic leaves the table half changed.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The table, while it may be changed.
pub(crate) type TableGuard<'a, T> = RwLockWriteGuard<'a, T>;

/// A recursive lock. It consists of locks that a child can unlock which was forked while another thread waited, as one of
/// `parking_lot` can't: there that thread may hold a lock of all waiting threads.
pub(crate) struct RecursiveLock {
    /// The owning thread, and how often it has locked.
    owner: Mutex<Owner>,
    released: Condvar,
}

type Owner = Option<(ThreadId, usize)>;

impl RecursiveLock {
    pub(crate) fn new() -> Self {
        Self { owner: Mutex::new(None), released: Condvar::new() }
    }

    pub(crate) fn lock(&self) -> RecursiveGuard<'_> {
        let this_thread = this_thread();
        let is_foreign = |owner: &mut Owner| owner.is_some_and(|(thread, _)| thread != this_thread);
        let mut owner =
            self.released.wait_while(self.owner(), is_foreign).unwrap_or_else(PoisonError::into_inner);
        let times = owner.map_or(0, |(_, times)| times);
        *owner = Some((this_thread, times + 1));
        RecursiveGuard(self)
    }

    pub(crate) fn is_owned_by_current_thread(&self) -> bool {
        self.owner().is_some_and(|(thread, _)| thread == this_thread())
    }

    /// Keeps every thread from locking and unlocking it.
    pub(crate) fn pause(&self) -> PausedLock<'_> {
        PausedLock(self.owner())
    }

    fn owner(&self) -> MutexGuard<'_, Owner> {
        self.owner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While it lives, the lock is owned. A thread drops its own.
pub(crate) struct RecursiveGuard<'a>(&'a RecursiveLock);

impl Drop for RecursiveGuard<'_> {
    fn drop(&mut self) {
        let mut owner = self.0.owner();
        match &mut *owner {
            Some((_, times @ 2..)) => *times -= 1,
            owner => {
                *owner = None;
                self.0.released.notify_one();
            }
        }
    }
}

/// While it lives, no thread locks or unlocks the lock.
pub(crate) struct PausedLock<'a>(MutexGuard<'a, Owner>);

impl PausedLock<'_> {
    /// Takes the lock from any other thread; whether one had it.
    pub(crate) fn take_from_others(&mut self) -> bool {
        self.0.take_if(|(thread, _)| *thread != this_thread()).is_some()
    }
}
