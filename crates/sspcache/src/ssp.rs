//! Security Support Providers, by name.

use std::{fmt, sync::Arc};

use crate::name;

/// An SSP that a provider knows: the file name of its module.
///
/// Two are known from the start, the two that
/// [Microsoft's page](https://learn.microsoft.com/en-us/windows/win32/wininet/cleanupcredentialcache) names. Others,
/// of third parties, that export the same function are registered with
/// [`SspCachesBuilder::register`](crate::SspCachesBuilder::register).
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
    /// MSAPSSPC.dll, the SSP of Distributed Password Authentication (`DPA`).
    pub const MSAPSSPC: Self = Self::from_static("MSAPSSPC.dll");
    /// MSNSSPC.dll, the SSP of the Microsoft Network (`MSN`).
    pub const MSNSSPC: Self = Self::from_static("MSNSSPC.dll");
    /// The two that Microsoft's page names.
    pub const KNOWN: &[Self] = &[Self::MSNSSPC, Self::MSAPSSPC];

    /// An SSP of this module file name, for a [`CredentialProvider`](crate::CredentialProvider) of one's own. What is no
    /// module takes whichever name its users know it by.
    pub fn new(name: &str) -> Self {
        Self(Name::Shared(name.into()))
    }

    /// The same in a constant, such as the table of a provider that has always the same.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Name::Static(name))
    }

    /// The module's file name.
    pub fn name(&self) -> &str {
        match &self.0 {
            Name::Static(name) => name,
            Name::Shared(name) => name,
        }
    }

    /// Whether Windows takes `name` for this SSP's: compared per UTF-16 unit after simple upper-casing.
    pub fn is_named(&self, name: &str) -> bool {
        name::same(self.name(), name)
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
