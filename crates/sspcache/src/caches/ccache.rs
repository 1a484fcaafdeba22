//! Credential caches (ccaches) of MIT krb5 and Heimdal.
//!
//! A ccache holds a principal's tickets: in a file, a directory, a keyring, a daemon, or in the memory of the process
//! (`MEMORY:`). [`krb5_cc_destroy`] does what `kdestroy` does. All of the user's programs share a ccache that is not in memory.
//!
//! What libraries do in order to look, a look from here doesn't: MIT krb5 would make the directory of a `DIR:` and its file `primary`,
//! the keyring of a `KEYRING:`, and an empty record in memory of a `MEMORY:` (observed with 1.20; the last one is made where its name is
//! asked for). Both wait without end for a ccache that another program has locked: here that is an error after a second.
//!
//! [`krb5_cc_destroy`]: https://web.mit.edu/kerberos/krb5-latest/doc/appdev/refs/api/krb5_cc_destroy.html

#[cfg(unix)]
mod krb5;
#[cfg(unix)]
mod native;
#[cfg(unix)]
mod place;

use std::{fmt, path::PathBuf, sync::Arc};

use super::{Cache, CacheStatus, Refusal, Scope, System, count_of, emptied, status_of};
use crate::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow,
    protocol::{check_safe, push},
};

#[cfg(unix)]
pub use native::NativeCcaches;

/// Which ccaches.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Selection {
    /// All of the user's collection: the default and its neighbours in a directory (`DIR:`), a keyring or a daemon. Those in the
    /// memory of the process are not the user's.
    Collection,
    /// The default one: of `KRB5CCNAME`, or of the configuration. Of a collection it is the primary alone, as for `kdestroy`:
    /// tickets of other principals stay.
    Default,
    /// The `MEMORY:` ccaches of the Kerberos libraries that this process has loaded. Their scope is the process.
    ///
    /// # Platform-specific behaviour
    /// Heimdal lists them all. MIT krb5 lists none but the default [since 1.17]: an application that keeps its tickets in another
    /// selects that by its name, and those that a GSS-API credential holds go when the application releases it.
    ///
    /// [since 1.17]: https://github.com/krb5/krb5/pull/822
    Memory,
    /// The one of this name, such as `FILE:/tmp/krb5cc_1000`. Where the name is a collection's, such as `DIR:/run/user/1000/krb5cc`,
    /// all in it. A file that doesn't begin as a ccache does is never destroyed.
    Named(String),
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Collection => "collection",
            Self::Default => "default",
            Self::Memory => "MEMORY:",
            Self::Named(name) => name,
        })
    }
}

/// The Kerberos libraries of a system.
pub trait CcacheLibrary: Send + Sync {
    /// The ccaches of a selection that are there: those that have a principal, or that can't be read. It creates none.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when there are none; [`Refusal::Unsupported`] when no library is installed that could say so.
    fn find(&self, selection: &Selection) -> Result<Vec<Box<dyn Ccache>>, Refusal>;
}

/// A ccache.
pub trait Ccache {
    /// Its name with its type, such as `FILE:/tmp/krb5cc_1000`.
    fn name(&self) -> String;

    /// The path of the library that it was found through.
    fn library(&self) -> Option<PathBuf>;

    /// Whom it signs in, such as `alice@CONTOSO.EXAMPLE`.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when it isn't there.
    fn principal(&self) -> Result<String, Refusal>;

    /// The tickets in it: the name of each one's server. Entries of configuration are not among them.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when it isn't there.
    fn tickets(&self) -> Result<Vec<String>, Refusal>;

    /// Destroys it.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when it isn't there any more.
    fn destroy(&mut self) -> Result<(), Refusal>;
}

/// Ccaches of a system, as a provider.
#[derive(Debug)]
pub struct Ccaches<S> {
    system: Arc<S>,
    selection: Selection,
}

impl<S: System> Ccaches<S> {
    const CACHES: &[CacheName] = &[CacheName::CCACHE];

    /// The ccaches of this system that are selected.
    pub fn new(system: Arc<S>, selection: Selection) -> Self {
        Self { system, selection }
    }

