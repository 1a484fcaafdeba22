//! The tokens that protect messages, each in the shape of its package: signatures, and the trailers of encrypted
//! messages. `docs/messages.md` has the bytes.

use std::slice;

use super::{MESSAGE_TOKEN, Role};
use crate::{Name, PackageInfo, SecurityStatus};

/// The kind of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Signed by `MakeSignature`.
    Signature = 1,
    /// Encrypted by `EncryptMessage`.
    Sealed = 2,
    /// Signed by `EncryptMessage`, with [`WRAP_NO_ENCRYPT`](super::WRAP_NO_ENCRYPT).
    Wrapped = 3,
}

/// Which of several copies of one side of a context made a message.
///
/// An exported context and its original, or two imports of one export, have the same keys and may go on from the same
/// sequence number. Each import draws its branch at random, so that no two of them encrypt under one nonce.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Branch(pub(crate) [u8; BRANCH]);

/// What a tag authenticates first, whatever the shape of its token: kind and version, branch, number.
pub(super) type Header = [u8; HEADER];

pub(super) fn header(kind: Kind, Branch(branch): Branch, number: u64) -> Header {
    let mut header = [0; HEADER];
    header[0] = VERSION << 4 | kind as u8;
    header[1..=BRANCH].copy_from_slice(&branch);
    header[1 + BRANCH..].copy_from_slice(&number.to_le_bytes()[..NUMBER]);
    header
}

/// What a package's tokens look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// RFC 4121: 16 bytes of header, then the mock's.
    Kerberos,
    /// MS-NLMP: version, checksum, number. The token says nothing of its kind, and has no room for a branch.
    Ntlm,
    /// The mock's own: the header, then the tag.
    Own,
}

/// The shape of one function's tokens, and their length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Format {
    pub(super) shape: Shape,
    pub(super) length: usize,
}

/// The tokens of a package.
#[derive(Clone, Copy, Debug)]
pub(super) struct Formats {
    pub(super) signature: Format,
    pub(super) trailer: Format,
    /// Messages are encrypted in multiples of so many bytes.
    pub(super) block: usize,
}

impl Formats {
    pub(super) fn of(package: &PackageInfo) -> Self {
        let format = |length: u32, kerberos: usize| {
            let length = length.max(SHORTEST) as usize;
            let shape = if length < MESSAGE_TOKEN {
                Shape::Ntlm
            } else if length >= kerberos && package.name == Name::from("Kerberos") {
                Shape::Kerberos
            } else {
                Shape::Own
            };
            Format { shape, length }
        };
        let sizes = package.messages;
        Self {
            signature: format(sizes.signature, RFC_HEADER + MIC),
            trailer: format(sizes.trailer_used, RFC_HEADER + BRANCH + TAG),
            block: sizes.block.clamp(1, LONGEST_BLOCK) as usize,
        }
    }

    /// The last number that both formats can express: none is ever used twice.
    pub(super) fn last_number(&self) -> u64 {
        let is_short = [self.signature, self.trailer].iter().any(|format| format.shape == Shape::Ntlm);
        if is_short { u32::MAX.into() } else { LAST_NUMBER }
    }
}

/// A token that was received.
pub(super) struct Token {
    /// `None` where the token doesn't say.
    pub(super) kind: Option<Kind>,
    pub(super) branch: Branch,
    pub(super) number: u64,
    tag: [u8; TAG],
    tag_length: usize,
}

impl Token {
    /// The tag, as long as its shape has room for it.
    pub(super) fn tag(&self) -> &[u8] {
        &self.tag[..self.tag_length]
    }

    /// What the tag is of, if the message is of this kind.
    pub(super) fn header(&self, kind: Kind) -> Header {
        header(kind, self.branch, self.number)
    }
}

impl Format {
    /// The bytes of a tag that a token of this kind has room for.
    pub(super) fn tag_length(self, kind: Kind) -> usize {
        match (self.shape, kind) {
            (Shape::Ntlm, _) => SHORT_TAG,
            (Shape::Kerberos, Kind::Signature) => MIC,
            (Shape::Kerberos | Shape::Own, _) => TAG,
        }
    }

    /// The branch that a token of this kind says.
    pub(super) fn branch(self, kind: Kind, branch: Branch) -> Branch {
        match (self.shape, kind) {
            (Shape::Ntlm, _) | (Shape::Kerberos, Kind::Signature) => Branch::default(),
            (Shape::Kerberos | Shape::Own, _) => branch,
        }
    }

