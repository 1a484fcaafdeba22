//! Why a flush or a sign-in did not happen.

use std::fmt;

/// Why an SSP's cache was not flushed, or an SSP not signed in through: a variant for each reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `CleanupCredentialCache` returned FALSE (clause C2). The two SSPs of Microsoft's page never do.
    #[error("{module}: CleanupCredentialCache returned FALSE; its credentials may still be cached")]
    FlushFailed {
        /// Path of the module.
        module: String,
    },
    /// The module is loaded, but lacks the export (clause C5): it isn't the SSP that its name promises.
    #[error("{module}: no export named {export}, so this is not the SSP that its name promises")]
    ExportMissing {
        /// Path of the module.
        module: String,
        /// The export's name.
        export: &'static str,
    },
    /// This thread is inside a loader callback: DllMain, or a constructor or destructor of a global object (clause C6).
    #[error(
        "{ssp}: not flushed: this thread is inside a loader callback (DllMain or a global constructor or \
             destructor), where calling an SSP is not safe; flush from ordinary code instead"
    )]
    InsideLoaderCallback {
        /// The SSP.
        ssp: String,
    },
    /// The operating system's loader reported an error while a module was looked up.
    #[error("{ssp}: the loader can't be asked: {source}")]
    Loader {
        /// The SSP.
        ssp: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The process runs on a window station that is not visible, as services do (clause C7).
    #[error(
        "{ssp}: not flushed: the window station {station} is not visible (flags {flags:#x}, without WSF_VISIBLE), \
             as that of a service; WinINet's functions are not for services. SSH sessions, scheduled tasks and CI \
             agents have such a station too: if this is one, opt in with \
             SspCachesBuilder::allow_non_interactive(true)"
    )]
    NonInteractiveWindowStation {
        /// The SSP.
        ssp: String,
        /// Name of the window station, as far as Windows tells it.
        station: String,
        /// Its `USEROBJECTFLAGS`.
        flags: u32,
    },
    /// A message was decrypted that its sender had only signed (`SECQOP_WRAP_NO_ENCRYPT`).
    #[error("{module}: the message was signed, and not encrypted")]
    NotEncrypted {
        /// Path of the module.
        module: String,
    },
    /// A sign-in was asked of an SSP that isn't loaded. Nothing here loads one.
    #[error("{ssp}: not loaded, so there is nothing to sign in through; load it first")]
    NotLoaded {
        /// The SSP.
        ssp: String,
    },
    /// Another kind of provider could not flush its cache.
    #[error("{ssp}: {source}")]
    Other {
        /// The SSP, or whatever the provider calls its cache.
        ssp: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An SSPI function failed.
    #[error("{module}: {function} failed: {status}")]
    Sspi {
        /// Path of the module.
        module: String,
        /// The function.
        function: &'static str,
        /// What it returned.
        status: SecurityStatus,
    },
    /// No SSP of this name is known or registered (clause C3). The loader was not asked.
    #[error(
        "{name:?} is not an SSP known to have a credential cache (known: {known}); a third party's is registered \
             with SspCachesBuilder::register"
    )]
    UnknownSsp {
        /// The name that was given.
        name: String,
        /// The names that are known.
        known: String,
    },
}

impl Error {
    /// A short name for the reason, for logs and machines: the variant's, in kebab case.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::FlushFailed { .. } => "flush-failed",
            Self::ExportMissing { .. } => "export-missing",
            Self::InsideLoaderCallback { .. } => "inside-loader-callback",
            Self::Loader { .. } => "loader",
            Self::NonInteractiveWindowStation { .. } => "non-interactive-window-station",
            Self::NotEncrypted { .. } => "not-encrypted",
            Self::NotLoaded { .. } => "not-loaded",
            Self::Other { .. } => "other",
            Self::Sspi { .. } => "sspi",
            Self::UnknownSsp { .. } => "unknown-ssp",
        }
    }
}

