//! The mock's own messages of a handshake. They are the tokens of `MSN` and `DPA`; [`frame`](super::frame) puts them
//! into those of the other packages. `docs/handshake.md` describes the format.

use super::{
    ContextFlags,
    wire::{Reader, Writer},
};
use crate::{FileTime, Name, Principal, SecurityStatus};

/// A random number that a side uses once.
pub(super) type Nonce = [u8; 16];
/// An HMAC-SHA-256, or a SHA-256.
pub(super) type Digest = [u8; 32];

/// A message of the handshake, once parsed.
#[derive(Debug)]
pub(super) enum Token {
    /// The initiator's last message in DCE style.
    Acknowledge(Digest),
    Challenge(Challenge),
    Confirm(Digest),
    /// Why the other side gave up.
    Error(SecurityStatus),
    Hello(Hello),
    Proof(Box<Proof>),
    Reply(Box<Reply>),
    Request(Box<Request>),
}

/// The initiator's first message.
#[derive(Debug)]
pub(super) struct Hello {
    pub(super) nonce: Nonce,
    pub(super) requested: ContextFlags,
    /// Whether Negotiate is to choose.
    pub(super) negotiated: bool,
    /// In the initiator's order.
    pub(super) offered: Vec<Name>,
    pub(super) target: Option<Name>,
    /// How many zeros follow, which make the token longer.
    pub(super) padding: usize,
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

/// An initiator's first message that is its proof as well: Kerberos's.
#[derive(Debug)]
pub(super) struct Request {
    /// Taken once by each acceptor.
    pub(super) nonce: Nonce,
    /// The initiator's time, in UTC.
    pub(super) time: FileTime,
    /// The flags of the initiator's context.
    pub(super) flags: ContextFlags,
    pub(super) target: Option<Name>,
    /// `None` for a null session.
    pub(super) client: Option<Principal>,
    pub(super) bindings: Option<Digest>,
    pub(super) mac: Digest,
}

/// The acceptor's answer to a [`Request`].
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) nonce: Nonce,
    /// The flags of both contexts.
    pub(super) granted: ContextFlags,
    pub(super) server: Principal,
    pub(super) information: Vec<u8>,
    pub(super) mac: Digest,
}

impl Token {
    /// Reads a message.
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
            REQUEST => Self::Request(Box::new(Request::read(&mut from)?)),
            REPLY => Self::Reply(Box::new(Reply::read(&mut from)?)),
            ACKNOWLEDGE => Self::Acknowledge(from.array()?),
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
            to.zeros(self.padding);
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (nonce, requested, negotiated) = (from.array()?, from.flags()?, from.flag()?);
        let offered = (0..from.length()?).map(|_| from.name()).collect::<Option<Vec<_>>>()?;
        let target = if from.flag()? { Some(from.name()?) } else { None };
        Some(Self { nonce, requested, negotiated, offered, target, padding: from.zeros()? })
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
            to.identified(self.client.as_ref(), self.bindings.as_ref());
            to.bytes(&self.mac);
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let flags = from.flags()?;
        let (client, bindings) = from.identified()?;
        Some(Self { flags, client, bindings, mac: from.array()? })
    }
}

impl Request {
    pub(super) fn write(&self) -> Vec<u8> {
        written(REQUEST, |to| {
            to.bytes(&self.nonce);
            to.number(self.time.0);
            to.flags(self.flags);
            to.optional_name(self.target.as_ref());
            to.identified(self.client.as_ref(), self.bindings.as_ref());
            to.bytes(&self.mac);
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (nonce, time, flags) = (from.array()?, FileTime(from.number()?), from.flags()?);
        let target = if from.flag()? { Some(from.name()?) } else { None };
        let (client, bindings) = from.identified()?;
        Some(Self { nonce, time, flags, target, client, bindings, mac: from.array()? })
    }
}

impl Reply {
    pub(super) fn write(&self) -> Vec<u8> {
        written(REPLY, |to| {
            to.bytes(&self.nonce);
            to.flags(self.granted);
            to.principal(&self.server);
            to.field(&self.information);
            to.bytes(&self.mac);
        })
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            nonce: from.array()?,
            granted: from.flags()?,
            server: from.principal()?,
            information: from.field()?.to_vec(),
            mac: from.array()?,
        })
    }
}

