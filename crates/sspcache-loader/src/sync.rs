//! The locks of the loader, in one place, so that the model checker can replace them (feature `shuttle`).

use std::sync::PoisonError;

cfg_if::cfg_if! {
    if #[cfg(feature = "shuttle")] {
        use shuttle::sync::{self, RwLockReadGuard, RwLockWriteGuard};

        pub(crate) use checked::ReentrantMutex;
    } else {
        use std::sync::{self, RwLockReadGuard, RwLockWriteGuard};

        pub(crate) use parking_lot::ReentrantMutex;
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

/// A recursive lock like `parking_lot`'s, made of the model checker's locks: it has no recursive one.
#[cfg(feature = "shuttle")]
mod checked {
    use std::sync::PoisonError;

    use shuttle::sync::{Condvar, Mutex};
    use shuttle::thread::{self, ThreadId};

    pub(crate) struct ReentrantMutex<T> {
        /// The owning thread, and how often it has locked.
        owner: Mutex<Option<(ThreadId, usize)>>,
        released: Condvar,
        _value: T,
    }

    impl<T> ReentrantMutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self { owner: Mutex::new(None), released: Condvar::new(), _value: value }
        }

        pub(crate) fn lock(&self) -> ReentrantMutexGuard<'_, T> {
            let this_thread = thread::current().id();
            let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
            let is_foreign = |owner: &mut Option<_>| owner.is_some_and(|(thread, _)| thread != this_thread);
            let mut owner =
                self.released.wait_while(owner, is_foreign).unwrap_or_else(PoisonError::into_inner);
            let times = owner.map_or(0, |(_, times)| times);
            *owner = Some((this_thread, times + 1));
            ReentrantMutexGuard(self)
        }

        pub(crate) fn is_owned_by_current_thread(&self) -> bool {
            let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
            owner.is_some_and(|(thread, _)| thread == thread::current().id())
        }
    }

    pub(crate) struct ReentrantMutexGuard<'a, T>(&'a ReentrantMutex<T>);

    impl<T> Drop for ReentrantMutexGuard<'_, T> {
        fn drop(&mut self) {
            let mut owner = self.0.owner.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *owner {
                Some((_, times @ 2..)) => *times -= 1,
                owner => {
                    *owner = None;
                    self.0.released.notify_one();
                }
            }
        }
    }
}
