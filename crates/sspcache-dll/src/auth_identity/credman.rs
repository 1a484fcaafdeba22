//! The arguments for the credential manager's functions, and the host that a target names.
//!
//! No page says that what these functions hand out has to be given back, so no event does.

use sspcache_engine::{Operation, SecretKind, SecurityStatus};
use windows_sys::Win32::Security::Credentials::{
    CRED_TYPE_DOMAIN_CERTIFICATE, CRED_TYPE_DOMAIN_PASSWORD, CRED_TYPE_GENERIC,
};
use zeroize::Zeroizing;

use super::common::{copy, copy_string, parts};
use crate::{
    identity::{Credential, Parts, bytes_of},
    raw::{AuthData, CredWriteParameters, Out, Str, all_given},
    state::Ssp,
    text::{Text, Units, Wide},
};

/// `SspiPrepareForCredRead`: the target as it is, or the user's name if there is none; the type for a password is
/// `CRED_TYPE_DOMAIN_PASSWORD`, for a certificate `CRED_TYPE_DOMAIN_CERTIFICATE`, else `CRED_TYPE_GENERIC`.
///
/// Reference: [SspiPrepareForCredRead](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiprepareforcredread).
pub fn prepare_for_cred_read(
    ssp: &Ssp,
    identity: AuthData<'_>,
    target: Str<'_, Wide>,
    credential_type: Out<'_, u32>,
    credman_target: Out<'_, *const u16>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiPrepareForCredRead)?;
    all_given([credential_type.is_given(), credman_target.is_given()])?;
    let parts = parts(ssp, &identity)?;
    let target = target.text()?.unwrap_or_else(|| user_name(&parts).into());
    credential_type.write(type_of(&parts));
    credman_target.write(copy_string(ssp, None, Some(&target)));
    Ok(())
}

/// `SspiPrepareForCredWrite`: type and target as [`prepare_for_cred_read`] says; the user as `DOMAIN\user`; the blob is
/// a password's UTF-16 without a null, or what else the identity signs in with. All of it is freed with
/// `SspiLocalFree`.
///
/// Reference: [SspiPrepareForCredWrite](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiprepareforcredwrite).
pub fn prepare_for_cred_write(
    ssp: &Ssp,
    identity: AuthData<'_>,
    target: Str<'_, Wide>,
    out: CredWriteParameters<'_>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiPrepareForCredWrite)?;
    let CredWriteParameters { credential_type, target: credman_target, user, blob, size } = out;
    all_given([
        credential_type.is_given(),
        credman_target.is_given(),
        user.is_given(),
        blob.is_given(),
        size.is_given(),
    ])?;
    let parts = parts(ssp, &identity)?;
    let name = user_name(&parts);
    let target = target.text()?.unwrap_or(Text::Borrowed(&name));
    let secret = blob_of(&parts);
    size.write(u32::try_from(secret.len()).map_err(|_| SecurityStatus::INVALID_PARAMETER)?);
    credential_type.write(type_of(&parts));
    credman_target.write(copy_string(ssp, None, Some(&target)));
    user.write(copy_string(ssp, None, Some(&name)));
    blob.write(copy(ssp, None, &secret));
    Ok(())
}

/// `SspiGetTargetHostName`: the host of a service principal name, `service/host:port/name`, or of a bare `host:port`. A
/// target without one gives `SEC_E_TARGET_UNKNOWN`.
///
/// Reference: [SspiGetTargetHostName](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspigettargethostname).
pub fn get_target_host_name(
    ssp: &Ssp,
    target: Str<'_, Wide>,
    place: Out<'_, *mut u16>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiGetTargetHostName)?;
    all_given([target.is_given(), place.is_given()])?;
    let target = target.text()?.unwrap_or_default();
    let host = host(&target);
    if host.is_empty() {
        return Err(SecurityStatus::TARGET_UNKNOWN);
    }
    place.write(copy_string(ssp, None, Some(host)));
    Ok(())
}

/// The host in a target. An IPv6 address stands in brackets where a port may follow it.
fn host(target: &[u16]) -> &[u16] {
    let [slash, colon, open, close] = [b'/', b':', b'[', b']'].map(u16::from);
    let mut pieces = target.split(|&unit| unit == slash);
    let first = pieces.next().unwrap_or_default();
    let instance = pieces.next().unwrap_or(first);
    if let Some(address) = instance.strip_prefix(&[open][..])
        && let Some(end) = address.iter().position(|&unit| unit == close)
    {
        return &address[..end];
    }
    instance.split(|&unit| unit == colon).next().unwrap_or_default()
}

/// `DOMAIN\user`, or what there is of it.
fn user_name(parts: &Parts<'_>) -> Units {
    let part = |text: &Option<Text<'_>>| text.clone().unwrap_or_default().into_units();
    let (user, mut name) = (part(&parts.user), part(&parts.domain));
    if name.is_empty() {
        return user;
    }
    name.push(u16::from(b'\\'));
    name.extend_from_slice(&user);
    name
}

fn type_of(parts: &Parts<'_>) -> u32 {
    match &parts.credential {
        Credential::Missing | Credential::Password(_) => CRED_TYPE_DOMAIN_PASSWORD,
        Credential::Opaque { kind: SecretKind::Certificate, .. } => CRED_TYPE_DOMAIN_CERTIFICATE,
        Credential::Opaque { .. } => CRED_TYPE_GENERIC,
    }
}

fn blob_of(parts: &Parts<'_>) -> Zeroizing<Vec<u8>> {
    match &parts.credential {
        Credential::Missing => Zeroizing::default(),
        Credential::Opaque { data, .. } => data.clone(),
        Credential::Password(password) => bytes_of(password),
    }
}
