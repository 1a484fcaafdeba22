//! A mock SSP: its set-up, its state and events, and the file that an emulated process loads.

use std::{
    fmt,
    num::NonZeroU32,
    panic::Location,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use sspcache_engine::{
    AuthIdentity, CachedCredential, Clock, Ending, Engine, EngineBuilder, Event, EventSink, Fault,
    HandlePolicy, HeldCredential, Logon, Operation, PackageInfo,
};
use sspcache_loader::{ModuleFile, Reason};

use crate::{
    expectation,
    loader::{Dll, Export},
    place::Places,
};

/// A mock SSP with a credential cache of its own.
///
/// Set it up before its first use, with the methods that take `self`. Afterwards a test reads what is
/// [cached](Self::cached) and which [events](Self::events) happened. Clones are the same SSP with the same cache.
///
/// ```
/// use std::time::Duration;
/// use sspcache_mock::{Effect, Fault, MockSsp, Operation};
///
/// let msn = MockSsp::msn()
///     .preload("MSN", "alice", "CONTOSO", "correct horse")
///     .lifetime(Duration::from_secs(3600))
///     .fault(Fault::new(Operation::CleanupCredentialCache, Effect::False).times(1));
/// assert_eq!(msn.cached(), 1);
/// ```
pub struct MockSsp {
    shared: Arc<Shared>,
    /// Where a sign-out was expected of it.
    expected_at: Option<&'static Location<'static>>,
    /// Where it was expected that everything is given back.
    no_leaks_expected_at: Option<&'static Location<'static>>,
    /// Where it was expected that no call breaks a rule.
    no_misuse_expected_at: Option<&'static Location<'static>>,
}

struct Shared {
    module: String,
    /// There until the engine is made of it.
    setup: Mutex<Option<Box<EngineBuilder>>>,
    engine: OnceLock<Engine>,
    places: Places,
}

impl MockSsp {
    /// MSNSSPC.dll. Its packages are `MSN`, `Negotiate`, `Kerberos`, `NTLM` and `DPA`.
    pub fn msn() -> Self {
        Self::new("MSNSSPC.dll")
    }

    /// MSAPSSPC.dll. Its packages are `DPA`, `Negotiate`, `Kerberos`, `NTLM` and `MSN`.
    pub fn dpa() -> Self {
        Self::new("MSAPSSPC.dll")
    }

    /// An SSP whose module has this file name, such as a third party's. Its first package has the name of the file
    /// without `.dll`; `Negotiate`, `Kerberos`, `NTLM`, `MSN` and `DPA` follow.
    pub fn new(module: &str) -> Self {
        let setup = Mutex::new(Some(Box::new(Engine::builder(module))));
        Self::of(Shared {
            module: module.to_owned(),
            setup,
            engine: OnceLock::new(),
            places: Places::default(),
        })
    }
}

/// # Setting it up
///
/// Each of these methods panics when the SSP was used already.
impl MockSsp {
    /// Adds an account, against which servers verify sign-ins. Signing in as a client needs none.
    #[cfg(feature = "contexts")]
    #[must_use]
    pub fn account(self, user: &str, domain: &str, password: &str) -> Self {
        self.set_up(|setup| setup.account(user, domain, password))
    }

    /// Sets the targets that a server accepts, such as `HTTP/web.contoso.example`. It refuses sign-ins to others.
    /// Without this, it accepts any.
    #[cfg(feature = "contexts")]
    #[must_use]
    pub fn accepted_targets<'a>(self, targets: impl IntoIterator<Item = &'a str>) -> Self {
        self.set_up(|setup| setup.accepted_targets(targets))
    }

    /// Limits the cache to this many credentials. Beyond it, the least recently used one is dropped. Without this,
    /// there is no limit.
    #[must_use]
    pub fn capacity(self, credentials: NonZeroU32) -> Self {
        self.set_up(|setup| setup.capacity(credentials))
    }

    /// Reads the time from this clock, such as a [`ManualClock`](crate::clock::ManualClock) that the test advances.
    #[must_use]
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.set_up(|setup| setup.clock(clock))
    }

    /// Sets whether clients have to complete their tokens with `CompleteAuthToken`, as some packages ask them to.
    #[cfg(feature = "contexts")]
    #[must_use]
    pub fn complete_tokens(self, complete: bool) -> Self {
        self.set_up(|setup| setup.complete_tokens(complete))
    }

    /// Applies a configuration, on top of what was set before.
    #[cfg(feature = "config")]
    #[must_use]
    pub fn config(self, config: &sspcache_engine::Config) -> Self {
        self.set_up(|setup| setup.config(config))
    }

    /// Makes a call fail. Of several faults for one operation, the first whose turn it is applies.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Self {
        self.set_up(|setup| setup.fault(fault))
    }

    /// Sets what credential handles from before a flush can still do.
    #[must_use]
    pub fn handle_policy(self, policy: HandlePolicy) -> Self {
        self.set_up(|setup| setup.handle_policy(policy))
    }

    /// Sets the targets that clients can sign in to: others are unknown. Without this, any target is known.
    #[cfg(feature = "contexts")]
    #[must_use]
    pub fn known_targets<'a>(self, targets: impl IntoIterator<Item = &'a str>) -> Self {
        self.set_up(|setup| setup.known_targets(targets))
    }

    /// Sets how long a credential stays cached. Without this, it never expires.
    #[must_use]
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.set_up(|setup| setup.lifetime(lifetime))
    }

    /// Adds default credentials: those of the logon session, which signing in silently takes. They are not the
    /// program's, so they are never cached, and nothing of them is left.
    ///
    /// ```
    /// use sspcache::SignIn;
    /// use sspcache_mock::{Logon, MockProcess, MockSsp};
    ///
    /// # fn signs_in_as_the_user_who_is_logged_on() -> Result<(), sspcache::Error> {
    /// let ssp = MockSsp::msn().logon(Logon::password("alice", "CONTOSO", "correct horse"));
    /// let ssps = MockProcess::with_loaded([&ssp]).provider();
    /// let credential = ssps.security_package("MSNSSPC.dll", "Negotiate")?.acquire(&SignIn::silent())?;
    /// assert_eq!(credential.principal()?, r"CONTOSO\alice");
    /// ssp.assert_clean();
    /// # Ok(()) }
    /// # signs_in_as_the_user_who_is_logged_on().unwrap();
    /// ```
    #[must_use]
    pub fn logon(self, logon: Logon) -> Self {
        self.set_up(|setup| setup.logon(logon))
    }

    /// Restricts the packages to those of these names.
    #[must_use]
    pub fn only_packages<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.set_up(|setup| setup.only_packages(names))
    }

    /// Offers no package of this name, and Negotiate neither chooses it nor takes its tokens.
    #[must_use]
    pub fn forbid_package(self, name: &str) -> Self {
        self.set_up(|setup| setup.forbid_package(name))
    }

    /// Adds a package, or replaces the one of its name.
    #[must_use]
    pub fn package(self, package: PackageInfo) -> Self {
        self.set_up(|setup| setup.package(package))
    }

    /// Caches a credential before the first call, for a package that caches: the first use panics for any other. What the
    /// session of a logged-on user has for all packages is a [`logon`](Self::logon).
    #[must_use]
    pub fn preload(self, package: &str, user: &str, domain: &str, password: &str) -> Self {
        self.set_up(|setup| setup.preload(package, AuthIdentity::password(user, domain, password)))
    }

    /// Sets whether a server's impersonation of its client is simulated. Without this, it is refused. The thread's
    /// rights in the operating system don't change.
    #[cfg(feature = "contexts")]
    #[must_use]
    pub fn simulate_impersonation(self, simulate: bool) -> Self {
        self.set_up(|setup| setup.simulate_impersonation(simulate))
    }

    /// Passes each event to this sink, too.
    #[must_use]
    pub fn sink(self, sink: impl EventSink + 'static) -> Self {
        self.set_up(|setup| setup.sink(sink))
    }

    /// Expects a sign-in and a sign-out. Dropping this value panics when there was no sign-in, or when a credential is
    /// still cached, is held by a handle that was not freed, or was left when the SSP was unloaded. So a test that forgets
    /// to assert still fails.
    ///
    /// Keep the value in a variable until the end of the test. Its clones check nothing. Nothing is checked while the
    /// thread is panicking already.
    ///
    /// ```should_panic
    /// use sspcache::SignIn;
    /// use sspcache_mock::{MockProcess, MockSsp};
    ///
    /// let msn = MockSsp::msn().expect_sign_out();
    /// let ssps = MockProcess::with_loaded([&msn]).provider();
    /// let package = ssps.security_package("MSNSSPC.dll", "MSN").unwrap();
    /// package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    /// // The test forgets the sign-out: dropping `msn` panics, and names alice.
    /// ```
    #[must_use = "it checks when it is dropped: keep it until the end of the test"]
    #[track_caller]
    pub fn expect_sign_out(mut self) -> Self {
        self.expected_at = Some(Location::caller());
        self
    }

    /// Expects that every credential handle is freed and every context is deleted. Dropping this value panics when one wasn't,
    /// and says which, also when the SSP was unloaded before. A test in which there was none of either passes.
    ///
    /// Keep the value in a variable until the end of the test, as with [`expect_sign_out`](Self::expect_sign_out).
    ///
    /// ```should_panic
    /// use sspcache::SignIn;
    /// use sspcache_mock::{MockProcess, MockSsp};
    ///
    /// let msn = MockSsp::msn().expect_no_leaks();
    /// let ssps = MockProcess::with_loaded([&msn]).provider();
    /// let package = ssps.security_package("MSNSSPC.dll", "Negotiate").unwrap();
    /// let credential = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    /// std::mem::forget(credential);
    /// // Dropping `msn` panics, and names alice's handle.
    /// ```
    #[must_use = "it checks when it is dropped: keep it until the end of the test"]
    #[track_caller]
    pub fn expect_no_leaks(mut self) -> Self {
        self.no_leaks_expected_at = Some(Location::caller());
        self
    }

    /// Expects that no call breaks a rule of SSPI: nothing is freed twice or used after it was freed, and no step is made on a context
    /// whose handshake failed. Dropping this value panics when one was, and says which, and where. A test without any call
    /// passes.
    ///
    /// Credentials and contexts of this project's types can't be misused so. It finds what code does that calls a module's
    /// [`SecurityInterface`](sspcache::loader::SecurityInterface) itself.
    ///
    /// Keep the value in a variable until the end of the test, as with [`expect_sign_out`](Self::expect_sign_out).
    ///
    /// ```should_panic
    /// use sspcache::{SignIn, loader::{Loader, Module, SecurityInterface}};
    /// use sspcache_mock::{MockProcess, MockSsp};
    ///
    /// let msn = MockSsp::msn().expect_no_misuse();
    /// let process = MockProcess::with_loaded([&msn]);
    /// let module = process.modules("MSNSSPC.dll").unwrap().next().unwrap();
    /// let interface = module.security_interface().unwrap().unwrap();
    /// let alice = interface.acquire("NTLM", &SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    /// interface.free(&alice).unwrap();
    /// assert!(interface.free(&alice).is_err());
    /// // Dropping `msn` panics, and names both lines.
    /// ```
    #[must_use = "it checks when it is dropped: keep it until the end of the test"]
    #[track_caller]
    pub fn expect_no_misuse(mut self) -> Self {
        self.no_misuse_expected_at = Some(Location::caller());
        self
    }

    fn of(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            expected_at: None,
            no_leaks_expected_at: None,
            no_misuse_expected_at: None,
        }
    }

    #[track_caller]
    fn set_up(self, change: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Self {
        let mut setup = self.shared.setup.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(builder) = setup.take() else {
            drop(setup);
            panic!("{}: a mock SSP is set up before it is used", self.shared.module);
        };
        *setup = Some(Box::new(change(*builder)));
        drop(setup);
        self
    }
}

