//! The locks of the loader, in one place, so that the model checker can take over (feature `shuttle`).

cfg_if::cfg_if! {
    if #[cfg(feature = "shuttle")] {
        pub(crate) use checked::{ReentrantMutex, RwLock};
    } else {
        pub(crate) use parking_lot::{ReentrantMutex, RwLock};
    }
}

/// What the loader uses of `parking_lot`, over the locks of the model checker, which has no recursive one.
#[cfg(feature = "shuttle")]
mod checked {
    use shuttle::sync::{Condvar, Mutex, PoisonError, RwLockReadGuard, RwLockWriteGuard};
    use shuttle::thread::{self, ThreadId};

    pub(crate) struct RwLock<T>(shuttle::sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(shuttle::sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(crate) struct ReentrantMutex<T> {
        /// Who owns it, and how often.
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
