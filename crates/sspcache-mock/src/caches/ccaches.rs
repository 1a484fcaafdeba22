//! The ccaches of an emulated user, and those in the memory of an emulated process.

use std::{fmt, path::PathBuf};

use sspcache::caches::{
    Refusal,
    ccache::{Ccache, CcacheLibrary, Selection},
};

use super::store::{Entry, Go, Store, common};
use crate::CacheCall;

/// Credential caches of MIT krb5 or Heimdal: those of a user, whose processes share them, or the `MEMORY:` ones of a process
/// ([`MockProcess::memory_ccaches`](crate::MockProcess::memory_ccaches)).
///
/// ```
/// use sspcache::CredentialProvider;
/// use sspcache_mock::{MockCcaches, MockProcess};
///
/// let ccaches = MockCcaches::new().expect_sign_out();
/// ccaches.ccache("FILE:/tmp/krb5cc_1000", "alice@CONTOSO.EXAMPLE", ["krbtgt/CONTOSO.EXAMPLE@CONTOSO.EXAMPLE"]);
/// let process = MockProcess::new().with_ccaches(&ccaches);
/// let report = process.caches().and_ccache().flush_all();
/// assert!(report.to_string().contains("flushed  FILE:/tmp/krb5cc_1000, 1 entry"), "{report}");
/// ccaches.assert_clean();
/// ```
#[derive(Clone, Debug)]
pub struct MockCcaches {
    store: Store<Record>,
}

common!(MockCcaches);

impl MockCcaches {
    /// None.
    pub fn new() -> Self {
        Self { store: Store::new("ccache") }
    }

    /// Puts a ccache there: its name with its type, the principal whom it signs in, and its tickets. The user's first one is
    /// the default ccache.
    #[track_caller]
    pub fn ccache<'a>(&self, name: &str, principal: &str, tickets: impl IntoIterator<Item = &'a str>) {
        self.store.put(Record {
            name: name.to_owned(),
            principal: principal.to_owned(),
            tickets: tickets.into_iter().map(str::to_owned).collect(),
        });
    }

    /// Those that there are: the name of each, and its tickets.
    pub fn ccaches(&self) -> Vec<(String, Vec<String>)> {
        self.store.with(|all| all.iter().map(|(one, _)| (one.name.clone(), one.tickets.clone())).collect())
    }

    fn names(&self) -> Vec<String> {
        self.ccaches().into_iter().map(|(name, _)| name).collect()
    }

    /// What is still there, if there is something.
    pub(crate) fn unclean(&self) -> Option<String> {
        self.store.unclean()
    }

    /// The names of the ones that are selected, of these of the user and those of a process.
    fn selected(&self, memory: &Self, selection: &Selection) -> Vec<(Self, String)> {
        let named = |of: &Self, names: Vec<String>| -> Vec<(Self, String)> {
            names.into_iter().map(|name| (of.clone(), name)).collect()
        };
        match selection {
            Selection::Collection => named(self, self.names()),
            Selection::Default => named(self, self.names().into_iter().take(1).collect()),
            Selection::Memory => named(memory, memory.names()),
            Selection::Named(name) => [self, memory]
                .into_iter()
                .flat_map(|of| named(of, of.names()))
                .filter(|(_, found)| found == name)
                .take(1)
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// The ccaches that a process can reach.
#[derive(Debug)]
pub(crate) struct Reachable {
    pub(crate) user: MockCcaches,
    pub(crate) process: MockCcaches,
}

impl CcacheLibrary for Reachable {
    fn find(&self, selection: &Selection) -> Result<Vec<Box<dyn Ccache>>, Refusal> {
        let asked = if *selection == Selection::Memory { &self.process } else { &self.user };
        asked.store.call(CacheCall::List, None)?;
        let found = self.user.selected(&self.process, selection);
        if found.is_empty() {
            return Err(Refusal::Absent);
        }
        Ok(found.into_iter().map(|(of, name)| Box::new(Found { of, name }) as Box<dyn Ccache>).collect())
    }
}

/// A ccache that was found.
#[derive(Debug)]
struct Found {
    of: MockCcaches,
    name: String,
}

impl Found {
    /// What is asked of it, if it is still there.
    fn ask<R>(&self, ask: impl FnOnce(&mut Record) -> R) -> Result<R, Refusal> {
        self.of.store.call(CacheCall::List, Some(&self.name))?;
        self.of.store.with(|all| {
            let found = all.iter_mut().find(|(one, _)| one.name == self.name);
            found.map(|(one, _)| ask(one)).ok_or(Refusal::Absent)
        })
    }
}

impl Ccache for Found {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn library(&self) -> Option<PathBuf> {
        None
    }

    fn principal(&self) -> Result<String, Refusal> {
        self.ask(|record| record.principal.clone())
    }

    fn tickets(&self) -> Result<Vec<String>, Refusal> {
        self.ask(|record| record.tickets.clone())
    }

    fn destroy(&mut self) -> Result<(), Refusal> {
        let go = self.of.store.call(CacheCall::Flush, Some(&self.name))?;
        self.of.store.with(|all| {
            let index = all.iter().position(|(one, _)| one.name == self.name).ok_or(Refusal::Absent)?;
            match go {
                Go::On => drop(all.remove(index)),
                Go::Pretend => {}
                Go::Refill(ticket) => all[index].0.tickets = vec![ticket],
            }
            Ok(())
        })
    }
}

/// A ccache.
#[derive(Debug)]
struct Record {
    name: String,
    principal: String,
    tickets: Vec<String>,
}

impl Entry for Record {}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, principal, tickets } = self;
        write!(f, "{name} of {principal}, with {} of its tickets", tickets.len())
    }
}
