//! `AddSecurityPackage` and `DeleteSecurityPackage`. The packages are those of the configuration: none comes or goes while a
//! program runs.

use sspcache_engine::{Operation, Status};
use windows_sys::Win32::Security::Authentication::Identity::SECURITY_PACKAGE_OPTIONS;

use crate::{guard, state::Ssp, text, text::Encoding};

/// `AddSecurityPackage`: succeeds for a package that is there, any number of times; `SEC_E_SECPKG_NOT_FOUND` for one that
/// isn't. Options of another size than the header's give `SEC_E_INVALID_PARAMETER`; what they say makes no difference.
///
/// # Safety
/// A name that isn't null ends in a null; options that aren't null can be read.
///
/// Reference: [AddSecurityPackage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-addsecuritypackagew).
pub unsafe fn add_security_package<E: Encoding>(
    ssp: &Ssp,
    name: *const E::Unit,
    options: *const SECURITY_PACKAGE_OPTIONS,
) -> i32 {
    guard::status(|| {
        // SAFETY: by this function's contract; only the size is read of what may be shorter.
        unsafe {
            known::<E>(ssp, Operation::AddSecurityPackage, name)?;
            let right = size_of::<SECURITY_PACKAGE_OPTIONS>();
            if !options.is_null() && (&raw const (*options).Size).read_unaligned() as usize != right {
                return Err(Status::InvalidParameter);
            }
        }
        Ok(())
    })
}

/// `DeleteSecurityPackage`: `SEC_E_UNSUPPORTED_FUNCTION` for a package that is there, `SEC_E_SECPKG_NOT_FOUND` for one that
/// isn't.
///
/// # Safety
/// A name that isn't null ends in a null.
///
/// Reference: [DeleteSecurityPackage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritypackagew).
pub unsafe fn delete_security_package<E: Encoding>(ssp: &Ssp, name: *const E::Unit) -> i32 {
    guard::status(|| {
        // SAFETY: by this function's contract.
        unsafe { known::<E>(ssp, Operation::DeleteSecurityPackage, name) }?;
        Err(Status::UnsupportedFunction)
    })
}

/// # Safety
/// A name that isn't null ends in a null.
unsafe fn known<E: Encoding>(ssp: &Ssp, operation: Operation, name: *const E::Unit) -> Result<(), Status> {
    let engine = ssp.engine()?;
    engine.enter(operation)?;
    // SAFETY: by this function's contract.
    let name = unsafe { text::name::<E>(name) }?.ok_or(Status::SecpkgNotFound)?;
    engine.package(&name).map(drop)
}
