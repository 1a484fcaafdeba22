//! Credentials: signing in, the handles that stand for it, and what is cached of it.

#[cfg(feature = "contexts")]
mod accounts;
mod cached;
mod default;
pub(crate) mod held;
mod logon;
pub(crate) mod request;
pub(crate) mod stored;

pub use cached::{CachedCredential, HeldCredential, Unclean};
use held::{Credential, Held};
pub use logon::Logon;
pub use request::{AcquireRequest, Acquired, Direction, KdcProxy};
use stored::Stored;

#[cfg(feature = "contexts")]
use crate::account::AccountKey;
use crate::{
    AuthIdentity, CredentialHandle, EventKind, FileTime, Name, Operation, PackageList, Principal, Secret,
    SecretKind, SecurityStatus, Source,
    context::Role,
    state::{Instance, Named, State},
    vault::{Entry, Inserted, KeyRef, NewCredential, OutOfMemory, Slot},
};

impl Instance {
    /// See [`Engine::acquire`](crate::Engine::acquire).
    pub(crate) fn acquire(&self, request: &AcquireRequest) -> Result<Acquired, SecurityStatus> {
        let operation = Operation::AcquireCredentialsHandle;
        let result = self.enter(operation).and_then(|()| {
            let (mut state, now) = self.lock_at_now();
            let result = state.acquire(request, now);
            if let Err(status) = result {
                state.refused(operation, status, request.into(), now);
            }
            result
        });
        result.map(|mut acquired| {
            acquired.expires_local = self.to_local(acquired.expires);
            acquired
        })
    }

    /// See [`Engine::free`](crate::Engine::free).
    pub(crate) fn free(&self, handle: CredentialHandle) -> Result<(), SecurityStatus> {
        self.enter(Operation::FreeCredentialsHandle)?;
        let (mut state, now) = self.lock_at_now();
        let closed = state.close(handle, now);
        closed.inspect_err(|&status| {
            state.refused(Operation::FreeCredentialsHandle, status, handle.into(), now);
        })
    }

    /// See [`Engine::principal`](crate::Engine::principal).
    pub(crate) fn principal(&self, handle: CredentialHandle) -> Result<Principal, SecurityStatus> {
        self.enter(Operation::QueryCredentialsAttributes)?;
        let (mut state, now) = self.lock_at_now();
        let found = state.held(handle).map(|held| held.own.principal.clone());
        found.inspect_err(|&status| {
            state.refused(Operation::QueryCredentialsAttributes, status, handle.into(), now);
        })
    }

    /// See [`Engine::check_usable`](crate::Engine::check_usable).
    pub(crate) fn check_usable(&self, handle: CredentialHandle) -> Result<(), SecurityStatus> {
        let (state, _) = self.lock_at_now();
        let held = state.held(handle)?;
        if !held.own.direction.is_outbound() {
            return Err(SecurityStatus::NO_CREDENTIALS);
        }
        match held.own.stored {
            None | Some(Stored::Default | Stored::Logon(_)) => Ok(()),
            Some(stored) => state.secret(stored).map(|_| ()).ok_or(SecurityStatus::NO_CREDENTIALS),
        }
    }

    /// See [`Engine::holds_secret`](crate::Engine::holds_secret).
    pub(crate) fn holds_secret(
        &self,
        handle: CredentialHandle,
        secret: &Secret,
    ) -> Result<bool, SecurityStatus> {
        let (state, _) = self.lock_at_now();
        let held = state.held(handle)?;
        let kept = held.own.stored.and_then(|stored| state.secret(stored));
        let kept = kept.ok_or(SecurityStatus::NO_CREDENTIALS)?;
        Ok(kept == secret.bytes())
    }

    /// See [`Engine::add_credentials`](crate::Engine::add_credentials).
    pub(crate) fn add_credentials(
        &self,
        handle: CredentialHandle,
        request: &AcquireRequest,
    ) -> Result<Acquired, SecurityStatus> {
        let operation = Operation::AddCredentials;
        self.enter(operation)?;
        let (mut state, now) = self.lock_at_now();
        let result = state.add_credentials(handle, request, now);
        if let Err(status) = result {
            let named = Named { request: Some(request), handle: Some(handle), ..Named::default() };
            state.refused(operation, status, named, now);
        }
        drop(state);
        result.map(|acquired| Acquired { expires_local: self.to_local(acquired.expires), ..acquired })
    }