    /// The beginning of the caller's buffer, as long as a token is.
    ///
    /// # Errors
    /// [`SecurityStatus::BUFFER_TOO_SMALL`]
    pub(super) fn room(self, token: &mut [u8]) -> Result<&mut [u8], SecurityStatus> {
        token.get_mut(..self.length).ok_or(SecurityStatus::BUFFER_TOO_SMALL)
    }

    /// Writes a token into the room for it: the message's header, and the tag of it and the message.
    pub(super) fn write(self, room: &mut [u8], sender: Role, kind: Kind, header: &Header, tag: &[u8]) {
        let (branch, number) = header[1..].split_at(BRANCH);
        let mut to = room.iter_mut();
        let mut put = |bytes: &[u8]| bytes.iter().zip(&mut to).for_each(|(byte, place)| *place = *byte);
        match self.shape {
            Shape::Own => {
                put(header);
                put(tag);
            }
            Shape::Ntlm => {
                put(&NTLM_VERSION);
                put(tag);
                put(&number[..SHORT_NUMBER]);
            }
            Shape::Kerberos => {
                put(&rfc_header(sender, kind));
                number.iter().rev().for_each(|byte| put(slice::from_ref(byte)));
                if kind != Kind::Signature {
                    put(branch);
                }
                put(tag);
            }
        }
        put_filler(to);
    }

    /// Reads a token, which the other side sent.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_TOKEN`] for another length, version or function;
    /// [`SecurityStatus::MESSAGE_ALTERED`] for bytes that are the same in each token and differ here.
    pub(super) fn parse(self, token: &[u8], sender: Role) -> Result<Token, SecurityStatus> {
        if token.len() != self.length {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let mut from = Reader(token);
        let token = match self.shape {
            Shape::Own => {
                let [first] = from.take();
                let kind = [Kind::Signature, Kind::Sealed, Kind::Wrapped]
                    .into_iter()
                    .find(|&kind| first == VERSION << 4 | kind as u8)
                    .ok_or(SecurityStatus::INVALID_TOKEN)?;
                let (branch, number) = (Branch(from.take()), from.number::<NUMBER>());
                from.token(Some(kind), branch, number, TAG)
            }
            Shape::Ntlm => {
                if from.take() != NTLM_VERSION {
                    return Err(SecurityStatus::INVALID_TOKEN);
                }
                let mut token = from.token(None, Branch::default(), 0, SHORT_TAG);
                token.number = from.number::<SHORT_NUMBER>();
                token
            }
            Shape::Kerberos => {
                let rfc: [u8; RFC_FIXED] = from.take();
                let kinds = [Kind::Signature, Kind::Sealed, Kind::Wrapped];
                let kind = kinds.into_iter().find(|&kind| rfc == rfc_header(sender, kind));
                let Some(kind) = kind else {
                    let is_known = kinds.iter().any(|&kind| rfc[..2] == rfc_header(sender, kind)[..2]);
                    return Err(if is_known {
                        SecurityStatus::MESSAGE_ALTERED
                    } else {
                        SecurityStatus::INVALID_TOKEN
                    });
                };
                let mut number: [u8; NUMBER] = from.take();
                number.reverse();
                let number = Reader(&number).number::<NUMBER>();
                let branch = if kind == Kind::Signature { Branch::default() } else { Branch(from.take()) };
                from.token(Some(kind), branch, number, self.tag_length(kind))
            }
        };
        if from.0.iter().copied().eq(filler().take(from.0.len())) {
            Ok(token)
        } else {
            Err(SecurityStatus::MESSAGE_ALTERED)
        }
    }
}

/// The first bytes of a Kerberos token, up to where its number has its 40 bits: token ID, flags, filler, and in what
/// `EncryptMessage` makes EC and RRC, which are those that MS-KILE names for AES.
fn rfc_header(sender: Role, kind: Kind) -> [u8; RFC_FIXED] {
    const SENT_BY_ACCEPTOR: u8 = 1;
    const SEALED: u8 = 2;
    let by = if sender == Role::Acceptor { SENT_BY_ACCEPTOR } else { 0 };
    match kind {
        Kind::Signature => [4, 4, by, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0],
        Kind::Sealed => [5, 4, by | SEALED, 0xFF, 0, 0, 0, 28, 0, 0, 0],
        Kind::Wrapped => [5, 4, by, 0xFF, 0, 12, 0, 12, 0, 0, 0],
    }
}

fn put_filler<'t>(rest: impl Iterator<Item = &'t mut u8>) {
    rest.zip(filler()).for_each(|(place, byte)| *place = byte);
}

/// What a token that is longer than its shape ends in.
fn filler() -> impl Iterator<Item = u8> {
    b"SSPCACHE mock ".iter().copied().cycle()
}

