//! Schannel's TLS sessions.
//!
//! Schannel resumes TLS sessions of a process, without asking for the client certificate again. [`SslEmptyCacheW`] of a loaded
//! schannel.dll makes it forget them. Connections that are open stay open.
//!
//! Wine 8 and 10 have the function, and resume no sessions at all *(observed)*.
//!
//! [`SslEmptyCacheW`]: https://learn.microsoft.com/en-us/windows/win32/api/schannel/nf-schannel-sslemptycachew
#![allow(unsafe_code, reason = "calls schannel.dll")]

use std::{io, ptr};

use super::{Cache, CacheStatus, Scope, module_outcome};
use crate::{
    CacheName, CredentialProvider, Error, FlushReport,
    loader::{Export, Loader, Module, last_error},
    protocol::{check_safe, flush_modules, module_status, modules},
};

/// The export that empties the cache.
pub(crate) const SSL_EMPTY_CACHE: Export = Export(c"SslEmptyCacheW");

/// Schannel's sessions in this process, as a provider.
///
/// ```
/// use sspcache::{CredentialProvider, caches::schannel::Schannel, loader::NativeLoader};
/// println!("{}", Schannel::new(NativeLoader::default()).flush_all());
/// ```
#[derive(Debug)]
pub struct Schannel<L> {
    loader: L,
}

impl<L: Loader> Schannel<L> {
    const CACHES: &[CacheName] = &[CacheName::SCHANNEL];

    /// The sessions of the process of this loader.
    pub fn new(loader: L) -> Self {
        Self { loader }
    }
}

impl<L: Loader> CredentialProvider for Schannel<L> {
    fn caches(&self) -> &[CacheName] {
        Self::CACHES
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(Self::CACHES, cache)?;
        Ok(modules(&self.loader, &CacheName::SCHANNEL)?.next().is_some())
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        flush_modules(
            &self.loader,
            Self::CACHES,
            cache,
            |cache| check_safe(&self.loader, cache),
            report,
            |cache, module| {
                module_outcome(cache, module, SSL_EMPTY_CACHE, module.ssl_empty_cache().map(|call| call()))
            },
        );
    }
}

impl<L: Loader> Cache for Schannel<L> {
    fn scope(&self) -> Scope {
        Scope::Process
    }

    fn status(&self) -> Vec<CacheStatus> {
        let cache = &CacheName::SCHANNEL;
        module_status(&self.loader, cache, || check_safe(&self.loader, cache))
    }
}

/// Calls the export.
///
/// # Safety
/// The address is that of `BOOL SslEmptyCacheW(LPWSTR pszTargetName, DWORD dwFlags)`, whose module stays loaded.
pub(crate) unsafe fn ssl_empty_cache(address: *const ()) -> io::Result<()> {
    type SslEmptyCache = unsafe extern "system" fn(*const u16, u32) -> i32;
    // SAFETY: by this function's contract.
    let empty = unsafe { std::mem::transmute::<*const (), SslEmptyCache>(address) };
    // SAFETY: no name stands for every server's sessions; the flags are reserved.
    match unsafe { empty(ptr::null(), 0) } {
        0 => Err(last_error("SslEmptyCacheW")),
        _ => Ok(()),
    }
}
