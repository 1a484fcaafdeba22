//! The caches of today: what Windows and Linux keep of a signed-in user, and a sign-out that empties it.
//!
//! | cache | scope | what a flush does | reference |
//! | --- | --- | --- | --- |
//! | the SSPs with `CleanupCredentialCache` | process | flushes each that is loaded | [CleanupCredentialCache](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache) |
//! | [`schannel.dll`](schannel) | process | forgets TLS sessions, and with them the client certificate that was presented | [SslEmptyCache](https://learn.microsoft.com/en-us/windows/win32/api/schannel/nf-schannel-sslemptycachew) |
//! | [`wininet.dll`](wininet) | process | ends WinINet's session: session cookies, passwords of servers and proxies | [Option flags](https://learn.microsoft.com/en-us/windows/win32/wininet/option-flags) |
//! | [`kerberos`] | logon session | purges the tickets that LSA keeps | [KERB_PURGE_TKT_CACHE_REQUEST](https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/ns-ntsecapi-kerb_purge_tkt_cache_request) |
//! | [`credentials`] | user | deletes entries of the Credential Manager, by their target | [CredEnumerate](https://learn.microsoft.com/en-us/windows/win32/api/wincred/nf-wincred-credenumeratew), [CredDelete](https://learn.microsoft.com/en-us/windows/win32/api/wincred/nf-wincred-creddeletew) |
//! | [`ccache`] | user; process for `MEMORY:` | destroys credential caches of MIT krb5 and Heimdal | [krb5_cc_destroy](https://web.mit.edu/kerberos/krb5-latest/doc/appdev/refs/api/krb5_cc_destroy.html) |
//!
//! # Scopes
//!
//! [`Caches::process`] flushes what belongs to this process. A wider [`Scope`] signs other programs of the user out as well,
//! so each such cache is added by name:
//!
//! ```
//! use sspcache::{CredentialProvider, caches::Caches};
//!
//! # fn main() -> Result<(), sspcache::Error> {
//! let sign_out = Caches::process()
//!     .and_kerberos() // the logon session's tickets
//!     .and_ccache() // the user's default ccache
//!     .and_credentials("MyApp/*")?; // the entries that the application stored
//! # if false {
//! println!("{}", sign_out.flush_all());
//! # }
//! # Ok(()) }
//! ```
//!
//! A cache that isn't there is absent, on any system: a process on Linux has no WinINet, so the same code serves both.
//!
//! # Order
//!
//! What could sign the user in again goes first, however the caches were added: providers of the application's own
//! ([`Caches::and`]), the Credential Manager, ccaches, Kerberos tickets, SSPs, WinINet's session, Schannel's sessions.
//!
//! # Testing
//!
//! `sspcache_mock::MockProcess::caches` gives the same type over an emulated process.

pub mod ccache;
pub mod credentials;
pub mod kerberos;
pub mod schannel;
pub mod wininet;

use std::{
    error::Error as StdError,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};

use crate::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, SecurityPackage, SspCaches, Sspi,
    loader::{Export, Loader, Module, NativeLoader},
    protocol::{check_safe, push},
};

use self::{
    ccache::{CcacheLibrary, Ccaches, Selection},
    credentials::{CredentialStore, Credentials, Filter},
    kerberos::{Kerberos, TicketCache},
    schannel::Schannel,
    wininet::WinInet,
};

/// Whose cache it is, and so whom a flush signs out.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Scope {
    /// This process alone.
    Process,
    /// Every program of the logon session.
    LogonSession,
    /// Every program of the user.
    User,
}

impl Scope {
    /// The scope in words, as reports print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::LogonSession => "logon session",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a system didn't do what was asked of one of its caches.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such cache, so nothing is in it.
    Absent,
    /// This system doesn't implement it. The text says what doesn't, and how that is known.
    Unsupported(String),
    /// It failed.
    Failed(Box<dyn StdError + Send + Sync>),
}

impl Refusal {
    /// A failure with this cause.
    pub fn failed(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }

