//! ccaches of MIT krb5 and Heimdal, with real tickets of a KDC on loopback.
//!
//! `KRB5CCNAME` and `KRB5_CONFIG` are a process's: each flush is made by a process of its own, the test `child::flushes` of this
//! binary, and so is each client.
#![cfg(unix)]
#![allow(unsafe_code, reason = "loads Kerberos libraries, and gives rights up")]

// The example of a client, as it stands.
#[path = "../../crates/sspcache/examples/kerberos.rs"]
#[allow(dead_code, reason = "its main function")]
mod example;
// What runs in a process of its own.
mod flush;

// Kerberos.framework.
#[cfg(target_os = "macos")]
mod macos;
// The cases that emulated ccaches run as well.
#[cfg(target_os = "linux")]
mod table;
// Tickets are gone after a flush: K1, K2, K4.
#[cfg(target_os = "linux")]
mod tickets;
// What is in the way of a flush: K2, K3.
#[cfg(target_os = "linux")]
mod surroundings;
