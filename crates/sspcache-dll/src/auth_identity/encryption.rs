//! Identities that are encrypted where they lie.
//!
//! | option | flag that is set | who can decrypt it |
//! | --- | --- | --- |
//! | `…_ENCRYPT_SAME_PROCESS` | `…_PROCESS_ENCRYPTED` | this instance of the SSP |
//! | `…_ENCRYPT_SAME_LOGON` | `…_USER_PROTECTED` | instances with the same configured `export-key`; without one, as above |
//! | both | both | this instance of the SSP |
//! | `…_ENCRYPT_FOR_SYSTEM` | | no instance: `SEC_E_UNSUPPORTED_FUNCTION` |
//!
//! An identity of this family has room for that. A caller's own `SEC_WINNT_AUTH_IDENTITY_EX2` has it if 32 bytes of its
//! length are unused, else `SEC_E_BUFFER_TOO_SMALL`; the forms with pointers can't be encrypted:
//! `SEC_E_INVALID_PARAMETER`. `SspiCopyAuthIdentity` makes an identity of the family of each.

use sspcache_engine::{Engine, Operation, SecurityStatus};
use windows_sys::Win32::Security::Authentication::Identity::{
    SEC_WINNT_AUTH_IDENTITY_ENCRYPT_FOR_SYSTEM as FOR_SYSTEM,
    SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_LOGON as SAME_LOGON,
    SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_PROCESS as SAME_PROCESS,
    SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED, SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED,
};

use crate::{
    identity::{self, encryption_of},
    raw::{AuthData, all_given},
    state::Ssp,
};

/// `SspiEncryptAuthIdentity` and `SspiEncryptAuthIdentityEx`. What is encrypted already is decrypted first, so that one
/// may follow the other.
///
/// Reference: [SspiEncryptAuthIdentityEx](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiencryptauthidentityex).
pub fn encrypt_auth_identity(
    ssp: &Ssp,
    options: u32,
    mut identity: AuthData<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.enter(Operation::SspiEncryptAuthIdentity)?;
    let flags = flags(options)?;
    let block = block(ssp, &mut identity)?;
    decrypt(&engine, block)?;
    identity::seal(&engine, block, flags)
}

/// `SspiDecryptAuthIdentity` and `SspiDecryptAuthIdentityEx`. An identity that isn't encrypted stays as it is. One
/// that was encrypted in another way or by another instance, or was changed since, gives `SEC_E_DECRYPT_FAILURE`.
///
/// Reference: [SspiDecryptAuthIdentityEx](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspidecryptauthidentityex).
pub fn decrypt_auth_identity(
    ssp: &Ssp,
    options: u32,
    mut identity: AuthData<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.enter(Operation::SspiDecryptAuthIdentity)?;
    let flags = flags(options)?;
    all_given([identity.is_given()])?;
    match encryption_of(ssp, &identity)? {
        0 => Ok(()),
        found if found == flags => decrypt(&engine, block(ssp, &mut identity)?),
        _ => Err(SecurityStatus::DECRYPT_FAILURE),
    }
}

/// `SspiIsAuthIdentityEncrypted`
///
/// Reference: [SspiIsAuthIdentityEncrypted](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiisauthidentityencrypted).
pub fn is_auth_identity_encrypted(ssp: &Ssp, identity: AuthData<'_>) -> Result<bool, SecurityStatus> {
    ssp.enter(Operation::SspiIsAuthIdentityEncrypted)?;
    all_given([identity.is_given()])?;
    Ok(encryption_of(ssp, &identity)? != 0)
}

/// Decrypts a block, if it is encrypted.
fn decrypt(engine: &Engine, block: &mut [u8]) -> Result<(), SecurityStatus> {
    if identity::Block::of(block)?.is_encrypted() { identity::unseal(engine, block) } else { Ok(()) }
}

/// An identity in one block, to be changed where it lies.
fn block<'i>(ssp: &Ssp, identity: &'i mut AuthData<'_>) -> Result<&'i mut [u8], SecurityStatus> {
    all_given([identity.is_given()])?;
    let block = identity.block_mut(|address| ssp.handed_out().size_at(address))?;
    block.ok_or(SecurityStatus::INVALID_PARAMETER)
}

/// The flags of an identity that is encrypted with these options.
fn flags(options: u32) -> Result<u32, SecurityStatus> {
    if options & FOR_SYSTEM != 0 {
        return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
    }
    if options == 0 || options & !(SAME_LOGON | SAME_PROCESS) != 0 {
        return Err(SecurityStatus::INVALID_PARAMETER);
    }
    let flag = |option, flag| if options & option == 0 { 0 } else { flag };
    Ok(flag(SAME_LOGON, SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED)
        | flag(SAME_PROCESS, SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED))
}
