//! Default credentials: what the logon session signs in with when a program passes nothing (clause P3).

#[cfg(feature = "contexts")]
use crate::account::AccountKey;
use crate::{AuthIdentity, Name, PackageList, Principal, Secret};

/// Default credentials of the logon session that the mock stands in for.
///
/// They are the session's, not the program's: they are never cached, never left, and no flush touches them. Only a key
/// made from the secret is kept.
///
/// ```
/// use sspcache_engine::{AcquireRequest, Engine, Logon, PackageList, Source};
/// let ssp = Engine::builder("secur32.dll")
///     .logon(Logon::password("alice", "CONTOSO", "correct horse"))
///     .logon(Logon::password("bob", "FABRIKAM", "battery staple").to("*.fabrikam.example"))
///     .build();
/// let silent = ssp.acquire(&AcquireRequest::outbound("Negotiate")).unwrap();
/// assert_eq!(silent.source, Source::Default);
/// assert_eq!(ssp.principal(silent.handle).unwrap().to_string(), r"CONTOSO\alice");
/// ssp.assert_clean();
/// ```
#[derive(Clone, Debug)]
pub struct Logon {
    principal: Principal,
    packages: PackageList,
    target: Option<Name>,
    #[cfg(feature = "contexts")]
    key: AccountKey,
}

impl Logon {
    /// A user of a domain, with a password.
    pub fn password(user: impl Into<Name>, domain: impl Into<Name>, password: &str) -> Self {
        Self::new(Principal::new(user, domain), Secret::password(password))
    }

    /// A principal and its secret.
    pub fn new(principal: Principal, secret: Secret) -> Self {
        Self::from(&AuthIdentity::new(principal, secret))
    }

    /// Restricts the packages that sign in with it. Where Negotiate is among them, it may choose any.
    #[must_use]
    pub fn with_packages(mut self, packages: PackageList) -> Self {
        self.packages = packages;
        self
    }

    /// Only for this target, as an entry of the Credential Manager is: a service's name (`HTTP/web.contoso.example`), a
    /// host (`web.contoso.example`), all hosts of a domain (`*.contoso.example`), or `*` for any.
    #[must_use]
    pub fn to(mut self, target: impl Into<Name>) -> Self {
        self.target = Some(target.into());
        self
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn is_for_any_target(&self) -> bool {
        self.target.is_none()
    }

    /// Whether this package may sign in with it, chosen by Negotiate or not.
    pub(crate) fn allows(&self, package: &Name, negotiated: bool) -> bool {
        self.packages.allows(package)
            || negotiated
                && self.packages.allows(&Name::from("Negotiate"))
                && !self.packages.excludes(package)
    }

    /// How well it fits a target, the best first; `None` when it is for others.
    pub(crate) fn fit(&self, target: Option<&Name>) -> Option<Fit> {
        let Some(own) = &self.target else { return Some(Fit::Any) };
        let target = target?;
        if own == target {
            return Some(Fit::Service);
        }
        let host = host(target.units());
        if *own == Name::from_units(host) {
            return Some(Fit::Host);
        }
        match own.units() {
            [star] if *star == u16::from(b'*') => Some(Fit::Everything),
            [star, domain @ ..] if *star == u16::from(b'*') => {
                let tail = host.len().checked_sub(domain.len()).map(|at| &host[at..])?;
                (Name::from_units(tail) == Name::from_units(domain)).then_some(Fit::Domain)
            }
            _ => None,
        }
    }

    #[cfg(feature = "contexts")]
    pub(crate) fn key(&self) -> &AccountKey {
        &self.key
    }
}

/// How a default credential fits a target, the most special first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fit {
    Service,
    Host,
    Domain,
    Everything,
    Any,
}

impl From<&AuthIdentity> for Logon {
    fn from(identity: &AuthIdentity) -> Self {
        Self {
            principal: identity.principal.clone(),
            packages: identity.packages.clone(),
            target: None,
            #[cfg(feature = "contexts")]
            key: AccountKey::of(identity),
        }
    }
}

/// The host of a target: `web` in `HTTP/web:80/app` and in `web`.
fn host(target: &[u16]) -> &[u16] {
    let is = |character: u8| move |unit: &u16| *unit == u16::from(character);
    let after_class = target.iter().position(is(b'/')).map_or(target, |slash| &target[slash + 1..]);
    let end = after_class.iter().position(|unit| is(b'/')(unit) || is(b':')(unit));
    end.map_or(after_class, |end| &after_class[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P3
    #[test]
    fn a_logon_fits_a_target_as_an_entry_of_the_credential_manager_does() {
        for (own, target, fit) in [
            ("HTTP/web.contoso.example", "http/WEB.contoso.example", Some(Fit::Service)),
            ("web.contoso.example", "HTTP/web.contoso.example:8080", Some(Fit::Host)),
            ("web.contoso.example", "MSSQLSvc/web.contoso.example/instance", Some(Fit::Host)),
            ("web.contoso.example", "web.contoso.example", Some(Fit::Service)),
            ("*.contoso.example", "HTTP/web.contoso.example", Some(Fit::Domain)),
            ("*.contoso.example", "HTTP/contoso.example", None),
            ("*.contoso.example", "HTTP/web.fabrikam.example", None),
            ("*", "HTTP/web", Some(Fit::Everything)),
            ("HTTP/web", "CIFS/web", None),
            ("web", "HTTP/web2", None),
        ] {
            let logon = Logon::password("alice", "", "x").to(own);
            assert_eq!(logon.fit(Some(&target.into())), fit, "{own} for {target}");
            assert_eq!(logon.fit(None), None, "{own} without a target");
        }
        assert_eq!(Logon::password("alice", "", "x").fit(Some(&"HTTP/web".into())), Some(Fit::Any));
    }
}