/// Who signs in, and with which channel bindings.
impl Writer<'_> {
    fn identified(&mut self, client: Option<&Principal>, bindings: Option<&Digest>) {
        self.flag(client.is_some());
        if let Some(client) = client {
            self.principal(client);
        }
        self.flag(bindings.is_some());
        if let Some(bindings) = bindings {
            self.bytes(bindings);
        }
    }
}

impl Reader<'_> {
    fn identified(&mut self) -> Option<(Option<Principal>, Option<Digest>)> {
        let client = if self.flag()? { Some(self.principal()?) } else { None };
        let bindings = if self.flag()? { Some(self.array()?) } else { None };
        Some((client, bindings))
    }
}

/// The acceptor's confirmation.
pub(super) fn confirm(mac: &Digest) -> Vec<u8> {
    written(CONFIRM, |to| {
        to.bytes(mac);
    })
}

/// What gives the other side the reason of a failure.
pub(super) fn error(status: SecurityStatus) -> Vec<u8> {
    written(ERROR, |to| {
        to.bytes(&told(status).code().to_le_bytes());
    })
}

/// The initiator's acknowledgement of a [`Reply`].
pub(super) fn acknowledge(mac: &Digest) -> Vec<u8> {
    written(ACKNOWLEDGE, |to| {
        to.bytes(mac);
    })
}

/// What a Kerberos ticket has in it: nothing but its length.
pub(super) fn ticket(padding: usize) -> Vec<u8> {
    written(TICKET, |to| to.zeros(padding))
}

/// Whether this is what a ticket has in it.
pub(super) fn is_ticket(bytes: &[u8]) -> bool {
    let read = || {
        let mut from = Reader(bytes.strip_prefix(MAGIC)?.strip_prefix(&[VERSION, TICKET])?);
        from.zeros()?;
        Some(from.0.is_empty())
    };
    read() == Some(true)
}

/// The MAC of a list of mechanisms, as SPNEGO carries it; without one, what stands in its place.
pub(super) fn list_mac(mac: Option<&Digest>) -> Vec<u8> {
    written(LIST_MAC, |to| {
        if let Some(mac) = mac {
            to.bytes(mac);
        }
    })
}

/// The part of a token that the MAC at its end covers.
pub(super) fn unproved(proof: &[u8]) -> &[u8] {
    &proof[..proof.len().saturating_sub(size_of::<Digest>())]
}

/// Fills in the MAC of a token that was written without.
pub(super) fn prove(proof: &mut [u8], mac: &Digest) {
    if let Some(place) = proof.last_chunk_mut() {
        *place = *mac;
    }
}

/// The status of a failure, as one side sends it to the other; never a success, whatever a token says.
fn told(status: SecurityStatus) -> SecurityStatus {
    const TOLD: [SecurityStatus; 10] = [
        SecurityStatus::BAD_BINDINGS,
        SecurityStatus::CONTEXT_EXPIRED,
        SecurityStatus::INVALID_TOKEN,
        SecurityStatus::LOGON_DENIED,
        SecurityStatus::NO_CREDENTIALS,
        SecurityStatus::SECPKG_NOT_FOUND,
        SecurityStatus::TARGET_UNKNOWN,
        SecurityStatus::TIME_SKEW,
        SecurityStatus::WRONG_PRINCIPAL,
        SecurityStatus::INTERNAL_ERROR,
    ];
    if TOLD.contains(&status) { status } else { SecurityStatus::INTERNAL_ERROR }
}

/// A message of this kind.
fn written(kind: u8, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut token = Vec::with_capacity(USUAL);
    let mut to = Writer(&mut token);
    to.bytes(MAGIC);
    to.bytes(&[VERSION, kind]);
    body(&mut to);
    token
}

/// Begins every message: neither NTLM's signature (`NTLMSSP`), nor the first byte of anything in ASN.1 that GSS-API
/// has.
pub(super) const MAGIC: &[u8] = b"SSPCACHE mock\0";
const VERSION: u8 = 1;

const HELLO: u8 = 1;
const CHALLENGE: u8 = 2;
const PROOF: u8 = 3;
const CONFIRM: u8 = 4;
const ERROR: u8 = 5;
const REQUEST: u8 = 6;
const REPLY: u8 = 7;
const ACKNOWLEDGE: u8 = 8;
const TICKET: u8 = 9;
const LIST_MAC: u8 = 10;

/// Room for a message of usual length.
const USUAL: usize = 160;
