//! Clients of other projects, as their registries have them, sign in to a server that verifies through the mock.
//!
//! They are Windows programs, which Wine runs under `sspcache exec`; the server is the test itself, and so a mock for another
//! system verifies what they send. `cargo xtask setup --all` fetches them, and `cargo xtask test clients` runs these tests.
#![cfg(target_os = "linux")]

/// The other end.
mod acceptor;
/// What HTTP puts tokens into.
mod base64;
/// The tests: a file for each registry or system that clients come from.
mod fetched;
/// Runs of a client, and what must come of them.
mod runs;
/// The same clients at the program's own server.
#[cfg(feature = "serve")]
mod served;
