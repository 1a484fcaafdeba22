//! Signing in through an SSP: a seam of its own, beside flushing.

use std::{fmt, sync::Arc};

use crate::{
    Error, SecurityStatus,
    loader::{INIT_SECURITY_INTERFACE, Module, SecurityInterface},
};

/// A security package of an SSP that is loaded, to sign in through.
///
/// It is a seam of its own, because the two SSPs of Microsoft's page can be flushed through any Windows, and acquired
/// from only where they exist: on the Windows of their time, or as a mock.
///
/// ```no_run
/// use sspcache::SignIn;
/// // Something in this process has loaded the SSP.
/// let msn = sspcache::native().security_package("MSNSSPC.dll", "MSN")?;
/// let credential = msn.acquire(&SignIn::password("alice", "CONTOSO", "correct horse"))?;
/// println!("signed in as {}", credential.principal()?);
/// # Ok::<(), sspcache::Error>(())
/// ```
pub trait SecurityPackage: Send + Sync {
    /// The package's name.
    fn name(&self) -> &str;

    /// `AcquireCredentialsHandle`: signs in. The credential holds a reference to the SSP's module, and is given back when
    /// it is dropped; what it brought into the SSP's cache stays there until it is flushed.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
    fn acquire(&self, sign_in: &SignIn<'_>) -> Result<Credential, Error>;
}

/// How to sign in. `Debug` shows whom, and never the password.
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    principal: Option<&'a str>,
    identity: Option<Identity<'a>>,
}

impl<'a> SignIn<'a> {
    /// With a password. The SSP caches it: that is what a sign-out has to flush.
    pub fn password(user: &'a str, domain: &'a str, password: &'a str) -> Self {
        Self { principal: None, identity: Some(Identity { user, domain, password }) }
    }

    /// With what the SSP has cached.
    pub fn silent() -> Self {
        Self { principal: None, identity: None }
    }

    /// With what is cached for this principal: `DOMAIN\user` or `user@realm`.
    #[must_use]
    pub fn of(self, principal: &'a str) -> Self {
        Self { principal: Some(principal), ..self }
    }

    /// The principal that was named, if any.
    pub fn principal(&self) -> Option<&'a str> {
        self.principal
    }

    /// The explicit identity, for a sign-in that isn't silent.
    pub fn identity(&self) -> Option<Identity<'a>> {
        self.identity
    }
}

impl fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("principal", &self.principal)
            .field("identity", &self.identity)
            .finish()
    }
}

/// Who signs in explicitly. `Debug` shows everything but the password.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The user.
    pub user: &'a str,
    /// The domain or realm; may be empty.
    pub domain: &'a str,
    /// The password. Whoever passes it on keeps no copy.
    pub password: &'a str,
}

impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// A credential handle, given back when dropped.
pub struct Credential(Box<dyn Held>);

impl Credential {
    /// `QueryCredentialsAttributes` with `SECPKG_CRED_ATTR_NAMES`: whom it stands for.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [QueryCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycredentialsattributesw).
    pub fn principal(&self) -> Result<String, Error> {
        self.0.principal()
    }

    /// `FreeCredentialsHandle`: gives it back now, as dropping it does, and tells what came of it.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [FreeCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle).
    pub fn give_back(mut self) -> Result<(), Error> {
        self.0.free()
    }
}

impl Drop for Credential {
    fn drop(&mut self) {
        // A destructor has nobody to tell; `give_back` does.
        let _ = self.0.free();
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// A package of any module.
pub(crate) struct Package<M: Module> {
    open: Arc<Open<M>>,
    name: String,
}

/// A module's interface, and the module, whose path is in every error: declared, and so dropped, after it.
struct Open<M: Module> {
    interface: M::Interface,
    module: M,
}

impl<M: Module> Open<M> {
    fn failed(&self, function: &'static str) -> impl FnOnce(SecurityStatus) -> Error {
        let module = self.module.path();
        move |status| Error::Sspi { module, function, status }
    }
}

impl<M: Module> Package<M> {
    pub(crate) fn open(module: M, name: &str) -> Result<Self, Error> {
        let interface = module
            .security_interface()
            .ok_or_else(|| Error::ExportMissing { module: module.path(), export: INIT_SECURITY_INTERFACE })?;
        let interface = interface.map_err(|status| Error::Sspi {
            module: module.path(),
            function: INIT_SECURITY_INTERFACE,
            status,
        })?;
        Ok(Self { open: Arc::new(Open { interface, module }), name: name.to_owned() })
    }
}

impl<M: Module> SecurityPackage for Package<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn acquire(&self, sign_in: &SignIn<'_>) -> Result<Credential, Error> {
        let acquired = self.open.interface.acquire(&self.name, sign_in);
        let handle = acquired.map_err(self.open.failed("AcquireCredentialsHandle"))?;
        Ok(Credential(Box::new(HeldHandle { handle: Some(handle), open: self.open.clone() })))
    }
}

trait Held: Send + Sync {
    fn principal(&self) -> Result<String, Error>;
    fn free(&mut self) -> Result<(), Error>;
}

struct HeldHandle<M: Module> {
    handle: Option<<M::Interface as SecurityInterface>::Handle>,
    open: Arc<Open<M>>,
}

impl<M: Module> Held for HeldHandle<M> {
    fn principal(&self) -> Result<String, Error> {
        // There until `free`, after which nobody can call this any more.
        let Some(handle) = &self.handle else { return Ok(String::new()) };
        self.open.interface.principal(handle).map_err(self.open.failed("QueryCredentialsAttributes"))
    }

    fn free(&mut self) -> Result<(), Error> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        self.open.interface.free(&handle).map_err(self.open.failed("FreeCredentialsHandle"))
    }
}
