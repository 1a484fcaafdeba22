//! Signing and encrypting messages: keys, tokens, sequence numbers, replays. `docs/messages.md` describes the format.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{ContextFlags, MESSAGE_TOKEN, Part, Role, SessionKey, WRAP_NO_ENCRYPT};
use crate::Status;

/// The message protection of one side of an established context.
pub(crate) struct Protection {
    flags: ContextFlags,
    sending: Keys,
    receiving: Keys,
    branch: Branch,
    /// The number of the next message to send.
    next: u64,
    received: Received,
}

/// Where a context stands in its two sequences of messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Position {
    /// The number of the next message to send.
    pub(crate) next: u64,
    pub(crate) received: Received,
}

/// Which of several copies of one side of a context made a message.
///
/// An exported context and its original, or two imports of one export, have the same keys and may go on from the same
/// sequence number. Each import draws its branch at random, so that no two of them encrypt under one nonce.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Branch(pub(crate) [u8; BRANCH]);

impl Protection {
    /// Both sides derive the same keys from the session key; each sends with its own and receives with the other's.
    ///
    /// The session key is to be fresh: two contexts of one key and role would encrypt under the same nonces. What is
    /// made from an existing context has a [branch](Self::branch) of its own.
    pub(crate) fn new(key: &SessionKey, role: Role, flags: ContextFlags) -> Self {
        let (own, other) = match role {
            Role::Acceptor => ("acceptor", "initiator"),
            Role::Initiator => ("initiator", "acceptor"),
        };
        Self {
            flags,
            sending: Keys::derive(key, own),
            receiving: Keys::derive(key, other),
            branch: Branch::default(),
            next: 0,
            received: Received::default(),
        }
    }

    /// The same, as a copy of its own that goes on where another stopped.
    pub(crate) fn branch(self, branch: Branch, at: Position) -> Self {
        Self { branch, next: at.next, received: at.received, ..self }
    }

    pub(crate) fn position(&self) -> Position {
        Position { next: self.next, received: self.received }
    }

    /// Signs a message into a token; returns the token's length.
    ///
    /// # Errors
    /// As [`Engine::sign`](crate::Engine::sign).
    pub(crate) fn sign(&mut self, qop: u32, parts: &[&[u8]], token: &mut [u8]) -> Result<usize, Status> {
        if qop != 0 {
            return Err(Status::QopNotSupported);
        }
        self.require_signatures()?;
        if parts.is_empty() {
            return Err(Status::InvalidToken);
        }
        let token = room(token)?;
        let header = self.next_header(Kind::Signature)?;
        token.write(header, &self.sending.tag(header, parts.iter().copied()));
        Ok(MESSAGE_TOKEN)
    }

    /// Verifies a signed message; returns the quality of protection.
    ///
    /// # Errors
    /// As [`Engine::verify_signature`](crate::Engine::verify_signature).
    pub(crate) fn verify(&mut self, parts: &[&[u8]], token: &[u8]) -> Result<u32, Status> {
        self.require_signatures()?;
        if parts.is_empty() {
            return Err(Status::InvalidToken);
        }
        let token = Token::parse(token)?;
        if token.kind != Kind::Signature {
            return Err(Status::InvalidToken);
        }
        self.receiving.verify(&token, parts.iter().copied())?;
        self.received.accept(token.number, self.flags)?;
        Ok(0)
    }

