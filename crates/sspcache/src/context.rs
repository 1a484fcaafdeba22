//! Security contexts: the two ends of a sign-in, and the messages that they exchange.
//!
//! An initiator has a [`Credential`](crate::Credential), an acceptor an
//! [`InboundCredential`](crate::InboundCredential). Each begins a [`Handshake`]. The application carries its tokens to the
//! other side, in whatever way its protocol says, until a [`Step`] brings the [`SecurityContext`]:
//!
//! ```no_run
//! # use sspcache::{Credential, Error, context::{ContextRequest, SecurityContext, Step}};
//! # fn send(_: &[u8]) {}
//! # fn receive() -> Vec<u8> { Vec::new() }
//! fn sign_in(alice: &Credential) -> Result<SecurityContext, Error> {
//!     let mut handshake = alice.initiate(ContextRequest::to("HTTP/web.contoso.example"));
//!     let mut received = Vec::new(); // the initiator goes first
//!     loop {
//!         match handshake.step(&received) {
//!             Ok(Step::Continue { handshake: rest, token }) => {
//!                 send(&token);
//!                 received = receive();
//!                 handshake = rest;
//!             }
//!             Ok(Step::Established { context, token }) => {
//!                 send(&token); // unless it is empty
//!                 return Ok(context);
//!             }
//!             Err(failed) => {
//!                 if let Some(token) = failed.token() {
//!                     send(token); // so that the other side learns of the failure
//!                 }
//!                 return Err(failed.into_error());
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! The types enforce the order: a half-open context can only step, a step consumes it, and only an established context has
//! names, keys and messages. Dropping a context deletes it. A context holds a reference to its SSP's module.
//!
//! Where both ends are in one process, as in a test, [`handshake`] does all of it.
//!
//! # Errors
//!
//! Each method names the SSPI function that it calls. When the SSP refuses, the error is [`Error::Sspi`], with the function
//! and the status that it returned.

use std::{fmt, marker::PhantomData, panic::Location, path::PathBuf};

use parking_lot::Mutex;
pub use sspcache_types::{ContextFlags, Role};
use zeroize::Zeroizing;

pub use crate::request::{ContextRequest, Protection, Sealed};
use crate::{Error, loader::called_from};

/// A handshake that is not done: a half-open context. It keeps its credential. Dropping it abandons the handshake.
///
/// It has neither names nor messages yet, and a step consumes it:
///
/// ```compile_fail,E0599
/// # fn too_early(handshake: sspcache::context::Handshake) {
/// handshake.encrypt(b"GET /");
/// # }
/// ```
/// ```compile_fail,E0382
/// # fn twice(handshake: sspcache::context::Handshake) {
/// handshake.step(b"token");
/// handshake.step(b"token");
/// # }
/// ```
#[must_use = "a handshake does nothing until it is stepped"]
pub struct Handshake(Box<dyn Negotiating>);

impl Handshake {
    pub(crate) fn new(negotiation: impl Negotiating + 'static) -> Self {
        Self(Box::new(negotiation))
    }

    /// The rest of a handshake after a step.
    pub(crate) fn resume(negotiation: Box<dyn Negotiating>) -> Self {
        Self(negotiation)
    }

