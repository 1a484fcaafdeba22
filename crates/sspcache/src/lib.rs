//! Flushes the credential caches of Windows Security Support Providers (SSPs), behind a trait that tests can mock on
//! any system.
//!
//! An SSP is a DLL through which a program signs its user in. Some keep the credentials in a cache inside the process, so
//! that the next sign-in needs no password; who signs a user out has to flush it. Microsoft documents how:
//! [`CleanupCredentialCache`](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache). This crate
//! is that protocol, with every way in which it can go wrong as an error of its own:
//!
//! 1. Is it an SSP that is known to have such a cache? ([`Error::UnknownCache`])
//! 2. Is it safe to flush from here: not from DllMain, not in a service? ([`Error::InsideLoaderCallback`],
//!    [`Error::NonInteractiveWindowStation`])
//! 3. Which modules of that name are loaded? None is ever loaded in order to be flushed: what is not loaded has no cache,
//!    which is a success, [`Flush::Absent`].
//! 4. Does the module have the export? ([`Error::ExportMissing`])
//! 5. What does the call return? ([`Error::FlushFailed`])
//!
//! # For applications
//!
//! Take the provider as an argument, and pass [`native()`] in production:
//!
//! ```
//! use sspcache::{Flush, CredentialProvider};
//!
//! fn sign_out(ssps: &dyn CredentialProvider) -> Result<(), sspcache::Error> {
//!     match ssps.flush_all().into_result()? {
//!         Flush::Flushed => println!("signed out"),
//!         _ => println!("nobody was signed in through an SSP that caches"),
//!     }
//!     Ok(())
//! }
//!
//! # if false {
//! sign_out(sspcache::native())?;
//! # }
//! # Ok::<(), sspcache::Error>(())
//! ```
//!
//! A unit test passes a mock instead, from the crate `sspcache-mock`: an SSP with a real cache in a process that doesn't
//! exist. It goes through the very same protocol, on any system.
//!
//! [`CredentialProvider::flush_all`] visits each SSP, whatever becomes of the others, and returns a [`FlushReport`]
//! that prints as a table. A [`FlushOnDrop`] flushes when a scope ends, for sign-outs with many exits. An
//! [`SspCaches`] of one's own is built where [`native()`] doesn't do: it registers a third party's SSPs, and opts in on
//! a window station that is not visible:
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
//! A library that signs its users out takes a `&dyn CredentialProvider` from its application and adds what it caches
//! itself as one provider more. It doesn't call [`native()`] on its own: whether the process may flush, and which SSPs it
//! knows, is the application's to say, and a cache belongs to the whole process.
//!
//! # For those who have another kind of cache
//!
//! [`CredentialProvider`] takes three methods, and [`Providers`] flushes several as one. An application's own tokens:
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
//! The example `schannel` does so with Schannel's session cache, and `docs/providers.md` of the repository with Kerberos
//! tickets, WinINet's session and MIT krb5's credential caches.
//!
//! Signing in is a seam of its own: [`SspCaches::security_package`] gives a [`SecurityPackage`] of an SSP that is
//! loaded, whose [`Credential`]s hold a reference to their module and are given back when dropped. The [`context`] that a
//! client and a server come to have, and the messages that they exchange in it, are there likewise.
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
//! What can't be detected, nobody is kept from. On Unix no call tells whether a constructor or destructor of a library is
//! running. On Windows those of a DLL's global objects run inside its DllMain, and are refused, but those of the program
//! itself run under no lock and look like any other code. So don't flush from there; a [`FlushOnDrop`] doesn't belong
//! in a global either.
//!
//! When no SSP is loaded, as in most processes, a flush neither allocates nor touches a file. The first one in a Windows
//! process that has no user32 loads it, to ask about the window station.
//!
//! # Safety
//!
//! No function of this crate is unsafe to call, on one premise: a loaded module that has an SSP's name is that SSP. Its
//! exports are called as Microsoft's pages declare them, so don't [register](SspCachesBuilder::register) a name whose
//! module has something else under `CleanupCredentialCache`. A reference is held during each call, so the module can't
//! go away under it.
//!
//! Flushing one process's caches does nothing to another's, nor to what the credentials were used for before: sessions,
//! tickets, connections that are authenticated already.
//!
//! # What it is worth today
//!
//! The two SSPs that Microsoft's page names, MSNSSPC.dll (the Microsoft Network) and MSAPSSPC.dll (Distributed Password
//! Authentication), shipped with the Windows of around the year 2000. A process on Windows 11 finds neither and reports
//! both as *not loaded*. What is left is the shape of the problem: third parties' SSPs that export the same function,
//! other caches behind the same trait, and tests of sign-in and sign-out against a mock that runs anywhere.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `serde`: [`FlushReport`] and what is in it implement `Serialize`.
//! - `tracing`: each row of a report is an event with the target `sspcache`: `INFO`, or `WARN` for a failure.
#![cfg_attr(not(test), warn(clippy::missing_panics_doc))]
#![warn(clippy::multiple_unsafe_ops_per_block)]

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

/// The provider of this process: what production code flushes through.
///
/// It knows the two SSPs of Microsoft's page and refuses to flush on a window station that is not visible. Build an
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

/// The page on providers, whose code is held to compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/providers.md")]
struct ProvidersPage;
