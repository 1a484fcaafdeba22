//! The functions of a mock SSP, called in safe Rust.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache::{
    SecurityStatus, SignIn,
    context::{ContextFlags, ContextRequest, Role, Sealed},
    loader::{Progress, Refusal, SecurityInterface},
};
use sspcache_engine::{AcquireRequest, CredentialHandle, Engine, Operation};
#[cfg(feature = "contexts")]
use sspcache_engine::{
    Name, Principal, Secret,
    context::{
        AcceptRequest, ContextHandle, ContextInfo, ExportOptions, InitializeRequest, MESSAGE_TOKEN, Part,
        Step,
    },
};
use zeroize::Zeroizing;

use crate::MockSsp;

/// The functions of a mock SSP, as [`sspcache::SecurityPackage`] calls them.
#[derive(Debug)]
pub struct MockInterface(MockSsp);

impl MockInterface {
    pub(crate) fn new(ssp: MockSsp) -> Self {
        Self(ssp)
    }

    /// Calls a function of the SSP; what a client makes of a null entry in the table, and of a panic.
    fn call<T>(
        &self,
        operation: Operation,
        function: impl FnOnce(&Engine) -> Result<T, SecurityStatus>,
    ) -> Result<T, SecurityStatus> {
        self.check_entry(operation)?;
        guarded(|| function(self.0.engine()))
    }

    fn check_entry(&self, operation: Operation) -> Result<(), SecurityStatus> {
        if self.0.engine().is_missing(operation) { Err(SecurityStatus::UNSUPPORTED_FUNCTION) } else { Ok(()) }
    }
}

#[cfg(feature = "contexts")]
impl MockInterface {
    fn info(&self, context: ContextHandle) -> Result<ContextInfo, SecurityStatus> {
        self.call(Operation::QueryContextAttributes, |ssp| ssp.context(context))
    }

