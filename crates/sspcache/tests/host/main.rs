//! The loader of this very process, with real DLLs: as native modules on Unix, and as Windows modules on Windows and
//! under Wine.
//!
//! The tests share the process. Each loads its modules under names of its own, and opts in on a window station that is
//! not visible, as CI agents have one. A test that cannot share it runs in a process of its own ([`process`]).
#![allow(unsafe_code, reason = "loads DLLs")]

// The DLLs that tests load, copied under the names that a test needs.
mod fixtures;
// Processes in which one test of this binary runs alone.
mod process;
// The same under Wine, with an environment that Unix libraries see.
#[cfg(windows)]
mod wine;

// The caches of today, K1 to K4: of system DLLs, and below it of Windows itself.
mod caches;
// Flushing modules that are loaded, and finding them: C1 to C5, C8.
mod flush;
// Signing in through a module that is loaded, and what keeps it loaded.
mod sign_in;

// A flush inside DllMain, C6. Windows alone.
#[cfg(windows)]
mod dllmain;
// A window station that is not visible, C7. Windows alone.
#[cfg(windows)]
mod window_station;

use sspcache::{SspCaches, loader::NativeLoader};

/// A provider of this process that knows one SSP more.
fn provider(name: &str) -> SspCaches<NativeLoader> {
    SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).register(name).build()
}
