//! What a server offers, and its limits.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

/// How a server behaves: which schemes it offers, what a sign-in counts for, and its limits.
///
/// ```
/// use sspcache_mock::MockSsp;
/// use sspcache_serve::{Authentication, HttpServer, Settings};
///
/// let settings = Settings::new().schemes(["NTLM", "Negotiate"]).authentication(Authentication::OfConnection);
/// let server = HttpServer::start_with(&MockSsp::msn(), settings)?;
/// assert_ne!(server.port(), 0);
/// # Ok::<(), sspcache_serve::ServeError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Settings {
    pub(crate) address: SocketAddr,
    /// Without: those of [`DEFAULT_SCHEMES`] that the mock has a package for.
    pub(crate) schemes: Option<Vec<String>>,
    pub(crate) authentication: Authentication,
    pub(crate) limits: Limits,
}

/// What is offered unless [`Settings::schemes`] says otherwise, in this order.
pub(crate) const DEFAULT_SCHEMES: [&str; 2] = ["Negotiate", "NTLM"];

impl Settings {
    /// The loopback address 127.0.0.1, a port that is free, `Negotiate` and `NTLM` as far as the mock has these packages.
    pub fn new() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            schemes: None,
            authentication: Authentication::default(),
            limits: Limits::default(),
        }
    }

    /// Listens at this address; port 0 is a port that is free.
    pub fn address(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Offers these schemes, in this order. A scheme is the name of a package of the mock: `Negotiate`, `NTLM`, `Kerberos`,
    /// `MSN`, `DPA`, or one that the mock was [configured](sspcache_mock::MockSsp::package) with.
    pub fn schemes<'a>(self, schemes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { schemes: Some(schemes.into_iter().map(str::to_owned).collect()), ..self }
    }

    /// Sets what a sign-in counts for.
    pub fn authentication(self, authentication: Authentication) -> Self {
        Self { authentication, ..self }
    }

    /// Sets the limits.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

/// What a sign-in counts for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Authentication {
    /// A sign-in by Kerberos for its request alone, any other for the connection: as IIS does, unless it is configured
    /// otherwise.
    ///
    /// Reference: [authPersistNonNTLM](https://learn.microsoft.com/en-us/iis/configuration/system.webserver/security/authentication/windowsauthentication/).
    #[default]
    ByPackage,
    /// Any for the connection.
    OfConnection,
    /// Any for its request. A handshake still belongs to its connection while it goes on.
    OfRequest,
}

impl Authentication {
    /// Whether a sign-in by this package counts for later requests on the connection.
    pub(crate) fn lasts(self, package: &str) -> bool {
        match self {
            Self::ByPackage => !package.eq_ignore_ascii_case("Kerberos"),
            Self::OfConnection => true,
            Self::OfRequest => false,
        }
    }
}

/// The limits of a server. What goes beyond one ends its connection, and nothing else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a request's line and header fields together. At least 8192.
    pub header_bytes: usize,
    /// Header fields of a request.
    pub headers: usize,
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// The time in which a request's header has to come, and within which a connection without a request is kept; the time in
    /// which a body has to come; and that in which a client has to read some of what it is sent.
    pub time: Duration,
    /// Connections at a time. A connection beyond them waits.
    pub connections: usize,
    /// Events that are kept, the latest ones; and sessions of `/cookie`.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Room for a token of Negotiate, which has up to 65,791 bytes, in base64.
            header_bytes: 128 * 1024,
            headers: 100,
            body_bytes: 8 * 1024 * 1024,
            time: Duration::from_secs(30),
            connections: 2048,
            events: 4096,
        }
    }
}
