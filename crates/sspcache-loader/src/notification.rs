//! Notifications of loads and unloads, as DllMain gets them (L9).
//!
//! Reference: [DllMain](https://learn.microsoft.com/en-us/windows/win32/dlls/dllmain).

use std::fmt;

use crate::{EmulatedLoader, Handle};

/// A notification to a module, always on a thread that owns the loader lock.
pub struct Notification<'a, E> {
    pub(crate) loader: &'a EmulatedLoader<E>,
    pub(crate) module: Handle,
    pub(crate) reason: Reason,
}

impl<'a, E> Notification<'a, E> {
    /// The loader that sends it. A module may load, free and find others through it. A clone that is kept inside an
    /// export or a notification keeps the loader alive for ever.
    pub fn loader(&self) -> &'a EmulatedLoader<E> {
        self.loader
    }

    /// The module that gets it.
    pub fn module(&self) -> Handle {
        self.module
    }

    /// The reason for it.
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl<E> fmt::Debug for Notification<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("module", &self.module).field("reason", &self.reason).finish()
    }
}

/// The reason for a notification.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The module is being loaded (`DLL_PROCESS_ATTACH`).
    Load,
    /// Its last reference was freed, or it refused its load (`DLL_PROCESS_DETACH`).
    Unload,
}
