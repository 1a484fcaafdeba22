//! The one loader of this process.

use std::{env, path::PathBuf};

use libloading::os::unix::Library;
use sspcache_loader::{EmulatedLoader, ModuleFile};
use widestring::U16String;

use crate::{
    disk::{HostDisk, to_windows},
    locks::{self, Address},
    secur32,
};

/// The loader, created at its first use.
pub(crate) fn loader() -> &'static EmulatedLoader<Address> {
    locks::loader(|| {
        let path = env::current_exe().unwrap_or_else(|_| PathBuf::from("/program"));
        let program = ModuleFile::new(&to_windows(&path)).exports_from(|name| {
            let name = std::ffi::CString::new(name).ok()?;
            // SAFETY: the symbol is only taken as an address here.
            let symbol = unsafe { Library::this().get::<*const ()>(name.as_bytes_with_nul()) }.ok()?;
            Some(symbol.as_raw_ptr().expose_provenance())
        });
        let loader = EmulatedLoader::with_disk(program, HostDisk);
        secur32::register(&loader);
        #[cfg(feature = "mock")]
        crate::linked::register(&loader, &path);
        loader
    })
}

/// Updates the loader's folders to those of the process now: beside the program, then Windows' system folder and the host's
/// library path, then the current directory (clause L12).
pub(crate) fn refresh_search() {
    const LIBRARY_PATH: &str =
        if cfg!(target_vendor = "apple") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
    /// The folders that a host's linker searches after those of the variable.
    const USUAL: [&str; 2] = ["/usr/local/lib", "/usr/lib"];
    let loader = loader();
    if let Ok(current) = env::current_dir() {
        loader.set_current_directory(&to_windows(&current));
    }
    let path = env::var_os(LIBRARY_PATH).unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    let folders = folders.chain(USUAL.map(PathBuf::from)).map(|folder| to_windows(&folder));
    let folders: Vec<U16String> = [secur32::folder()].into_iter().chain(folders).collect();
    loader.set_system_folders(folders.iter().map(Into::into));
}
