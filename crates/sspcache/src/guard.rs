//! A guard that flushes when a scope ends.

use std::fmt;

use crate::{CleanupReport, CredentialProvider};

/// Flushes every cache of a provider when it goes out of scope, for applications whose sign-out has many exits: early
/// returns, `?`, panics that unwind.
///
/// What came of it goes to the closure, since a destructor has nobody to return it to.
///
/// ```
/// use sspcache::{CleanupGuard, CredentialProvider};
///
/// fn session(provider: &dyn CredentialProvider) -> Result<(), std::num::ParseIntError> {
///     let _sign_out = CleanupGuard::new(provider, |report| eprintln!("{report}"));
///     let _port: u16 = "443".parse()?; // whichever way this function ends, the caches are flushed
///     Ok(())
/// }
/// session(sspcache::native())?;
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
///
/// A process that aborts or is killed runs no destructor. Don't keep a guard in a global: a destructor of a global
/// object is where flushing is not safe (clause C6).
#[must_use = "a guard that is not bound to a name flushes at once"]
pub struct CleanupGuard<'a, F: FnOnce(CleanupReport)> {
    provider: &'a dyn CredentialProvider,
    report: Option<F>,
}

impl<'a, F: FnOnce(CleanupReport)> CleanupGuard<'a, F> {
    /// Flushes this provider's caches at the end of the scope, and passes on what came of it.
    pub fn new(provider: &'a dyn CredentialProvider, report: F) -> Self {
        Self { provider, report: Some(report) }
    }

    /// Flushes now, and not again at the end of the scope.
    pub fn cleanup_now(mut self) -> CleanupReport {
        self.report = None;
        self.provider.cleanup_all()
    }

    /// Lets the caches be.
    pub fn disarm(mut self) {
        self.report = None;
    }
}

impl<F: FnOnce(CleanupReport)> Drop for CleanupGuard<'_, F> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(self.provider.cleanup_all());
        }
    }
}

impl<F: FnOnce(CleanupReport)> fmt::Debug for CleanupGuard<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CleanupGuard").field("armed", &self.report.is_some()).finish_non_exhaustive()
    }
}