    /// The error of the cache of this name; `None` when the cache is absent, which is a success.
    pub(crate) fn into_error(self, cache: &str) -> Option<Error> {
        let cache = cache.to_owned();
        match self {
            Self::Absent => None,
            Self::Unsupported(what) => Some(Error::Unsupported { cache, what }),
            Self::Failed(source) => Some(Error::Other { cache, source }),
        }
    }
}

/// What is in a cache now.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Contents {
    /// There is no such cache.
    Absent,
    /// It is there. The system doesn't say what is in it.
    Unknown,
    /// It is there, with these entries: names of servers, targets, principals. Never secrets.
    Entries(Vec<String>),
}

/// One cache that there is, or could be: a line of `sspcache caches`.
#[derive(Debug)]
#[non_exhaustive]
pub struct CacheStatus {
    /// The cache's name.
    pub cache: CacheName,
    /// Whose it is.
    pub scope: Scope,
    /// Which of several: the name of a ccache, a filter of targets.
    pub instance: Option<String>,
    /// The path of the loaded module that has the cache.
    pub module: Option<PathBuf>,
    /// What is in it.
    pub contents: Result<Contents, Error>,
    /// Whether a flush from here would be allowed.
    pub allowed: Result<(), Error>,
}

/// A cache of today: a provider that also says whose the cache is, and what is in it.
pub trait Cache: CredentialProvider {
    /// Whose the cache is.
    fn scope(&self) -> Scope;

    /// What there is now. It loads, starts and creates nothing.
    fn status(&self) -> Vec<CacheStatus>;
}

/// A system whose caches can be flushed: the one that this process runs on ([`NativeLoader`]), or an emulated one
/// (`sspcache_mock::MockProcess`).
pub trait System: Loader + 'static {
    /// The Kerberos tickets of the logon session.
    fn ticket_cache(&self) -> Arc<dyn TicketCache>;

    /// The user's Credential Manager.
    fn credential_store(&self) -> Arc<dyn CredentialStore>;

    /// The Kerberos libraries that have ccaches.
    fn ccache_library(&self) -> Arc<dyn CcacheLibrary>;
}

impl System for NativeLoader {
    fn ticket_cache(&self) -> Arc<dyn TicketCache> {
        Arc::new(kerberos::NativeTickets::default())
    }

    fn credential_store(&self) -> Arc<dyn CredentialStore> {
        Arc::new(credentials::NativeCredentials::default())
    }

    fn ccache_library(&self) -> Arc<dyn CcacheLibrary> {
        Arc::new(ccache::NativeCcaches::default())
    }
}

/// What an application empties at sign-out: a list of caches, flushed as one. See the [module](self).
///
/// It signs in, too ([`Sspi`]), so that an application holds one object for both.
///
/// ```
/// use sspcache::{CredentialProvider, caches::Caches};
/// let report = Caches::process().allow_non_interactive(true).flush_all();
/// assert!(report.is_success(), "{report}");
/// ```
#[must_use = "it flushes nothing until it is asked to"]
pub struct Caches<S: System = NativeLoader> {
    system: Arc<S>,
    ssps: SspCaches<Arc<S>>,
    others: Vec<Box<dyn CredentialProvider>>,
    credentials: Vec<Credentials<S>>,
    ccaches: Vec<Ccaches<S>>,
    kerberos: Option<Kerberos<S>>,
    wininet: WinInet<Arc<S>>,
    schannel: Schannel<Arc<S>>,
    names: Vec<CacheName>,
}

impl Caches {
    /// What belongs to this process: its SSPs' caches, its `MEMORY:` ccaches, WinINet's session, Schannel's sessions.
    pub fn process() -> Self {
        Self::process_of(NativeLoader::default())
    }
}

impl<S: System> Caches<S> {
    /// What belongs to a process of this system.
    pub fn process_of(system: S) -> Self {
        let system = Arc::new(system);
        let memory = Ccaches::new(system.clone(), Selection::Memory);
        Self {
            ssps: SspCaches::new(system.clone()),
            others: Vec::new(),
            credentials: Vec::new(),
            ccaches: vec![memory],
            kerberos: None,
            wininet: WinInet::new(system.clone()),
            schannel: Schannel::new(system.clone()),
            names: Vec::new(),
            system,
        }
        .with_names()
    }

