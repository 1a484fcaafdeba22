//! The HTTP server, as clients meet it.

#![forbid(unsafe_code)]

mod client;
/// What a server does wrong on purpose.
mod fault;
/// Limits, bad requests and clients that go away.
mod limits;
/// Proxies.
mod proxy;
/// Who is signed in as whom, and by what.
mod sign_in;
/// TLS and channel bindings.
mod tls;
