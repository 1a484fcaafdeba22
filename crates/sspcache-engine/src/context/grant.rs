//! Which of its requirements a context is granted.

use windows_sys::Win32::Security::Authentication::Identity as sspi;

use super::{ContextFlags, frame::Protocol};
use crate::{PackageInfo, package::Capabilities};

/// What [`grant`] grants with this package. NTLM's messages have no place for an acceptor's proof, whatever a
/// configuration says.
pub(super) fn grant_by(package: &PackageInfo, requested: ContextFlags) -> ContextFlags {
    let granted = grant(requested, package.capabilities);
    match Protocol::of(&package.name) {
        Protocol::Ntlm => granted - ContextFlags::MUTUAL_AUTH - ContextFlags::DELEGATE,
        Protocol::Kerberos | Protocol::Own => granted,
    }
}

/// The flags that an initiator gets of those it asked for, with a package of these capabilities.
///
/// | asked for | granted |
/// | --- | --- |
/// | what [`NEEDS`] lists | when the package has the capability; what needs none always |
/// | `CONFIDENTIALITY`, `REPLAY_DETECT`, `SEQUENCE_DETECT` | bring `INTEGRITY`, unless `NO_INTEGRITY` was asked for |
/// | `NO_INTEGRITY` | `INTEGRITY` is ignored, and replays and gaps are detected in encrypted messages alone |
/// | `CONFIDENTIALITY_ONLY` | brings `CONFIDENTIALITY` with it, and no integrity |
/// | `DELEGATE` | with `MUTUAL_AUTH` only |
/// | anything else | not, whatever the package: it belongs to packages that the mock is none of |
fn grant(requested: ContextFlags, package: Capabilities) -> ContextFlags {
    use ContextFlags as F;
    let can = |capability: u32| package.0 & capability == capability;
    let mut granted: F =
        NEEDS.iter().filter(|(_, capability)| can(*capability)).map(|&(flag, _)| flag).collect();
    granted &= requested;
    if granted.contains(F::CONFIDENTIALITY_ONLY) {
        granted |= F::CONFIDENTIALITY;
    } else if granted.intersects(F::CONFIDENTIALITY | F::REPLAY_DETECT | F::SEQUENCE_DETECT)
        && can(sspi::SECPKG_FLAG_INTEGRITY)
    {
        granted |= F::INTEGRITY;
    }
    if requested.contains(F::NO_INTEGRITY) {
        granted -= F::INTEGRITY;
    }
    if !granted.intersects(F::INTEGRITY | F::CONFIDENTIALITY) {
        granted -= F::REPLAY_DETECT | F::SEQUENCE_DETECT;
    }
    if !granted.contains(F::MUTUAL_AUTH) {
        granted -= F::DELEGATE;
    }
    granted
}

/// The flags that an acceptor gets of those it asked for itself. Its other flags are the initiator's.
pub(super) fn grant_acceptor(requested: ContextFlags, package: &PackageInfo) -> ContextFlags {
    use ContextFlags as F;
    let own = F::ALLOW_NON_USER_LOGONS | F::NO_TOKEN;
    requested & (own | grant_by(package, F::EXTENDED_ERROR))
}

/// What the initiator of a null session has: no user is authenticated.
pub(super) fn of_nobody(granted: ContextFlags) -> ContextFlags {
    (granted - ContextFlags::MUTUAL_AUTH - ContextFlags::DELEGATE) | ContextFlags::NULL_SESSION
}

/// Flags, and the capability of a package that each needs.
pub(super) const NEEDS: &[(ContextFlags, u32)] = &[
    (ContextFlags::CONFIDENTIALITY, sspi::SECPKG_FLAG_PRIVACY),
    (ContextFlags::CONFIDENTIALITY_ONLY, sspi::SECPKG_FLAG_PRIVACY),
    (ContextFlags::CONNECTION, sspi::SECPKG_FLAG_CONNECTION),
    (ContextFlags::DATAGRAM, sspi::SECPKG_FLAG_DATAGRAM),
    (ContextFlags::DELEGATE, sspi::SECPKG_FLAG_DELEGATION),
    (ContextFlags::EXTENDED_ERROR, sspi::SECPKG_FLAG_EXTENDED_ERROR),
    (ContextFlags::IDENTIFY, 0),
    (ContextFlags::INTEGRITY, sspi::SECPKG_FLAG_INTEGRITY),
    (ContextFlags::MUTUAL_AUTH, sspi::SECPKG_FLAG_MUTUAL_AUTH),
    (ContextFlags::REPLAY_DETECT, sspi::SECPKG_FLAG_INTEGRITY),
    (ContextFlags::SEQUENCE_DETECT, sspi::SECPKG_FLAG_INTEGRITY),
    (ContextFlags::STREAM, sspi::SECPKG_FLAG_STREAM),
    (ContextFlags::USE_DCE_STYLE, 0),
    (ContextFlags::USE_SESSION_KEY, 0),
];
