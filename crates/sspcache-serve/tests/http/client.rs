//! A client of the tests: HTTP/1.1 on one connection, with the tokens of a mock.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use sha2::{Digest, Sha256};
use sspcache::{
    SignIn,
    context::{ContextFlags, ContextRequest, Step},
};
use sspcache_mock::{MockProcess, MockSsp};

/// How long a test waits before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const PASSWORD: &str = "correct horse";

/// A mock with the accounts of the tests.
pub(crate) fn accounts() -> MockSsp {
    MockSsp::msn().account("alice", "CONTOSO", PASSWORD).account("bob", "CONTOSO", "battery staple")
}

/// A connection.
pub(crate) struct Client {
    stream: BufReader<Box<dyn Stream>>,
    socket: TcpStream,
}

trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The values of header fields of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value).collect()
    }

    /// The token that came with the scheme; empty where there is none.
    pub(crate) fn token(&self) -> Vec<u8> {
        let fields = [self.all("www-authenticate"), self.all("proxy-authenticate")].concat();
        let token = fields.first().and_then(|value| value.split_once(' '));
        token.map_or(Vec::new(), |(_, token)| STANDARD.decode(token).expect("Base64"))
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time is set");
        let stream = socket.try_clone().expect("a second handle");
        Self { stream: BufReader::new(Box::new(stream)), socket }
    }

    /// Over TLS, trusting one issuer. Also returns the two kinds of channel bindings: of the end point, and of the connection.
    pub(crate) fn connect_tls(address: SocketAddr, issuer: &str) -> (Self, [Vec<u8>; 2]) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(issuer.as_bytes()).expect("PEM")).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let mut connection = ClientConnection::new(Arc::new(config), name).expect("it is configured");
        let mut socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time is set");
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).expect("the server's certificate is trusted");
        }
        let certificate = &connection.peer_certificates().expect("the server has one")[0];
        let end_point = [&b"tls-server-end-point:"[..], &Sha256::digest(certificate)].concat();
        let label = b"EXPORTER-Channel-Binding";
        let keying = connection.export_keying_material([0; 32], label, Some(&[])).expect("it is there");
        let exporter = [&b"tls-exporter:"[..], &keying].concat();
        let stream = StreamOwned::new(connection, socket.try_clone().expect("a second handle"));
        (Self { stream: BufReader::new(Box::new(stream)), socket }, [end_point, exporter])
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server reads");
    }

    /// As [`send`](Self::send), where the server may have closed the connection before.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.socket
    }

    /// Asks for a path, with these header fields.
    pub(crate) fn get(&mut self, path: &str, fields: &str) -> Answer {
        self.request("GET", path, fields)
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, fields: &str) -> Answer {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes());
        self.read().expect("an answer")
    }

    /// The next answer; none when the connection has ended.
    pub(crate) fn read(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.split(' ').nth(1).expect("a status").parse().expect("a number");
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        let length =
            answer.all("content-length").first().map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        answer.body = String::from_utf8(body).expect("UTF-8");
        Some(answer)
    }

    /// A line of a body that doesn't end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Whether the server has closed the connection: waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        // What came before it, such as an alert of TLS, counts for nothing.
        loop {
            match self.stream.read(&mut [0; 64]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }
}

/// How a client signs in.
#[derive(Clone, Copy)]
pub(crate) struct As<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    pub(crate) path: &'a str,
    pub(crate) bindings: Option<&'a [u8]>,
    /// The method, and the field that the token is in.
    pub(crate) request: (&'a str, &'a str),
}

pub(crate) const fn alice(scheme: &str) -> As<'_> {
    As {
        scheme,
        user: "alice",
        password: PASSWORD,
        path: "/",
        bindings: None,
        request: ("GET", "Authorization"),
    }
}

impl As<'_> {
    /// Sends the first token alone.
    pub(crate) fn begin(self, client: &mut Client) -> Answer {
        let ssps = MockProcess::with_loaded([&MockSsp::msn()]).provider();
        let package = ssps.security_package("MSNSSPC.dll", self.scheme).expect("the mock has it");
        let credential =
            package.acquire(&SignIn::password(self.user, "CONTOSO", self.password)).expect("any");
        let step = credential.initiate(ContextRequest::to("HTTP/localhost")).step(&[]);
        let Ok(Step::Continue { token, .. } | Step::Established { token, .. }) = step else {
            panic!("{step:?}")
        };
        client.get(self.path, &format!("Authorization: {} {}\r\n", self.scheme, STANDARD.encode(token)))
    }

    /// Signs in on a connection: the last answer, and whether the client's own context was established.
    pub(crate) fn sign_in(self, client: &mut Client) -> (Answer, bool) {
        let ssps = MockProcess::with_loaded([&MockSsp::msn()]).provider();
        let package = ssps.security_package("MSNSSPC.dll", self.scheme).expect("the mock has it");
        let credential =
            package.acquire(&SignIn::password(self.user, "CONTOSO", self.password)).expect("any");
        let request = ContextRequest::to("HTTP/localhost").with_flags(ContextFlags::MUTUAL_AUTH);
        let request = match self.bindings {
            None => request,
            Some(bindings) => request.with_channel_bindings(bindings),
        };
        let mut handshake = credential.initiate(request);
        let mut received = Vec::new();
        let mut last = None;
        loop {
            let (rest, token) = match handshake.step(&received) {
                Ok(Step::Continue { handshake, token }) => (Some(handshake), token),
                Ok(Step::Established { token, .. }) => (None, token),
                // The server says why it refused.
                Err(failed) => {
                    return (last.unwrap_or_else(|| panic!("the first step fails: {failed}")), false);
                }
            };
            let (method, field) = self.request;
            let field = format!("{field}: {} {}\r\n", self.scheme, STANDARD.encode(token));
            let answer = client.request(method, self.path, &field);
            received = answer.token();
            let is_over = answer.status == 200 || received.is_empty();
            match rest {
                Some(rest) if is_over => {
                    let is_established = !received.is_empty()
                        && matches!(rest.step(&received), Ok(Step::Established { token, .. }) if token.is_empty());
                    return (answer, is_established);
                }
                Some(rest) => (handshake, last) = (rest, Some(answer)),
                None => return (answer, true),
            }
        }
    }
}
