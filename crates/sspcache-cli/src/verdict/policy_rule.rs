//! The rules of policies (clause Q7): their names, titles, advice and pages. `fixtures/policy.toml` has rows of each.

use serde::Serialize;

use crate::output::thousands;

/// A rule of a policy, most important first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyRule {
    /// The package NTLM isn't asked for.
    NtlmPackage,
    /// No package list prefers NTLM.
    NtlmPreferred,
    /// No package list has `-NTLM`, which excludes nothing.
    NtlmNotExcluded,
    /// Negotiate doesn't come to NTLM.
    NtlmFallback,
    /// Handshakes come to Kerberos.
    NotKerberos,
    /// The server proves its identity, too.
    NoMutualAuthentication,
    /// The initiator's proof is bound to a channel.
    NoChannelBindings,
    /// The target is a service principal name.
    NoSpn,
}

impl PolicyRule {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 8] = [
        Self::NtlmPackage,
        Self::NtlmPreferred,
        Self::NtlmNotExcluded,
        Self::NtlmFallback,
        Self::NotKerberos,
        Self::NoMutualAuthentication,
        Self::NoChannelBindings,
        Self::NoSpn,
    ];

    /// The rule's name, as suppressions have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NtlmPackage => "ntlm-package",
            Self::NtlmPreferred => "ntlm-preferred",
            Self::NtlmNotExcluded => "ntlm-not-excluded",
            Self::NtlmFallback => "ntlm-fallback",
            Self::NotKerberos => "not-kerberos",
            Self::NoMutualAuthentication => "no-mutual-authentication",
            Self::NoChannelBindings => "no-channel-bindings",
            Self::NoSpn => "no-spn",
        }
    }

    /// `the package NTLM was asked for, in 2 calls`.
    pub(super) fn title(self, number: usize) -> String {
        let title = match self {
            Self::NtlmPackage => "the package NTLM was asked for",
            Self::NtlmPreferred => "a package list prefers NTLM",
            Self::NtlmNotExcluded => "a package list excludes NTLM in vain",
            Self::NtlmFallback => "Negotiate fell back to NTLM",
            Self::NotKerberos => "a handshake came to another package than Kerberos",
            Self::NoMutualAuthentication => "a handshake had no mutual authentication",
            Self::NoChannelBindings => "a handshake had no channel bindings",
            Self::NoSpn => "the target of a handshake was no service principal name",
        };
        match number {
            1 => title.to_owned(),
            number => format!("{title}, in {} calls", thousands(number as u64)),
        }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::NtlmPackage => {
                "Acquire Negotiate, which chooses Kerberos where it can, and test it with --forbid ntlm."
            }
            Self::NtlmPreferred => "Name NTLM behind Kerberos in the package list, or exclude it: !NTLM.",
            Self::NtlmNotExcluded => "Write !NTLM: a name behind a minus is ignored.",
            Self::NtlmFallback | Self::NotKerberos => {
                "Pass the server's service principal name (HTTP/web.contoso.com) as the target: for an address, or without a \
                 target, Negotiate has NTLM alone."
            }
            Self::NoMutualAuthentication => {
                "Ask for ISC_REQ_MUTUAL_AUTH, and check that the context has ISC_RET_MUTUAL_AUTH: NTLM never has."
            }
            Self::NoChannelBindings => {
                "Over TLS, pass the channel's SECPKG_ATTR_ENDPOINT_BINDINGS as a SECBUFFER_CHANNEL_BINDINGS. Whether there is TLS \
                 an SSP can't see."
            }
            Self::NoSpn => {
                "Pass the server's service principal name, such as HTTP/web.contoso.com, as the target."
            }
        }
    }

    pub(super) fn reference(self) -> &'static str {
        match self {
            Self::NtlmPackage => "https://learn.microsoft.com/en-us/windows/win32/secauthn/microsoft-ntlm",
            Self::NtlmPreferred | Self::NtlmNotExcluded => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_identity_exw"
            }
            Self::NtlmFallback | Self::NotKerberos => {
                "https://learn.microsoft.com/en-us/windows/win32/secauthn/microsoft-negotiate"
            }
            Self::NoMutualAuthentication => {
                "https://learn.microsoft.com/en-us/windows/win32/secauthn/context-requirements"
            }
            Self::NoChannelBindings => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_channel_bindings"
            }
            Self::NoSpn => "https://learn.microsoft.com/en-us/windows/win32/ad/name-formats-for-unique-spns",
        }
    }
}
