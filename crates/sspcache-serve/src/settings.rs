//! What a server offers, and its limits.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use crate::{Fault, acceptor::BASIC};

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
    pub(crate) tls: bool,
    pub(crate) bindings: Bindings,
    pub(crate) reaches_any: bool,
    pub(crate) faults: Vec<(Fault, Option<u32>)>,
    pub(crate) delay: Duration,
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
            tls: false,
            bindings: Bindings::Off,
            reaches_any: false,
            faults: Vec::new(),
            delay: Duration::from_secs(1),
        }
    }

    /// Listens at this address; port 0 is a port that is free.
    pub fn address(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Offers these schemes, in this order. A scheme is the name of a package of the mock: `Negotiate`, `NTLM`, `Kerberos`,
    /// `MSN`, `DPA`, or one that the mock was [configured](sspcache_mock::MockSsp::package) with. Or it is `Basic`, with which a client sends
    /// a password of the mock's accounts as it is.
    pub fn schemes<'a>(self, schemes: impl IntoIterator<Item = &'a str>) -> Self {
        Self { schemes: Some(schemes.into_iter().map(str::to_owned).collect()), ..self }
    }

    /// Sets what a sign-in counts for.
    pub fn authentication(self, authentication: Authentication) -> Self {
        Self { authentication, ..self }
    }

    /// Speaks TLS 1.2 and 1.3, with a certificate that is made at the start, for `localhost`, 127.0.0.1 and ::1. The client has to trust
    /// [its issuer](crate::HttpServer::ca).
    pub fn tls(self, tls: bool) -> Self {
        Self { tls, ..self }
    }

    /// Sets which channel bindings are checked. Without [`tls`](Self::tls) there is no channel, and none are.
    pub fn bindings(self, bindings: Bindings) -> Self {
        Self { bindings, ..self }
    }

    /// Lets a proxy connect clients to any address. Without this it connects them to loopback addresses alone.
    pub fn reaches_any(self, reaches_any: bool) -> Self {
        Self { reaches_any, ..self }
    }

    /// Adds a fault, which strikes this many times, or always. Of several, the first that has a strike left applies to a request.
    pub fn fault(mut self, fault: Fault, times: impl Into<Option<u32>>) -> Self {
        self.faults.push((fault, times.into()));
        self
    }

    /// Sets how long [`Fault::Delay`] waits. Without this it is a second.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
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
    /// A sign-in by Kerberos or Basic for its request alone, any other for the connection: as IIS does, unless it is configured
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
            Self::ByPackage => {
                !["Kerberos", BASIC].iter().any(|of_request| package.eq_ignore_ascii_case(of_request))
            }
            Self::OfConnection => true,
            Self::OfRequest => false,
        }
    }
}

/// Which channel bindings a server checks. Wrong ones give `SEC_E_BAD_BINDINGS`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Bindings {
    /// None.
    #[default]
    Off,
    /// Those of a client that passes some.
    IfSent(Channel),
    /// Any client has to pass them.
    Required(Channel),
}

impl Bindings {
    pub(crate) fn channel(self) -> Option<Channel> {
        match self {
            Self::Off => None,
            Self::IfSent(channel) | Self::Required(channel) => Some(channel),
        }
    }
}

/// What identifies the channel of a TLS connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// `tls-server-end-point`: the digest of the server's certificate, as most clients have it.
    ///
    /// Reference: [RFC 5929](https://www.rfc-editor.org/rfc/rfc5929#section-4).
    ServerEndPoint,
    /// `tls-exporter`: keying material of the connection.
    ///
    /// Reference: [RFC 9266](https://www.rfc-editor.org/rfc/rfc9266).
    Exporter,
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
    /// The time after which a tunnel through a proxy ends, whether or not it is used.
    pub tunnel: Duration,
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
            tunnel: Duration::from_hours(1),
            connections: 2048,
            events: 4096,
        }
    }
}