/// # What happened
impl MockSsp {
    /// The file name of its module.
    pub fn module(&self) -> &str {
        &self.shared.module
    }

    /// The number of credentials in the cache.
    pub fn cached(&self) -> usize {
        self.engine().cached()
    }

    /// The credentials in the cache, without their secrets.
    pub fn cached_credentials(&self) -> Vec<CachedCredential> {
        self.engine().cached_credentials()
    }

    /// The credentials that handles hold, of packages that don't cache, without their secrets: what the program passed and
    /// has not freed. Default credentials are not among them.
    pub fn held_credentials(&self) -> Vec<HeldCredential> {
        self.engine().held_credentials()
    }

    /// Asserts that no credential is cached, and that no handle holds one.
    ///
    /// # Panics
    /// When there is one. The message names each, says which of the two it is, and lists the events.
    #[track_caller]
    pub fn assert_clean(&self) {
        if let Some(unclean) = self.unclean() {
            panic!("{unclean}");
        }
    }

    /// The events so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.engine().events()
    }

    /// The number of credential handles that were not freed.
    pub fn open_handles(&self) -> usize {
        self.engine().open_handles()
    }

    /// The number of contexts that were not deleted: established, half-open and failed ones.
    pub fn open_contexts(&self) -> usize {
        self.engine().open_contexts()
    }

    /// The number of credentials that were flushed and of which open handles keep a copy, under
    /// [`HandlePolicy::Retain`].
    pub fn retained(&self) -> usize {
        self.engine().retained()
    }

    /// The functions of the SSP behind the emulated module: what the C ABI calls.
    #[doc(hidden)]
    pub fn engine(&self) -> &Engine {
        self.shared.engine.get_or_init(|| {
            let setup = self.shared.setup.lock().unwrap_or_else(PoisonError::into_inner).take();
            let builder = setup.map_or_else(|| Engine::builder(&self.shared.module), |setup| *setup);
            builder.sink(self.shared.places.clone()).build()
        })
    }
}

