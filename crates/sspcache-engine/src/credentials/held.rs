//! The credentials of a handle.

use super::{Direction, KdcProxy, stored::Stored};
use crate::{PackageList, Principal, context::Role};

/// The credentials of a handle.
pub(crate) struct Held {
    /// The credential that it was acquired with.
    pub(crate) own: Credential,
    /// The credentials that `AddCredentials` added, the latest last.
    pub(crate) added: Vec<Credential>,
    pub(crate) kdc_proxy: Option<Box<KdcProxy>>,
}

/// One of a handle's credentials.
pub(crate) struct Credential {
    pub(crate) direction: Direction,
    /// Its place in `State::packages`.
    pub(crate) package: u16,
    /// The packages that its identity allows.
    pub(crate) allowed: PackageList,
    pub(crate) principal: Principal,
    /// The place of its secret; none for anonymous and inbound ones.
    pub(crate) stored: Option<Stored>,
    /// Whether a context can be begun with it at all.
    pub(crate) is_usable: bool,
}

impl Held {
    /// The places of its secrets.
    pub(crate) fn stored(&self) -> impl Iterator<Item = Stored> {
        self.credentials().filter_map(|credential| credential.stored)
    }

    /// Its credentials, the one first that comes before the others.
    pub(crate) fn credentials(&self) -> impl Iterator<Item = &Credential> {
        self.added.iter().rev().chain([&self.own])
    }

    /// Whether any of them may be used in this role.
    pub(crate) fn is_for(&self, role: Role) -> bool {
        self.credentials().any(|credential| credential.direction.is_for(role))
    }

    /// Adds a credential; those that it stands in for are given back.
    pub(crate) fn add(&mut self, credential: Credential) -> Vec<Credential> {
        let (package, direction) = (credential.package, credential.direction);
        let replaced = |old: &mut Credential| {
            old.package == package && (direction == Direction::Both || direction == old.direction)
        };
        let replaced = self.added.extract_if(.., replaced).collect();
        self.added.push(credential);
        replaced
    }
}
