//! The TLS sessions of an emulated process: schannel.dll.

use std::{fmt, io, sync::Arc};

use sspcache_loader::ModuleFile;

use super::store::{Entry, Store, common};
use crate::loader::{Dll, Export};

/// A mock of schannel.dll: the TLS sessions that it could resume.
///
/// ```
/// use sspcache::CredentialProvider;
/// use sspcache_mock::{MockProcess, MockSchannel};
///
/// let schannel = MockSchannel::new().expect_sign_out();
/// let process = MockProcess::with_loaded([&schannel]);
/// schannel.session("mail.contoso.example"); // as the application's connection would
/// assert!(process.caches().flush_all().is_success());
/// schannel.assert_clean();
/// ```
#[derive(Clone, Debug)]
pub struct MockSchannel {
    store: Store<Session>,
    has_export: bool,
}

common!(MockSchannel);

impl MockSchannel {
    /// Its file, without any session.
    pub fn new() -> Self {
        Self { store: Store::new("schannel.dll"), has_export: true }
    }

    /// The same without the export `SslEmptyCacheW`. Call it before a process installs the file.
    #[must_use]
    pub fn without_export(mut self) -> Self {
        self.has_export = false;
        self
    }

    /// Puts a session with this server there, as a connection of the application does.
    #[track_caller]
    pub fn session(&self, server: &str) {
        self.store.put(Session(server.to_owned()));
    }

    /// The servers that it has sessions with.
    pub fn sessions(&self) -> Vec<String> {
        self.store.with(|sessions| sessions.iter().map(|(session, _)| session.0.clone()).collect())
    }

    /// `SslEmptyCacheW`, for the sessions with every server.
    pub(crate) fn empty(&self) -> io::Result<()> {
        self.store.flush("SslEmptyCacheW", |server| self.session(server))
    }
}

impl Dll for MockSchannel {
    fn name(&self) -> &'static str {
        "schannel.dll"
    }

    fn file(&self, path: &str) -> ModuleFile<Export> {
        let export = self.has_export.then(|| ("SslEmptyCacheW", Export::SslEmptyCacheW(self.clone())));
        self.store.file(path, export)
    }

    fn another(&self) -> Arc<dyn Dll> {
        Arc::new(self.clone())
    }

    fn unclean(&self) -> Option<String> {
        self.store.unclean()
    }
}

#[derive(Debug)]
struct Session(String);

impl Entry for Session {}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the TLS session with {}", self.0)
    }
}
