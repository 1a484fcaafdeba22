//! The traits through which applications flush and sign in.

use std::{ops::Deref, sync::Arc};

use crate::{CacheName, Error, Flush, FlushReport, FlushRow, SecurityPackage};

/// Flushes the credential caches of the current process.
///
/// Applications depend on this trait, so that sign-out can be tested: production passes [`native()`](crate::native), and a
/// test passes the provider of an emulated process (`sspcache_mock::MockProcess::provider`). An application that signs in
/// as well depends on [`Sspi`](crate::Sspi), which is this trait and signing in.
///
/// # Implementing it
///
/// A cache that is not an SSP's, such as an application's own tokens, becomes flushable with the rest through a provider of
/// its own. Three methods make one: which caches there are, whether a cache exists now, and flushing it into a report.
/// Callers rely on this:
///
/// - A name that is not in [`caches`](Self::caches) gives [`Error::UnknownCache`], before anything else happens.
/// - Nothing is loaded or started in order to be flushed. A cache that isn't there gives [`Flush::Absent`], a success.
/// - Flushing is idempotent.
/// - A failure is a row of the report. It doesn't keep other caches from being flushed.
///
/// The [crate's documentation](crate#for-other-kinds-of-caches) has a complete example.
pub trait CredentialProvider: Send + Sync {
    /// The names of the caches that this provider can flush, in the order in which it flushes them.
    fn caches(&self) -> &[CacheName];

    /// Returns whether a cache exists in this process now. An SSP's cache exists when the SSP is loaded.
    ///
    /// # Errors
    /// [`Error::UnknownCache`] when the name is not in [`caches`](Self::caches); [`Error::Loader`] when the operating
    /// system fails to answer.
    fn is_present(&self, cache: &str) -> Result<bool, Error>;

    /// Flushes one cache and adds the outcome to the report: one row, or one for each module when several loaded modules
    /// carry the SSP's name.
    fn flush_into(&self, cache: &str, report: &mut FlushReport);

    /// Flushes one cache.
    ///
    /// # Errors
    /// The first failure, when several loaded modules carry the SSP's name. All of them are tried.
    fn flush(&self, cache: &str) -> Result<Flush, Error> {
        let mut report = FlushReport::default();
        self.flush_into(cache, &mut report);
        report.into_result()
    }

    /// Flushes every cache. A failure in one doesn't affect the others.
    fn flush_all(&self) -> FlushReport {
        let mut report = FlushReport::default();
        for cache in self.caches() {
            self.flush_into(cache.name(), &mut report);
        }
        report
    }
}

/// Signs a user in through an SSP and flushes the credential caches: the one object that an application holds for a session.
///
/// Production passes [`native()`](crate::native), and a test passes the provider of an emulated process
/// (`sspcache_mock::MockProcess::provider`). The trait is object-safe:
///
/// ```
/// use sspcache::{Credential, Error, SignIn, Sspi};
///
/// struct Session<'a> {
///     sspi: &'a dyn Sspi,
///     credential: Credential,
/// }
///
/// impl<'a> Session<'a> {
///     fn sign_in(sspi: &'a dyn Sspi, user: &str, password: &str) -> Result<Self, Error> {
///         let msn = sspi.security_package("MSNSSPC.dll", "MSN")?;
///         let credential = msn.acquire(&SignIn::password(user, "CONTOSO", password))?;
///         Ok(Self { sspi, credential })
///     }
///
///     fn sign_out(self) -> Result<(), Error> {
///         drop(self.credential);
///         self.sspi.flush_all().into_result().map(drop)
///     }
/// }
///
/// // This process has not loaded the SSP.
/// assert!(matches!(Session::sign_in(sspcache::native(), "alice", "correct horse"), Err(Error::NotLoaded { .. })));
/// ```
pub trait Sspi: CredentialProvider {
    /// Opens a security package of a loaded SSP, such as the package `MSN` of `MSNSSPC.dll`, to sign in through. The package
    /// holds a reference to the SSP's module.
    ///
    /// # Errors
    /// [`Error::UnknownCache`] when the SSP is not in [`caches`](CredentialProvider::caches); [`Error::NotLoaded`] when it is
    /// not loaded; [`Error::ExportMissing`] when its module has no `InitSecurityInterfaceW`; [`Error::Sspi`] when that returns
    /// no table of functions.
    fn security_package(&self, ssp: &str, package: &str) -> Result<SecurityPackage, Error>;
}

/// A pointer to a provider is a provider, too.
macro_rules! forward {
    ($($pointer:ty),+) => {
        $(impl<P: CredentialProvider + ?Sized> CredentialProvider for $pointer {
            fn caches(&self) -> &[CacheName] {
                self.deref().caches()
            }

            fn is_present(&self, cache: &str) -> Result<bool, Error> {
                self.deref().is_present(cache)
            }

            fn flush_into(&self, cache: &str, report: &mut FlushReport) {
                self.deref().flush_into(cache, report);
            }

            fn flush(&self, cache: &str) -> Result<Flush, Error> {
                self.deref().flush(cache)
            }

            fn flush_all(&self) -> FlushReport {
                self.deref().flush_all()
            }
        }

        impl<P: Sspi + ?Sized> Sspi for $pointer {
            fn security_package(&self, ssp: &str, package: &str) -> Result<SecurityPackage, Error> {
                self.deref().security_package(ssp, package)
            }
        })+
    };
}

forward!(&P, Box<P>, Arc<P>);

/// Several providers as one, flushed in their order.
///
/// ```
/// use sspcache::{CredentialProvider, Providers};
/// let everything = Providers::new([sspcache::native() as &dyn CredentialProvider]);
/// println!("{}", everything.flush_all());
/// ```
pub struct Providers<'a> {
    providers: Vec<&'a dyn CredentialProvider>,
    caches: Vec<CacheName>,
}

impl<'a> Providers<'a> {
    /// Combines these providers. A cache that several of them know is flushed by each.
    pub fn new(providers: impl IntoIterator<Item = &'a dyn CredentialProvider>) -> Self {
        let providers: Vec<_> = providers.into_iter().collect();
        let mut caches: Vec<CacheName> = Vec::new();
        for cache in providers.iter().flat_map(CredentialProvider::caches) {
            if !caches.contains(cache) {
                caches.push(cache.clone());
            }
        }
        Self { providers, caches }
    }

    fn knowing(&self, cache: &str) -> impl Iterator<Item = &'a dyn CredentialProvider> {
        self.providers
            .iter()
            .copied()
            .filter(move |provider| CacheName::find(provider.caches(), cache).is_ok())
    }
}

impl CredentialProvider for Providers<'_> {
    fn caches(&self) -> &[CacheName] {
        &self.caches
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(&self.caches, cache)?;
        for provider in self.knowing(cache) {
            if provider.is_present(cache)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        if let Err(unknown) = CacheName::find(&self.caches, cache) {
            return report.push(FlushRow::new(CacheName::new(cache), Err(unknown)));
        }
        self.knowing(cache).for_each(|provider| provider.flush_into(cache, report));
    }
}
