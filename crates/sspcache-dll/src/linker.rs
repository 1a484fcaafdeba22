//! Questions to the dynamic linker and the unwinder, which have locks that a fork can leave taken: glibc gives its child back few of them,
//! and all that ask share one.
//!
//! Where stacks are wanted, they are asked with each event. Then each question has a lock of this file, and handlers of `pthread_atfork`
//! hold that lock during a fork: so no thread is asking then, and a child may ask as its parent did. The handlers are registered when the
//! first engine is made. The C library forgets them when this file is unloaded: glibc by the file that they are registered from, and
//! musl unloads nothing.
//!
//! Where no stacks are wanted, there are no handlers; the child of a process that was asking doesn't ask.
//!
//! macOS gives its child these locks back itself. It has no way to take handlers back.
//!
//! Reference: [pthread_atfork](https://pubs.opengroup.org/onlinepubs/9799919799/functions/pthread_atfork.html).

#![cfg_attr(
    any(miri, target_arch = "arm"),
    allow(dead_code, unused_imports, reason = "there is no way to walk the stack")
)]

#[cfg(not(target_vendor = "apple"))]
pub(crate) use others::{ask, hold_across_forks};

/// Asks.
#[cfg(target_vendor = "apple")]
#[allow(clippy::unnecessary_wraps, reason = "as elsewhere")]
pub(crate) fn ask<R>(question: impl FnOnce() -> R) -> Option<R> {
    Some(question())
}

/// Prepares for questions with each event; false if they can't be asked.
#[cfg(target_vendor = "apple")]
pub(crate) fn hold_across_forks() -> bool {
    true
}

#[cfg(not(target_vendor = "apple"))]
mod others {
    use std::{
        cell::UnsafeCell,
        sync::{
            Mutex, MutexGuard, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
    };

    use crate::inside::Inside;

    static ASKING: Mutex<()> = Mutex::new(());
    static HELD: Held = Held(UnsafeCell::new(None));
    static IS_HELD_ACROSS_FORKS: AtomicBool = AtomicBool::new(false);

    /// Asks; not in a child whose parent was asking when it was forked, without handlers.
    pub(crate) fn ask<R>(question: impl FnOnce() -> R) -> Option<R> {
        static INSIDE: Inside = Inside::new();
        if IS_HELD_ACROSS_FORKS.load(Ordering::Acquire) {
            let _asking = hold();
            Some(question())
        } else {
            INSIDE.call(question)
        }
    }

    /// Prepares for questions with each event; false if they can't be asked.
    pub(crate) fn hold_across_forks() -> bool {
        static REGISTERING: AtomicBool = AtomicBool::new(false);
        // Of two SSPs that are linked into one program.
        if !REGISTERING.swap(true, Ordering::AcqRel) {
            // SAFETY: the handlers are functions of this file, which take nothing and don't unwind.
            let failed = unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
            IS_HELD_ACROSS_FORKS.store(failed == 0, Ordering::Release);
        }
        IS_HELD_ACROSS_FORKS.load(Ordering::Acquire)
    }

    fn hold() -> MutexGuard<'static, ()> {
        ASKING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, held by a thread that forks.
    struct Held(UnsafeCell<Option<MutexGuard<'static, ()>>>);

    // SAFETY: who has the lock may use what is inside, and nobody else does.
    unsafe impl Sync for Held {}

    extern "C" fn before() {
        let held = hold();
        // SAFETY: this thread has the lock.
        unsafe { *HELD.0.get() = Some(held) };
    }

    /// In both processes.
    extern "C" fn after() {
        // SAFETY: this thread has taken the lock in `before`.
        let held = unsafe { (*HELD.0.get()).take() };
        drop(held);
    }
}
