//! Security packages: what `EnumerateSecurityPackages` lists.

use std::{num::NonZeroU32, slice};

use windows_sys::Win32::{Security::Authentication::Identity as sspi, System::Rpc as rpc};

use crate::Name;

/// A security package of the mock: `SecPkgInfo`.
///
/// Reference: [SecPkgInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkginfow).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PackageInfo {
    /// The package's name.
    pub name: Name,
    /// The comment that `EnumerateSecurityPackages` returns.
    pub comment: Name,
    /// Any of the `SECPKG_FLAG_…` bits.
    pub capabilities: Capabilities,
    /// The RPC authentication service, of `rpcdce.h`.
    pub rpc_id: u16,
    /// The largest token, in bytes.
    pub max_token: u32,
    /// Version of the package's protocol.
    pub version: u16,
    /// Whether the package caches what a program signs in with (clause P2). `SecPkgInfo` has no such field.
    pub caching: bool,
    /// How long an initiator's first token is, in bytes. Without it, as long as it has to be, and 260 bytes or more
    /// where a parser expects as much.
    pub token_size: Option<NonZeroU32>,
    /// The sizes of what protects messages.
    pub messages: MessageSizes,
}

/// The sizes of what protects a message, in bytes: `SecPkgContext_Sizes`, and what of them is used.
///
/// Reference: [SecPkgContext_Sizes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcontext_sizes).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MessageSizes {
    /// `cbMaxSignature`: what `MakeSignature` needs, and uses.
    pub signature: u32,
    /// `cbSecurityTrailer`: what `EncryptMessage` is to be given.
    pub trailer: u32,
    /// What `EncryptMessage` uses of it; at least 16.
    pub trailer_used: u32,
    /// `cbBlockSize`: data is padded to a multiple of it, from 1 to 255.
    pub block: u32,
}

impl PackageInfo {
    /// A package of this name, with the mock's defaults for it.
    ///
    /// | name | RPC id, of `rpcdce.h` | capabilities and token size |
    /// | --- | --- | --- |
    /// | `MSN`, `DPA` | `RPC_C_AUTHN_MSN` 18, `RPC_C_AUTHN_DPA` 17 | unverified: no public page states them |
    /// | `NTLM`, `Negotiate`, `Kerberos` | 10, 9, 16 | those of Wine 8 and of Microsoft's pages, see below |
    /// | any other | 0xFFFF, `SECPKG_ID_NONE` | the mock's own |
    ///
    /// Wine 8's `EnumerateSecurityPackages` lists the capabilities 0x82B37, 0x83BB3 and 0x8F3BBF. Microsoft's pages
    /// give 2,888 and 48,000 bytes as the token sizes of NTLM and Kerberos; Negotiate's 65,791 were reported.
    ///
    /// `NTLM`, `Negotiate` and `Kerberos` don't cache: what a program signs in with is in its handle alone. All others do.
    ///
    /// So NTLM has no mutual authentication, the peers of Kerberos and Negotiate can send each other the reason of a
    /// failed handshake, and Kerberos delegates.
    pub fn named(name: impl Into<Name>) -> Self {
        let name = name.into();
        let known = DEFAULTS.iter().find(|known| Name::from(known.name) == name).unwrap_or(&OTHERS);
        Self {
            comment: Name::from(format!("{name}: a mock of sspcache, not for authentication")),
            name,
            capabilities: known.capabilities,
            // Every id of the table, and SECPKG_ID_NONE, is below 0x1_0000.
            rpc_id: u16::try_from(known.rpc_id).unwrap_or(u16::MAX),
            max_token: known.max_token,
            version: 1,
            caching: known.caching,
            token_size: None,
            messages: known.messages,
        }
    }

    /// Sets whether the package caches what a program signs in with.
    #[must_use]
    pub fn with_caching(mut self, caching: bool) -> Self {
        self.caching = caching;
        self
    }
}

/// The capabilities of a package: `SECPKG_FLAG_…` bits.
///
/// In a configuration each is written as in the header, without the prefix, in lower case and with dashes
/// (`mutual-auth`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capabilities(pub u32);

