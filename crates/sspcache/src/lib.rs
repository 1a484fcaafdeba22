//! Signs users in and out on Windows and Unix, behind a trait that tests can mock on any system.
//!
//! A signed-in user leaves credentials in caches, so that the next sign-in needs no password: TLS sessions of Schannel, cookies and
//! passwords of WinINet, Kerberos tickets, entries of the Credential Manager, ccaches of MIT krb5 and Heimdal, and what Security
//! Support Providers (SSPs) cache. A program that signs its user out has to empty them. [`caches::Caches`] does that, with one
//! report:
//!
//! ```
//! use sspcache::{CredentialProvider, caches::Caches};
//!
//! # fn main() -> Result<(), sspcache::Error> {
//! let sign_out = Caches::process() // what belongs to this process
//!     .and_kerberos() // and, by name, what the user's other programs share
//!     .and_ccache()
//!     .and_credentials("MyApp/*")?;
//! # if false {
//! sign_out.flush_all().into_result()?;
//! # }
//! # Ok(()) }
//! ```
//!
//! The module [`caches`] lists them, with the scope of each and what a flush does. On a system that doesn't have a cache it is absent,
//! which is a success, so the same code runs on Windows and on Linux.
//!
//! # The protocol
//!
//! Microsoft documents for SSPs how their caches are flushed:
//! [`CleanupCredentialCache`](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache). This crate
//! follows that protocol for each cache that a loaded module has. Each way in which it can fail is an error of its own:
//!
//! 1. Is it a cache that is known? ([`Error::UnknownCache`])
//! 2. Is it safe to flush from here: not from DllMain, not in a service? ([`Error::InsideLoaderCallback`],
//!    [`Error::NonInteractiveWindowStation`])
//! 3. Which modules of that name are loaded? None is ever loaded in order to be flushed. An SSP that isn't loaded has no
//!    cache, which is a success: [`Flush::Absent`].
//! 4. Does the module have the export? ([`Error::ExportMissing`])
//! 5. What does the call return? ([`Error::FlushFailed`])
//!
//! # For applications
//!
//! Hold one object for signing in and out, a [`dyn Sspi`](Sspi). Pass a [`Caches`](caches::Caches) in production, or [`native()`]
//! for SSPs alone:
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
//! # fn main() -> Result<(), Error> {
//! # if false {
//! let caches = sspcache::caches::Caches::process().and_kerberos();
//! let session = Session::sign_in(&caches, "alice", "CONTOSO", "correct horse")?;
//! session.sign_out()?;
//! # }
//! # Ok(()) }
//! ```
//!
//! In a unit test, pass the provider of an emulated process from the crate `sspcache-mock`: it has loaded a mock SSP with a
//! real cache, and runs the same protocol, on any system.
//!
//! ## How the SSP comes to be loaded
//!
//! This crate loads nothing: [`Sspi::security_package`] fails with [`Error::NotLoaded`] until the process has loaded the SSP.
//! On Windows that happens in one of two ways:
//!
//! - secur32.dll loads the SSPs that the registry lists (`HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders`, value
//!   `SecurityProviders`), at the program's first call of a function of SSPI.
//! - The application loads it, and keeps it loaded for as long as users are signed in. Unloading it is no sign-out.
//!
//! ```no_run
//! # #[cfg(windows)] {
//! use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library};
//!
//! // SAFETY: Windows' own folder has no DLL of this name but the SSP.
//! let _ssp = unsafe { Library::load_with_flags("MSNSSPC.dll", LOAD_LIBRARY_SEARCH_SYSTEM32)? };
//! # } Ok::<(), libloading::Error>(())
//! ```
//!
//! ## Reports
//!
//! [`CredentialProvider::flush_all`] flushes each cache and returns a [`FlushReport`] that prints as a table. A failure in one
//! doesn't affect the others. A [`FlushOnDrop`] flushes when a scope ends, for sign-outs with many exits.
//!
//! ## Other SSPs, other window stations
//!
//! Build your own [`SspCaches`] when [`native()`] doesn't fit: register a third party's SSPs, or allow flushing on a window
//! station that is not visible.
//!
//! ```
//! use sspcache::{CredentialProvider, SspCaches, loader::NativeLoader};
//!
//! let ssps = SspCaches::builder(NativeLoader::default())
//!     .register("CONTOSSP.dll")
//!     .allow_non_interactive(true) // an SSH session or a CI agent, never a service
//!     .build();
//! let report = ssps.flush_all();
//! assert!(report.is_success(), "{report}");
//! ```
//!
//! # For libraries
//!
//! A library that signs its users out takes a `&dyn CredentialProvider` or a `&dyn Sspi` from its application, and adds its
//! own caches as one more provider. It doesn't call [`native()`] itself: the application decides whether the process may flush,
//! and which SSPs it knows, and a cache belongs to the whole process.
//!
//! # For other kinds of caches
//!
//! [`CredentialProvider`] has three required methods, and [`Providers`] flushes several providers as one. A provider of an
//! application's own tokens:
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex};
//!
//! use sspcache::{
//!     CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, Providers, SspCaches,
//!     loader::NativeLoader,
//! };
//!
//! #[derive(Default)]
//! struct Tokens(Mutex<HashMap<String, String>>);
//!
//! impl Tokens {
//!     const CACHES: &[CacheName] = &[CacheName::from_static("contoso-tokens")];
//! }
//!
//! impl CredentialProvider for Tokens {
//!     fn caches(&self) -> &[CacheName] {
//!         Self::CACHES
//!     }
//!
//!     fn is_present(&self, cache: &str) -> Result<bool, Error> {
//!         CacheName::find(Self::CACHES, cache)?;
//!         Ok(!self.0.lock().unwrap().is_empty())
//!     }
//!
//!     fn flush_into(&self, cache: &str, report: &mut FlushReport) {
//!         // An unknown name is refused before anything else happens.
//!         let outcome = CacheName::find(Self::CACHES, cache).map(|_| match self.0.lock().unwrap().drain().count() {
//!             0 => Flush::Absent,
//!             _ => Flush::Flushed,
//!         });
//!         report.push(FlushRow::new(CacheName::new(cache), outcome));
//!     }
//! }
//!
//! let tokens = Tokens::default();
//! tokens.0.lock().unwrap().insert("alice".into(), "eyJhbGciOi…".into());
//! let ssps = SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).build();
//!
//! let report = Providers::new([&ssps as &dyn CredentialProvider, &tokens]).flush_all();
//! assert_eq!(
//!     report.to_string(),
//!     "MSNSSPC.dll     absent\n\
//!      MSAPSSPC.dll    absent\n\
//!      contoso-tokens  flushed",
//! );
//! ```
//!
//! [`Caches::and`](caches::Caches::and) adds such a provider to the caches of today, and flushes it before them. The page
//! `docs/providers.md` of the repository says what callers rely on.
//!
//! # Servers and messages
//!
//! The module [`context`] has the handshake between a client and a server, and the messages that they exchange afterwards.
//!
//! # Platform-specific behaviour
//!
//! | | Windows | Unix |
//! | --- | --- | --- |
//! | which modules are loaded | `GetModuleHandle`, `EnumProcessModules` | `dl_iterate_phdr`; dyld's list of images |
//! | names of modules | compared as Windows does | likewise: the mock is `MSNSSPC.dll` there, too |
//! | inside a loader callback | `RtlIsThreadWithinLoaderCallout`, else the owner of the loader lock | *not detected* |
//! | window station | `UOI_FLAGS` of the process's own, by user32 | there is none |
//!
//! Where the condition can't be detected, the flush is allowed. On Unix no function returns whether a constructor or destructor
//! of a library is running. On Windows the constructors and destructors of a DLL's global objects run inside its DllMain, where
//! a flush is refused. Those of the program itself run under no lock, and can't be distinguished from other code. So don't flush
//! from there, and don't keep a [`FlushOnDrop`] in a global.
//!
//! When no SSP is loaded, as in most processes, a flush takes microseconds: it neither allocates nor touches a file. The first
//! flush in a Windows process without user32 loads user32, to ask about the window station.
//!
//! # Safety
//!
//! No function of this crate is unsafe to call, on one premise: a loaded module that has an SSP's name is that SSP. Its exports
//! are called as Microsoft's pages declare them. So don't [register](SspCachesBuilder::register) a name whose module has
//! something else under `CleanupCredentialCache`. A reference to the module is held during each call, so that it can't be
//! unloaded meanwhile.
//!
//! Flushing what belongs to the process affects no other process. Wider caches are flushed only when they were added by name. No
//! flush affects what the credentials were used for before: connections that are authenticated stay so until they are closed.
//!
//! # What it is worth today
//!
//! | | on Windows | on Linux and macOS |
//! | --- | --- | --- |
//! | process | WinINet's session, Schannel's sessions, SSPs that export `CleanupCredentialCache`, `MEMORY:` ccaches | `MEMORY:` ccaches |
//! | logon session | Kerberos tickets | – |
//! | user | entries of the Credential Manager | the default ccache, a named one, the collection |
//!
//! Negotiate, Kerberos and NTLM cache nothing that a program signs in with: its credential handle has it, so close that. The two
//! SSPs that Microsoft's page names, MSNSSPC.dll (the Microsoft Network) and MSAPSSPC.dll (Distributed Password
//! Authentication), shipped with the Windows of around the year 2000: a process on Windows 11 finds neither, and reports both as
//! *absent*. Third parties' SSPs that export the same function can be [registered](caches::Caches::and_ssp).
//!
//! # Features
//!
//! None is on by default.
//!
//! - `serde`: [`FlushReport`] and [`FlushRow`] implement `Serialize`.
//! - `tracing`: each row of a report is an event with the target `sspcache`: `INFO`, or `WARN` for a failure.
//!
//! The minimum supported Rust version is 1.88.