    fn find(&self) -> Result<Vec<Box<dyn Ccache>>, Refusal> {
        match self.system.ccache_library().find(&self.selection)? {
            none if none.is_empty() => Err(Refusal::Absent),
            some => Ok(some),
        }
    }

    /// Whose a ccache of this name is.
    fn scope_of(name: &str) -> Scope {
        if name.starts_with("MEMORY:") { Scope::Process } else { Scope::User }
    }

    /// K2: destroying an absent ccache succeeds for some types, so its principal is asked for first.
    fn destroy(cache: &CacheName, mut one: Box<dyn Ccache>) -> FlushRow {
        let (name, library) = (one.name(), one.library());
        let row = if matches!(one.principal(), Err(Refusal::Absent)) {
            FlushRow::new(cache.clone(), Ok(Flush::Absent))
        } else {
            // What can't be read may still be destroyed.
            let before = one.tickets().ok().map(|tickets| tickets.len());
            let destroyed = match one.destroy() {
                Ok(()) | Err(Refusal::Absent) => Ok(()),
                Err(refusal) => refusal.into_error(cache.name()).map_or(Ok(()), Err),
            };
            emptied(cache, before, destroyed, count_of(one.tickets()))
        };
        let row = row.with_scope(Self::scope_of(&name)).with_instance(name);
        library.into_iter().fold(row, FlushRow::with_module)
    }
}

impl<S: System> CredentialProvider for Ccaches<S> {
    fn caches(&self) -> &[CacheName] {
        Self::CACHES
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        let cache = CacheName::find(Self::CACHES, cache)?;
        let found = match self.find() {
            Ok(found) => found,
            Err(refusal) => return refusal.into_error(cache.name()).map_or(Ok(false), Err),
        };
        Ok(found.iter().any(|ccache| !matches!(ccache.principal(), Err(Refusal::Absent))))
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        let found = CacheName::find(Self::CACHES, cache);
        let row = |outcome| {
            let row = FlushRow::new(CacheName::new(cache), outcome);
            row.with_scope(self.scope()).with_instance(self.selection.to_string())
        };
        let name = match found.and_then(|name| check_safe(&*self.system, name).map(|()| name)) {
            Ok(name) => name,
            Err(error) => return push(report, row(Err(error))),
        };
        match self.find() {
            Ok(all) => all.into_iter().for_each(|ccache| push(report, Self::destroy(name, ccache))),
            Err(refusal) => {
                push(report, row(refusal.into_error(name.name()).map_or(Ok(Flush::Absent), Err)));
            }
        }
    }
}

impl<S: System> Cache for Ccaches<S> {
    fn scope(&self) -> Scope {
        match &self.selection {
            Selection::Memory => Scope::Process,
            Selection::Named(name) => Self::scope_of(name),
            Selection::Collection | Selection::Default => Scope::User,
        }
    }

    fn status(&self) -> Vec<CacheStatus> {
        let status = |instance: String, scope, module, contents| CacheStatus {
            cache: CacheName::CCACHE,
            scope,
            instance: Some(instance),
            module,
            contents,
            allowed: check_safe(&*self.system, &CacheName::CCACHE),
        };
        match self.find() {
            Err(refusal) => {
                let contents = status_of(&CacheName::CCACHE, Err(refusal));
                vec![status(self.selection.to_string(), self.scope(), None, contents)]
            }
            Ok(all) => {
                let of = |ccache: Box<dyn Ccache>| {
                    let contents = status_of(&CacheName::CCACHE, ccache.tickets());
                    status(ccache.name(), Self::scope_of(&ccache.name()), ccache.library(), contents)
                };
                all.into_iter().map(of).collect()
            }
        }
    }
}

/// No Kerberos library keeps ccaches on Windows but of those that programs bring: none is looked for.
#[cfg(not(unix))]
#[derive(Debug, Default)]
pub struct NativeCcaches(());

#[cfg(not(unix))]
impl CcacheLibrary for NativeCcaches {
    /// Always [`Refusal::Absent`].
    fn find(&self, _: &Selection) -> Result<Vec<Box<dyn Ccache>>, Refusal> {
        Err(Refusal::Absent)
    }
}
