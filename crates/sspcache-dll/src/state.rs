//! One DLL's SSP: made by the first call, taken down when the DLL is unloaded or the process ends.
#![forbid(unsafe_code)]

use std::{
    env,
    path::Path,
    sync::{Arc, Mutex, PoisonError, TryLockError},
};

use sspcache_engine::{Config, Ended, Ending, Engine, Operation, SecurityStatus, journal::JournalFile};

use crate::{
    ffi,
    memory::{FreedBy, HandedOut},
    platform,
    raw::Address,
    surroundings::Surroundings,
};

/// The state of one DLL. It holds nothing until the first call.
#[derive(Debug)]
pub struct Ssp {
    module: &'static str,
    state: Mutex<State>,
    handed_out: HandedOut,
    surroundings: Surroundings,
}

#[derive(Debug)]
enum State {
    /// The configuration or the journal can't be used; a message was printed.
    Broken,
    Ready(Arc<Engine>),
    Unused,
}

impl Ssp {
    /// The SSP of the DLL with this file name.
    pub const fn new(module: &'static str) -> Self {
        Self {
            module,
            state: Mutex::new(State::Unused),
            handed_out: HandedOut::new(),
            surroundings: Surroundings::new(),
        }
    }

    /// The engine; made now, if this is the first call.
    ///
    /// # Errors
    /// [`SecurityStatus::INTERNAL_ERROR`] when the environment's configuration or journal can't be used.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>, SecurityStatus> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Unused) {
            *state = match self.make() {
                Ok(engine) => State::Ready(Arc::new(engine)),
                Err(message) => {
                    platform::write_to_standard_error(&format!("sspcache: {}: {message}\n", self.module));
                    State::Broken
                }
            };
        }
        match &*state {
            State::Ready(engine) => Ok(engine.clone()),
            State::Broken | State::Unused => Err(SecurityStatus::INTERNAL_ERROR),
        }
    }

    /// The engine, for a call of an operation that may be made to fail.
    ///
    /// # Errors
    /// As [`Self::engine`], and what a fault says.
    pub(crate) fn enter(&self, operation: Operation) -> Result<Arc<Engine>, SecurityStatus> {
        let engine = self.engine()?;
        engine.enter(operation)?;
        Ok(engine)
    }

    /// The memory that callers hold.
    pub(crate) fn handed_out(&self) -> &HandedOut {
        &self.handed_out
    }

    /// The modules beside this one.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// A copy for the caller, which `FreeContextBuffer` frees.
    pub(crate) fn hand_out<T: Copy>(&self, items: &[T]) -> *mut T {
        self.handed_out.copy(FreedBy::ContextBuffer, items)
    }

    /// Ends the SSP. Called while the loader's lock is held, and perhaps when other threads were stopped in the middle
    /// of a call: what is busy is left to the operating system rather than waited for.
    pub fn detach(&self, how: Ending) {
        let taken = match self.state.try_lock() {
            Ok(mut state) => std::mem::replace(&mut *state, State::Unused),
            Err(TryLockError::Poisoned(poisoned)) => {
                std::mem::replace(&mut *poisoned.into_inner(), State::Unused)
            }
            Err(TryLockError::WouldBlock) => return,
        };
        if let State::Ready(engine) = taken
            && !matches!(ffi::caught(|| engine.end(how)), Some(Ended::Left(_)))
        {
            // Busy. Dropping would end it again; its memory goes with the process.
            std::mem::forget(engine);
            return;
        }
        self.surroundings.reset();
        self.handed_out.try_release_all();
    }

    fn make(&self) -> Result<Engine, String> {
        let clock = sspcache_engine::SystemClock { seconds_east: platform::seconds_east_of_utc() };
        let mut builder = Engine::builder(self.module).record_events(false).clock(clock);
        if let Some(path) = set("SSPCACHE_CONFIG") {
            let config =
                Config::read(Path::new(&path)).map_err(|error| format!("SSPCACHE_CONFIG: {error}"))?;
            config
                .check_for_dll()
                .map_err(|error| format!("SSPCACHE_CONFIG: {}: {error}", Path::new(&path).display()))?;
            builder = builder.config(&config);
        }
        if let Some(path) = set("SSPCACHE_JOURNAL") {
            let journal = JournalFile::create(Path::new(&path), self.module)
                .map_err(|error| format!("SSPCACHE_JOURNAL: {error}"))?;
            builder = builder.sink(journal);
        }
        Ok(builder.build())
    }
}

/// `CleanupCredentialCache`: TRUE or FALSE.
pub fn cleanup_credential_cache(ssp: &Ssp) -> Result<bool, SecurityStatus> {
    Ok(ssp.engine()?.flush())
}

/// `sspcache_signed_out`: a mark in the journal, and nothing else. No SSP of Windows has this export; a program under test
/// looks for it and calls it where it says that its user has signed out.
pub fn signed_out(ssp: &Ssp) -> Result<(), SecurityStatus> {
    ssp.engine()?.mark_signed_out();
    Ok(())
}

/// What `InitSecurityInterface` returns: the table, or null.
pub fn init_security_interface<T>(ssp: &Ssp, table: &'static T) -> Result<&'static T, SecurityStatus> {
    ssp.enter(Operation::InitSecurityInterface)?;
    Ok(table)
}

/// `FreeContextBuffer`: overwrites and frees memory that this SSP handed out.
///
/// A pointer that isn't, or was freed, gives `SEC_E_INVALID_HANDLE`, null as well.
///
/// Reference: [FreeContextBuffer](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecontextbuffer).
pub fn free_context_buffer(ssp: &Ssp, buffer: Address) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::FreeContextBuffer)?;
    ssp.handed_out().take_back(FreedBy::ContextBuffer, buffer.addr())
}

/// Whether memory at this address was handed out and not given back.
pub fn has_handed_out(ssp: &Ssp, buffer: Address) -> bool {
    ssp.handed_out().size_at(buffer.addr()).is_some()
}

fn set(variable: &str) -> Option<std::ffi::OsString> {
    env::var_os(variable).filter(|value| !value.is_empty())
}