    fn initialize(
        &self,
        credential: CredentialHandle,
        context: Option<ContextHandle>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<Step, Refusal> {
        self.0.engine().initialize(&InitializeRequest {
            context,
            target: request.target().map(Name::from),
            flags: request.flags(),
            token: Some(token).filter(|token| context.is_some() || !token.is_empty()),
            bindings: request.channel_bindings(),
            ..InitializeRequest::first(credential)
        })
    }

    fn accept(
        &self,
        credential: CredentialHandle,
        context: Option<ContextHandle>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<Step, Refusal> {
        self.0.engine().accept(&AcceptRequest {
            context,
            flags: request.flags(),
            bindings: request.channel_bindings(),
            ..AcceptRequest::first(credential, token)
        })
    }
}

/// Without contexts, these functions are missing.
#[cfg(not(feature = "contexts"))]
macro_rules! lacking {
    ($($name:ident($($argument:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $(_: $argument),*) -> Result<$result, SecurityStatus> {
            Err(SecurityStatus::UNSUPPORTED_FUNCTION)
        })+
    };
}

/// A context of an SSP without contexts: there is none.
#[cfg(not(feature = "contexts"))]
#[derive(Debug)]
pub enum NoContext {}

impl SecurityInterface for MockInterface {
    type Handle = CredentialHandle;
    #[cfg(feature = "contexts")]
    type Context = ContextHandle;
    #[cfg(not(feature = "contexts"))]
    type Context = NoContext;

    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<CredentialHandle, SecurityStatus> {
        let request = outbound(package, sign_in);
        self.call(Operation::AcquireCredentialsHandle, |ssp| ssp.acquire(&request))
            .map(|acquired| acquired.handle)
    }

    fn add_credentials(
        &self,
        handle: &CredentialHandle,
        package: &str,
        sign_in: &SignIn<'_>,
    ) -> Result<(), SecurityStatus> {
        let request = outbound(package, sign_in);
        self.call(Operation::AddCredentials, |ssp| ssp.add_credentials(*handle, &request)).map(drop)
    }

    #[cfg(feature = "contexts")]
    fn change_password(
        &self,
        package: &str,
        account: sspcache::Identity<'_>,
        new_password: &str,
    ) -> Result<(), SecurityStatus> {
        let principal = Principal::new(account.user, account.domain);
        let [old, new] = [account.password, new_password].map(Secret::password);
        self.call(Operation::ChangeAccountPassword, |ssp| {
            ssp.change_password(&Name::from(package), &principal, old, new)
        })
    }

    #[cfg(feature = "contexts")]
    fn impersonate(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.call(Operation::ImpersonateSecurityContext, |ssp| ssp.impersonate(*context))
    }

    #[cfg(feature = "contexts")]
    fn revert(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.call(Operation::RevertSecurityContext, |ssp| ssp.revert(*context))
    }

    fn acquire_inbound(&self, package: &str) -> Result<CredentialHandle, SecurityStatus> {
        let request = AcquireRequest::inbound(package);
        self.call(Operation::AcquireCredentialsHandle, |ssp| ssp.acquire(&request))
            .map(|acquired| acquired.handle)
    }

    fn principal(&self, handle: &CredentialHandle) -> Result<String, SecurityStatus> {
        let principal = self.call(Operation::QueryCredentialsAttributes, |ssp| ssp.principal(*handle));
        principal.map(|principal| principal.to_string())
    }

    fn free(&self, handle: &CredentialHandle) -> Result<(), SecurityStatus> {
        self.call(Operation::FreeCredentialsHandle, |ssp| ssp.free(*handle))
    }

    #[cfg(feature = "contexts")]
    fn step(
        &self,
        role: Role,
        credential: &CredentialHandle,
        context: &mut Option<ContextHandle>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal> {
        self.check_entry(match role {
            Role::Acceptor => Operation::AcceptSecurityContext,
            Role::Initiator => Operation::InitializeSecurityContext,
        })?;
        let step = guarded(|| match role {
            Role::Acceptor => self.accept(*credential, *context, request, token),
            Role::Initiator => self.initialize(*credential, *context, request, token),
        })?;
        *context = Some(step.context);
        Ok((step.progress, step.token))
    }

    #[cfg(feature = "contexts")]
    fn complete(&self, context: &ContextHandle, token: &mut Vec<u8>) -> Result<(), SecurityStatus> {
        self.call(Operation::CompleteAuthToken, |ssp| ssp.complete(*context, token))
    }

    #[cfg(feature = "contexts")]
    fn delete(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.call(Operation::DeleteSecurityContext, |ssp| ssp.delete_context(*context))
    }

    #[cfg(feature = "contexts")]
    fn client(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
        self.info(*context).map(|info| info.client.to_string())
    }

    #[cfg(feature = "contexts")]
    fn package(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
        self.info(*context).map(|info| info.package.name.to_string())
    }

    #[cfg(feature = "contexts")]
    fn flags(&self, context: &ContextHandle) -> Result<ContextFlags, SecurityStatus> {
        self.info(*context)
            .map(|info| ContextFlags::from_returned(Role::Initiator, info.flags.to_returned(Role::Initiator)))
    }

    #[cfg(feature = "contexts")]
    fn session_key(&self, context: &ContextHandle) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        self.info(*context).map(|info| Zeroizing::new(info.session_key.bytes().to_vec()))
    }

    #[cfg(feature = "contexts")]
    fn sign(&self, context: &ContextHandle, message: &[u8]) -> Result<Vec<u8>, SecurityStatus> {
        let mut token = vec![0; MESSAGE_TOKEN];
        let length =
            self.call(Operation::MakeSignature, |ssp| ssp.sign(*context, 0, &[message], &mut token))?;
        token.truncate(length);
        Ok(token)
    }

    #[cfg(feature = "contexts")]
    fn verify(
        &self,
        context: &ContextHandle,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SecurityStatus> {
        self.call(Operation::VerifySignature, |ssp| ssp.verify_signature(*context, &[message], signature))
            .map(drop)
    }

    #[cfg(feature = "contexts")]
    fn encrypt(&self, context: &ContextHandle, message: &[u8]) -> Result<Sealed, SecurityStatus> {
        let mut sealed = Sealed { token: vec![0; MESSAGE_TOKEN], data: message.to_vec() };
        let Sealed { token, data } = &mut sealed;
        let length = self.call(Operation::EncryptMessage, |ssp| {
            ssp.encrypt(*context, 0, &mut [Part::Data(data)], token)
        })?;
        token.truncate(length);
        Ok(sealed)
    }

    #[cfg(feature = "contexts")]
    fn decrypt(&self, context: &ContextHandle, sealed: &Sealed) -> Result<(Vec<u8>, u32), SecurityStatus> {
        let mut message = sealed.data.clone();
        let qop = self.call(Operation::DecryptMessage, |ssp| {
            ssp.decrypt(*context, &mut [Part::Data(&mut message)], &sealed.token)
        })?;
        Ok((message, qop))
    }

    #[cfg(feature = "contexts")]
    fn export(&self, context: &ContextHandle) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        self.call(Operation::ExportSecurityContext, |ssp| ssp.export(*context, ExportOptions::default()))
    }

    #[cfg(feature = "contexts")]
    fn import(&self, package: &str, _: Role, packed: &[u8]) -> Result<ContextHandle, SecurityStatus> {
        self.call(Operation::ImportSecurityContext, |ssp| ssp.import(&Name::from(package), packed))
    }

    #[cfg(not(feature = "contexts"))]
    lacking! {
        change_password(&str, sspcache::Identity<'_>, &str) -> ();
        impersonate(&NoContext) -> ();
        revert(&NoContext) -> ();
        complete(&NoContext, &mut Vec<u8>) -> ();
        delete(&NoContext) -> ();
        client(&NoContext) -> String;
        package(&NoContext) -> String;
        flags(&NoContext) -> ContextFlags;
        session_key(&NoContext) -> Zeroizing<Vec<u8>>;
        sign(&NoContext, &[u8]) -> Vec<u8>;
        verify(&NoContext, &[u8], &[u8]) -> ();
        encrypt(&NoContext, &[u8]) -> Sealed;
        decrypt(&NoContext, &Sealed) -> (Vec<u8>, u32);
        export(&NoContext) -> Zeroizing<Vec<u8>>;
        import(&str, Role, &[u8]) -> NoContext;
    }

    #[cfg(not(feature = "contexts"))]
    fn step(
        &self,
        _: Role,
        _: &CredentialHandle,
        _: &mut Option<NoContext>,
        _: &ContextRequest,
        _: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal> {
        Err(SecurityStatus::UNSUPPORTED_FUNCTION.into())
    }
}

fn outbound(package: &str, sign_in: &SignIn<'_>) -> AcquireRequest {
    let mut request = AcquireRequest::outbound(package);
    if let Some(identity) = sign_in.identity() {
        request = request.with_identity(identity);
    }
    if let Some(principal) = sign_in.principal() {
        request = request.with_principal(principal);
    }
    request
}

/// A panic never crosses the C ABI of the real thing: it becomes `SEC_E_INTERNAL_ERROR` (clause M11).
pub(crate) fn guarded<T, E: From<SecurityStatus>>(call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SecurityStatus::INTERNAL_ERROR.into()))
}
