//! Signing in: security packages and credentials, as applications hold them.

use std::{fmt, panic::Location, sync::Arc};

use sspcache_types::{Identity, Role};

use crate::{
    Error,
    context::{Handshake, SecurityContext},
    loader::called_from,
    request::{ContextRequest, SignIn},
};

/// A security package of a loaded SSP, from which clients and servers acquire credentials. Clones are the same package.
///
/// A package, and all that comes from it, holds a reference to the SSP's module, so that the SSP stays loaded meanwhile.
/// Each method names the SSPI function that it calls. When the SSP refuses, the error is [`Error::Sspi`], with the function
/// and the status that it returned.
///
/// ```no_run
/// use sspcache::SignIn;
/// // Something in this process has loaded the SSP.
/// let msn = sspcache::native().security_package("MSNSSPC.dll", "MSN")?;
/// let credential = msn.acquire(&SignIn::password("alice", "CONTOSO", "correct horse"))?;
/// println!("signed in as {}", credential.principal()?);
/// # Ok::<(), sspcache::Error>(())
/// ```
#[derive(Clone)]
pub struct SecurityPackage(Arc<dyn Packaged>);

impl SecurityPackage {
    pub(crate) fn new(package: impl Packaged + 'static) -> Self {
        Self(Arc::new(package))
    }

    /// The package's name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// `AcquireCredentialsHandle`, outbound: signs in as a client. Dropping the credential frees it. The
    /// credential in the SSP's cache stays there until it is flushed.
    ///
    /// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
    #[track_caller]
    pub fn acquire(&self, sign_in: &SignIn<'_>) -> Result<Credential, Error> {
        called_from(Location::caller(), || self.0.acquire(sign_in)).map(Credential)
    }

    /// `AcquireCredentialsHandle`, inbound: returns a server's credential, to accept sign-ins with. Nothing enters the
    /// SSP's cache.
    ///
    /// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
    #[track_caller]
    pub fn acquire_inbound(&self) -> Result<InboundCredential, Error> {
        called_from(Location::caller(), || self.0.acquire_inbound()).map(InboundCredential)
    }

    /// `ChangeAccountPassword`: changes the password of an account. `account` has the old one. The SSP's cache keeps
    /// the old one: flush it, and sign in again.
    ///
    /// Reference: [ChangeAccountPassword](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-changeaccountpasswordw).
    pub fn change_password(&self, account: Identity<'_>, new_password: &str) -> Result<(), Error> {
        self.0.change_password(account, new_password)
    }

    /// `ImportSecurityContext`: unpacks a context that [`SecurityContext::export`] packed, perhaps in another process of this
    /// machine. `role` is the role of the imported end, which no attribute returns: the exporter knows it.
    ///
    /// Reference: [ImportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-importsecuritycontextw).
    #[track_caller]
    pub fn import(&self, role: Role, packed: &[u8]) -> Result<SecurityContext, Error> {
        called_from(Location::caller(), || self.0.import(role, packed))
    }
}

impl fmt::Debug for SecurityPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecurityPackage").field(&self.name()).finish()
    }
}

/// A client's credential handle, to sign in with. Dropping it frees it.
pub struct Credential(Arc<dyn Held>);

impl Credential {
    /// `QueryCredentialsAttributes` with `SECPKG_CRED_ATTR_NAMES`: returns the principal, such as `CONTOSO\alice`.
    ///
    /// Reference: [QueryCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycredentialsattributesw).
    pub fn principal(&self) -> Result<String, Error> {
        self.0.principal()
    }

    /// `AddCredentials`: signs in once more. Contexts over this package use the new credential from now on. For a credential
    /// of Negotiate, the package can be any that Negotiate may choose.
    ///
    /// Reference: [AddCredentials](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addcredentialsw).
    pub fn add(&self, package: &str, sign_in: &SignIn<'_>) -> Result<(), Error> {
        self.0.add(package, sign_in)
    }

    /// Begins a context as its initiator, the client. The first [`Handshake::step`] calls the SSP.
    pub fn initiate(&self, request: ContextRequest) -> Handshake {
        self.0.clone().negotiate(Role::Initiator, request)
    }

    /// `FreeCredentialsHandle`: frees the credential as dropping it does, and returns the outcome. A handshake that is not
    /// done keeps the credential until it is.
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

/// A server's credential handle, to accept sign-ins with. Dropping it frees it.
pub struct InboundCredential(Arc<dyn Held>);

impl InboundCredential {
    /// Begins a context as its acceptor, the server. The first [`Handshake::step`] calls the SSP with the client's token.
    pub fn accept(&self, request: ContextRequest) -> Handshake {
        self.0.clone().negotiate(Role::Acceptor, request)
    }

    /// `FreeCredentialsHandle`, as [`Credential::close`].
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
    // Handshakes may hold it, too: the last of them frees it.
    Arc::get_mut(&mut held).map_or(Ok(()), Held::free)
}

/// What a package of any module can do.
pub(crate) trait Packaged: Send + Sync {
    fn name(&self) -> &str;
    fn acquire(&self, sign_in: &SignIn<'_>) -> Result<Arc<dyn Held>, Error>;
    fn acquire_inbound(&self) -> Result<Arc<dyn Held>, Error>;
    fn change_password(&self, account: Identity<'_>, new_password: &str) -> Result<(), Error>;
    fn import(&self, role: Role, packed: &[u8]) -> Result<SecurityContext, Error>;
}

/// What a credential of any module can do.
pub(crate) trait Held: Send + Sync {
    fn principal(&self) -> Result<String, Error>;
    fn add(&self, package: &str, sign_in: &SignIn<'_>) -> Result<(), Error>;
    fn negotiate(self: Arc<Self>, role: Role, request: ContextRequest) -> Handshake;
    fn free(&mut self) -> Result<(), Error>;
}
