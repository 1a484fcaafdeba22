//! The state of an instance behind one lock, and the beginning of calls. Operations import it.
//!
//! Two more kinds of locks are taken before this one, never after it: that of a [context](crate::context), and the one
//! of a flush.

use std::{
    cell::Cell,
    num::NonZeroU32,
    panic,
    sync::{Arc, PoisonError, TryLockError},
    thread,
    time::Duration,
};

use windows_sys::Win32::Security::Authentication::Identity::SECPKG_FLAG_NEGOTIABLE;

#[cfg(feature = "contexts")]
mod contexts;

use crate::{
    AuthIdentity, Clock, CredentialHandle, Effect, Ending, EventKind, FileTime, Logon, Name, Operation,
    PackageInfo, SecurityStatus,
    context::{Accounts, export_key::ExportKey, half_open::Handshakes, settings::Settings, stage::Contexts},
    credentials::{
        held::{Credential, Held},
        request::{AcquireRequest, KdcProxy},
        stored::Stored,
    },
    event::{Ended, SinkOfChild},
    fault::Fault,
    handle::HandleTable,
    ledger::{HandlePolicy, Ledger, Sinks},
    per_process::PerProcess,
    sync::{Mutex, MutexGuard},
    vault::{Emptied, Entry, Inserted, KeyRef, Limits, Memory, NewCredential, OutOfMemory, Slot, Vault},
};

/// The settings of an instance: plain data, which the builder collects.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) module: String,
    pub(crate) packages: Vec<PackageInfo>,
    /// Without it, all of them.
    pub(crate) only_packages: Option<Vec<Name>>,
    /// Those that aren't offered, and that Negotiate neither chooses nor takes the tokens of.
    pub(crate) forbidden: Vec<Name>,
    /// Shared with every state that is made of this, until a password is changed.
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) logons: Vec<Logon>,
    pub(crate) preloads: Vec<(Name, AuthIdentity)>,
    pub(crate) handle_policy: HandlePolicy,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) capacity: Option<NonZeroU32>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) contexts: Settings,
    #[cfg(feature = "contexts")]
    pub(crate) access_tokens: Option<Box<dyn crate::context::AccessTokens>>,
    /// Without one, the instance draws its own.
    pub(crate) export_key: Option<ExportKey>,
    pub(crate) faults: Vec<Fault>,
    /// Those of the process that makes the instance, until it is made. No thread takes this lock: sinks can't be shared without one.
    pub(crate) sinks: std::sync::Mutex<Sinks>,
    pub(crate) stacks: Option<crate::stack::Source>,
    pub(crate) record: bool,
}

/// One instance: the state, the locks, and what never changes.
pub(crate) struct Instance {
    pub(crate) module: String,
    /// The acceptors' description of themselves: the module's name in UTF-16.
    pub(crate) target_information: Vec<u8>,
    clock: Arc<dyn Clock>,
    /// Whether there is any fault to look for: with none, a call begins without taking the lock for it.
    has_faults: bool,
    /// Whether a sink takes events, in this process or in a child.
    is_observed: bool,
    process: PerProcess<Locks>,
    /// What a forked child's state is made of.
    setup: Setup,
    process_key: ExportKey,
    sinks_of_child: Vec<SinkOfChild>,
}

/// The locks of an instance, in one process.
struct Locks {
    state: Mutex<State>,
    /// Held while a flush overwrites what it took out of the state, so that no other returns before that is done.
    flushing: Mutex<()>,
}

/// What a call named that was refused.
#[derive(Clone, Copy, Default)]
pub(crate) struct Named<'r> {
    pub(crate) request: Option<&'r AcquireRequest>,
    pub(crate) handle: Option<CredentialHandle>,
    /// The value of a context's handle.
    pub(crate) context: Option<usize>,
    /// Of a first step: whether its buffer is shorter than the package's longest token.
    pub(crate) is_short: bool,
    /// Of a first step: the package that it would have begun with, if it weren't forbidden, and the target.
    pub(crate) forbidden: Option<(&'r Name, Option<&'r Name>)>,
}

impl<'r> From<&'r AcquireRequest> for Named<'r> {
    fn from(request: &'r AcquireRequest) -> Self {
        Self { request: Some(request), ..Self::default() }
    }
}

impl From<CredentialHandle> for Named<'_> {
    fn from(handle: CredentialHandle) -> Self {
        Self { handle: Some(handle), ..Self::default() }
    }
}

