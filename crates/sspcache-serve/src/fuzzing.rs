//! What the fuzz target of `fuzz/` calls: a server without a socket. Nothing in it is a stable interface.

use std::sync::Arc;

use sspcache_mock::MockSsp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    runtime::{self, Runtime},
    sync::Semaphore,
};

use crate::{HttpServer, ServeError, ServerEvent, Settings, connection, server::Shared};

/// A server that answers bytes with bytes.
#[allow(missing_debug_implementations, reason = "no stable interface")]
pub struct Offline {
    shared: Arc<Shared>,
    runtime: Runtime,
}

impl Offline {
    /// A server with these settings.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn new(mock: &MockSsp, settings: Settings) -> Result<Self, ServeError> {
        let shared = Arc::new(HttpServer::share(connection::Role::Http, mock, settings)?);
        let runtime =
            runtime::Builder::new_current_thread().enable_time().build().map_err(ServeError::Start)?;
        Ok(Self { shared, runtime })
    }

    /// What a client reads that sends these bytes on a connection, and then closes its side.
    ///
    /// # Panics
    /// When the server does.
    pub fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (client, server) = duplex(64 * 1024);
            let place = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("it is not closed");
            let serving = tokio::spawn(connection::serve_stream(self.shared.clone(), server, place));
            let (mut from_server, mut to_server) = tokio::io::split(client);
            let sending = async {
                // The server may have enough before all is sent.
                let _ = to_server.write_all(bytes).await;
                let _ = to_server.shutdown().await;
            };
            let mut answer = Vec::new();
            let ((), read) = tokio::join!(sending, from_server.read_to_end(&mut answer));
            read.expect("a pipe in memory doesn't fail");
            serving.await.expect("it doesn't panic");
            answer
        })
    }

    /// The latest events.
    pub fn events(&self) -> Vec<ServerEvent> {
        self.shared.events.latest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W4: as the fuzz target calls it.
    #[test]
    fn bytes_are_answered_without_a_socket() {
        let mock = MockSsp::msn();
        let server = Offline::new(&mock, Settings::new()).unwrap();
        let answer = |bytes: &[u8]| String::from_utf8(server.answer(bytes)).unwrap();
        assert!(answer(b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 401 "));
        assert!(answer(b"\0\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert_eq!(answer(b"GET /fault/close-before-answer HTTP/1.1\r\n\r\n"), "");
        assert_eq!(mock.open_contexts(), 0);
    }
}
