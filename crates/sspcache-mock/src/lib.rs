//! A mock SSP, and the other caches of a signed-in user, in an emulated process, for tests of sign-in and sign-out: on any system,
//! in parallel, without a domain.
//!
//! # A first test
//!
//! Your application signs its user in and out through one object, a [`dyn Sspi`](sspcache::Sspi):
//!
//! ```
//! use sspcache::{Credential, Error, SignIn, Sspi};
//!
//! struct Session<'a> {
//!     sspi: &'a dyn Sspi,
//!     credential: Credential,
//! }
//!
//! impl<'a> Session<'a> {
//!     fn sign_in(sspi: &'a dyn Sspi, user: &str, domain: &str, password: &str) -> Result<Self, Error> {
//!         let msn = sspi.security_package("MSNSSPC.dll", "MSN")?;
//!         let credential = msn.acquire(&SignIn::password(user, domain, password))?;
//!         Ok(Self { sspi, credential })
//!     }
//!
//!     fn sign_out(self) -> Result<(), Error> {
//!         drop(self.credential); // frees the handle; the SSP still has the password in its cache
//!         self.sspi.flush_all().into_result()?;
//!         Ok(())
//!     }
//! }
//!
//! // The test:
//! use sspcache_mock::{MockProcess, MockSsp};
//!
//! # fn signing_out_leaves_nothing_cached() -> Result<(), Error> {
//! let msn = MockSsp::msn().expect_sign_out(); // panics at the end, unless a user signed in and out
//! let process = MockProcess::with_loaded([&msn]);
//! let ssps = process.provider();
//!
//! let session = Session::sign_in(&ssps, "alice", "CONTOSO", "correct horse")?;
//! assert_eq!(msn.cached(), 1);
//! session.sign_out()?;
//! msn.assert_clean(); // names the credentials that are still cached, and since when
//! # Ok(()) }
//! # signing_out_leaves_nothing_cached().unwrap();
//! ```
//!
//! In production, `Session` gets [`sspcache::native()`]. In the test it gets an emulated process that has loaded a mock
//! SSP.
//!
//! # The sign-out of a Windows application, tested on Linux
//!
//! Windows keeps more of a signed-in user than SSPs do. Production empties that with [`Caches`](sspcache::caches::Caches), and a test
//! with the same of an emulated process ([`MockProcess::caches`]). The test puts there what Windows would have put there:
//!
//! ```
//! use sspcache::{
//!     CredentialProvider, Error, FlushReport,
//!     caches::{Caches, System},
//! };
//!
//! /// What the application empties. Production passes `Caches::process()`.
//! fn sign_out<S: System>(process: Caches<S>) -> Result<FlushReport, Error> {
//!     Ok(process.and_kerberos().and_credentials("MyApp/*")?.flush_all())
//! }
//!
//! // The test:
//! use sspcache_mock::{MockCredentials, MockProcess, MockSchannel, MockTickets, MockWinInet};
//!
//! # fn main() -> Result<(), Error> {
//! let (schannel, wininet) = (MockSchannel::new(), MockWinInet::new());
//! let (tickets, credentials) = (MockTickets::new(), MockCredentials::new());
//! let process = MockProcess::with_loaded([&schannel])
//!     .and_loaded(&wininet)
//!     .with_tickets(&tickets)
//!     .with_credentials(&credentials);
//!
//! schannel.session("mail.contoso.example");
//! wininet.cookie("web.contoso.example", "session");
//! tickets.ticket("krbtgt/CONTOSO.EXAMPLE@CONTOSO.EXAMPLE");
//! credentials.entry("MyApp/alice", MockCredentials::GENERIC);
//! credentials.entry("OtherApp/alice", MockCredentials::GENERIC);
//!
//! let report = sign_out(process.caches())?;
//! assert!(report.is_success(), "{report}");
//! process.assert_clean(); // names what is left of what belongs to the process, and the line that put it there
//! tickets.assert_clean();
//! assert_eq!(credentials.entries().len(), 1, "what another application has stored stays");
//! # Ok(()) }
//! ```
//!
//! Tickets belong to a logon session, credentials and [ccaches](MockCcaches) to a user. Give them to several processes, and a test shows
//! whom else a sign-out signs out. A [`CacheFault`] makes a cache fail, panic, refuse to list or keep its entries.
//!
//! # Both ends of a sign-in
//!
//! Test client and server together, or drive one side and play the other with [`sspcache::context`]. A server verifies
//! sign-ins against the accounts of the mock:
//!
//! ```
//! # #[cfg(feature = "contexts")] {
//! use sspcache::{SignIn, context::{ContextRequest, handshake}};
//! use sspcache_mock::{MockProcess, MockSsp};
//!
//! # fn only_the_right_password_signs_in() -> Result<(), sspcache::Error> {
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
//! # only_the_right_password_signs_in().unwrap();
//! # }
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
//! - The module loader: names, references, exports, the loader lock. So a flush from inside a loader callback is
//!   refused, as on Windows ([`MockProcess::in_loader_callback`]); an SSP that isn't loaded has no cache; and several
//!   modules can have one name.
//! - The SSP: its cache, its packages, its handles.
//! - The window station, as far as the protocol asks for it ([`MockProcess::set_window_station`]).
//! - Schannel and WinINet as loaded modules, the logon session's Kerberos tickets, the user's Credential Manager and ccaches: what is in
//!   them, and what a flush removes. They make no connections and get no tickets: a test puts the entries there.
//!
//! The protocol is not emulated: it is the code that production runs. Each [`MockProcess`] is a process of its own, and
//! each [`MockSsp`] has a cache of its own, so tests run in parallel.
//!
//! A mock can't show what the real SSPs do where nothing is documented. It is not documented whether a credential
//! handle survives a flush: test with both values of [`HandlePolicy`].
//!
//! # Leaks and misuse
//!
//! [`MockSsp::expect_no_leaks`] fails a test that never drops a credential or a context, and names the line that acquired or
//! began it. Credentials, handshakes and contexts can't be misused: each is freed once, a step consumes its handshake, and they hand out
//! no memory. What can be misused is a module's [`SecurityInterface`](sspcache::loader::SecurityInterface), below them: a handle freed
//! twice or used after it was freed, a context used after it was deleted, a step on a context whose handshake failed.
//! [`MockSsp::expect_no_misuse`] finds these. The types keep credential handles and contexts apart, so passing one as the other is found in C
//! alone.
//!
//! # Features
//!
//! - `contexts` (default): handshakes, messages and accounts. Without it, the functions of contexts return
//!   `SEC_E_UNSUPPORTED_FUNCTION`. Tests of sign-in and sign-out need none, and compile half as many crates.
//! - `config` (default): configuration files, as the mock DLLs read them.
//! - `journal`: events can be written to a journal, as the mock DLLs write it.
//!
//! The minimum supported Rust version is 1.88.
#![forbid(unsafe_code)]

mod caches;
mod expectation;
mod interface;
mod loader;
mod place;
mod ssp;

pub use caches::{
    CacheCall, CacheEffect, CacheFault, MockCcaches, MockCredentials, MockSchannel, MockTickets, MockWinInet,
};
pub use interface::MockInterface;
pub use loader::{MockDll, MockModule, MockProcess};
pub use ssp::MockSsp;
#[cfg(feature = "journal")]
pub use sspcache_engine::journal;
#[doc(hidden)]
pub use sspcache_engine::{AcquireRequest, AuthIdentity, Engine, EngineBuilder, Secret};
pub use sspcache_engine::{
    CachedCredential, Effect, Ending, Event, EventKind, EventSink, Fault, HandlePolicy, HeldCredential,
    Logon, Name, Operation, PackageInfo, PackageList, Principal, SecurityStatus, Source, clock,
};
#[cfg(feature = "config")]
pub use sspcache_engine::{Config, ConfigError};
pub use sspcache_loader::LoaderError;

/// The examples of the project's front page, held to compile and pass.
#[cfg(all(doctest, feature = "contexts"))]
#[doc = include_str!("../../../README.md")]
struct FrontPage;
