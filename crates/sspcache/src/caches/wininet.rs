//! WinINet's session.
//!
//! `INTERNET_OPTION_END_BROWSER_SESSION` of [`InternetSetOption`] ends the session of this process: WinINet drops session cookies,
//! and the passwords of servers and proxies that it has in memory. Not undone: persistent cookies, the cache of pages on the disk,
//! and connections that are authenticated already, which stay so until they are closed.
//!
//! WinINet is not for services, so a flush asks for the window station, as that of an SSP does.
//!
//! [`InternetSetOption`]: https://learn.microsoft.com/en-us/windows/win32/wininet/option-flags
#![allow(unsafe_code, reason = "calls wininet.dll")]

use std::{io, ptr};

use super::{Cache, CacheStatus, Scope, module_outcome};
use crate::{
    CacheName, CredentialProvider, Error, FlushReport,
    loader::{Export, Loader, Module, last_error},
    protocol::{check_safe, check_window_station, flush_modules, module_status, modules},
};

/// The export that ends the session.
pub(crate) const INTERNET_SET_OPTION: Export = Export(c"InternetSetOptionW");

/// WinINet's session of this process, as a provider.
///
/// ```
/// use sspcache::{CredentialProvider, caches::wininet::WinInet, loader::NativeLoader};
/// println!("{}", WinInet::new(NativeLoader::default()).flush_all());
/// ```
#[derive(Debug)]
pub struct WinInet<L> {
    loader: L,
    allow_non_interactive: bool,
}

impl<L: Loader> WinInet<L> {
    const CACHES: &[CacheName] = &[CacheName::WININET];

    /// The session of the process of this loader.
    pub fn new(loader: L) -> Self {
        Self { loader, allow_non_interactive: false }
    }

    pub(crate) fn set_allow_non_interactive(&mut self, allow: bool) {
        self.allow_non_interactive = allow;
    }

    /// The same, which flushes on a window station that is not visible, too, if that is allowed. The default is `false`.
    #[must_use]
    pub fn allow_non_interactive(mut self, allow: bool) -> Self {
        self.set_allow_non_interactive(allow);
        self
    }

    fn check_safe(&self, cache: &CacheName) -> Result<(), Error> {
        check_safe(&self.loader, cache)?;
        if self.allow_non_interactive { Ok(()) } else { check_window_station(&self.loader, cache) }
    }
}

impl<L: Loader> CredentialProvider for WinInet<L> {
    fn caches(&self) -> &[CacheName] {
        Self::CACHES
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(Self::CACHES, cache)?;
        Ok(modules(&self.loader, &CacheName::WININET)?.next().is_some())
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        flush_modules(
            &self.loader,
            Self::CACHES,
            cache,
            |cache| self.check_safe(cache),
            report,
            |cache, module| {
                module_outcome(
                    cache,
                    module,
                    INTERNET_SET_OPTION,
                    module.end_browser_session().map(|call| call()),
                )
            },
        );
    }
}

impl<L: Loader> Cache for WinInet<L> {
    fn scope(&self) -> Scope {
        Scope::Process
    }

    fn status(&self) -> Vec<CacheStatus> {
        let cache = &CacheName::WININET;
        module_status(&self.loader, cache, || self.check_safe(cache))
    }
}

/// Calls the export.
///
/// # Safety
/// The address is that of `BOOL InternetSetOptionW(HINTERNET, DWORD, LPVOID, DWORD)`, whose module stays loaded.
pub(crate) unsafe fn end_browser_session(address: *const ()) -> io::Result<()> {
    type InternetSetOption = unsafe extern "system" fn(*mut (), u32, *mut (), u32) -> i32;
    const INTERNET_OPTION_END_BROWSER_SESSION: u32 = 42;

    // SAFETY: by this function's contract.
    let set = unsafe { std::mem::transmute::<*const (), InternetSetOption>(address) };
    // SAFETY: this option takes no handle and no buffer.
    match unsafe { set(ptr::null_mut(), INTERNET_OPTION_END_BROWSER_SESSION, ptr::null_mut(), 0) } {
        0 => Err(last_error("InternetSetOptionW")),
        _ => Ok(()),
    }
}