    /// `InitializeSecurityContext` or `AcceptSecurityContext`, and `CompleteAuthToken` where the SSP asks for it: takes the
    /// other side's token, and returns the one to send back. The initiator's first step takes an empty token.
    ///
    /// Pass whole tokens: put fragments together first.
    ///
    /// # Errors
    /// [`HandshakeError`]: the handshake is over, and there may be a token to send to the other side all the same.
    ///
    /// Reference: [InitializeSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initializesecuritycontextw),
    /// [AcceptSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acceptsecuritycontext),
    /// [CompleteAuthToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken).
    #[track_caller]
    pub fn step(self, token: &[u8]) -> Result<Step, HandshakeError> {
        called_from(Location::caller(), || self.0.step(token))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

/// The result of a step of a handshake.
#[derive(Debug)]
pub enum Step {
    /// Send the token, and pass the other side's answer to the next step.
    Continue {
        /// The rest of the handshake.
        handshake: Handshake,
        /// The token to send.
        token: Vec<u8>,
    },
    /// This side is done.
    Established {
        /// The context.
        context: SecurityContext,
        /// A last token to send; empty if there is none.
        token: Vec<u8>,
    },
}

/// Why a handshake failed, and the token to send to the other side, if the SSP gave one.
///
/// The operator `?` doesn't convert it into an [`Error`], since the token would be lost. Send the token, then call
/// [`into_error`](Self::into_error).
///
/// ```compile_fail,E0277
/// # use sspcache::{Error, context::{Handshake, Step}};
/// fn step(handshake: Handshake) -> Result<Step, Error> {
///     Ok(handshake.step(b"token")?)
/// }
/// ```
#[derive(Debug)]
#[must_use = "the other side may have to be sent a token"]
pub struct HandshakeError {
    error: Error,
    token: Option<Vec<u8>>,
}

impl HandshakeError {
    pub(crate) fn new(error: Error, token: Option<Vec<u8>>) -> Self {
        Self { error, token }
    }

    /// The error itself.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The token to send to the other side, so that it learns of the failure. SSPs give one when
    /// [`ContextFlags::EXTENDED_ERROR`] was asked for.
    pub fn token(&self) -> Option<&[u8]> {
        self.token.as_deref()
    }

    /// The error itself, without the token.
    pub fn into_error(self) -> Error {
        self.error
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// An established context: the handshake is done, and messages can be protected. Dropping it deletes it.
///
/// One thread at a time can send on it, and one can receive, as SSPI demands; others wait. Where
/// [`ContextFlags::SEQUENCE_DETECT`] was asked for, messages have to arrive in the order in which they were signed or
/// encrypted.
pub struct SecurityContext {
    held: Box<dyn Established>,
    sending: Mutex<()>,
    receiving: Mutex<()>,
}

impl SecurityContext {
    pub(crate) fn new(held: impl Established + 'static) -> Self {
        Self { held: Box::new(held), sending: Mutex::new(()), receiving: Mutex::new(()) }
    }

    /// `ImpersonateSecurityContext`: on the server's side, makes this thread act for the client, until the result is dropped
    /// or [reverted](Impersonation::revert).
    ///
    /// Check the result: a thread that goes on after an error acts with the server's own rights.
    ///
    /// # Platform-specific behaviour
    /// On Windows the thread has the client's access token meanwhile. A mock only simulates that, and only where it was set up
    /// to; otherwise it refuses with [`NO_IMPERSONATION`](crate::SecurityStatus::NO_IMPERSONATION).
    ///
    /// Reference: [ImpersonateSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-impersonatesecuritycontext).
    pub fn impersonate(&self) -> Result<Impersonation<'_>, Error> {
        self.held.impersonate()?;
        Ok(Impersonation { context: Some(self), _of_this_thread: PhantomData })
    }

    /// `QueryContextAttributes` with `SECPKG_ATTR_NAMES`: returns the principal that initiated, on both sides.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn client(&self) -> Result<String, Error> {
        self.held.client()
    }

    /// `QueryContextAttributes` with `SECPKG_ATTR_PACKAGE_INFO`: returns the name of the package in use. For Negotiate, that is
    /// the package that it chose.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn package(&self) -> Result<String, Error> {
        self.held.package()
    }

    /// `QueryContextAttributes` with `SECPKG_ATTR_FLAGS`: returns what the context has, which may be less than was asked for.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn flags(&self) -> Result<ContextFlags, Error> {
        self.held.flags()
    }

