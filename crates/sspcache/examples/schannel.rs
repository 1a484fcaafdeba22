//! A provider of another kind: Schannel's cache of TLS sessions, which client certificates are part of.
//!
//! `SslEmptyCacheW` empties it, a function of its own in a DLL that isn't an SSP of `CleanupCredentialCache`. What it takes
//! to put it behind [`CredentialProvider`] is all here; elsewhere than on Windows there is no Schannel, and so no cache.
//!
//! ```console
//! $ cargo run -p sspcache --example schannel --target x86_64-pc-windows-gnu
//! ```
//!
//! Reference: [SslEmptyCache](https://learn.microsoft.com/en-us/windows/win32/api/schannel/nf-schannel-sslemptycachew).
#![allow(unsafe_code, reason = "calls Schannel")]

use sspcache::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, Providers, SspCaches,
    loader::{Loader, NativeLoader},
};

/// Schannel's session cache in this process.
#[derive(Debug, Default)]
struct Schannel {
    loader: NativeLoader,
}

impl Schannel {
    const CACHES: &[CacheName] = &[CacheName::from_static("schannel.dll")];

    /// Known, then safe, then loaded: the order of the protocol.
    fn empty(&self, name: &str) -> Result<Flush, Error> {
        let cache = CacheName::find(Self::CACHES, name)?.name().to_owned();
        if self.loader.is_inside_loader_callback() {
            return Err(Error::InsideLoaderCallback { cache });
        }
        match system::empty_cache() {
            None => Ok(Flush::Absent),
            Some(Ok(())) => Ok(Flush::Flushed),
            Some(Err(source)) => Err(Error::Other { cache, source: source.into() }),
        }
    }
}

impl CredentialProvider for Schannel {
    fn caches(&self) -> &[CacheName] {
        Self::CACHES
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(Self::CACHES, cache)?;
        Ok(system::is_loaded())
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        report.push(FlushRow::new(CacheName::new(cache), self.empty(cache)));
    }
}

#[cfg(windows)]
mod system {
    use std::{io, ptr};

    use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library};

    /// `BOOL SslEmptyCacheW(LPWSTR pszTargetName, DWORD dwFlags)`
    type SslEmptyCacheFn = unsafe extern "system" fn(*const u16, u32) -> i32;

    /// References it if it is loaded. It is never loaded in order to be emptied.
    fn schannel() -> Option<Library> {
        Library::open_already_loaded("schannel.dll").ok()
    }

    pub(crate) fn is_loaded() -> bool {
        schannel().is_some()
    }

    /// `None` when there is nothing to empty.
    pub(crate) fn empty_cache() -> Option<io::Result<()>> {
        let schannel = schannel()?;
        // SAFETY: the export has the documented signature; no name means every server's sessions, the flags are reserved;
        // and the reference is held until after the call.
        let emptied = unsafe {
            match schannel.get::<SslEmptyCacheFn>(b"SslEmptyCacheW\0") {
                Ok(empty) => empty(ptr::null(), 0),
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        };
        Some(if emptied == 0 { Err(io::Error::last_os_error()) } else { Ok(()) })
    }

    /// What the first TLS connection does.
    pub(crate) fn load() -> Option<Library> {
        // SAFETY: it is Windows' own, from its own folder.
        unsafe { Library::load_with_flags("schannel.dll", LOAD_LIBRARY_SEARCH_SYSTEM32) }.ok()
    }
}

#[cfg(not(windows))]
mod system {
    pub(crate) fn is_loaded() -> bool {
        false
    }

    pub(crate) fn empty_cache() -> Option<std::io::Result<()>> {
        None
    }

    pub(crate) fn load() -> Option<()> {
        None
    }
}

fn main() {
    let ssps = SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).build();
    let schannel = Schannel::default();
    let all = Providers::new([&ssps as &dyn CredentialProvider, &schannel]);

    println!("as long as nothing uses TLS:\n{}\n", all.flush_all());
    let loaded = system::load();
    println!("with Schannel {}loaded:\n{}", if loaded.is_some() { "" } else { "not " }, all.flush_all());
}
