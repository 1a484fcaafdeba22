//! The emulated loader as an [`sspcache::loader::Loader`].

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;
use sspcache::{
    SecurityStatus, SspCaches,
    caches::{Caches, System, ccache::CcacheLibrary, credentials::CredentialStore, kerberos::TicketCache},
    loader::{Loader, Module, WindowStation},
};
use sspcache_engine::Operation;
use sspcache_loader::{EmulatedLoader, LoaderError, ModuleFile, ModuleRef};

use crate::{
    MockCcaches, MockCredentials, MockInterface, MockSchannel, MockSsp, MockTickets, MockWinInet,
    caches::Reachable, interface::guarded,
};

/// An emulated process with its module loader. Clones are the same process.
///
/// Give the application [`provider()`](Self::provider) in place of [`sspcache::native()`], or [`caches()`](Self::caches) in
/// place of [`Caches::process`](sspcache::caches::Caches::process).
///
/// Each process has a logon session and a user of its own, until it is given those of another with
/// [`with_tickets`](Self::with_tickets), [`with_credentials`](Self::with_credentials) and [`with_ccaches`](Self::with_ccaches).
///
/// ```
/// use sspcache::{Flush, CredentialProvider};
/// use sspcache_mock::{MockProcess, MockSsp};
/// let process = MockProcess::new();
/// process.install(&MockSsp::msn());
/// // Installed is not loaded, and what isn't loaded has no cache.
/// assert_eq!(process.provider().flush("MSNSSPC.dll").unwrap(), Flush::Absent);
/// process.load("MSNSSPC.dll").unwrap();
/// assert_eq!(process.provider().flush("MSNSSPC.dll").unwrap(), Flush::Flushed);
/// ```
#[derive(Clone)]
pub struct MockProcess {
    modules: EmulatedLoader<Export>,
    around: Arc<Mutex<Around>>,
}

/// What is around the modules of a process.
#[derive(Debug)]
struct Around {
    window_station: WindowStation,
    /// What was installed, to be asked what is left in it.
    installed: Vec<Arc<dyn Dll>>,
    memory_ccaches: MockCcaches,
    /// The logon session's.
    tickets: MockTickets,
    /// The user's.
    credentials: MockCredentials,
    ccaches: MockCcaches,
}

impl MockProcess {
    /// A process that has loaded only its program.
    pub fn new() -> Self {
        Self {
            modules: EmulatedLoader::new(ModuleFile::new(PROGRAM)),
            around: Arc::new(Mutex::new(Around {
                window_station: WindowStation::Visible,
                installed: Vec::new(),
                memory_ccaches: MockCcaches::new(),
                tickets: MockTickets::new(),
                credentials: MockCredentials::new(),
                ccaches: MockCcaches::new(),
            })),
        }
    }

    /// A process that has loaded these DLLs: SSPs, or [Schannel](MockSchannel) or [WinINet](MockWinInet).
    ///
    /// # Panics
    /// When an SSP's module name is no file name.
    pub fn with_loaded<'a, D: MockDll + ?Sized + 'a>(dlls: impl IntoIterator<Item = &'a D>) -> Self {
        dlls.into_iter().fold(Self::new(), Self::and_loaded)
    }

    /// The same process, which has loaded one more DLL:
    ///
    /// ```
    /// use sspcache_mock::{MockProcess, MockSchannel, MockSsp, MockWinInet};
    /// let (msn, schannel, wininet) = (MockSsp::msn(), MockSchannel::new(), MockWinInet::new());
    /// let process = MockProcess::with_loaded([&msn]).and_loaded(&schannel).and_loaded(&wininet);
    /// ```
    ///
    /// # Panics
    /// When an SSP's module name is no file name.
    #[must_use]
    pub fn and_loaded<D: MockDll + ?Sized>(self, dll: &D) -> Self {
        self.install(dll);
        if let Err(error) = self.load(dll.name()) {
            panic!("a mock can be loaded by its module's name: {error}");
        }
        self
    }

    /// The same process in the logon session that has these tickets.
    #[must_use]
    pub fn with_tickets(self, tickets: &MockTickets) -> Self {
        self.around.lock().tickets = tickets.clone();
        self
    }

