//! The documented protocol, written once: known? → safe here? → module → export → call.
//!
//! Reference: [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache).

use std::fmt;

use crate::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, SecurityPackage,
    loader::{CLEANUP_CREDENTIAL_CACHE, Loader, Module, WindowStation},
    package::Package,
    provider::known,
    trace,
};

/// Flushes SSPs that a [`Loader`] finds: the one implementation of the protocol, for the real system and for mocks.
///
/// ```
/// use sspcache::{CredentialProvider, SspCaches, loader::NativeLoader};
/// let provider = SspCaches::builder(NativeLoader::default()).register("CONTOSSP.dll").build();
/// assert_eq!(provider.ssps().len(), 3);
/// println!("{}", provider.flush_all());
/// ```
pub struct SspCaches<L> {
    loader: L,
    ssps: Vec<CacheName>,
    allow_non_interactive: bool,
}

impl<L: Loader> SspCaches<L> {
    /// A provider of the known SSPs over this loader.
    pub fn new(loader: L) -> Self {
        Self::builder(loader).build()
    }

    /// Starts setting up a provider over this loader.
    pub fn builder(loader: L) -> SspCachesBuilder<L> {
        SspCachesBuilder { loader, ssps: CacheName::KNOWN.to_vec(), allow_non_interactive: false }
    }

    /// The loader.
    pub fn loader(&self) -> &L {
        &self.loader
    }

    /// A security package of a loaded SSP, to sign in through. The package holds a reference to the module.
    ///
    /// # Errors
    /// [`Error::UnknownSsp`]; [`Error::NotLoaded`], for nothing is loaded here; [`Error::ExportMissing`] when the
    /// module exports no `InitSecurityInterfaceW`; [`Error::Sspi`] when that gives no table.
    pub fn security_package(&self, ssp: &str, package: &str) -> Result<Box<dyn SecurityPackage>, Error> {
        let ssp = known(&self.ssps, ssp)?;
        let module = self.modules(ssp)?.next();
        let module = module.ok_or_else(|| Error::NotLoaded { ssp: ssp.name().to_owned() })?;
        Ok(Box::new(Package::open(module, package)?))
    }

    fn modules(&self, ssp: &CacheName) -> Result<impl Iterator<Item = L::Module>, Error> {
        self.loader.modules(ssp.name()).map_err(|source| Error::Loader { ssp: ssp.name().to_owned(), source })
    }

    /// Flushes the modules of an SSP, and tells what came of each, or of none.
    fn flush_each(&self, ssp: &CacheName, mut tell: impl FnMut(Option<&L::Module>, Result<Flush, Error>)) {
        let modules = match self.check_safe(ssp).and_then(|()| self.modules(ssp)) {
            Ok(modules) => modules,
            Err(error) => return tell(None, Err(error)),
        };
        let mut is_loaded = false;
        for module in modules {
            is_loaded = true;
            let outcome = flush(&module);
            tell(Some(&module), outcome);
        }
        if !is_loaded {
            tell(None, Ok(Flush::Absent));
        }
    }

    /// C6, then C7: user32, which tells about the window station, must not be called from DllMain.
    fn check_safe(&self, ssp: &CacheName) -> Result<(), Error> {
        if self.loader.is_inside_loader_callback() {
            return Err(Error::InsideLoaderCallback { ssp: ssp.name().to_owned() });
        }
        if self.allow_non_interactive {
            return Ok(());
        }
        match self.loader.window_station() {
            WindowStation::NotVisible { name, flags } => {
                Err(Error::NonInteractiveWindowStation { ssp: ssp.name().to_owned(), station: name, flags })
            }
            WindowStation::None | WindowStation::Visible => Ok(()),
        }
    }
}

impl<L: Loader> CredentialProvider for SspCaches<L> {
    fn ssps(&self) -> &[CacheName] {
        &self.ssps
    }

    fn is_loaded(&self, ssp: &str) -> Result<bool, Error> {
        Ok(self.modules(known(&self.ssps, ssp)?)?.next().is_some())
    }

    fn flush_into(&self, name: &str, report: &mut FlushReport) {
        let ssp = match known(&self.ssps, name) {
            Ok(ssp) => ssp,
            Err(unknown) => return push(report, FlushRow::new(CacheName::new(name), "", Err(unknown))),
        };
        self.flush_each(ssp, |module, outcome| {
            let path = module.map(Module::path).unwrap_or_default();
            push(report, FlushRow::new(ssp.clone(), path, outcome));
        });
    }

    /// As by a report, but without the rows, which take longer to write than an empty cache to flush.
    fn flush(&self, name: &str) -> Result<Flush, Error> {
        if cfg!(feature = "tracing") {
            let mut report = FlushReport::default();
            self.flush_into(name, &mut report);
            return report.into_result();
        }
        let mut first = Ok(Flush::Absent);
        self.flush_each(known(&self.ssps, name)?, |_, outcome| {
            if first.is_ok() && !matches!(outcome, Ok(Flush::Absent)) {
                first = outcome;
            }
        });
        first
    }
}

impl<L> fmt::Debug for SspCaches<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SspCaches").field("ssps", &self.ssps).finish_non_exhaustive()
    }
}

/// Sets up an [`SspCaches`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct SspCachesBuilder<L> {
    loader: L,
    ssps: Vec<CacheName>,
    allow_non_interactive: bool,
}

impl<L: Loader> SspCachesBuilder<L> {
    /// Flushes on a window station that is not visible, too (clause C7). Say yes for SSH sessions, scheduled tasks and
    /// CI agents, never for a service.
    pub fn allow_non_interactive(mut self, allow: bool) -> Self {
        self.allow_non_interactive = allow;
        self
    }

    /// Registers a third party's SSP by its module's file name: one that exports `CleanupCredentialCache` with the
    /// documented meaning. A name that is known already changes nothing.
    pub fn register(mut self, name: &str) -> Self {
        if known(&self.ssps, name).is_err() {
            self.ssps.push(CacheName::new(name));
        }
        self
    }

    /// Makes the provider.
    pub fn build(self) -> SspCaches<L> {
        let Self { loader, ssps, allow_non_interactive } = self;
        SspCaches { loader, ssps, allow_non_interactive }
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

fn push(report: &mut FlushReport, row: FlushRow) {
    trace::flush(&row);
    report.push(row);
}