    /// See [`Engine::set_kdc_proxy`](crate::Engine::set_kdc_proxy).
    pub(crate) fn set_kdc_proxy(
        &self,
        handle: CredentialHandle,
        settings: impl FnOnce() -> Result<KdcProxy, SecurityStatus>,
    ) -> Result<(), SecurityStatus> {
        let operation = Operation::SetCredentialsAttributes;
        self.enter(operation)?;
        let (mut state, now) = self.lock_at_now();
        let set = state.set_kdc_proxy(handle, settings, now);
        set.inspect_err(|&status| state.refused(operation, status, handle.into(), now))
    }

    /// See [`Engine::kdc_proxy`](crate::Engine::kdc_proxy).
    pub(crate) fn kdc_proxy(&self, handle: CredentialHandle) -> Result<Option<KdcProxy>, SecurityStatus> {
        let (state, _) = self.lock_at_now();
        let held = state.held(handle)?;
        Ok(held.kdc_proxy.as_deref().cloned())
    }

    /// Caches what a session would bring, as far as this module has its packages.
    ///
    /// # Panics
    /// When there is no memory for it.
    pub(crate) fn preload(&self, preloads: Vec<(Name, AuthIdentity)>) {
        let (mut state, now) = self.lock_at_now();
        for (package, identity) in preloads {
            // A preload for a package of another module is none of this one's business.
            if let Ok(package) = state.package_id(&package) {
                state
                    .cache(package, &identity, Source::Preloaded, now)
                    .expect("there is memory for what is preloaded");
            }
        }
    }
}

impl State {
    fn acquire(&mut self, request: &AcquireRequest, now: FileTime) -> Result<Acquired, SecurityStatus> {
        let package = self.package_id(&request.package)?;
        let (own, source) = self.sign_in(package, request, now)?;
        let (stored, principal) = (own.stored, own.principal.clone());
        let expires = self.expiry(stored);
        let list = self.said(&own.allowed);
        let held = Held { own, added: Vec::new(), kdc_proxy: None };
        let handle = self.open(held, now)?;
        let package = self.package(package).clone();
        self.ledger.record_with(now, || EventKind::Acquired {
            handle: handle.word(),
            package: package.name.to_string(),
            principal: principal.to_string(),
            credential: stored.and_then(Stored::number),
            source,
            list,
        });
        Ok(Acquired { handle, source, expires, expires_local: expires })
    }

    fn add_credentials(
        &mut self,
        handle: CredentialHandle,
        request: &AcquireRequest,
        now: FileTime,
    ) -> Result<Acquired, SecurityStatus> {
        let own = self.held(handle)?.own.package;
        let package = self.package_id(&request.package)?;
        if package != own && !self.is_negotiate(own) {
            return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
        }
        let (credential, source) = self.sign_in(package, request, now)?;
        let (stored, principal) = (credential.stored, credential.principal.clone());
        let list = self.said(&credential.allowed);
        self.add(handle, credential, now)?;
        let package = self.package(package).clone();
        self.ledger.record_with(now, || EventKind::CredentialsAdded {
            handle: handle.word(),
            package: package.name.to_string(),
            principal: principal.to_string(),
            credential: stored.and_then(Stored::number),
            source,
            list,
        });
        let expires = self.expiry(stored);
        Ok(Acquired { handle, source, expires, expires_local: expires })
    }

    /// A package list for an event, if a sink takes it.
    fn said(&self, list: &PackageList) -> String {
        if self.ledger.is_read() { list.to_string() } else { String::new() }
    }

    fn set_kdc_proxy(
        &mut self,
        handle: CredentialHandle,
        settings: impl FnOnce() -> Result<KdcProxy, SecurityStatus>,
        now: FileTime,
    ) -> Result<(), SecurityStatus> {
        let package = &self.package(self.held(handle)?.own.package).name;
        if !["Kerberos", "Negotiate"].into_iter().any(|known| *package == Name::from(known)) {
            return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
        }
        let proxy = settings()?;
        let (server, force) = (proxy.server.to_string(), proxy.force);
        self.set_proxy(handle, proxy)?;
        self.ledger.record_with(now, || EventKind::KdcProxySet { handle: handle.word(), server, force });
        Ok(())
    }

