//! The tokens of the handshake, as they travel. `docs/handshake.md` describes the format.

use super::{
    ContextFlags,
    wire::{Reader, Writer},
};
use crate::{Name, Principal, SecurityStatus};

/// A random number that a side uses once.
pub(super) type Nonce = [u8; 16];
/// An HMAC-SHA-256, or a SHA-256.
pub(super) type Digest = [u8; 32];

/// A token of the handshake, once parsed.
#[derive(Debug)]
pub(super) enum Token {
    Challenge(Challenge),
    Confirm(Digest),
    /// Why the other side gave up.
    Error(SecurityStatus),
    Hello(Hello),
    Proof(Box<Proof>),
}

/// The initiator's first token.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) nonce: Nonce,
    pub(super) requested: ContextFlags,
    /// Whether Negotiate is to choose.
    pub(super) negotiated: bool,
    /// In the initiator's order.
    pub(super) offered: Vec<Name>,
    pub(super) target: Option<Name>,
}

/// The acceptor's answer.
#[derive(Debug)]
pub(super) struct Challenge {
    /// The nonce of the [`Hello`] that it answers.
    pub(super) answers: Nonce,
    pub(super) nonce: Nonce,
    pub(super) granted: ContextFlags,
    pub(super) package: Name,
    pub(super) server: Principal,
    pub(super) information: Vec<u8>,
}

/// The initiator's proof, without what proves it.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) flags: ContextFlags,
    /// `None` for a null session.
    pub(super) client: Option<Principal>,
    pub(super) bindings: Option<Digest>,
    pub(super) mac: Digest,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for anything that no side of this version writes.
    pub(super) fn parse(token: &[u8]) -> Result<Self, SecurityStatus> {
        Self::read(token).ok_or(SecurityStatus::INVALID_TOKEN)
    }

    fn read(token: &[u8]) -> Option<Self> {
        let mut from = Reader(token.strip_prefix(MAGIC)?);
        let [VERSION, kind] = from.array()? else { return None };
        let token = match kind {
            HELLO => Self::Hello(Hello::read(&mut from)?),
            CHALLENGE => Self::Challenge(Challenge::read(&mut from)?),
            PROOF => Self::Proof(Box::new(Proof::read(&mut from)?)),
            CONFIRM => Self::Confirm(from.array()?),
            ERROR => {
                let status = SecurityStatus::from_code(i32::from_le_bytes(from.array()?))?;
                Self::Error(Some(status).filter(|&status| told(status) == status)?)
            }
            _ => return None,
        };
        from.0.is_empty().then_some(token)
    }
}

impl Hello {
    pub(super) fn write(&self) -> Vec<u8> {
        written(HELLO, |to| {
            to.bytes(&self.nonce);
            to.flags(self.requested);
            to.flag(self.negotiated);
            to.length(self.offered.len());
            self.offered.iter().for_each(|name| to.name(name));
            to.optional_name(self.target.as_ref());
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (nonce, requested, negotiated) = (from.array()?, from.flags()?, from.flag()?);
        let offered = (0..from.length()?).map(|_| from.name()).collect::<Option<Vec<_>>>()?;
        let target = if from.flag()? { Some(from.name()?) } else { None };
        Some(Self { nonce, requested, negotiated, offered, target })
    }
}

impl Challenge {
    pub(super) fn write(&self) -> Vec<u8> {
        written(CHALLENGE, |to| {
            to.bytes(&self.answers);
            to.bytes(&self.nonce);
            to.flags(self.granted);
            to.name(&self.package);
            to.principal(&self.server);
            to.field(&self.information);
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            answers: from.array()?,
            nonce: from.array()?,
            granted: from.flags()?,
            package: from.name()?,
            server: from.principal()?,
            information: from.field()?.to_vec(),
        })
    }
}

impl Proof {
    pub(super) fn write(&self) -> Vec<u8> {
        written(PROOF, |to| {
            to.flags(self.flags);
            to.flag(self.client.is_some());
            self.client.iter().for_each(|client| to.principal(client));
            to.flag(self.bindings.is_some());
            self.bindings.iter().for_each(|bindings| to.bytes(bindings));
            to.bytes(&self.mac);
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            flags: from.flags()?,
            client: if from.flag()? { Some(from.principal()?) } else { None },
            bindings: if from.flag()? { Some(from.array()?) } else { None },
            mac: from.array()?,
        })
    }
}

/// The acceptor's confirmation.
pub(super) fn confirm(mac: &Digest) -> Vec<u8> {
    written(CONFIRM, |to| {
        to.bytes(mac);
    })
}

/// The token that gives the other side the reason of a failure.
pub(super) fn error(status: SecurityStatus) -> Vec<u8> {
    written(ERROR, |to| {
        to.bytes(&told(status).code().to_le_bytes());
    })
}

/// Whether a token is an error's.
pub(super) fn is_error(token: &[u8]) -> bool {
    matches!(Token::parse(token), Ok(Token::Error(_)))
}

/// The part of a proof that the MAC at its end covers.
pub(super) fn unproved(proof: &[u8]) -> &[u8] {
    &proof[..proof.len().saturating_sub(size_of::<Digest>())]
}

/// Fills in the MAC of a proof that was written without.
pub(super) fn prove(proof: &mut [u8], mac: &Digest) {
    if let Some(place) = proof.last_chunk_mut() {
        *place = *mac;
    }
}

/// The status of a failure, as one side sends it to the other; never a success, whatever a token says.
fn told(status: SecurityStatus) -> SecurityStatus {
    const TOLD: [SecurityStatus; 9] = [
        SecurityStatus::BAD_BINDINGS,
        SecurityStatus::CONTEXT_EXPIRED,
        SecurityStatus::INVALID_TOKEN,
        SecurityStatus::LOGON_DENIED,
        SecurityStatus::NO_CREDENTIALS,
        SecurityStatus::SECPKG_NOT_FOUND,
        SecurityStatus::TARGET_UNKNOWN,
        SecurityStatus::WRONG_PRINCIPAL,
        SecurityStatus::INTERNAL_ERROR,
    ];
    if TOLD.contains(&status) { status } else { SecurityStatus::INTERNAL_ERROR }
}

/// A token of this kind.
fn written(kind: u8, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut token = Vec::with_capacity(USUAL);
    let mut to = Writer(&mut token);
    to.bytes(MAGIC);
    to.bytes(&[VERSION, kind]);
    body(&mut to);
    token
}

/// Begins every token: neither NTLM's signature (`NTLMSSP`), nor the first byte of anything in ASN.1 that GSS-API
/// has.
const MAGIC: &[u8] = b"SSPCACHE mock\0";
const VERSION: u8 = 1;

const HELLO: u8 = 1;
const CHALLENGE: u8 = 2;
const PROOF: u8 = 3;
const CONFIRM: u8 = 4;
const ERROR: u8 = 5;

/// Room for a token of usual length.
const USUAL: usize = 160;
