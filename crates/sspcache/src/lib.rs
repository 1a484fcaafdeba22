//! Flushes the credential caches of Windows Security Support Providers (SSPs), behind a trait that tests can mock on
//! any system.
#![doc = "TODO: see below"]

pub mod loader;

mod error;
mod guard;
mod name;
mod package;
mod protocol;
mod provider;
mod report;
mod ssp;
mod trace;

pub use error::{Error, SecurityStatus};
pub use guard::CleanupGuard;
pub use package::{Credential, Identity, SecurityPackage, SignIn};
pub use protocol::{SspProvider, SspProviderBuilder};
pub use provider::{CredentialProvider, Providers, known};
pub use report::{Cleanup, CleanupReport, CleanupRow};
pub use ssp::Ssp;

use once_cell::sync::OnceCell;

/// The provider of this process: what production code flushes through.
///
/// It knows the two SSPs of Microsoft's page and refuses to flush on a window station that is not visible. Build an
/// [`SspProvider`] for anything else.
///
/// ```
/// use sspcache::CredentialProvider;
/// let report = sspcache::native().cleanup_all();
/// assert!(report.is_success(), "{report}");
/// ```
pub fn native() -> &'static SspProvider<loader::NativeLoader> {
    static NATIVE: OnceCell<SspProvider<loader::NativeLoader>> = OnceCell::new();
    NATIVE.get_or_init(|| SspProvider::new(loader::NativeLoader::default()))
}
