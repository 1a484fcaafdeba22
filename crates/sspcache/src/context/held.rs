//! Contexts of any module, behind the types that applications hold.

use std::sync::Arc;

use windows_sys::Win32::Security::Authentication::Identity::SECQOP_WRAP_NO_ENCRYPT;

use super::{ContextFlags, ContextRequest, HandshakeError, Sealed, SecretBytes, SecurityContext, Side, Step};
use crate::{
    Error, SecurityStatus,
    loader::{Module, Progress, Refused, SecurityInterface},
    package::{HeldCredential, Open},
};

/// What a half-open context can do.
pub(crate) trait Negotiating: Send + Sync {
    fn step(self: Box<Self>, token: &[u8]) -> Result<Step, HandshakeError>;
}

/// What an established context can do.
pub(crate) trait Established: Send + Sync {
    fn impersonate(&self) -> Result<(), Error>;
    fn revert(&self) -> Result<(), Error>;
    fn client(&self) -> Result<String, Error>;
    fn package(&self) -> Result<String, Error>;
    fn flags(&self) -> Result<ContextFlags, Error>;
    fn session_key(&self) -> Result<SecretBytes, Error>;
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error>;
    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error>;
    fn encrypt(&self, message: &[u8]) -> Result<Sealed, Error>;
    fn decrypt(&self, sealed: &Sealed) -> Result<Vec<u8>, Error>;
    fn export(&self) -> Result<SecretBytes, Error>;
}

/// A handshake, with the credential that it goes on with.
pub(crate) struct Negotiation<M: Module> {
    side: Side,
    request: ContextRequest,
    /// None before the first step.
    context: Option<HeldContext<M>>,
    credential: Arc<HeldCredential<M>>,
}

impl<M: Module> Negotiation<M> {
    pub(crate) fn new(side: Side, credential: Arc<HeldCredential<M>>, request: ContextRequest) -> Self {
        Self { side, request, context: None, credential }
    }

    /// The step itself; whatever context the SSP has afterwards is in `self`.
    fn call(&mut self, token: &[u8]) -> Result<(Progress, Vec<u8>), Refused> {
        let credential = self.credential.handle()?;
        let open = self.credential.open().clone();
        let mut context = self.context.take().and_then(HeldContext::into_handle);
        let stepped = open.interface.step(self.side, credential, &mut context, &self.request, token);
        self.context = context.map(|context| HeldContext::new(context, open));
        stepped
    }

    fn function(&self) -> &'static str {
        match self.side {
            Side::Acceptor => "AcceptSecurityContext",
            Side::Initiator => "InitializeSecurityContext",
        }
    }
}

impl<M: Module> Negotiating for Negotiation<M> {
    fn step(mut self: Box<Self>, token: &[u8]) -> Result<Step, HandshakeError> {
        let failed = self.credential.open().failed(self.function());
        let (progress, mut token) = match self.call(token) {
            Ok(stepped) => stepped,
            Err(refused) => return Err(HandshakeError::new(failed(refused.status), refused.token)),
        };
        let Some(context) = self.context.take() else {
            // An SSP that has gone on without giving a context.
            return Err(HandshakeError::new(failed(SecurityStatus::INTERNAL_ERROR), None));
        };
        if matches!(progress, Progress::CompleteAndContinue | Progress::CompleteNeeded) {
            context
                .with("CompleteAuthToken", |interface, context| interface.complete(context, &mut token))
                .map_err(|error| HandshakeError::new(error, None))?;
        }
        Ok(match progress {
            Progress::Complete | Progress::CompleteNeeded => {
                Step::Established { context: SecurityContext::new(context), token }
            }
            Progress::CompleteAndContinue | Progress::Continue => {
                self.context = Some(context);
                Step::Continue { handshake: super::Handshake(self), token }
            }
        })
    }
}

/// A context handle, deleted when dropped, and the module that it is of.
pub(crate) struct HeldContext<M: Module> {
    context: Option<Context<M>>,
    open: Arc<Open<M>>,
}

type Context<M> = <<M as Module>::Interface as SecurityInterface>::Context;

impl<M: Module> HeldContext<M> {
    pub(crate) fn new(context: Context<M>, open: Arc<Open<M>>) -> Self {
        Self { context: Some(context), open }
    }

    /// The handle, which is the caller's to delete then.
    fn into_handle(mut self) -> Option<Context<M>> {
        self.context.take()
    }

    fn with<T>(
        &self,
        function: &'static str,
        call: impl FnOnce(&M::Interface, &Context<M>) -> Result<T, SecurityStatus>,
    ) -> Result<T, Error> {
        // There for as long as anybody can ask.
        let context = self.context.as_ref().ok_or(SecurityStatus::INVALID_HANDLE);
        context.and_then(|context| call(&self.open.interface, context)).map_err(self.open.failed(function))
    }
}

impl<M: Module> Established for HeldContext<M> {
    fn impersonate(&self) -> Result<(), Error> {
        self.with("ImpersonateSecurityContext", SecurityInterface::impersonate)
    }

    fn revert(&self) -> Result<(), Error> {
        self.with("RevertSecurityContext", SecurityInterface::revert)
    }

    fn client(&self) -> Result<String, Error> {
        self.with(QUERY, SecurityInterface::client)
    }

    fn package(&self) -> Result<String, Error> {
        self.with(QUERY, SecurityInterface::package)
    }

    fn flags(&self) -> Result<ContextFlags, Error> {
        self.with(QUERY, SecurityInterface::flags)
    }

    fn session_key(&self) -> Result<SecretBytes, Error> {
        self.with(QUERY, SecurityInterface::session_key).map(SecretBytes::new)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.with("MakeSignature", |interface, context| interface.sign(context, message))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        self.with("VerifySignature", |interface, context| interface.verify(context, message, signature))
    }

    fn encrypt(&self, message: &[u8]) -> Result<Sealed, Error> {
        self.with("EncryptMessage", |interface, context| interface.encrypt(context, message))
    }

    fn decrypt(&self, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let (message, qop) =
            self.with("DecryptMessage", |interface, context| interface.decrypt(context, sealed))?;
        if qop == SECQOP_WRAP_NO_ENCRYPT {
            return Err(Error::NotEncrypted { module: self.open.module.path() });
        }
        Ok(message)
    }

    fn export(&self) -> Result<SecretBytes, Error> {
        self.with("ExportSecurityContext", SecurityInterface::export).map(SecretBytes::new)
    }
}

impl<M: Module> Drop for HeldContext<M> {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            // A destructor has nobody to tell.
            let _ = self.open.interface.delete(&context);
        }
    }
}

const QUERY: &str = "QueryContextAttributes";
