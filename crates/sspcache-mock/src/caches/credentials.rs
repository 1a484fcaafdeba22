//! The Credential Manager of an emulated user.

use std::fmt;

use sspcache::caches::{
    Refusal,
    credentials::{CredentialStore, Filter, StoredCredential},
};

use super::store::{Entry, Go, Store, common};
use crate::CacheCall;

/// A user's Credential Manager. The user's processes share it. It keeps no secrets, since a sign-out needs none.
///
/// ```
/// use sspcache::{CredentialProvider, Error};
/// use sspcache_mock::{MockCredentials, MockProcess};
///
/// # fn main() -> Result<(), Error> {
/// let credentials = MockCredentials::new();
/// credentials.entry("MyApp/alice", MockCredentials::GENERIC);
/// credentials.entry("OtherApp/alice", MockCredentials::GENERIC);
/// let process = MockProcess::new().with_credentials(&credentials);
/// assert!(process.caches().and_credentials("MyApp/*")?.flush_all().is_success());
/// assert_eq!(credentials.entries().iter().map(|entry| &entry.target).collect::<Vec<_>>(), ["OtherApp/alice"]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct MockCredentials {
    store: Store<Credential>,
}

common!(MockCredentials);

impl MockCredentials {
    /// `CRED_TYPE_GENERIC`: what an application has stored for itself.
    pub const GENERIC: u32 = 1;
    /// `CRED_TYPE_DOMAIN_PASSWORD`: what Windows signs in to a server with.
    pub const DOMAIN_PASSWORD: u32 = 2;

    /// One without entries.
    pub fn new() -> Self {
        Self { store: Store::new("credentials") }
    }

    /// Puts an entry for this target there. `kind` is its type, `CRED_TYPE_…`. One target may have an entry of each type.
    #[track_caller]
    pub fn entry(&self, target: &str, kind: u32) {
        self.store.put(Credential(StoredCredential { target: target.to_owned(), kind }));
    }

    /// The entries that there are.
    pub fn entries(&self) -> Vec<StoredCredential> {
        self.store.with(|all| all.iter().map(|(credential, _)| credential.0.clone()).collect())
    }
}

impl CredentialStore for MockCredentials {
    fn enumerate(&self, filter: &Filter) -> Result<Vec<StoredCredential>, Refusal> {
        self.store.call(CacheCall::List, None)?;
        let is_meant = |credential: &StoredCredential| filter.matches(&credential.target);
        let found: Vec<_> = self
            .store
            .with(|all| all.iter().map(|(credential, _)| credential.0.clone()).filter(is_meant).collect());
        if found.is_empty() { Err(Refusal::Absent) } else { Ok(found) }
    }

    fn delete(&self, credential: &StoredCredential) -> Result<(), Refusal> {
        let go = self.store.call(CacheCall::Flush, Some(&credential.target))?;
        if go != Go::Pretend {
            let was_there = self.store.with(|all| {
                let before = all.len();
                all.retain(|(one, _)| one.0 != *credential);
                all.len() < before
            });
            if !was_there {
                return Err(Refusal::Absent);
            }
        }
        if let Go::Refill(target) = go {
            self.entry(&target, credential.kind);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Credential(StoredCredential);

impl Entry for Credential {}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the credential for {} (type {})", self.0.target, self.0.kind)
    }
}
