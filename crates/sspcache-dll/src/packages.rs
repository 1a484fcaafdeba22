//! `EnumerateSecurityPackages` and `QuerySecurityPackageInfo`.
#![forbid(unsafe_code)]

use sspcache_engine::{Operation, PackageInfo, SecurityStatus};

use crate::{
    memory::FreedBy,
    raw::{Out, Str, all_given},
    state::Ssp,
    text::Encoding,
};

/// `EnumerateSecurityPackages`: an array of every package, freed with `FreeContextBuffer`.
///
/// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesw).
pub fn enumerate_security_packages<E: Encoding>(
    ssp: &Ssp,
    count: Out<'_, u32>,
    packages: Out<'_, *mut E::PackageInfo>,
) -> Result<(), SecurityStatus> {
    all_given([count.is_given(), packages.is_given()])?;
    let infos = ssp.enter(Operation::EnumerateSecurityPackages)?.packages();
    let array = hand_out::<E>(ssp, &infos);
    count.write(u32::try_from(infos.len()).unwrap_or(u32::MAX));
    packages.write(array);
    Ok(())
}

/// `QuerySecurityPackageInfo`: one package, freed with `FreeContextBuffer`.
///
/// Reference: [QuerySecurityPackageInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritypackageinfow).
pub fn query_security_package_info<E: Encoding>(
    ssp: &Ssp,
    name: Str<'_, E>,
    package: Out<'_, *mut E::PackageInfo>,
) -> Result<(), SecurityStatus> {
    all_given([package.is_given()])?;
    let engine = ssp.enter(Operation::QuerySecurityPackageInfo)?;
    let name = name.name()?.ok_or(SecurityStatus::SECPKG_NOT_FOUND)?;
    let info = engine.package(&name)?;
    package.write(hand_out::<E>(ssp, &[info]));
    Ok(())
}

/// The structures, and behind them their strings, in one block.
pub(crate) fn hand_out<E: Encoding>(ssp: &Ssp, packages: &[PackageInfo]) -> *mut E::PackageInfo {
    let strings: Vec<[Vec<E::Unit>; 2]> = packages
        .iter()
        .map(|package| [E::encode(package.name.units()), E::encode(package.comment.units())])
        .collect();
    let structure =
        |index: usize, [name, comment]: [*mut E::Unit; 2]| E::package_info(&packages[index], name, comment);
    ssp.handed_out().copy_with_strings(FreedBy::ContextBuffer, &strings, structure)
}
