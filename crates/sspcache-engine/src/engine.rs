//! The mock SSP: packages, credential handles and the cache behind one lock.

use std::{
    fmt, panic,
    sync::{Arc, PoisonError},
    thread,
    time::Duration,
};

use hashbrown::HashMap;

use crate::{
    Clock, CredentialHandle, Effect, Ending, EngineBuilder, Event, EventKind, Fault, FileTime, Identity,
    Name, Operation, PackageInfo, PackageList, Principal, Secret, Source, Status,
    account::{AccountKey, Accounts},
    builder::{HandlePolicy, Sinks},
    context::{Contexts, ExportKey, Handshakes},
    event::shown,
    handle::HandleTable,
    sync::{Mutex, MutexGuard},
    vault::{Chunk, Entry, Gone, Inserted, KeyRef, Limits, OutOfMemory, Reason, Slab, Slot, Vault},
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
        self.lock().packages.clone()
    }

    /// `QuerySecurityPackageInfo`: one package.
    ///
    /// # Errors
    /// [`Status::SecpkgNotFound`] for an unknown name.
    ///
    /// Reference: [QuerySecurityPackageInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritypackageinfow).
    pub fn package(&self, name: &Name) -> Result<PackageInfo, Status> {
        let state = self.lock();
        Ok(state.packages[usize::from(state.package_id(name)?)].clone())
    }

    /// `AcquireCredentialsHandle`: signs in with an explicit identity, or silently with what is cached (clause M2).
    ///
    /// # Errors
    /// [`Status::SecpkgNotFound`] for an unknown package, [`Status::NoCredentials`] when there is nothing to sign in
    /// with, [`Status::InsufficientMemory`] when the handle or the secret has no room, or what a [`Fault`] says.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
    pub fn acquire(&self, request: &AcquireRequest) -> Result<Acquired, Status> {
        let operation = Operation::AcquireCredentialsHandle;
        let result = self.enter(operation).and_then(|()| {
            let (mut state, now) = self.lock_at_now();
            let result = state.acquire(request, now);
            if let Err(status) = result {
                state.refused(operation, status, Some(request), now);
            }
            result
        });
        result.map(|mut acquired| {
            acquired.expires_local = self.to_local(acquired.expires);
            acquired
        })
    }

    /// `FreeCredentialsHandle`: gives a handle back, and wipes the copy that it alone still kept. The cached
    /// credential stays.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`] for a handle that is none of this instance's, or was freed; or what a [`Fault`] says.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [FreeCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle).
    pub fn free(&self, handle: CredentialHandle) -> Result<(), Status> {
        self.enter(Operation::FreeCredentialsHandle)?;
        let (mut state, now) = self.lock_at_now();
        let Some(held) = state.handles.remove(handle.word()) else {
            state.refused(Operation::FreeCredentialsHandle, Status::InvalidHandle, None, now);
            return Err(Status::InvalidHandle);
        };
        if let Some(slot) = held.slot {
            state.book.release(slot);
        }
        state.book.record(now, EventKind::Freed { handle: handle.word() });
        Ok(())
    }

    /// `QueryCredentialsAttributes` with `SECPKG_CRED_ATTR_NAMES`: whom a handle stands for.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], or what a [`Fault`] says.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [QueryCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycredentialsattributesw).
    pub fn principal(&self, handle: CredentialHandle) -> Result<Principal, Status> {
        self.enter(Operation::QueryCredentialsAttributes)?;
        let (mut state, now) = self.lock_at_now();
        let found = state.handles.get(handle.word()).map(|held| held.principal.clone());
        found.ok_or_else(|| {
            state.refused(Operation::QueryCredentialsAttributes, Status::InvalidHandle, None, now);
            Status::InvalidHandle
        })
    }

    /// What starting a security context with a handle would find: whether its credential is still there (clause M4).
    ///
    /// # Errors
    /// [`Status::InvalidHandle`]; [`Status::NoCredentials`] when the credential has left the cache and the policy is
    /// [`HandlePolicy::Revoke`], or the handle is for inbound use alone.
    pub fn check_usable(&self, handle: CredentialHandle) -> Result<(), Status> {
        let (state, _) = self.lock_at_now();
        let held = state.handles.get(handle.word()).ok_or(Status::InvalidHandle)?;
        if !held.direction.is_outbound() {
            return Err(Status::NoCredentials);
        }
        match held.slot {
            None => Ok(()),
            Some(slot) => state.secret(slot).map(|_| ()).ok_or(Status::NoCredentials),
        }
    }

    /// Whether a handle's credential is this secret: lets a test see that the right one is kept.
    ///
    /// # Errors
    /// As [`Self::check_usable`]; an anonymous handle has no secret and gives [`Status::NoCredentials`].
    pub fn holds_secret(&self, handle: CredentialHandle, secret: &Secret) -> Result<bool, Status> {
        let (state, _) = self.lock_at_now();
        let held = state.handles.get(handle.word()).ok_or(Status::InvalidHandle)?;
        let kept = held.slot.and_then(|slot| state.secret(slot)).ok_or(Status::NoCredentials)?;
        Ok(kept == secret.bytes())
    }

    /// Verifies an identity as an acceptor does: against the configured accounts, never against the cache.
    ///
    /// # Errors
    /// [`Status::LogonDenied`] for an unknown account or a wrong secret; which of them is not told.
    pub fn verify(&self, identity: &Identity) -> Result<(), Status> {
        let key = AccountKey::of(identity);
        let state = self.lock();
        let account = state.accounts.get(&identity.principal);
        account.filter(|account| account.key == key).map(|_| ()).ok_or(Status::LogonDenied)
    }

    /// `CleanupCredentialCache`: overwrites every cached secret and empties the cache. Flushing an empty cache
    /// succeeds too. Returns FALSE when a [`Fault`] says so, and never else.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache).
    pub fn cleanup(&self) -> bool {
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
    /// The status that a fault says; FALSE is [`Status::InternalError`].
    ///
    /// # Panics
    /// When a fault says so, without printing anything.
    pub fn enter(&self, operation: Operation) -> Result<(), Status> {
        let Some((effect, delay)) = self.strike(operation) else { return Ok(()) };
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        match effect {
            // What is missing, the emulated module leaves out; whoever calls it anyway may.
            Effect::Delay | Effect::Missing => Ok(()),
            Effect::False => Err(Status::InternalError),
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
        let has_faults = !builder.faults.is_empty();
        let mut state = State {
            vault: Vault::new(limits),
            limits,
            handles: HandleTable::new(getrandom::u64().expect("the operating system has random numbers")),
            contexts: Contexts::new(getrandom::u64().expect("the operating system has random numbers")),
            handshakes: Handshakes::new(builder.contexts).expect("the operating system has random numbers"),
            packages,
            accounts,
            export_key: builder.export_key.unwrap_or_else(ExportKey::random),
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
        Self { module, clock: builder.clock, has_faults, state: Mutex::new(state), flushing: Mutex::new(()) }
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

/// What to acquire: the parameters of `AcquireCredentialsHandle`.
#[derive(Clone, Debug)]
pub struct AcquireRequest {
    /// The package's name.
    pub package: Name,
    /// What the handle is for.
    pub direction: Direction,
    /// Whose cached credential is wanted; any, if nobody's.
    pub principal: Option<Principal>,
    /// Authentication data, for an explicit sign-in.
    pub identity: Option<Identity>,
    /// `SECPKG_CRED_AUTOLOGON_RESTRICTED`: no silent sign-in.
    pub autologon_restricted: bool,
    /// `SECPKG_CRED_PROCESS_POLICY_ONLY`: only ask for the policy, which is to prompt for credentials.
    pub process_policy_only: bool,
}

impl AcquireRequest {
    /// A client's request: a silent sign-in, until it is given an identity.
    pub fn outbound(package: impl Into<Name>) -> Self {
        Self::new(package, Direction::Outbound)
    }

    /// A server's request.
    pub fn inbound(package: impl Into<Name>) -> Self {
        Self::new(package, Direction::Inbound)
    }

    /// A request in this direction.
    pub fn new(package: impl Into<Name>, direction: Direction) -> Self {
        Self {
            package: package.into(),
            direction,
            principal: None,
            identity: None,
            autologon_restricted: false,
            process_policy_only: false,
        }
    }

    /// Signs in with this identity.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Asks for this principal's cached credential: `DOMAIN\user`, `user@realm` or `user`.
    #[must_use]
    pub fn with_principal(mut self, principal: impl Into<Name>) -> Self {
        self.principal = Some(Principal::parse(principal));
        self
    }
}

/// What a credential handle is for: `SECPKG_CRED_INBOUND`, `…_OUTBOUND` and `…_BOTH`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Accepting and initializing.
    Both,
    /// Accepting: a server's.
    Inbound,
    /// Initializing: a client's.
    Outbound,
}

impl Direction {
    /// Whether a context can be initialized with it.
    pub fn is_outbound(self) -> bool {
        self != Self::Inbound
    }

    /// Whether a context can be accepted with it.
    pub fn is_inbound(self) -> bool {
        self != Self::Outbound
    }
}

/// A credential handle, as it was given out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Acquired {
    /// The handle, to be freed with [`Engine::free`].
    pub handle: CredentialHandle,
    /// Where its credential came from.
    pub source: Source,
    /// When it expires, in UTC.
    pub expires: FileTime,
    /// When it expires, in local time, as the ABI has it.
    pub expires_local: FileTime,
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
    pub(crate) packages: Vec<PackageInfo>,
    pub(crate) accounts: Accounts,
    pub(crate) export_key: ExportKey,
    lifetime: Option<Duration>,
    faults: Vec<Fault>,
    pub(crate) book: Book,
}

/// What a handle stands for.
pub(crate) struct Held {
    pub(crate) direction: Direction,
    /// Its place in `State::packages`.
    pub(crate) package: u16,
    /// The packages that the identity allows, for a handle that was acquired with one.
    pub(crate) allowed: PackageList,
    pub(crate) principal: Principal,
    /// The cached credential; none for anonymous and inbound handles.
    pub(crate) slot: Option<Slot>,
}

impl State {
    pub(crate) fn package_id(&self, name: &Name) -> Result<u16, Status> {
        let at = self.packages.iter().position(|package| package.name == *name);
        at.and_then(|at| u16::try_from(at).ok()).ok_or(Status::SecpkgNotFound)
    }

    fn acquire(&mut self, request: &AcquireRequest, now: FileTime) -> Result<Acquired, Status> {
        let package = self.package_id(&request.package)?;
        let (principal, source, slot) = if !request.direction.is_outbound() {
            (request.principal.clone().unwrap_or_default(), Source::Inbound, None)
        } else if request.process_policy_only {
            return Err(Status::NoCredentials);
        } else if let Some(identity) = &request.identity {
            self.explicit(package, request, identity, now)?
        } else if request.autologon_restricted {
            return Err(Status::NoCredentials);
        } else {
            self.silent(package, request.principal.as_ref())?
        };
        let expires = slot
            .and_then(|slot| self.vault.get(slot))
            .map_or(FileTime::NEVER, |entry| FileTime(entry.expires()).min(FileTime::NEVER));
        let allowed = request.identity.as_ref().map(|identity| identity.packages.clone()).unwrap_or_default();
        let held =
            Held { direction: request.direction, package, allowed, principal: principal.clone(), slot };
        let handle = self.handles.insert(held).ok_or(Status::InsufficientMemory)?;
        if let Some(slot) = slot {
            self.book.hold(slot);
        }
        let name = &self.packages[usize::from(package)].name;
        self.book.record_with(now, || EventKind::Acquired {
            handle,
            package: name.to_string(),
            principal: shown(&principal),
            credential: slot.map(Slot::to_u64),
            source,
        });
        Ok(Acquired { handle: CredentialHandle::from_word(handle), source, expires, expires_local: expires })
    }

    fn explicit(
        &mut self,
        package: u16,
        request: &AcquireRequest,
        identity: &Identity,
        now: FileTime,
    ) -> Result<(Principal, Source, Option<Slot>), Status> {
        if !self.may_use(&identity.packages, &request.package) {
            return Err(Status::NoCredentials);
        }
        if identity.is_anonymous() {
            return Ok((Principal::default(), Source::Anonymous, None));
        }
        let slot = self.cache(package, identity, Source::Explicit, now)?;
        Ok((identity.principal.clone(), Source::Explicit, Some(slot)))
    }

    /// Whether an identity's package list leaves a package for this request. What the list says to Negotiate is which
    /// others it may choose: those that are offered beside it, or else the two that Windows' own knows.
    pub(crate) fn may_use(&self, list: &PackageList, wanted: &Name) -> bool {
        let negotiate = Name::from("Negotiate");
        if *wanted != negotiate {
            return list.allows(wanted);
        }
        let mut others =
            self.packages.iter().map(|package| &package.name).filter(|&name| *name != negotiate).peekable();
        if others.peek().is_none() {
            return ["Kerberos", "NTLM"].into_iter().any(|name| list.allows(&Name::from(name)));
        }
        others.any(|name| list.allows(name))
    }

    fn silent(
        &mut self,
        package: u16,
        wanted: Option<&Principal>,
    ) -> Result<(Principal, Source, Option<Slot>), Status> {
        let slot = match wanted {
            None => self.vault.most_recent(package),
            Some(principal) => self.vault.find(key(package, principal)),
        };
        let slot = slot.ok_or(Status::NoCredentials)?;
        let entry = self.vault.get(slot).ok_or(Status::NoCredentials)?;
        Ok((principal_of(&entry), Source::Cache, Some(slot)))
    }

    pub(crate) fn cache(
        &mut self,
        package: u16,
        identity: &Identity,
        source: Source,
        now: FileTime,
    ) -> Result<Slot, Status> {
        let expires = self.lifetime.map_or(FileTime::NEVER, |lifetime| now.after(lifetime));
        let Self { vault, book, packages, .. } = self;
        let secret = &identity.secret;
        let inserted = vault
            .insert(
                key(package, &identity.principal),
                secret.kind().tag(),
                secret.bytes(),
                now.0,
                expires.0,
                &mut |gone| book.gone(&gone, now),
            )
            .map_err(|OutOfMemory| Status::InsufficientMemory)?;
        let Inserted { slot, how } = inserted;
        let credential = slot.to_u64();
        match how {
            crate::vault::How::Refreshed => {
                book.record(now, EventKind::Refreshed { credential, expires });
                return Ok(slot);
            }
            crate::vault::How::Replaced { old } => {
                book.record_dropped(now, EventKind::Replaced { credential: old.to_u64(), by: credential });
            }
            crate::vault::How::Added => {}
        }
        let name = &packages[usize::from(package)].name;
        book.record_cached(now, || EventKind::Cached {
            credential,
            package: name.to_string(),
            principal: shown(&identity.principal),
            source,
            expires,
        });
        Ok(slot)
    }

    /// The secret of a credential: the cached one, or the copy that its handles keep.
    pub(crate) fn secret(&self, slot: Slot) -> Option<&[u8]> {
        self.kind_and_secret(slot).map(|(_, secret)| secret)
    }

    /// The secret of a credential, and the tag of its kind.
    pub(crate) fn kind_and_secret(&self, slot: Slot) -> Option<(u8, &[u8])> {
        match self.vault.get(slot) {
            Some(entry) => Some((entry.kind(), entry.secret())),
            None => self.book.retained.get(&slot).map(|(kind, copy)| (*kind, self.book.copies.bytes(copy))),
        }
    }

    /// Whether a credential is for Negotiate.
    pub(crate) fn is_negotiate(&self, held: &Held) -> bool {
        self.packages[usize::from(held.package)].name == Name::from("Negotiate")
    }

    pub(crate) fn sweep(&mut self, now: FileTime) {
        let Self { vault, book, .. } = self;
        vault.sweep(now.0, &mut |gone| book.gone(&gone, now));
    }

    pub(crate) fn refused(
        &mut self,
        operation: Operation,
        status: Status,
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

/// A map whose keys nobody outside chooses, so that any quick hash will do.
type BySlot<T> = HashMap<Slot, T, foldhash::fast::FixedState>;

/// What is kept about the cache beside the cache: events, counts, and the copies that live handles keep.
pub(crate) struct Book {
    module: String,
    policy: HandlePolicy,
    seq: u64,
    cached: u32,
    lost: u64,
    ended: bool,
    record: bool,
    events: Vec<Event>,
    sinks: Sinks,
    /// Live handles by credential; kept under [`HandlePolicy::Retain`] alone.
    holders: BySlot<u32>,
    /// With the tag of the secret's kind.
    retained: BySlot<(u8, Chunk)>,
    copies: Slab,
}

impl Book {
    fn new(module: String, policy: HandlePolicy, record: bool, sinks: Sinks) -> Self {
        Self {
            module,
            policy,
            seq: 0,
            cached: 0,
            lost: 0,
            ended: false,
            record,
            events: Vec::new(),
            sinks,
            holders: BySlot::default(),
            retained: BySlot::default(),
            copies: Slab::new(),
        }
    }

    fn started(&mut self, now: FileTime, forked: bool) {
        let module = self.module.clone();
        self.record_with(now, || EventKind::Started {
            module,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            program: program(),
            forked,
        });
    }

    fn start_over(&mut self, now: FileTime) {
        self.seq = 0;
        self.cached = 0;
        self.lost = 0;
        self.ended = false;
        self.events.clear();
        self.sinks.0.iter_mut().for_each(|sink| sink.forked());
        self.started(now, true);
    }

    /// A live handle more uses this credential.
    pub(crate) fn hold(&mut self, slot: Slot) {
        if self.policy == HandlePolicy::Retain {
            *self.holders.entry(slot).or_insert(0) += 1;
        }
    }

    /// A live handle fewer uses it; the last one's copy is wiped.
    pub(crate) fn release(&mut self, slot: Slot) {
        let Some(count) = self.holders.get_mut(&slot) else { return };
        *count -= 1;
        if *count == 0 {
            self.holders.remove(&slot);
            if let Some((_, copy)) = self.retained.remove(&slot) {
                self.copies.release(copy);
            }
        }
    }

    /// A credential is about to be overwritten.
    fn gone(&mut self, gone: &Gone<'_>, now: FileTime) {
        if self.holders.contains_key(&gone.slot) {
            self.retain(gone.slot, gone.entry);
        }
        let credential = gone.slot.to_u64();
        self.cached -= 1;
        match gone.reason {
            Reason::Evicted => self.record_dropped(now, EventKind::Evicted { credential }),
            Reason::Expired => self.record_dropped(now, EventKind::Expired { credential }),
            // Its event, which names the new credential, follows once that one is in.
            Reason::Replaced => {}
        }
    }

    /// Copies what live handles use, before a flush.
    fn retain_from(&mut self, vault: &Vault) {
        let slots: Vec<Slot> = self.holders.keys().copied().collect();
        for slot in slots {
            if let Some(entry) = vault.get(slot) {
                self.retain(slot, entry);
            }
        }
    }

    /// Keeps a copy for a credential's handles. When there is no room for it, they are revoked, as under the other policy:
    /// whatever overwrites the credential must not fail for it.
    fn retain(&mut self, slot: Slot, entry: Entry<'_>) {
        if let Ok(copy) = self.copies.store(entry.secret()) {
            self.retained.insert(slot, (entry.kind(), copy));
        }
    }

    fn forget_copies(&mut self) {
        self.holders.clear();
        self.retained.clear();
        self.copies = Slab::new();
    }

    /// The event that cached a credential.
    fn cached_by(&self, slot: Slot) -> Option<u64> {
        let wanted = slot.to_u64();
        let caching = |event: &&Event| matches!(event.kind, EventKind::Cached { credential, .. } if credential == wanted);
        self.events.iter().rev().find(caching).map(|event| event.seq)
    }

    pub(crate) fn record(&mut self, now: FileTime, kind: EventKind) {
        self.record_with(now, || kind);
    }

    pub(crate) fn record_with(&mut self, now: FileTime, kind: impl FnOnce() -> EventKind) {
        self.write(now, self.cached, kind);
    }

    fn record_cached(&mut self, now: FileTime, kind: impl FnOnce() -> EventKind) {
        let before = self.cached;
        self.cached += 1;
        self.write(now, before, kind);
    }

    fn record_dropped(&mut self, now: FileTime, kind: EventKind) {
        self.write(now, self.cached + 1, || kind);
    }

    fn record_emptied(&mut self, now: FileTime, kind: EventKind) {
        let before = std::mem::take(&mut self.cached);
        self.write(now, before, || kind);
    }

    fn write(&mut self, now: FileTime, before: u32, kind: impl FnOnce() -> EventKind) {
        let seq = self.seq;
        self.seq += 1;
        if !self.record && self.sinks.0.is_empty() {
            return;
        }
        let retained = u32::try_from(self.retained.len()).unwrap_or(u32::MAX);
        let event = Event { seq, time: now, before, after: self.cached, retained, kind: kind() };
        for sink in &mut self.sinks.0 {
            if sink.record(&event).is_err() {
                self.lost += 1;
            }
        }
        if self.record {
            self.events.push(event);
        }
    }
}

fn key(package: u16, principal: &Principal) -> KeyRef<'_> {
    KeyRef { package, user: principal.user.units(), domain: principal.domain.units() }
}

fn principal_of(entry: &Entry<'_>) -> Principal {
    Principal { user: Name::from_units(entry.user()), domain: Name::from_units(entry.domain()) }
}

/// The file name of the program that this process runs.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
