//! The documented protocol, written once: known? → safe here? → module → export → call.
//!
//! Reference: [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache).

use std::fmt;

use crate::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, SecurityPackage, Sspi,
    caches::{Cache, CacheStatus, Contents, Scope},
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
        SspCachesBuilder(SspCaches {
            loader,
            caches: CacheName::KNOWN.to_vec(),
            allow_non_interactive: false,
        })
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
        let module = modules(&self.loader, ssp)?.next();
        let module = module.ok_or_else(|| Error::NotLoaded { ssp: ssp.name().to_owned() })?;
        session::open(module, package)
    }

    pub(crate) fn register(&mut self, name: &str) {
        if CacheName::find(&self.caches, name).is_err() {
            self.caches.push(CacheName::new(name));
        }
    }

    pub(crate) fn set_allow_non_interactive(&mut self, allow: bool) {
        self.allow_non_interactive = allow;
    }

    fn check_safe(&self, cache: &CacheName) -> Result<(), Error> {
        check_safe(&self.loader, cache)?;
        if self.allow_non_interactive { Ok(()) } else { check_window_station(&self.loader, cache) }
    }
}

impl<L: Loader> CredentialProvider for SspCaches<L> {
    fn caches(&self) -> &[CacheName] {
        &self.caches
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        Ok(modules(&self.loader, CacheName::find(&self.caches, cache)?)?.next().is_some())
    }

    fn flush_into(&self, name: &str, report: &mut FlushReport) {
        flush_modules(
            &self.loader,
            &self.caches,
            name,
            |cache| self.check_safe(cache),
            report,
            |_, module| flush(module),
        );
    }
}

impl<L: Loader> Cache for SspCaches<L> {
    fn scope(&self) -> Scope {
        Scope::Process
    }

    fn status(&self) -> Vec<CacheStatus> {
        let of = |cache| module_status(&self.loader, cache, || self.check_safe(cache));
        self.caches.iter().flat_map(of).collect()
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
pub struct SspCachesBuilder<L>(SspCaches<L>);

impl<L: Loader> SspCachesBuilder<L> {
    /// Sets whether to flush on a window station that is not visible, too. The default is `false`. Allow it for SSH sessions, scheduled tasks and CI agents,
    /// never for a service.
    pub fn allow_non_interactive(mut self, allow: bool) -> Self {
        self.0.set_allow_non_interactive(allow);
        self
    }

    /// Registers a third party's SSP by the file name of its module, which has to export `CleanupCredentialCache` with the
    /// documented meaning. Registering a known name changes nothing.
    pub fn register(mut self, name: &str) -> Self {
        self.0.register(name);
        self
    }

    /// Builds the provider.
    pub fn build(self) -> SspCaches<L> {
        self.0
    }
}

/// C6: the first of the conditions for a flush.
pub(crate) fn check_safe(loader: &impl Loader, cache: &CacheName) -> Result<(), Error> {
    if loader.is_inside_loader_callback() {
        return Err(Error::InsideLoaderCallback { cache: cache.name().to_owned() });
    }
    Ok(())
}

/// C7, after C6: user32, which answers for the window station, must not be called from DllMain.
pub(crate) fn check_window_station(loader: &impl Loader, cache: &CacheName) -> Result<(), Error> {
    match loader.window_station() {
        WindowStation::NotVisible { name, flags } => {
            Err(Error::NonInteractiveWindowStation { cache: cache.name().to_owned(), station: name, flags })
        }
        WindowStation::None | WindowStation::Visible => Ok(()),
    }
}

/// The loaded modules that have this cache, each referenced.
pub(crate) fn modules<L: Loader>(
    loader: &L,
    cache: &CacheName,
) -> Result<impl Iterator<Item = L::Module>, Error> {
    let modules = loader.modules(cache.name());
    modules.map_err(|source| Error::Loader { cache: cache.name().to_owned(), source })
}

/// C3, C4: flushes each loaded module of a known cache's name, with a row for each; where there is none, the cache is absent.
pub(crate) fn flush_modules<L: Loader>(
    loader: &L,
    known: &[CacheName],
    name: &str,
    is_safe: impl FnOnce(&CacheName) -> Result<(), Error>,
    report: &mut FlushReport,
    flush: impl Fn(&CacheName, &L::Module) -> Result<Flush, Error>,
) {
    let cache = match CacheName::find(known, name) {
        Ok(cache) => cache,
        Err(unknown) => return push(report, FlushRow::new(CacheName::new(name), Err(unknown))),
    };
    let modules = match is_safe(cache).and_then(|()| modules(loader, cache)) {
        Ok(modules) => modules,
        Err(error) => return push(report, FlushRow::new(cache.clone(), Err(error))),
    };
    let mut is_present = false;
    for module in modules {
        is_present = true;
        push(report, FlushRow::new(cache.clone(), flush(cache, &module)).with_module(module.path()));
    }
    if !is_present {
        push(report, FlushRow::new(cache.clone(), Ok(Flush::Absent)));
    }
}

/// What there is now of a cache that loaded modules have.
pub(crate) fn module_status<L: Loader>(
    loader: &L,
    cache: &CacheName,
    is_safe: impl Fn() -> Result<(), Error>,
) -> Vec<CacheStatus> {
    let status = |module, contents| CacheStatus {
        cache: cache.clone(),
        scope: Scope::Process,
        instance: None,
        module,
        contents,
        allowed: is_safe(),
    };
    let mut all = match modules(loader, cache) {
        Ok(modules) => modules.map(|module| status(Some(module.path()), Ok(Contents::Unknown))).collect(),
        Err(error) => vec![status(None, Err(error))],
    };
    if all.is_empty() {
        all.push(status(None, Ok(Contents::Absent)));
    }
    all
}

/// Adds a row, and tells `tracing`.
pub(crate) fn push(report: &mut FlushReport, row: FlushRow) {
    trace::flush(&row);
    report.push(row);
}

/// C5, C2: the module is referenced for as long as the caller holds it.
fn flush(module: &impl Module) -> Result<Flush, Error> {
    let cleanup = module.cleanup_credential_cache().ok_or_else(|| Error::ExportMissing {
        module: module.path(),
        export: CLEANUP_CREDENTIAL_CACHE.name(),
    })?;
    if cleanup() { Ok(Flush::Flushed) } else { Err(Error::FlushFailed { module: module.path() }) }
}