    /// The credential that a request signs in with (clause M2).
    fn sign_in(
        &mut self,
        package: u16,
        request: &AcquireRequest,
        now: FileTime,
    ) -> Result<(Credential, Source), SecurityStatus> {
        let (principal, source, stored) = if !request.direction.is_outbound() {
            (request.principal.clone().unwrap_or_default(), Source::Inbound, None)
        } else if request.process_policy_only {
            return Err(SecurityStatus::NO_CREDENTIALS);
        } else if let Some(identity) = &request.identity {
            self.explicit(package, identity, now)?
        } else if request.autologon_restricted {
            return Err(SecurityStatus::NO_CREDENTIALS);
        } else {
            self.silent(package, request.principal.as_ref())?
        };
        let allowed = request.identity.as_ref().map_or(&request.packages, |identity| &identity.packages);
        let allowed = allowed.clone();
        let is_usable = !request.identity.as_ref().is_some_and(AuthIdentity::lacks_user);
        let direction = request.direction;
        Ok((Credential { direction, package, allowed, principal, stored, is_usable }, source))
    }

    /// When a credential expires, as long as it is cached.
    pub(crate) fn expiry(&self, stored: Option<Stored>) -> FileTime {
        let entry = match stored {
            Some(Stored::Cached(slot)) => self.cached(slot),
            Some(Stored::Held(_) | Stored::Default | Stored::Logon(_)) | None => None,
        };
        entry.map_or(FileTime::NEVER, |entry| FileTime(entry.expires()).min(FileTime::NEVER))
    }

    fn explicit(
        &mut self,
        package: u16,
        identity: &AuthIdentity,
        now: FileTime,
    ) -> Result<(Principal, Source, Option<Stored>), SecurityStatus> {
        if identity.is_anonymous() {
            return Ok((Principal::default(), Source::Anonymous, None));
        }
        if !can_use(&self.package(package).name, identity.secret.kind().tag()) {
            return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
        }
        let stored = if !self.package(package).caching {
            let taken_in = self.ledger.take_in(package, identity, now);
            Some(taken_in.map_err(|OutOfMemory| SecurityStatus::INSUFFICIENT_MEMORY)?)
        } else if identity.lacks_user() || !self.may_use(&identity.packages, package) {
            // No context can be begun with it, and nothing is to be found in the cache later.
            None
        } else {
            Some(Stored::Cached(self.cache(package, identity, Source::Explicit, now)?))
        };
        Ok((identity.principal.clone(), Source::Explicit, stored))
    }

    /// Whether an identity's package list leaves a package for this request. What the list says to Negotiate is which
    /// others it may choose.
    fn may_use(&self, list: &PackageList, package: u16) -> bool {
        if !self.is_negotiate(package) {
            return list.allows(&self.package(package).name);
        }
        self.negotiable().iter().any(|other| list.allows(&other.name))
    }

    fn silent(
        &mut self,
        package: u16,
        wanted: Option<&Principal>,
    ) -> Result<(Principal, Source, Option<Stored>), SecurityStatus> {
        let slot = match wanted {
            _ if !self.package(package).caching => None,
            None => self.most_recent(package),
            Some(principal) => self.find(key(package, principal)),
        };
        if let Some((slot, entry)) = slot.and_then(|slot| Some((slot, self.cached(slot)?))) {
            return Ok((principal_of(&entry), Source::Cache, Some(Stored::Cached(slot))));
        }
        let (principal, stored) = self.default_credential(package, wanted)?;
        Ok((principal, Source::Default, Some(stored)))
    }

    /// The credential's place in the cache once it is in.
    fn cache(
        &mut self,
        package: u16,
        identity: &AuthIdentity,
        source: Source,
        now: FileTime,
    ) -> Result<Slot, SecurityStatus> {
        let expires = self.expiry_from(now);
        let secret = &identity.secret;
        let new = NewCredential {
            key: key(package, &identity.principal),
            kind: secret.kind().tag(),
            secret: secret.bytes(),
            cached_at: now.0,
            expires: expires.0,
        };
        let Inserted { slot, how } = self.insert(new, now)?;
        let package = self.package(package).clone();
        let ledger = &mut self.ledger;
        let credential = slot.to_u64();
        match how {
            crate::vault::How::Refreshed => {
                ledger.record(now, EventKind::Refreshed { credential, expires });
                return Ok(slot);
            }
            crate::vault::How::Replaced { old } => {
                ledger.record_dropped(now, EventKind::Replaced { credential: old.to_u64(), by: credential });
            }
            crate::vault::How::Added => {}
        }
        ledger.record_cached(now, || EventKind::Cached {
            credential,
            package: package.name.to_string(),
            principal: identity.principal.to_string(),
            source,
            expires,
        });
        Ok(slot)
    }

