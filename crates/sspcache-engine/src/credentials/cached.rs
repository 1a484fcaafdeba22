//! Listing the credentials that a sign-out has to end, and flushing those that are cached.

use std::fmt;

use super::principal_of;
use crate::{
    CredentialHandle, FileTime, Name, Operation, Principal,
    holdings::Holding,
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
        let (left, held) = (self.cached_credentials(), self.held_credentials());
        if left.is_empty() && held.is_empty() {
            return Ok(());
        }
        Err(Unclean { module: self.module.clone(), left, held })
    }

    /// See [`Engine::held_credentials`](crate::Engine::held_credentials).
    pub(crate) fn held_credentials(&self) -> Vec<HeldCredential> {
        let (state, _) = self.lock_at_now();
        let describe = |holding: &Holding| {
            let (handle, since) = holding.came?;
            Some(HeldCredential {
                package: state.package(holding.package).name.clone(),
                principal: holding.principal.clone(),
                acquired_at: holding.acquired_at,
                handle: CredentialHandle::from_word(handle),
                since: state.ledger.records().then_some(since),
            })
        };
        let mut held: Vec<_> = state.ledger.holdings.iter().filter_map(describe).collect();
        held.sort_unstable_by_key(|credential| (credential.acquired_at, credential.since));
        held
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

/// A credential that the program passed and that a handle holds, for a package that doesn't cache. It shows everything but
/// the secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeldCredential {
    /// The package that it is for.
    pub package: Name,
    /// Its principal.
    pub principal: Principal,
    /// When it came into the handle, in UTC.
    pub acquired_at: FileTime,
    /// The handle that it came into. When that was freed, a half-open context still holds it.
    pub handle: CredentialHandle,
    /// The `seq` of the event that says so, when events are recorded.
    pub since: Option<u64>,
}

/// Credentials are left that the program signed in with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unclean {
    /// In which module.
    pub module: String,
    /// The credentials that are still cached.
    pub left: Vec<CachedCredential>,
    /// The credentials that handles still hold.
    pub held: Vec<HeldCredential>,
}

impl fmt::Display for Unclean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.left.is_empty() {
            let plural = if self.left.len() == 1 { "credential is" } else { "credentials are" };
            write!(f, "{} {plural} still cached in {}:", self.left.len(), self.module)?;
            for CachedCredential { package, principal, since, .. } in &self.left {
                line(f, package, principal, *since)?;
            }
        }
        if !self.left.is_empty() && !self.held.is_empty() {
            f.write_str("\n")?;
        }
        if !self.held.is_empty() {
            let plural = if self.held.len() == 1 {
                "credential is still held by a handle that was not freed"
            } else {
                "credentials are still held by handles that were not freed"
            };
            write!(f, "{} {plural}, in {}:", self.held.len(), self.module)?;
            for HeldCredential { package, principal, since, .. } in &self.held {
                line(f, package, principal, *since)?;
            }
        }
        Ok(())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    package: &Name,
    principal: &Principal,
    since: Option<u64>,
) -> fmt::Result {
    write!(f, "\n  {package} {principal}")?;
    match since {
        Some(seq) => write!(f, ", since event {seq}"),
        None => Ok(()),
    }
}

impl std::error::Error for Unclean {}
