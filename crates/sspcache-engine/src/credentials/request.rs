//! Requests for a credential handle, and their results.

use std::fmt;

use zeroize::Zeroizing;

use crate::{AuthIdentity, CredentialHandle, FileTime, Name, PackageList, Principal, Source, context::Role};

/// The parameters of `AcquireCredentialsHandle`.
#[derive(Clone, Debug)]
pub struct AcquireRequest {
    /// The package's name.
    pub package: Name,
    /// The use of the handle.
    pub direction: Direction,
    /// The principal whose cached or default credential is wanted; `None` for any.
    pub principal: Option<Principal>,
    /// Authentication data, for an explicit sign-in.
    pub identity: Option<AuthIdentity>,
    /// The packages that may be used in a silent sign-in; an identity has a list of its own.
    pub packages: PackageList,
    /// `SECPKG_CRED_AUTOLOGON_RESTRICTED`: no silent sign-in.
    pub autologon_restricted: bool,
    /// `SECPKG_CRED_PROCESS_POLICY_ONLY`: only ask for the policy, which is to prompt for credentials.
    pub process_policy_only: bool,
}

impl AcquireRequest {
    /// A client's request: a silent sign-in, until it is given an identity.
    pub fn outbound(package: impl Into<Name>) -> Self {
        Self::new(package, Direction::Outbound)
    }

    /// A server's request.
    pub fn inbound(package: impl Into<Name>) -> Self {
        Self::new(package, Direction::Inbound)
    }

    /// A request in this direction.
    pub fn new(package: impl Into<Name>, direction: Direction) -> Self {
        Self {
            package: package.into(),
            direction,
            principal: None,
            identity: None,
            packages: PackageList::default(),
            autologon_restricted: false,
            process_policy_only: false,
        }
    }

    /// Signs in with this identity.
    #[must_use]
    pub fn with_identity(mut self, identity: impl Into<AuthIdentity>) -> Self {
        self.identity = Some(identity.into());
        self
    }

    /// Restricts the packages that may be used in a silent sign-in.
    #[must_use]
    pub fn with_packages(mut self, packages: PackageList) -> Self {
        self.packages = packages;
        self
    }

    /// Asks for this principal's cached or default credential: `DOMAIN\user`, `user@realm` or `user`.
    #[must_use]
    pub fn with_principal(mut self, principal: impl Into<Name>) -> Self {
        self.principal = Some(Principal::parse(principal));
        self
    }
}

/// The use of a credential handle: `SECPKG_CRED_INBOUND`, `…_OUTBOUND` and `…_BOTH`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Accepting and initializing.
    Both,
    /// Accepting: a server's.
    Inbound,
    /// Initializing: a client's.
    Outbound,
}

impl Direction {
    /// Whether a context can be initialized with it.
    pub fn is_outbound(self) -> bool {
        self != Self::Inbound
    }

    /// Whether a context can be accepted with it.
    pub fn is_inbound(self) -> bool {
        self != Self::Outbound
    }

    pub(crate) fn is_for(self, role: Role) -> bool {
        match role {
            Role::Acceptor => self.is_inbound(),
            Role::Initiator => self.is_outbound(),
        }
    }
}

/// A credential handle, as it was given out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Acquired {
    /// The handle, to be freed with [`Engine::free`](crate::Engine::free).
    pub handle: CredentialHandle,
    /// The source of its credential.
    pub source: Source,
    /// When it expires, in UTC.
    pub expires: FileTime,
    /// When it expires, in local time, as the ABI has it.
    pub expires_local: FileTime,
}

/// `SecPkgCredentials_KdcProxySettings`: where Kerberos finds the proxy of its key distribution centre.
///
/// `Debug` leaves out the TLS credential.
///
/// Reference: [SecPkgCredentials_KdcProxySettingsW](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcredentials_kdcproxysettingsw).
#[derive(Clone, Eq, PartialEq)]
pub struct KdcProxy {
    /// The proxy's address; empty when none was given.
    pub server: Name,
    /// `KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY`: use the proxy alone.
    pub force: bool,
    /// What the client shows the proxy; kept as it is.
    pub client_tls_credential: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for KdcProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, force, client_tls_credential: _ } = self;
        f.debug_struct("KdcProxy").field("server", server).field("force", force).finish_non_exhaustive()
    }
}
