//! Values that a forked child doesn't share with its parent, the locks of this crate among them.
//!
//! When a process with threads forks, its child has one thread, and memory as it was at that moment: a lock that another
//! thread held is held for ever, and what that lock protects is half changed. A [`PerProcess`] value is made anew in the
//! child instead. The inherited value is never dropped, since other threads may have been using it, and nothing of it may be relied
//! on but what never changes, and what a lock protects that the child finds free.
//!
//! Handlers of `pthread_atfork` would keep the value consistent, but a module that can be unloaded can't have them everywhere: macOS
//! keeps no account of whose they are. Such a handler also waits for every lock, and for ever if the thread that forks holds one.
#![allow(unsafe_code)] // The standard library has no value that is set without waiting for another thread.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    ptr::{self, NonNull},
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::vault::ForkMark;

/// A value that each process makes for itself: see the [module](self).
///
/// No thread ever waits for another here, so a fork can't leave anything undone.
pub struct PerProcess<T> {
    /// Null until the first value is made.
    newest: AtomicPtr<Generation<T>>,
    owns: PhantomData<Generation<T>>,
}

/// The value of one process.
struct Generation<T> {
    value: T,
    mark: ForkMark,
    /// The generation of the process that this one was forked from.
    inherited: Option<NonNull<Generation<T>>>,
}

// SAFETY: it owns its value; that of the parent is only reached through shared borrows.
unsafe impl<T: Send + Sync> Send for PerProcess<T> {}
// SAFETY: threads share the value, and any of them may make it or, owning all, drop it.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

impl<T> PerProcess<T> {
    /// No value yet.
    pub const fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()), owns: PhantomData }
    }

    /// This process's value, made now if this is its first use.
    ///
    /// Two threads may both make one; then one of the two is dropped, so making it must not be seen from outside.
    #[inline]
    pub fn get_or_make(&self, make: impl Fn() -> T) -> &T {
        loop {
            let newest = self.newest.load(Ordering::Acquire);
            if let Some(generation) = self.at(newest)
                && !generation.mark.is_forked()
            {
                return &generation.value;
            }
            self.replace(newest, make());
        }
    }

    /// This process's value, if there is one.
    pub fn get(&self) -> Option<&T> {
        let generation = self.at(self.newest.load(Ordering::Acquire))?;
        (!generation.mark.is_forked()).then_some(&generation.value)
    }

    /// The value of the process that this one was forked from, if it had one then.
    pub fn inherited(&self) -> Option<&T> {
        let newest = self.newest.load(Ordering::Acquire);
        let generation = self.at(newest)?;
        if generation.mark.is_forked() {
            return Some(&generation.value);
        }
        self.at(generation.inherited.map_or(ptr::null_mut(), NonNull::as_ptr)).map(|before| &before.value)
    }

    /// Takes this process's value out, so that the next use makes another.
    pub fn take(&self) -> Option<Taken<T>> {
        self.get()?;
        let newest = self.newest.swap(ptr::null_mut(), Ordering::SeqCst);
        NonNull::new(newest).map(|generation| Taken { generation, owns: PhantomData })
    }

    #[inline]
    #[allow(clippy::unused_self, reason = "the result lives as long as this borrow")]
    fn at(&self, generation: *mut Generation<T>) -> Option<&Generation<T>> {
        // SAFETY: a pointer of this type that isn't null is to a generation that lives as long as `self`, or until it was taken and
        // freed, by a caller who promises that no borrow is left. Only shared borrows of it are ever made.
        unsafe { generation.as_ref() }
    }

    /// Puts a value in the place of what was found there, unless another thread was faster.
    #[cold]
    fn replace(&self, found: *mut Generation<T>, value: T) {
        let made = Box::new(Generation { value, mark: ForkMark::new(), inherited: NonNull::new(found) });
        let made = Box::into_raw(made);
        if self.newest.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: it came from `Box::into_raw` above, and no other thread has seen it.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

/// A value that was taken out, which other threads may still be using: dropping it does nothing.
#[must_use = "nothing is freed unless `free` is called"]
pub struct Taken<T> {
    generation: NonNull<Generation<T>>,
    owns: PhantomData<Generation<T>>,
}

impl<T> Taken<T> {
    /// Drops the value. What it was forked from is left alone.
    ///
    /// # Safety
    /// No borrow of the value is left, in any thread.
    pub unsafe fn free(self) {
        // SAFETY: it came from `Box::into_raw`, this process made it, it was taken out once, and nothing borrows it by the
        // caller's promise.
        drop(unsafe { Box::from_raw(self.generation.as_ptr()) });
    }
}

impl<T> Deref for Taken<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it lives until `free`, which takes `self`; only shared borrows of it are ever made.
        unsafe { &(*self.generation.as_ptr()).value }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if let Some(taken) = self.take() {
            // SAFETY: `&mut self` is the only borrow.
            unsafe { taken.free() }
        }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;

    /// M1
    #[test]
    fn threads_that_race_for_the_first_value_get_the_same_one() {
        let (value, made) = (PerProcess::new(), AtomicUsize::new(0));
        let got: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| *value.get_or_make(|| made.fetch_add(1, Ordering::SeqCst))))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(got.iter().all(|number| Some(number) == value.get()), "{got:?}");
        assert!(value.inherited().is_none());
    }

    /// Counts what was dropped.
    struct Counted<'a>(&'a Cell<usize>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_value_is_dropped_once_and_one_that_was_taken_only_when_it_is_freed() {
        let dropped = Cell::new(0);
        let value = PerProcess::new();
        value.get_or_make(|| Counted(&dropped));
        let taken = value.take().unwrap();
        assert!(value.get().is_none() && value.take().is_none());
        value.get_or_make(|| Counted(&dropped));
        drop(value);
        assert_eq!(dropped.get(), 1);
        // SAFETY: nothing borrows it.
        unsafe { taken.free() }
        assert_eq!(dropped.get(), 2);
    }

    /// M1: the child's child, too, and what the parent holds a lock on.
    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn a_forked_child_makes_its_own_and_finds_the_one_before() {
        use std::sync::Mutex;

        use crate::vault::in_forked_child;

        let value = PerProcess::new();
        let held = value.get_or_make(|| Mutex::new(1)).lock().unwrap();
        let status = in_forked_child(|| {
            let is_unmade = value.get().is_none() && value.take().is_none();
            let own = value.get_or_make(|| Mutex::new(2));
            let is_own = own.try_lock().is_ok_and(|number| *number == 2);
            let is_inherited = value.inherited().is_some_and(|inherited| inherited.try_lock().is_err());
            let grandchild = in_forked_child(|| {
                let inherits =
                    value.inherited().is_some_and(|own| own.try_lock().is_ok_and(|number| *number == 2));
                u8::from(inherits && value.get().is_none())
            });
            u8::from(is_unmade)
                | u8::from(is_own) << 1
                | u8::from(is_inherited) << 2
                | u8::from(grandchild == 1) << 3
        });
        assert_eq!(status, 0b1111);
        assert_eq!((*held, value.inherited().is_none()), (1, true));
    }
}