    /// `QueryContextAttributes` with `SECPKG_ATTR_SESSION_KEY`: returns the key that both sides share.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn session_key(&self) -> Result<SecretBytes, Error> {
        self.held.session_key()
    }

    /// `MakeSignature`: signs a message. The signature is sent beside it.
    ///
    /// Reference: [MakeSignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-makesignature).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let _turn = self.sending.lock();
        self.held.sign(message)
    }

    /// `VerifySignature`: verifies a message that the other side signed.
    ///
    /// # Errors
    /// [`Error::Sspi`] with [`MESSAGE_ALTERED`](crate::SecurityStatus::MESSAGE_ALTERED) or
    /// [`OUT_OF_SEQUENCE`](crate::SecurityStatus::OUT_OF_SEQUENCE).
    ///
    /// Reference: [VerifySignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-verifysignature).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let _turn = self.receiving.lock();
        self.held.verify(message, signature)
    }

    /// `EncryptMessage`: encrypts a message, or signs it only, as both sides have agreed (GSS-API's `wrap`).
    ///
    /// ```no_run
    /// # use sspcache::{Error, context::{Protection, SecurityContext}};
    /// # fn exchange(client: &SecurityContext, server: &SecurityContext) -> Result<(), Error> {
    /// let sealed = client.wrap(b"no protection layer", Protection::Sign)?;
    /// let (message, protection) = server.unwrap(&sealed)?;
    /// assert_eq!((&message[..], protection), (&b"no protection layer"[..], Protection::Sign));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Sspi`] with [`UNSUPPORTED_FUNCTION`](crate::SecurityStatus::UNSUPPORTED_FUNCTION) or
    /// [`QOP_NOT_SUPPORTED`](crate::SecurityStatus::QOP_NOT_SUPPORTED) when the context doesn't have that protection.
    ///
    /// Reference: [EncryptMessage](https://learn.microsoft.com/en-us/windows/win32/secauthn/encryptmessage--general).
    pub fn wrap(&self, message: &[u8], protection: Protection) -> Result<Sealed, Error> {
        let _turn = self.sending.lock();
        self.held.wrap(message, protection)
    }

    /// `DecryptMessage`: returns a message that the other side [wrapped](Self::wrap), and how it was protected. Check that,
    /// or call [`decrypt`](Self::decrypt): a sender decides whether it encrypts.
    ///
    /// # Errors
    /// [`Error::Sspi`] with [`MESSAGE_ALTERED`](crate::SecurityStatus::MESSAGE_ALTERED) or
    /// [`OUT_OF_SEQUENCE`](crate::SecurityStatus::OUT_OF_SEQUENCE).
    ///
    /// Reference: [DecryptMessage](https://learn.microsoft.com/en-us/windows/win32/secauthn/decryptmessage--general).
    pub fn unwrap(&self, sealed: &Sealed) -> Result<(Vec<u8>, Protection), Error> {
        let _turn = self.receiving.lock();
        self.held.unwrap(sealed)
    }

    /// [Wraps](Self::wrap) a message with [`Protection::Encrypt`]: with [`decrypt`](Self::decrypt) the pair for protocols
    /// that always encrypt.
    ///
    /// # Errors
    /// As [`wrap`](Self::wrap).
    pub fn encrypt(&self, message: &[u8]) -> Result<Sealed, Error> {
        self.wrap(message, Protection::Encrypt)
    }

    /// [Unwraps](Self::unwrap) a message, and refuses one that was only signed.
    ///
    /// # Errors
    /// As [`unwrap`](Self::unwrap); [`Error::NotEncrypted`] when the other side only signed it.
    pub fn decrypt(&self, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        match self.unwrap(sealed)? {
            (message, Protection::Encrypt) => Ok(message),
            (_, Protection::Sign) => Err(Error::NotEncrypted { module: self.held.module() }),
        }
    }

    /// `ExportSecurityContext`: packs the context for another process of this machine, which
    /// [imports](crate::SecurityPackage::import) it. Here, it is deleted.
    ///
    /// Reference: [ExportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-exportsecuritycontext).
    pub fn export(self) -> Result<SecretBytes, Error> {
        self.held.export()
    }
}

impl fmt::Debug for SecurityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecurityContext")
    }
}