    /// Encrypts a message in place and makes its token, or only signs it; returns the token's length.
    ///
    /// # Errors
    /// As [`Engine::encrypt`](crate::Engine::encrypt).
    pub(crate) fn encrypt(
        &mut self,
        qop: u32,
        parts: &mut [Part<'_>],
        token: &mut [u8],
    ) -> Result<usize, Status> {
        let kind = match qop {
            0 => Kind::Sealed,
            WRAP_NO_ENCRYPT => Kind::Wrapped,
            _ => return Err(Status::QopNotSupported),
        };
        self.require_any()?;
        if !self.allows(kind) {
            return Err(Status::UnsupportedFunction);
        }
        require_data(parts)?;
        let token = room(token)?;
        let header = self.next_header(kind)?;
        let tag = if kind == Kind::Sealed {
            self.sending.seal(header, parts)?
        } else {
            self.sending.tag(header, parts.iter().map(Part::bytes))
        };
        token.write(header, &tag);
        Ok(MESSAGE_TOKEN)
    }

    /// Decrypts a message in place, or verifies one that was only signed; returns the quality of protection.
    ///
    /// # Errors
    /// As [`Engine::decrypt`](crate::Engine::decrypt).
    pub(crate) fn decrypt(&mut self, parts: &mut [Part<'_>], token: &[u8]) -> Result<u32, Status> {
        self.require_any()?;
        require_data(parts)?;
        let token = Token::parse(token)?;
        if token.kind == Kind::Signature || !self.allows(token.kind) {
            return Err(Status::InvalidToken);
        }
        let mut received = self.received;
        let in_sequence = received.accept(token.number, self.flags);
        let qop = if token.kind == Kind::Sealed {
            self.receiving.open(&token, parts, in_sequence)?;
            0
        } else {
            self.receiving.verify(&token, parts.iter().map(Part::bytes))?;
            in_sequence?;
            WRAP_NO_ENCRYPT
        };
        self.received = received;
        Ok(qop)
    }

    /// What the pages of `MakeSignature` and `VerifySignature` say: without integrity there is no such quality.
    fn require_signatures(&self) -> Result<(), Status> {
        if !self.flags.contains(ContextFlags::INTEGRITY) {
            return Err(Status::QopNotSupported);
        }
        if self.flags.contains(ContextFlags::CONFIDENTIALITY_ONLY) {
            return Err(Status::UnsupportedFunction);
        }
        Ok(())
    }

    /// What the pages of `EncryptMessage` and `DecryptMessage` say of a context with neither.
    fn require_any(&self) -> Result<(), Status> {
        if self.allows(Kind::Sealed) || self.flags.contains(ContextFlags::INTEGRITY) {
            Ok(())
        } else {
            Err(Status::QopNotSupported)
        }
    }

    fn allows(&self, kind: Kind) -> bool {
        match kind {
            Kind::Sealed => {
                self.flags.intersects(ContextFlags::CONFIDENTIALITY | ContextFlags::CONFIDENTIALITY_ONLY)
            }
            Kind::Signature | Kind::Wrapped => self.require_signatures().is_ok(),
        }
    }

    /// The header of the next message, whose number is used up.
    fn next_header(&mut self, kind: Kind) -> Result<Header, Status> {
        let number = self.next;
        if number > LAST_NUMBER {
            return Err(Status::ContextExpired);
        }
        self.next += 1;
        Ok(header(kind, self.branch, number))
    }
}

impl Part<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Checked(bytes) => bytes,
            Self::Data(bytes) => bytes,
        }
    }

    fn is_data(&self) -> bool {
        matches!(self, Self::Data(_))
    }

    /// The data in it, unless there is none.
    fn data_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Data(bytes) if !bytes.is_empty() => Some(bytes),
            _ => None,
        }
    }
}

/// What was received, as far as replays and gaps are looked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received {
    /// One more than the highest number so far.
    pub(crate) next: u64,
    /// Bit n is set when the number n + 1 below `next` was received.
    pub(crate) seen: u64,
}

impl Received {
    /// Takes note of a message that came, or refuses it: one out of order where order is asked for, one that came before
    /// (or is so old that nobody knows) where replays are looked for.
    fn accept(&mut self, number: u64, flags: ContextFlags) -> Result<(), Status> {
        if flags.contains(ContextFlags::SEQUENCE_DETECT) {
            if number != self.next {
                return Err(Status::OutOfSequence);
            }
        } else if flags.contains(ContextFlags::REPLAY_DETECT) && !self.is_new(number) {
            return Err(Status::OutOfSequence);
        }
        self.note(number);
        Ok(())
    }

    fn is_new(self, number: u64) -> bool {
        match self.next.checked_sub(number + 1) {
            None => true,
            Some(age) => age < u64::from(u64::BITS) && self.seen >> age & 1 == 0,
        }
    }