/// The state, locked. While it is held no context is locked, and nothing slow happens.
pub(crate) type Locked<'a> = MutexGuard<'a, State>;

impl Instance {
    /// An instance with an empty cache: its first event is recorded, and nothing preloaded yet.
    ///
    /// # Panics
    /// When the operating system gives no random numbers.
    pub(crate) fn new(mut setup: Setup) -> Self {
        let sinks = std::mem::take(setup.sinks.get_mut().unwrap_or_else(PoisonError::into_inner));
        // A child can still read what its parent sealed and exported.
        setup.export_key.get_or_insert_with(ExportKey::random);
        let instance = Self {
            target_information: setup.module.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            module: setup.module.clone(),
            clock: setup.clock.clone(),
            has_faults: !setup.faults.is_empty(),
            is_observed: setup.record || !sinks.0.is_empty(),
            process: PerProcess::new(),
            setup,
            process_key: ExportKey::random(),
            sinks_of_child: sinks.0.iter().filter_map(|sink| sink.for_forked_child()).collect(),
        };
        let mut state = State::new(&instance.setup, instance.process_key.clone());
        state.ledger.started_with(instance.clock.now(), sinks, false);
        let locks = Cell::new(Some(Locks::new(state)));
        instance.process.get_or_make(|| locks.take().expect("no other thread knows this instance yet"));
        instance
    }

    /// The locks of this process. In a child that was forked while another thread was in a call, those of the parent may be taken, and
    /// what they protect half changed.
    fn locks(&self) -> &Locks {
        self.process.get_or_make(|| Locks::new(State::new(&self.setup, self.process_key.clone())))
    }

    /// Records that a forked child begins, and lets go of what it inherited.
    #[cold]
    fn begin_in_child(&self, state: &mut State) {
        self.let_go_of_inherited();
        let sinks = Sinks(self.sinks_of_child.iter().map(|make| make()).collect());
        state.ledger.started_with(self.clock.now(), sinks, true);
    }

    /// Drops what the parent had, unless one of its threads was in the middle of changing it.
    fn let_go_of_inherited(&self) {
        match self.process.inherited().map(|locks| locks.state.try_lock()) {
            Some(Ok(mut state)) => state.let_go(),
            Some(Err(TryLockError::Poisoned(poisoned))) => poisoned.into_inner().let_go(),
            Some(Err(TryLockError::WouldBlock)) | None => {}
        }
    }

    /// The system's access tokens, if they are in reach.
    #[cfg(feature = "contexts")]
    pub(crate) fn access_tokens(&self) -> Option<&dyn crate::context::AccessTokens> {
        self.setup.access_tokens.as_deref()
    }

    /// See [`Engine::enter`](crate::Engine::enter).
    pub(crate) fn enter(&self, operation: Operation) -> Result<(), SecurityStatus> {
        let Some((effect, delay)) = self.strike(operation) else { return Ok(()) };
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        match effect {
            // The emulated module leaves out what is missing. A direct call of the engine may still succeed.
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

    /// See [`Engine::is_missing`](crate::Engine::is_missing).
    pub(crate) fn is_missing(&self, operation: Operation) -> bool {
        let missing = |fault: &Fault| fault.operation == operation && fault.effect == Effect::Missing;
        self.lock().faults.iter().any(missing)
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
            state.ledger.record(now, EventKind::Faulted { operation, effect: fault.0 });
        }
        Some(fault)
    }

    /// See [`Engine::end`](crate::Engine::end).
    pub(crate) fn end(&self, how: Ending) -> Ended {
        let Some(locks) = self.process.get() else {
            // A child that never used the SSP: what it inherited is the parent's to report.
            self.let_go_of_inherited();
            return Ended::Already;
        };
        let mut state = match locks.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ended::Busy,
        };
        state.end(how, self.clock.now())
    }

    /// See [`Engine::forbids`](crate::Engine::forbids).
    pub(crate) fn forbids(&self, package: &Name) -> bool {
        self.setup.forbidden.contains(package)
    }

    /// Records an event that changes nothing.
    pub(crate) fn note(&self, kind: EventKind) {
        let (mut state, now) = self.lock_at_now();
        state.ledger.record(now, kind);
    }

