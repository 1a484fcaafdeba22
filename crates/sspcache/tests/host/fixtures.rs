//! DLLs that lie beside the test program, copied under the names that a test needs, and loaded.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use libloading::Library;
use tempfile::TempDir;

/// The SSP that counts its flushes.
pub(crate) const SSP_COUNTER: &str = "ssp_counter";
/// A stand-in for system DLLs that have caches.
pub(crate) const CACHE_COUNTER: &str = "cache_counter";
/// A DLL that is no SSP.
pub(crate) const TINY_DLL: &str = "tiny_dll";
/// A DLL that flushes in its DllMain.
#[cfg(windows)]
pub(crate) const DLLMAIN_FLUSHER: &str = "dllmain_flusher";
/// The mock SSP.
pub(crate) const MSNSSPC: &str = "MSNSSPC";

/// Copies a fixture into a folder, under a name.
pub(crate) fn copy(fixture: &str, folder: &Path, name: &str) -> PathBuf {
    let built = env::current_exe().expect("a path").with_file_name(libloading::library_filename(fixture));
    let copy = folder.join(name);
    fs::copy(&built, &copy).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    copy
}

/// A folder's path without links; on Windows with the prefix that lifts the limit on its length.
fn verbatim(folder: &TempDir) -> String {
    fs::canonicalize(folder.path()).expect("a folder").display().to_string()
}

/// The same path without the prefix.
fn plain(path: &str) -> &str {
    path.strip_prefix(r"\\?\").unwrap_or(path)
}

#[track_caller]
fn load(path: &str) -> Library {
    // SAFETY: a fixture's initialization may run on any thread.
    unsafe { Library::new(path) }.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A copy of a fixture in a folder of its own, and a reference to it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Loaded {
    // Declared first, so dropped first: Windows removes no file that is loaded.
    library: Library,
    path: PathBuf,
    _folder: TempDir,
}

impl Loaded {
    /// Loads a copy that has this name.
    pub(crate) fn new(fixture: &str, name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = copy(fixture, Path::new(plain(&verbatim(&folder))), name);
        // Windows adds `.dll` to a name without extension, unless a dot says that none is meant.
        let dot = if cfg!(windows) && path.extension().is_none() { "." } else { "" };
        let library = load(&format!("{}{dot}", path.display()));
        Self { library, path, _folder: folder }
    }

    /// Loads a copy that has this name from deep below its own folder.
    pub(crate) fn deep(fixture: &str, name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mut deepest = PathBuf::from(verbatim(&folder));
        deepest.extend(["a folder with a name of forty characters"; 12]);
        fs::create_dir_all(&deepest).expect("a folder");
        let path = copy(fixture, &deepest, name);
        Self { library: load(&path.display().to_string()), path, _folder: folder }
    }

    /// Whether this is the path of this copy's file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        plain(&self.path.display().to_string()) == plain(&path.display().to_string())
    }

    /// Removes this copy's file, which no module on Unix needs once it is loaded.
    #[cfg(unix)]
    pub(crate) fn remove_file(&self) {
        fs::remove_file(&self.path).expect("its own file");
    }

    /// How often this copy of [`SSP_COUNTER`] was flushed.
    pub(crate) fn calls(&self) -> u32 {
        // SAFETY: the fixture's export has this type.
        let calls: extern "system" fn() -> u32 = unsafe { self.export("ssp_counter_calls") };
        calls()
    }

    /// Sets what this copy of [`SSP_COUNTER`] answers.
    pub(crate) fn answer(&self, answer: i32) {
        // SAFETY: as above.
        let set: extern "system" fn(i32) = unsafe { self.export("ssp_counter_answer") };
        set(answer);
    }

    /// Sets what this copy of [`SSP_COUNTER`] calls while it is flushed.
    pub(crate) fn during(&self, during: extern "system" fn()) {
        // SAFETY: as above.
        let set: extern "system" fn(extern "system" fn()) = unsafe { self.export("ssp_counter_during") };
        set(during);
    }

    /// How often this copy of [`CACHE_COUNTER`] was flushed, as documented.
    pub(crate) fn cache_calls(&self) -> u32 {
        // SAFETY: as above.
        let calls: extern "system" fn() -> u32 = unsafe { self.export("cache_counter_calls") };
        calls()
    }

    /// Sets what this copy of [`CACHE_COUNTER`] answers.
    pub(crate) fn cache_answer(&self, answer: i32) {
        // SAFETY: as above.
        let set: extern "system" fn(i32) = unsafe { self.export("cache_counter_answer") };
        set(answer);
    }

    /// Lets a copy of [`DLLMAIN_FLUSHER`] flush from ordinary code.
    #[cfg(windows)]
    pub(crate) fn flush(&self) {
        // SAFETY: as above.
        let flush: extern "system" fn() = unsafe { self.export("dllmain_flusher_flush") };
        flush();
    }

    /// An export, to be called while this is there.
    ///
    /// # Safety
    /// The export has this type.
    pub(crate) unsafe fn export<T: Copy>(&self, name: &str) -> T {
        // SAFETY: by this function's contract.
        *unsafe { self.library.get(name) }.unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}
