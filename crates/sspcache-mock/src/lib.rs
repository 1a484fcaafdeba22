//! What tests depend on: a mock SSP in an emulated module loader, behind the trait that production uses.
//!
//! # A first test
//!
//! Your application signs its user out through [`sspcache::CredentialProvider`]:
//!
//! ```
//! use sspcache::CredentialProvider;
//!
//! fn sign_out(ssps: &dyn CredentialProvider) -> bool {
//!     ssps.flush_all().is_success()
//! }
//! # sign_out(sspcache::native());
//! ```
//!
//! In production it is given `sspcache::native()`. In a test, on any system, it is given a process that doesn't exist,
//! with an SSP that does what it should:
//!
//! ```
//! use sspcache::SignIn;
//! use sspcache_mock::{MockProcess, MockSsp};
//! # use sspcache::CredentialProvider;
//! # fn sign_out(ssps: &dyn CredentialProvider) -> bool { ssps.flush_all().is_success() }
//!
//! # fn signing_out_leaves_nothing_cached() -> Result<(), sspcache::Error> {
//! let msn = MockSsp::msn();
//! let ssps = MockProcess::with_loaded([&msn]).provider();
//!
//! let package = ssps.security_package("MSNSSPC.dll", "MSN")?;
//! package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse"))?;
//! assert_eq!(msn.cached(), 1);
//!
//! assert!(sign_out(&ssps));
//! msn.assert_clean(); // names who is still cached, and since when
//! assert!(package.acquire(&SignIn::silent()).is_err());
//! # Ok(()) }
//! # signing_out_leaves_nothing_cached().unwrap();
//! ```
//!
//! # Both ends of a sign-in
//!
//! Test client and server together, or drive one side and play the other with [`sspcache::context`]. A server verifies
//! sign-ins against the accounts of the mock:
//!
//! ```
//! use sspcache::{SignIn, context::{ContextRequest, handshake}};
//! use sspcache_mock::{MockProcess, MockSsp};
//!
//! # fn only_who_knows_the_password_signs_in() -> Result<(), sspcache::Error> {
//! let msn = MockSsp::msn().account("alice", "CONTOSO", "correct horse");
//! let package = MockProcess::with_loaded([&msn]).provider().security_package("MSNSSPC.dll", "MSN")?;
//! let service = package.acquire_inbound()?;
//! for (password, is_right) in [("correct horse", true), ("wrong horse", false)] {
//!     let alice = package.acquire(&SignIn::password("alice", "CONTOSO", password))?;
//!     let met = handshake(
//!         alice.initiate(ContextRequest::to("HTTP/web")),
//!         service.accept(ContextRequest::new()),
//!     );
//!     assert_eq!(met.is_ok(), is_right);
//! }
//! # Ok(()) }
//! # only_who_knows_the_password_signs_in().unwrap();
//! ```
//!
//! The handshake is the mock's own: real servers refuse it. Its proof is real, and so are signatures and encryption.
//!
//! # Making a call fail
//!
//! ```
//! use sspcache::{CredentialProvider, Error};
//! use sspcache_mock::{Effect, Fault, MockProcess, MockSsp, Operation};
//!
//! let stubborn = MockSsp::msn().fault(Fault::new(Operation::CleanupCredentialCache, Effect::False).times(1));
//! let ssps = MockProcess::with_loaded([&stubborn]).provider();
//! assert!(matches!(ssps.flush("MSNSSPC.dll"), Err(Error::FlushFailed { .. })));
//! assert!(ssps.flush("MSNSSPC.dll").is_ok());
//! ```
//!
//! # What is emulated
//!
//! - The loader ([`sspcache_loader`]): names, references, exports, the loader lock. So a flush from inside a loader
//!   callback is refused as Windows' would be ([`MockProcess::in_loader_callback`]), what isn't loaded has no cache, and
//!   several modules may carry one name.
//! - The SSP ([`sspcache_engine`]): its cache, its packages, its handles.
//! - The window station, as far as the protocol asks for it ([`MockProcess::set_window_station`]).
//!
//! The protocol itself is not: it is the code that production runs. Each [`MockProcess`] is a process of its own and
//! each [`MockSsp`] has a cache of its own, so that tests run in parallel.
//!
//! What this can't show is what the real SSPs do: nobody documents whether a credential handle survives a flush, so
//! test with both [`HandlePolicy`] values.
#![cfg_attr(not(test), warn(clippy::missing_panics_doc))]
#![forbid(unsafe_code)]

mod expectation;
mod interface;
mod loader;
mod ssp;

pub use interface::MockInterface;
pub use loader::{MockModule, MockProcess};
pub use ssp::MockSsp;
#[doc(hidden)]
pub use sspcache_engine::{AcquireRequest, Engine, EngineBuilder, Identity, Secret};
pub use sspcache_engine::{
    CachedCredential, Config, ConfigError, Effect, Ending, Event, EventKind, EventSink, Fault, HandlePolicy,
    Name, Operation, PackageInfo, Principal, SecurityStatus, Source, clock,
};
pub use sspcache_loader::LoaderError;

/// The examples of the project's front page, held to compile and pass.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;
