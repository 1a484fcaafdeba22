//! Modules beside the SSP that free credentials in a way of their own. The journal names those that are loaded when a
//! program signs in with credentials: the verdict on what such a process leaves depends on them.
#![forbid(unsafe_code)]

use std::{
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use sspcache_engine::Engine;

use crate::platform;

/// The modules: WinINet and `WinHTTP`, which free credentials with the request's handle, and the runtimes of .NET, which
/// run no finalizers when a process ends.
const MODULES: &[&str] = if cfg!(windows) {
    &["clr.dll", "coreclr.dll", "winhttp.dll", "wininet.dll"]
} else if cfg!(target_vendor = "apple") {
    &["libcoreclr.dylib"]
} else {
    &["libcoreclr.so"]
};

/// What one DLL knows of the modules beside it.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// The process that the numbers are about: the child of a fork begins again, with a journal of its own.
    process: AtomicU32,
    sign_ins: AtomicU32,
    /// The modules that the journal has, a bit for each of [`MODULES`].
    noted: AtomicU32,
}

impl Surroundings {
    pub(crate) const fn new() -> Self {
        Self { process: AtomicU32::new(0), sign_ins: AtomicU32::new(0), noted: AtomicU32::new(0) }
    }

    /// The journal has ended: the next one begins again.
    pub(crate) fn reset(&self) {
        self.sign_ins.store(0, Relaxed);
        self.noted.store(0, Relaxed);
    }

    /// Called for each sign-in with credentials, while no lock is held: the loader may wait for its own. It is asked at
    /// the first, second, fourth, eighth one and so on, so that a program with many pays nothing for it.
    pub(crate) fn note(&self, engine: &Engine) {
        let process = process::id();
        if self.process.swap(process, Relaxed) != process {
            self.reset();
        }
        if !self.sign_ins.fetch_add(1, Relaxed).wrapping_add(1).is_power_of_two() {
            return;
        }
        let loaded = platform::loaded_among(MODULES);
        if loaded & !self.noted.fetch_or(loaded, Relaxed) != 0 {
            let names = MODULES.iter().enumerate().filter(|(bit, _)| loaded >> bit & 1 == 1);
            engine.note_modules(names.map(|(_, name)| (*name).to_owned()).collect());
        }
    }
}
