//! Who answers for loaded modules: the seam below the protocol.
//!
//! The protocol asks a [`Loader`] which modules are loaded under a name and whether it is safe to flush from here, and
//! a [`Module`] for a typed view of its exports. [`NativeLoader`] answers for the real process: Windows' loader, or
//! the Unix dynamic linker. `sspcache_mock::MockProcess` answers for an emulated one, without a line of `unsafe`.

use std::{ffi::CStr, io, path::PathBuf};

use sspcache_types::{ContextFlags, Identity, Role, SecurityStatus};
pub use sspcache_types::{Progress, Refusal};
use zeroize::Zeroizing;

use crate::request::{ContextRequest, Sealed, SignIn};

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

/// Who knows which modules are loaded in a process, real or emulated.
pub trait Loader: Send + Sync {
    /// A loaded module, referenced for as long as it is held.
    type Module: Module;

    /// Whether this thread is inside a loader callback: DllMain, or a constructor or destructor of a global object
    /// (clause C6).
    fn is_inside_loader_callback(&self) -> bool;

    /// What the process's window station is like (clause C7).
    fn window_station(&self) -> WindowStation;

    /// The loaded modules of this file name, the first loaded one first (clause C4). All are referenced when this returns, each
    /// for as long as it is held, so that flushing one unloads no other. Nothing is loaded; when there is none, nothing is
    /// allocated and no file is touched.
    ///
    /// # Errors
    /// When the operating system can't be asked.
    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = Self::Module>>;
}

/// A loaded module: it stays loaded while this is held.
pub trait Module: Send + Sync + 'static {
    /// What `InitSecurityInterface` gives.
    type Interface: SecurityInterface;

    /// Path of the module's file.
    fn path(&self) -> PathBuf;

    /// The export `CleanupCredentialCache`, to be called once: `None` when the module has no such export, and TRUE or
    /// FALSE, as it returns, when it has.
    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool>;

    /// Calls the export `InitSecurityInterface`: `None` when the module has none.
    fn security_interface(&self) -> Option<Result<Self::Interface, SecurityStatus>>;
}

/// The SSPI functions of an SSP, as far as this crate calls them. It holds a reference to its module, if that can be unloaded.
///
/// Each method is the function that it names. When the function fails, the error is the status that it returned. A function
/// that an SSP lacks returns [`SecurityStatus::UNSUPPORTED_FUNCTION`], as an empty place in its table does.
///
/// Handles belong to the interface that gave them. Each is freed or deleted once.
pub trait SecurityInterface: Send + Sync + 'static {
    /// A credential handle. It is freed by [`Self::free`], not by dropping it.
    type Handle: Send + Sync;

    /// A context handle. It is deleted by [`Self::delete`], not by dropping it.
    type Context: Send + Sync;

    /// `AcquireCredentialsHandle`, outbound.
    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<Self::Handle, SecurityStatus>;

    /// `AcquireCredentialsHandle`, inbound.
    fn acquire_inbound(&self, package: &str) -> Result<Self::Handle, SecurityStatus>;

    /// `AddCredentials`, outbound: one more credential for a handle, over this package.
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
    fn principal(&self, handle: &Self::Handle) -> Result<String, SecurityStatus>;

    /// `FreeCredentialsHandle`.
    fn free(&self, handle: &Self::Handle) -> Result<(), SecurityStatus>;

    /// `InitializeSecurityContext` or `AcceptSecurityContext`: the next step, and the token to send after it. There is no
    /// context before the first one; whatever context is there afterwards, of a step that failed too, is deleted by the
    /// caller.
    ///
    /// # Errors
    /// The status, and the token to send all the same.
    fn step(
        &self,
        role: Role,
        credential: &Self::Handle,
        context: &mut Option<Self::Context>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal>;

    /// `CompleteAuthToken`: completes the token that is to be sent.
    fn complete(&self, context: &Self::Context, token: &mut Vec<u8>) -> Result<(), SecurityStatus>;

    /// `DeleteSecurityContext`, of a half-open or failed context too.
    fn delete(&self, context: &Self::Context) -> Result<(), SecurityStatus>;

    /// `ImpersonateSecurityContext`: this thread acts for the client from now on.
    fn impersonate(&self, context: &Self::Context) -> Result<(), SecurityStatus>;

    /// `RevertSecurityContext`: this thread acts for itself again.
    fn revert(&self, context: &Self::Context) -> Result<(), SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_NAMES`.
    fn client(&self, context: &Self::Context) -> Result<String, SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_PACKAGE_INFO`: the package's name.
    fn package(&self, context: &Self::Context) -> Result<String, SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_FLAGS`.
    fn flags(&self, context: &Self::Context) -> Result<ContextFlags, SecurityStatus>;

    /// `QueryContextAttributes` with `SECPKG_ATTR_SESSION_KEY`.
    fn session_key(&self, context: &Self::Context) -> Result<Zeroizing<Vec<u8>>, SecurityStatus>;

    /// `MakeSignature`, with the default quality of protection.
    fn sign(&self, context: &Self::Context, message: &[u8]) -> Result<Vec<u8>, SecurityStatus>;

    /// `VerifySignature`.
    fn verify(&self, context: &Self::Context, message: &[u8], signature: &[u8])
    -> Result<(), SecurityStatus>;

    /// `EncryptMessage`, with the default quality of protection.
    fn encrypt(&self, context: &Self::Context, message: &[u8]) -> Result<Sealed, SecurityStatus>;

    /// `DecryptMessage`: the message, and the quality of protection that it had.
    fn decrypt(&self, context: &Self::Context, sealed: &Sealed) -> Result<(Vec<u8>, u32), SecurityStatus>;

    /// `ExportSecurityContext`; the context stays until it is deleted.
    fn export(&self, context: &Self::Context) -> Result<Zeroizing<Vec<u8>>, SecurityStatus>;

    /// `ImportSecurityContext`. `role` is the role of the imported end.
    fn import(&self, package: &str, role: Role, packed: &[u8]) -> Result<Self::Context, SecurityStatus>;
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
pub(crate) const CLEANUP_CREDENTIAL_CACHE: Export = Export(c"CleanupCredentialCache");
/// The export that gives the table of functions.
pub(crate) const INIT_SECURITY_INTERFACE: Export = Export(c"InitSecurityInterfaceW");

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
