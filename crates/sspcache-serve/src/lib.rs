//! The other end of a client's test: servers that clients sign in to. They verify sign-ins by a mock SSP, against its accounts.
//!
//! A client that is tested with a mock SSP needs a server that accepts what the mock makes. [`HttpServer`] is one, for HTTP clients:
//!
//! ```
//! use std::{io::{Read, Write}, net::TcpStream};
//! use sspcache_mock::MockSsp;
//! use sspcache_serve::HttpServer;
//!
//! # fn asks_for_a_sign_in() -> Result<(), Box<dyn std::error::Error>> {
//! let ssp = MockSsp::msn().account("alice", "CONTOSO", "correct horse");
//! let server = HttpServer::start(&ssp)?;
//!
//! // The client under test is given `server.url()`. This one doesn't sign in:
//! let mut client = TcpStream::connect(server.address())?;
//! client.write_all(b"GET /whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
//! assert!(answer.contains("\r\nwww-authenticate: Negotiate\r\nwww-authenticate: NTLM\r\n"));
//! assert!(server.sign_ins().is_empty());
//! # Ok(()) }
//! # asks_for_a_sign_in().unwrap();
//! ```
//!
//! [`ProxyServer`] is a proxy. Both speak TLS where their [`Settings`] say so, and check channel bindings.
//!
//! # What it answers
//!
//! | path | answer |
//! | --- | --- |
//! | `/whoami` | JSON: who authenticated this request, who authenticated the connection, and how |
//! | `/events` | the [events](ServerEvent) of the server so far, then each when it happens: a JSON document a line. Needs no sign-in |
//! | `/cookie` | sets a session cookie. A request with it needs no further sign-in |
//! | `/open` | needs no sign-in |
//! | `/fault/NAME` | as the next, with [a fault](Fault) on the way |
//! | any other | a line of text: `CONTOSO\alice by Kerberos` |
//!
//! # What it is not
//!
//! A server for anything but tests. What it accepts are the mock's tokens, which prove a password to a mock and to nothing else.
#![forbid(unsafe_code)]

mod acceptor;
mod connection;
mod error;
mod event;
mod fault;
#[cfg(any(feature = "fuzzing", test))]
#[doc(hidden)]
pub mod fuzzing;
mod pages;
mod proxy;
mod server;
mod sessions;
mod settings;
mod stream;
mod tls;

pub use self::{
    acceptor::SignIn,
    error::ServeError,
    event::{Following, ServerEvent, ServerEventKind, Totals},
    fault::{Fault, Last, UnknownFault},
    server::{HttpServer, ProxyServer},
    settings::{Authentication, Bindings, Channel, Limits, Settings},
};