    /// See [`Engine::note_of_others`](crate::Engine::note_of_others).
    pub(crate) fn note_of_others(&self, kind: EventKind, held: u32) {
        let (mut state, now) = self.lock_at_now();
        state.ledger.held = held;
        state.ledger.record(now, kind);
    }

    /// See [`Engine::is_observed`](crate::Engine::is_observed).
    pub(crate) fn is_observed(&self) -> bool {
        self.is_observed
    }

    /// See [`Engine::restart`](crate::Engine::restart).
    pub(crate) fn restart(&self) {
        let mut state = self.lock();
        if std::mem::take(&mut state.ledger.ended) {
            let now = self.clock.now();
            state.handles = HandleTable::new(getrandom::u64().unwrap_or_default());
            state.contexts = Contexts::new(getrandom::u64().unwrap_or_default());
            state.ledger.started(now, false);
        }
    }

    /// Keeps other flushes waiting until this one is done. Taken before the state.
    pub(crate) fn flushing(&self) -> MutexGuard<'_, ()> {
        self.locks().flushing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the instance; a panic of an earlier call leaves nothing half-done, so its poison is no reason to stop.
    pub(crate) fn lock(&self) -> Locked<'_> {
        let mut state = self.locks().state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.ledger.has_started() {
            self.begin_in_child(&mut state);
        }
        state
    }

    /// Locks the instance, and lets go of what has expired.
    pub(crate) fn lock_at_now(&self) -> (Locked<'_>, FileTime) {
        let mut state = self.lock();
        let now = self.clock.now();
        state.sweep(now);
        (state, now)
    }

    /// A moment on the local clock.
    pub(crate) fn to_local(&self, time: FileTime) -> FileTime {
        time.to_local(self.clock.seconds_east_of_utc())
    }
}

impl Locks {
    fn new(state: State) -> Self {
        Self { state: Mutex::new(state), flushing: Mutex::new(()) }
    }
}

/// Everything behind the lock.
///
/// What is private changes by methods alone, which keep two promises: the ledger records each credential that enters or
/// leaves the cache, and it counts each credential that a handle or a half-open context holds.
pub(crate) struct State {
    vault: Vault,
    limits: Limits,
    handles: HandleTable<Held>,
    contexts: Contexts,
    pub(crate) handshakes: Handshakes,
    packages: Vec<Arc<PackageInfo>>,
    pub(crate) forbidden: Vec<Name>,
    /// Negotiate's place among them.
    negotiate: Option<u16>,
    pub(crate) accounts: Arc<Accounts>,
    /// The logon session's default credentials. They outlive an end: they are not the SSP's.
    pub(crate) logons: Vec<Logon>,
    export_key: ExportKey,
    /// The key of identities that only this instance can decrypt.
    process_key: ExportKey,
    lifetime: Option<Duration>,
    faults: Vec<Fault>,
    pub(crate) ledger: Ledger,
}

impl State {
    /// A state with an empty cache, which has recorded nothing yet. It can't be seen from outside that it was made.
    ///
    /// # Panics
    /// When the operating system gives no random numbers.
    fn new(setup: &Setup, process_key: ExportKey) -> Self {
        let limits = Limits { capacity: setup.capacity };
        let packages: Vec<_> = setup.packages.iter().cloned().map(Arc::new).collect();
        let names = packages.iter().map(|package| package.name.to_string()).collect();
        Self {
            vault: Vault::new(limits),
            limits,
            handles: HandleTable::new(getrandom::u64().expect("the operating system has random numbers")),
            contexts: Contexts::new(getrandom::u64().expect("the operating system has random numbers")),
            handshakes: Handshakes::new(setup.contexts.clone())
                .expect("the operating system has random numbers"),
            negotiate: position(&packages, &Name::from("Negotiate")),
            packages,
            forbidden: setup.forbidden.clone(),
            accounts: setup.accounts.clone(),
            logons: setup.logons.clone(),
            export_key: setup.export_key.clone().unwrap_or_else(ExportKey::random),
            process_key,
            lifetime: setup.lifetime,
            faults: setup.faults.clone(),
            ledger: Ledger::new(
                setup.module.clone(),
                names,
                setup.handle_policy,
                setup.stacks.clone(),
                setup.record,
            ),
        }
    }

    pub(crate) fn package_id(&self, name: &Name) -> Result<u16, SecurityStatus> {
        position(&self.packages, name).ok_or(SecurityStatus::SECPKG_NOT_FOUND)
    }

