//! The libraries, and where they are found.

use std::{fs, path::PathBuf};

use libloading::os::unix::{Library as Loaded, RTLD_LOCAL, RTLD_NOW};
use windows_sys::Win32::Security::Authentication::Identity::SecurityFunctionTableW;

/// A library that speaks SSPI.
pub(crate) struct Library {
    /// As the tables call it.
    pub(crate) name: &'static str,
    /// Its file, or where to get it.
    find: fn() -> Result<PathBuf, String>,
}

/// The peers.
pub(crate) const PEERS: [Library; 2] =
    [Library { name: "sspilib's library", find: sspilib }, Library { name: "WinPR", find: winpr }];

/// The mock, which the parent process has built.
pub(crate) const MOCK: Library = Library {
    name: "the mock DLL",
    find: || std::env::var_os(MOCK_FILE).map(PathBuf::from).ok_or_else(|| format!("{MOCK_FILE} is not set")),
};

/// Names the mock to child processes.
pub(crate) const MOCK_FILE: &str = "SSPCACHE_BENCH_MOCK";

/// The library of this name.
pub(crate) fn named(name: &str) -> &'static Library {
    const ALL: [&Library; 3] = [&MOCK, &PEERS[0], &PEERS[1]];
    ALL.into_iter().find(|library| library.name == name).expect("a library's name")
}

impl Library {
    /// Its file, or what to do where it is missing.
    pub(crate) fn file(&self) -> Result<PathBuf, String> {
        (self.find)()
    }

    /// Loads it, for good, and gives its table.
    #[allow(unsafe_code, reason = "loads a library and calls an export")]
    pub(crate) fn load(&self) -> &'static SecurityFunctionTableW {
        type Init = unsafe extern "system" fn() -> *const SecurityFunctionTableW;
        let file = self.file().unwrap_or_else(|how| panic!("{how}"));
        // SAFETY: none of them does anything while it is loaded that depends on its surroundings.
        let loaded = unsafe { Loaded::open(Some(&file), RTLD_NOW | RTLD_LOCAL) };
        let loaded = loaded.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // SAFETY: the export has the type that its page gives.
        let init = unsafe { loaded.get::<Init>(b"InitSecurityInterfaceW") }.expect("every SSP exports it");
        // SAFETY: a table is there for as long as its library is loaded, which from here on is for good.
        let table = unsafe { init().as_ref() }.expect("a table");
        std::mem::forget(loaded);
        table
    }
}

/// In the environment of `cargo xtask setup`, where the wheel puts it under a name with a hash.
fn sspilib() -> Result<PathBuf, String> {
    let tools = sspcache_benches::root().join(".tools/lib");
    let pythons = fs::read_dir(tools).into_iter().flatten().flatten();
    let folders = pythons.map(|python| python.path().join("site-packages/sspilib.libs"));
    let mut files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let library = files.find(|file| file.file_name().as_encoded_bytes().starts_with(b"libsspi-"));
    library.map(|file| file.path()).ok_or_else(|| {
        "the library of the Python package sspilib is missing: run `cargo xtask setup`".to_owned()
    })
}

/// By the name that distributions give it, wherever the system's loader looks.
#[allow(unsafe_code, reason = "loads a library")]
fn winpr() -> Result<PathBuf, String> {
    const NAMES: [&str; 2] = ["libwinpr2.so.2", "libwinpr3.so.3"];
    // SAFETY: WinPR may be loaded and unloaded anywhere.
    let is_there = |name: &&str| unsafe { Loaded::open(Some(*name), RTLD_NOW | RTLD_LOCAL) }.is_ok();
    let name = NAMES.into_iter().find(is_there);
    name.map(PathBuf::from).ok_or_else(|| {
        "WinPR is missing: on Debian or Ubuntu `apt-get install libwinpr2-2`, or `libwinpr3-3` where that is newer"
            .to_owned()
    })
}
