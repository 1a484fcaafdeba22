//! The functions of a mock SSP, called in safe Rust.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache::{
    SecurityStatus, SignIn,
    context::{ContextFlags, ContextRequest, Protection, Role, Sealed},
    loader::{Progress, Refusal, SecurityInterface},
};
use sspcache_engine::{AcquireRequest, CredentialHandle, Engine, Operation};
#[cfg(feature = "contexts")]
use sspcache_engine::{
    MessageSizes, Name, Principal, Secret,
    context::{
        AcceptRequest, ContextHandle, ContextInfo, ExportOptions, InitializeRequest, Part, WRAP_NO_ENCRYPT,
    },
};
use zeroize::Zeroizing;

use crate::{MockSsp, place};

/// The functions of a mock SSP, as [`sspcache::SecurityPackage`] calls them.
#[derive(Debug)]
pub struct MockInterface(MockSsp);

impl MockInterface {
    pub(crate) fn new(ssp: MockSsp) -> Self {
        Self(ssp)
    }

    /// Calls a function of the SSP. A null entry in the table and a panic become the status that a client gets.
    #[track_caller]
    fn call<T>(
        &self,
        operation: Operation,
        function: impl FnOnce(&Engine) -> Result<T, SecurityStatus>,
    ) -> Result<T, SecurityStatus> {
        self.check_entry(operation)?;
        place::within(place::caller(), || guarded(|| function(self.0.engine())))
    }

    #[cfg(feature = "contexts")]
    #[track_caller]
    fn info(&self, context: ContextHandle) -> Result<ContextInfo, SecurityStatus> {
        self.call(Operation::QueryContextAttributes, |ssp| ssp.context(context))
    }

    /// The sizes of messages, which a client asks for before it makes one.
    #[cfg(feature = "contexts")]
    #[track_caller]
    fn sizes(&self, context: ContextHandle) -> Result<MessageSizes, SecurityStatus> {
        self.info(context).map(|info| info.package.messages)
    }

    fn check_entry(&self, operation: Operation) -> Result<(), SecurityStatus> {
        if self.0.engine().is_missing(operation) { Err(SecurityStatus::UNSUPPORTED_FUNCTION) } else { Ok(()) }
    }
}

/// Functions for contexts. Without the feature `contexts` the SSP lacks all of them.
macro_rules! contexts {
    ($(
        fn $name:ident(&$self:ident $(, $argument:tt: $type:ty)* $(,)?) -> Result<$value:ty, $error:ty>
        $body:block
    )+) => {$(
        #[cfg(feature = "contexts")]
        fn $name(&$self $(, $argument: $type)*) -> Result<$value, $error> $body

        #[cfg(not(feature = "contexts"))]
        fn $name(&self $(, _: $type)*) -> Result<$value, $error> {
            Err(<$error>::from(SecurityStatus::UNSUPPORTED_FUNCTION))
        }
    )+};
}

#[cfg(not(feature = "contexts"))]
type ContextHandle = std::convert::Infallible;

impl SecurityInterface for MockInterface {
    type Handle = CredentialHandle;
    type Context = ContextHandle;

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

    contexts! {
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

        fn impersonate(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
            self.call(Operation::ImpersonateSecurityContext, |ssp| ssp.impersonate(*context))
        }

        fn revert(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
            self.call(Operation::RevertSecurityContext, |ssp| ssp.revert(*context))
        }

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
            let begun = *context;
            let call = || match role {
                Role::Acceptor => self.0.engine().accept(&AcceptRequest {
                    context: begun,
                    flags: request.flags(),
                    bindings: request.channel_bindings(),
                    ..AcceptRequest::first(*credential, token)
                }),
                Role::Initiator => self.0.engine().initialize(&InitializeRequest {
                    context: begun,
                    target: request.target().map(Name::from),
                    flags: request.flags(),
                    token: Some(token).filter(|token| begun.is_some() || !token.is_empty()),
                    bindings: request.channel_bindings(),
                    ..InitializeRequest::first(*credential)
                }),
            };
            let step = place::within(place::caller(), || guarded(call))?;
            *context = Some(step.context);
            Ok((step.progress, step.token))
        }

