//! The mock SSP as its users see it: each function of SSPI, and what a test asks of it.

#[cfg(feature = "contexts")]
mod contexts;
mod credentials;

use std::fmt;

use crate::{
    CachedCredential, Ended, Ending, Event, EventKind, HeldCredential, Name, Operation, PackageInfo,
    SecurityStatus, Unclean,
    state::{Instance, Setup},
    vault::Memory,
};

/// One mock instance of an SSP, with a credential cache of its own.
///
/// Instances share nothing, so tests may run in parallel. All methods take `&self` and may be called from any thread;
/// they take effect one after the other: an acquire that begins after a flush has returned never sees a credential
/// cached before that flush began (clause M6). Dropping an instance wipes what it holds.
///
/// In the child of a `fork` an instance starts empty.
///
/// # Panics
/// Every function of SSPI here panics when a [`Fault`](crate::Fault) with [`Effect::Panic`](crate::Effect::Panic) says
/// so.
pub struct Engine {
    pub(crate) instance: Instance,
}

impl Engine {
    /// The file name of the module that this instance is the mock of.
    pub fn module(&self) -> &str {
        &self.instance.module
    }

    /// `EnumerateSecurityPackages`: the packages, in the order they were configured.
    ///
    /// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesw).
    pub fn packages(&self) -> Vec<PackageInfo> {
        self.instance.lock().packages().iter().map(|package| PackageInfo::clone(package)).collect()
    }

    /// `QuerySecurityPackageInfo`: one package.
    ///
    /// # Errors
    /// [`SecurityStatus::SECPKG_NOT_FOUND`] for an unknown name.
    ///
    /// Reference: [QuerySecurityPackageInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritypackageinfow).
    pub fn package(&self, name: &Name) -> Result<PackageInfo, SecurityStatus> {
        let state = self.instance.lock();
        Ok(PackageInfo::clone(state.package(state.package_id(name)?)))
    }

    /// Whether the configuration [forbids](crate::EngineBuilder::forbid_package) a package of this name.
    pub fn forbids(&self, name: &Name) -> bool {
        self.instance.forbids(name)
    }

    /// Verifies an identity as an acceptor does: against the configured accounts, never against the cache.
    ///
    /// # Errors
    /// [`SecurityStatus::LOGON_DENIED`] for an unknown account or a wrong secret. The status is the same.
    #[cfg(feature = "contexts")]
    pub fn verify(&self, identity: &crate::AuthIdentity) -> Result<(), SecurityStatus> {
        self.instance.verify(identity)
    }

    /// `CleanupCredentialCache`: overwrites every cached secret and empties the cache. Flushing an empty cache
    /// succeeds too. Returns FALSE when a [`Fault`](crate::Fault) says so, and never else.
    ///
    /// Reference: [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache).
    pub fn flush(&self) -> bool {
        self.instance.flush()
    }

    /// Records that the program says to have signed out: from here on nothing may be left of what is there now. It
    /// flushes and frees nothing.
    pub fn mark_signed_out(&self) {
        self.instance.note(EventKind::SignedOut);
    }

    /// Whether a sink takes events: without a lock, to be asked before something is made for an event alone.
    pub fn is_observed(&self) -> bool {
        self.instance.is_observed()
    }

    /// Records that memory was given to the program or taken back.
    pub fn note_memory(&self, memory: EventKind) {
        self.instance.note(memory);
    }

    /// Records an event of SSPs that calls were passed on to, after which their handles hold so many credentials that the program
    /// passed.
    pub fn note_of_others(&self, kind: EventKind, held: u32) {
        self.instance.note_of_others(kind, held);
    }

    /// Records a call of the program's, for a trace: a [`Called`](EventKind::Called).
    pub fn note_call(&self, call: EventKind) {
        self.instance.note(call);
    }

