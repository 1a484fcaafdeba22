//! Security contexts: the two ends of a sign-in, and the messages that they exchange.
//!
//! An initiator has a [`Credential`](crate::Credential), an acceptor an
//! [`InboundCredential`](crate::InboundCredential). Each begins a [`Handshake`] and carries its tokens to the other side
//! in whatever way the application's protocol says, until a [`Step`] brings the [`SecurityContext`]:
//!
//! ```no_run
//! # use sspcache::{Credential, context::{ContextRequest, SecurityContext, Step}};
//! # fn send(_: &[u8]) {}
//! # fn receive() -> Vec<u8> { Vec::new() }
//! fn sign_in(alice: &Credential) -> Result<SecurityContext, sspcache::Error> {
//!     let mut handshake = alice.initiate(ContextRequest::to("HTTP/web.contoso.example"));
//!     let mut received = Vec::new(); // the initiator goes first
//!     loop {
//!         match handshake.step(&received)? {
//!             Step::Continue { handshake: rest, token } => {
//!                 send(&token);
//!                 received = receive();
//!                 handshake = rest;
//!             }
//!             Step::Established { context, token } => {
//!                 send(&token); // nothing, if it is empty
//!                 return Ok(context);
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! The types keep order: what is half-open can only step, a step takes it, and only what is established has names, keys
//! and messages. Contexts are deleted when dropped, and hold a reference to their SSP's module.
//!
//! Where both ends are in one process, as in a test, [`handshake`] does all of it.

mod held;
mod request;

use std::{fmt, marker::PhantomData};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use self::held::{Established, Negotiating};
pub(crate) use self::held::{HeldContext, Negotiation};
pub use self::request::{ContextFlags, ContextRequest};
use crate::Error;

/// Which side of a context.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// The server's.
    Acceptor,
    /// The client's.
    Initiator,
}

/// A handshake that is not done: half a context. It keeps its credential, and dropping it abandons it.
///
/// It has neither names nor messages yet, and a step takes it:
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

    /// `InitializeSecurityContext` or `AcceptSecurityContext`, and `CompleteAuthToken` where that is asked for: takes
    /// the other side's token, and gives the one to send back. The initiator's first step takes an empty one.
    ///
    /// A token comes whole: what arrives in fragments is put together first.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave. The handshake is over then; [`HandshakeError::token`] is what
    /// the other side is to be told of it.
    ///
    /// Reference: [InitializeSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initializesecuritycontextw),
    /// [AcceptSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acceptsecuritycontext),
    /// [CompleteAuthToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken).
    pub fn step(self, token: &[u8]) -> Result<Step, HandshakeError> {
        self.0.step(token)
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

/// What a step of a handshake gave.
#[derive(Debug)]
pub enum Step {
    /// The token is to be sent; the answer is for the next step.
    Continue {
        /// What is left of the handshake.
        handshake: Handshake,
        /// What to send.
        token: Vec<u8>,
    },
    /// This side is done.
    Established {
        /// The context.
        context: SecurityContext,
        /// What is still to be sent; empty if nothing is.
        token: Vec<u8>,
    },
}

/// Why a handshake failed.
#[derive(Debug)]
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

    /// What to send to the other side all the same, so that it learns of the failure: SSPs give it when
    /// [`ContextFlags::EXTENDED_ERROR`] was asked for.
    pub fn token(&self) -> Option<&[u8]> {
        self.token.as_deref()
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

impl From<HandshakeError> for Error {
    fn from(failed: HandshakeError) -> Self {
        failed.error
    }
}

/// An established context: both sides know who they are. It is deleted when dropped.
///
/// One thread at a time may send on it and another receive, as SSPI has it; others wait. Messages are to arrive in the
/// order in which they were signed or encrypted, where [`ContextFlags::SEQUENCE_DETECT`] was asked for.
pub struct SecurityContext {
    held: Box<dyn Established>,
    sending: Mutex<()>,
    receiving: Mutex<()>,
}

impl SecurityContext {
    pub(crate) fn new(held: impl Established + 'static) -> Self {
        Self { held: Box::new(held), sending: Mutex::new(()), receiving: Mutex::new(()) }
    }

    /// `ImpersonateSecurityContext`: this thread acts for the client, on the server's side, until the result is dropped or
    /// [reverted](Impersonation::revert).
    ///
    /// Check the result: whoever goes on after an error acts with the server's own rights.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// # Platform-specific behaviour
    /// On Windows the thread has the client's access token meanwhile. A mock only pretends, and only where its configuration
    /// says so; else it gives [`NO_IMPERSONATION`](crate::SecurityStatus::NO_IMPERSONATION).
    ///
    /// Reference: [ImpersonateSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-impersonatesecuritycontext).
    pub fn impersonate(&self) -> Result<Impersonation<'_>, Error> {
        self.held.impersonate()?;
        Ok(Impersonation { context: Some(self), _of_this_thread: PhantomData })
    }

    /// `SECPKG_ATTR_NAMES`: who initiated, on both sides.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn client(&self) -> Result<String, Error> {
        self.held.client()
    }

    /// `SECPKG_ATTR_PACKAGE_INFO`: the name of the package that is used; of Negotiate, the one that it chose.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn package(&self) -> Result<String, Error> {
        self.held.package()
    }

    /// `SECPKG_ATTR_FLAGS`: what the context has. It may be less than was asked for.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn flags(&self) -> Result<ContextFlags, Error> {
        self.held.flags()
    }

    /// `SECPKG_ATTR_SESSION_KEY`: the key that both sides agree on.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn session_key(&self) -> Result<SecretBytes, Error> {
        self.held.session_key()
    }

    /// `MakeSignature`: signs a message. The signature is sent beside it.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [MakeSignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-makesignature).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let _turn = self.sending.lock();
        self.held.sign(message)
    }

    /// `VerifySignature`: verifies a message that the other side signed.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave: [`MESSAGE_ALTERED`](crate::SecurityStatus::MESSAGE_ALTERED),
    /// [`OUT_OF_SEQUENCE`](crate::SecurityStatus::OUT_OF_SEQUENCE).
    ///
    /// Reference: [VerifySignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-verifysignature).
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        let _turn = self.receiving.lock();
        self.held.verify(message, signature)
    }

    /// `EncryptMessage`: encrypts a message.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
    ///
    /// Reference: [EncryptMessage](https://learn.microsoft.com/en-us/windows/win32/secauthn/encryptmessage--general).
    pub fn encrypt(&self, message: &[u8]) -> Result<Sealed, Error> {
        let _turn = self.sending.lock();
        self.held.encrypt(message)
    }

    /// `DecryptMessage`: decrypts a message that the other side encrypted.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave: [`MESSAGE_ALTERED`](crate::SecurityStatus::MESSAGE_ALTERED),
    /// [`OUT_OF_SEQUENCE`](crate::SecurityStatus::OUT_OF_SEQUENCE). [`Error::NotEncrypted`] when the other side only
    /// signed it.
    ///
    /// Reference: [DecryptMessage](https://learn.microsoft.com/en-us/windows/win32/secauthn/decryptmessage--general).
    pub fn decrypt(&self, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let _turn = self.receiving.lock();
        self.held.decrypt(sealed)
    }

    /// `ExportSecurityContext`: packs the context up for another process of this machine, whose SSP
    /// [imports](crate::SecurityPackage::import) it. Here it is deleted.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave.
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

