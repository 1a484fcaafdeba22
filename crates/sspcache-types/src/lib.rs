//! SSPI's types, one set for `sspcache` and its mock SSP: statuses, flags, roles, identities, and names as Windows
//! compares them.
//!
//! Nothing here does anything: the types have no pointers, and depend on none of the other crates.
//!
//! # Features
//!
//! - `serde`: statuses and roles implement `Serialize` and `Deserialize`, by name.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod name;
pub mod numbers;

mod flags;
mod handshake;
mod identity;
#[cfg(feature = "serde")]
mod serde;
mod status;

pub use flags::ContextFlags;
pub use handshake::{Progress, Refusal, Role};
pub use identity::Identity;
pub use status::SecurityStatus;