impl Capabilities {
    /// The capability of this name, as a configuration writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        CAPABILITIES.iter().find(|(known, _)| *known == name).map(|&(_, bit)| Self(bit))
    }

    /// The names of the bits that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let table: slice::Iter<'static, _> = CAPABILITIES.iter();
        table.filter(move |(_, bit)| self.0 & bit != 0).map(|&(name, _)| name)
    }

    /// Every name that a configuration may use.
    pub fn all_names() -> impl Iterator<Item = &'static str> {
        Self(u32::MAX).names()
    }
}

/// What a connection-oriented package that signs and seals has; not verified for the two SSPs.
impl Default for Capabilities {
    fn default() -> Self {
        UNVERIFIED
    }
}

/// What a package has unless the configuration says otherwise.
struct Defaults {
    name: &'static str,
    rpc_id: u32,
    capabilities: Capabilities,
    max_token: u32,
    caching: bool,
    messages: MessageSizes,
}

const DEFAULTS: &[Defaults] = &[
    Defaults { name: "MSN", rpc_id: rpc::RPC_C_AUTHN_MSN, ..OTHERS },
    Defaults { name: "DPA", rpc_id: rpc::RPC_C_AUTHN_DPA, ..OTHERS },
    Defaults {
        name: "NTLM",
        rpc_id: rpc::RPC_C_AUTHN_WINNT,
        capabilities: Capabilities(OF_ALL | sspi::SECPKG_FLAG_TOKEN_ONLY),
        max_token: 2_888,
        caching: false,
        messages: MessageSizes { signature: 16, trailer: 16, trailer_used: 16, block: 1 },
    },
    Defaults {
        name: "Negotiate",
        rpc_id: rpc::RPC_C_AUTHN_GSS_NEGOTIATE,
        capabilities: Capabilities(
            OF_ALL | sspi::SECPKG_FLAG_EXTENDED_ERROR | sspi::SECPKG_FLAG_GSS_COMPATIBLE,
        ),
        max_token: 65_791,
        caching: false,
        messages: KERBEROS_MESSAGES,
    },
    Defaults {
        name: "Kerberos",
        rpc_id: rpc::RPC_C_AUTHN_GSS_KERBEROS,
        capabilities: Capabilities(
            OF_ALL
                | sspi::SECPKG_FLAG_APPCONTAINER_CHECKS
                | sspi::SECPKG_FLAG_DATAGRAM
                | sspi::SECPKG_FLAG_DELEGATION
                | sspi::SECPKG_FLAG_EXTENDED_ERROR
                | sspi::SECPKG_FLAG_GSS_COMPATIBLE
                | sspi::SECPKG_FLAG_MUTUAL_AUTH
                | sspi::SECPKG_FLAG_READONLY_WITH_CHECKSUM
                | sspi::SECPKG_FLAG_TOKEN_ONLY,
        ),
        max_token: 48_000,
        caching: false,
        messages: KERBEROS_MESSAGES,
    },
];

const OTHERS: Defaults = Defaults {
    name: "",
    rpc_id: sspi::SECPKG_ID_NONE,
    capabilities: UNVERIFIED,
    max_token: DEFAULT_MAX_TOKEN,
    caching: true,
    messages: MessageSizes { signature: 28, trailer: 28, trailer_used: 28, block: 1 },
};

/// Those of Kerberos with AES: a signature is a header and a checksum of RFC 4121, and a trailer has a confounder, and
/// a header that is encrypted, as well. The announced trailer was reported.
const KERBEROS_MESSAGES: MessageSizes =
    MessageSizes { signature: 28, trailer: 76, trailer_used: 60, block: 1 };

const UNVERIFIED: Capabilities = Capabilities(
    sspi::SECPKG_FLAG_INTEGRITY
        | sspi::SECPKG_FLAG_PRIVACY
        | sspi::SECPKG_FLAG_CONNECTION
        | sspi::SECPKG_FLAG_MULTI_REQUIRED
        | sspi::SECPKG_FLAG_IMPERSONATION
        | sspi::SECPKG_FLAG_ACCEPT_WIN32_NAME
        | sspi::SECPKG_FLAG_MUTUAL_AUTH,
);

