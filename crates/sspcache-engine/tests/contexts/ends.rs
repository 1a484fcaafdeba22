//! Both ends of a handshake in one process.

use sspcache_engine::{
    AcquireRequest, AuthIdentity, CredentialHandle, Engine, EngineBuilder, Name, PackageInfo,
    context::{
        AcceptRequest, ContextFlags, ContextHandle, ContextInfo, InitializeRequest, Progress, Refusal, Step,
    },
};

pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) fn alice() -> AuthIdentity {
    AuthIdentity::password("alice", "CONTOSO", PASSWORD)
}

/// An engine with one package, for which alice has an account.
pub(crate) fn engine(package: &str) -> EngineBuilder {
    let builder = Engine::builder("MSNSSPC.dll").package(PackageInfo::named(package));
    builder.only_packages([package]).account("alice", "CONTOSO", PASSWORD)
}

/// An initiator and an acceptor, which may belong to different engines.
pub(crate) struct Ends<'e> {
    pub(crate) client: &'e Engine,
    pub(crate) server: &'e Engine,
    pub(crate) client_credential: CredentialHandle,
    pub(crate) server_credential: CredentialHandle,
    pub(crate) client_context: Option<ContextHandle>,
    pub(crate) server_context: Option<ContextHandle>,
    pub(crate) client_flags: ContextFlags,
    pub(crate) server_flags: ContextFlags,
    pub(crate) client_bindings: Option<&'e [u8]>,
    pub(crate) server_bindings: Option<&'e [u8]>,
    pub(crate) target: Option<Name>,
    pub(crate) room: usize,
}

impl<'e> Ends<'e> {
    /// Alice and a server, in the engine's first package.
    pub(crate) fn new(ssp: &'e Engine) -> Self {
        Self::of(ssp, alice())
    }

    pub(crate) fn of(ssp: &'e Engine, identity: AuthIdentity) -> Self {
        Self::between(ssp, ssp, identity)
    }

    pub(crate) fn between(client: &'e Engine, server: &'e Engine, identity: AuthIdentity) -> Self {
        let package = |ssp: &Engine| ssp.packages()[0].name.clone();
        let outbound = AcquireRequest::outbound(package(client)).with_identity(identity);
        let inbound = AcquireRequest::inbound(package(server));
        Self::with(client, &outbound, server, &inbound)
    }

    pub(crate) fn with(
        client: &'e Engine,
        outbound: &AcquireRequest,
        server: &'e Engine,
        inbound: &AcquireRequest,
    ) -> Self {
        Self {
            client,
            server,
            client_credential: client.acquire(outbound).unwrap().handle,
            server_credential: server.acquire(inbound).unwrap().handle,
            client_context: None,
            server_context: None,
            client_flags: ContextFlags::empty(),
            server_flags: ContextFlags::empty(),
            client_bindings: None,
            server_bindings: None,
            target: None,
            room: usize::MAX,
        }
    }

    /// What the initiator asks for.
    pub(crate) fn asking(mut self, flags: ContextFlags) -> Self {
        self.client_flags = flags;
        self
    }

    /// What the acceptor asks for.
    pub(crate) fn demanding(mut self, flags: ContextFlags) -> Self {
        self.server_flags = flags;
        self
    }

    pub(crate) fn bound(mut self, client: Option<&'e [u8]>, server: Option<&'e [u8]>) -> Self {
        (self.client_bindings, self.server_bindings) = (client, server);
        self
    }

    pub(crate) fn to(mut self, target: &str) -> Self {
        self.target = Some(target.into());
        self
    }

    /// A step of the initiator.
    pub(crate) fn initialize(&mut self, token: Option<&[u8]>) -> Result<Step, Refusal> {
        let step = self.client.initialize(&InitializeRequest {
            credential: Some(self.client_credential),
            context: self.client_context,
            target: self.target.clone(),
            flags: self.client_flags,
            token,
            bindings: self.client_bindings,
            room: self.room,
        })?;
        self.client_context = Some(step.context);
        Ok(step)
    }

    /// A step of the acceptor.
    pub(crate) fn accept(&mut self, token: &[u8]) -> Result<Step, Refusal> {
        let step = self.server.accept(&AcceptRequest {
            credential: Some(self.server_credential),
            context: self.server_context,
            flags: self.server_flags,
            token: Some(token),
            bindings: self.server_bindings,
            room: self.room,
        })?;
        self.server_context = Some(step.context);
        Ok(step)
    }

    /// The whole handshake; what the last step on either side had.
    pub(crate) fn run(&mut self) -> Result<(Step, Step), Refusal> {
        let mut client = self.initialize(None)?;
        loop {
            let server = self.accept(&client.token)?;
            if client.progress == Progress::Complete {
                return Ok((client, server));
            }
            client = self.initialize(Some(&server.token))?;
            if server.progress == Progress::Complete {
                return Ok((client, server));
            }
        }
    }

    /// The handshake up to the initiator's proof.
    pub(crate) fn proof(&mut self) -> Vec<u8> {
        let hello = self.initialize(None).unwrap().token;
        let challenge = self.accept(&hello).unwrap().token;
        self.initialize(Some(&challenge)).unwrap().token
    }

    /// What can be asked of both contexts, once they are established.
    pub(crate) fn infos(&self) -> (ContextInfo, ContextInfo) {
        let client = self.client.context(self.client_context.unwrap()).unwrap();
        (client, self.server.context(self.server_context.unwrap()).unwrap())
    }
}
