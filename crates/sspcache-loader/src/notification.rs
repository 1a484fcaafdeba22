//! What a module is told of its load and unload, as DllMain is (L9).
//!
//! Reference: [DllMain](https://learn.microsoft.com/en-us/windows/win32/dlls/dllmain).

use std::fmt;

use crate::{EmulatedLoader, Handle};

/// What a module is told, always on a thread that owns the loader lock.
pub struct Notification<'a, E> {
    pub(crate) loader: &'a EmulatedLoader<E>,
    pub(crate) module: Handle,
    pub(crate) reason: Reason,
}

impl<'a, E> Notification<'a, E> {
    /// The loader that tells. A module may load, free and look up others through it; to keep a clone of it inside an
    /// export or a notification would keep the loader alive for ever.
    pub fn loader(&self) -> &'a EmulatedLoader<E> {
        self.loader
    }

    /// The module that is told.
    pub fn module(&self) -> Handle {
        self.module
    }

    /// Why it is told.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl<E> fmt::Debug for Notification<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("module", &self.module).field("reason", &self.reason).finish()
    }
}

/// Why a module is told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// It has been loaded (`DLL_PROCESS_ATTACH`).
    Load,
    /// Its last reference was given back, or it refused its load (`DLL_PROCESS_DETACH`).
    Unload,
}