    /// The packages, in the order they were configured.
    pub(crate) fn packages(&self) -> &[Arc<PackageInfo>] {
        &self.packages
    }

    /// The package of an id that [`Self::package_id`] returned.
    pub(crate) fn package(&self, id: u16) -> &Arc<PackageInfo> {
        &self.packages[usize::from(id)]
    }

    /// Whether a package is Negotiate, which chooses among the others.
    pub(crate) fn is_negotiate(&self, package: u16) -> bool {
        self.negotiate == Some(package)
    }

    /// What a credential handle stands for.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for any other handle.
    pub(crate) fn held(&self, handle: CredentialHandle) -> Result<&Held, SecurityStatus> {
        self.handles.get(handle.word()).ok_or(SecurityStatus::INVALID_HANDLE)
    }

    /// Sets the proxy of a handle.
    pub(crate) fn set_proxy(
        &mut self,
        handle: CredentialHandle,
        proxy: KdcProxy,
    ) -> Result<(), SecurityStatus> {
        let held = self.handles.get_mut(handle.word()).ok_or(SecurityStatus::INVALID_HANDLE)?;
        held.kdc_proxy = Some(Box::new(proxy));
        Ok(())
    }

    /// Gives out a handle, which holds its credential.
    pub(crate) fn open(&mut self, held: Held, now: FileTime) -> Result<CredentialHandle, SecurityStatus> {
        let (package, stored) = (held.own.package, held.own.stored);
        let Some(word) = self.handles.insert(held) else {
            self.ledger.give_up(stored);
            return Err(SecurityStatus::INSUFFICIENT_MEMORY);
        };
        let handle = CredentialHandle::from_word(word);
        self.hold(handle, package, stored, now);
        Ok(handle)
    }

    /// A handle holds a credential from now on.
    fn hold(&mut self, handle: CredentialHandle, package: u16, stored: Option<Stored>, now: FileTime) {
        if let Some(stored) = stored {
            self.ledger.hold(stored);
        }
        self.ledger.came(stored, handle.word(), &self.packages[usize::from(package)].name, now);
    }

    /// Adds a credential to a handle, which then holds it in the place of the one before.
    pub(crate) fn add(
        &mut self,
        handle: CredentialHandle,
        credential: Credential,
        now: FileTime,
    ) -> Result<(), SecurityStatus> {
        let (package, stored) = (credential.package, credential.stored);
        let Some(held) = self.handles.get_mut(handle.word()) else {
            self.ledger.give_up(stored);
            return Err(SecurityStatus::INVALID_HANDLE);
        };
        let replaced = held.add(credential);
        self.hold(handle, package, stored, now);
        let replaced = replaced.iter().filter_map(|credential| credential.stored);
        replaced.for_each(|stored| self.ledger.release(stored, now));
        Ok(())
    }

    /// Takes a handle back, and releases what it held.
    pub(crate) fn close(&mut self, handle: CredentialHandle, now: FileTime) -> Result<(), SecurityStatus> {
        let held = self.handles.remove(handle.word()).ok_or(SecurityStatus::INVALID_HANDLE)?;
        self.ledger.record(now, EventKind::Freed { handle: handle.word() });
        held.stored().for_each(|stored| self.ledger.release(stored, now));
        Ok(())
    }

    /// The number of handles and of contexts that are open.
    pub(crate) fn open_handles(&self) -> (usize, usize) {
        (self.handles.len(), self.contexts.len())
    }

