//! Questions to the dynamic linker and the unwinder, which have locks that a fork can leave taken: glibc gives its child back few of them,
//! and all that ask share one.
//!
//! Where stacks are wanted, they are asked with each event. Then each question has a lock of this file, and handlers of `pthread_atfork`
//! hold that lock during a fork: so no thread is asking then, and a child may ask as its parent did. The handlers are registered when the
//! first engine is made. musl unloads nothing. glibc forgets them for the file that they are registered with ([`forget`]): its
//! `pthread_atfork` takes that from start-up code of GCC's, which Zig links to no file.
//!
//! Where no stacks are wanted, there are no handlers; the child of a process that was asking doesn't ask.
//!
//! macOS gives its child these locks back itself. It has no way to take handlers back.
//!
//! References: [pthread_atfork](https://pubs.opengroup.org/onlinepubs/9799919799/functions/pthread_atfork.html);
//! [`__register_atfork`](https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/baselib---register-atfork.html),
//! [`__cxa_finalize`](https://itanium-cxx-abi.github.io/cxx-abi/abi.html#dso-dtor-runtime-api).

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

/// Takes the handlers back, before this file is unloaded.
pub fn forget() {
    #[cfg(target_env = "gnu")]
    others::forget();
}

#[cfg(not(target_vendor = "apple"))]
mod others {
    use std::{
        cell::UnsafeCell,
        ffi::c_int,
        sync::{
            Mutex, MutexGuard, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
    };

    #[cfg(target_env = "gnu")]
    use std::ffi::c_void;

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
            let failed = register();
            IS_HELD_ACROSS_FORKS.store(failed == 0, Ordering::Release);
        }
        IS_HELD_ACROSS_FORKS.load(Ordering::Acquire)
    }

    #[cfg(not(target_env = "gnu"))]
    fn register() -> c_int {
        // SAFETY: the handlers are functions of this file, which take nothing and don't unwind.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) }
    }

    #[cfg(target_env = "gnu")]
    fn register() -> c_int {
        type Handler = extern "C" fn();
        unsafe extern "C" {
            fn __register_atfork(
                before: Option<Handler>,
                in_parent: Option<Handler>,
                in_child: Option<Handler>,
                file: *const c_void,
            ) -> c_int;
        }
        // SAFETY: the handlers are functions of this file, which take nothing and don't unwind; they are taken back before it is
        // unloaded.
        unsafe { __register_atfork(Some(before), Some(after), Some(after), this_file()) }
    }

    #[cfg(target_env = "gnu")]
    pub(super) fn forget() {
        unsafe extern "C" {
            fn __cxa_finalize(file: *const c_void);
        }
        // SAFETY: nothing else is registered with this address.
        unsafe { __cxa_finalize(this_file()) };
    }

    /// What stands for this file in the C library's lists: an address in it.
    #[cfg(target_env = "gnu")]
    fn this_file() -> *const c_void {
        (&raw const ASKING).cast()
    }

    fn hold() -> MutexGuard<'static, ()> {
        ASKING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, held by a thread that forks.
    struct Held(UnsafeCell<Option<MutexGuard<'static, ()>>>);

    // SAFETY: the thread that has the lock may use what is inside, and no other thread does.
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
