//! `AddSecurityPackage` and `DeleteSecurityPackage`. The packages are those of the configuration: none comes or goes
//! while a program runs.
#![forbid(unsafe_code)]

use sspcache_engine::{Operation, SecurityStatus};
use windows_sys::Win32::Security::Authentication::Identity::SECURITY_PACKAGE_OPTIONS;

use crate::{
    raw::{PackageOptions, Str},
    state::Ssp,
    text::Encoding,
};

/// `AddSecurityPackage`: succeeds for a package that is there, any number of times; `SEC_E_SECPKG_NOT_FOUND` for one
/// that isn't. Options of another size than the header's give `SEC_E_INVALID_PARAMETER`; what they say makes no
/// difference.
///
/// Reference: [AddSecurityPackage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addsecuritypackagew).
pub fn add_security_package<E: Encoding>(
    ssp: &Ssp,
    name: Str<'_, E>,
    options: PackageOptions<'_>,
) -> Result<(), SecurityStatus> {
    known(ssp, Operation::AddSecurityPackage, name)?;
    match options.size()? {
        Some(size) if size as usize != size_of::<SECURITY_PACKAGE_OPTIONS>() => {
            Err(SecurityStatus::INVALID_PARAMETER)
        }
        _ => Ok(()),
    }
}

/// `DeleteSecurityPackage`: `SEC_E_UNSUPPORTED_FUNCTION` for a package that is there, `SEC_E_SECPKG_NOT_FOUND` for one
/// that isn't.
///
/// Reference: [DeleteSecurityPackage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritypackagew).
pub fn delete_security_package<E: Encoding>(ssp: &Ssp, name: Str<'_, E>) -> Result<(), SecurityStatus> {
    known(ssp, Operation::DeleteSecurityPackage, name)?;
    Err(SecurityStatus::UNSUPPORTED_FUNCTION)
}

fn known<E: Encoding>(ssp: &Ssp, operation: Operation, name: Str<'_, E>) -> Result<(), SecurityStatus> {
    let engine = ssp.enter(operation)?;
    let name = name.name()?.ok_or(SecurityStatus::SECPKG_NOT_FOUND)?;
    engine.package(&name).map(drop)
}