    /// Records that modules are loaded which free credentials in a way of their own, by their file names.
    pub fn note_modules(&self, loaded: Vec<String>) {
        self.instance.note(EventKind::Modules { loaded });
    }

    /// Begins a call of this operation: counts it, waits and panics as the [`Fault`](crate::Fault)s say. The operations
    /// above call it themselves; the C ABI calls it for those that the engine has no part in.
    ///
    /// # Errors
    /// The status that a fault says; FALSE is [`SecurityStatus::INTERNAL_ERROR`].
    ///
    /// # Panics
    /// When a fault says so, without printing anything.
    pub fn enter(&self, operation: Operation) -> Result<(), SecurityStatus> {
        self.instance.enter(operation)
    }

    /// Whether a fault takes this operation's export away: for the emulated module.
    pub fn is_missing(&self, operation: Operation) -> bool {
        self.instance.is_missing(operation)
    }

    /// Ends the instance as unloading its module does: wipes everything and says in an
    /// [`EventKind::Ended`](crate::EventKind::Ended) event how many credentials were still cached. While another thread
    /// is inside a call nothing is touched, since waiting here could hang a process's exit.
    pub fn end(&self, how: Ending) -> Ended {
        self.instance.end(how)
    }

    /// Starts an instance again that has [ended](Self::end), as loading its module again does: empty, and without what
    /// was preloaded, which was overwritten with the rest. Does nothing to an instance that has not ended.
    pub fn restart(&self) {
        self.instance.restart();
    }

    /// The number of cached credentials.
    pub fn cached(&self) -> usize {
        self.instance.lock_at_now().0.usage().0
    }

    /// The cached credentials.
    pub fn cached_credentials(&self) -> Vec<CachedCredential> {
        self.instance.cached_credentials()
    }

    /// The credentials that the program passed and that handles still hold, for packages that don't cache, in the order
    /// in which they came. Inbound handles and default credentials hold nothing of the program's.
    pub fn held_credentials(&self) -> Vec<HeldCredential> {
        self.instance.held_credentials()
    }

    /// The memory that the cache takes, and whether the system refused to lock some of it in physical
    /// memory.
    ///
    /// # Platform-specific behaviour
    /// How much a process may lock is the system's to say: see [`Memory::lock_refused`].
    pub fn memory(&self) -> Memory {
        self.instance.lock_at_now().0.usage().1
    }

    /// The number of copies that live handles keep although their credential has left the cache (clause M4).
    pub fn retained(&self) -> usize {
        self.instance.lock_at_now().0.ledger.retained.len()
    }

    /// The number of handles that are not freed yet.
    pub fn open_handles(&self) -> usize {
        self.instance.lock().open_handles().0
    }

    /// The number of contexts that are not deleted yet: established, half-open and failed ones.
    pub fn open_contexts(&self) -> usize {
        self.instance.lock().open_handles().1
    }

    /// The events so far, in order; none unless they are recorded.
    pub fn events(&self) -> Vec<Event> {
        self.instance.lock_at_now().0.ledger.events.clone()
    }

    /// Asserts that no credential is cached, and that none is held by a handle.
    ///
    /// # Panics
    /// When one is: the message says which of the two, and names each with the event since which it is there.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Err(unclean) = self.check_clean() {
            panic!("{unclean}");
        }
    }

    /// Whether no credential is cached, and none held by a handle.
    ///
    /// # Errors
    /// Names each that is.
    pub fn check_clean(&self) -> Result<(), Unclean> {
        self.instance.check_clean()
    }
}

impl From<Setup> for Engine {
    /// # Panics
    /// When the operating system gives no random numbers, or no memory for what is to be preloaded.
    fn from(mut setup: Setup) -> Self {
        let preloads = std::mem::take(&mut setup.preloads);
        let instance = Instance::new(setup);
        instance.preload(preloads);
        Self { instance }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("module", &self.module()).finish_non_exhaustive()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end(Ending::Dropped);
    }
}