impl Dll for MockSsp {
    fn name(&self) -> &str {
        self.module()
    }

    /// Its exports are those that no fault takes away. Unloading it wipes what it holds, as the real thing would lose it;
    /// loading it again starts it over.
    fn file(&self, path: &str) -> ModuleFile<Export> {
        let exports = [
            (
                "CleanupCredentialCache",
                Operation::CleanupCredentialCache,
                Export::CleanupCredentialCache(self.clone()),
            ),
            (
                "InitSecurityInterfaceW",
                Operation::InitSecurityInterface,
                Export::InitSecurityInterfaceW(self.clone()),
            ),
        ];
        let mut file = ModuleFile::new(path);
        for (name, operation, export) in exports {
            if !self.engine().is_missing(operation) {
                file = file.export(name, export);
            }
        }
        let ssp = self.clone();
        file.on_notification(move |notification| {
            match notification.reason() {
                Reason::Load => ssp.engine().restart(),
                Reason::Unload => drop(ssp.engine().end(Ending::Unloaded)),
                _ => {}
            }
            true
        })
    }

    fn another(&self) -> Arc<dyn Dll> {
        Arc::new(self.clone())
    }

    fn unclean(&self) -> Option<String> {
        let unclean = self.engine().check_clean().err()?;
        Some(format!("{unclean}\n{}", expectation::list(&self.events())))
    }
}

