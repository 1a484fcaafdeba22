//! The tokens of the handshake, as they travel. `docs/handshake.md` describes the format.

use super::ContextFlags;
use crate::{Name, Principal, Status};

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
    Error(Status),
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
    /// Nobody, for a null session.
    pub(super) client: Option<Principal>,
    pub(super) bindings: Option<Digest>,
    pub(super) mac: Digest,
}

impl Token {
    /// Reads a token.
    ///
    /// # Errors
    /// [`Status::InvalidToken`] for anything that no side of this version writes.
    pub(super) fn parse(token: &[u8]) -> Result<Self, Status> {
        Self::read(token).ok_or(Status::InvalidToken)
    }

    fn read(token: &[u8]) -> Option<Self> {
        let mut from = Reader(token.strip_prefix(MAGIC)?);
        let [VERSION, kind] = from.array()? else { return None };
        let token = match kind {
            HELLO => Self::Hello(Hello::read(&mut from)?),
            CHALLENGE => Self::Challenge(Challenge::read(&mut from)?),
            PROOF => Self::Proof(Box::new(Proof::read(&mut from)?)),
            CONFIRM => Self::Confirm(from.array()?),
            ERROR => Self::Error(told(Status::from_code(i32::from_le_bytes(from.array()?))?)),
            _ => return None,
        };
        from.0.is_empty().then_some(token)
    }
}

impl Hello {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut to = Writer::new(HELLO);
        to.0.extend_from_slice(&self.nonce);
        to.flags(self.requested);
        to.flag(self.negotiated);
        to.length(self.offered.len());
        self.offered.iter().for_each(|name| to.name(name));
        to.flag(self.target.is_some());
        self.target.iter().for_each(|name| to.name(name));
        to.0
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
        let mut to = Writer::new(CHALLENGE);
        to.0.extend_from_slice(&self.answers);
        to.0.extend_from_slice(&self.nonce);
        to.flags(self.granted);
        to.name(&self.package);
        to.principal(&self.server);
        to.length(self.information.len());
        to.0.extend_from_slice(&self.information);
        to.0
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            answers: from.array()?,
            nonce: from.array()?,
            granted: from.flags()?,
            package: from.name()?,
            server: from.principal()?,
            information: from.bytes()?.to_vec(),
        })
    }
}

impl Proof {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut to = Writer::new(PROOF);
        to.flags(self.flags);
        to.flag(self.client.is_some());
        self.client.iter().for_each(|client| to.principal(client));
        to.flag(self.bindings.is_some());
        self.bindings.iter().for_each(|bindings| to.0.extend_from_slice(bindings));
        to.0.extend_from_slice(&self.mac);
        to.0
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
    let mut to = Writer::new(CONFIRM);
    to.0.extend_from_slice(mac);
    to.0
}

/// Tells the other side why this one gave up.
pub(super) fn error(status: Status) -> Vec<u8> {
    let mut to = Writer::new(ERROR);
    to.0.extend_from_slice(&told(status).code().to_le_bytes());
    to.0
}

/// Whether a token is an error's.
pub(super) fn is_error(token: &[u8]) -> bool {
    matches!(Token::parse(token), Ok(Token::Error(_)))
}

/// What a proof is made of: everything but the MAC at its end.
pub(super) fn unproved(proof: &[u8]) -> &[u8] {
    &proof[..proof.len().saturating_sub(size_of::<Digest>())]
}

/// Fills in the MAC of a proof that was written without.
pub(super) fn prove(proof: &mut [u8], mac: &Digest) {
    if let Some(place) = proof.last_chunk_mut() {
        *place = *mac;
    }
}

/// What one side tells the other of a failure; never a success, whatever a token says.
fn told(status: Status) -> Status {
    const TOLD: [Status; 9] = [
        Status::BadBindings,
        Status::ContextExpired,
        Status::InvalidToken,
        Status::LogonDenied,
        Status::NoCredentials,
        Status::SecpkgNotFound,
        Status::TargetUnknown,
        Status::WrongPrincipal,
        Status::InternalError,
    ];
    if TOLD.contains(&status) { status } else { Status::InternalError }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8) -> Self {
        let mut token = Vec::with_capacity(USUAL);
        token.extend_from_slice(MAGIC);
        token.extend_from_slice(&[VERSION, kind]);
        Self(token)
    }

    fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    fn flags(&mut self, flags: ContextFlags) {
        self.0.extend_from_slice(&flags.bits().to_le_bytes());
    }

    /// Counts of bytes, units and names are below 2^32: the ABI has no longer buffers or strings.
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn name(&mut self, name: &Name) {
        self.length(name.units().len());
        name.units().iter().for_each(|unit| self.0.extend_from_slice(&unit.to_le_bytes()));
    }

    fn principal(&mut self, principal: &Principal) {
        self.name(&principal.user);
        self.name(&principal.domain);
    }
}

/// Reads a token; `None` where it ends too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn flags(&mut self) -> Option<ContextFlags> {
        ContextFlags::from_bits(u32::from_le_bytes(self.array()?))
    }

    /// As a token says it: nothing is reserved for it before as much has been read.
    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    fn name(&mut self) -> Option<Name> {
        let length = self.length()?.checked_mul(2)?;
        let (units, _) = self.take(length)?.as_chunks();
        let mut short = [0; 32];
        if let Some(short) = short.get_mut(..units.len()) {
            short.iter_mut().zip(units).for_each(|(unit, &bytes)| *unit = u16::from_le_bytes(bytes));
            return Some(Name::from_units(short));
        }
        Some(Name::from_units(&units.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect::<Vec<_>>()))
    }

    fn principal(&mut self) -> Option<Principal> {
        Some(Principal { user: self.name()?, domain: self.name()? })
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
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
