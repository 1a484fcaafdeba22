//! The trait that applications hold.

use crate::{CacheName, Error, Flush, FlushReport, FlushRow};

/// Whoever can flush credential caches of this process: the seam between an application's sign-out and the system.
///
/// Applications take a `&dyn CredentialProvider`. Production passes [`native()`](crate::native), a test passes a mock
/// (`sspcache_mock::MockSsp`), and neither the application nor the protocol can tell the difference.
///
/// # Implementing it
///
/// Three methods make a provider: which caches there are, whether one exists in this process, and flushing one into a
/// report. It has to honour what callers rely on:
///
/// - flushing is idempotent, and what is not there is [`Flush::Absent`], a success;
/// - nothing is loaded or started in order to be flushed;
/// - a name that is none of [`Self::ssps`] is [`Error::UnknownSsp`], before anything else happens;
/// - a failure of one cache is a row of the report and keeps nobody else from being flushed.
///
/// The crate's documentation has a complete example.
pub trait CredentialProvider: Send + Sync {
    /// The SSPs whose caches this provider can flush, in the order in which it does.
    fn ssps(&self) -> &[CacheName];

    /// Whether an SSP is loaded in this process now, and so may have a cache.
    ///
    /// # Errors
    /// [`Error::UnknownSsp`] when it is none of [`Self::ssps`]; [`Error::Loader`] when the system can't tell.
    fn is_loaded(&self, ssp: &str) -> Result<bool, Error>;

    /// Flushes one SSP's cache and adds to the report what came of it: a row, or one per module when several carry the
    /// SSP's name.
    fn flush_into(&self, ssp: &str, report: &mut FlushReport);

    /// Flushes one SSP's cache.
    ///
    /// # Errors
    /// The first failure, when several modules carry the SSP's name; all of them are tried.
    fn flush(&self, ssp: &str) -> Result<Flush, Error> {
        let mut report = FlushReport::default();
        self.flush_into(ssp, &mut report);
        report.into_result()
    }

    /// Flushes every SSP's cache: visits each and reports each, whatever becomes of the others.
    fn flush_all(&self) -> FlushReport {
        let mut report = FlushReport::default();
        for ssp in self.ssps() {
            self.flush_into(ssp.name(), &mut report);
        }
        report
    }
}

/// Several providers flushed as one, in their order.
///
/// ```
/// use sspcache::{CredentialProvider, Providers};
/// let everything = Providers::new([sspcache::native() as &dyn CredentialProvider]);
/// let report = everything.flush_all();
/// println!("{report}");
/// ```
pub struct Providers<'a> {
    providers: Vec<&'a dyn CredentialProvider>,
    ssps: Vec<CacheName>,
}

impl<'a> Providers<'a> {
    /// Combines these providers. An SSP that several know is flushed by each of them.
    pub fn new(providers: impl IntoIterator<Item = &'a dyn CredentialProvider>) -> Self {
        let providers: Vec<_> = providers.into_iter().collect();
        let mut ssps: Vec<CacheName> = Vec::new();
        for ssp in providers.iter().flat_map(|provider| provider.ssps()) {
            if !ssps.contains(ssp) {
                ssps.push(ssp.clone());
            }
        }
        Self { providers, ssps }
    }

    fn knowing(&self, ssp: &str) -> impl Iterator<Item = &'a dyn CredentialProvider> {
        self.providers.iter().copied().filter(move |provider| known(provider.ssps(), ssp).is_ok())
    }
}

impl CredentialProvider for Providers<'_> {
    fn ssps(&self) -> &[CacheName] {
        &self.ssps
    }

    fn is_loaded(&self, ssp: &str) -> Result<bool, Error> {
        known(&self.ssps, ssp)?;
        for provider in self.knowing(ssp) {
            if provider.is_loaded(ssp)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn flush_into(&self, ssp: &str, report: &mut FlushReport) {
        if let Err(unknown) = known(&self.ssps, ssp) {
            return report.push(FlushRow::new(CacheName::new(ssp), "", Err(unknown)));
        }
        self.knowing(ssp).for_each(|provider| provider.flush_into(ssp, report));
    }
}

/// The SSP of this name among those that are known (clause C3).
///
/// # Errors
/// [`Error::UnknownSsp`], with the names that would do.
pub fn known<'a>(ssps: &'a [CacheName], name: &str) -> Result<&'a CacheName, Error> {
    ssps.iter().find(|ssp| ssp.is_named(name)).ok_or_else(|| Error::UnknownSsp {
        name: name.to_owned(),
        known: ssps.iter().map(CacheName::name).collect::<Vec<_>>().join(", "),
    })
}
