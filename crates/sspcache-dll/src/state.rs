//! One DLL's SSP: made by the first call, taken down when the DLL is unloaded or the process ends.
#![forbid(unsafe_code)]

use std::{
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use sspcache_engine::{
    Config, Ended, Ending, Engine, EventKind, Holds, Name, Operation, SecurityStatus, journal::JournalFile,
};

use crate::{
    environment::{self, Environment},
    ffi,
    in_use::{InUse, Used},
    memory::{FreedBy, Given, HandedOut, NotTaken},
    platform,
    raw::Address,
    stack,
    surroundings::Surroundings,
    trace::{self, Tracing},
};

/// The state of one DLL. It holds nothing until the first call.
#[derive(Debug)]
pub struct Ssp {
    module: &'static str,
    state: InUse<State>,
    surroundings: Surroundings,
    /// Whether there was an engine whose events are read: nothing else is done for events where there was none.
    was_observed: AtomicBool,
    tracing: Tracing,
}

/// The state in one process.
#[derive(Debug, Default)]
struct State {
    /// Read without a lock, also by a child that was forked while a thread had one.
    engine: OnceLock<Arc<Engine>>,
    /// The configuration or the journal can't be used; a message was printed.
    is_broken: AtomicBool,
    /// Held while the engine is made.
    making: Mutex<()>,
    /// Whether what a forked child inherits has been taken over.
    is_settled: AtomicBool,
    handed_out: HandedOut,
}

impl Ssp {
    /// The SSP of the DLL with this file name.
    pub const fn new(module: &'static str) -> Self {
        Self {
            module,
            state: InUse::new(),
            surroundings: Surroundings::new(),
            was_observed: AtomicBool::new(false),
            tracing: Tracing::new(),
        }
    }

    /// Whether a call may have to be traced.
    #[doc(hidden)]
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "all that a call costs that isn't traced")]
    pub fn may_trace(&self) -> bool {
        self.tracing.may_be_on()
    }

    pub(crate) fn tracing(&self) -> &Tracing {
        &self.tracing
    }

    /// The engine; made now, if this is the first call.
    ///
    /// # Errors
    /// [`SecurityStatus::INTERNAL_ERROR`] when the environment's configuration or journal can't be used.
    pub(crate) fn engine(&self) -> Result<Used<'_, Engine>, SecurityStatus> {
        let state = self.state();
        if state.engine.get().is_none() && !state.is_broken.load(Ordering::Acquire) {
            self.make_once(&state);
        }
        state.part_if_any(|state| state.engine.get().map(Arc::as_ref)).ok_or(SecurityStatus::INTERNAL_ERROR)
    }

    /// The engine, for a call of an operation that may be made to fail.
    ///
    /// # Errors
    /// As [`Self::engine`], and what a fault says.
    pub(crate) fn enter(&self, operation: Operation) -> Result<Used<'_, Engine>, SecurityStatus> {
        let engine = self.engine()?;
        engine.enter(operation)?;
        Ok(engine)
    }

    /// The memory that callers hold.
    pub(crate) fn handed_out(&self) -> Used<'_, HandedOut> {
        self.state().part(|state| &state.handed_out)
    }

    /// The modules beside this one.
    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// A copy for the caller, which has to give it back to the function that its kind says: an event. The package is the one that it
    /// is about, if there is one.
    pub(crate) fn hand_out<T: Copy>(&self, holds: Holds, package: Option<&Name>, items: &[T]) -> *mut T {
        let given = self.handed_out().copy(FreedBy::of(holds), items);
        self.note_given(holds, package, given)
    }

    /// Records that memory was handed out, and gives its place. No caller has the place before this returns, so the event of
    /// giving it back comes after this one.
    pub(crate) fn note_given<T>(&self, holds: Holds, package: Option<&Name>, given: Given<T>) -> *mut T {
        if let Some(engine) = self.observed() {
            engine.note_memory(EventKind::Allocated {
                memory: given.number,
                holds,
                size: given.size as u64,
                package: package.map(ToString::to_string).unwrap_or_default(),
            });
        }
        given.place
    }

    /// Takes memory back for a function, and records it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for what that function is not to free.
    pub(crate) fn take_back(
        &self,
        operation: Operation,
        freed_by: FreedBy,
        buffer: Address,
    ) -> Result<(), SecurityStatus> {
        let engine = self.observed();
        // The system's secur32.dll may free a block without asking, and again: only its heap is to know of that.
        let remembers = engine.is_some() && (cfg!(not(windows)) || self.module == "secur32.dll");
        let taken = self.handed_out().take_back(freed_by, buffer.addr(), remembers);
        let (event, result) = match taken {
            Ok(memory) => (Some(EventKind::MemoryFreed { memory }), Ok(())),
            Err(NotTaken { memory }) => {
                let status = SecurityStatus::INVALID_HANDLE;
                let refused = |memory| EventKind::Refused {
                    operation,
                    status,
                    package: String::new(),
                    principal: String::new(),
                    handle: None,
                    context: None,
                    memory: Some(memory),
                    short: false,
                    forbidden: String::new(),
                    target: String::new(),
                };
                (memory.map(refused), Err(status))
            }
        };
        // Not under the lock of the list: writing takes its time, and a fork meanwhile would cost the child the list.
        if let (Some(engine), Some(event)) = (engine, event) {
            engine.note_memory(event);
        }
        result
    }

    /// The engine, if a sink takes its events.
    pub(crate) fn observed(&self) -> Option<Used<'_, Engine>> {
        if !self.was_observed.load(Ordering::Relaxed) {
            return None;
        }
        self.recorder()
    }

    /// The engine that a call is recorded in, made for the first one.
    pub(crate) fn recorder(&self) -> Option<Used<'_, Engine>> {
        self.engine().ok().filter(|engine| engine.is_observed())
    }

    /// Ends the SSP. Called while the loader's lock is held, and perhaps when other threads were stopped in the middle
    /// of a call: what is busy is left to the operating system rather than waited for.
    pub fn detach(&self, how: Ending) {
        self.state.end(|state| {
            let ended = state.engine.get().map(|engine| ffi::caught(|| engine.end(how)));
            // Of a busy one the memory goes with the process.
            let is_over = matches!(ended, None | Some(Some(Ended::Left(_))));
            if is_over {
                self.surroundings.reset();
                state.handed_out.try_release_all();
            }
            is_over
        });
    }

    /// The state in this process, made now if this is the first call.
    fn state(&self) -> Used<'_, State> {
        let state = self.state.enter(State::default);
        if !state.is_settled.load(Ordering::Acquire) {
            self.settle(&state);
        }
        state
    }

    /// Takes over from the process that this one was forked from: the engine, which begins anew by itself; what is broken; and the memory
    /// that callers hold, unless a thread was in the middle of changing the list of it.
    #[cold]
    fn settle(&self, state: &State) {
        let _making = state.making.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_settled.load(Ordering::Acquire) {
            return;
        }
        if let Some(inherited) = self.state.inherited() {
            if let Some(engine) = inherited.engine.get() {
                // No other thread sets it while `making` is held.
                let _ = state.engine.set(engine.clone());
            }
            state.is_broken.store(inherited.is_broken.load(Ordering::Acquire), Ordering::Release);
            state.handed_out.take_over(&inherited.handed_out);
        }
        state.is_settled.store(true, Ordering::Release);
    }

    /// Makes the engine, unless another thread has or it can't be made.
    #[cold]
    fn make_once(&self, state: &State) {
        let _making = state.making.lock().unwrap_or_else(PoisonError::into_inner);
        if state.engine.get().is_some() || state.is_broken.load(Ordering::Acquire) {
            return;
        }
        match self.make() {
            // No other thread sets it while `making` is held.
            Ok(engine) => {
                self.was_observed.fetch_or(engine.is_observed(), Ordering::Relaxed);
                let _ = state.engine.set(Arc::new(engine));
            }
            Err(message) => {
                platform::write_to_standard_error(&format!("sspcache: {}: {message}\n", self.module));
                state.is_broken.store(true, Ordering::Release);
            }
        }
    }

    fn make(&self) -> Result<Engine, String> {
        let clock = sspcache_engine::SystemClock { seconds_east: platform::seconds_east_of_utc() };
        let mut builder = Engine::builder(self.module).record_events(false).clock(clock);
        #[cfg(windows)]
        {
            builder = builder.access_tokens(platform::ProcessTokens);
        }
        let environment = Environment::new();
        if let Some(path) = environment.get("SSPCACHE_CONFIG") {
            let config =
                Config::read(Path::new(&path)).map_err(|error| format!("SSPCACHE_CONFIG: {error}"))?;
            config
                .check_for_dll()
                .map_err(|error| format!("SSPCACHE_CONFIG: {}: {error}", Path::new(&path).display()))?;
            builder = builder.config(&config);
        }
        if let Some(path) = environment.get(environment::JOURNAL) {
            let journal = JournalFile::create(Path::new(&path), self.module)
                .map_err(|error| format!("SSPCACHE_JOURNAL: {error}"))?;
            builder = builder.sink(journal);
        }
        builder = stack::configure(builder, &environment)?;
        trace::check(&environment)?;
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
    ssp.take_back(Operation::FreeContextBuffer, FreedBy::ContextBuffer, buffer)
}

/// Whether memory at this address was handed out, and has no other owner since: where it was given back before, no other is to free it.
pub fn has_handed_out(ssp: &Ssp, buffer: Address) -> bool {
    ssp.handed_out().knows(buffer.addr())
}
