//! Module loaders: how the protocol finds the modules of SSPs, and calls them.
//!
//! Applications need [`NativeLoader`] only, to build their own [`SspCaches`](crate::SspCaches). It is the loader of the current
//! process: Windows' loader, or the dynamic linker on Unix. `sspcache_mock::MockProcess` is the loader of an emulated process.
//!
//! The protocol asks a [`Loader`] which modules of a name are loaded and whether it is safe to flush, and a [`Module`] for its
//! exports. A module's [`SecurityInterface`] is its table of SSPI functions.

use std::{ffi::CStr, io, path::PathBuf, sync::Arc};

use sspcache_types::{ContextFlags, Identity, Role, SecurityStatus};
pub use sspcache_types::{Progress, Refusal};
use zeroize::Zeroizing;

use crate::request::{ContextRequest, Protection, Sealed, SignIn};

mod caller;
#[doc(hidden)]
pub use self::caller::{called_from, caller};

cfg_if::cfg_if! {
    if #[cfg(windows)] {
        mod sspi;
        mod windows;
        pub use self::{sspi::{ContextHandle, CredentialHandle, FunctionTable}, windows::{NativeLoader, NativeModule}};
    } else if #[cfg(unix)] {
        mod sspi;
        mod unix;
        pub use self::{sspi::{ContextHandle, CredentialHandle, FunctionTable}, unix::{NativeLoader, NativeModule}};
    } else {
        compile_error!("sspcache knows the loaders of Windows and of Unix");
    }
}

/// The module loader of a process, real or emulated.
pub trait Loader: Send + Sync {
    /// A loaded module. It stays loaded until this is dropped.
    type Module: Module;

    /// Returns whether this thread is inside a loader callback: DllMain, or a constructor or destructor of a global object.
    fn is_inside_loader_callback(&self) -> bool;

    /// Returns what kind of window station the process runs on.
    fn window_station(&self) -> WindowStation;

    /// Returns the loaded modules of this file name, the first loaded one first. It references all of them before it returns,
    /// so that flushing one can't unload another. It loads nothing. When there is none, it allocates nothing and touches no
    /// file.
    ///
    /// # Errors
    /// When the operating system fails to answer.
    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = Self::Module>>;
}

impl<L: Loader> Loader for Arc<L> {
    type Module = L::Module;

    fn is_inside_loader_callback(&self) -> bool {
        (**self).is_inside_loader_callback()
    }

    fn window_station(&self) -> WindowStation {
        (**self).window_station()
    }

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = Self::Module>> {
        (**self).modules(name)
    }
}

/// A loaded module. It stays loaded until this is dropped.
pub trait Module: Send + Sync + 'static {
    /// The SSPI functions that the export `InitSecurityInterface` returns.
    type Interface: SecurityInterface;

    /// The path of the module's file.
    fn path(&self) -> PathBuf;

    /// Returns the export `CleanupCredentialCache`, or `None` when the module has none. Calling it returns TRUE or FALSE.
    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool>;

    /// Returns the export `SslEmptyCacheW`, or `None` when the module has none. Calling it empties the cache of every server.
    fn ssl_empty_cache(&self) -> Option<impl FnOnce() -> io::Result<()>> {
        None::<fn() -> io::Result<()>>
    }

    /// Returns the export `InternetSetOptionW`, or `None` when the module has none. Calling it ends WinINet's session.
    fn end_browser_session(&self) -> Option<impl FnOnce() -> io::Result<()>> {
        None::<fn() -> io::Result<()>>
    }

    /// Calls the export `InitSecurityInterface` and returns its result, or `None` when the module has none.
    fn security_interface(&self) -> Option<Result<Self::Interface, SecurityStatus>>;
}

