//! Listing the cached credentials, and flushing them.

use std::fmt;

use super::principal_of;
use crate::{
    FileTime, Name, Operation, Principal,
    state::Instance,
    vault::{Entry, Slot},
};

impl Instance {
    /// See [`Engine::flush`](crate::Engine::flush).
    pub(crate) fn flush(&self) -> bool {
        if self.enter(Operation::CleanupCredentialCache).is_err() {
            return false;
        }
        let _flushing = self.flushing();
        let mut emptied = {
            let (mut state, now) = self.lock_at_now();
            state.empty(now)
        };
        // Sign-ins don't wait for this.
        emptied.wipe();
        let unused = self.lock().reuse(emptied);
        drop(unused);
        true
    }

    /// See [`Engine::cached_credentials`](crate::Engine::cached_credentials).
    pub(crate) fn cached_credentials(&self) -> Vec<CachedCredential> {
        let (state, _) = self.lock_at_now();
        let describe = |(slot, entry): (Slot, Entry<'_>)| CachedCredential {
            package: state.package(entry.package()).name.clone(),
            principal: principal_of(&entry),
            cached_at: FileTime(entry.cached_at()),
            expires: FileTime(entry.expires()),
            since: state.ledger.cached_by(slot),
        };
        state.all_cached().map(describe).collect()
    }

    /// See [`Engine::check_clean`](crate::Engine::check_clean).
    pub(crate) fn check_clean(&self) -> Result<(), Unclean> {
        let left = self.cached_credentials();
        if left.is_empty() { Ok(()) } else { Err(Unclean { module: self.module.clone(), left }) }
    }
}

/// A credential in the cache. It shows everything but the secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CachedCredential {
    /// The package that it is for.
    pub package: Name,
    /// Its principal.
    pub principal: Principal,
    /// When it was cached, in UTC.
    pub cached_at: FileTime,
    /// When it expires, in UTC.
    pub expires: FileTime,
    /// The `seq` of the event that cached it, when events are recorded.
    pub since: Option<u64>,
}

/// Credentials are still cached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unclean {
    /// In the cache of which module.
    pub module: String,
    /// Which ones.
    pub left: Vec<CachedCredential>,
}

impl fmt::Display for Unclean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.left.len() == 1 { "credential is" } else { "credentials are" };
        write!(f, "{} {plural} still cached in {}:", self.left.len(), self.module)?;
        for credential in &self.left {
            write!(f, "\n  {} {}", credential.package, credential.principal)?;
            if let Some(seq) = credential.since {
                write!(f, ", since event {seq}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Unclean {}
