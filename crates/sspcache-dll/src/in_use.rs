//! A value that the DLL's calls use and its unloading frees, unless a call is still using it.

use std::{
    ops::Deref,
    sync::atomic::{AtomicUsize, Ordering},
};

use sspcache_engine::per_process::PerProcess;

/// A value per process, made by the first call, that can be ended while other threads use it.
#[derive(Debug)]
pub(crate) struct InUse<T> {
    users: AtomicUsize,
    process: PerProcess<T>,
}

impl<T> InUse<T> {
    pub(crate) const fn new() -> Self {
        Self { users: AtomicUsize::new(0), process: PerProcess::new() }
    }

    /// The value, kept until the result is dropped. Two threads may both make one; then one of the two is dropped.
    pub(crate) fn enter(&self, make: impl Fn() -> T) -> Used<'_, T> {
        // Before the value is looked at: see `end`.
        self.users.fetch_add(1, Ordering::SeqCst);
        Used { users: &self.users, value: self.process.get_or_make(make) }
    }

    /// The value of the process that this one was forked from.
    pub(crate) fn inherited(&self) -> Option<&T> {
        self.process.inherited()
    }

    /// Ends the value: the next call makes another. `end` says whether to free it, too; what a thread still uses is left to the
    /// operating system. Without a value of this process, `end` gets what was inherited.
    pub(crate) fn end(&self, end: impl FnOnce(&T) -> bool) {
        let Some(value) = self.process.take() else {
            self.process.inherited().map(end);
            return;
        };
        // A user counts itself before it looks for the value: a user that found this one has been counted. A child that was forked
        // in the middle of a call counts its parent's users for ever, and frees nothing.
        if end(&value) && self.users.load(Ordering::SeqCst) == 0 {
            // SAFETY: no user has it, and none can find it any more; `end` has returned.
            unsafe { value.free() }
        }
    }
}

/// A value that is in use.
#[derive(Debug)]
pub(crate) struct Used<'a, T> {
    users: &'a AtomicUsize,
    value: &'a T,
}

impl<'a, T> Used<'a, T> {
    /// A part of the value, in use as the whole.
    pub(crate) fn part<U>(self, part: impl FnOnce(&'a T) -> &'a U) -> Used<'a, U> {
        let whole = std::mem::ManuallyDrop::new(self);
        Used { users: whole.users, value: part(whole.value) }
    }

    /// The same of a part that the value may not have.
    pub(crate) fn part_if_any<U>(self, part: impl FnOnce(&'a T) -> Option<&'a U>) -> Option<Used<'a, U>> {
        let value = part(self.value)?;
        let whole = std::mem::ManuallyDrop::new(self);
        Some(Used { users: whole.users, value })
    }
}

impl<T> Deref for Used<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> Drop for Used<'_, T> {
    fn drop(&mut self) {
        self.users.fetch_sub(1, Ordering::SeqCst);
    }
}
