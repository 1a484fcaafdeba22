//! A guard that flushes when a scope ends.

use std::fmt;

use crate::{CredentialProvider, FlushReport};

/// Flushes every cache of a provider when it goes out of scope, for applications whose sign-out has many exits: early
/// returns, `?`, panics that unwind.
///
/// A destructor can't return the report, so a closure gets it.
///
/// ```
/// use sspcache::{FlushOnDrop, CredentialProvider};
///
/// fn session(provider: &dyn CredentialProvider) -> Result<(), std::num::ParseIntError> {
///     let _sign_out = FlushOnDrop::new(provider, |report| eprintln!("{report}"));
///     let _port: u16 = "443".parse()?; // whichever way this function ends, the caches are flushed
///     Ok(())
/// }
/// session(sspcache::native())?;
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
///
/// A process that aborts or is killed runs no destructor. Don't keep one in a global: flushing is not safe in a destructor of
/// a global object.
#[must_use = "a guard that is not bound to a name flushes at once"]
pub struct FlushOnDrop<'a, F: FnOnce(FlushReport)> {
    provider: &'a dyn CredentialProvider,
    report: Option<F>,
}

impl<'a, F: FnOnce(FlushReport)> FlushOnDrop<'a, F> {
    /// Flushes this provider's caches at the end of the scope, and passes the report to the closure.
    pub fn new(provider: &'a dyn CredentialProvider, report: F) -> Self {
        Self { provider, report: Some(report) }
    }

    /// Flushes now, and not again at the end of the scope.
    pub fn flush_now(mut self) -> FlushReport {
        self.report = None;
        self.provider.flush_all()
    }

    /// Doesn't flush at the end of the scope.
    pub fn disarm(mut self) {
        self.report = None;
    }
}

impl<F: FnOnce(FlushReport)> Drop for FlushOnDrop<'_, F> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            report(self.provider.flush_all());
        }
    }
}

impl<F: FnOnce(FlushReport)> fmt::Debug for FlushOnDrop<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlushOnDrop").field("armed", &self.report.is_some()).finish_non_exhaustive()
    }
}
