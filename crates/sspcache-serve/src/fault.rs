//! What a server can do wrong on purpose, each by a name that a client asks for with a path.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use serde::{Serialize, Serializer};

/// Something that a server does wrong on purpose. A client asks for it by its name, with the path `/fault/NAME`; or it is
/// [configured](crate::Settings::fault), for requests of any path.
///
/// ```
/// use sspcache_serve::Fault;
/// assert_eq!("close-after-challenge".parse(), Ok(Fault::CloseAfterChallenge));
/// assert_eq!(Fault::CloseAfterChallenge.to_string(), "close-after-challenge");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// `close-before-answer`: closes the connection instead of an answer.
    CloseBeforeAnswer,
    /// `close-after-offer`: closes the connection after it has offered its schemes, without saying so before.
    CloseAfterOffer,
    /// `close-after-challenge`: closes the connection in the middle of a handshake, after the server's token, without saying so before.
    CloseAfterChallenge,
    /// `no-offer`: denies a request, and offers nothing.
    NoOffer,
    /// `reversed-offer`: offers its schemes in the other order.
    ReversedOffer,
    /// `other-scheme`: sends its token with the name of another scheme.
    OtherScheme,
    /// `not-base64`: sends what is no Base64 in the place of a token, in the middle of a handshake.
    NotBase64,
    /// `broken-token`: changes its token in the middle of a handshake.
    BrokenToken,
    /// `cut-token`: sends half of it.
    CutToken,
    /// `foreign-token`: sends another package's token in its place.
    ForeignToken,
    /// `replayed-token`: sends the token that it sent before, in another handshake; the first time its own.
    ReplayedToken,
    /// `other-connection`: forgets the handshake, as if a load balancer gave each token to another server.
    OtherConnection,
    /// `delay`: waits before each answer, for as long as [the settings](crate::Settings::delay) say.
    Delay,
    /// `last-token-…`: signs the client in, and does this with the last token.
    LastToken(Last),
    /// `last-token-…-in-401`: the same, and denies the request.
    LastTokenIn401(Last),
    /// `other-user`: takes the connection for one that `CONTOSO\mallory` authenticated, from this request on.
    OtherUser,
    /// `forgotten`: forgets who authenticated the connection, after this request.
    Forgotten,
}

/// What a server does with its last token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Last {
    /// `right`: sends it as it is.
    Right,
    /// `broken`: changes it.
    Broken,
    /// `missing`: leaves it out.
    Missing,
    /// `surplus`: sends one where there is none.
    Surplus,
    /// `foreign`: sends another package's.
    Foreign,
}

const LAST: [(Last, &str); 5] = [
    (Last::Right, "right"),
    (Last::Broken, "broken"),
    (Last::Missing, "missing"),
    (Last::Surplus, "surplus"),
    (Last::Foreign, "foreign"),
];

const NAMED: [(Fault, &str); 15] = [
    (Fault::CloseBeforeAnswer, "close-before-answer"),
    (Fault::CloseAfterOffer, "close-after-offer"),
    (Fault::CloseAfterChallenge, "close-after-challenge"),
    (Fault::NoOffer, "no-offer"),
    (Fault::ReversedOffer, "reversed-offer"),
    (Fault::OtherScheme, "other-scheme"),
    (Fault::NotBase64, "not-base64"),
    (Fault::BrokenToken, "broken-token"),
    (Fault::CutToken, "cut-token"),
    (Fault::ForeignToken, "foreign-token"),
    (Fault::ReplayedToken, "replayed-token"),
    (Fault::OtherConnection, "other-connection"),
    (Fault::Delay, "delay"),
    (Fault::OtherUser, "other-user"),
    (Fault::Forgotten, "forgotten"),
];

