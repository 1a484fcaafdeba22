//! WinINet's session of an emulated process: wininet.dll.

use std::{fmt, io, sync::Arc};

use sspcache_loader::ModuleFile;

use super::store::{Entry, Store, common};
use crate::loader::{Dll, Export};

/// A mock of wininet.dll: its cookies, and the passwords that it has in memory.
///
/// ```
/// use sspcache::CredentialProvider;
/// use sspcache_mock::{MockProcess, MockWinInet};
///
/// let wininet = MockWinInet::new().expect_sign_out();
/// let process = MockProcess::with_loaded([&wininet]);
/// wininet.cookie("web.contoso.example", "session"); // as the server's answer would
/// wininet.password("proxy.contoso.example");
/// wininet.persistent_cookie("web.contoso.example", "keep-me-signed-in");
/// assert!(process.caches().flush_all().is_success());
/// wininet.assert_clean();
/// // It is on the disk, and the end of a session doesn't remove it: the application has to.
/// assert_eq!(wininet.entries(), ["the persistent cookie keep-me-signed-in of web.contoso.example"]);
/// ```
#[derive(Clone, Debug)]
pub struct MockWinInet {
    store: Store<Kept>,
    has_export: bool,
}

common!(MockWinInet);

impl MockWinInet {
    /// Its file, without anything in the session.
    pub fn new() -> Self {
        Self { store: Store::new("wininet.dll"), has_export: true }
    }

    /// The same without the export `InternetSetOptionW`. Call it before a process installs the file.
    #[must_use]
    pub fn without_export(mut self) -> Self {
        self.has_export = false;
        self
    }

    /// Puts a cookie of the session there, by its server and its name.
    #[track_caller]
    pub fn cookie(&self, server: &str, name: &str) {
        self.put(Kind::Cookie, server, name);
    }

    /// Puts a cookie there that is on the disk: the end of the session leaves it, and so it doesn't count as left.
    #[track_caller]
    pub fn persistent_cookie(&self, server: &str, name: &str) {
        self.put(Kind::PersistentCookie, server, name);
    }

    /// Puts the password of a server or a proxy there.
    #[track_caller]
    pub fn password(&self, server: &str) {
        self.put(Kind::Password, server, "");
    }

    /// What is there, each in words.
    pub fn entries(&self) -> Vec<String> {
        self.store.names()
    }

    #[track_caller]
    fn put(&self, kind: Kind, server: &str, name: &str) {
        self.store.put(Kept { kind, server: server.to_owned(), name: name.to_owned() });
    }

    /// `InternetSetOptionW` with `INTERNET_OPTION_END_BROWSER_SESSION`.
    pub(crate) fn end_session(&self) -> io::Result<()> {
        self.store.flush("InternetSetOptionW", |server| self.password(server))
    }
}

impl Dll for MockWinInet {
    fn name(&self) -> &'static str {
        "wininet.dll"
    }

    fn file(&self, path: &str) -> ModuleFile<Export> {
        let export =
            self.has_export.then(|| ("InternetSetOptionW", Export::InternetSetOptionW(self.clone())));
        self.store.file(path, export)
    }

    fn another(&self) -> Arc<dyn Dll> {
        Arc::new(self.clone())
    }

    fn unclean(&self) -> Option<String> {
        self.store.unclean()
    }
}

/// What WinINet keeps.
#[derive(Debug)]
struct Kept {
    kind: Kind,
    server: String,
    name: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Cookie,
    Password,
    PersistentCookie,
}

impl Entry for Kept {
    fn is_removed_by_a_flush(&self) -> bool {
        self.kind != Kind::PersistentCookie
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, server, name } = self;
        match kind {
            Kind::Cookie => write!(f, "the cookie {name} of {server}"),
            Kind::Password => write!(f, "the password of {server}"),
            Kind::PersistentCookie => write!(f, "the persistent cookie {name} of {server}"),
        }
    }
}
