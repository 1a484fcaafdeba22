//! Principals, and the explicit identity that an application passes as authentication data.

use std::fmt;

use sspcache_types::Identity;

use crate::{Name, Secret};

/// A user of a domain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Principal {
    /// The user's name, without the domain.
    pub user: Name,
    /// The domain or realm; empty when none was given.
    pub domain: Name,
}

impl Principal {
    /// The principal of these two names, as they are.
    pub fn new(user: impl Into<Name>, domain: impl Into<Name>) -> Self {
        Self { user: user.into(), domain: domain.into() }
    }

    /// Splits `DOMAIN\user` and `user@realm`; anything else is a user of no domain.
    ///
    /// ```
    /// use sspcache_engine::Principal;
    /// assert_eq!(Principal::parse(r"CONTOSO\alice"), Principal::new("alice", "CONTOSO"));
    /// assert_eq!(Principal::parse("alice@contoso.com"), Principal::new("alice", "contoso.com"));
    /// assert_eq!(Principal::parse("alice"), Principal::new("alice", ""));
    /// ```
    pub fn parse(name: impl Into<Name>) -> Self {
        let name = name.into();
        let units = name.units();
        if let Some(at) = units.iter().position(|&unit| unit == u16::from(b'\\')) {
            return Self { user: Name::from_units(&units[at + 1..]), domain: Name::from_units(&units[..at]) };
        }
        // The last one: a user's name may have an @ of its own, a realm has not.
        if let Some(at) = units.iter().rposition(|&unit| unit == u16::from(b'@')) {
            return Self { user: Name::from_units(&units[..at]), domain: Name::from_units(&units[at + 1..]) };
        }
        Self { user: name, domain: Name::default() }
    }

    /// Whether neither part is given.
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.domain.is_empty()
    }
}

/// `DOMAIN\user`, or the user alone when there is no domain.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.domain.is_empty() {
            write!(f, "{}\\", self.domain)?;
        }
        write!(f, "{}", self.user)
    }
}

/// Which packages an identity may be used with: the `PackageList` of `SEC_WINNT_AUTH_IDENTITY_EX`.
///
/// Names are separated by commas; `!name` excludes one. Names that are not excluded are all that is allowed, in the order
/// of preference; a list without any allows all others. `-name` is not a name, and excludes nothing. An empty list
/// restricts nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PackageList {
    allowed: Vec<Name>,
    excluded: Vec<Name>,
    /// Names behind a `-`.
    ignored: Vec<Name>,
}

impl PackageList {
    /// Reads a comma-separated list.
    ///
    /// ```
    /// use sspcache_engine::{Name, PackageList};
    /// let list = PackageList::parse("Kerberos, !NTLM");
    /// assert!(list.allows(&Name::from("kerberos")));
    /// assert!(!list.allows(&Name::from("NTLM")));
    /// ```
    pub fn parse(list: impl Into<Name>) -> Self {
        let mut parsed = Self::default();
        let list = list.into();
        for part in list.units().split(|&unit| unit == u16::from(b',')) {
            let part = trim(part);
            match part.split_first() {
                None => {}
                Some((&bang, name)) if bang == u16::from(b'!') => {
                    parsed.excluded.push(Name::from_units(trim(name)));
                }
                // Programs write it for `!`, in vain.
                Some((&minus, name)) if minus == u16::from(b'-') => {
                    parsed.ignored.push(Name::from_units(trim(name)));
                }
                Some(_) => parsed.allowed.push(Name::from_units(part)),
            }
        }
        parsed
    }

    /// Whether a package of this name may be used.
    pub fn allows(&self, package: &Name) -> bool {
        !self.excludes(package) && (self.allowed.is_empty() || self.allowed.contains(package))
    }

    /// Whether the list names a package in order to exclude it.
    pub fn excludes(&self, package: &Name) -> bool {
        self.excluded.contains(package)
    }

    /// Whether the list has `-name` of a package, which excludes nothing.
    pub fn excludes_in_vain(&self, package: &Name) -> bool {
        self.ignored.contains(package)
    }

    /// The place of a package in the order of preference, from 0. Those that the list doesn't name come last, all at one
    /// place.
    pub fn rank(&self, package: &Name) -> usize {
        self.allowed.iter().position(|name| name == package).unwrap_or(self.allowed.len())
    }
}

impl FromIterator<Name> for PackageList {
    /// A list that allows these packages; of none, one that restricts nothing.
    fn from_iter<I: IntoIterator<Item = Name>>(names: I) -> Self {
        Self { allowed: names.into_iter().collect(), ..Self::default() }
    }
}

/// As it can be [read](PackageList::parse): what is allowed comes first.
impl fmt::Display for PackageList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [("", &self.allowed), ("!", &self.excluded), ("-", &self.ignored)];
        let mut between = "";
        for (mark, name) in
            all.into_iter().flat_map(|(mark, names)| names.iter().map(move |name| (mark, name)))
        {
            write!(f, "{between}{mark}{name}")?;
            between = ",";
        }
        Ok(())
    }
}

/// An explicit identity that the engine keeps: `SEC_WINNT_AUTH_IDENTITY` in any of its forms, once parsed.
///
/// A client that passes a user, a domain and a password borrows them as an [`Identity`]. `Debug` prints the principal
/// and never the secret.
#[derive(Clone, Debug)]
pub struct AuthIdentity {
    /// The principal that signs in.
    pub principal: Principal,
    /// Its secret: a blank password when none was given.
    pub secret: Secret,
    /// The packages that may be used for it.
    pub packages: PackageList,
    lacks_user: bool,
}

impl AuthIdentity {
    /// A user of a domain, with a password.
    pub fn password(user: impl Into<Name>, domain: impl Into<Name>, password: &str) -> Self {
        Self::new(Principal::new(user, domain), Secret::password(password))
    }

    /// A principal and its secret.
    pub fn new(principal: Principal, secret: Secret) -> Self {
        // A name in one piece is taken apart, so that one principal is one key however it was written.
        let principal =
            if principal.domain.is_empty() { Principal::parse(principal.user) } else { principal };
        Self { principal, secret, packages: PackageList::default(), lacks_user: false }
    }

    /// Restricts the packages that the identity may be used with.
    #[must_use]
    pub fn with_packages(mut self, packages: PackageList) -> Self {
        self.packages = packages;
        self
    }

    /// Says that no user was given, which isn't an empty one: a handle is acquired, and no context can be begun with it
    /// (clause P4).
    #[must_use]
    pub fn without_user(mut self) -> Self {
        self.lacks_user = true;
        self
    }

    /// Whether no user was given.
    pub fn lacks_user(&self) -> bool {
        self.lacks_user
    }

    /// Whether every part is empty: an anonymous sign-in, which is never cached.
    pub fn is_anonymous(&self) -> bool {
        self.principal.is_empty() && self.secret.is_empty() && !self.lacks_user
    }
}

impl From<Identity<'_>> for AuthIdentity {
    /// Copies the password into wiped memory.
    fn from(identity: Identity<'_>) -> Self {
        Self::password(identity.user, identity.domain, identity.password)
    }
}

fn trim(units: &[u16]) -> &[u16] {
    let is_text = |unit: &u16| *unit != u16::from(b' ') && *unit != u16::from(b'\t');
    match (units.iter().position(is_text), units.iter().rposition(is_text)) {
        (Some(first), Some(last)) => &units[first..=last],
        _ => &[],
    }
}
