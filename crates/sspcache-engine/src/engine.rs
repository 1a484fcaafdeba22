//! The mock SSP: packages, credential handles and the cache behind one lock.

use std::{
    fmt, panic,
    sync::{Arc, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    AcquireRequest, Clock, Effect, Ending, EngineBuilder, Event, EventKind, Fault, FileTime, Name, Operation,
    PackageInfo, Principal, SecurityStatus, Source,
    book::Book,
    context::{Accounts, Contexts, ExportKey, Handshakes},
    credentials::{Held, principal_of},
    event::shown,
    handle::HandleTable,
    sync::{Mutex, MutexGuard},
    vault::{Entry, Limits, Memory, Slot, Vault},
};

/// One mock instance of an SSP, with a credential cache of its own.
///
/// Instances share nothing, so tests may run in parallel. All methods take `&self` and may be called from any thread;
/// they take effect one after the other: an acquire that begins after a flush has returned never sees a credential
/// cached before that flush began (clause M6). Dropping an instance wipes what it holds.
///
/// In the child of a `fork` an instance starts empty.
pub struct Engine {
    module: String,
    /// What acceptors tell of themselves: the module's name in UTF-16.
    pub(crate) target_information: Vec<u8>,
    clock: Arc<dyn Clock>,
    /// Whether there is any fault to look for: with none, a call begins without taking the lock for it.
    has_faults: bool,
    state: Mutex<State>,
    /// Held while a flush overwrites what it took out of the state, so that no other returns before that is done.
    flushing: Mutex<()>,
}

impl Engine {
    /// Starts setting up an instance for the module of this file name.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sspcache_engine::{Engine, PackageInfo};
    /// let ssp = Engine::builder("MSNSSPC.dll")
    ///     .package(PackageInfo::named("MSN"))
    ///     .package(PackageInfo::named("NTLM"))
    ///     .account("alice", "CONTOSO", "correct horse")
    ///     .lifetime(Duration::from_secs(8 * 3600))
    ///     .build();
    /// assert_eq!(ssp.packages().len(), 2);
    /// ```
    pub fn builder(module: &str) -> EngineBuilder {
        EngineBuilder::new(module)
    }

    /// The file name of the module that this instance is the mock of.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// `EnumerateSecurityPackages`: the packages, in the order they were configured.
    ///
    /// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesw).
    pub fn packages(&self) -> Vec<PackageInfo> {
        self.lock().packages.iter().map(|package| PackageInfo::clone(package)).collect()
    }

    /// `QuerySecurityPackageInfo`: one package.
    ///
    /// # Errors
    /// [`SecurityStatus::SECPKG_NOT_FOUND`] for an unknown name.
    ///
    /// Reference: [QuerySecurityPackageInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritypackageinfow).
    pub fn package(&self, name: &Name) -> Result<PackageInfo, SecurityStatus> {
        let state = self.lock();
        Ok(PackageInfo::clone(&state.packages[usize::from(state.package_id(name)?)]))
    }

    /// Verifies an identity as an acceptor does: against the configured accounts, never against the cache.
    ///
    /// # Errors
    /// [`SecurityStatus::LOGON_DENIED`] for an unknown account or a wrong secret; which of them is not told.
    #[cfg(feature = "contexts")]
    pub fn verify(&self, identity: &crate::Identity) -> Result<(), SecurityStatus> {
        let key = crate::account::AccountKey::of(identity);
        let state = self.lock();
        let account = state.accounts.get(&identity.principal);
        account.filter(|account| account.key == key).map(|_| ()).ok_or(SecurityStatus::LOGON_DENIED)
    }

    /// `CleanupCredentialCache`: overwrites every cached secret and empties the cache. Flushing an empty cache
    /// succeeds too. Returns FALSE when a [`Fault`] says so, and never else.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache).
    pub fn flush(&self) -> bool {
        if self.enter(Operation::CleanupCredentialCache).is_err() {
            return false;
        }
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut emptied = {
            let (mut state, now) = self.lock_at_now();
            let State { vault, book, .. } = &mut *state;
            book.retain_from(vault);
            let emptied = vault.empty();
            book.record_emptied(now, EventKind::Flushed);
            emptied
        };
        // Nobody who signs in meanwhile waits for this.
        emptied.wipe();
        let unused = self.lock().vault.reuse(emptied);
        drop(unused);
        true
    }

    /// Begins a call of this operation: counts it, waits and panics as the [`Fault`]s say. The operations above call
    /// it themselves; the C ABI calls it for those that the engine has no part in.
    ///
    /// # Errors
    /// The status that a fault says; FALSE is [`SecurityStatus::INTERNAL_ERROR`].
    ///
    /// # Panics
    /// When a fault says so, without printing anything.
    pub fn enter(&self, operation: Operation) -> Result<(), SecurityStatus> {
        let Some((effect, delay)) = self.strike(operation) else { return Ok(()) };
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        match effect {
            // What is missing, the emulated module leaves out; whoever calls it anyway may.
            Effect::Delay | Effect::Missing => Ok(()),
            Effect::False => Err(SecurityStatus::INTERNAL_ERROR),
            Effect::Panic => {
                // With the lock held, as a real bug would strike; not by `panic!`, whose hook prints and allocates.
                let _held = self.lock();
                panic::resume_unwind(Box::new("a fault that a test injected"))
            }
            Effect::Status(status) => Err(status),
        }
    }

    /// Whether a fault takes this operation's export away: for the emulated module.
    pub fn is_missing(&self, operation: Operation) -> bool {
        let missing = |fault: &Fault| fault.operation == operation && fault.effect == Effect::Missing;
        self.lock().faults.iter().any(missing)
    }

    /// Ends the instance as unloading its module does: wipes everything and says in an [`EventKind::Ended`] event how
    /// many credentials were still cached. Returns that number, or `None` when it has ended already, or another
    /// thread is inside a call: then nothing is touched, since waiting here could hang a process's exit.
    pub fn end(&self, how: Ending) -> Option<u32> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => return None,
        };
        if state.vault.is_forked() {
            // A child that never used the SSP: what it inherited is the parent's to report.
            state.book.ended = true;
        }
        state.end(how, self.clock.now())
    }

    /// Starts an instance again that has [ended](Self::end), as loading its module again does: empty, and without what
    /// was preloaded, which was overwritten with the rest. Does nothing to an instance that has not ended.
    pub fn restart(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.book.ended) {
            let now = self.clock.now();
            state.handles = HandleTable::new(getrandom::u64().unwrap_or_default());
            state.contexts = Contexts::new(getrandom::u64().unwrap_or_default());
            state.book.started(now, false);
        }
    }

    /// How many credentials are cached.
    pub fn cached(&self) -> usize {
        self.lock_at_now().0.vault.len()
    }

    /// Which credentials are cached.
    pub fn cached_credentials(&self) -> Vec<CachedCredential> {
        let (state, _) = self.lock_at_now();
        let State { vault, packages, book, .. } = &*state;
        let describe = |(slot, entry): (Slot, Entry<'_>)| CachedCredential {
            package: packages[usize::from(entry.package())].name.clone(),
            principal: principal_of(&entry),
            cached_at: FileTime(entry.cached_at()),
            expires: FileTime(entry.expires()),
            since: book.cached_by(slot),
        };
        vault.iter().map(describe).collect()
    }

    /// What the cache takes of the system's memory, and whether the system refused to lock some of it in physical memory.
    ///
    /// # Platform-specific behaviour
    /// How much a process may lock is the system's to say: see [`Memory::lock_refused`].
    pub fn memory(&self) -> Memory {
        self.lock_at_now().0.vault.memory()
    }

    /// How many copies live handles keep although their credential has left the cache (clause M4).
    pub fn retained(&self) -> usize {
        self.lock_at_now().0.book.retained.len()
    }

    /// How many handles are not freed yet.
    pub fn open_handles(&self) -> usize {
        self.lock().handles.len()
    }

    /// How many contexts are not deleted yet: established, half-open and failed ones.
    pub fn open_contexts(&self) -> usize {
        self.lock().contexts.len()
    }

    /// The events so far, in order; none unless they are recorded.
    pub fn events(&self) -> Vec<Event> {
        self.lock_at_now().0.book.events.clone()
    }

    /// Asserts that no credential is cached.
    ///
    /// # Panics
    /// When one is: the message names each, and the event since which it is cached.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Err(unclean) = self.check_clean() {
            panic!("{unclean}");
        }
    }

    /// Whether no credential is cached.
    ///
    /// # Errors
    /// Names each that is.
    pub fn check_clean(&self) -> Result<(), Unclean> {
        let left = self.cached_credentials();
        if left.is_empty() { Ok(()) } else { Err(Unclean { module: self.module.clone(), left }) }
    }

    pub(crate) fn from_builder(builder: EngineBuilder) -> Self {
        let EngineBuilder { module, packages, accounts, preloads, handle_policy, .. } = builder;
        let limits = Limits { capacity: builder.capacity };
        let packages: Vec<_> = packages.into_iter().map(Arc::new).collect();
        let has_faults = !builder.faults.is_empty();
        let mut state = State {
            vault: Vault::new(limits),
            limits,
            handles: HandleTable::new(getrandom::u64().expect("the operating system has random numbers")),
            contexts: Contexts::new(getrandom::u64().expect("the operating system has random numbers")),
            handshakes: Handshakes::new(builder.contexts).expect("the operating system has random numbers"),
            negotiate: position(&packages, &Name::from("Negotiate")),
            packages,
            accounts,
            export_key: builder.export_key.unwrap_or_else(ExportKey::random),
            process_key: ExportKey::random(),
            lifetime: builder.lifetime,
            faults: builder.faults,
            book: Book::new(module.clone(), handle_policy, builder.record, builder.sinks),
        };
        let now = builder.clock.now();
        state.book.started(now, false);
        for (package, identity) in preloads {
            // A preload for a package of another module is none of this one's business.
            if let Ok(package) = state.package_id(&package) {
                state
                    .cache(package, &identity, Source::Preloaded, now)
                    .expect("there is memory for what is preloaded");
            }
        }
        let target_information = module.encode_utf16().flat_map(u16::to_le_bytes).collect();
        Self {
            module,
            target_information,
            clock: builder.clock,
            has_faults,
            state: Mutex::new(state),
            flushing: Mutex::new(()),
        }
    }

    /// The fault whose turn it is for a call of this operation, recorded.
    fn strike(&self, operation: Operation) -> Option<(Effect, Duration)> {
        if !self.has_faults {
            return None;
        }
        let mut state = self.lock();
        let fault =
            state.faults.iter_mut().filter(|fault| fault.operation == operation).find_map(Fault::strike)?;
        if fault.0 != Effect::Missing {
            let now = self.clock.now();
            state.book.record(now, EventKind::Faulted { operation, effect: fault.0 });
        }
        Some(fault)
    }

    /// Locks the instance; a panic of an earlier call leaves nothing half-done, so its poison is no reason to stop.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.vault.is_forked() {
            let now = self.clock.now();
            state.start_over_in_child(now);
        }
        state
    }

    /// A moment on the local clock.
    pub(crate) fn to_local(&self, time: FileTime) -> FileTime {
        time.to_local(self.clock.seconds_east_of_utc())
    }

    /// As [`lock_at_now`](Self::lock_at_now), but for the time, where nothing depends on it: nothing expires, and nobody reads
    /// of events. Asking for it takes as long as the rest of a short call.
    pub(crate) fn lock_for_short(&self) -> (MutexGuard<'_, State>, FileTime) {
        let mut state = self.lock();
        let timeless = state.lifetime.is_none() && !state.book.is_read();
        let now = if timeless { FileTime::default() } else { self.clock.now() };
        if !timeless {
            state.sweep(now);
        }
        (state, now)
    }

    /// Locks the instance, and lets go of what has expired.
    pub(crate) fn lock_at_now(&self) -> (MutexGuard<'_, State>, FileTime) {
        let mut state = self.lock();
        let now = self.clock.now();
        state.sweep(now);
        (state, now)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("module", &self.module).finish_non_exhaustive()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end(Ending::Dropped);
    }
}