    /// The same process of the user who has this Credential Manager.
    #[must_use]
    pub fn with_credentials(self, credentials: &MockCredentials) -> Self {
        self.around.lock().credentials = credentials.clone();
        self
    }

    /// The same process of the user who has these ccaches.
    #[must_use]
    pub fn with_ccaches(self, ccaches: &MockCcaches) -> Self {
        self.around.lock().ccaches = ccaches.clone();
        self
    }

    /// The ccaches in the memory of this process. Their names begin with `MEMORY:`.
    pub fn memory_ccaches(&self) -> MockCcaches {
        self.around.lock().memory_ccaches.clone()
    }

    /// Installs a DLL's file in the system folder, where [`Self::load`] finds it by name. Doesn't load it.
    pub fn install<D: MockDll + ?Sized>(&self, dll: &D) {
        self.install_at(&format!("{SYSTEM_FOLDER}\\{}", dll.name()), dll);
    }

    /// Installs a DLL's file at a path, such as `C:\app\MSNSSPC.dll`. So several modules of one name can be loaded.
    pub fn install_at<D: MockDll + ?Sized>(&self, path: &str, dll: &D) {
        self.modules.register(dll.file(path));
        self.around.lock().installed.push(dll.another());
    }

    /// `LoadLibrary`: loads a module by name or path, or takes one more reference to it. It stays loaded until
    /// [`Self::unload`] was called as often.
    ///
    /// # Errors
    /// When no file of that name is installed.
    pub fn load(&self, name: &str) -> Result<(), LoaderError> {
        self.modules.load(name).map(|_| ())
    }

    /// `FreeLibrary`: frees one reference to the module. The last one unloads it, which wipes the SSP's cache. That is
    /// no flush: the [`Ended`](crate::EventKind::Ended) event says how many credentials were left.
    ///
    /// # Errors
    /// When no module of that name is loaded.
    pub fn unload(&self, name: &str) -> Result<(), LoaderError> {
        self.modules.free(self.modules.find(name)?)
    }

    /// Calls a closure inside a loader callback, as DllMain and constructors of global objects are called. A flush is
    /// refused there.
    ///
    /// ```
    /// use sspcache::{CredentialProvider, Error};
    /// use sspcache_mock::{MockProcess, MockSsp};
    /// let process = MockProcess::with_loaded([&MockSsp::msn()]);
    /// let ssps = process.provider();
    /// let result = process.in_loader_callback(|| ssps.flush("MSNSSPC.dll"));
    /// assert!(matches!(result, Err(Error::InsideLoaderCallback { .. })));
    /// ```
    pub fn in_loader_callback<R>(&self, body: impl FnOnce() -> R) -> R {
        self.modules.with_loader_lock(body)
    }

    /// Moves the process to another window station. It starts on a visible one.
    pub fn set_window_station(&self, station: WindowStation) {
        self.around.lock().window_station = station;
    }

    /// The SSPs of this process, for the application under test: a [`dyn Sspi`](sspcache::Sspi), as
    /// [`sspcache::native()`] is in production. It runs the same protocol, with this process's modules.
    ///
    /// To register a third party's SSP, pass the process to [`SspCaches::builder`] instead.
    pub fn provider(&self) -> SspCaches<Self> {
        SspCaches::new(self.clone())
    }

    /// What belongs to this process, for the application under test: what
    /// [`Caches::process`](sspcache::caches::Caches::process) is in production. Add to it what the application adds.
    pub fn caches(&self) -> Caches<Self> {
        Caches::process_of(self.clone())
    }

    /// Asserts that nothing is left of what belongs to this process: in the SSPs, Schannel and WinINet that were installed in
    /// it, and in its memory's ccaches. What belongs to the logon session and the user has an `assert_clean` of its own.
    ///
    /// # Panics
    /// When something is left. The message names each entry.
    #[track_caller]
    pub fn assert_clean(&self) {
        let around = self.around.lock();
        let (installed, memory) = (around.installed.clone(), around.memory_ccaches.clone());
        drop(around);
        let mut unclean: Vec<String> = installed.iter().filter_map(|dll| dll.unclean()).collect();
        unclean.extend(memory.unclean());
        assert!(unclean.is_empty(), "{}", unclean.join("\n"));
    }
}

