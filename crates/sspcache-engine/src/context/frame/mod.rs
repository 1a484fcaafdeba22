//! The tokens of a handshake as they travel: the mock's own messages, bare or in what Kerberos, NTLM and SPNEGO send.
//!
//! A parser of a token finds what its name says, down to the names in it. Each proof covers all of its mechanism's
//! tokens byte for byte, and the list of mechanisms that SPNEGO begins with.

mod der;
pub(super) mod kerberos;
mod names;
pub(super) mod ntlm;
pub(super) mod spnego;

pub(super) use names::is_address;

use super::token::{self, Digest, Token};
use crate::{FileTime, Name, Principal, SecurityStatus};

/// The protocol of a package, which its tokens are in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    Kerberos,
    Ntlm,
    /// The mock's own.
    Own,
}

impl Protocol {
    pub(super) fn of(package: &Name) -> Self {
        let is = |name: &str| *package == Name::from(name);
        if is("Kerberos") {
            Self::Kerberos
        } else if is("NTLM") {
            Self::Ntlm
        } else {
            Self::Own
        }
    }

    /// The length that a first token has at least: with less, the header of its frame in base64 isn't the one that
    /// programs look for (`YII`).
    pub(super) fn least(self) -> usize {
        match self {
            Self::Kerberos | Self::Ntlm => 260,
            Self::Own => 0,
        }
    }

    /// The token with the reason of a failed handshake.
    pub(super) fn error(
        self,
        status: SecurityStatus,
        now: FileTime,
        server: &Principal,
        dce: bool,
    ) -> Vec<u8> {
        match self {
            Self::Kerberos => kerberos::error(status, now, server, dce),
            Self::Ntlm | Self::Own => token::error(status),
        }
    }

    /// The status in such a token.
    pub(super) fn read_error(self, token: &[u8]) -> Option<SecurityStatus> {
        let message = match self {
            Self::Kerberos => match kerberos::read(token)? {
                (kerberos::Kind::Error, message) => message,
                _ => return None,
            },
            Self::Ntlm | Self::Own => token,
        };
        match Token::parse(message) {
            Ok(Token::Error(status)) => Some(status),
            _ => None,
        }
    }

    /// The status of SPNEGO's rejection of this protocol, with the token in it.
    pub(super) fn read_rejection(self, token: Option<&[u8]>) -> SecurityStatus {
        let said = token
            .and_then(|token| [self, Self::Own].into_iter().find_map(|protocol| protocol.read_error(token)));
        said.unwrap_or(SecurityStatus::LOGON_DENIED)
    }

    /// Fills in the MAC of a proof that was written without.
    pub(super) fn prove(self, token: &mut [u8], mac: &Digest) {
        if self == Self::Ntlm {
            ntlm::prove(token, mac);
        }
        token::prove(token, mac);
    }
}

/// Whether a token, of whatever protocol, says why a handshake failed.
pub(super) fn is_error(token: &[u8]) -> bool {
    let is_refusal =
        || spnego::Response::read(token).is_some_and(|read| read.state == spnego::State::Rejected);
    [Protocol::Own, Protocol::Kerberos].into_iter().any(|protocol| protocol.read_error(token).is_some())
        || is_refusal()
}

/// What this makes with as few zeros in it as give it `least` bytes: `measure` says how long it is on the wire. Where no
/// number of zeros gives just that, because a length gets a digit more, it is the next longer one.
pub(super) fn padded(
    least: usize,
    make: impl Fn(usize) -> Vec<u8>,
    measure: impl Fn(&[u8]) -> usize,
) -> Vec<u8> {
    let plain = make(0);
    let Some(missing) = least.checked_sub(measure(&plain)).filter(|&missing| missing > 0) else {
        return plain;
    };
    // Zeros bring digits of lengths with them, a few at most.
    let excess = measure(&make(missing)).saturating_sub(least);
    let tried = (missing.saturating_sub(excess)..missing).map(&make);
    tried.into_iter().find(|token| measure(token) >= least).unwrap_or_else(|| make(missing))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// P8: every length but those that no token has.
    #[test]
    fn a_padded_token_has_the_length_or_the_next_that_is_possible() {
        let make = |padding| {
            let asked = kerberos::Asked { target: None, client: None, mutual: false, dce: false, padding };
            kerberos::request(&asked, &token::error(SecurityStatus::INTERNAL_ERROR))
        };
        let mut skipped = Vec::new();
        for least in (260..2_000).step_by(if cfg!(miri) { 400 } else { 1 }) {
            let token = padded(least, make, <[u8]>::len);
            if token.len() != least {
                assert!((least + 1..least + 5).contains(&token.len()), "{least}: {}", token.len());
                skipped.push(least);
            }
            assert!(kerberos::read(&token).is_some());
        }
        assert!(skipped.len() < 25, "{skipped:?}");
        assert_eq!(padded(0, make, <[u8]>::len), make(0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 20 } else { 500 }))]

        /// P8, S5
        #[test]
        fn no_bytes_crash_a_reader(
            bytes in any::<Vec<u8>>(), kind in 0..4_u8, at in any::<proptest::sample::Index>(), byte in any::<u8>(),
        ) {
            let with = |head: &[u8]| [head, &bytes].concat();
            let ntlm = with(b"NTLMSSP\0\x01\0\0\0");
            let mut ntlm = ntlm;
            ntlm[8] = kind;
            let target = Name::from("HTTP/web");
            let client = Principal::new("alice", "CONTOSO");
            let asked = kerberos::Asked {
                target: Some(&target), client: Some(&client), mutual: true, dce: false, padding: 0,
            };
            let mut kerberos = kerberos::request(&asked, &bytes);
            let list = spnego::list(&spnego::Mechanism::ALL);
            let mut init = spnego::init(&list, &kerberos);
            let index = at.index(kerberos.len());
            kerberos[index] = byte;
            let index = at.index(init.len());
            init[index] = byte;
            for token in [&bytes, &ntlm, &kerberos, &init] {
                let _ = ntlm::read(token);
                let _ = ntlm::unproved(token);
                let _ = kerberos::read(token);
                let _ = spnego::Init::read(token);
                let _ = spnego::Response::read(token);
                let _ = spnego::is_named(token);
                let _ = is_error(token);
            }
        }
    }
}