/// What is left of a token, which is known to be long enough.
struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let (head, rest) = self.0.split_at(self.0.len().min(N));
        taken[..head.len()].copy_from_slice(head);
        self.0 = rest;
        taken
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let mut number = [0; 8];
        number[..N].copy_from_slice(&self.take::<N>());
        u64::from_le_bytes(number)
    }

    fn token(&mut self, kind: Option<Kind>, branch: Branch, number: u64, tag_length: usize) -> Token {
        let (head, rest) = self.0.split_at(self.0.len().min(tag_length));
        let mut tag = [0; TAG];
        tag[..head.len()].copy_from_slice(head);
        self.0 = rest;
        Token { kind, branch, number, tag, tag_length }
    }
}

const VERSION: u8 = 1;
const BRANCH: usize = 6;
const NUMBER: usize = 5;
const HEADER: usize = 1 + BRANCH + NUMBER;
pub(super) const TAG: usize = MESSAGE_TOKEN - HEADER;
pub(super) const LAST_NUMBER: u64 = (1 << (8 * NUMBER)) - 1;

/// A version of 4 bytes, a checksum of 8 and a number of 4: `NTLMSSP_MESSAGE_SIGNATURE`.
const NTLM_VERSION: [u8; 4] = [1, 0, 0, 0];
pub(super) const SHORT_TAG: usize = 8;
pub(super) const SHORT_NUMBER: usize = 4;
/// The shortest token of all.
pub(crate) const SHORTEST: u32 = 16;
/// A byte says how much of a block is padding.
pub(crate) const LONGEST_BLOCK: u32 = 255;

const _: () = assert!(NTLM_VERSION.len() + SHORT_TAG + SHORT_NUMBER == SHORTEST as usize);