        fn complete(&self, context: &ContextHandle, token: &mut Vec<u8>) -> Result<(), SecurityStatus> {
            self.call(Operation::CompleteAuthToken, |ssp| ssp.complete(*context, token))
        }

        fn delete(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
            self.call(Operation::DeleteSecurityContext, |ssp| ssp.delete_context(*context))
        }

        fn client(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
            self.info(*context).map(|info| info.client.to_string())
        }

        fn package(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
            self.info(*context).map(|info| info.package.name.to_string())
        }

        fn flags(&self, context: &ContextHandle) -> Result<ContextFlags, SecurityStatus> {
            let info = self.info(*context)?;
            Ok(ContextFlags::from_returned(info.role, info.flags.to_returned(info.role)))
        }

        fn session_key(&self, context: &ContextHandle) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
            self.info(*context).map(|info| Zeroizing::new(info.session_key.bytes().to_vec()))
        }

        fn sign(&self, context: &ContextHandle, message: &[u8]) -> Result<Vec<u8>, SecurityStatus> {
            let mut token = vec![0; self.sizes(*context)?.signature as usize];
            let length =
                self.call(Operation::MakeSignature, |ssp| ssp.sign(*context, 0, &[message], &mut token))?;
            token.truncate(length);
            Ok(token)
        }

        fn verify(
            &self,
            context: &ContextHandle,
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), SecurityStatus> {
            self.call(Operation::VerifySignature, |ssp| ssp.verify_signature(*context, &[message], signature))
                .map(drop)
        }

        fn wrap(
            &self,
            context: &ContextHandle,
            message: &[u8],
            protection: Protection,
        ) -> Result<Sealed, SecurityStatus> {
            let qop = match protection {
                Protection::Encrypt => 0,
                Protection::Sign => WRAP_NO_ENCRYPT,
            };
            let sizes = self.sizes(*context)?;
            let mut token = vec![0; sizes.trailer as usize];
            let (mut data, mut padding) = (message.to_vec(), vec![0; sizes.block as usize]);
            let mut parts = [Part::Data(&mut data), Part::Padding(&mut padding)];
            let used = self
                .call(Operation::EncryptMessage, |ssp| ssp.encrypt(*context, qop, &mut parts, &mut token))?;
            let [_, Part::Padding(pad)] = parts else { return Err(SecurityStatus::INTERNAL_ERROR) };
            let padded = pad.len();
            token.truncate(used);
            data.extend_from_slice(&padding[..padded]);
            Ok(Sealed { token, data })
        }

        fn unwrap(
            &self,
            context: &ContextHandle,
            sealed: &Sealed,
        ) -> Result<(Vec<u8>, Protection), SecurityStatus> {
            let mut message = sealed.data.clone();
            let mut parts = [Part::Data(&mut message)];
            let qop = self.call(Operation::DecryptMessage, |ssp| {
                ssp.decrypt(*context, &mut parts, &sealed.token)
            })?;
            let [Part::Data(data)] = parts else { return Err(SecurityStatus::INTERNAL_ERROR) };
            let length = data.len();
            message.truncate(length);
            let protection = if qop == WRAP_NO_ENCRYPT { Protection::Sign } else { Protection::Encrypt };
            Ok((message, protection))
        }

        fn export(&self, context: &ContextHandle) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
            self.call(Operation::ExportSecurityContext, |ssp| ssp.export(*context, ExportOptions::default()))
        }

        fn import(&self, package: &str, _: Role, packed: &[u8]) -> Result<ContextHandle, SecurityStatus> {
            self.call(Operation::ImportSecurityContext, |ssp| ssp.import(&Name::from(package), packed))
        }
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