/// A credential in the cache. It shows everything but the secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CachedCredential {
    /// The package that it is for.
    pub package: Name,
    /// Whose it is.
    pub principal: Principal,
    /// When it was cached, in UTC.
    pub cached_at: FileTime,
    /// When it expires, in UTC.
    pub expires: FileTime,
    /// The `seq` of the event that cached it, when events are recorded.
    pub since: Option<u64>,
}

/// Credentials are still cached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unclean {
    /// In the cache of which module.
    pub module: String,
    /// Which ones.
    pub left: Vec<CachedCredential>,
}

impl fmt::Display for Unclean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.left.len() == 1 { "credential is" } else { "credentials are" };
        write!(f, "{} {plural} still cached in {}:", self.left.len(), self.module)?;
        for credential in &self.left {
            write!(f, "\n  {} {}", credential.package, credential.principal)?;
            if let Some(seq) = credential.since {
                write!(f, ", since event {seq}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Unclean {}

/// Everything behind the lock.
pub(crate) struct State {
    pub(crate) vault: Vault,
    limits: Limits,
    pub(crate) handles: HandleTable<Held>,
    pub(crate) contexts: Contexts,
    pub(crate) handshakes: Handshakes,
    pub(crate) packages: Vec<Arc<PackageInfo>>,
    /// Negotiate's place among them.
    pub(crate) negotiate: Option<u16>,
    pub(crate) accounts: Accounts,
    pub(crate) export_key: ExportKey,
    /// What identities are encrypted under that only this instance is to decrypt.
    pub(crate) process_key: ExportKey,
    pub(crate) lifetime: Option<Duration>,
    faults: Vec<Fault>,
    pub(crate) book: Book,
}

impl State {
    pub(crate) fn package_id(&self, name: &Name) -> Result<u16, SecurityStatus> {
        position(&self.packages, name).ok_or(SecurityStatus::SECPKG_NOT_FOUND)
    }

    pub(crate) fn sweep(&mut self, now: FileTime) {
        let Self { vault, book, .. } = self;
        vault.sweep(now.0, &mut |gone| book.gone(&gone, now));
    }

    pub(crate) fn refused(
        &mut self,
        operation: Operation,
        status: SecurityStatus,
        request: Option<&AcquireRequest>,
        now: FileTime,
    ) {
        self.book.record_with(now, || EventKind::Refused {
            operation,
            status,
            package: request.map_or_else(String::new, |request| request.package.to_string()),
            principal: request
                .and_then(|request| {
                    request
                        .identity
                        .as_ref()
                        .map(|identity| &identity.principal)
                        .or(request.principal.as_ref())
                })
                .map_or_else(String::new, shown),
        });
    }

    fn end(&mut self, how: Ending, now: FileTime) -> Option<u32> {
        let first = !std::mem::replace(&mut self.book.ended, true);
        let left = self.book.cached;
        self.vault = Vault::new(self.limits);
        self.handles = HandleTable::new(0);
        self.contexts = Contexts::new(0);
        self.handshakes.start_over();
        self.book.forget_copies();
        if !first {
            return None;
        }
        let lost = self.book.lost;
        self.book.record_emptied(now, EventKind::Ended { how, left, lost });
        Some(left)
    }

    fn start_over_in_child(&mut self, now: FileTime) {
        // The parent's secrets read as zero here, and its handles mean nothing.
        self.vault = Vault::new(self.limits);
        self.handles = HandleTable::new(getrandom::u64().unwrap_or_default());
        self.contexts = Contexts::new(getrandom::u64().unwrap_or_default());
        self.handshakes.start_over();
        self.book.forget_copies();
        self.book.start_over(now);
    }
}

fn position(packages: &[Arc<PackageInfo>], name: &Name) -> Option<u16> {
    let at = packages.iter().position(|package| package.name == *name);
    at.and_then(|at| u16::try_from(at).ok())
}