    /// Sets whether to flush SSPs and WinINet on a window station that is not visible, too. The default is `false`. Allow it
    /// for SSH sessions, scheduled tasks and CI agents, never for a service. The other caches don't ask for the window
    /// station.
    pub fn allow_non_interactive(mut self, allow: bool) -> Self {
        self.ssps.set_allow_non_interactive(allow);
        self.wininet.set_allow_non_interactive(allow);
        self
    }

    /// Registers a third party's SSP, as [`SspCachesBuilder::register`](crate::SspCachesBuilder::register) does.
    pub fn and_ssp(mut self, module: &str) -> Self {
        self.ssps.register(module);
        self.with_names()
    }

    /// Adds the Kerberos tickets of the logon session: every program of the session needs new ones afterwards.
    pub fn and_kerberos(mut self) -> Self {
        self.kerberos = Some(Kerberos::new(self.system.clone()));
        self.with_names()
    }

    /// Adds the user's default ccache: what `kdestroy` destroys.
    pub fn and_ccache(self) -> Self {
        self.and_ccaches(Selection::Default)
    }

    /// Adds the ccaches of a selection: one by name, or all of the user's collection.
    pub fn and_ccaches(mut self, selection: Selection) -> Self {
        self.ccaches.push(Ccaches::new(self.system.clone(), selection));
        self.with_names()
    }

    /// Adds the entries of the user's Credential Manager whose target matches: a whole name, or a prefix with one `*` at its
    /// end, such as `MyApp/*`.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] for an empty filter, for `*` alone, and for a `*` elsewhere than at the end: they would
    /// delete what other programs have stored.
    pub fn and_credentials(mut self, filter: &str) -> Result<Self, Error> {
        self.credentials.push(Credentials::new(self.system.clone(), Filter::new(filter)?));
        Ok(self.with_names())
    }

    /// Adds a provider of the application's own, which is flushed before all others.
    pub fn and(mut self, provider: impl CredentialProvider + 'static) -> Self {
        self.others.push(Box::new(provider));
        self.with_names()
    }

    /// What there is now, in the order of a flush. It loads, starts and creates nothing. Providers of the application's own
    /// have no status.
    pub fn status(&self) -> Vec<CacheStatus> {
        self.of_system().flat_map(Cache::status).collect()
    }

    /// In the order of a flush. Providers of the application's own have no scope but the process.
    fn providers(&self) -> impl Iterator<Item = (Scope, &dyn CredentialProvider)> {
        let others = self.others.iter().map(|other| (Scope::Process, &**other));
        others.chain(self.of_system().map(|cache| (cache.scope(), cache as &dyn CredentialProvider)))
    }

    fn of_system(&self) -> impl Iterator<Item = &dyn Cache> {
        let credentials = self.credentials.iter().map(|one| one as &dyn Cache);
        let ccaches = self.ccaches.iter().map(|one| one as &dyn Cache);
        let kerberos = self.kerberos.iter().map(|one| one as &dyn Cache);
        let rest: [&dyn Cache; 3] = [&self.ssps, &self.wininet, &self.schannel];
        credentials.chain(ccaches).chain(kerberos).chain(rest)
    }

    fn with_names(mut self) -> Self {
        let mut names: Vec<CacheName> = Vec::new();
        for name in self.providers().flat_map(|(_, provider)| provider.caches()) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        self.names = names;
        self
    }

    fn knowing(&self, cache: &str) -> impl Iterator<Item = (Scope, &dyn CredentialProvider)> {
        // No error is made, which would allocate.
        self.providers()
            .filter(move |(_, provider)| provider.caches().iter().any(|name| name.is_named(cache)))
    }
}

