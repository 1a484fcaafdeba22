//! Signing in through an SSP: a seam of its own, beside flushing.

use std::{fmt, sync::Arc};

use crate::{
    Error, SecurityStatus,
    context::{ContextRequest, Handshake, HeldContext, Negotiation, SecurityContext, Side},
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

    /// `AcquireCredentialsHandle`, inbound: what a server accepts sign-ins with. It brings nothing into the SSP's cache.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
    fn acquire_inbound(&self) -> Result<InboundCredential, Error>;

    /// `ChangeAccountPassword`: changes the password of an account, from the one that the identity has to a new one. What the
    /// SSP has cached is not told of it: flush it, and sign in again.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [ChangeAccountPassword](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-changeaccountpasswordw).
    fn change_password(&self, account: Identity<'_>, new_password: &str) -> Result<(), Error>;

    /// `ImportSecurityContext`: unpacks a context that [`SecurityContext::export`] packed up, perhaps in another process
    /// of this machine. No attribute tells which side of it this is; whoever exported it knows.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [ImportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-importsecuritycontextw).
    fn import(&self, side: Side, packed: &[u8]) -> Result<SecurityContext, Error>;
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
    pub fn as_principal(self, principal: &'a str) -> Self {
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

/// A credential handle to sign in with, given back when dropped.
pub struct Credential(Arc<dyn Held>);

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

    /// `AddCredentials`: signs in once more, with a credential that contexts over this package use from now on. Of one for
    /// Negotiate that is any that it may choose.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [AddCredentials](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addcredentialsw).
    pub fn add(&self, package: &str, sign_in: &SignIn<'_>) -> Result<(), Error> {
        self.0.add(package, sign_in)
    }

    /// Begins a context as its initiator: the client. Nothing is called before the first [`Handshake::step`].
    pub fn initiate(&self, request: ContextRequest) -> Handshake {
        self.0.clone().negotiate(Side::Initiator, request)
    }

    /// `FreeCredentialsHandle`: gives it back now, as dropping it does, and tells what came of it. A handshake that is not
    /// done keeps it until then.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [FreeCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle).
    pub fn close(self) -> Result<(), Error> {
        close(self.0)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

/// A credential handle to accept sign-ins with, given back when dropped.
pub struct InboundCredential(Arc<dyn Held>);

impl InboundCredential {
    /// Begins a context as its acceptor: the server. Nothing is called before the first [`Handshake::step`], which takes
    /// the initiator's token.
    pub fn accept(&self, request: ContextRequest) -> Handshake {
        self.0.clone().negotiate(Side::Acceptor, request)
    }

    /// `FreeCredentialsHandle`, as [`Credential::close`].
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    pub fn close(self) -> Result<(), Error> {
        close(self.0)
    }
}

impl fmt::Debug for InboundCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboundCredential")
    }
}

fn close(mut held: Arc<dyn Held>) -> Result<(), Error> {
    // Whoever else holds it is a handshake, and the last one frees it.
    Arc::get_mut(&mut held).map_or(Ok(()), Held::free)
}

/// A package of any module.
pub(crate) struct Package<M: Module> {
    open: Arc<Open<M>>,
    name: String,
}

/// A module's interface, and the module, whose path is in every error: declared, and so dropped, after it.
pub(crate) struct Open<M: Module> {
    pub(crate) interface: M::Interface,
    pub(crate) module: M,
}

impl<M: Module> Open<M> {
    pub(crate) fn failed(&self, function: &'static str) -> impl FnOnce(SecurityStatus) -> Error + use<M> {
        let module = self.module.path();
        move |status| Error::Sspi { module, function, status }
    }
}

impl<M: Module> Package<M> {
    pub(crate) fn open(module: M, name: &str) -> Result<Self, Error> {
        let interface = module.security_interface().ok_or_else(|| Error::ExportMissing {
            module: module.path(),
            export: INIT_SECURITY_INTERFACE.name(),
        })?;
        let interface = interface.map_err(|status| Error::Sspi {
            module: module.path(),
            function: INIT_SECURITY_INTERFACE.name(),
            status,
        })?;
        Ok(Self { open: Arc::new(Open { interface, module }), name: name.to_owned() })
    }

    fn held(&self, acquired: Result<Handle<M>, SecurityStatus>) -> Result<Arc<HeldCredential<M>>, Error> {
        let handle = acquired.map_err(self.open.failed("AcquireCredentialsHandle"))?;
        Ok(Arc::new(HeldCredential { handle: Some(handle), open: self.open.clone() }))
    }
}

impl<M: Module> SecurityPackage for Package<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn acquire(&self, sign_in: &SignIn<'_>) -> Result<Credential, Error> {
        self.held(self.open.interface.acquire(&self.name, sign_in)).map(|held| Credential(held))
    }

    fn acquire_inbound(&self) -> Result<InboundCredential, Error> {
        self.held(self.open.interface.acquire_inbound(&self.name)).map(|held| InboundCredential(held))
    }

    fn change_password(&self, account: Identity<'_>, new_password: &str) -> Result<(), Error> {
        let changed = self.open.interface.change_password(&self.name, account, new_password);
        changed.map_err(self.open.failed("ChangeAccountPassword"))
    }

    fn import(&self, side: Side, packed: &[u8]) -> Result<SecurityContext, Error> {
        let imported = self.open.interface.import(&self.name, side, packed);
        let context = imported.map_err(self.open.failed("ImportSecurityContext"))?;
        Ok(SecurityContext::new(HeldContext::<M>::new(context, self.open.clone())))
    }
}

/// What a credential can do, whichever module it is of.
trait Held: Send + Sync {
    fn principal(&self) -> Result<String, Error>;
    fn add(&self, package: &str, sign_in: &SignIn<'_>) -> Result<(), Error>;
    fn negotiate(self: Arc<Self>, side: Side, request: ContextRequest) -> Handshake;
    fn free(&mut self) -> Result<(), Error>;
}

/// A credential handle, freed when dropped, and the module that it is of.
pub(crate) struct HeldCredential<M: Module> {
    handle: Option<Handle<M>>,
    open: Arc<Open<M>>,
}

type Handle<M> = <<M as Module>::Interface as SecurityInterface>::Handle;

impl<M: Module> HeldCredential<M> {
    pub(crate) fn open(&self) -> &Arc<Open<M>> {
        &self.open
    }

    pub(crate) fn handle(&self) -> Result<&Handle<M>, SecurityStatus> {
        // There until `free`, after which nobody can ask any more.
        self.handle.as_ref().ok_or(SecurityStatus::INVALID_HANDLE)
    }
}

impl<M: Module> Held for HeldCredential<M> {
    fn principal(&self) -> Result<String, Error> {
        let principal = self.handle().and_then(|handle| self.open.interface.principal(handle));
        principal.map_err(self.open.failed("QueryCredentialsAttributes"))
    }

    fn add(&self, package: &str, sign_in: &SignIn<'_>) -> Result<(), Error> {
        let add = |handle| self.open.interface.add_credentials(handle, package, sign_in);
        self.handle().and_then(add).map_err(self.open.failed("AddCredentials"))
    }

    fn negotiate(self: Arc<Self>, side: Side, request: ContextRequest) -> Handshake {
        Handshake::new(Negotiation::new(side, self, request))
    }

    fn free(&mut self) -> Result<(), Error> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        self.open.interface.free(&handle).map_err(self.open.failed("FreeCredentialsHandle"))
    }
}

impl<M: Module> Drop for HeldCredential<M> {
    fn drop(&mut self) {
        // A destructor has nobody to tell; `close` does.
        let _ = self.free();
    }
}
