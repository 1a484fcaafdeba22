//! Who answers for loaded modules: the seam below the protocol.
//!
//! The protocol asks a [`Loader`] which modules are loaded under a name and whether it is safe to flush from here, and
//! a [`Module`] for a typed view of its exports. [`NativeLoader`] answers for the real process: Windows' loader, or
//! the Unix dynamic linker. `sspcache_mock::MockLoader` answers for an emulated one, without a line of `unsafe`.

use std::io;

use crate::{SecurityStatus, SignIn};

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        mod sspi;
        mod windows;
        pub use self::windows::NativeLoader;
    } else if #[cfg(unix)] {
        mod sspi;
        mod unix;
        pub use self::unix::NativeLoader;
    } else {
        compile_error!("sspcache knows the loaders of Windows and of Unix");
    }
}

/// The module that a [`NativeLoader`] finds.
pub type NativeModule = <NativeLoader as Loader>::Module;

/// Who knows which modules are loaded in a process, real or emulated.
pub trait Loader: Send + Sync {
    /// A loaded module, referenced for as long as it is held.
    type Module: Module;

    /// Whether this thread is inside a loader callback: DllMain, or a constructor or destructor of a global object
    /// (clause C6).
    fn is_inside_loader_callback(&self) -> bool;

    /// What the process's window station is like (clause C7).
    fn window_station(&self) -> WindowStation;

    /// The loaded modules of this file name, the first loaded one first, each referenced while it is held (clause C4).
    /// Nothing is loaded; when there is none, nothing is allocated and no file is touched.
    ///
    /// # Errors
    /// When the operating system can't be asked.
    fn modules(&self, name: &str) -> io::Result<Vec<Self::Module>>;
}

/// A loaded module: it stays loaded while this is held.
pub trait Module: Send + Sync + 'static {
    /// What `InitSecurityInterface` gives.
    type Interface: SecurityInterface;

    /// Path of the module's file.
    fn path(&self) -> String;

    /// The export `CleanupCredentialCache`, to be called once: `None` when the module has no such export, and TRUE or
    /// FALSE, as it returns, when it has.
    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool>;

    /// Calls the export `InitSecurityInterface`: `None` when the module has none.
    fn security_interface(&self) -> Option<Result<Self::Interface, SecurityStatus>>;
}

/// The functions of an SSP that signing in takes. It holds a reference to its module, if that can go away. Handles are
/// its own: each is of the interface that gave it, and is freed once.
pub trait SecurityInterface: Send + Sync + 'static {
    /// A credential handle. It is freed by [`Self::free`], not by dropping it.
    type Handle: Send + Sync;

    /// `AcquireCredentialsHandle`, outbound.
    ///
    /// # Errors
    /// The status that the SSP gave.
    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<Self::Handle, SecurityStatus>;

    /// `QueryCredentialsAttributes` with `SECPKG_CRED_ATTR_NAMES`.
    ///
    /// # Errors
    /// The status that the SSP gave.
    fn principal(&self, handle: &Self::Handle) -> Result<String, SecurityStatus>;

    /// `FreeCredentialsHandle`.
    ///
    /// # Errors
    /// The status that the SSP gave.
    fn free(&self, handle: &Self::Handle) -> Result<(), SecurityStatus>;
}

/// What a process's window station is like.
///
/// Reference: [Window stations](https://learn.microsoft.com/en-us/windows/win32/winstation/window-stations).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WindowStation {
    /// There is no such thing here: this isn't Windows, or user32 is not there to tell.
    None,
    /// It is not visible, as that of a service.
    NotVisible {
        /// Its name, as far as Windows tells it.
        name: String,
        /// Its `USEROBJECTFLAGS`, without `WSF_VISIBLE`.
        flags: u32,
    },
    /// It is visible: interactive.
    Visible,
}

/// The export that flushes.
pub(crate) const CLEANUP_CREDENTIAL_CACHE: &str = "CleanupCredentialCache";
/// The export that gives the table of functions.
pub(crate) const INIT_SECURITY_INTERFACE: &str = "InitSecurityInterfaceW";