    /// The secret of a credential: the cached one, or the copy that its handles keep.
    pub(crate) fn secret(&self, stored: Stored) -> Option<&[u8]> {
        self.kind_and_secret(stored).map(|(_, secret)| secret)
    }

    /// The secret of a credential, and the tag of its kind.
    pub(crate) fn kind_and_secret(&self, stored: Stored) -> Option<(u8, &[u8])> {
        let slot = match stored {
            Stored::Cached(slot) => slot,
            Stored::Held(number) => return self.ledger.holdings.secret(number, &self.ledger.copies),
            // Of these there is a key alone.
            Stored::Default | Stored::Logon(_) => return None,
        };
        match self.cached(slot) {
            Some(entry) => Some((entry.kind(), entry.secret())),
            None => {
                self.ledger.retained.get(&slot).map(|(kind, copy)| (*kind, self.ledger.copies.bytes(copy)))
            }
        }
    }

    /// What a context over this package signs in with to this target; none is a null session.
    ///
    /// # Errors
    /// [`SecurityStatus::NO_CREDENTIALS`] when the credential is not for this package, when its secret has left the cache
    /// (clause M4), or when no default credential fits.
    pub(crate) fn sign_in_over(
        &self,
        credential: &Credential,
        package: &Name,
        target: Option<&Name>,
    ) -> Result<Option<(Principal, Stored)>, SecurityStatus> {
        if !credential.is_usable || !credential.allowed.allows(package) {
            return Err(SecurityStatus::NO_CREDENTIALS);
        }
        let Some(stored) = credential.stored else { return Ok(None) };
        match stored {
            Stored::Default => {
                return self.fitting_logon(package, self.is_negotiate(credential.package), target).map(Some);
            }
            Stored::Logon(_) => {}
            Stored::Cached(_) | Stored::Held(_) => {
                let (kind, _) = self.kind_and_secret(stored).ok_or(SecurityStatus::NO_CREDENTIALS)?;
                if !can_use(package, kind) {
                    return Err(SecurityStatus::NO_CREDENTIALS);
                }
            }
        }
        Ok(Some((credential.principal.clone(), stored)))
    }

    /// The key that a principal proves itself with, as long as its secret is there (clause M4).
    #[cfg(feature = "contexts")]
    pub(crate) fn key_of(&self, principal: &Principal, stored: Stored) -> Result<AccountKey, SecurityStatus> {
        if let Stored::Logon(number) = stored {
            let logon = self.logons.get(usize::from(number)).ok_or(SecurityStatus::NO_CREDENTIALS)?;
            return Ok(logon.key().clone());
        }
        let (kind, secret) = self.kind_and_secret(stored).ok_or(SecurityStatus::NO_CREDENTIALS)?;
        Ok(AccountKey::derive(principal, kind, secret))
    }

    /// The credential of a handle for contexts over this package: the one added last, or its own. One for Negotiate is
    /// for all that its package list allows.
    pub(crate) fn credential_over<'a>(
        &self,
        held: &'a Held,
        package: &Name,
        role: Role,
    ) -> Option<&'a Credential> {
        held.credentials().filter(|credential| credential.direction.is_for(role)).find(|credential| {
            if self.is_negotiate(credential.package) {
                credential.allowed.allows(package)
            } else {
                self.package(credential.package).name == *package
            }
        })
    }
}

/// Whether a package can sign in with a secret of the kind that has this tag: NTLM with passwords alone (clause P6).
fn can_use(package: &Name, kind: u8) -> bool {
    kind == SecretKind::Password.tag() || *package != Name::from("NTLM")
}

fn key(package: u16, principal: &Principal) -> KeyRef<'_> {
    KeyRef { package, user: principal.user.units(), domain: principal.domain.units() }
}

pub(crate) fn principal_of(entry: &Entry<'_>) -> Principal {
    Principal { user: Name::from_units(entry.user()), domain: Name::from_units(entry.domain()) }
}
