//! `ChangeAccountPassword`.
#![forbid(unsafe_code)]

use sspcache_engine::{Principal, Secret, SecurityStatus};
use windows_sys::Win32::Security::Authentication::Identity::{
    DOMAIN_PASSWORD_INFORMATION, SECBUFFER_CHANGE_PASS_RESPONSE,
};

use crate::{
    memory::FreedBy,
    raw::{Descriptor, Str},
    state::Ssp,
    text::Encoding,
};

/// `ChangeAccountPassword`: changes the password of an account of the configuration, for this instance. On success the
/// response buffer points to a `DOMAIN_PASSWORD_INFORMATION`, freed with `FreeContextBuffer`: a domain that asks for
/// nothing.
///
/// Reference: [ChangeAccountPassword](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-changeaccountpasswordw).
pub fn change_account_password<E: Encoding>(
    ssp: &Ssp,
    package: Str<'_, E>,
    [domain, account, old, new]: [Str<'_, E>; 4],
    reserved: u32,
    output: Descriptor<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let package = package.name()?.ok_or(SecurityStatus::SECPKG_NOT_FOUND)?;
    let mut output = output.read()?;
    output.first(SECBUFFER_CHANGE_PASS_RESPONSE).ok_or(SecurityStatus::INVALID_PARAMETER)?;
    let account = account.name()?.ok_or(SecurityStatus::INVALID_PARAMETER)?;
    if reserved != 0 {
        return Err(SecurityStatus::INVALID_PARAMETER);
    }
    let domain = domain.name()?.unwrap_or_default();
    let principal = Principal::new(account, domain);
    let [old, new] =
        [old.text()?, new.text()?].map(|password| Secret::password_units(&password.unwrap_or_default()));
    engine.change_password(&package, &principal, old, new)?;
    // No page says that it has to be freed, so no event does.
    let response = ssp.handed_out().copy(FreedBy::ContextBuffer, &[DOMAIN_PASSWORD_INFORMATION::default()]);
    let response = response.place.cast();
    output.point_at(SECBUFFER_CHANGE_PASS_RESPONSE, response, size_of::<DOMAIN_PASSWORD_INFORMATION>());
    Ok(())
}
