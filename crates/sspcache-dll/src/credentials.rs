//! Credential handles: acquiring and freeing them, adding to them, and asking whom they stand for.
#![forbid(unsafe_code)]

use std::mem::offset_of;

use sspcache_engine::{AcquireRequest, Direction, Holds, KdcProxy, Name, Principal, SecurityStatus};
use windows_sys::Win32::Security::Authentication::Identity::{
    KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY, KDC_PROXY_SETTINGS_V1, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS,
    SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_AUTOLOGON_RESTRICTED, SECPKG_CRED_BOTH, SECPKG_CRED_INBOUND,
    SECPKG_CRED_OUTBOUND, SECPKG_CRED_PROCESS_POLICY_ONLY, SecPkgCredentials_KdcProxySettingsW as Settings,
    SecPkgCredentials_NamesW,
};

use crate::{
    identity::{self, u16_at, u32_at},
    raw::{AttributeBuffer, AuthData, InBytes, InHandle, Out, OutHandle, Str, all_given},
    state::Ssp,
    text::Encoding,
};

/// `AcquireCredentialsHandle` (clause M2).
///
/// Reference: [AcquireCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acquirecredentialshandlew).
pub fn acquire_credentials_handle<E: Encoding>(
    ssp: &Ssp,
    names: [Str<'_, E>; 2],
    credential_use: u32,
    auth_data: AuthData<'_>,
    handle: OutHandle<'_>,
    expiry: Out<'_, i64>,
) -> Result<(), SecurityStatus> {
    all_given([handle.is_given()])?;
    let engine = ssp.engine()?;
    let request = request(ssp, names, credential_use, &auth_data)?;
    if request.identity.is_some() {
        ssp.surroundings().note(&engine);
    }
    let acquired = engine.acquire(&request)?;
    handle.write(acquired.handle.word());
    expiry.write(acquired.expires_local.0.cast_signed());
    Ok(())
}

/// `AddCredentials`: one more credential for a handle.
///
/// Reference: [AddCredentials](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addcredentialsw).
pub fn add_credentials<E: Encoding>(
    ssp: &Ssp,
    handle: InHandle<'_>,
    names: [Str<'_, E>; 2],
    credential_use: u32,
    auth_data: AuthData<'_>,
    expiry: Out<'_, i64>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let handle = handle.credential()?;
    let request = request(ssp, names, credential_use, &auth_data)?;
    if request.identity.is_some() {
        ssp.surroundings().note(&engine);
    }
    let added = engine.add_credentials(handle, &request)?;
    expiry.write(added.expires_local.0.cast_signed());
    Ok(())
}

/// The request that the parameters of `AcquireCredentialsHandle` and `AddCredentials` make.
fn request<E: Encoding>(
    ssp: &Ssp,
    [principal, package]: [Str<'_, E>; 2],
    credential_use: u32,
    auth_data: &AuthData<'_>,
) -> Result<AcquireRequest, SecurityStatus> {
    let package = package.name()?.ok_or(SecurityStatus::SECPKG_NOT_FOUND)?;
    let direction = match credential_use & SECPKG_CRED_BOTH {
        SECPKG_CRED_INBOUND => Direction::Inbound,
        SECPKG_CRED_OUTBOUND => Direction::Outbound,
        SECPKG_CRED_BOTH => Direction::Both,
        _ => return Err(SecurityStatus::UNKNOWN_CREDENTIALS),
    };
    let mut request = AcquireRequest::new(package, direction);
    request.autologon_restricted = credential_use & SECPKG_CRED_AUTOLOGON_RESTRICTED != 0;
    request.process_policy_only = credential_use & SECPKG_CRED_PROCESS_POLICY_ONLY != 0;
    let principal = principal.name()?.filter(|name| !name.is_empty());
    request.principal = principal.map(Principal::parse);
    match identity::parts(ssp, auth_data)? {
        Some(parts) if parts.is_silent() => request.packages = parts.package_list(),
        parts => request.identity = parts.map(|parts| parts.identity()),
    }
    Ok(request)
}

/// `FreeCredentialsHandle`.
///
/// Reference: [FreeCredentialsHandle](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle).
pub fn free_credentials_handle(ssp: &Ssp, handle: InHandle<'_>) -> Result<(), SecurityStatus> {
    ssp.engine()?.free(handle.credential()?)
}

/// `QueryCredentialsAttributes`: the names, freed with `FreeContextBuffer`. Other attributes give
/// `SEC_E_UNSUPPORTED_FUNCTION`.
///
/// Reference: [QueryCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycredentialsattributesw).
pub fn query_credentials_attributes<E: Encoding>(
    ssp: &Ssp,
    handle: InHandle<'_>,
    buffer: AttributeBuffer<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let principal = engine.principal(handle.credential()?)?;
    if buffer.attribute != SECPKG_CRED_ATTR_NAMES {
        return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
    }
    buffer.put(|| {
        let name = E::encode(Name::from(principal.to_string()).units());
        Ok(SecPkgCredentials_NamesW { sUserName: ssp.hand_out(Holds::Attribute, None, &name).cast() })
    })
}

/// `SetCredentialsAttributes`: `SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS`, for handles of Kerberos and Negotiate. Its
/// structure has a W form alone, which both functions take. Other attributes give `SEC_E_UNSUPPORTED_FUNCTION`.
///
/// Reference: [SetCredentialsAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcredentialsattributesw).
pub fn set_credentials_attributes(
    ssp: &Ssp,
    handle: InHandle<'_>,
    attribute: u32,
    settings: InBytes<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    engine.set_kdc_proxy(handle.credential()?, || {
        if attribute != SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS {
            return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
        }
        kdc_proxy(settings.get().ok_or(SecurityStatus::INVALID_PARAMETER)?)
    })
}

/// Reads a `SecPkgCredentials_KdcProxySettingsW`: a header, whose offsets and lengths count bytes, from its beginning.
///
/// Reference: [SecPkgCredentials_KdcProxySettingsW](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcredentials_kdcproxysettingsw).
fn kdc_proxy(settings: &[u8]) -> Result<KdcProxy, SecurityStatus> {
    if settings.len() < size_of::<Settings>() {
        return Err(SecurityStatus::INVALID_PARAMETER);
    }
    let (version, flags) =
        (u32_at(settings, offset_of!(Settings, Version)), u32_at(settings, offset_of!(Settings, Flags)));
    if version != KDC_PROXY_SETTINGS_V1 || flags & !KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY != 0 {
        return Err(SecurityStatus::INVALID_PARAMETER);
    }
    let part = |offset, length| {
        let [offset, length] = [offset, length].map(|field| u16_at(settings, field));
        let rest = settings.get(usize::from(offset)..).ok_or(SecurityStatus::INVALID_PARAMETER)?;
        rest.get(..usize::from(length)).ok_or(SecurityStatus::INVALID_PARAMETER)
    };
    let (units, []) = part(offset_of!(Settings, ProxyServerOffset), offset_of!(Settings, ProxyServerLength))?
        .as_chunks::<2>()
    else {
        return Err(SecurityStatus::INVALID_PARAMETER);
    };
    let server: Vec<u16> = units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect();
    Ok(KdcProxy {
        server: Name::from_units(&server),
        force: flags & KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY != 0,
        client_tls_credential: part(
            offset_of!(Settings, ClientTlsCredOffset),
            offset_of!(Settings, ClientTlsCredLength),
        )?
        .to_vec()
        .into(),
    })
}
