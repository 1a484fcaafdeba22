//! The documented protocol, written once: known? → safe here? → module → export → call.
//!
//! Reference: [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache).

use std::fmt;

use crate::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, SecurityPackage, Sspi,
    loader::{CLEANUP_CREDENTIAL_CACHE, Loader, Module, WindowStation},
    session, trace,
};

/// Flushes and signs in through the SSPs that a [`Loader`] finds: the one implementation of the documented protocol, for the
/// real system and for mocks.
///
/// ```
/// use sspcache::{CredentialProvider, SspCaches, loader::NativeLoader};
/// let provider = SspCaches::builder(NativeLoader::default()).register("CONTOSSP.dll").build();
/// assert_eq!(provider.caches().len(), 3);
/// println!("{}", provider.flush_all());
/// ```
pub struct SspCaches<L> {
    loader: L,
    caches: Vec<CacheName>,
    allow_non_interactive: bool,
}

impl<L: Loader> SspCaches<L> {
    /// Uses the [known](CacheName::KNOWN) SSPs that this loader finds.
    pub fn new(loader: L) -> Self {
        Self::builder(loader).build()
    }

    /// Builds a provider with options: further SSPs, or flushing on a window station that is not visible.
    pub fn builder(loader: L) -> SspCachesBuilder<L> {
        SspCachesBuilder { loader, caches: CacheName::KNOWN.to_vec(), allow_non_interactive: false }
    }

    /// The loader that finds the SSPs' modules.
    pub fn loader(&self) -> &L {
        &self.loader
    }

    /// Opens a security package of a loaded SSP, as [`Sspi::security_package`] does; that trait need not be in scope.
    ///
    /// # Errors
    /// Those of [`Sspi::security_package`].
    pub fn security_package(&self, ssp: &str, package: &str) -> Result<SecurityPackage, Error> {
        let ssp = CacheName::find(&self.caches, ssp)?;
        let module = self.modules(ssp)?.next();
        let module = module.ok_or_else(|| Error::NotLoaded { ssp: ssp.name().to_owned() })?;
        session::open(module, package)
    }

    fn modules(&self, cache: &CacheName) -> Result<impl Iterator<Item = L::Module>, Error> {
        let modules = self.loader.modules(cache.name());
        modules.map_err(|source| Error::Loader { cache: cache.name().to_owned(), source })
    }

    /// C6, then C7: user32, which answers for the window station, must not be called from DllMain.
    fn check_safe(&self, cache: &CacheName) -> Result<(), Error> {
        let cache = || cache.name().to_owned();
        if self.loader.is_inside_loader_callback() {
            return Err(Error::InsideLoaderCallback { cache: cache() });
        }
        if self.allow_non_interactive {
            return Ok(());
        }
        match self.loader.window_station() {
            WindowStation::NotVisible { name, flags } => {
                Err(Error::NonInteractiveWindowStation { cache: cache(), station: name, flags })
            }
            WindowStation::None | WindowStation::Visible => Ok(()),
        }
    }
}

impl<L: Loader> CredentialProvider for SspCaches<L> {
    fn caches(&self) -> &[CacheName] {
        &self.caches
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        Ok(self.modules(CacheName::find(&self.caches, cache)?)?.next().is_some())
    }

    fn flush_into(&self, name: &str, report: &mut FlushReport) {
        let mut push = |row: FlushRow| {
            trace::flush(&row);
            report.push(row);
        };
        let cache = match CacheName::find(&self.caches, name) {
            Ok(cache) => cache,
            Err(unknown) => return push(FlushRow::new(CacheName::new(name), Err(unknown))),
        };
        let modules = match self.check_safe(cache).and_then(|()| self.modules(cache)) {
            Ok(modules) => modules,
            Err(error) => return push(FlushRow::new(cache.clone(), Err(error))),
        };
        let mut is_present = false;
        for module in modules {
            is_present = true;
            push(FlushRow::new(cache.clone(), flush(&module)).with_module(module.path()));
        }
        if !is_present {
            push(FlushRow::new(cache.clone(), Ok(Flush::Absent)));
        }
    }
}

impl<L: Loader> Sspi for SspCaches<L> {
    fn security_package(&self, ssp: &str, package: &str) -> Result<SecurityPackage, Error> {
        self.security_package(ssp, package)
    }
}

impl<L> fmt::Debug for SspCaches<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SspCaches").field("caches", &self.caches).finish_non_exhaustive()
    }
}

/// Sets up an [`SspCaches`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct SspCachesBuilder<L> {
    loader: L,
    caches: Vec<CacheName>,
    allow_non_interactive: bool,
}

impl<L: Loader> SspCachesBuilder<L> {
    /// Sets whether to flush on a window station that is not visible, too. The default is `false`. Allow it for SSH sessions, scheduled tasks and CI agents,
    /// never for a service.
    pub fn allow_non_interactive(mut self, allow: bool) -> Self {
        self.allow_non_interactive = allow;
        self
    }

    /// Registers a third party's SSP by the file name of its module, which has to export `CleanupCredentialCache` with the
    /// documented meaning. Registering a known name changes nothing.
    pub fn register(mut self, name: &str) -> Self {
        if CacheName::find(&self.caches, name).is_err() {
            self.caches.push(CacheName::new(name));
        }
        self
    }

    /// Builds the provider.
    pub fn build(self) -> SspCaches<L> {
        let Self { loader, caches, allow_non_interactive } = self;
        SspCaches { loader, caches, allow_non_interactive }
    }
}

/// C5, C2: the module is referenced for as long as the caller holds it.
fn flush(module: &impl Module) -> Result<Flush, Error> {
    let cleanup = module.cleanup_credential_cache().ok_or_else(|| Error::ExportMissing {
        module: module.path(),
        export: CLEANUP_CREDENTIAL_CACHE.name(),
    })?;
    if cleanup() { Ok(Flush::Flushed) } else { Err(Error::FlushFailed { module: module.path() }) }
}
