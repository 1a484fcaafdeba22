//! An emulated Win32 module loader, in safe Rust on any OS.
//!
//! ```
//! use sspcache_loader::{EmulatedLoader, ModuleFile};
//!
//! let loader = EmulatedLoader::new(ModuleFile::new(r"C:\app\app.exe"));
//! loader.register(ModuleFile::new("msnsspc.dll").export("CleanupCredentialCache", || true));
//!
//! assert_eq!(loader.find("msnsspc").unwrap_err().code(), 126, "known to the disk, but not loaded");
//! let module = loader.load("MSNSSPC.DLL").unwrap();
//! assert_eq!(loader.find("msnsspc").unwrap(), module);
//! let cleanup = loader.procedure(module, "CleanupCredentialCache").unwrap();
//! assert!(cleanup());
//! loader.free(module).unwrap();
//! assert_eq!(loader.find("msnsspc").unwrap_err().code(), 126);
//! ```
#![forbid(unsafe_code)]

mod error;
mod file;
mod handle;
mod loader;
mod lookup;
mod module_ref;
mod name;
mod notification;
mod sync;
mod table;

pub use error::LoaderError;
pub use file::ModuleFile;
pub use handle::Handle;
pub use loader::EmulatedLoader;
pub use lookup::{Lifetime, LookupFlags, Procedure, Sought};
pub use module_ref::ModuleRef;
pub use name::Name;
pub use notification::{Notification, Reason};
