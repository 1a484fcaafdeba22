//! `EnumerateSecurityPackages` and `QuerySecurityPackageInfo`.

use sspcache_engine::{Operation, PackageInfo, Status};

use crate::{guard, state::Ssp, text, text::Encoding};

/// `EnumerateSecurityPackages`: an array of every package, freed with `FreeContextBuffer`.
///
/// # Safety
/// Pointers that aren't null may be written to.
///
/// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesw).
pub unsafe fn enumerate_security_packages<E: Encoding>(
    ssp: &Ssp,
    count: *mut u32,
    packages: *mut *mut E::PackageInfo,
) -> i32 {
    guard::status(|| {
        if count.is_null() || packages.is_null() {
            return Err(Status::InvalidParameter);
        }
        let engine = ssp.engine()?;
        engine.enter(Operation::EnumerateSecurityPackages)?;
        let infos = engine.packages();
        let array = hand_out::<E>(ssp, &infos);
        // SAFETY: both are not null, and the caller's to have written.
        unsafe {
            count.write(u32::try_from(infos.len()).unwrap_or(u32::MAX));
            packages.write(array);
        }
        Ok(())
    })
}

/// `QuerySecurityPackageInfo`: one package, freed with `FreeContextBuffer`.
///
/// # Safety
/// A name that isn't null ends in a null; the other pointer may be written to unless it is null.
///
/// Reference: [QuerySecurityPackageInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritypackageinfow).
pub unsafe fn query_security_package_info<E: Encoding>(
    ssp: &Ssp,
    name: *const E::Unit,
    package: *mut *mut E::PackageInfo,
) -> i32 {
    guard::status(|| {
        if package.is_null() {
            return Err(Status::InvalidParameter);
        }
        let engine = ssp.engine()?;
        engine.enter(Operation::QuerySecurityPackageInfo)?;
        // SAFETY: by this function's contract.
        let name = unsafe { text::name::<E>(name) }?.ok_or(Status::SecpkgNotFound)?;
        let info = engine.package(&name)?;
        let info = hand_out::<E>(ssp, &[info]);
        // SAFETY: it is not null, and the caller's to have written.
        unsafe { package.write(info) };
        Ok(())
    })
}

/// The structures, and behind them their strings, in one buffer.
pub(crate) fn hand_out<E: Encoding>(ssp: &Ssp, packages: &[PackageInfo]) -> *mut E::PackageInfo {
    let strings: Vec<[Vec<E::Unit>; 2]> = packages
        .iter()
        .map(|package| [E::encode(package.name.units()), E::encode(package.comment.units())])
        .collect();
    let structures = size_of::<E::PackageInfo>() * packages.len();
    let units: usize = strings.iter().flatten().map(Vec::len).sum();
    let array: *mut E::PackageInfo = ssp.hand_out(structures + units * size_of::<E::Unit>()).cast();
    // SAFETY: the buffer has room for the structures and behind them, aligned as their pointers are, for every string.
    unsafe {
        let mut next: *mut E::Unit = array.add(packages.len()).cast();
        let mut put = |string: &[E::Unit]| {
            let at = next;
            at.copy_from_nonoverlapping(string.as_ptr(), string.len());
            next = at.add(string.len());
            at
        };
        for (index, (package, [name, comment])) in packages.iter().zip(&strings).enumerate() {
            array.add(index).write(E::package_info(package, put(name), put(comment)));
        }
    }
    array
}