/// A `SECURITY_STATUS`, as an SSPI function returned it.
///
/// Reference: [SSPI status codes](https://learn.microsoft.com/en-us/windows/win32/secauthn/sspi-status-codes).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SecurityStatus(pub i32);

/// Declares the statuses that have a name here, from those of `winerror.h`.
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:ident,)+) => {
        impl SecurityStatus {
            $($(#[$doc])* pub const $name: Self = Self(windows_sys::Win32::Foundation::$code);)+

            /// The name that `winerror.h` has for it, if it is one of these.
            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($code)),)+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// `SEC_E_BAD_BINDINGS`: the other side has other channel bindings.
    BAD_BINDINGS = SEC_E_BAD_BINDINGS,
    /// `SEC_E_CONTEXT_EXPIRED`: the context is past its time.
    CONTEXT_EXPIRED = SEC_E_CONTEXT_EXPIRED,
    /// `SEC_E_INSUFFICIENT_MEMORY`: there is no room.
    INSUFFICIENT_MEMORY = SEC_E_INSUFFICIENT_MEMORY,
    /// `SEC_E_INTERNAL_ERROR`: the SSP failed.
    INTERNAL_ERROR = SEC_E_INTERNAL_ERROR,
    /// `SEC_E_INVALID_HANDLE`: there is no such credential or context.
    INVALID_HANDLE = SEC_E_INVALID_HANDLE,
    /// `SEC_E_INVALID_PARAMETER`: what was passed can't be.
    INVALID_PARAMETER = SEC_E_INVALID_PARAMETER,
    /// `SEC_E_INVALID_TOKEN`: the other side's token is none of this package.
    INVALID_TOKEN = SEC_E_INVALID_TOKEN,
    /// `SEC_E_LOGON_DENIED`: the account is unknown, or the password wrong.
    LOGON_DENIED = SEC_E_LOGON_DENIED,
    /// `SEC_E_MESSAGE_ALTERED`: the message is not as it was sent.
    MESSAGE_ALTERED = SEC_E_MESSAGE_ALTERED,
    /// `SEC_E_NOT_OWNER`: the caller isn't the owner.
    NOT_OWNER = SEC_E_NOT_OWNER,
    /// `SEC_E_NO_CREDENTIALS`: there is nothing to sign in with.
    NO_CREDENTIALS = SEC_E_NO_CREDENTIALS,
    /// `SEC_E_NO_IMPERSONATION`: this context lets nobody act for its client.
    NO_IMPERSONATION = SEC_E_NO_IMPERSONATION,
    /// `SEC_E_OUT_OF_SEQUENCE`: the message was seen before, or comes too early or late.
    OUT_OF_SEQUENCE = SEC_E_OUT_OF_SEQUENCE,
    /// `SEC_E_SECPKG_NOT_FOUND`: the SSP has no package of this name.
    SECPKG_NOT_FOUND = SEC_E_SECPKG_NOT_FOUND,
    /// `SEC_E_TARGET_UNKNOWN`: nobody knows the target.
    TARGET_UNKNOWN = SEC_E_TARGET_UNKNOWN,
    /// `SEC_E_UNKNOWN_CREDENTIALS`: the SSP can't read the identity.
    UNKNOWN_CREDENTIALS = SEC_E_UNKNOWN_CREDENTIALS,
    /// `SEC_E_UNSUPPORTED_FUNCTION`: the SSP has no such function.
    UNSUPPORTED_FUNCTION = SEC_E_UNSUPPORTED_FUNCTION,
    /// `SEC_E_WRONG_PRINCIPAL`: the target is somebody else.
    WRONG_PRINCIPAL = SEC_E_WRONG_PRINCIPAL,
}

impl fmt::Display for SecurityStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name() {
            write!(f, "{name} ")?;
        }
        write!(f, "(0x{:08X})", self.0)
    }
}
