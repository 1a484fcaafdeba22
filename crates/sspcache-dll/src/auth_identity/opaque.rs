//! Identities as a whole: checked, copied, compared, made into bytes, and given back.

use std::{ffi::c_void, slice};

use sspcache_engine::{Operation, Status};
use zeroize::Zeroizing;

use super::{call, copy, given, parts};
use crate::{
    identity::{self, Block, Parts},
    memory::FreedBy,
    state::Ssp,
    text::{self, Units, Wide},
};

/// `SspiValidateAuthIdentity`: whether this is an identity that can be signed in with here. One that is encrypted is, if it
/// can be decrypted.
///
/// # Safety
/// A pointer that isn't null is to an identity.
///
/// Reference: [SspiValidateAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspivalidateauthidentity).
pub unsafe fn validate_auth_identity(ssp: &Ssp, identity: *const c_void) -> i32 {
    call(ssp, Operation::SspiValidateAuthIdentity, |_| {
        // SAFETY: by this function's contract.
        unsafe { parts(ssp, identity) }.map(drop)
    })
}

/// `SspiCopyAuthIdentity`: what is encrypted stays encrypted.
///
/// # Safety
/// A pointer that isn't null is to an identity, or may be written to.
///
/// Reference: [SspiCopyAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspicopyauthidentity).
pub unsafe fn copy_auth_identity(ssp: &Ssp, identity: *const c_void, place: *mut *mut c_void) -> i32 {
    call(ssp, Operation::SspiCopyAuthIdentity, |_| {
        given([identity, place.cast()])?;
        // SAFETY: by this function's contract, and neither is null.
        unsafe { place.write(copy(ssp, &as_block(ssp, identity)?).cast()) };
        Ok(())
    })
}

/// `SspiMarshalAuthIdentity`: the bytes of one block, to be freed with `SspiFreeAuthIdentity` or `SspiLocalFree`.
///
/// # Safety
/// A pointer that isn't null is to an identity, or may be written to.
///
/// Reference: [SspiMarshalAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspimarshalauthidentity).
pub unsafe fn marshal_auth_identity(
    ssp: &Ssp,
    identity: *const c_void,
    length: *mut u32,
    bytes: *mut *mut i8,
) -> i32 {
    call(ssp, Operation::SspiMarshalAuthIdentity, |_| {
        given([identity, length.cast(), bytes.cast()])?;
        // SAFETY: by this function's contract, and none is null.
        unsafe {
            let block = as_block(ssp, identity)?;
            length.write(u32::try_from(block.len()).map_err(|_| Status::InvalidParameter)?);
            bytes.write(copy(ssp, &block).cast());
        }
        Ok(())
    })
}

/// `SspiUnmarshalAuthIdentity`: checks every length and offset. Of what is encrypted, the header alone can be read; whether
/// the rest is whole shows when it is decrypted.
///
/// # Safety
/// A pointer that isn't null is to so many bytes, or may be written to.
///
/// Reference: [SspiUnmarshalAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiunmarshalauthidentity).
pub unsafe fn unmarshal_auth_identity(
    ssp: &Ssp,
    length: u32,
    bytes: *const u8,
    place: *mut *mut c_void,
) -> i32 {
    call(ssp, Operation::SspiUnmarshalAuthIdentity, |_| {
        given([bytes.cast(), place.cast()])?;
        // SAFETY: by this function's contract, and neither is null.
        let block = Block::of(unsafe { slice::from_raw_parts(bytes, length as usize) })?;
        if !block.is_encrypted() {
            block.read(ssp)?;
        }
        // SAFETY: as above.
        unsafe { place.write(copy(ssp, block.bytes()).cast()) };
        Ok(())
    })
}

/// `SspiCompareAuthIdentities`: whether they are of one account, and whether they are the same in every part. Names compare
/// as everywhere; no identity is the same as none.
///
/// # Safety
/// Pointers that aren't null are to identities, or may be written to.
///
/// Reference: [SspiCompareAuthIdentities](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspicompareauthidentities).
pub unsafe fn compare_auth_identities(
    ssp: &Ssp,
    [first, second]: [*const c_void; 2],
    same_user: *mut bool,
    same_identity: *mut bool,
) -> i32 {
    call(ssp, Operation::SspiCompareAuthIdentities, |_| {
        // SAFETY: by this function's contract; what is to be told of is checked for null.
        unsafe {
            let (user, whole) = match (identity::read(ssp, first)?, identity::read(ssp, second)?) {
                (None, None) => (true, true),
                (Some(first), Some(second)) => {
                    let user = first.principal == second.principal;
                    (user, user && first.secret == second.secret && first.packages == second.packages)
                }
                _ => (false, false),
            };
            for (place, same) in [(same_user, user), (same_identity, whole)] {
                if !place.is_null() {
                    place.write(same);
                }
            }
        }
        Ok(())
    })
}

