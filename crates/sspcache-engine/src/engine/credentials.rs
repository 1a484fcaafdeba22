//! The functions of credentials: `AcquireCredentialsHandle` and what follows it.

use super::Engine;
use crate::{AcquireRequest, Acquired, CredentialHandle, KdcProxy, Principal, Secret, SecurityStatus};

impl Engine {
    /// `AcquireCredentialsHandle`: signs in with an explicit identity, or silently with what is cached, or else with default
    /// credentials (clauses M2, P2, P3).
    ///
    /// # Errors
    /// [`SecurityStatus::SECPKG_NOT_FOUND`] for an unknown package, [`SecurityStatus::NO_CREDENTIALS`] when there is
    /// nothing to sign in with, [`SecurityStatus::INSUFFICIENT_MEMORY`] when the handle or the secret has no room, or
    /// what a [`Fault`](crate::Fault) says.
    ///
    /// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
    pub fn acquire(&self, request: &AcquireRequest) -> Result<Acquired, SecurityStatus> {
        self.instance.acquire(request)
    }

    /// `FreeCredentialsHandle`: gives a handle back, and wipes what it alone still kept: a copy, or the secret of a package
    /// that doesn't cache. The cached credential stays.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for a handle that is none of this instance's, or was freed; or what a
    /// [`Fault`](crate::Fault) says.
    ///
    /// Reference: [FreeCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle).
    pub fn free(&self, handle: CredentialHandle) -> Result<(), SecurityStatus> {
        self.instance.free(handle)
    }

    /// `QueryCredentialsAttributes` with `SECPKG_CRED_ATTR_NAMES`: whom a handle stands for.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], or what a [`Fault`](crate::Fault) says.
    ///
    /// Reference: [QueryCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycredentialsattributesw).
    pub fn principal(&self, handle: CredentialHandle) -> Result<Principal, SecurityStatus> {
        self.instance.principal(handle)
    }

    /// What starting a security context with a handle would find: whether its credential is still there (clause M4).
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::NO_CREDENTIALS`] when the credential has left the cache
    /// and the policy is [`HandlePolicy::Revoke`](crate::HandlePolicy::Revoke), or the handle is for inbound use alone.
    #[doc(hidden)]
    pub fn check_usable(&self, handle: CredentialHandle) -> Result<(), SecurityStatus> {
        self.instance.check_usable(handle)
    }

    /// Whether a handle's credential is this secret: lets a test see that the right one is kept.
    ///
    /// # Errors
    /// As [`Self::check_usable`]; an anonymous handle has no secret and gives [`SecurityStatus::NO_CREDENTIALS`].
    #[doc(hidden)]
    pub fn holds_secret(&self, handle: CredentialHandle, secret: &Secret) -> Result<bool, SecurityStatus> {
        self.instance.holds_secret(handle, secret)
    }

    /// `AddCredentials`: signs in as [`Self::acquire`] does, with one more credential for an existing handle. Contexts
    /// over the request's package use it from then on, in the place of what the handle had for them.
    ///
    /// A handle of Negotiate takes credentials of any package, and of Negotiate itself, which count for all that their
    /// package list allows; any other handle those of its own package.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::UNKNOWN_CREDENTIALS`] for a package that this handle has
    /// no use for; else as [`Self::acquire`].
    ///
    /// Reference: [AddCredentials](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addcredentialsw).
    pub fn add_credentials(
        &self,
        handle: CredentialHandle,
        request: &AcquireRequest,
    ) -> Result<Acquired, SecurityStatus> {
        self.instance.add_credentials(handle, request)
    }

    /// `SetCredentialsAttributes` with `SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS`: where Kerberos finds its proxy. The mock
    /// asks no key distribution centre, so nothing comes of it; the settings are kept with the handle, and an
    /// [event](crate::EventKind::KdcProxySet) has them. They are asked for once the handle has been found good.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::UNSUPPORTED_FUNCTION`] for a handle of another package
    /// than Kerberos or Negotiate; or what the settings are refused with.
    ///
    /// Reference: [SetCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcredentialsattributesw).
    pub fn set_kdc_proxy(
        &self,
        handle: CredentialHandle,
        settings: impl FnOnce() -> Result<KdcProxy, SecurityStatus>,
    ) -> Result<(), SecurityStatus> {
        self.instance.set_kdc_proxy(handle, settings)
    }

    /// What [`Self::set_kdc_proxy`] set last, if anything.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`].
    pub fn kdc_proxy(&self, handle: CredentialHandle) -> Result<Option<KdcProxy>, SecurityStatus> {
        self.instance.kdc_proxy(handle)
    }

    /// `ChangeAccountPassword`: changes the password of a configured account, for as long as this instance lives. What
    /// is cached for its principal stays as it is, and proves nothing to an acceptor any more.
    ///
    /// # Errors
    /// [`SecurityStatus::SECPKG_NOT_FOUND`] for an unknown package, [`SecurityStatus::UNSUPPORTED_FUNCTION`] for one
    /// that isn't Kerberos, Negotiate or NTLM, [`SecurityStatus::LOGON_DENIED`] for an unknown account or a wrong old
    /// password.
    ///
    /// Reference: [ChangeAccountPassword](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-changeaccountpasswordw).
    #[cfg(feature = "contexts")]
    pub fn change_password(
        &self,
        package: &crate::Name,
        principal: &Principal,
        old: Secret,
        new: Secret,
    ) -> Result<(), SecurityStatus> {
        self.instance.change_password(package, principal, old, new)
    }
}
