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
    loader::{Loader, Module, WindowStation},
};
use sspcache_engine::Operation;
use sspcache_loader::{EmulatedLoader, LoaderError, ModuleFile, ModuleRef};

use crate::{
    MockInterface, MockSsp,
    interface::guarded,
    ssp::{Export, Function},
};

/// An emulated process with its module loader. Clones are the same process.
///
/// Give the application [`provider()`](Self::provider) in place of [`sspcache::native()`].
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
    window_station: Arc<Mutex<WindowStation>>,
}

impl MockProcess {
    /// A process that has loaded only its program.
    pub fn new() -> Self {
        Self {
            modules: EmulatedLoader::new(ModuleFile::new(PROGRAM)),
            window_station: Arc::new(Mutex::new(WindowStation::Visible)),
        }
    }

    /// A process that has loaded these SSPs.
    ///
    /// # Panics
    /// When an SSP's module name is no file name.
    pub fn with_loaded<'a>(ssps: impl IntoIterator<Item = &'a MockSsp>) -> Self {
        let process = Self::new();
        for ssp in ssps {
            process.install(ssp);
            if let Err(error) = process.load(ssp.module()) {
                panic!("a mock SSP can be loaded by its module's name: {error}");
            }
        }
        process
    }

    /// Installs an SSP's file in the system folder, where [`Self::load`] finds it by name. Doesn't load it.
    pub fn install(&self, ssp: &MockSsp) {
        self.install_at(&format!("{SYSTEM_FOLDER}\\{}", ssp.module()), ssp);
    }

    /// Installs an SSP's file at a path, such as `C:\app\MSNSSPC.dll`. So several modules of one name can be loaded.
    pub fn install_at(&self, path: &str, ssp: &MockSsp) {
        self.modules.register(ssp.file(path));
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
        *self.window_station.lock() = station;
    }

    /// The SSPs of this process, for the application under test: a [`dyn Sspi`](sspcache::Sspi), as
    /// [`sspcache::native()`] is in production. It runs the same protocol, with this process's modules.
    ///
    /// To register a third party's SSP, pass the process to [`SspCaches::builder`] instead.
    pub fn provider(&self) -> SspCaches<Self> {
        SspCaches::new(self.clone())
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
        self.window_station.lock().clone()
    }

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = MockModule>> {
        let modules = self.modules.acquire_all(name).map_err(io::Error::other)?;
        Ok(modules.map(MockModule))
    }
}

impl fmt::Debug for MockProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockProcess").field("window_station", &self.window_station).finish_non_exhaustive()
    }
}

/// A loaded module of an emulated process. It stays loaded until this is dropped.
#[derive(Debug)]
pub struct MockModule(ModuleRef<Export>);

impl MockModule {
    fn export(&self, name: &str, function: Function) -> Option<MockSsp> {
        let export = self.0.procedure(name).ok()?;
        (export.function == function).then_some(export.ssp)
    }
}

impl Module for MockModule {
    type Interface = MockInterface;

    fn path(&self) -> PathBuf {
        // The module is held, so its handle is alive.
        self.0.file_name().map(|path| path.to_string_lossy().into()).unwrap_or_default()
    }

    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool> {
        let ssp = self.export("CleanupCredentialCache", Function::CleanupCredentialCache)?;
        // A panic never crosses the C ABI of the real thing: it becomes FALSE (clause M11).
        Some(move || catch_unwind(AssertUnwindSafe(|| ssp.engine().flush())).unwrap_or(false))
    }

    fn security_interface(&self) -> Option<Result<MockInterface, SecurityStatus>> {
        let ssp = self.export("InitSecurityInterfaceW", Function::InitSecurityInterfaceW)?;
        Some(
            guarded(|| ssp.engine().enter(Operation::InitSecurityInterface))
                .map(|()| MockInterface::new(ssp)),
        )
    }
}

const PROGRAM: &str = r"C:\app\app.exe";
const SYSTEM_FOLDER: &str = r"C:\Windows\System32";
