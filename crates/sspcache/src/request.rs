//! The parameters of sign-ins and contexts: plain data.

use std::fmt;

use sspcache_types::{ContextFlags, Identity};

/// How a client signs in. `Debug` prints the user, and never the password.
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    principal: Option<&'a str>,
    identity: Option<Identity<'a>>,
}

impl<'a> SignIn<'a> {
    /// Signs in with a password. A package such as `MSN` caches it, so a sign-out has to flush it; `Negotiate`, `Kerberos` and
    /// `NTLM` keep it with the handle, so a sign-out has to drop the credential.
    pub fn password(user: &'a str, domain: &'a str, password: &'a str) -> Self {
        Self { principal: None, identity: Some(Identity { user, domain, password }) }
    }

    /// Signs in without a password: with a credential that the SSP has cached, or else with the default credentials of the
    /// logon session.
    pub fn silent() -> Self {
        Self { principal: None, identity: None }
    }

    /// Names the principal to sign in as: `DOMAIN\user` or `user@realm`. A silent sign-in uses the credential that is cached
    /// for it, or the default credentials that are its own.
    #[must_use]
    pub fn as_principal(self, principal: &'a str) -> Self {
        Self { principal: Some(principal), ..self }
    }

    /// The principal, if one was named.
    pub fn principal(&self) -> Option<&'a str> {
        self.principal
    }

    /// The user, domain and password; `None` for a silent sign-in.
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

/// What one side requests of a context: its target, its protection, and the channel to bind it to.
///
/// ```
/// use sspcache::context::{ContextFlags, ContextRequest};
/// let request = ContextRequest::to("HTTP/web.contoso.example")
///     .with_flags(ContextFlags::MUTUAL_AUTH)
///     .with_channel_bindings(*b"tls-unique:0123456789ab");
/// assert!(request.flags().contains(ContextFlags::MUTUAL_AUTH | ContextFlags::CONFIDENTIALITY));
/// ```
#[derive(Clone, Eq, PartialEq)]
#[must_use]
pub struct ContextRequest {
    target: Option<String>,
    flags: ContextFlags,
    bindings: Option<Vec<u8>>,
}

impl ContextRequest {
    /// Asks for what messages need: integrity, confidentiality, and the detection of replays and reordering.
    pub fn new() -> Self {
        let flags = ContextFlags::INTEGRITY
            | ContextFlags::CONFIDENTIALITY
            | ContextFlags::REPLAY_DETECT
            | ContextFlags::SEQUENCE_DETECT;
        Self { target: None, flags, bindings: None }
    }

    /// As [`new`](Self::new), for an initiator that names its target, such as `HTTP/web.contoso.example`. An acceptor names none.
    pub fn to(target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..Self::new() }
    }

    /// Asks for these flags, too.
    pub fn with_flags(self, flags: ContextFlags) -> Self {
        Self { flags: self.flags | flags, ..self }
    }

    /// Doesn't ask for these flags.
    pub fn without_flags(self, flags: ContextFlags) -> Self {
        Self { flags: self.flags - flags, ..self }
    }

    /// Binds the context to a channel, such as a TLS connection: this is the application data of `SEC_CHANNEL_BINDINGS`,
    /// which both sides have to pass alike.
    pub fn with_channel_bindings(self, application_data: impl Into<Vec<u8>>) -> Self {
        Self { bindings: Some(application_data.into()), ..self }
    }

    /// The target, if one was named.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// The flags that are asked for.
    pub fn flags(&self) -> ContextFlags {
        self.flags
    }

    /// The application data of the channel bindings, if there are any.
    pub fn channel_bindings(&self) -> Option<&[u8]> {
        self.bindings.as_deref()
    }
}

impl Default for ContextRequest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ContextRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContextRequest")
            .field("target", &self.target)
            .field("flags", &self.flags)
            .field("is_bound", &self.bindings.is_some())
            .finish()
    }
}

/// How [`SecurityContext::wrap`](crate::context::SecurityContext::wrap) protects a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protection {
    /// Against changes; everybody can read it: `SECQOP_WRAP_NO_ENCRYPT`. Needs [`ContextFlags::INTEGRITY`].
    Sign,
    /// Against changes and reading: the default quality of protection. Needs [`ContextFlags::CONFIDENTIALITY`].
    Encrypt,
}

/// A protected message, as it travels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// The token that authenticates the message (`SECBUFFER_TOKEN`). Protocols send it before or after the data.
    pub token: Vec<u8>,
    /// The message, encrypted unless it was only signed (`SECBUFFER_DATA`, and after it `SECBUFFER_PADDING` if the package
    /// pads).
    pub data: Vec<u8>,
}
