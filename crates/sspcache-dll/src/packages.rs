//! `EnumerateSecurityPackages` and `QuerySecurityPackageInfo`.
#![forbid(unsafe_code)]

use sspcache_engine::{Capabilities, Holds, Name, Operation, PackageInfo, SecurityStatus};
use windows_sys::Win32::Security::Authentication::Identity::SecPkgInfoW;

use crate::{
    memory::FreedBy,
    raw::{Out, Str, all_given},
    state::Ssp,
    text::{Encoding, Wide},
};

/// `EnumerateSecurityPackages`: an array of every package, freed with `FreeContextBuffer`.
///
/// Reference: [EnumerateSecurityPackages](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-enumeratesecuritypackagesw).
pub fn enumerate_security_packages<E: Encoding>(
    ssp: &Ssp,
    count: Out<'_, u32>,
    packages: Out<'_, *mut E::PackageInfo>,
) -> Result<(), SecurityStatus> {
    enumerate_with::<E>(ssp, [], count, packages)
}

/// The same, with another SSP's packages behind the mock's, but for those that have a name of the mock's.
pub fn enumerate_with<E: Encoding>(
    ssp: &Ssp,
    others: impl IntoIterator<Item = PackageInfo>,
    count: Out<'_, u32>,
    packages: Out<'_, *mut E::PackageInfo>,
) -> Result<(), SecurityStatus> {
    all_given([count.is_given(), packages.is_given()])?;
    let mut infos = ssp.enter(Operation::EnumerateSecurityPackages)?.packages();
    let engine = ssp.engine()?;
    for other in others {
        if infos.iter().all(|known| known.name != other.name) && !engine.forbids(&other.name) {
            infos.push(other);
        }
    }
    let array = hand_out::<E>(ssp, &infos);
    count.write(u32::try_from(infos.len()).unwrap_or(u32::MAX));
    packages.write(array);
    Ok(())
}

/// Whether a package of this name is the mock's. A name that can't be read, or is forbidden, is the mock's to refuse.
pub fn offers<E: Encoding>(ssp: &Ssp, name: Str<'_, E>) -> Result<bool, SecurityStatus> {
    let Ok(Some(name)) = name.name() else { return Ok(true) };
    let engine = ssp.engine()?;
    Ok(engine.forbids(&name) || engine.package(&name).is_ok())
}

/// Whether a name is that of this package, as the mock compares them.
pub fn is_named<E: Encoding>(name: Str<'_, E>, package: &str) -> bool {
    name.name().is_ok_and(|name| name == Some(Name::from(package)))
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

/// What a structure of another SSP's says of a package.
pub fn package_info(info: &SecPkgInfoW, [name, comment]: [Str<'_, Wide>; 2]) -> PackageInfo {
    let text = |text: Str<'_, Wide>| text.name().ok().flatten().unwrap_or_else(|| Name::from(""));
    let mut package = PackageInfo::named(text(name));
    package.comment = text(comment);
    package.capabilities = Capabilities(info.fCapabilities);
    package.rpc_id = info.wRPCID;
    package.max_token = info.cbMaxToken;
    package.version = info.wVersion;
    package
}

/// The structures, and behind them their strings, in one block.
pub(crate) fn hand_out<E: Encoding>(ssp: &Ssp, packages: &[PackageInfo]) -> *mut E::PackageInfo {
    let strings: Vec<[Vec<E::Unit>; 2]> = packages
        .iter()
        .map(|package| [E::encode(package.name.units()), E::encode(package.comment.units())])
        .collect();
    let structure =
        |index: usize, [name, comment]: [*mut E::Unit; 2]| E::package_info(&packages[index], name, comment);
    let given = ssp.handed_out().copy_with_strings(FreedBy::of(Holds::Packages), &strings, structure);
    let [package] = packages else { return ssp.note_given(Holds::Packages, None, given) };
    ssp.note_given(Holds::Packages, Some(&package.name), given)
}