/// The SSPI functions of an SSP, as far as this crate calls them. It holds a reference to its module, if that can be unloaded.
///
/// Each method is the function that it names. When the function fails, the error is the status that it returned. A function
/// that an SSP lacks returns [`SecurityStatus::UNSUPPORTED_FUNCTION`], as an empty place in its table does.
///
/// Handles belong to the interface that returned them. Each is freed or deleted once. Nothing here enforces that: the types of this
/// crate do, and `sspcache_mock::MockSsp::expect_no_misuse` finds who doesn't.
pub trait SecurityInterface: Send + Sync + 'static {
    /// A credential handle. It is freed by [`Self::free`], not by dropping it.
    type Handle: Send + Sync;

    /// A context handle. It is deleted by [`Self::delete`], not by dropping it.
    type Context: Send + Sync;

    /// `AcquireCredentialsHandle`, outbound.
    #[track_caller]
    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<Self::Handle, SecurityStatus>;

    /// `AcquireCredentialsHandle`, inbound.
    #[track_caller]
    fn acquire_inbound(&self, package: &str) -> Result<Self::Handle, SecurityStatus>;

    /// `AddCredentials`, outbound: one more credential for a handle, over this package.
    #[track_caller]
    fn add_credentials(
        &self,
        handle: &Self::Handle,
        package: &str,
        sign_in: &SignIn<'_>,
    ) -> Result<(), SecurityStatus>;

    /// `ChangeAccountPassword`: from the password that the identity has to the new one.
    fn change_password(
        &self,
        package: &str,
        account: Identity<'_>,
        new_password: &str,
    ) -> Result<(), SecurityStatus>;

    /// `QueryCredentialsAttributes` with `SECPKG_CRED_ATTR_NAMES`.
    #[track_caller]
    fn principal(&self, handle: &Self::Handle) -> Result<String, SecurityStatus>;

    /// `FreeCredentialsHandle`.
    #[track_caller]
    fn free(&self, handle: &Self::Handle) -> Result<(), SecurityStatus>;

    /// `InitializeSecurityContext` or `AcceptSecurityContext`: the next step, and the token to send after it. `context` is
    /// `None` before the first one. The caller deletes the context that is there afterwards, also when the step failed.
    ///
    /// # Errors
    /// The status, and the token to send to the other side, if there is one.
    #[track_caller]
    fn step(
        &self,
        role: Role,
        credential: &Self::Handle,
        context: &mut Option<Self::Context>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal>;

    /// `CompleteAuthToken`: completes the token that is to be sent.
    #[track_caller]
    fn complete(&self, context: &Self::Context, token: &mut Vec<u8>) -> Result<(), SecurityStatus>;

    /// `DeleteSecurityContext`, of a half-open or failed context too.
    #[track_caller]
    fn delete(&self, context: &Self::Context) -> Result<(), SecurityStatus>;

    /// `ImpersonateSecurityContext`: this thread acts for the client from now on.
    #[track_caller]
    fn impersonate(&self, context: &Self::Context) -> Result<(), SecurityStatus>;

    /// `RevertSecurityContext`: this thread acts for itself again.
    #[track_caller]
    fn revert(&self, context: &Self::Context) -> Result<(), SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_NAMES`.
    #[track_caller]
    fn client(&self, context: &Self::Context) -> Result<String, SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_PACKAGE_INFO`: the package's name.
    #[track_caller]
    fn package(&self, context: &Self::Context) -> Result<String, SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_FLAGS`.
    #[track_caller]
    fn flags(&self, context: &Self::Context) -> Result<ContextFlags, SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_SESSION_KEY`.
    #[track_caller]
    fn session_key(&self, context: &Self::Context) -> Result<Zeroizing<Vec<u8>>, SecurityStatus>;

    /// `MakeSignature`, with the default quality of protection.
    #[track_caller]
    fn sign(&self, context: &Self::Context, message: &[u8]) -> Result<Vec<u8>, SecurityStatus>;

    /// `VerifySignature`.
    #[track_caller]
    fn verify(&self, context: &Self::Context, message: &[u8], signature: &[u8])
    -> Result<(), SecurityStatus>;

    /// `EncryptMessage`, with the quality of protection that this is.
    #[track_caller]
    fn wrap(
        &self,
        context: &Self::Context,
        message: &[u8],
        protection: Protection,
    ) -> Result<Sealed, SecurityStatus>;

    /// `DecryptMessage`: the message, and what the quality of protection says.
    #[track_caller]
    fn unwrap(
        &self,
        context: &Self::Context,
        sealed: &Sealed,
    ) -> Result<(Vec<u8>, Protection), SecurityStatus>;

    /// `ExportSecurityContext`; the context stays until it is deleted.
    #[track_caller]
    fn export(&self, context: &Self::Context) -> Result<Zeroizing<Vec<u8>>, SecurityStatus>;

    /// `ImportSecurityContext`. `role` is the role of the imported end.
    #[track_caller]
    fn import(&self, package: &str, role: Role, packed: &[u8]) -> Result<Self::Context, SecurityStatus>;
}

/// The kind of window station that a process runs on.
///
/// Reference: [Window stations](https://learn.microsoft.com/en-us/windows/win32/winstation/window-stations).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum WindowStation {
    /// There is none: this isn't Windows, or Windows has no user32.
    None,
    /// One that is not visible, as services have.
    NotVisible {
        /// Its name; empty where Windows doesn't return it.
        name: String,
        /// Its `USEROBJECTFLAGS`, without `WSF_VISIBLE`.
        flags: u32,
    },
    /// A visible, interactive one.
    Visible,
}

/// The export that flushes.
pub(crate) const CLEANUP_CREDENTIAL_CACHE: Export = Export(c"CleanupCredentialCache");
/// The export that returns the table of functions.
pub(crate) const INIT_SECURITY_INTERFACE: Export = Export(c"InitSecurityInterfaceW");

/// Why a function that returned FALSE failed.
pub(crate) fn last_error(function: &str) -> io::Error {
    // On Unix there is no `GetLastError`, and `errno` is not what such a function sets.
    let error = cfg!(windows).then(io::Error::last_os_error).filter(|error| error.raw_os_error() != Some(0));
    match error {
        None => io::Error::other(format!("{function} returned FALSE")),
        Some(error) => io::Error::new(error.kind(), format!("{function}: {error}")),
    }
}

/// The name of an export, with the null that the host's loaders want.
#[derive(Clone, Copy)]
pub(crate) struct Export(pub(crate) &'static CStr);

impl Export {
    /// The name, for people.
    pub(crate) const fn name(self) -> &'static str {
        match self.0.to_str() {
            Ok(name) => name,
            Err(_) => unreachable!(),
        }
    }
}