/// A thread that acts for the client of a context, until this is dropped. It stays on that thread:
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
    /// `RevertSecurityContext`: ends it now, as dropping does, and tells what came of it.
    ///
    /// # Errors
    /// [`Error::Sspi`] with the status that the SSP gave. The thread still acts for the client then.
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
        // A destructor has nobody to tell; `revert` does.
        let _ = self.end();
    }
}

impl fmt::Debug for Impersonation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Impersonation")
    }
}

/// An encrypted message, as it travels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sealed {
    /// The token that proves the message (`SECBUFFER_TOKEN`): a protocol's trailer or header.
    pub token: Vec<u8>,
    /// The message, encrypted (`SECBUFFER_DATA`, and after it `SECBUFFER_PADDING` if the package pads).
    pub data: Vec<u8>,
}

/// Bytes that are secret: a session key, a packed context. They are overwritten when dropped, and never shown.
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

/// Carries tokens between the two ends of a handshake in this process until both are done: what a test does, of a client
/// and a server at once. The initiator's context comes first.
///
/// # Errors
/// What either end says.
pub fn handshake(
    initiator: Handshake,
    acceptor: Handshake,
) -> Result<(SecurityContext, SecurityContext), Error> {
    let (mut client, mut server, mut token) = (End::Open(initiator), End::Open(acceptor), Vec::new());
    loop {
        (client, token) = client.advance(&token)?;
        (server, token) = server.advance(&token)?;
        (client, server) = match (client, server) {
            (End::Done(client), End::Done(server)) => return Ok((client, server)),
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
    fn advance(self, token: &[u8]) -> Result<(Self, Vec<u8>), HandshakeError> {
        Ok(match self {
            Self::Open(handshake) => match handshake.step(token)? {
                Step::Continue { handshake, token } => (Self::Open(handshake), token),
                Step::Established { context, token } => (Self::Done(context), token),
            },
            done @ Self::Done(_) => (done, Vec::new()),
        })
    }
}
