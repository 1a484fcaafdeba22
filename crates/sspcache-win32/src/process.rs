//! The one loader of this process.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

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
    let current = env::current_dir().ok();
    if let Some(current) = &current {
        loader.set_current_directory(&to_windows(current));
    }
    let path = env::var_os(LIBRARY_PATH).unwrap_or_default();
    let folders = entries(&path).filter_map(|folder| {
        // As the linker has it: from the current directory, which an empty entry is.
        if folder.is_absolute() { Some(folder) } else { Some(absolute(current.as_ref()?, &folder)) }
    });
    let folders = folders.chain(USUAL.map(PathBuf::from)).map(|folder| to_windows(&folder));
    let folders: Vec<U16String> = [secur32::folder()].into_iter().chain(folders).collect();
    loader.set_system_folders(folders.iter().map(Into::into));
}

/// The entries of a library path. A variable that is empty has none. glibc takes `;` for `:`, too.
fn entries(path: &OsStr) -> impl Iterator<Item = PathBuf> {
    let is_end = |byte: &u8| *byte == b':' || cfg!(target_env = "gnu") && *byte == b';';
    let entries = path.as_bytes().split(is_end).filter(|_| !path.is_empty());
    entries.map(|entry| PathBuf::from(OsStr::from_bytes(entry)))
}

/// A relative folder from the current one. The loader's paths have no dots, so those are resolved here, as the host does.
fn absolute(current: &Path, folder: &Path) -> PathBuf {
    let joined = current.join(folder);
    fs::canonicalize(&joined).unwrap_or(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_path_has_an_entry_between_colons_even_an_empty_one() {
        let all = |path: &str| entries(path.as_ref()).collect::<Vec<_>>();
        assert_eq!(all("/a:b:"), ["/a", "b", ""].map(PathBuf::from));
        assert!(all("").is_empty());
        let semicolon = all("/a;b");
        assert_eq!(semicolon.len(), if cfg!(target_env = "gnu") { 2 } else { 1 });
    }
}
