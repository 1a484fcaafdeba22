//! The modules of this library's process as an [`sspcache::loader::Loader`] (feature `provider`).

use std::{fs, io, mem, path::PathBuf, ptr};

use sspcache::{
    SecurityStatus, SspCaches,
    loader::{Loader, Module, NativeLoader, NativeModule, WindowStation},
};
use sspcache_loader::ModuleRef;

use crate::{disk::to_host, locks::Address, process::loader};

/// The loader behind the C functions, for programs in Rust that load their modules through them: it flushes modules
/// that `sspcache_LoadLibraryA` loaded.
///
/// It refuses a flush inside a module's constructors and destructors, which `LoadLibrary` and `FreeLibrary` run (clause
/// C6); the host's linker can't detect that. It doesn't find modules that the host's linker loaded by itself: use the
/// [`NativeLoader`] for those. It flushes a mock that is linked in, but can't sign in through it.
///
/// ```
/// use sspcache::{Flush, CredentialProvider};
/// use sspcache_win32::Win32Loader;
///
/// let ssps = Win32Loader::provider();
/// assert_eq!(ssps.flush("MSNSSPC.dll").unwrap(), Flush::Absent);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Win32Loader;

impl Win32Loader {
    /// A provider of the known SSPs among the modules that this library loaded.
    pub fn provider() -> SspCaches<Self> {
        SspCaches::new(Self)
    }
}

impl Loader for Win32Loader {
    type Module = Win32Module;

    fn is_inside_loader_callback(&self) -> bool {
        loader().is_loader_lock_held_by_current_thread()
    }

    /// Always [`WindowStation::None`]: Unix has none.
    fn window_station(&self) -> WindowStation {
        WindowStation::None
    }

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = Win32Module>> {
        let modules = loader().acquire_all(name).map_err(io::Error::other)?;
        Ok(modules.map(Win32Module))
    }
}

/// A module that `LoadLibrary` loaded, referenced as by `GetModuleHandleEx`.
#[derive(Debug)]
pub struct Win32Module(ModuleRef<Address>);

impl Module for Win32Module {
    /// The function table, read by the host's loader, with a reference of the host's linker.
    type Interface = <NativeModule as Module>::Interface;

    fn path(&self) -> PathBuf {
        // The reference keeps the handle valid.
        let path = self.0.file_name().unwrap_or_default();
        to_host(&path).unwrap_or_else(|| path.to_string_lossy()).into()
    }

    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool> {
        let address = self.0.procedure("CleanupCredentialCache").ok()?;
        let address = ptr::with_exposed_provenance::<()>(address);
        // SAFETY: the export of an SSP is this function (clause C1; registering an SSP asserts that).
        let cleanup: extern "C" fn() -> i32 = unsafe { mem::transmute(address) };
        // The closure's type captures the borrow of `self`, which keeps the module loaded.
        Some(move || cleanup() != 0)
    }

    fn security_interface(&self) -> Option<Result<Self::Interface, SecurityStatus>> {
        let path = self.path();
        let name = path.file_name()?.to_str()?;
        let own = fs::canonicalize(&path).ok();
        // The host's linker has the same file open, and names it.
        let host = NativeLoader::default();
        let mut modules = host.modules(name).ok()?;
        modules.find(|module| fs::canonicalize(module.path()).ok() == own)?.security_interface()
    }
}
