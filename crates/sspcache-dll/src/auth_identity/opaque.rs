//! Identities as a whole: checked, copied, compared, made into bytes, and given back.

use std::ffi::c_void;

use sspcache_engine::{Holds, Operation, SecurityStatus};
use zeroize::{Zeroize, Zeroizing};

use super::common::{copy, parts};
use crate::{
    identity::{self, Block, encryption_of},
    memory::FreedBy,
    raw::{Address, AuthData, Form, InBytes, Out, Str, all_given},
    state::Ssp,
    text::{Units, Wide},
};

/// `SspiValidateAuthIdentity`: whether this is an identity that can be signed in with here. One that is encrypted is,
/// if it can be decrypted.
///
/// Reference: [SspiValidateAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspivalidateauthidentity).
pub fn validate_auth_identity(ssp: &Ssp, identity: AuthData<'_>) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiValidateAuthIdentity)?;
    parts(ssp, &identity).map(drop)
}

/// `SspiCopyAuthIdentity`: what is encrypted stays encrypted.
///
/// Reference: [SspiCopyAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspicopyauthidentity).
pub fn copy_auth_identity(
    ssp: &Ssp,
    identity: AuthData<'_>,
    place: Out<'_, *mut c_void>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiCopyAuthIdentity)?;
    all_given([identity.is_given(), place.is_given()])?;
    place.write(copy(ssp, Some(Holds::Identity), &as_block(ssp, &identity)?).cast());
    Ok(())
}

/// `SspiMarshalAuthIdentity`: the bytes of one block, to be freed with `SspiFreeAuthIdentity` or `SspiLocalFree`.
///
/// Reference: [SspiMarshalAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspimarshalauthidentity).
pub fn marshal_auth_identity(
    ssp: &Ssp,
    identity: AuthData<'_>,
    length: Out<'_, u32>,
    bytes: Out<'_, *mut i8>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiMarshalAuthIdentity)?;
    all_given([identity.is_given(), length.is_given(), bytes.is_given()])?;
    let block = as_block(ssp, &identity)?;
    length.write(u32::try_from(block.len()).map_err(|_| SecurityStatus::INVALID_PARAMETER)?);
    bytes.write(copy(ssp, Some(Holds::PackedIdentity), &block).cast());
    Ok(())
}

/// `SspiUnmarshalAuthIdentity`: checks every length and offset. Of what is encrypted, the header alone can be read;
/// whether the rest is whole shows when it is decrypted.
///
/// Reference: [SspiUnmarshalAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiunmarshalauthidentity).
pub fn unmarshal_auth_identity(
    ssp: &Ssp,
    bytes: InBytes<'_>,
    place: Out<'_, *mut c_void>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiUnmarshalAuthIdentity)?;
    let bytes = bytes.get().ok_or(SecurityStatus::INVALID_PARAMETER)?;
    all_given([place.is_given()])?;
    let block = Block::of(bytes)?;
    if !block.is_encrypted() {
        block.read(ssp)?;
    }
    place.write(copy(ssp, Some(Holds::Identity), block.bytes()).cast());
    Ok(())
}

/// `SspiCompareAuthIdentities`: whether they are of one account, and whether they are the same in every part. Names
/// compare as everywhere; no identity is the same as none.
///
/// Reference: [SspiCompareAuthIdentities](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspicompareauthidentities).
pub fn compare_auth_identities(
    ssp: &Ssp,
    [first, second]: [AuthData<'_>; 2],
    same_user: Out<'_, bool>,
    same_identity: Out<'_, bool>,
) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiCompareAuthIdentities)?;
    let (user, whole) = match (identity::read(ssp, &first)?, identity::read(ssp, &second)?) {
        (None, None) => (true, true),
        (Some(first), Some(second)) => {
            let user = first.principal == second.principal;
            (user, user && first.secret == second.secret && first.packages == second.packages)
        }
        _ => (false, false),
    };
    same_user.write(user);
    same_identity.write(whole);
    Ok(())
}

/// `SspiExcludePackage`: a copy that this package may not be used for. If the identity is encrypted, so is the copy. A
/// null pointer stands for the user who is signed in already: the new identity signs in silently, over the other
/// packages.
///
/// A name that can't stand in a list of packages gives `SEC_E_SECPKG_NOT_FOUND`; any other one is left out, also if
/// there is no such package.
///
/// Reference: [SspiExcludePackage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiexcludepackage).
pub fn exclude_package(
    ssp: &Ssp,
    identity: AuthData<'_>,
    package: Str<'_, Wide>,
    place: Out<'_, *mut c_void>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.enter(Operation::SspiExcludePackage)?;
    all_given([package.is_given(), place.is_given()])?;
    let package = package.text()?.unwrap_or_default();
    let mut parts = identity::parts(ssp, &identity)?.unwrap_or_default();
    exclude(&mut parts.packages, &package)?;
    let mut block = identity::build(&parts)?;
    let flags = encryption_of(ssp, &identity)?;
    if flags != 0 {
        identity::seal(&engine, &mut block, flags)?;
    }
    place.write(copy(ssp, Some(Holds::Identity), &block).cast());
    Ok(())
}

/// `SspiZeroAuthIdentity`: overwrites the strings of an identity with zeros, and all of it where it is one block. What
/// is no identity is left alone.
///
/// Reference: [SspiZeroAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspizeroauthidentity).
pub fn zero_auth_identity(ssp: &Ssp, mut identity: AuthData<'_>) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiZeroAuthIdentity)?;
    if let Some(block) = identity.block_mut(|address| ssp.handed_out().size_at(address))? {
        block.zeroize();
    }
    identity.zero_strings()
}

/// `SspiFreeAuthIdentity`: overwrites and frees what these functions handed out, and leaves alone what they didn't.
///
/// Reference: [SspiFreeAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspifreeauthidentity).
pub fn free_auth_identity(ssp: &Ssp, identity: Address) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiFreeAuthIdentity)?;
    ssp.take_back(Operation::SspiFreeAuthIdentity, FreedBy::Sspi, identity)
}

/// `SspiLocalFree`: as [`free_auth_identity`].
///
/// Reference: [SspiLocalFree](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspilocalfree).
pub fn local_free(ssp: &Ssp, buffer: Address) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiLocalFree)?;
    ssp.take_back(Operation::SspiLocalFree, FreedBy::Sspi, buffer)
}

/// An identity as one block, as it is if it is one.
fn as_block(ssp: &Ssp, identity: &AuthData<'_>) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
    let Some(Form::Block(block)) = identity.form()? else { return identity::build(&parts(ssp, identity)?) };
    let block = Block::at(ssp, &block)?;
    if block.is_encrypted() {
        return Ok(Zeroizing::new(block.bytes().to_vec()));
    }
    identity::build(&block.read(ssp)?)
}

/// Adds `!package` to a list of packages, unless it is there.
fn exclude(list: &mut Units, package: &[u16]) -> Result<(), SecurityStatus> {
    let [comma, bang] = [b',', b'!'].map(u16::from);
    if package.is_empty() || package.contains(&comma) || package.contains(&bang) {
        return Err(SecurityStatus::SECPKG_NOT_FOUND);
    }
    if list.split(|&unit| unit == comma).any(|name| name.split_first() == Some((&bang, package))) {
        return Ok(());
    }
    if !list.is_empty() {
        list.push(comma);
    }
    list.push(bang);
    list.extend_from_slice(package);
    Ok(())
}
