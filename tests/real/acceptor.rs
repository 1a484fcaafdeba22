//! The other end of a sign-in: an HTTP server of the test's own, which verifies through a mock in this process.
//!
//! It speaks `Authorization: Negotiate` and `Authorization: NTLM` as RFC 4559 has them: a handshake belongs to a connection, and a
//! context that is established does, too. A body of `/wrapped` is a message that the client encrypted.

use std::{
    io::{self, BufRead, BufReader, Write},
    mem,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use sspcache::{
    Error, SecurityPackage,
    context::{ContextFlags, ContextRequest, Handshake, Sealed, SecurityContext, Step},
};
use sspcache_engine::Config;
use sspcache_mock::{MockProcess, MockSsp};

use crate::base64;

/// A server on a port of its own. It ends when it is dropped.
pub(crate) struct Acceptor {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    /// By the scheme of the header.
    packages: [(&'static str, SecurityPackage); 3],
    /// What became of each sign-in, in order.
    outcomes: Mutex<Vec<String>>,
    connections: Mutex<Vec<TcpStream>>,
    ending: Mutex<bool>,
}

impl Acceptor {
    /// Starts one whose accounts are those of a configuration.
    pub(crate) fn new(config: &str) -> Self {
        let config: Config = config.parse().expect("the configuration of the tests is valid");
        let mock = MockSsp::msn().config(&config);
        let ssps = MockProcess::with_loaded([&mock]).provider();
        let package = |name| ssps.security_package("MSNSSPC.dll", name).expect("the mock offers it");
        let shared = Arc::new(Shared {
            packages: ["Negotiate", "NTLM", "MSN"].map(|name| (name, package(name))),
            outcomes: Mutex::default(),
            connections: Mutex::default(),
            ending: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = shared.clone();
        let listening = thread::spawn(move || server.listen(&listener));
        Self { address, shared, listening: Some(listening) }
    }

    /// Its port, on this host alone.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What became of the sign-ins so far: whom it let in by which package, or the status with which it refused.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.shared.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        *self.shared.ending.lock().unwrap_or_else(PoisonError::into_inner) = true;
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.connections.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

impl Shared {
    fn listen(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if *self.ending.lock().unwrap_or_else(PoisonError::into_inner) {
                return;
            }
            let Ok(stream) = stream else { continue };
            if let Ok(kept) = stream.try_clone() {
                self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
            }
            let server = self.clone();
            thread::spawn(move || {
                // A client that goes away in the middle says nothing of the mock: its exit status does.
                let _ = Connection { server, state: State::Anonymous }.serve(stream);
            });
        }
    }

    fn note(&self, outcome: String) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    }
}

struct Connection {
    server: Arc<Shared>,
    state: State,
}

enum State {
    Anonymous,
    HalfOpen(Handshake),
    SignedIn(SecurityContext),
}

struct Request {
    path: String,
    /// The scheme and the token.
    authorization: Option<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Connection {
    fn serve(mut self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while let Some(request) = read(&mut reader)? {
            let answer = self.answer(&request);
            stream.write_all(&answer)?;
        }
        Ok(())
    }

    fn answer(&mut self, request: &Request) -> Vec<u8> {
        let Some((scheme, token)) = &request.authorization else {
            return match &self.state {
                State::SignedIn(context) => page(context, request, None),
                _ => denied(None, "sign in"),
            };
        };
        let Some((scheme, package)) =
            self.server.packages.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme))
        else {
            return denied(None, "an unknown scheme");
        };
        let handshake = if let State::HalfOpen(handshake) = mem::replace(&mut self.state, State::Anonymous) {
            handshake
        } else {
            let inbound = package.acquire_inbound().expect("a server needs no credential");
            inbound.accept(ContextRequest::new().with_flags(ContextFlags::EXTENDED_ERROR))
        };
        match handshake.step(token) {
            Ok(Step::Continue { handshake, token }) => {
                self.state = State::HalfOpen(handshake);
                denied(Some((scheme, &token)), "go on")
            }
            Ok(Step::Established { context, token }) => {
                let by = context.package().unwrap_or_else(|error| error.to_string());
                let client = context.client().unwrap_or_else(|error| error.to_string());
                self.server.note(format!("{client} by {by}"));
                let answer = page(&context, request, Some((scheme, &token)));
                self.state = State::SignedIn(context);
                answer
            }
            Err(failed) => {
                let token = failed.token().map(<[u8]>::to_vec);
                let error = match failed.into_error() {
                    Error::Sspi { status, .. } => status.to_string(),
                    other => other.to_string(),
                };
                let error = error.split(' ').next().unwrap_or_default().to_owned();
                self.server.note(format!("refused: {error}"));
                denied(token.as_deref().map(|token| (*scheme, token)), &error)
            }
        }
    }
}

/// What a client that is signed in reads: its name, or what became of its message.
fn page(context: &SecurityContext, request: &Request, token: Option<(&str, &[u8])>) -> Vec<u8> {
    let body = if request.path == "/wrapped" {
        wrapped(context, &request.body).unwrap_or_else(|error| error.to_string().into_bytes())
    } else {
        let by = context.package().unwrap_or_else(|error| error.to_string());
        let client = context.client().unwrap_or_else(|error| error.to_string());
        format!("{client} by {by}").into_bytes()
    };
    let header = token
        .filter(|(_, token)| !token.is_empty())
        .map(|(scheme, token)| format!("WWW-Authenticate: {scheme} {}\r\n", base64::encode(token)));
    response("200 OK", &header.unwrap_or_default(), &body)
}

/// Decrypts a message, whose trailer and data are one piece, and encrypts an answer likewise.
fn wrapped(context: &SecurityContext, body: &[u8]) -> Result<Vec<u8>, Error> {
    let answer = context.encrypt(b"an answer")?;
    // Both ends' trailers have the same length.
    let (token, data) = body.split_at_checked(answer.token.len()).unwrap_or_default();
    let message = context.decrypt(&Sealed { token: token.to_vec(), data: data.to_vec() })?;
    assert_eq!(message, b"a message", "what the clients write");
    Ok([answer.token, answer.data].concat())
}

fn denied(token: Option<(&str, &[u8])>, why: &str) -> Vec<u8> {
    let offer = match token {
        Some((scheme, token)) => format!("WWW-Authenticate: {scheme} {}\r\n", base64::encode(token)),
        None => "WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n".to_owned(),
    };
    response("401 Unauthorized", &offer, why.as_bytes())
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Reads a request; none when the client has gone.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut authorization, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        if name.eq_ignore_ascii_case("Authorization") {
            authorization = value
                .split_once(' ')
                .and_then(|(scheme, token)| Some((scheme.to_owned(), base64::decode(token)?)));
        } else if name.eq_ignore_ascii_case("Content-Length") {
            length = value.parse().map_err(io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { path, authorization, body }))
}
