//! Signing and encrypting messages: keys, sequence numbers, replays. `docs/messages.md` describes the format.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

pub(super) use super::message_token::Branch;
use super::{
    ContextFlags, Part, Role, SessionKey, WRAP_NO_ENCRYPT,
    message_parts::{
        Cut, associated, data_of, forget_padding, in_one_piece, padded, require_data, token_of_stream,
        unpadded,
    },
    message_token::{Formats, Header, Kind, SHORT_NUMBER, SHORT_TAG, Shape, TAG, Token, header},
    proof::keyed,
    sequence::Received,
};
use crate::{PackageInfo, SecurityStatus};

/// The message protection of one side of an established context.
pub(crate) struct Protection {
    flags: ContextFlags,
    formats: Formats,
    sending: Sender,
    receiving: Sender,
    branch: Branch,
    /// The number of the next message to send.
    next: u64,
    received: Received,
}

/// A context's position in its two sequences of messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Position {
    /// The number of the next message to send.
    pub(crate) next: u64,
    pub(crate) received: Received,
}

impl Protection {
    /// Both sides derive the same keys from the session key; each sends with its own and receives with the other's.
    ///
    /// The session key is to be fresh: two contexts of one key and role would encrypt under the same nonces. What is
    /// made from an existing context has a [branch](Self::branch) of its own.
    pub(crate) fn new(key: &SessionKey, role: Role, flags: ContextFlags, package: &PackageInfo) -> Self {
        let other = match role {
            Role::Acceptor => Role::Initiator,
            Role::Initiator => Role::Acceptor,
        };
        Self {
            flags,
            formats: Formats::of(package),
            sending: Sender::new(key, role),
            receiving: Sender::new(key, other),
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
    pub(crate) fn sign(
        &mut self,
        qop: u32,
        parts: &[&[u8]],
        token: &mut [u8],
    ) -> Result<usize, SecurityStatus> {
        if qop != 0 {
            return Err(SecurityStatus::QOP_NOT_SUPPORTED);
        }
        self.require_signatures()?;
        if parts.is_empty() {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let format = self.formats.signature;
        let room = format.room(token)?;
        let header =
            header(Kind::Signature, format.branch(Kind::Signature, self.branch), self.next_number()?);
        let tag = self.sending.keys().tag(&header, parts.iter().copied());
        let tag = &tag[..format.tag_length(Kind::Signature)];
        format.write(room, self.sending.role, Kind::Signature, &header, tag);
        Ok(format.length)
    }

    /// Verifies a signed message; returns the quality of protection.
    ///
    /// # Errors
    /// As [`Engine::verify_signature`](crate::Engine::verify_signature).
    pub(crate) fn verify(&mut self, parts: &[&[u8]], token: &[u8]) -> Result<u32, SecurityStatus> {
        self.require_signatures()?;
        if parts.is_empty() {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let token = self.formats.signature.parse(token, self.receiving.role)?;
        if token.kind.is_some_and(|kind| kind != Kind::Signature) {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        self.receiving.keys().verify(&token, Kind::Signature, parts.iter().copied())?;
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
    ) -> Result<usize, SecurityStatus> {
        let kind = match qop {
            0 => Kind::Sealed,
            WRAP_NO_ENCRYPT => Kind::Wrapped,
            _ => return Err(SecurityStatus::QOP_NOT_SUPPORTED),
        };
        self.require_any()?;
        if !self.allows(kind) {
            return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
        }
        require_data(parts)?;
        let format = self.formats.trailer;
        let room = format.room(token)?;
        let padding = padded(parts, self.formats.block)?;
        let number = self.next_number()?;
        let header = header(kind, format.branch(kind, self.branch), number);
        padding.apply(parts);
        let keys = self.sending.keys();
        let tag = match (kind, format.shape) {
            (Kind::Sealed, Shape::Ntlm) => keys.seal_short(&header, number, parts)?,
            (Kind::Sealed, Shape::Kerberos | Shape::Own) => keys.seal(&header, parts)?,
            (Kind::Signature | Kind::Wrapped, _) => keys.tag(&header, parts.iter().map(Part::bytes)),
        };
        format.write(room, self.sending.role, kind, &header, &tag[..format.tag_length(kind)]);
        Ok(format.length)
    }

    /// Decrypts a message in place, or verifies one that was only signed; returns the quality of protection.
    ///
    /// # Errors
    /// As [`Engine::decrypt`](crate::Engine::decrypt).
    pub(crate) fn decrypt(&mut self, parts: &mut [Part<'_>], token: &[u8]) -> Result<u32, SecurityStatus> {
        self.require_any()?;
        require_data(parts)?;
        let format = self.formats.trailer;
        let parse = |token: &[u8]| format.parse(token, self.receiving.role);
        let token = match token_of_stream(parts, format.length, parse)? {
            Some(token) => token,
            None => parse(token)?,
        };
        forget_padding(parts, self.formats.block);
        let mut received = self.received;
        let in_sequence = received.accept(token.number, self.flags);
        let mut opened = Err(SecurityStatus::INVALID_TOKEN);
        for kind in [Kind::Sealed, Kind::Wrapped] {
            if self.allows(kind) && token.kind.is_none_or(|said| said == kind) {
                opened = self.open(kind, &token, parts, in_sequence);
                if opened != Err(SecurityStatus::MESSAGE_ALTERED) {
                    break;
                }
            }
        }
        let (qop, cut) = opened?;
        cut.apply(parts);
        self.received = received;
        Ok(qop)
    }

    /// Opens a message as one of this kind.
    fn open(
        &mut self,
        kind: Kind,
        token: &Token,
        parts: &mut [Part<'_>],
        in_sequence: Result<(), SecurityStatus>,
    ) -> Result<(u32, Cut), SecurityStatus> {
        let block = self.formats.block;
        let keys = self.receiving.keys();
        if kind == Kind::Sealed {
            let accepted = |data: &[u8]| in_sequence.and_then(|()| unpadded([data].into_iter(), block));
            let cut = if self.formats.trailer.shape == Shape::Ntlm {
                keys.open_short(token, parts, accepted)?
            } else {
                keys.open(token, parts, accepted)?
            };
            return Ok((0, cut));
        }
        keys.verify(token, kind, parts.iter().map(Part::bytes))?;
        in_sequence?;
        Ok((WRAP_NO_ENCRYPT, unpadded(data_of(parts), block)?))
    }

    /// What the pages of `MakeSignature` and `VerifySignature` say: without integrity there is no such quality.
    fn require_signatures(&self) -> Result<(), SecurityStatus> {
        if !self.flags.contains(ContextFlags::INTEGRITY) {
            return Err(SecurityStatus::QOP_NOT_SUPPORTED);
        }
        if self.flags.contains(ContextFlags::CONFIDENTIALITY_ONLY) {
            return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
        }
        Ok(())
    }

    /// What the pages of `EncryptMessage` and `DecryptMessage` say of a context with neither.
    fn require_any(&self) -> Result<(), SecurityStatus> {
        if self.allows(Kind::Sealed) || self.flags.contains(ContextFlags::INTEGRITY) {
            Ok(())
        } else {
            Err(SecurityStatus::QOP_NOT_SUPPORTED)
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

    /// The number of the next message, which is used up.
    fn next_number(&mut self) -> Result<u64, SecurityStatus> {
        let number = self.next;
        if number > self.formats.last_number() {
            return Err(SecurityStatus::CONTEXT_EXPIRED);
        }
        self.next += 1;
        Ok(number)
    }
}

/// One of the two who send. Its keys are derived for its first message: many a context is for authentication alone.
struct Sender {
    session_key: SessionKey,
    role: Role,
    keys: Option<Box<Keys>>,
}

impl Sender {
    fn new(session_key: &SessionKey, role: Role) -> Self {
        Self { session_key: session_key.clone(), role, keys: None }
    }

    fn keys(&mut self) -> &Keys {
        let Self { session_key, role, keys } = self;
        keys.get_or_insert_with(|| {
            let name = match role {
                Role::Acceptor => "acceptor",
                Role::Initiator => "initiator",
            };
            Box::new(Keys::derive(session_key, name))
        })
    }
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

    fn mac<'a>(&self, header: &Header, parts: impl Iterator<Item = &'a [u8]>) -> Hmac<Sha256> {
        let mut mac = self.signing.clone();
        mac.update(header);
        parts.for_each(|part| mac.update(part));
        mac
    }

    fn tag<'a>(&self, header: &Header, parts: impl Iterator<Item = &'a [u8]>) -> [u8; TAG] {
        let full = self.mac(header, parts).finalize().into_bytes();
        let mut tag = [0; TAG];
        tag.copy_from_slice(&full[..TAG]);
        tag
    }

    fn verify<'a>(
        &self,
        token: &Token,
        kind: Kind,
        parts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), SecurityStatus> {
        let mac = self.mac(&token.header(kind), parts);
        mac.verify_truncated_left(token.tag()).map_err(|_| SecurityStatus::MESSAGE_ALTERED)
    }

    fn seal(&self, header: &Header, parts: &mut [Part<'_>]) -> Result<[u8; TAG], SecurityStatus> {
        let associated = associated(parts);
        in_one_piece(parts, |data| {
            let tag = self.sealing.encrypt_inout_detached(&(*header).into(), &associated, data.into());
            tag.map(Into::into).map_err(|_| SecurityStatus::ENCRYPT_FAILURE)
        })
    }

    /// Decrypts. What is authentic and not accepted all the same is encrypted again.
    fn open<T>(
        &self,
        token: &Token,
        parts: &mut [Part<'_>],
        accepted: impl FnOnce(&[u8]) -> Result<T, SecurityStatus>,
    ) -> Result<T, SecurityStatus> {
        let associated = associated(parts);
        let tag = Tag::try_from(token.tag()).map_err(|_| SecurityStatus::INVALID_TOKEN)?;
        in_one_piece(parts, |data| {
            let nonce = token.header(Kind::Sealed).into();
            self.sealing
                .decrypt_inout_detached(&nonce, &associated, (&mut *data).into(), &tag)
                .map_err(|_| SecurityStatus::MESSAGE_ALTERED)?;
            let accepted = accepted(data);
            if accepted.is_err() {
                let again = self.sealing.encrypt_inout_detached(&nonce, &associated, data.into());
                again.map_err(|_| SecurityStatus::INTERNAL_ERROR)?;
            }
            accepted
        })
    }

    /// Encrypts where the token has no room for a branch, nor for the tag of Poly1305: the nonce is made of a MAC of
    /// the message itself, as in RFC 5297, so that only the same message with the same number encrypts alike. The MAC
    /// is the token's tag as well.
    fn seal_short(
        &self,
        header: &Header,
        number: u64,
        parts: &mut [Part<'_>],
    ) -> Result<[u8; TAG], SecurityStatus> {
        let associated = associated(parts);
        in_one_piece(parts, |data| {
            let tag = self
                .tag(header, [&(associated.len() as u64).to_le_bytes(), &associated[..], data].into_iter());
            self.apply_stream(number, &tag, data)?;
            Ok(tag)
        })
    }

    /// Decrypts what [`Self::seal_short`] encrypted. What is altered or not accepted is encrypted again.
    fn open_short<T>(
        &self,
        token: &Token,
        parts: &mut [Part<'_>],
        accepted: impl FnOnce(&[u8]) -> Result<T, SecurityStatus>,
    ) -> Result<T, SecurityStatus> {
        let associated = associated(parts);
        in_one_piece(parts, |data| {
            self.apply_stream(token.number, token.tag(), data)?;
            let length = (associated.len() as u64).to_le_bytes();
            let message = [&length, &associated[..], data].into_iter();
            let accepted = self.verify(token, Kind::Sealed, message).and_then(|()| accepted(data));
            if accepted.is_err() {
                self.apply_stream(token.number, token.tag(), data)?;
            }
            accepted
        })
    }

    /// `ChaCha20` alone, which decrypts as it encrypts, with a nonce of tag and number: what would be Poly1305's tag is
    /// left out.
    fn apply_stream(&self, number: u64, tag: &[u8], data: &mut [u8]) -> Result<(), SecurityStatus> {
        let mut nonce = Header::default();
        let (start, end) = nonce.split_at_mut(SHORT_TAG);
        start.copy_from_slice(&tag[..SHORT_TAG]);
        end.copy_from_slice(&number.to_le_bytes()[..SHORT_NUMBER]);
        let applied = self.sealing.encrypt_inout_detached(&nonce.into(), &[], data.into());
        applied.map(drop).map_err(|_| SecurityStatus::ENCRYPT_FAILURE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*, sample::Index};

    use super::*;
    use crate::context::{MESSAGE_TOKEN, message_token::LAST_NUMBER};

    const EVERYTHING: ContextFlags =
        ContextFlags::INTEGRITY.union(ContextFlags::CONFIDENTIALITY).union(ContextFlags::SEQUENCE_DETECT);

    fn key() -> SessionKey {
        let mut key = Zeroizing::new([0; 32]);
        (0..).zip(key.iter_mut()).for_each(|(number, byte)| *byte = number);
        SessionKey(key)
    }

    /// Initiator and acceptor.
    fn both(flags: ContextFlags) -> (Protection, Protection) {
        both_of(&PackageInfo::named("MSN"), flags)
    }

    fn both_of(package: &PackageInfo, flags: ContextFlags) -> (Protection, Protection) {
        let side = |role| Protection::new(&key(), role, flags, package);
        (side(Role::Initiator), side(Role::Acceptor))
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn signed(by: &mut Protection, text: &[u8]) -> Vec<u8> {
        let mut token = vec![0; 100];
        let length = by.sign(0, &[text], &mut token).unwrap();
        token.truncate(length);
        token
    }

    fn sealed(by: &mut Protection, qop: u32, text: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut data, mut token) = (text.to_vec(), vec![0; 100]);
        let length = by.encrypt(qop, &mut [Part::Data(&mut data)], &mut token).unwrap();
        token.truncate(length);
        (data, token)
    }

    fn opened(by: &mut Protection, data: &[u8], token: &[u8]) -> Result<(Vec<u8>, u32), SecurityStatus> {
        let mut data = data.to_vec();
        let qop = by.decrypt(&mut [Part::Data(&mut data)], token)?;
        Ok((data, qop))
    }

    /// S4
    ///
    /// The expected bytes come from an implementation of the documented format in Python: `hmac` and `hashlib` for the
    /// keys and signatures, and ChaCha20-Poly1305 written after RFC 8439 and checked against the example of its section
    /// 2.8.2. The session key is the bytes 0 to 31.
    #[test]
    fn tokens_are_those_of_an_independent_implementation() {
        let (mut initiator, acceptor) = both(EVERYTHING);
        let text = b"attack at dawn";
        let token = signed(&mut initiator, text);
        assert_eq!(hex(&token), "11000000000000000000000035bfad3fcdf8da998ab110f688fcbb4f");
        let (data, token) = sealed(&mut initiator, 0, text);
        assert_eq!(hex(&data), "04acc6a873fc7b585793408ef455");
        assert_eq!(hex(&token), "1200000000000001000000006cf79eab6c3a8e764b57c1190e35bafa");
        let (data, token) = sealed(&mut initiator, WRAP_NO_ENCRYPT, text);
        assert_eq!(data, text);
        assert_eq!(hex(&token), "1300000000000002000000006a3aa54f32fcea28bde7f83a6def13f5");

        let at = Position { next: 0x01_0203_0405, ..Position::default() };
        let mut acceptor = acceptor.branch(Branch([0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6]), at);
        let (mut data, mut token) = (*text, [0; MESSAGE_TOKEN]);
        let mut parts = [Part::Checked(b"head"), Part::Data(&mut data), Part::Checked(b"tail")];
        acceptor.encrypt(0, &mut parts, &mut token).unwrap();
        assert_eq!(hex(&data), "4299cb3acc9a993206b03cf72452");
        assert_eq!(hex(&token), "12a1b2c3d4e5f60504030201c0ca0f319e580aa582a99c5631732b77");
    }

    /// S4
    #[test]
    fn each_side_reads_what_the_other_sent_and_not_what_it_sent_itself() {
        let (mut initiator, mut acceptor) = both(EVERYTHING);
        for _ in 0..2 {
            let token = signed(&mut initiator, b"to the server");
            assert_eq!(initiator.verify(&[b"to the server"], &token), Err(SecurityStatus::MESSAGE_ALTERED));
            assert_eq!(acceptor.verify(&[b"to the server"], &token), Ok(0));
            for qop in [0, WRAP_NO_ENCRYPT] {
                let (data, token) = sealed(&mut acceptor, qop, b"to the client");
                assert_eq!(data == b"to the client", qop == WRAP_NO_ENCRYPT);
                assert_eq!(opened(&mut acceptor, &data, &token), Err(SecurityStatus::MESSAGE_ALTERED));
                assert_eq!(opened(&mut initiator, &data, &token), Ok((b"to the client".to_vec(), qop)));
            }
        }
    }

    /// S4, S5
    #[test]
    fn what_a_context_has_decides_what_it_can_do() {
        const INTEGRITY: ContextFlags = ContextFlags::INTEGRITY;
        const CONFIDENTIALITY: ContextFlags = ContextFlags::CONFIDENTIALITY;
        let no_quality = Err(SecurityStatus::QOP_NOT_SUPPORTED);
        let unsupported = Err(SecurityStatus::UNSUPPORTED_FUNCTION);
        let only = CONFIDENTIALITY | ContextFlags::CONFIDENTIALITY_ONLY;
        // What a context has; what comes of signing, encrypting, and signing by EncryptMessage.
        for (flags, sign, encrypt, wrap) in [
            (ContextFlags::empty(), no_quality, no_quality, no_quality),
            (INTEGRITY, Ok(28), unsupported, Ok(28)),
            (CONFIDENTIALITY, no_quality, Ok(28), unsupported),
            (INTEGRITY | CONFIDENTIALITY, Ok(28), Ok(28), Ok(28)),
            (only, no_quality, Ok(28), unsupported),
            (INTEGRITY | only, unsupported, Ok(28), unsupported),
        ] {
            let (mut initiator, mut acceptor) = both(flags);
            let mut token = [0; MESSAGE_TOKEN];
            assert_eq!(initiator.sign(0, &[b"text"], &mut token), sign, "{flags:?}");
            assert_eq!(acceptor.verify(&[b"text"], &token), sign.map(|_| 0), "{flags:?}");
            for (qop, expected) in [(0, encrypt), (WRAP_NO_ENCRYPT, wrap)] {
                let (mut data, mut token) = (*b"text", [0; MESSAGE_TOKEN]);
                let result = initiator.encrypt(qop, &mut [Part::Data(&mut data)], &mut token);
                assert_eq!(result, expected, "{flags:?}, {qop:#x}");
                if result.is_err() {
                    // The token of another kind of context.
                    (data, token) = (*b"text", [0; MESSAGE_TOKEN]);
                    let (mut able, _) = both(INTEGRITY | CONFIDENTIALITY);
                    able.encrypt(qop, &mut [Part::Data(&mut data)], &mut token).unwrap();
                }
                let expected = match expected {
                    Ok(_) => Ok((b"text".to_vec(), qop)),
                    Err(SecurityStatus::UNSUPPORTED_FUNCTION) => Err(SecurityStatus::INVALID_TOKEN),
                    Err(status) => Err(status),
                };
                assert_eq!(opened(&mut acceptor, &data, &token), expected, "{flags:?}, {qop:#x}");
            }
        }
    }

    /// S5
    #[test]
    fn what_is_no_message_is_refused_and_uses_up_no_number() {
        let (mut initiator, mut acceptor) = both(EVERYTHING);
        let mut token = [0; 2 * MESSAGE_TOKEN];
        for qop in [1, WRAP_NO_ENCRYPT, 0x4000_0000, u32::MAX] {
            assert_eq!(
                initiator.sign(qop, &[b"text"], &mut token),
                Err(SecurityStatus::QOP_NOT_SUPPORTED),
                "{qop:#x}"
            );
        }
        for qop in [1, 0x8000_0000, 0x4000_0000, u32::MAX] {
            let result = initiator.encrypt(qop, &mut [Part::Data(&mut [0; 4])], &mut token);
            assert_eq!(result, Err(SecurityStatus::QOP_NOT_SUPPORTED), "{qop:#x}");
        }
        assert_eq!(initiator.sign(0, &[], &mut token), Err(SecurityStatus::INVALID_TOKEN));
        assert_eq!(initiator.encrypt(0, &mut [], &mut token), Err(SecurityStatus::INVALID_TOKEN));
        assert_eq!(
            initiator.encrypt(0, &mut [Part::Checked(b"x")], &mut token),
            Err(SecurityStatus::INVALID_TOKEN)
        );
        for short in [0, 1, 27] {
            let room = &mut token[..short];
            assert_eq!(initiator.sign(0, &[b"text"], room), Err(SecurityStatus::BUFFER_TOO_SMALL));
            let mut data = *b"text";
            let result = initiator.encrypt(0, &mut [Part::Data(&mut data)], room);
            assert_eq!((result, &data), (Err(SecurityStatus::BUFFER_TOO_SMALL), b"text"));
        }
        assert_eq!(initiator.sign(0, &[b"text"], &mut token), Ok(28));
        assert_eq!(token[28..], [0; 28]);
        for length in [0, 1, 27, 29, 56] {
            assert_eq!(
                acceptor.verify(&[b"text"], &token[..length]),
                Err(SecurityStatus::INVALID_TOKEN),
                "{length}"
            );
        }
        assert_eq!(acceptor.verify(&[], &token[..28]), Err(SecurityStatus::INVALID_TOKEN));
        assert_eq!(opened(&mut acceptor, b"text", &token[..28]), Err(SecurityStatus::INVALID_TOKEN));
        assert_eq!(acceptor.verify(&[b"text"], &token[..28]), Ok(0), "the first message of all");
        for qop in [0, WRAP_NO_ENCRYPT] {
            let (data, token) = sealed(&mut initiator, qop, b"text");
            assert_eq!(acceptor.verify(&[&data], &token), Err(SecurityStatus::INVALID_TOKEN), "{qop:#x}");
            let mut checked = [Part::Checked(&data)];
            assert_eq!(
                acceptor.decrypt(&mut checked, &token),
                Err(SecurityStatus::INVALID_TOKEN),
                "{qop:#x}"
            );
            assert_eq!(opened(&mut acceptor, &data, &token), Ok((b"text".to_vec(), qop)));
        }
    }

    /// S4
    #[test]
    fn a_message_may_be_divided_anew_but_what_is_checked_stays_apart_from_what_is_encrypted() {
        enum Piece {
            C(&'static str),
            D(usize),
        }
        use Piece::{C, D};
        // "ab" and "cd" are checked, around four bytes of data; or not.
        for (pieces, expected) in [
            (&[C("ab"), D(4), C("cd")][..], Ok(0)),
            (&[C("a"), C("b"), D(4), C(""), C("cd")], Ok(0)),
            (&[C("ab"), D(1), D(0), D(3), C("cd")], Ok(0)),
            (&[D(0), C("ab"), D(2), D(2), C("c"), C("d"), D(0)], Ok(0)),
            (&[C("abcd"), D(4)], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[C("abc"), D(4), C("d")], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[D(4), C("abcd")], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[C("ab"), D(2), C("cd"), D(2)], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[C("ab"), D(4)], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[C("ab"), D(3), C("cd")], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[C("cd"), D(4), C("ab")], Err(SecurityStatus::MESSAGE_ALTERED)),
            (&[D(4)], Err(SecurityStatus::MESSAGE_ALTERED)),
        ] {
            let (mut initiator, mut acceptor) = both(EVERYTHING);
            let (mut data, mut token) = (*b"text", [0; MESSAGE_TOKEN]);
            let mut parts = [Part::Checked(b"ab"), Part::Data(&mut data), Part::Checked(b"cd")];
            initiator.encrypt(0, &mut parts, &mut token).unwrap();
            let ciphertext = data;
            let mut rest = &mut data[..];
            let mut parts = Vec::new();
            for piece in pieces {
                parts.push(match piece {
                    C(text) => Part::Checked(text.as_bytes()),
                    D(length) => Part::Data(rest.split_off_mut(..*length).unwrap()),
                });
            }
            assert_eq!(acceptor.decrypt(&mut parts, &token), expected, "{parts:?}");
            assert_eq!(&data, if expected.is_ok() { b"text" } else { &ciphertext });
        }
    }

    /// S4
    #[test]
    fn a_signature_is_of_the_whole_message_however_it_is_divided() {
        let (mut initiator, mut acceptor) = both(EVERYTHING);
        let mut token = [0; MESSAGE_TOKEN];
        initiator.sign(0, &[b"att", b"", b"ack"], &mut token).unwrap();
        assert_eq!(acceptor.verify(&[b"attick"], &token), Err(SecurityStatus::MESSAGE_ALTERED));
        assert_eq!(acceptor.verify(&[b"ack", b"att"], &token), Err(SecurityStatus::MESSAGE_ALTERED));
        assert_eq!(acceptor.verify(&[b"a", b"ttack"], &token), Ok(0));
    }

    /// S4
    #[test]
    fn a_context_ends_before_a_number_comes_twice() {
        let (initiator, acceptor) = both(EVERYTHING);
        let last = Position { next: LAST_NUMBER, received: Received { next: LAST_NUMBER, seen: u64::MAX } };
        let mut initiator = initiator.branch(Branch::default(), last);
        let mut acceptor = acceptor.branch(Branch::default(), last);
        let (data, token) = sealed(&mut initiator, 0, b"text");
        assert_eq!(opened(&mut acceptor, &data, &token), Ok((b"text".to_vec(), 0)));
        assert_eq!(opened(&mut acceptor, &data, &token), Err(SecurityStatus::OUT_OF_SEQUENCE));
        let (mut data, mut token) = (*b"text", [0; MESSAGE_TOKEN]);
        for _ in 0..2 {
            let result = initiator.encrypt(0, &mut [Part::Data(&mut data)], &mut token);
            assert_eq!((result, &data), (Err(SecurityStatus::CONTEXT_EXPIRED), b"text"));
            assert_eq!(initiator.sign(0, &[b"text"], &mut token), Err(SecurityStatus::CONTEXT_EXPIRED));
        }
    }

    /// S4
    #[test]
    fn copies_of_a_context_never_encrypt_alike() {
        let flags = ContextFlags::INTEGRITY | ContextFlags::CONFIDENTIALITY;
        let (_, mut acceptor) = both(flags);
        let copy = |branch| both(flags).0.branch(Branch([branch; 6]), Position::default());
        let mut ciphertexts =
            [copy(0), copy(1), copy(2)].map(|mut copy| sealed(&mut copy, 0, b"a longer text"));
        for (data, token) in &ciphertexts {
            assert_eq!(opened(&mut acceptor, data, token), Ok((b"a longer text".to_vec(), 0)));
        }
        ciphertexts.sort();
        assert!(ciphertexts.windows(2).all(|pair| pair[0].0 != pair[1].0));
    }

    /// S4: where a token has no room for a branch, too.
    #[test]
    fn copies_encrypt_alike_only_what_is_the_same_message() {
        let flags = ContextFlags::INTEGRITY | ContextFlags::CONFIDENTIALITY;
        for package in ["NTLM", "Kerberos", "MSN"] {
            let copy = |branch| {
                let (initiator, _) = both_of(&PackageInfo::named(package), flags);
                initiator.branch(Branch([branch; 6]), Position::default())
            };
            let zeros = [0; 32];
            let keystream = sealed(&mut copy(1), 0, &zeros).0;
            let other = sealed(&mut copy(2), 0, &[0x55; 32]).0;
            let shared = keystream.iter().zip(&other).filter(|(one, other)| **one ^ 0x55 == **other).count();
            assert!(shared < 16, "{package}: the same keystream encrypts both");
        }
    }

    /// Packages of every shape.
    fn packages() -> impl Strategy<Value = PackageInfo> {
        prop::sample::select(vec!["MSN", "NTLM", "Kerberos"]).prop_flat_map(|name| {
            let sizes = (prop_oneof![Just(None), (16..100u32).prop_map(Some)], 16..40u32);
            sizes.prop_map(move |(used, signature)| {
                let mut package = PackageInfo::named(name);
                if let Some(used) = used {
                    package.messages.trailer_used = used;
                    package.messages.signature = signature;
                }
                package
            })
        })
    }

    fn message() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
        let part = (any::<bool>(), collection::vec(any::<u8>(), 0..100));
        let parts = collection::vec(part, 0..4);
        (parts, collection::vec(any::<u8>(), 0..200)).prop_map(|(mut parts, data)| {
            parts.push((true, data));
            parts
        })
    }

    /// A message as the parts of a call.
    fn parts(message: &mut [(bool, Vec<u8>)]) -> Vec<Part<'_>> {
        let part = |(is_data, bytes)| if is_data { Part::Data(bytes) } else { Part::Checked(bytes) };
        message.iter_mut().map(|(is_data, bytes)| part((*is_data, bytes))).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 5 } else { 2_000 }))]

        /// S4
        #[test]
        fn any_changed_byte_is_noticed_and_changes_nothing(
            package in packages(),
            text in message(),
            wrap in any::<bool>(),
            at in any::<Index>(),
            change in 1..=u8::MAX,
        ) {
            let (mut initiator, mut acceptor) = both_of(&package, EVERYTHING);
            let qop = if wrap { WRAP_NO_ENCRYPT } else { 0 };
            let (mut sent, mut token) = (text.clone(), [0; 100]);
            let used = initiator.encrypt(qop, &mut parts(&mut sent), &mut token).unwrap();
            prop_assert_eq!(used, package.messages.trailer_used as usize);
            let token = &token[..used];
            for ((is_data, before), (_, after)) in text.iter().zip(&sent) {
                prop_assert!(before == after || *is_data && !wrap);
            }

            let (mut altered, mut altered_token) = (sent.clone(), token.to_vec());
            let bytes = altered.iter_mut().flat_map(|(_, bytes)| bytes).chain(&mut altered_token);
            let mut bytes: Vec<_> = bytes.collect();
            let at = at.index(bytes.len());
            let in_kind = (bytes.len() - used..bytes.len() - used + 4).contains(&at);
            *bytes[at] ^= change;
            let arrived = altered.clone();
            let result = acceptor.decrypt(&mut parts(&mut altered), &altered_token);
            // Most values of the bytes for the token's version and kind stand for none.
            let no_kind = in_kind && result == Err(SecurityStatus::INVALID_TOKEN);
            prop_assert!(no_kind || result == Err(SecurityStatus::MESSAGE_ALTERED));
            prop_assert_eq!(altered, arrived);

            prop_assert_eq!(acceptor.decrypt(&mut parts(&mut sent.clone()), token), Ok(qop));
            let again = &mut sent.clone();
            prop_assert_eq!(acceptor.decrypt(&mut parts(again), token), Err(SecurityStatus::OUT_OF_SEQUENCE));
            prop_assert_eq!(again, &sent, "a replay is left as it came");
        }

        /// S4
        #[test]
        fn messages_come_as_they_were_sent_unless_lost_repeated_or_reordered(
            package in packages(),
            flags in prop::sample::subsequence(
                vec![ContextFlags::REPLAY_DETECT, ContextFlags::SEQUENCE_DETECT], 0..=2,
            ),
            kinds in collection::vec(0..3u8, 1..20),
            order in collection::vec(any::<Index>(), 0..40),
        ) {
            let flags = flags.into_iter().collect::<ContextFlags>();
            let has = ContextFlags::INTEGRITY | ContextFlags::CONFIDENTIALITY | flags;
            let (mut initiator, mut acceptor) = both_of(&package, has);
            let sent: Vec<_> = (0u8..).zip(&kinds).map(|(number, kind)| match kind {
                0 => (vec![number; 9], signed(&mut initiator, &[number; 9])),
                1 => sealed(&mut initiator, 0, &[number; 9]),
                _ => sealed(&mut initiator, WRAP_NO_ENCRYPT, &[number; 9]),
            }).collect();
            let mut model = Received::default();
            for index in order.into_iter().map(|index| index.index(sent.len())) {
                let (data, token) = &sent[index];
                let result = if kinds[index] == 0 {
                    acceptor.verify(&[data], token).map(|qop| (data.clone(), qop))
                } else {
                    opened(&mut acceptor, data, token)
                };
                let number = u8::try_from(index).unwrap();
                let qop = if kinds[index] == 2 { WRAP_NO_ENCRYPT } else { 0 };
                let expected = model.accept(index as u64, flags).map(|()| (vec![number; 9], qop));
                prop_assert_eq!(result, expected);
            }
        }
    }
}