/// `SspiExcludePackage`: a copy that this package may not be used for. If the identity is encrypted, so is the copy. A null
/// pointer is whoever is signed in already: the new identity signs in silently, over the other packages.
///
/// A name that can't stand in a list of packages gives `SEC_E_SECPKG_NOT_FOUND`; any other one is left out, also if there is
/// no such package.
///
/// # Safety
/// A pointer that isn't null is to an identity, to a string that ends in a null, or may be written to.
///
/// Reference: [SspiExcludePackage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiexcludepackage).
pub unsafe fn exclude_package(
    ssp: &Ssp,
    identity: *const c_void,
    package: *const u16,
    place: *mut *mut c_void,
) -> i32 {
    call(ssp, Operation::SspiExcludePackage, |engine| {
        given([package.cast(), place.cast()])?;
        // SAFETY: by this function's contract, and neither is null.
        unsafe {
            let package = text::terminated::<Wide>(package)?.unwrap_or_default();
            let mut parts = identity::parts(ssp, identity)?.unwrap_or_default();
            exclude(&mut parts.packages, &package)?;
            let mut block = identity::build(&parts)?;
            let flags = if identity.is_null() { 0 } else { encryption_of(ssp, identity)? };
            if flags != 0 {
                identity::seal(engine, &mut block, flags)?;
            }
            place.write(copy(ssp, &block).cast());
        }
        Ok(())
    })
}

/// `SspiZeroAuthIdentity`: overwrites the strings of an identity with zeros, and all of it where it is one block. What is no
/// identity is left alone.
///
/// # Safety
/// A pointer that isn't null is to an identity that may be written to, with its strings.
///
/// Reference: [SspiZeroAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspizeroauthidentity).
pub unsafe fn zero_auth_identity(ssp: &Ssp, identity: *mut c_void) {
    call(ssp, Operation::SspiZeroAuthIdentity, |_| {
        given([identity])?;
        // SAFETY: by this function's contract, and it is not null.
        unsafe { identity::zero(ssp, identity) }
    });
}

/// `SspiFreeAuthIdentity`: overwrites and frees what these functions handed out, and leaves alone what they didn't.
///
/// Reference: [SspiFreeAuthIdentity](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspifreeauthidentity).
pub fn free_auth_identity(ssp: &Ssp, identity: *const c_void) {
    call(ssp, Operation::SspiFreeAuthIdentity, |_| ssp.take_back(FreedBy::Sspi, identity));
}

/// `SspiLocalFree`: as [`free_auth_identity`].
///
/// Reference: [SspiLocalFree](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspilocalfree).
pub fn local_free(ssp: &Ssp, buffer: *const c_void) {
    call(ssp, Operation::SspiLocalFree, |_| ssp.take_back(FreedBy::Sspi, buffer));
}

/// An identity as one block, as it is if it is one.
///
/// # Safety
/// The pointer is to an identity.
unsafe fn as_block(ssp: &Ssp, identity: *const c_void) -> Result<Zeroizing<Vec<u8>>, Status> {
    // SAFETY: by this function's contract.
    unsafe {
        if !identity::is_block(identity) {
            return identity::build(&Parts::read(ssp, identity)?);
        }
        let block = Block::at(ssp, identity)?;
        if block.is_encrypted() {
            return Ok(Zeroizing::new(block.bytes().to_vec()));
        }
        identity::build(&block.read(ssp)?)
    }
}

/// The flags that say how an identity is encrypted.
///
/// # Safety
/// The pointer is to an identity.
pub(super) unsafe fn encryption_of(ssp: &Ssp, identity: *const c_void) -> Result<u32, Status> {
    // SAFETY: by this function's contract.
    unsafe { if identity::is_block(identity) { Ok(Block::at(ssp, identity)?.encryption()) } else { Ok(0) } }
}

/// Adds `!package` to a list of packages, unless it is there.
fn exclude(list: &mut Units, package: &[u16]) -> Result<(), Status> {
    let [comma, bang] = [b',', b'!'].map(u16::from);
    if package.is_empty() || package.contains(&comma) || package.contains(&bang) {
        return Err(Status::SecpkgNotFound);
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
