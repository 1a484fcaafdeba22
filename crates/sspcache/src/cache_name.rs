//! Names of credential caches.

use std::{fmt, sync::Arc};

use sspcache_types::name;

use crate::Error;

/// The name of a credential cache: for an SSP's, the file name of the SSP's module.
///
/// Two are known from the start, the SSPs that
/// [Microsoft's page](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache) names. Register a third
/// party's SSP that exports the same function with [`SspCachesBuilder::register`](crate::SspCachesBuilder::register).
///
/// Names are equal when Windows takes them for the same file name: letters compare without case.
///
/// ```
/// use sspcache::CacheName;
/// assert_eq!(CacheName::MSNSSPC.name(), "MSNSSPC.dll");
/// assert!(CacheName::MSNSSPC.is_named("msnsspc.DLL"));
/// ```
#[derive(Clone)]
pub struct CacheName(Name);

#[derive(Clone)]
enum Name {
    Static(&'static str),
    Shared(Arc<str>),
}

impl CacheName {
    /// Credential caches of Kerberos libraries: [`caches::ccache`](crate::caches::ccache).
    pub const CCACHE: Self = Self::from_static("ccache");
    /// Entries of the user's Credential Manager: [`caches::credentials`](crate::caches::credentials).
    pub const CREDENTIALS: Self = Self::from_static("credentials");
    /// Kerberos tickets of the logon session: [`caches::kerberos`](crate::caches::kerberos).
    pub const KERBEROS: Self = Self::from_static("kerberos");
    /// MSAPSSPC.dll, the SSP of Distributed Password Authentication (`DPA`).
    pub const MSAPSSPC: Self = Self::from_static("MSAPSSPC.dll");
    /// MSNSSPC.dll, the SSP of the Microsoft Network (`MSN`).
    pub const MSNSSPC: Self = Self::from_static("MSNSSPC.dll");
    /// Schannel's TLS sessions: [`caches::schannel`](crate::caches::schannel).
    pub const SCHANNEL: Self = Self::from_static("schannel.dll");
    /// WinINet's session: [`caches::wininet`](crate::caches::wininet).
    pub const WININET: Self = Self::from_static("wininet.dll");
    /// The two SSPs that Microsoft's page names.
    pub const KNOWN: &[Self] = &[Self::MSNSSPC, Self::MSAPSSPC];

    /// A cache of this name, for a [`CredentialProvider`](crate::CredentialProvider) of your own. For a cache that is not a
    /// DLL's, use any stable name.
    pub fn new(name: &str) -> Self {
        Self(Name::Shared(name.into()))
    }

    /// A cache of this name, in a constant.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Name::Static(name))
    }

    /// Finds a name in a list, such as [`CredentialProvider::caches`](crate::CredentialProvider::caches).
    ///
    /// ```
    /// use sspcache::{CacheName, Error};
    /// assert_eq!(CacheName::find(CacheName::KNOWN, "msnsspc.dll")?, &CacheName::MSNSSPC);
    /// let unknown = CacheName::find(CacheName::KNOWN, "kerberos.dll").unwrap_err();
    /// assert!(matches!(unknown, Error::UnknownCache { .. }));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownCache`], with the names that are in the list.
    pub fn find<'a>(list: &'a [Self], name: &str) -> Result<&'a Self, Error> {
        list.iter().find(|cache| cache.is_named(name)).ok_or_else(|| Error::UnknownCache {
            name: name.to_owned(),
            known: list.iter().map(Self::name).collect::<Vec<_>>().join(", "),
        })
    }

    /// The name as text.
    pub fn name(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }

    /// Returns whether `name` is this name, compared as Windows compares file names: per UTF-16 unit, after simple
    /// upper-casing.
    pub fn is_named(&self, name: &str) -> bool {
        name::eq(self.name(), name)
    }
}

impl PartialEq for CacheName {
    fn eq(&self, other: &Self) -> bool {
        self.is_named(other.name())
    }
}

impl Eq for CacheName {}

impl fmt::Display for CacheName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for CacheName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CacheName").field(&self.name()).finish()
    }
}
