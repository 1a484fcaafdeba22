//! Entries of the user's Credential Manager.
//!
//! Programs store passwords there with [`CredWrite`], and Windows signs in with those of its own types. The entries whose target
//! matches a [`Filter`] are deleted, each with its type.
//!
//! It is asked through its client library, advapi32.dll of Windows' own folder, which is loaded for that where it isn't: the
//! library isn't the cache. Elsewhere than on Windows there is no Credential Manager: the cache is absent.
//!
//! [`CredWrite`]: https://learn.microsoft.com/en-us/windows/win32/api/wincred/nf-wincred-credwritew

#[cfg(test)]
mod tests;
#[cfg(windows)]
mod wincred;

use std::{fmt, sync::Arc};

use sspcache_types::name;

use super::{
    Cache, CacheStatus, Contents, Refusal, Scope, System, count_of, emptied, flush_safely, status_of,
};
use crate::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow,
    protocol::{check_safe, push},
};

/// Which entries: a whole target name, or a prefix with one `*` at its end.
///
/// ```
/// use sspcache::caches::credentials::Filter;
/// assert!(Filter::new("MyApp/*").is_ok());
/// assert!(Filter::new("MyApp/alice").is_ok());
/// for too_much in ["", "*", "*MyApp", "My*App", "MyApp/**"] {
///     assert!(Filter::new(too_much).is_err());
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Filter(String);

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`Error::InvalidFilter`] for an empty filter, for `*` alone, for a `*` elsewhere than at the end, and for a null in it.
    pub fn new(filter: &str) -> Result<Self, Error> {
        let prefix = filter.strip_suffix('*').unwrap_or(filter);
        let reason = if filter.is_empty() {
            "it is empty"
        } else if prefix.is_empty() {
            "it matches every entry, those of other programs too"
        } else if prefix.contains('*') {
            "a * can stand at its end alone, once"
        } else if prefix.contains('\0') {
            "it contains a null"
        } else {
            return Ok(Self(filter.to_owned()));
        };
        Err(Error::InvalidFilter { filter: filter.to_owned(), reason })
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether an entry of this target is meant. Letters compare without case, as Windows compares targets.
    ///
    /// ```
    /// use sspcache::caches::credentials::Filter;
    /// let filter = Filter::new("MyApp/*")?;
    /// assert!(filter.matches("MyApp/alice") && filter.matches("MYAPP/"));
    /// assert!(!filter.matches("MyApp") && !filter.matches("MyApp2/alice"));
    /// # Ok::<(), sspcache::Error>(())
    /// ```
    pub fn matches(&self, target: &str) -> bool {
        match self.0.strip_suffix('*') {
            None => name::eq(&self.0, target),
            Some(prefix) => {
                name::same(prefix.encode_utf16(), target.encode_utf16().take(prefix.encode_utf16().count()))
            }
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An entry, without its secret.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct StoredCredential {
    /// The name of its target.
    pub target: String,
    /// Its type, `CRED_TYPE_…`: two entries of one target differ in it.
    pub kind: u32,
}

/// The user's Credential Manager, as a system has it.
pub trait CredentialStore: Send + Sync {
    /// The entries that match, without their secrets.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when none matches.
    fn enumerate(&self, filter: &Filter) -> Result<Vec<StoredCredential>, Refusal>;

    /// Deletes one entry.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when it isn't there any more.
    fn delete(&self, credential: &StoredCredential) -> Result<(), Refusal>;
}

/// Entries of a system's Credential Manager, as a provider.
#[derive(Debug)]
pub struct Credentials<S> {
    system: Arc<S>,
    filter: Filter,
}

impl<S: System> Credentials<S> {
    const CACHES: &[CacheName] = &[CacheName::CREDENTIALS];

    /// The entries of this system's user that match.
    pub fn new(system: Arc<S>, filter: Filter) -> Self {
        Self { system, filter }
    }

    /// The entries that match. Whatever the store says, nothing that the filter doesn't mean is deleted.
    fn entries(&self) -> Result<Vec<StoredCredential>, Refusal> {
        let mut entries = self.system.credential_store().enumerate(&self.filter)?;
        entries.retain(|entry| self.filter.matches(&entry.target));
        if entries.is_empty() { Err(Refusal::Absent) } else { Ok(entries) }
    }

    /// C6: the library must not be loaded in DllMain.
    fn contents(&self, cache: &CacheName) -> Result<Contents, Error> {
        check_safe(&*self.system, cache)?;
        let targets = self.entries().map(|entries| entries.into_iter().map(|entry| entry.target).collect());
        status_of(cache, targets)
    }

    /// Every entry is tried, whatever comes of the others. The first failure is the outcome.
    fn delete_all(&self, cache: &CacheName) -> FlushRow {
        let store = self.system.credential_store();
        let entries = match self.entries() {
            Ok(entries) => entries,
            Err(refusal) => {
                let outcome = refusal.into_error(cache.name()).map_or(Ok(Flush::Absent), Err);
                return FlushRow::new(cache.clone(), outcome);
            }
        };
        let mut failure = None;
        for entry in &entries {
            // Deleted by another program meanwhile: it is gone, as it should be.
            let refusal = match store.delete(entry) {
                Ok(()) | Err(Refusal::Absent) => continue,
                Err(Refusal::Failed(cause)) => Refusal::failed(format!("{}: {cause}", entry.target)),
                Err(refusal @ Refusal::Unsupported(_)) => refusal,
            };
            failure = failure.or(refusal.into_error(cache.name()));
        }
        emptied(cache, Some(entries.len()), failure.map_or(Ok(()), Err), count_of(self.entries()))
    }
}

impl<S: System> CredentialProvider for Credentials<S> {
    fn caches(&self) -> &[CacheName] {
        Self::CACHES
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        let cache = CacheName::find(Self::CACHES, cache)?;
        Ok(self.contents(cache)? != Contents::Absent)
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        let row = flush_safely(&*self.system, Self::CACHES, cache, |cache| self.delete_all(cache));
        push(report, row.with_scope(self.scope()).with_instance(self.filter.as_str()));
    }
}

impl<S: System> Cache for Credentials<S> {
    fn scope(&self) -> Scope {
        Scope::User
    }

    fn status(&self) -> Vec<CacheStatus> {
        let cache = CacheName::CREDENTIALS;
        vec![CacheStatus {
            contents: self.contents(&cache),
            allowed: check_safe(&*self.system, &cache),
            scope: self.scope(),
            instance: Some(self.filter.to_string()),
            module: None,
            cache,
        }]
    }
}

/// The Credential Manager of the user that this process runs as.
///
/// # Platform-specific behaviour
/// `CredEnumerate` and `CredDelete` on Windows. Elsewhere there is nothing in it.
#[derive(Debug, Default)]
pub struct NativeCredentials(());

impl CredentialStore for NativeCredentials {
    fn enumerate(&self, filter: &Filter) -> Result<Vec<StoredCredential>, Refusal> {
        cfg_if::cfg_if! {
            if #[cfg(windows)] {
                wincred::enumerate(filter)
            } else {
                let _ = filter;
                Err(Refusal::Absent)
            }
        }
    }

    fn delete(&self, credential: &StoredCredential) -> Result<(), Refusal> {
        cfg_if::cfg_if! {
            if #[cfg(windows)] {
                wincred::delete(credential)
            } else {
                let _ = credential;
                Err(Refusal::Absent)
            }
        }
    }
}