    /// A credential that is in the cache.
    pub(crate) fn cached(&self, slot: Slot) -> Option<Entry<'_>> {
        self.vault.get(slot)
    }

    /// Every credential in the cache.
    pub(crate) fn all_cached(&self) -> impl Iterator<Item = (Slot, Entry<'_>)> {
        self.vault.iter()
    }

    /// The number of credentials in the cache, and the memory that they take.
    pub(crate) fn usage(&self) -> (usize, Memory) {
        (self.vault.len(), self.vault.memory())
    }

    /// The cached credential of this key, which then counts as used.
    pub(crate) fn find(&mut self, key: KeyRef<'_>) -> Option<Slot> {
        self.vault.find(key)
    }

    /// The credential of a package that was used last.
    pub(crate) fn most_recent(&mut self, package: u16) -> Option<Slot> {
        self.vault.most_recent(package)
    }

    /// When a credential expires that is cached now.
    pub(crate) fn expiry_from(&self, now: FileTime) -> FileTime {
        self.lifetime.map_or(FileTime::NEVER, |lifetime| now.after(lifetime))
    }

    /// Caches a credential. The caller records how it got in; what left the cache for it is recorded here.
    ///
    /// # Errors
    /// [`SecurityStatus::INSUFFICIENT_MEMORY`].
    pub(crate) fn insert(
        &mut self,
        new: NewCredential<'_>,
        now: FileTime,
    ) -> Result<Inserted, SecurityStatus> {
        let Self { vault, ledger, .. } = self;
        let inserted = vault.insert(new, &mut |gone| ledger.gone(&gone, now));
        inserted.map_err(|OutOfMemory| SecurityStatus::INSUFFICIENT_MEMORY)
    }

    /// Takes every credential out of the cache, for the caller to wipe once the instance is unlocked.
    pub(crate) fn empty(&mut self, now: FileTime) -> Emptied {
        self.ledger.retain_from(&self.vault);
        let emptied = self.vault.empty();
        self.ledger.record_emptied(now, EventKind::Flushed);
        emptied
    }

    /// Reuses wiped memory, or returns what the cache has no use for.
    pub(crate) fn reuse(&mut self, emptied: Emptied) -> Option<Emptied> {
        self.vault.reuse(emptied)
    }

    pub(crate) fn sweep(&mut self, now: FileTime) {
        let Self { vault, ledger, .. } = self;
        vault.sweep(now.0, &mut |gone| ledger.gone(&gone, now));
    }

    pub(crate) fn refused(
        &mut self,
        operation: Operation,
        status: SecurityStatus,
        named: Named<'_>,
        now: FileTime,
    ) {
        let Named { request, handle, context, is_short, forbidden } = named;
        let text = |name: Option<&Name>| name.map_or_else(String::new, ToString::to_string);
        self.ledger.record_with(now, || EventKind::Refused {
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
                .map_or_else(String::new, ToString::to_string),
            handle: handle.map(CredentialHandle::word),
            context,
            memory: None,
            short: is_short && status == SecurityStatus::BUFFER_TOO_SMALL,
            forbidden: text(forbidden.map(|(package, _)| package)),
            target: text(forbidden.and_then(|(_, target)| target)),
        });
    }

    /// The packages that Negotiate chooses among: those beside it that say that it may, or else the two that Windows'
    /// own knows.
    pub(crate) fn negotiable(&self) -> Vec<Arc<PackageInfo>> {
        let may = |(at, package): &(u16, &Arc<PackageInfo>)| {
            self.negotiate != Some(*at) && package.capabilities.0 & SECPKG_FLAG_NEGOTIABLE != 0
        };
        let offered: Vec<_> =
            (0..).zip(&self.packages).filter(may).map(|(_, package)| package.clone()).collect();
        if !offered.is_empty() {
            return offered;
        }
        let known = ["Kerberos", "NTLM"].map(Name::from).into_iter();
        let allowed = known.filter(|name| !self.forbidden.contains(name));
        allowed.map(|name| Arc::new(PackageInfo::named(name))).collect()
    }

    fn end(&mut self, how: Ending, now: FileTime) -> Ended {
        let first = !std::mem::replace(&mut self.ledger.ended, true);
        let left = self.ledger.cached;
        self.vault = Vault::new(self.limits);
        self.handles = HandleTable::new(0);
        self.contexts = Contexts::new(0);
        self.handshakes.start_over();
        self.ledger.forget_copies();
        if first {
            let lost = self.ledger.lost;
            self.ledger.record_emptied(now, EventKind::Ended { how, left, lost });
        }
        // The event says how many were held until now.
        self.ledger.held = 0;
        if first { Ended::Left(left) } else { Ended::Already }
    }

    /// Drops what a forked child inherited.
    fn let_go(&mut self) {
        self.vault = Vault::new(self.limits);
        self.handles = HandleTable::new(0);
        self.contexts = Contexts::new(0);
        self.handshakes.start_over();
        self.ledger.let_go();
    }
}

fn position(packages: &[Arc<PackageInfo>], name: &Name) -> Option<u16> {
    let at = packages.iter().position(|package| package.name == *name);
    at.and_then(|at| u16::try_from(at).ok())
}
