//! The one loader of this process.

use std::{env, path::PathBuf, sync::LazyLock};

use libloading::os::unix::Library;
use sspcache_loader::{EmulatedLoader, ModuleFile};
use widestring::U16String;

use crate::disk::{Address, HostDisk, to_windows};

/// The loader, made at its first use.
pub(crate) fn loader() -> &'static EmulatedLoader<Address> {
    static LOADER: LazyLock<EmulatedLoader<Address>> = LazyLock::new(|| {
        let path = env::current_exe().unwrap_or_else(|_| PathBuf::from("/program"));
        let program = ModuleFile::new(&to_windows(&path)).exports_from(|name| {
            let name = std::ffi::CString::new(name).ok()?;
            // SAFETY: the symbol is only taken as an address here.
            let symbol = unsafe { Library::this().get::<*const ()>(name.as_bytes_with_nul()) }.ok()?;
            Some(symbol.as_raw_ptr().expose_provenance())
        });
        EmulatedLoader::with_disk(program, HostDisk)
    });
    &LOADER
}

/// Has the loader look where this process's files may lie now: beside the program, then on the host's library path, then in
/// the current directory (clause L12).
pub(crate) fn refresh_search() {
    let loader = loader();
    let program = env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from));
    let variable = if cfg!(target_vendor = "apple") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
    let path = env::var_os(variable).unwrap_or_default();
    let folders = program.into_iter().chain(env::split_paths(&path).filter(|folder| folder.is_absolute()));
    let folders: Vec<U16String> = folders.map(|folder| to_windows(&folder)).collect();
    loader.set_search_folders(folders.iter().map(Into::into));
    if let Ok(current) = env::current_dir() {
        loader.set_current_directory(&to_windows(&current));
    }
}
