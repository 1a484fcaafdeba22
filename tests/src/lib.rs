//! What the whole-system tests share. The tests themselves lie beside this folder: a folder for each test binary, and in it
//! `main.rs`, which says what belongs into which file.
//!
//! Everything here is for tests: it panics where a test is to fail.
#![allow(missing_docs, clippy::missing_panics_doc, reason = "for tests alone, which read the source")]
#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "pointers are passed on to a mock, as a foreign program passes them"
)]
#![allow(
    clippy::return_self_not_must_use,
    reason = "what asserts something gives its subject back, for more of that"
)]

pub mod any_call;
pub mod auth_identity;
pub mod both_ends;
pub mod caches;
pub mod ccache_file;
pub mod context;
pub mod dll;
pub mod identity;
#[cfg(unix)]
pub mod kdc;
#[cfg(miri)]
pub mod linked;
pub mod misuse;
pub mod policy;
pub mod program;
pub mod residue;
pub mod schema;
pub mod stack;
pub mod stage;
mod start;
pub mod statuses;
#[cfg(target_os = "linux")]
pub mod valgrind;
#[cfg(unix)]
pub mod win32;
#[cfg(unix)]
pub mod wine;

/// How many cases a test tries that makes them up: `SSPCACHE_TEST_CASES`, or what is enough on each change.
pub fn cases(on_each_change: u32) -> u32 {
    let cases = std::env::var("SSPCACHE_TEST_CASES").ok();
    cases.map_or(on_each_change, |cases| cases.parse().expect("SSPCACHE_TEST_CASES is a number of cases"))
}
