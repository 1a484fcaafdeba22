//! Kerberos tickets of the logon session.
//!
//! On Windows LSA holds them, not the process. [`KERB_PURGE_TKT_CACHE_REQUEST`] deletes those of the current logon session, as
//! `klist purge` does. Afterwards every program of the session needs new ones. It gets them without asking the user while
//! Windows still has the user's password.
//!
//! LSA is asked through its client library, secur32.dll of Windows' own folder, which is loaded for that: the library isn't the
//! cache. Wine lists the ccache of its Unix user, and doesn't purge it: *unsupported here*, where [`ccache`](super::ccache) of a
//! program on Unix does.
//!
//! Elsewhere than on Windows there is no LSA: the cache is absent. What Linux and macOS keep is a [ccache](super::ccache).
//!
//! [`KERB_PURGE_TKT_CACHE_REQUEST`]: https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/ns-ntsecapi-kerb_purge_tkt_cache_request

#[cfg(windows)]
mod lsa;
#[cfg(any(windows, test))]
mod reply;

use std::sync::Arc;

use super::{Cache, CacheStatus, Contents, Refusal, Scope, System, flush_entries, flush_safely, status_of};
use crate::{
    CacheName, CredentialProvider, Error, FlushReport,
    protocol::{check_safe, push},
};

/// The tickets of the logon session, as a system has them.
pub trait TicketCache: Send + Sync {
    /// The tickets that there are: the name of each one's server, such as `krbtgt/CONTOSO.EXAMPLE@CONTOSO.EXAMPLE`.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when there are none, [`Refusal::Unsupported`] where tickets can't be listed.
    fn tickets(&self) -> Result<Vec<String>, Refusal>;

    /// Deletes them.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when there are none.
    fn purge(&self) -> Result<(), Refusal>;
}

/// The Kerberos tickets of a system's logon session, as a provider.
#[derive(Debug)]
pub struct Kerberos<S> {
    system: Arc<S>,
}

impl<S: System> Kerberos<S> {
    const CACHES: &[CacheName] = &[CacheName::KERBEROS];

    /// The tickets of the logon session of this system.
    pub fn new(system: Arc<S>) -> Self {
        Self { system }
    }

    /// C6: LSA must not be called from DllMain, nor its library be loaded there.
    fn contents(&self, cache: &CacheName) -> Result<Contents, Error> {
        check_safe(&*self.system, cache)?;
        status_of(cache, self.system.ticket_cache().tickets())
    }
}

impl<S: System> CredentialProvider for Kerberos<S> {
    fn caches(&self) -> &[CacheName] {
        Self::CACHES
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        let cache = CacheName::find(Self::CACHES, cache)?;
        Ok(self.contents(cache)? != Contents::Absent)
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        let row = flush_safely(&*self.system, Self::CACHES, cache, |cache| {
            let tickets = self.system.ticket_cache();
            flush_entries(cache, || tickets.tickets(), || tickets.purge())
        });
        push(report, row.with_scope(self.scope()));
    }
}

impl<S: System> Cache for Kerberos<S> {
    fn scope(&self) -> Scope {
        Scope::LogonSession
    }

    fn status(&self) -> Vec<CacheStatus> {
        let cache = CacheName::KERBEROS;
        vec![CacheStatus {
            contents: self.contents(&cache),
            allowed: check_safe(&*self.system, &cache),
            scope: self.scope(),
            instance: None,
            module: None,
            cache,
        }]
    }
}

/// The tickets that LSA has.
///
/// # Platform-specific behaviour
/// Tickets are listed with `KerbQueryTicketCacheExMessage`, or `KerbQueryTicketCacheMessage` where that is refused. Elsewhere than
/// on Windows they are absent.
#[derive(Debug, Default)]
pub struct NativeTickets(());

impl TicketCache for NativeTickets {
    fn tickets(&self) -> Result<Vec<String>, Refusal> {
        cfg_if::cfg_if! {
            if #[cfg(windows)] { lsa::tickets() } else { Err(Refusal::Absent) }
        }
    }

    fn purge(&self) -> Result<(), Refusal> {
        cfg_if::cfg_if! {
            if #[cfg(windows)] { lsa::purge() } else { Err(Refusal::Absent) }
        }
    }
}
