//! Schannel's sessions, for real: a TLS server on this machine says whether a client resumed one.
//!
//! Whether a session isn't resumed any more can be shown on Windows alone: Wine 8 and 10 never resume one *(observed)*. A program
//! of its own, since it is linked to secur32.dll, which no other test may need.
#![cfg(windows)]
#![allow(unsafe_code, reason = "asks for an export of Wine's")]

use std::{io::Read, net::TcpStream, sync::Arc};

use libloading::os::windows::Library;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, Stream, crypto::ring::default_provider, version::TLS12,
};
use schannel::{
    schannel_cred::{Direction, SchannelCred},
    tls_stream::Builder,
};
use sspcache::{CredentialProvider, Flush, caches::Caches};

use self::server::Server;

/// K1: Windows resumes a session until a flush, and makes a new one after it. Under Wine the call and its answer are shown, and
/// that TLS works as before.
#[test]
fn schannel_resumes_no_session_after_a_flush() {
    let server = Server::start();
    let caches = Caches::process().allow_non_interactive(true);
    // Schannel keeps sessions by the credential and the server's name.
    let credential = SchannelCred::builder().acquire(Direction::Outbound).unwrap();
    let resumes = || {
        // Whether the server is trusted is another question.
        let mut client = Builder::new();
        client.domain("localhost").verify_callback(|_| Ok(()));
        let connection = TcpStream::connect(server.address).unwrap();
        said(client.connect(credential.clone(), connection).unwrap())
    };
    let can_resume = !is_wine();
    for _ in 0..2 {
        assert!(!resumes());
        assert_eq!(resumes(), can_resume);
        assert_eq!(resumes(), can_resume);

        assert!(caches.is_present("schannel.dll").unwrap());
        let report = caches.flush_all();
        assert!(report.is_success(), "{report}");
        let row = report.rows().iter().find(|row| row.cache.is_named("schannel.dll")).unwrap();
        assert_eq!(*row.outcome.as_ref().unwrap(), Flush::Flushed, "{report}");
    }
}

/// Else the other test would show nothing.
#[test]
fn the_server_resumes_sessions_of_a_client_that_asks() {
    let server = Server::start();
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(default_provider().into())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    for resumed in [false, true, true] {
        let mut client = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
        let mut connection = TcpStream::connect(server.address).unwrap();
        assert_eq!(said(Stream::new(&mut client, &mut connection)), resumed);
    }
}

/// Whether the server at the other end says that the client resumed a session.
fn said(mut stream: impl Read) -> bool {
    let mut resumed = [0];
    stream.read_exact(&mut resumed).unwrap();
    resumed == [1]
}

fn is_wine() -> bool {
    let ntdll = Library::open_already_loaded("ntdll.dll").unwrap();
    // SAFETY: only whether it is there is asked.
    unsafe { ntdll.get::<*const ()>("wine_get_version") }.is_ok()
}

/// A TLS server, a thread that ends when this is dropped.
mod server {
    use std::{
        io::{self, Write},
        net::{SocketAddr, TcpListener, TcpStream},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
        thread::{self, JoinHandle},
    };

    use rcgen::generate_simple_self_signed;
    use rustls::{
        HandshakeKind, ServerConfig, ServerConnection, StreamOwned,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
        version::TLS12,
    };

    #[derive(Debug)]
    pub(super) struct Server {
        pub(super) address: SocketAddr,
        /// The one that it presents, signed by itself.
        pub(super) certificate: CertificateDer<'static>,
        ended: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        /// A server that resumes sessions of TLS 1.2, which every Schannel speaks.
        pub(super) fn start() -> Self {
            let signed = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
            let certificate = signed.cert.der().clone();
            let config = ServerConfig::builder_with_provider(default_provider().into())
                .with_protocol_versions(&[&TLS12])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.clone()], key)
                .unwrap();
            let config = Arc::new(config);

            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let ended = Arc::<AtomicBool>::default();
            let done = ended.clone();
            let thread = thread::spawn(move || {
                for stream in listener.incoming() {
                    if done.load(SeqCst) {
                        return;
                    }
                    // What goes wrong with a client is in what that client doesn't get.
                    let _ = stream.and_then(|stream| answer(stream, &config));
                }
            });
            Self { address, certificate, ended, thread: Some(thread) }
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.ended.store(true, SeqCst);
            // Wakes it up.
            drop(TcpStream::connect(self.address));
            self.thread.take().map(JoinHandle::join);
        }
    }

    /// Sends one byte: whether the client resumed a session.
    fn answer(mut stream: TcpStream, config: &Arc<ServerConfig>) -> io::Result<()> {
        let mut connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        connection.complete_io(&mut stream)?;
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(&[u8::from(resumed)])?;
        stream.conn.send_close_notify();
        stream.flush()
    }
}
