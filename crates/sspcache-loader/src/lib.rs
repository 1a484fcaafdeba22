//! An emulated Win32 module loader, in safe Rust on any OS.
//!
//! An [`EmulatedLoader`] is a process as its module loader sees it: [files](ModuleFile) on a disk, loaded modules with
//! [handles](Handle) and counted [references](ModuleRef), exports, and one recursive loader lock, under which modules
//! get [notifications](Notification) of their loads and unloads. It reads and compares names as Windows does, and each
//! [error](LoaderError) has the code that Windows sets. Loaders share nothing: a hundred tests in one process, each
//! with its own loader, neither see nor wait for each other.
//!
//! You choose the type of exports: a closure in a test, an address behind a C ABI. The loader returns exports and never
//! calls them.
//!
//! # Example
//!
//! A sign-out that must not run under the loader lock, and a module that tries it in its load notification:
//!
//! ```
//! use std::sync::Arc;
//! use sspcache_loader::{EmulatedLoader, LoaderError, ModuleFile};
//!
//! type Export = Arc<dyn Fn() -> bool + Send + Sync>;
//!
//! fn sign_out(loader: &EmulatedLoader<Export>) -> Result<bool, LoaderError> {
//!     if loader.is_loader_lock_held_by_current_thread() {
//!         return Ok(false);
//!     }
//!     let ssp = loader.acquire("msnsspc.dll")?; // stays loaded while this is held
//!     Ok(ssp.procedure("CleanupCredentialCache")?())
//! }
//!
//! let loader = EmulatedLoader::new(ModuleFile::new(r"C:\app\app.exe"));
//! let cleanup: Export = Arc::new(|| true);
//! loader.register(
//!     ModuleFile::new("msnsspc.dll") // in the system directory
//!         .export("CleanupCredentialCache", cleanup)
//!         .on_notification(|notification| sign_out(notification.loader()) == Ok(false)),
//! );
//!
//! assert_eq!(sign_out(&loader).unwrap_err().code(), 126, "on the disk, but not loaded");
//! let module = loader.load("MSNSSPC")?;
//! assert_eq!(sign_out(&loader), Ok(true));
//! loader.free(module)?;
//! assert_eq!(sign_out(&loader).unwrap_err().code(), 126);
//! # Ok::<(), LoaderError>(())
//! ```
//!
//! # How it is checked
//!
//! `fixtures/loader/` has some 390 rows of calls with their results, many for all combinations of spellings. Each names
//! the page of Microsoft's reference that it follows, or says *observed*. The same rows test this loader, its C ABI,
//! and the system's own loader in a Windows program; a row that allows a difference gives the reason.
//!
//! # Limits
//!
//! The loader reads and maps no real file. A module has no dependencies, except those that its notification loads.
//! Buffers and the thread's last error belong to the C ABI, which is the crate `sspcache-win32`.
#![cfg_attr(not(test), warn(clippy::missing_panics_doc))]
#![forbid(unsafe_code)]

mod by_name;
mod disk;
mod error;
mod file;
mod handle;
mod load_flags;
mod loader;
mod lookup;
mod module_ref;
mod name;
mod notification;
mod plain_name;
mod search;
mod sync;
mod table;

pub use disk::Disk;
pub use error::LoaderError;
pub use file::ModuleFile;
pub use handle::Handle;
pub use load_flags::LoadFlags;
pub use loader::{EmulatedLoader, Paused};
pub use lookup::{Lifetime, LookupFlags, Procedure, Sought};
pub use module_ref::{ModuleRef, ModuleRefs};
pub use name::Name;
pub use notification::{Notification, Reason};
pub use plain_name::PlainName;
pub use search::DirectoryCookie;
