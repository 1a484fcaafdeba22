//! A server: its thread, its connections, and what it can be asked.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    ops::Deref,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
};

use sspcache_mock::MockSsp;
use tokio::{
    runtime::{self, Runtime},
    sync::{Semaphore, oneshot},
    time::{Duration, sleep},
};

use crate::{
    ServeError, ServerEvent, ServerEventKind, Settings, SignIn,
    acceptor::Acceptor,
    connection::{self, Role},
    event::{Events, Following, Totals},
    fault::Faults,
    sessions::Sessions,
    tls::Tls,
};

/// An HTTP server that clients sign in to. It has a thread and a port of its own, and stops when it is dropped.
///
/// It offers its schemes with status 401, verifies by the mock what a client sends, and answers by the path that was asked for: see
/// [the crate](crate). A handshake belongs to its connection, as [RFC 4559](https://www.rfc-editor.org/rfc/rfc4559) has it.
pub struct HttpServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) role: Role,
    pub(crate) tls: Option<Tls>,
    pub(crate) acceptor: Acceptor,
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    pub(crate) events: Events,
    pub(crate) sessions: Sessions,
    pub(crate) next_connection: AtomicU64,
}

impl HttpServer {
    /// Starts a server that verifies sign-ins against the accounts of a mock, on a free port of the loopback address 127.0.0.1.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start(mock: &MockSsp) -> Result<Self, ServeError> {
        Self::start_with(mock, Settings::new())
    }

    /// As [`start`](Self::start), with other settings.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start_with(mock: &MockSsp, settings: Settings) -> Result<Self, ServeError> {
        Self::start_as(Role::Http, mock, settings)
    }

    pub(crate) fn start_as(role: Role, mock: &MockSsp, settings: Settings) -> Result<Self, ServeError> {
        let address = settings.address;
        let listen = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let mut listeners = vec![listener];
        if address.ip() == Ipv4Addr::LOCALHOST {
            // `localhost` is both, and some clients try this one alone. It may be missing, or taken.
            listeners.extend(TcpListener::bind((Ipv6Addr::LOCALHOST, address.port())));
        }
        for listener in &listeners {
            listener.set_nonblocking(true).map_err(listen)?;
        }
        let shared = Arc::new(Self::share(role, mock, settings)?);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(ServeError::Start)?;
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = thread::Builder::new()
            .name("sspcache-serve".to_owned())
            .spawn(move || serve(&runtime, listeners, &serving, stopped))
            .map_err(ServeError::Start)?;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// What the connections of such a server share.
    pub(crate) fn share(role: Role, mock: &MockSsp, settings: Settings) -> Result<Shared, ServeError> {
        Ok(Shared {
            role,
            tls: if settings.tls { Some(Tls::new()?) } else { None },
            acceptor: Acceptor::new(mock, settings.schemes.as_deref())?,
            faults: Faults::new(&settings.faults),
            events: Events::new(settings.limits.events),
            sessions: Sessions::new(settings.limits.events),
            next_connection: AtomicU64::new(0),
            settings,
        })
    }

    /// The address that it listens at.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its URL, without a path: `http://localhost:40312`. At a loopback address it has the name `localhost`, since a target that is an
    /// address rules Kerberos out.
    pub fn url(&self) -> String {
        let scheme = if self.shared.settings.tls { "https" } else { "http" };
        if self.address.ip().is_loopback() {
            return format!("{scheme}://localhost:{}", self.port());
        }
        format!("{scheme}://{}", self.address)
    }

    /// The certificate that a client has to trust, in PEM: that of the issuer of the server's own. None without
    /// [TLS](Settings::tls).
    pub fn ca(&self) -> Option<&str> {
        self.shared.tls.as_ref().map(|tls| &*tls.ca)
    }

    /// Its latest events, in order.
    pub fn events(&self) -> Vec<ServerEvent> {
        self.shared.events.latest()
    }

    /// How many sign-ins there were.
    pub fn totals(&self) -> Totals {
        self.shared.events.totals()
    }

    /// Its latest events, then each when it happens. The iterator ends when the server is dropped, or when its reader lags
    /// behind by more than a thousand events.
    pub fn follow(&self) -> Following {
        self.shared.events.following()
    }

    /// The sign-ins among its latest events, in order.
    pub fn sign_ins(&self) -> Vec<SignIn> {
        let sign_in = |event: ServerEvent| match event.kind {
            ServerEventKind::SignedIn(sign_in) => Some(sign_in),
            _ => None,
        };
        self.events().into_iter().filter_map(sign_in).collect()
    }
}

/// A proxy that clients sign in to: 407 with `Proxy-Authenticate`. It forwards requests for `http` URLs, and connects clients by CONNECT,
/// to servers at loopback addresses, unless [its settings](Settings::reaches_any) allow others.
///
/// The connection to a server is its client's alone, so that the server can authenticate it
/// ([RFC 4559, section 6](https://www.rfc-editor.org/rfc/rfc4559#section-6)). It stops when it is dropped.
#[derive(Debug)]
pub struct ProxyServer(HttpServer);

impl ProxyServer {
    /// Starts a proxy that verifies sign-ins against the accounts of a mock, on a free port of the loopback address 127.0.0.1.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start(mock: &MockSsp) -> Result<Self, ServeError> {
        Self::start_with(mock, Settings::new())
    }

    /// As [`start`](Self::start), with other settings.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn start_with(mock: &MockSsp, settings: Settings) -> Result<Self, ServeError> {
        HttpServer::start_as(Role::Proxy, mock, settings).map(Self)
    }
}

/// Addresses, events and sign-ins.
impl Deref for ProxyServer {
    type Target = HttpServer;

    fn deref(&self) -> &HttpServer {
        &self.0
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        // Where the thread has gone already, there is nothing to stop.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.shared.events.end();
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Accepts connections until the server is dropped. With the runtime every connection ends.
fn serve(
    runtime: &Runtime,
    listeners: Vec<TcpListener>,
    shared: &Arc<Shared>,
    stopped: oneshot::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(shared.settings.limits.connections));
    runtime.block_on(async {
        for listener in listeners {
            tokio::spawn(accept(listener, shared.clone(), places.clone()));
        }
        // Either way the server is dropped.
        let _ = stopped.await;
    });
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, places: Arc<Semaphore>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection::serve(shared.clone(), stream, place));
            }
            // The client has gone again, or this process has too many files open: then waiting helps.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}
