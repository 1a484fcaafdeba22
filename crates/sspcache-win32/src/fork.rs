//! What keeps this library whole in a forked child: handlers that `fork` calls, which have every lock free there.
//!
//! What is loaded stays loaded in a child, so nothing can begin anew there, as it does in a mock. `fork` waits for no code of a module, but
//! for changes of lists alone. Values that are made once are made without waiting for another thread, so a fork leaves none half made.
//!
//! The handlers are registered by the first use of a lock: a constructor of this library could be run too late for a module that uses it
//! in its own. The C library forgets them when this library is unloaded: glibc and musl by the library that they are registered from,
//! and macOS doesn't unload one that has variables of threads.
//!
//! Reference: [pthread_atfork](https://pubs.opengroup.org/onlinepubs/9799919799/functions/pthread_atfork.html).

use std::{
    cell::RefCell,
    mem::ManuallyDrop,
    sync::{
        MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use sspcache_loader::Paused;

use crate::{
    directories,
    disk::{self, Address},
    process,
    sspi::packages,
};

/// Every lock of this library, in the order in which they are taken.
struct Held {
    _given: MutexGuard<'static, directories::Given>,
    _lists: MutexGuard<'static, packages::Lists>,
    _libraries: MutexGuard<'static, disk::Libraries>,
    loader: Paused<'static, Address>,
}

thread_local! {
    /// The locks of a thread that forks. Never dropped with the thread, since a destructor would have to be registered.
    static HELD: RefCell<ManuallyDrop<Option<Held>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Registers the handlers, unless that is done. Called before a lock is taken; two threads may both do it, so that neither has to wait
/// for the other.
pub(crate) fn guard() {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.load(Ordering::Acquire) {
        // SAFETY: the handlers are functions of this library, which take nothing and don't unwind. Without memory for them, a child is as
        // it would be without handlers.
        let _ = unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
        REGISTERED.store(true, Ordering::Release);
    }
}

extern "C" fn prepare() {
    // Registered twice, the handlers find done what is to be done.
    if HELD.with_borrow(|held| held.is_some()) {
        return;
    }
    let held = Held {
        _given: directories::given(),
        _lists: packages::lists(),
        _libraries: disk::libraries(),
        loader: process::loader().pause(),
    };
    HELD.with_borrow_mut(|place| **place = Some(held));
}

extern "C" fn in_parent() {
    HELD.with_borrow_mut(|held| held.take());
}

extern "C" fn in_child() {
    if let Some(held) = HELD.with_borrow_mut(|held| held.take()) {
        held.loader.in_child();
    }
}