/// The header of RFC 4121 ends in a number of 64 bits, of which the mock uses 40.
const RFC_HEADER: usize = 16;
const RFC_FIXED: usize = RFC_HEADER - NUMBER;
/// The checksum of a Kerberos signature.
const MIC: usize = 12;

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::context::{
        ContextFlags, Part, SessionKey, WRAP_NO_ENCRYPT,
        protection::{Position, Protection},
    };

    const EVERYTHING: ContextFlags = ContextFlags::INTEGRITY.union(ContextFlags::CONFIDENTIALITY);
    const TEXT: &[u8; 14] = b"attack at dawn";

    fn side(package: &PackageInfo, role: Role, flags: ContextFlags) -> Protection {
        let mut key = Zeroizing::new([0; 32]);
        (0..).zip(key.iter_mut()).for_each(|(number, byte)| *byte = number);
        Protection::new(&SessionKey(key), role, flags, package)
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    /// P9, S4
    ///
    /// The expected bytes come from an implementation of the documented formats in Python, with `hmac`, `hashlib` and
    /// the package `cryptography`. The session key is the bytes 0 to 31; the trailer of 60 bytes ends in text.
    #[test]
    fn tokens_of_each_shape_are_those_of_an_independent_implementation() {
        const END: &str = "5353504341434845206d6f636b205353504341434845";
        let kerberos_sealed =
            ["050402ff0000001c00000000000000010000000000006cf79eab6c3a8e764b57c1190e35bafa", END].concat();
        let kerberos_wrapped =
            ["050400ff000c000c00000000000000020000000000006a3aa54f32fcea28bde7f83a6def13f5", END].concat();
        for (package, signature, [sealed, ciphertext], wrapped) in [
            (
                "NTLM",
                "0100000035bfad3fcdf8da9900000000",
                ["01000000a410962ae1e95a2e01000000", "aff5aed6eef93cbbd050cbef1951"],
                "010000006a3aa54f32fcea2802000000",
            ),
            (
                "Kerberos",
                "040400ffffffffff000000000000000035bfad3fcdf8da998ab110f6",
                [&*kerberos_sealed, "04acc6a873fc7b585793408ef455"],
                &kerberos_wrapped,
            ),
        ] {
            let mut initiator = side(&PackageInfo::named(package), Role::Initiator, EVERYTHING);
            let mut room = [0; 80];
            let length = initiator.sign(0, &[TEXT], &mut room).unwrap();
            assert_eq!(hex(&room[..length]), signature, "{package}");
            for (qop, token, data) in
                [(0, sealed, ciphertext), (WRAP_NO_ENCRYPT, wrapped, "61747461636b206174206461776e")]
            {
                let mut text = *TEXT;
                let length = initiator.encrypt(qop, &mut [Part::Data(&mut text)], &mut room).unwrap();
                assert_eq!((&*hex(&room[..length]), &*hex(&text)), (token, data), "{package}");
            }
        }
        for (package, number, token, ciphertext) in [
            (
                "NTLM",
                0x0203_0405,
                "010000006f81f3baddd6bb2a05040302".to_owned(),
                "7e3093806ee46cfa23d3f1b8a17d",
            ),
            (
                "Kerberos",
                0x01_0203_0405,
                ["050403ff0000001c0000000102030405a1b2c3d4e5f6c0ca0f319e580aa582a99c5631732b77", END]
                    .concat(),
                "4299cb3acc9a993206b03cf72452",
            ),
        ] {
            let at = Position { next: number, ..Position::default() };
            let mut acceptor = side(&PackageInfo::named(package), Role::Acceptor, EVERYTHING)
                .branch(Branch([0xA1, 0xB2, 0xC3, 0xD4, 0xE5, 0xF6]), at);
            let (mut data, mut room) = (*TEXT, [0; 80]);
            let mut parts = [Part::Checked(b"head"), Part::Data(&mut data), Part::Checked(b"tail")];
            let length = acceptor.encrypt(0, &mut parts, &mut room).unwrap();
            assert_eq!((hex(&room[..length]), &*hex(&data)), (token, ciphertext), "{package}");
        }
    }

    /// P9
    #[test]
    fn what_is_announced_is_enough_and_what_is_used_is_said() {
        for (package, announced, used, signature) in
            [("MSN", 28, 28, 28), ("DPA", 28, 28, 28), ("NTLM", 16, 16, 16), ("Kerberos", 76, 60, 28)]
        {
            let package = PackageInfo::named(package);
            let sizes = package.messages;
            assert_eq!((sizes.trailer, sizes.signature, sizes.block), (announced, signature, 1));
            let mut initiator = side(&package, Role::Initiator, EVERYTHING);
            let mut acceptor = side(&package, Role::Acceptor, EVERYTHING);
            for qop in [0, WRAP_NO_ENCRYPT] {
                let (mut data, mut token) = (*TEXT, [0xEE; 100]);
                for too_small in [0, used - 1] {
                    let result =
                        initiator.encrypt(qop, &mut [Part::Data(&mut data)], &mut token[..too_small]);
                    assert_eq!((result, &data), (Err(SecurityStatus::BUFFER_TOO_SMALL), TEXT));
                }
                let room = &mut token[..announced as usize];
                assert_eq!(initiator.encrypt(qop, &mut [Part::Data(&mut data)], room), Ok(used));
                assert!(token[used..].iter().all(|&byte| byte == 0xEE), "the rest is the caller's");
                for wrong in [&token[..used - 1], &token[..=used]] {
                    let result = acceptor.decrypt(&mut [Part::Data(&mut data)], wrong);
                    assert_eq!(result, Err(SecurityStatus::INVALID_TOKEN), "{}", wrong.len());
                }
                assert_eq!(acceptor.decrypt(&mut [Part::Data(&mut data)], &token[..used]), Ok(qop));
                assert_eq!(&data, TEXT);
            }
        }
    }

    /// S4: 32 bits of number, and then none comes twice.
    #[test]
    fn a_context_of_ntlm_ends_before_a_number_comes_twice() {
        let last = Position { next: u32::MAX.into(), ..Position::default() };
        let package = PackageInfo::named("NTLM");
        let mut initiator = side(&package, Role::Initiator, EVERYTHING).branch(Branch::default(), last);
        let mut token = [0; 16];
        assert_eq!(initiator.sign(0, &[TEXT], &mut token), Ok(16));
        assert_eq!(token[12..], [0xFF; 4]);
        assert_eq!(initiator.sign(0, &[TEXT], &mut token), Err(SecurityStatus::CONTEXT_EXPIRED));
    }

    /// S4: nothing in NTLM's token says which function made it.
    #[test]
    fn a_signature_of_ntlm_is_taken_for_an_altered_message() {
        let package = PackageInfo::named("NTLM");
        let mut initiator = side(&package, Role::Initiator, EVERYTHING);
        let mut acceptor = side(&package, Role::Acceptor, EVERYTHING);
        let mut token = [0; 16];
        initiator.sign(0, &[TEXT], &mut token).unwrap();
        let mut data = *TEXT;
        let result = acceptor.decrypt(&mut [Part::Data(&mut data)], &token);
        assert_eq!((result, &data), (Err(SecurityStatus::MESSAGE_ALTERED), TEXT));
        assert_eq!(acceptor.verify(&[TEXT], &token), Ok(0));
    }
}