impl<S: System> CredentialProvider for Caches<S> {
    fn caches(&self) -> &[CacheName] {
        &self.names
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(&self.names, cache)?;
        for (_, provider) in self.knowing(cache) {
            if provider.is_present(cache)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A provider that panics is a row that failed, and doesn't keep the others from being flushed.
    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        let name = match CacheName::find(&self.names, cache) {
            Ok(name) => name,
            Err(unknown) => return push(report, FlushRow::new(CacheName::new(cache), Err(unknown))),
        };
        for (scope, provider) in self.knowing(cache) {
            if catch_unwind(AssertUnwindSafe(|| provider.flush_into(cache, report))).is_err() {
                let source = "its provider panicked; it may be half flushed".into();
                let error = Error::Other { cache: name.name().to_owned(), source };
                push(report, FlushRow::new(name.clone(), Err(error)).with_scope(scope));
            }
        }
    }
}

impl<S: System> Sspi for Caches<S> {
    fn security_package(&self, ssp: &str, package: &str) -> Result<SecurityPackage, Error> {
        self.ssps.security_package(ssp, package)
    }
}

impl<S: System> fmt::Debug for Caches<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caches").field("caches", &self.names).finish_non_exhaustive()
    }
}

/// The protocol up to the cache itself: is the name known, is it safe to flush from here?
fn flush_safely(
    loader: &impl Loader,
    known: &[CacheName],
    name: &str,
    flush: impl FnOnce(&CacheName) -> FlushRow,
) -> FlushRow {
    let refused = |error| FlushRow::new(CacheName::new(name), Err(error));
    match CacheName::find(known, name) {
        Ok(cache) => check_safe(loader, cache).map_or_else(refused, |()| flush(cache)),
        Err(unknown) => refused(unknown),
    }
}

/// The outcome of a module's export, if it has it: what the system doesn't implement is an error of its own (K3).
fn module_outcome(
    cache: &CacheName,
    module: &impl Module,
    export: Export,
    answer: Option<io::Result<()>>,
) -> Result<Flush, Error> {
    match answer {
        None => Err(Error::ExportMissing { module: module.path(), export: export.name() }),
        Some(Ok(())) => Ok(Flush::Flushed),
        Some(Err(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Err(Error::Unsupported { cache: cache.name().to_owned(), what: error.to_string() })
        }
        Some(Err(error)) => Err(Error::other(cache, error)),
    }
}

/// How many entries a listing has, where the system lists them.
fn count_of<T>(listed: Result<Vec<T>, Refusal>) -> Option<usize> {
    match listed {
        Err(Refusal::Absent) => Some(0),
        listed => listed.ok().map(|entries| entries.len()),
    }
}

/// What a listing says is in a cache.
fn status_of(cache: &CacheName, listed: Result<Vec<String>, Refusal>) -> Result<Contents, Error> {
    match listed {
        Ok(entries) => Ok(Contents::Entries(entries)),
        Err(refusal) => refusal.into_error(cache.name()).map_or(Ok(Contents::Absent), Err),
    }
}

/// K4: lists, flushes and lists again. Where the system refuses to list, the flush goes on, and the numbers are unknown.
fn flush_entries(
    cache: &CacheName,
    list: impl Fn() -> Result<Vec<String>, Refusal>,
    flush: impl FnOnce() -> Result<(), Refusal>,
) -> FlushRow {
    let count = || count_of(list());
    let before = count();
    if before == Some(0) {
        return FlushRow::new(cache.clone(), Ok(Flush::Absent));
    }
    match flush() {
        Ok(()) => emptied(cache, before, Ok(()), count()),
        Err(refusal) => match refusal.into_error(cache.name()) {
            None => FlushRow::new(cache.clone(), Ok(Flush::Absent)),
            Some(error) => emptied(cache, before, Err(error), count()),
        },
    }
}

/// The row of a cache that had and has so many entries, where that is known. A flush that leaves entries is a failure,
/// whatever it answered.
fn emptied(
    cache: &CacheName,
    before: Option<usize>,
    flushed: Result<(), Error>,
    after: Option<usize>,
) -> FlushRow {
    let outcome = match (flushed, after) {
        (Ok(()), Some(left)) if left > 0 => {
            Err(Error::EntriesLeft { cache: cache.name().to_owned(), before, left })
        }
        (flushed, _) => flushed.map(|()| Flush::Flushed),
    };
    let gone = before.zip(after).map(|(before, after)| before.saturating_sub(after));
    let row = FlushRow::new(cache.clone(), outcome);
    gone.into_iter().fold(row, FlushRow::with_entries)
}