impl Clone for MockSsp {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            expected_at: None,
            no_leaks_expected_at: None,
            no_misuse_expected_at: None,
        }
    }
}

impl Drop for MockSsp {
    fn drop(&mut self) {
        let expected = [self.expected_at, self.no_leaks_expected_at, self.no_misuse_expected_at];
        if thread::panicking() || expected == [None; 3] {
            return; // A second panic would abort the run of tests, and hide the first.
        }
        let events = self.events();
        if let Some(expected_at) = self.expected_at {
            let left = self.engine().check_clean();
            if let Err(unmet) = expectation::check(&events, left.err().as_ref()) {
                panic!(
                    "{}: the sign-out that {expected_at} expects didn't happen: {unmet}\n{}",
                    self.shared.module,
                    expectation::list(&events)
                );
            }
        }
        let places = &self.shared.places;
        let found = [
            (self.no_misuse_expected_at, "no misuse", expectation::misused as fn(&_, &_) -> _),
            (self.no_leaks_expected_at, "no leaks", expectation::leaked),
        ];
        for (expected_at, what, find) in found {
            let Some(expected_at) = expected_at else { continue };
            let found: Vec<String> = find(&events, places);
            assert!(
                found.is_empty(),
                "{}: {expected_at} expects {what}, but {}\n{}",
                self.shared.module,
                found.join("; "),
                expectation::list(&events)
            );
        }
    }
}

#[doc(hidden)]
impl From<Engine> for MockSsp {
    fn from(engine: Engine) -> Self {
        let module = engine.module().to_owned();
        let engine = OnceLock::from(engine);
        Self::of(Shared { module, setup: Mutex::new(None), engine, places: Places::default() })
    }
}

impl fmt::Debug for MockSsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MockSsp").field(&self.module()).finish()
    }
}
