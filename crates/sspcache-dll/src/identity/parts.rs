//! The parts of an identity, whatever its form.

use sspcache_engine::{AuthIdentity, Name, PackageList, Principal};
use windows_sys::Win32::{
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_DOMAIN, SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_USER,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED, SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_ENCRYPTED, SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_PROTECTED,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED, SEC_WINNT_AUTH_IDENTITY_MARSHALLED,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE},
};

use super::packed::Credential;
use crate::text::{Text, Units};

/// The parts of an identity, as they were read.
#[derive(Default)]
pub(crate) struct Parts<'t> {
    /// `None` where a pointer is null, or a flag says that it was.
    pub(crate) user: Option<Text<'t>>,
    pub(crate) domain: Option<Text<'t>>,
    pub(crate) credential: Credential<'t>,
    /// Names, separated by commas.
    pub(crate) packages: Units,
    /// The flags, without those for the form of the identity.
    pub(crate) flags: u32,
}

impl Parts<'_> {
    /// The identity to sign in with. A null domain or password is an empty one; a null user beside one of them that
    /// isn't empty is none (clause P4).
    pub(crate) fn identity(&self) -> AuthIdentity {
        let identity = AuthIdentity::new(self.principal(), self.credential.secret());
        let lacks_user = self.user.is_none() && !identity.is_anonymous();
        let identity = identity.with_packages(self.package_list());
        if lacks_user { identity.without_user() } else { identity }
    }

    pub(crate) fn package_list(&self) -> PackageList {
        PackageList::parse(Name::from_units(&self.packages))
    }

    /// Whether they name no principal, not even with empty strings: the sign-in is a silent one, over the packages of the list.
    pub(crate) fn is_silent(&self) -> bool {
        self.user.is_none() && self.domain.is_none() && matches!(self.credential, Credential::Missing)
    }

    /// User and domain, as they are.
    fn principal(&self) -> Principal {
        let name = |text: &Option<Text<'_>>| Name::from_units(text.as_deref().unwrap_or_default());
        Principal::new(name(&self.user), name(&self.domain))
    }
}

/// The flags that say an identity is encrypted.
pub(super) const ENCRYPTED: u32 = SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_ENCRYPTED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_SYSTEM_PROTECTED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED;

/// The flags that say how an identity is written, rather than what is meant by it.
pub(super) const FORM: u32 = ENCRYPTED
    | SEC_WINNT_AUTH_IDENTITY_ANSI
    | SEC_WINNT_AUTH_IDENTITY_UNICODE
    | SEC_WINNT_AUTH_IDENTITY_MARSHALLED
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_DOMAIN
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_USER
    | SEC_WINNT_AUTH_IDENTITY_FLAGS_RESERVED;
