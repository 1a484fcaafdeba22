//! Why a flush or a sign-in failed.

use std::{error::Error as StdError, fmt, io, path::PathBuf};

use sspcache_types::SecurityStatus;

use crate::CacheName;

/// Why a cache was not flushed, or a user not signed in: a variant for each reason.
///
/// It prints what failed, on what, and what to do about it. The cause, where there is one, is its
/// [`source`](std::error::Error::source).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A flush succeeded, and its cache has entries nevertheless: they stayed, or another program has put them there since.
    EntriesLeft {
        /// Name of the cache.
        cache: String,
        /// How many entries there were before, where that is known.
        before: Option<usize>,
        /// How many there are.
        left: usize,
    },
    /// The module is loaded, but lacks the export, so it is not the SSP of that name.
    ExportMissing {
        /// Path of the module.
        module: PathBuf,
        /// Name of the export.
        export: &'static str,
    },
    /// `CleanupCredentialCache` returned FALSE. The SSPs that Microsoft's page names never do.
    FlushFailed {
        /// Path of the module.
        module: PathBuf,
    },
    /// Neither end of a [`handshake`](crate::context::handshake) is done, and neither has a token to send.
    HandshakeStalled,
    /// This thread is inside a loader callback: DllMain, or a constructor or destructor of a global object.
    InsideLoaderCallback {
        /// Name of the cache.
        cache: String,
    },
    /// A filter of the Credential Manager's entries would match what it must not, or nothing.
    InvalidFilter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The operating system's loader failed while modules were looked up.
    Loader {
        /// Name of the cache.
        cache: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// The process runs on a window station that is not visible, as services do.
    NonInteractiveWindowStation {
        /// Name of the cache.
        cache: String,
        /// Name of the window station, empty where Windows doesn't return it.
        station: String,
        /// Its `USEROBJECTFLAGS`.
        flags: u32,
    },
    /// A message was decrypted that its sender had only signed (`SECQOP_WRAP_NO_ENCRYPT`).
    NotEncrypted {
        /// Path of the module.
        module: PathBuf,
    },
    /// A security package was requested of an SSP that is not loaded. This crate never loads one.
    NotLoaded {
        /// File name of the SSP's module.
        ssp: String,
    },
    /// A [`CredentialProvider`](crate::CredentialProvider) of another kind could not flush its cache.
    Other {
        /// Name of the cache.
        cache: String,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An SSPI function failed.
    Sspi {
        /// Path of the module.
        module: PathBuf,
        /// Name of the function.
        function: &'static str,
        /// The status that it returned.
        status: SecurityStatus,
    },
    /// No cache of this name is known or registered. Nothing was looked up.
    UnknownCache {
        /// The name that was given.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// This system doesn't implement the cache, or doesn't flush it: whether anything is in it is unknown.
    Unsupported {
        /// Name of the cache.
        cache: String,
        /// What the system doesn't do, and how that is known.
        what: String,
    },
}

impl Error {
    /// A short name of the reason, for logs and machines: the variant's name in kebab case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EntriesLeft { .. } => "entries-left",
            Self::ExportMissing { .. } => "export-missing",
            Self::FlushFailed { .. } => "flush-failed",
            Self::HandshakeStalled => "handshake-stalled",
            Self::InsideLoaderCallback { .. } => "inside-loader-callback",
            Self::InvalidFilter { .. } => "invalid-filter",
            Self::Loader { .. } => "loader",
            Self::NonInteractiveWindowStation { .. } => "non-interactive-window-station",
            Self::NotEncrypted { .. } => "not-encrypted",
            Self::NotLoaded { .. } => "not-loaded",
            Self::Other { .. } => "other",
            Self::Sspi { .. } => "sspi",
            Self::UnknownCache { .. } => "unknown-cache",
            Self::Unsupported { .. } => "unsupported",
        }
    }

    pub(crate) fn other(cache: &CacheName, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Other { cache: cache.name().to_owned(), source: source.into() }
    }

    /// The error and its causes on one line, for reports.
    pub(crate) fn chain(&self) -> Chain<'_> {
        Chain(self)
    }
}

/// Prints an error and its causes.
pub(crate) struct Chain<'e>(&'e Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntriesLeft { cache, before: Some(before), left } => {
                write!(f, "{cache}: flushed, but of {before} entries {left} are there, or there again")
            }
            Self::EntriesLeft { cache, before: None, left } => {
                write!(f, "{cache}: flushed, but {left} entries are there, or there again")
            }
            Self::ExportMissing { module, export } => write!(
                f,
                "{}: no export named {export}, so this is not the SSP that its name promises",
                module.display()
            ),
            Self::FlushFailed { module } => write!(
                f,
                "{}: CleanupCredentialCache returned FALSE; its credentials may still be cached",
                module.display()
            ),
            Self::HandshakeStalled => f.write_str(
                "the handshake stalled: neither end is done, and neither has a token for the other",
            ),
            Self::InsideLoaderCallback { cache } => write!(
                f,
                "{cache}: not flushed: this thread is inside a loader callback (DllMain or a global constructor or \
                 destructor), where calling an SSP is not safe; flush from ordinary code instead"
            ),
            Self::InvalidFilter { filter, reason } => write!(
                f,
                "{filter:?} is no filter of credentials: {reason}; name a whole target, or a prefix such as MyApp/*"
            ),
            Self::Loader { cache, .. } => write!(f, "{cache}: failed to look up loaded modules"),
            Self::NonInteractiveWindowStation { cache, station, flags } => write!(
                f,
                "{cache}: not flushed: the window station {station} is not visible (flags {flags:#x}, without \
                 WSF_VISIBLE), as that of a service; WinINet's functions are not for services. SSH sessions, scheduled \
                 tasks and CI agents have such a station too: if this is one, opt in with \
                 allow_non_interactive(true)"
            ),
            Self::NotEncrypted { module } => {
                write!(
                    f,
                    "{}: the message was signed, and not encrypted; to accept both, call SecurityContext::unwrap",
                    module.display()
                )
            }
            Self::NotLoaded { ssp } => {
                write!(f, "{ssp}: not loaded, so there is nothing to sign in through; load it first")
            }
            Self::Other { cache, .. } => write!(f, "{cache}: not flushed"),
            Self::Sspi { module, function, status } => {
                write!(f, "{}: {function} failed: {status}", module.display())
            }
            Self::UnknownCache { name, known } => write!(
                f,
                "{name:?} is not a known credential cache (known: {known}); register a third party's SSP with \
                 SspCachesBuilder::register"
            ),
            Self::Unsupported { cache, what } => write!(f, "{cache}: unsupported here: {what}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Loader { source, .. } => Some(source),
            Self::Other { source, .. } => Some(&**source),
            _ => None,
        }
    }
}
