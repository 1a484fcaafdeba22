//! `ChangeAccountPassword`.

use sspcache_engine::{Principal, Secret, Status};
use windows_sys::Win32::Security::Authentication::Identity::{
    DOMAIN_PASSWORD_INFORMATION, SECBUFFER_CHANGE_PASS_RESPONSE, SecBufferDesc,
};

use crate::{buffers::Buffers, guard, state::Ssp, text, text::Encoding};

/// `ChangeAccountPassword`: changes the password of an account of the configuration, for this instance. On success the
/// response buffer points to a `DOMAIN_PASSWORD_INFORMATION`, freed with `FreeContextBuffer`: a domain that asks for nothing.
///
/// # Safety
/// Strings that aren't null end in a null; a descriptor that isn't null is one.
///
/// Reference: [ChangeAccountPassword](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-changeaccountpasswordw).
pub unsafe fn change_account_password<E: Encoding>(
    ssp: &Ssp,
    package: *const E::Unit,
    [domain, account, old, new]: [*const E::Unit; 4],
    reserved: u32,
    output: *const SecBufferDesc,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract; what is handed out has room for the structure.
        unsafe {
            let package = text::name::<E>(package)?.ok_or(Status::SecpkgNotFound)?;
            let response = Buffers::read(output)?.first(SECBUFFER_CHANGE_PASS_RESPONSE).copied();
            let response = response.ok_or(Status::InvalidParameter)?;
            let account = text::name::<E>(account)?.ok_or(Status::InvalidParameter)?;
            if reserved != 0 {
                return Err(Status::InvalidParameter);
            }
            let domain = text::name::<E>(domain)?.unwrap_or_default();
            let principal = Principal::new(account, domain);
            let [old, new] = [text::terminated::<E>(old)?, text::terminated::<E>(new)?]
                .map(|password| Secret::password_units(&password.unwrap_or_default()));
            engine.change_password(&package, &principal, old, new)?;
            let size = size_of::<DOMAIN_PASSWORD_INFORMATION>();
            response.set(ssp.hand_out(size).cast(), size);
        }
        Ok(())
    })
}
