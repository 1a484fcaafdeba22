//! The mock Security Support Provider (SSP) of `sspcache`: a credential cache with everything around it that a
//! sign-out has to be tested against. Its own code is safe, but for [`per_process`] and what of [`vault`] asks the system for pages.
//!
//! An [`Engine`] is one mock instance. It offers [security packages](PackageInfo), hands out credential
//! [handles](CredentialHandle) for explicit, cached and anonymous identities, keeps what was signed in with in a
//! [`vault`], and empties that cache when [`Engine::flush`] is called, which is what
//! [`CleanupCredentialCache`](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache)
//! does. Every step is an [`Event`]; every step can be made to fail by a [`Fault`].
//!
//! The engine knows no pointers and no operating system's loader: handles are an index and a generation, buffers
//! are slices, statuses an enum. `sspcache-mock` puts it into the emulated loader for tests in Rust,
//! `sspcache-dll` gives it the C ABI of a real SSP.
//!
//! # Example
//!
//! ```
//! use sspcache_engine::{AcquireRequest, AuthIdentity, Engine, SecurityStatus};
//!
//! let ssp = Engine::builder("MSNSSPC.dll").build();
//!
//! // Signing in with a password caches it ...
//! let alice = AuthIdentity::password("alice", "CONTOSO", "correct horse");
//! let first = ssp.acquire(&AcquireRequest::outbound("MSN").with_identity(alice)).unwrap();
//! ssp.free(first.handle).unwrap();
//! // ... so that the next sign-in needs none,
//! let silent = ssp.acquire(&AcquireRequest::outbound("MSN")).unwrap();
//! assert_eq!(ssp.principal(silent.handle).unwrap().to_string(), r"CONTOSO\alice");
//! // until the cache is flushed.
//! assert!(ssp.flush());
//! assert_eq!(ssp.acquire(&AcquireRequest::outbound("MSN")).unwrap_err(), SecurityStatus::NO_CREDENTIALS);
//! ssp.assert_clean();
//! ```
//!
//! # Limits
//!
//! What wiping can't reach: CPU registers, the stack of a caller, copies that the caller made, and swap where the
//! limit on locked memory is hit. See `SECURITY.md`.
#![warn(clippy::multiple_unsafe_ops_per_block)]
#![cfg_attr(
    not(feature = "contexts"),
    allow(dead_code, reason = "much of what an instance keeps is for contexts")
)]

pub mod clock;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "contexts")]
pub mod context;
#[cfg(not(feature = "contexts"))]
#[path = "no_contexts.rs"]
pub mod context;
pub mod event;
#[cfg(feature = "journal")]
pub mod journal;
pub mod misuse;
pub mod per_process;
pub mod vault;

#[cfg(feature = "contexts")]
mod account;
mod builder;
mod credentials;
mod engine;
mod fault;
mod handle;
mod holdings;
mod identity;
mod ledger;
mod name;
mod package;
#[cfg(feature = "contexts")]
mod seal;
mod secret;
mod stack;
mod state;
mod sync;

pub use builder::EngineBuilder;
pub use clock::{Clock, FileTime, SystemClock};
#[cfg(feature = "config")]
pub use config::{Config, ConfigError};
pub use credentials::{
    AcquireRequest, Acquired, CachedCredential, Direction, HeldCredential, KdcProxy, Logon, Unclean,
};
pub use engine::Engine;
pub use event::{Ended, Ending, Event, EventKind, EventSink, Holds, SinkOfChild, Source};
pub use fault::{Effect, Fault, Operation};
pub use handle::CredentialHandle;
pub use identity::{AuthIdentity, PackageList, Principal};
pub use ledger::HandlePolicy;
pub use name::Name;
pub use package::{Capabilities, MessageSizes, PackageInfo};
#[cfg(feature = "contexts")]
pub use seal::{Seal, SealedFor};
pub use secret::{Secret, SecretKind};
pub use sspcache_types::SecurityStatus;
pub use stack::{Frame, NotAFrame, StackSource};
