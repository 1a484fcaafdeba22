//! Packages, credentials and contexts of the modules that a loader finds, behind the types that applications hold.

use std::{path::PathBuf, sync::Arc};

use sspcache_types::{ContextFlags, Identity, Progress, Refusal, Role, SecurityStatus};

use crate::{
    Error,
    context::{Established, Handshake, HandshakeError, Negotiating, SecretBytes, SecurityContext, Step},
    loader::{INIT_SECURITY_INTERFACE, Module, SecurityInterface},
    package::{Held, Packaged, SecurityPackage},
    request::{ContextRequest, Protection, Sealed, SignIn},
};

/// Opens a security package of a module.
pub(crate) fn open<M: Module>(module: M, name: &str) -> Result<SecurityPackage, Error> {
    let interface = module.security_interface().ok_or_else(|| Error::ExportMissing {
        module: module.path(),
        export: INIT_SECURITY_INTERFACE.name(),
    })?;
    let interface = interface.map_err(|status| Error::Sspi {
        module: module.path(),
        function: INIT_SECURITY_INTERFACE.name(),
        status,
    })?;
    let open = Arc::new(Open { interface, module });
    Ok(SecurityPackage::new(Package { open, name: name.to_owned() }))
}

/// A module's interface, and the module, whose path is in every error: declared, and so dropped, after it.
struct Open<M: Module> {
    interface: M::Interface,
    module: M,
}

impl<M: Module> Open<M> {
    fn failed(&self, function: &'static str) -> impl FnOnce(SecurityStatus) -> Error + use<M> {
        let module = self.module.path();
        move |status| Error::Sspi { module, function, status }
    }
}

/// A package of a module.
struct Package<M: Module> {
    open: Arc<Open<M>>,
    name: String,
}

impl<M: Module> Package<M> {
    fn held(&self, acquired: Result<CredentialOf<M>, SecurityStatus>) -> Result<Arc<dyn Held>, Error> {
        let handle = acquired.map_err(self.open.failed("AcquireCredentialsHandle"))?;
        Ok(Arc::new(HeldCredential { handle: Some(handle), open: self.open.clone() }))
    }
}

impl<M: Module> Packaged for Package<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn acquire(&self, sign_in: &SignIn<'_>) -> Result<Arc<dyn Held>, Error> {
        self.held(self.open.interface.acquire(&self.name, sign_in))
    }

    fn acquire_inbound(&self) -> Result<Arc<dyn Held>, Error> {
        self.held(self.open.interface.acquire_inbound(&self.name))
    }

    fn change_password(&self, account: Identity<'_>, new_password: &str) -> Result<(), Error> {
        let changed = self.open.interface.change_password(&self.name, account, new_password);
        changed.map_err(self.open.failed("ChangeAccountPassword"))
    }

    fn import(&self, role: Role, packed: &[u8]) -> Result<SecurityContext, Error> {
        let imported = self.open.interface.import(&self.name, role, packed);
        let context = imported.map_err(self.open.failed("ImportSecurityContext"))?;
        Ok(SecurityContext::new(HeldContext::<M>::new(context, self.open.clone())))
    }
}

/// A credential handle, freed when dropped, and the module that it is of.
struct HeldCredential<M: Module> {
    handle: Option<CredentialOf<M>>,
    open: Arc<Open<M>>,
}

type CredentialOf<M> = <<M as Module>::Interface as SecurityInterface>::Handle;

impl<M: Module> HeldCredential<M> {
    fn handle(&self) -> Result<&CredentialOf<M>, SecurityStatus> {
        // There until `free`, after which nothing can ask for it.
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

    fn negotiate(self: Arc<Self>, role: Role, request: ContextRequest) -> Handshake {
        Handshake::new(Negotiation { role, request, context: None, credential: self })
    }

    fn free(&mut self) -> Result<(), Error> {
        let Some(handle) = self.handle.take() else { return Ok(()) };
        self.open.interface.free(&handle).map_err(self.open.failed("FreeCredentialsHandle"))
    }
}

impl<M: Module> Drop for HeldCredential<M> {
    fn drop(&mut self) {
        // A destructor can't return an error; `close` does.
        let _ = self.free();
    }
}

/// A handshake, with the credential that it goes on with.
struct Negotiation<M: Module> {
    role: Role,
    request: ContextRequest,
    /// None before the first step.
    context: Option<HeldContext<M>>,
    credential: Arc<HeldCredential<M>>,
}

impl<M: Module> Negotiation<M> {
    /// The step itself; whatever context the SSP has afterwards is in `self`.
    fn call(&mut self, token: &[u8]) -> Result<(Progress, Vec<u8>), Refusal> {
        let credential = self.credential.handle()?;
        let open = self.credential.open.clone();
        let mut context = self.context.take().and_then(HeldContext::into_handle);
        let stepped = open.interface.step(self.role, credential, &mut context, &self.request, token);
        self.context = context.map(|context| HeldContext::new(context, open));
        stepped
    }

    fn function(&self) -> &'static str {
        match self.role {
            Role::Acceptor => "AcceptSecurityContext",
            Role::Initiator => "InitializeSecurityContext",
        }
    }
}

impl<M: Module> Negotiating for Negotiation<M> {
    fn step(mut self: Box<Self>, token: &[u8]) -> Result<Step, HandshakeError> {
        let failed = self.credential.open.failed(self.function());
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
                Step::Continue { handshake: Handshake::resume(self), token }
            }
        })
    }
}

/// A context handle, deleted when dropped, and the module that it is of.
struct HeldContext<M: Module> {
    context: Option<ContextOf<M>>,
    open: Arc<Open<M>>,
}

type ContextOf<M> = <<M as Module>::Interface as SecurityInterface>::Context;

impl<M: Module> HeldContext<M> {
    fn new(context: ContextOf<M>, open: Arc<Open<M>>) -> Self {
        Self { context: Some(context), open }
    }

    /// The handle, which is the caller's to delete then.
    fn into_handle(mut self) -> Option<ContextOf<M>> {
        self.context.take()
    }

    fn with<T>(
        &self,
        function: &'static str,
        call: impl FnOnce(&M::Interface, &ContextOf<M>) -> Result<T, SecurityStatus>,
    ) -> Result<T, Error> {
        // There for as long as the caller has this.
        let context = self.context.as_ref().ok_or(SecurityStatus::INVALID_HANDLE);
        context.and_then(|context| call(&self.open.interface, context)).map_err(self.open.failed(function))
    }
}

impl<M: Module> Established for HeldContext<M> {
    fn module(&self) -> PathBuf {
        self.open.module.path()
    }

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

    fn wrap(&self, message: &[u8], protection: Protection) -> Result<Sealed, Error> {
        self.with("EncryptMessage", |interface, context| interface.wrap(context, message, protection))
    }

    fn unwrap(&self, sealed: &Sealed) -> Result<(Vec<u8>, Protection), Error> {
        self.with("DecryptMessage", |interface, context| interface.unwrap(context, sealed))
    }

    fn export(&self) -> Result<SecretBytes, Error> {
        self.with("ExportSecurityContext", SecurityInterface::export).map(SecretBytes::new)
    }
}

impl<M: Module> Drop for HeldContext<M> {
    fn drop(&mut self) {
        if let Some(context) = self.context.take() {
            // A destructor can't return an error.
            let _ = self.open.interface.delete(&context);
        }
    }
}

const QUERY: &str = "QueryContextAttributes";