    fn note(&mut self, number: u64) {
        if let Some(age) = self.next.checked_sub(number + 1) {
            self.seen |= shl(1, age);
        } else {
            self.seen = shl(self.seen, number + 1 - self.next) | 1;
            self.next = number + 1;
        }
    }
}

/// A shift that loses what goes beyond, however far.
fn shl(bits: u64, by: u64) -> u64 {
    u32::try_from(by).ok().and_then(|by| bits.checked_shl(by)).unwrap_or(0)
}

/// The keys of one direction.
struct Keys {
    signing: Hmac<Sha256>,
    sealing: ChaCha20Poly1305,
}

impl Keys {
    fn derive(key: &SessionKey, sender: &str) -> Self {
        let root = keyed(key.bytes());
        let derived = |purpose: &str| {
            let mut mac = root.clone();
            for text in ["sspcache message 1 ", sender, " ", purpose] {
                mac.update(text.as_bytes());
            }
            Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()))
        };
        Self {
            signing: keyed(&*derived("signs")),
            sealing: ChaCha20Poly1305::new((&*derived("seals")).into()),
        }
    }

    fn mac<'a>(&self, header: Header, parts: impl Iterator<Item = &'a [u8]>) -> Hmac<Sha256> {
        let mut mac = self.signing.clone();
        mac.update(&header);
        parts.for_each(|part| mac.update(part));
        mac
    }

    fn tag<'a>(&self, header: Header, parts: impl Iterator<Item = &'a [u8]>) -> [u8; TAG] {
        let full = self.mac(header, parts).finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full[..TAG]);
        tag
    }

    fn verify<'a>(&self, token: &Token, parts: impl Iterator<Item = &'a [u8]>) -> Result<(), Status> {
        let mac = self.mac(token.header, parts);
        mac.verify_truncated_left(&token.tag).map_err(|_| Status::MessageAltered)
    }

    fn seal(&self, header: Header, parts: &mut [Part<'_>]) -> Result<[u8; TAG], Status> {
        let associated = associated(parts);
        in_one_piece(parts, |data| {
            let tag = self.sealing.encrypt_inout_detached(&header.into(), &associated, data.into());
            tag.map(Into::into).map_err(|_| Status::EncryptFailure)
        })
    }

    /// Decrypts. What is authentic and refused all the same is encrypted again.
    fn open(
        &self,
        token: &Token,
        parts: &mut [Part<'_>],
        accepted: Result<(), Status>,
    ) -> Result<(), Status> {
        let associated = associated(parts);
        in_one_piece(parts, |data| {
            let (nonce, tag) = (token.header.into(), Tag::from(token.tag));
            self.sealing
                .decrypt_inout_detached(&nonce, &associated, (&mut *data).into(), &tag)
                .map_err(|_| Status::MessageAltered)?;
            if accepted.is_err() {
                let again = self.sealing.encrypt_inout_detached(&nonce, &associated, data.into());
                again.map_err(|_| Status::InternalError)?;
            }
            accepted
        })
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// What is authenticated and not encrypted: nothing for a message that is all data. Else, for each run of parts of one
/// kind, its length, with the highest bit set for data, and the bytes of those that are checked only.
fn associated(parts: &[Part<'_>]) -> Vec<u8> {
    let mut associated = Vec::new();
    if parts.iter().all(|part| part.is_data() || part.bytes().is_empty()) {
        return associated;
    }
    let mut parts = parts.iter().filter(|part| !part.bytes().is_empty()).peekable();
    while let Some(first) = parts.next() {
        let at = associated.len();
        associated.extend_from_slice(&[0; 8]);
        let mut length = 0;
        let mut part = Some(first);
        while let Some(of_this_kind) = part {
            length += of_this_kind.bytes().len() as u64;
            if let Part::Checked(bytes) = of_this_kind {
                associated.extend_from_slice(bytes);
            }
            part = parts.next_if(|next| next.is_data() == first.is_data());
        }
        let run = length | u64::from(first.is_data()) << 63;
        associated[at..at + 8].copy_from_slice(&run.to_le_bytes());
    }
    associated
}

/// Does something with the data of a message in one piece: in place where it is one already. What becomes of it is put
/// back unless it fails.
fn in_one_piece<T>(
    parts: &mut [Part<'_>],
    body: impl FnOnce(&mut [u8]) -> Result<T, Status>,
) -> Result<T, Status> {
    let mut pieces = parts.iter_mut().filter_map(Part::data_mut);
    match (pieces.next(), pieces.next()) {
        (None, _) => body(&mut []),
        (Some(only), None) => body(only),
        (Some(_), Some(_)) => gathered(parts, body),
    }
}

fn gathered<T>(
    parts: &mut [Part<'_>],
    body: impl FnOnce(&mut [u8]) -> Result<T, Status>,
) -> Result<T, Status> {
    let pieces = || parts.iter().filter(|part| part.is_data()).map(Part::bytes);
    // Reserved in full, so that no growth leaves a copy behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(pieces().map(<[u8]>::len).sum()));
    pieces().for_each(|piece| whole.extend_from_slice(piece));
    let result = body(&mut whole)?;
    let mut rest = &whole[..];
    for piece in parts.iter_mut().filter_map(Part::data_mut) {
        let (done, after) = rest.split_at(piece.len());
        piece.copy_from_slice(done);
        rest = after;
    }
    Ok(result)
}

fn require_data(parts: &[Part<'_>]) -> Result<(), Status> {
    if parts.iter().any(Part::is_data) { Ok(()) } else { Err(Status::InvalidToken) }
}

/// What a token says: the kind of message and the version of the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Signed by `MakeSignature`.
    Signature = 1,
    /// Encrypted by `EncryptMessage`.
    Sealed = 2,
    /// Signed by `EncryptMessage`, with [`WRAP_NO_ENCRYPT`].
    Wrapped = 3,
}

/// The first bytes of a token, which are the nonce of what is encrypted: kind and version, branch, number.
type Header = [u8; HEADER];

fn header(kind: Kind, Branch(branch): Branch, number: u64) -> Header {
    let mut header = [0; HEADER];
    header[0] = VERSION << 4 | kind as u8;
    header[1..=BRANCH].copy_from_slice(&branch);
    header[1 + BRANCH..].copy_from_slice(&number.to_le_bytes()[..NUMBER]);
    header
}

/// A token that was received.
struct Token {
    kind: Kind,
    number: u64,
    header: Header,
    tag: [u8; TAG],
}

impl Token {
    fn parse(token: &[u8]) -> Result<Self, Status> {
        let token: &[u8; MESSAGE_TOKEN] = token.try_into().map_err(|_| Status::InvalidToken)?;
        let kinds = [Kind::Signature, Kind::Sealed, Kind::Wrapped];
        let kind = kinds.into_iter().find(|&kind| token[0] == VERSION << 4 | kind as u8);
        let mut number = [0; 8];
        number[..NUMBER].copy_from_slice(&token[1 + BRANCH..HEADER]);
        let (mut header, mut tag) = ([0; HEADER], [0; TAG]);
        header.copy_from_slice(&token[..HEADER]);
        tag.copy_from_slice(&token[HEADER..]);
        let kind = kind.ok_or(Status::InvalidToken)?;
        Ok(Self { kind, number: u64::from_le_bytes(number), header, tag })
    }
}

/// Room for a token.
struct Room<'a>(&'a mut [u8; MESSAGE_TOKEN]);

impl Room<'_> {
    fn write(self, header: Header, tag: &[u8; TAG]) {
        self.0[..HEADER].copy_from_slice(&header);
        self.0[HEADER..].copy_from_slice(tag);
    }
}

fn room(token: &mut [u8]) -> Result<Room<'_>, Status> {
    token.first_chunk_mut().map(Room).ok_or(Status::BufferTooSmall)
}

const VERSION: u8 = 1;
const BRANCH: usize = 6;
const NUMBER: usize = 5;
const HEADER: usize = 1 + BRANCH + NUMBER;
const TAG: usize = MESSAGE_TOKEN - HEADER;
/// After it a context has no number left: none is ever used twice.
const LAST_NUMBER: u64 = (1 << (8 * NUMBER)) - 1;