impl Fault {
    /// Every fault.
    pub fn all() -> impl Iterator<Item = Self> {
        let last = LAST.into_iter().map(|(last, _)| last);
        let in_200 = last.clone().filter(|last| *last != Last::Right).map(Self::LastToken);
        NAMED.into_iter().map(|(fault, _)| fault).chain(in_200).chain(last.map(Self::LastTokenIn401))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_last = |last: Last| LAST.iter().find(|(known, _)| *known == last).map_or("", |(_, name)| name);
        match *self {
            Self::LastToken(last) => write!(f, "last-token-{}", of_last(last)),
            Self::LastTokenIn401(last) => write!(f, "last-token-{}-in-401", of_last(last)),
            named => {
                f.write_str(NAMED.iter().find(|(fault, _)| *fault == named).map_or("", |(_, name)| name))
            }
        }
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Self::all().find(|fault| fault.to_string() == name).ok_or(UnknownFault)
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A name is no fault's.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no such fault; there are: {}", list())]
pub struct UnknownFault;

/// The names of all faults.
pub(crate) fn list() -> String {
    Fault::all().map(|fault| fault.to_string()).collect::<Vec<_>>().join(", ")
}

/// The faults that are configured, and what they need to know of what was sent.
#[derive(Default)]
pub(crate) struct Faults {
    configured: Vec<(Fault, AtomicU32)>,
    /// The last token that was sent in the middle of a handshake, by its scheme.
    sent: Mutex<HashMap<String, Vec<u8>>>,
}

impl Faults {
    pub(crate) fn new(configured: &[(Fault, Option<u32>)]) -> Self {
        let forever = u32::MAX;
        let configured = configured.iter().map(|&(fault, times)| (fault, times.unwrap_or(forever).into()));
        Self { configured: configured.collect(), sent: Mutex::default() }
    }

    /// What may strike a request of this path: the fault that it names, or else the first that is configured and has a strike left.
    pub(crate) fn at(&self, path: &str) -> Result<Active<'_>, UnknownFault> {
        if let Some(name) = path.strip_prefix("/fault/") {
            return Ok(Active { fault: Some(name.parse()?), left: None });
        }
        let has_left = |(_, left): &&(Fault, AtomicU32)| left.load(Ordering::Relaxed) > 0;
        let configured = self.configured.iter().find(has_left);
        Ok(Active { fault: configured.map(|(fault, _)| *fault), left: configured.map(|(_, left)| left) })
    }

    /// The token that was sent before with this scheme, if there was one.
    pub(crate) fn replay(&self, scheme: &str, token: &[u8]) -> Vec<u8> {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sent.insert(scheme.to_owned(), token.to_vec());
        before.unwrap_or_else(|| token.to_vec())
    }
}

/// The fault that may strike a request.
#[derive(Clone, Copy)]
pub(crate) struct Active<'a> {
    fault: Option<Fault>,
    left: Option<&'a AtomicU32>,
}

impl Active<'_> {
    /// Whether it is this fault, and strikes.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        self.fault == Some(fault) && self.counts()
    }

    /// What happens to the last token, and whether it comes with status 401.
    pub(crate) fn last_token(&self) -> Option<(Fault, Last, bool)> {
        let found = match self.fault? {
            fault @ Fault::LastToken(last) => (fault, last, false),
            fault @ Fault::LastTokenIn401(last) => (fault, last, true),
            _ => return None,
        };
        self.counts().then_some(found)
    }

    fn counts(&self) -> bool {
        let one_less = |left: u32| if left == u32::MAX { Some(left) } else { left.checked_sub(1) };
        self.left.is_none_or(|left| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok())
    }
}

/// A token with some of it changed, its length and its first bytes kept.
pub(crate) fn broken(mut token: Vec<u8>) -> Vec<u8> {
    let from = token.len() / 2;
    token[from..].iter_mut().for_each(|byte| *byte ^= 0x55);
    token
}

/// A token of another package than this one's: NTLM's CHALLENGE_MESSAGE ([MS-NLMP] 2.2.1.2), or for NTLM a rejection by SPNEGO (RFC 4178).
pub(crate) fn foreign(token: &[u8]) -> Vec<u8> {
    if token.starts_with(b"NTLMSSP\0") {
        return vec![0xA1, 0x07, 0x30, 0x05, 0xA0, 0x03, 0x0A, 0x01, 0x02];
    }
    let mut challenge = [&b"NTLMSSP\0\x02\0\0\0"[..], &[0; 44]].concat();
    // The offsets of the target's name and information: the end.
    (challenge[16], challenge[44]) = (56, 56);
    challenge
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_faults() {
        let all: Vec<_> = Fault::all().collect();
        assert_eq!(all.len(), 24);
        for fault in all {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!(UnknownFault.to_string().contains("close-before-answer, "));
        assert_eq!("".parse::<Fault>(), Err(UnknownFault));
    }

    #[test]
    fn a_configured_fault_strikes_as_often_as_it_says() {
        let faults = Faults::new(&[(Fault::NoOffer, Some(2)), (Fault::Delay, None)]);
        for (struck, next) in [(true, false), (true, false), (false, true), (false, true)] {
            let active = faults.at("/").unwrap();
            assert_eq!((active.strikes(Fault::NoOffer), active.strikes(Fault::Delay)), (struck, next));
        }
        assert!(faults.at("/fault/forgotten").unwrap().strikes(Fault::Forgotten));
        assert!(faults.at("/fault/other").is_err());
    }
}