/// The capabilities that NTLM, Negotiate and Kerberos share, as Wine 8 lists them.
const OF_ALL: u32 = sspi::SECPKG_FLAG_INTEGRITY
    | sspi::SECPKG_FLAG_PRIVACY
    | sspi::SECPKG_FLAG_CONNECTION
    | sspi::SECPKG_FLAG_MULTI_REQUIRED
    | sspi::SECPKG_FLAG_IMPERSONATION
    | sspi::SECPKG_FLAG_ACCEPT_WIN32_NAME
    | sspi::SECPKG_FLAG_NEGOTIABLE
    | sspi::SECPKG_FLAG_LOGON
    | sspi::SECPKG_FLAG_RESTRICTED_TOKENS;

/// Room for the mock's own handshake; no source.
const DEFAULT_MAX_TOKEN: u32 = 4_096;

const CAPABILITIES: &[(&str, u32)] = &[
    ("accept-win32-name", sspi::SECPKG_FLAG_ACCEPT_WIN32_NAME),
    ("appcontainer-checks", sspi::SECPKG_FLAG_APPCONTAINER_CHECKS),
    ("appcontainer-passthrough", sspi::SECPKG_FLAG_APPCONTAINER_PASSTHROUGH),
    ("apply-loopback", sspi::SECPKG_FLAG_APPLY_LOOPBACK),
    ("ascii-buffers", sspi::SECPKG_FLAG_ASCII_BUFFERS),
    ("client-only", sspi::SECPKG_FLAG_CLIENT_ONLY),
    ("connection", sspi::SECPKG_FLAG_CONNECTION),
    ("credential-isolation-enabled", sspi::SECPKG_FLAG_CREDENTIAL_ISOLATION_ENABLED),
    ("datagram", sspi::SECPKG_FLAG_DATAGRAM),
    ("delegation", sspi::SECPKG_FLAG_DELEGATION),
    ("extended-error", sspi::SECPKG_FLAG_EXTENDED_ERROR),
    ("fragment", sspi::SECPKG_FLAG_FRAGMENT),
    ("gss-compatible", sspi::SECPKG_FLAG_GSS_COMPATIBLE),
    ("impersonation", sspi::SECPKG_FLAG_IMPERSONATION),
    ("integrity", sspi::SECPKG_FLAG_INTEGRITY),
    ("logon", sspi::SECPKG_FLAG_LOGON),
    ("multi-required", sspi::SECPKG_FLAG_MULTI_REQUIRED),
    ("mutual-auth", sspi::SECPKG_FLAG_MUTUAL_AUTH),
    ("nego-extender", sspi::SECPKG_FLAG_NEGO_EXTENDER),
    ("negotiable", sspi::SECPKG_FLAG_NEGOTIABLE),
    ("negotiable2", sspi::SECPKG_FLAG_NEGOTIABLE2),
    ("privacy", sspi::SECPKG_FLAG_PRIVACY),
    ("readonly-with-checksum", sspi::SECPKG_FLAG_READONLY_WITH_CHECKSUM),
    ("restricted-tokens", sspi::SECPKG_FLAG_RESTRICTED_TOKENS),
    ("stream", sspi::SECPKG_FLAG_STREAM),
    ("token-only", sspi::SECPKG_FLAG_TOKEN_ONLY),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// S1
    #[test]
    fn packages_have_the_rpc_ids_of_rpcdce_h() {
        for (name, rpc_id) in
            [("MSN", 18), ("dpa", 17), ("NTLM", 10), ("Negotiate", 9), ("Kerberos", 16), ("Other", 0xFFFF)]
        {
            assert_eq!(PackageInfo::named(name).rpc_id, rpc_id, "{name}");
        }
    }

    /// S1: the numbers that Wine 8 lists.
    #[test]
    fn packages_can_do_what_was_observed() {
        for (name, capabilities) in [("ntlm", 0x8_2B37), ("Negotiate", 0x8_3BB3), ("Kerberos", 0x8F_3BBF)] {
            let found = PackageInfo::named(name).capabilities.0;
            assert_eq!(found, capabilities, "{name}: {found:#x}");
        }
        for name in ["MSN", "DPA", "Other"] {
            assert_eq!(PackageInfo::named(name).capabilities, Capabilities::default());
        }
    }

    #[test]
    fn every_capability_has_a_name_of_its_own() {
        for name in Capabilities::all_names() {
            let bit = Capabilities::from_name(name).unwrap();
            assert_eq!(bit.0.count_ones(), 1);
            assert_eq!(bit.names().collect::<Vec<_>>(), [name]);
        }
    }
}