/// The thread acts for the client of a context until this is dropped. It can't leave the thread:
///
/// ```compile_fail,E0277
/// fn elsewhere(acting: sspcache::context::Impersonation<'static>) {
///     std::thread::spawn(move || drop(acting));
/// }
/// ```
#[must_use = "the thread acts for itself again as soon as this is dropped"]
pub struct Impersonation<'c> {
    context: Option<&'c SecurityContext>,
    _of_this_thread: PhantomData<*const ()>,
}

impl Impersonation<'_> {
    /// `RevertSecurityContext`: ends it as dropping it does, and returns the outcome.
    ///
    /// # Errors
    /// When the SSP refuses: the thread still acts for the client then.
    ///
    /// Reference: [RevertSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-revertsecuritycontext).
    pub fn revert(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        self.context.take().map_or(Ok(()), |context| context.held.revert())
    }
}

impl Drop for Impersonation<'_> {
    fn drop(&mut self) {
        // A destructor can't return an error; `revert` does.
        let _ = self.end();
    }
}

impl fmt::Debug for Impersonation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Impersonation")
    }
}

/// Secret bytes: a session key, or a packed context. They are overwritten when dropped, and `Debug` doesn't print them.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub(crate) fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// The bytes. A caller that copies them has to overwrite the copy.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes")
    }
}

/// What a half-open context of any module can do.
pub(crate) trait Negotiating: Send + Sync {
    fn step(self: Box<Self>, token: &[u8]) -> Result<Step, HandshakeError>;
}

/// What an established context of any module can do.
pub(crate) trait Established: Send + Sync {
    /// The path of the module.
    fn module(&self) -> PathBuf;
    fn impersonate(&self) -> Result<(), Error>;
    fn revert(&self) -> Result<(), Error>;
    fn client(&self) -> Result<String, Error>;
    fn package(&self) -> Result<String, Error>;
    fn flags(&self) -> Result<ContextFlags, Error>;
    fn session_key(&self) -> Result<SecretBytes, Error>;
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error>;
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error>;
    fn wrap(&self, message: &[u8], protection: Protection) -> Result<Sealed, Error>;
    fn unwrap(&self, sealed: &Sealed) -> Result<(Vec<u8>, Protection), Error>;
    fn export(&self) -> Result<SecretBytes, Error>;
}

/// Carries tokens between the two ends of a handshake in this process until both are done, as a test of a client and a server
/// does. Returns the initiator's context, then the acceptor's.
///
/// # Errors
/// The first error of either end. [`Error::HandshakeStalled`] when both wait for the other.
#[track_caller]
pub fn handshake(
    initiator: Handshake,
    acceptor: Handshake,
) -> Result<(SecurityContext, SecurityContext), Error> {
    let (mut client, mut server) = (End::Open(initiator), End::Open(acceptor));
    let mut to_client = Vec::new();
    loop {
        let to_server;
        (client, to_server) = client.advance(&to_client)?;
        (server, to_client) = server.advance(&to_server)?;
        (client, server) = match (client, server) {
            (End::Done(client), End::Done(server)) => return Ok((client, server)),
            // A round without a token: the next one would be the same.
            _ if to_server.is_empty() && to_client.is_empty() => return Err(Error::HandshakeStalled),
            unfinished => unfinished,
        };
    }
}

/// One end of a handshake in this process.
enum End {
    Open(Handshake),
    Done(SecurityContext),
}

impl End {
    /// The next step. The other end is in this process, so that an error's token has nowhere to go.
    #[track_caller]
    fn advance(self, token: &[u8]) -> Result<(Self, Vec<u8>), Error> {
        Ok(match self {
            Self::Open(handshake) => match handshake.step(token).map_err(HandshakeError::into_error)? {
                Step::Continue { handshake, token } => (Self::Open(handshake), token),
                Step::Established { context, token } => (Self::Done(context), token),
            },
            done @ Self::Done(_) => (done, Vec::new()),
        })
    }
}