impl Default for MockProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader for MockProcess {
    type Module = MockModule;

    fn is_inside_loader_callback(&self) -> bool {
        self.modules.is_loader_lock_held_by_current_thread()
    }

    fn window_station(&self) -> WindowStation {
        self.around.lock().window_station.clone()
    }

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = MockModule>> {
        let modules = self.modules.acquire_all(name).map_err(io::Error::other)?;
        Ok(modules.map(MockModule))
    }
}

impl fmt::Debug for MockProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockProcess")
            .field("window_station", &self.around.lock().window_station)
            .finish_non_exhaustive()
    }
}

impl System for MockProcess {
    fn ticket_cache(&self) -> Arc<dyn TicketCache> {
        Arc::new(self.around.lock().tickets.clone())
    }

    fn credential_store(&self) -> Arc<dyn CredentialStore> {
        Arc::new(self.around.lock().credentials.clone())
    }

    fn ccache_library(&self) -> Arc<dyn CcacheLibrary> {
        let around = self.around.lock();
        Arc::new(Reachable { user: around.ccaches.clone(), process: around.memory_ccaches.clone() })
    }
}

/// A DLL that an emulated process can install and load: [`MockSsp`], [`MockSchannel`], [`MockWinInet`].
pub trait MockDll: Dll {}

impl<D: Dll + ?Sized> MockDll for D {}

/// What is behind [`MockDll`], so that there are no others.
pub trait Dll: fmt::Debug + Send + Sync {
    /// The file name of its module.
    fn name(&self) -> &str;

    /// The DLL as a file that a loader can load from this path.
    fn file(&self, path: &str) -> ModuleFile<Export>;

    /// The same DLL, of which nothing is expected.
    fn another(&self) -> Arc<dyn Dll>;

    /// What is left in it, if there is something.
    fn unclean(&self) -> Option<String>;
}

/// What an emulated export stands for: a function of one mock, called in safe Rust.
#[derive(Clone, Debug)]
pub enum Export {
    CleanupCredentialCache(MockSsp),
    InitSecurityInterfaceW(MockSsp),
    InternetSetOptionW(MockWinInet),
    SslEmptyCacheW(MockSchannel),
}

/// A loaded module of an emulated process. It stays loaded until this is dropped.
#[derive(Debug)]
pub struct MockModule(ModuleRef<Export>);

impl MockModule {
    fn export(&self, name: &str) -> Option<Export> {
        self.0.procedure(name).ok()
    }
}

impl Module for MockModule {
    type Interface = MockInterface;

    fn path(&self) -> PathBuf {
        // The module is held, so its handle is alive.
        self.0.file_name().map(|path| path.to_string_lossy().into()).unwrap_or_default()
    }

    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool> {
        let Export::CleanupCredentialCache(ssp) = self.export("CleanupCredentialCache")? else { return None };
        // A panic never crosses the C ABI of the real thing: it becomes FALSE (clause M11).
        Some(move || catch_unwind(AssertUnwindSafe(|| ssp.engine().flush())).unwrap_or(false))
    }

    fn ssl_empty_cache(&self) -> Option<impl FnOnce() -> io::Result<()>> {
        let Export::SslEmptyCacheW(schannel) = self.export("SslEmptyCacheW")? else { return None };
        Some(move || schannel.empty())
    }

    fn end_browser_session(&self) -> Option<impl FnOnce() -> io::Result<()>> {
        let Export::InternetSetOptionW(wininet) = self.export("InternetSetOptionW")? else { return None };
        Some(move || wininet.end_session())
    }

    fn security_interface(&self) -> Option<Result<MockInterface, SecurityStatus>> {
        let Export::InitSecurityInterfaceW(ssp) = self.export("InitSecurityInterfaceW")? else { return None };
        Some(
            guarded(|| ssp.engine().enter(Operation::InitSecurityInterface))
                .map(|()| MockInterface::new(ssp)),
        )
    }
}

const PROGRAM: &str = r"C:\app\app.exe";
const SYSTEM_FOLDER: &str = r"C:\Windows\System32";