pub mod caches;
pub mod context;
pub mod loader;

mod cache_name;
mod error;
mod flush_on_drop;
mod package;
mod protocol;
mod provider;
mod report;
mod request;
mod session;
mod trace;

pub use cache_name::CacheName;
pub use error::Error;
pub use flush_on_drop::FlushOnDrop;
pub use package::{Credential, InboundCredential, SecurityPackage};
pub use protocol::{SspCaches, SspCachesBuilder};
pub use provider::{CredentialProvider, Providers, Sspi};
pub use report::{Flush, FlushReport, FlushRow};
pub use request::SignIn;
pub use sspcache_types::{Identity, SecurityStatus};

use once_cell::sync::OnceCell;

/// The SSPs of this process: what production code signs in through and flushes.
///
/// It knows the two SSPs that Microsoft's page names, and refuses to flush on a window station that is not visible. Build an
/// [`SspCaches`] for anything else.
///
/// ```
/// use sspcache::CredentialProvider;
/// println!("{}", sspcache::native().flush_all());
/// ```
pub fn native() -> &'static SspCaches<loader::NativeLoader> {
    static NATIVE: OnceCell<SspCaches<loader::NativeLoader>> = OnceCell::new();
    NATIVE.get_or_init(|| SspCaches::new(loader::NativeLoader::default()))
}

/// The page on the caches of today, whose code is held to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/caches.md")]
struct CachesPage;

/// The page on providers, whose code is held to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/providers.md")]
struct ProvidersPage;
