//! The parts of a message: what of it is data and what is only authenticated, and how it is padded.

use std::mem;

use zeroize::Zeroizing;

use super::Part;
use crate::SecurityStatus;

impl Part<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Checked(bytes) => bytes,
            Self::Data(bytes) | Self::Padding(bytes) | Self::Stream(bytes) => bytes,
        }
    }

    fn is_data(&self) -> bool {
        !matches!(self, Self::Checked(_))
    }

    /// The data in it, unless there is none.
    fn data_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Data(bytes) | Self::Padding(bytes) | Self::Stream(bytes) if !bytes.is_empty() => {
                Some(bytes)
            }
            _ => None,
        }
    }

    /// Leaves only its first bytes in it.
    fn shorten(&mut self, length: usize) {
        if let Self::Data(bytes) | Self::Padding(bytes) | Self::Stream(bytes) = self {
            *bytes = &mut mem::take(bytes)[..length];
        }
    }
}

/// Refuses a message without data.
///
/// # Errors
/// [`SecurityStatus::INVALID_TOKEN`]
pub(super) fn require_data(parts: &[Part<'_>]) -> Result<(), SecurityStatus> {
    let has_data = parts.iter().any(|part| matches!(part, Part::Data(_) | Part::Stream(_)));
    if has_data { Ok(()) } else { Err(SecurityStatus::INVALID_TOKEN) }
}

/// The data of a message, in pieces.
pub(super) fn data_of<'p>(parts: &'p [Part<'_>]) -> impl DoubleEndedIterator<Item = &'p [u8]> {
    parts.iter().filter(|part| part.is_data()).map(Part::bytes)
}

/// Reads the token, which has this length, at the beginning of a message in one piece, and leaves the rest there; `None`
/// for a message in several pieces.
///
/// # Errors
/// What reading it gives; [`SecurityStatus::INVALID_TOKEN`] for less than a token.
pub(super) fn token_of_stream<T>(
    parts: &mut [Part<'_>],
    length: usize,
    read: impl FnOnce(&[u8]) -> Result<T, SecurityStatus>,
) -> Result<Option<T>, SecurityStatus> {
    for part in parts {
        if let Part::Stream(stream) = part {
            let (token, _) = stream.split_at_checked(length).ok_or(SecurityStatus::INVALID_TOKEN)?;
            let token = read(token)?;
            *stream = &mut mem::take(stream)[length..];
            return Ok(Some(token));
        }
    }
    Ok(None)
}

/// Where nothing is padded, what is in a place for padding is none of the message.
pub(super) fn forget_padding(parts: &mut [Part<'_>], block: usize) {
    let places = parts.iter_mut().filter(|part| block <= 1 && matches!(part, Part::Padding(_)));
    places.for_each(|place| place.shorten(0));
}

/// The padding that a message gets.
pub(super) struct Pad(u8);

/// How many bytes a message is padded with, to a multiple of the block: as many as the last of them says, from 1 to a
/// whole block. One of a single byte pads nothing.
///
/// # Errors
/// [`SecurityStatus::INVALID_TOKEN`] without a place for it behind the data, [`SecurityStatus::BUFFER_TOO_SMALL`] for
/// one that is too small.
pub(super) fn padded(parts: &[Part<'_>], block: usize) -> Result<Pad, SecurityStatus> {
    if block <= 1 {
        return Ok(Pad(0));
    }
    let message = |part: &&Part<'_>| matches!(part, Part::Data(_) | Part::Stream(_));
    let length: usize = parts.iter().filter(message).map(|part| part.bytes().len()).sum();
    let count = block - length % block;
    let room = match parts.iter().rfind(|part| part.is_data()) {
        Some(Part::Padding(room)) => room.len(),
        _ => return Err(SecurityStatus::INVALID_TOKEN),
    };
    if room < count {
        return Err(SecurityStatus::BUFFER_TOO_SMALL);
    }
    u8::try_from(count).map(Pad).map_err(|_| SecurityStatus::INTERNAL_ERROR)
}

impl Pad {
    /// Pads the message. What has room for more is left with as much as was needed.
    pub(super) fn apply(self, parts: &mut [Part<'_>]) {
        let mut count = usize::from(self.0);
        for part in parts.iter_mut().rev() {
            if let Part::Padding(room) = part {
                let length = mem::take(&mut count);
                room[..length].fill(self.0);
                part.shorten(length);
            }
        }
    }
}

/// How much of a message is padding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cut(usize);

/// Looks for the padding at the end of authentic data.
///
/// # Errors
/// [`SecurityStatus::MESSAGE_ALTERED`] for what no side with this block pads.
pub(super) fn unpadded<'d>(
    data: impl DoubleEndedIterator<Item = &'d [u8]>,
    block: usize,
) -> Result<Cut, SecurityStatus> {
    if block <= 1 {
        return Ok(Cut(0));
    }
    let mut backwards = data.rev().flat_map(|piece| piece.iter().rev()).copied();
    let count = backwards.next().unwrap_or(0);
    let others = usize::from(count).saturating_sub(1);
    let is_padding = (1..=block).contains(&usize::from(count))
        && backwards.by_ref().take(others).filter(|&byte| byte == count).count() == others;
    if is_padding { Ok(Cut(count.into())) } else { Err(SecurityStatus::MESSAGE_ALTERED) }
}

impl Cut {
    /// Leaves the message alone in its parts.
    pub(super) fn apply(self, parts: &mut [Part<'_>]) {
        let mut left = self.0;
        for part in parts.iter_mut().rev().filter(|part| part.is_data()) {
            let length = part.bytes().len();
            let cut = left.min(length);
            part.shorten(length - cut);
            left -= cut;
        }
    }
}

/// What is authenticated and not encrypted: nothing for a message that is all data. Else, for each run of parts of one
/// kind, its length, with the highest bit set for data, and the bytes of those that are checked only.
pub(super) fn associated(parts: &[Part<'_>]) -> Vec<u8> {
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
pub(super) fn in_one_piece<T>(
    parts: &mut [Part<'_>],
    body: impl FnOnce(&mut [u8]) -> Result<T, SecurityStatus>,
) -> Result<T, SecurityStatus> {
    let mut pieces = parts.iter_mut().filter_map(Part::data_mut);
    match (pieces.next(), pieces.next()) {
        (None, _) => body(&mut []),
        (Some(only), None) => body(only),
        (Some(_), Some(_)) => gathered(parts, body),
    }
}

fn gathered<T>(
    parts: &mut [Part<'_>],
    body: impl FnOnce(&mut [u8]) -> Result<T, SecurityStatus>,
) -> Result<T, SecurityStatus> {
    // Reserved in full, so that no growth leaves a copy behind.
    let mut whole = Zeroizing::new(Vec::with_capacity(data_of(parts).map(<[u8]>::len).sum()));
    data_of(parts).for_each(|piece| whole.extend_from_slice(piece));
    let result = body(&mut whole)?;
    let mut rest = &whole[..];
    for piece in parts.iter_mut().filter_map(Part::data_mut) {
        let (done, after) = rest.split_at(piece.len());
        piece.copy_from_slice(done);
        rest = after;
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::{
        PackageInfo,
        context::{ContextFlags, Role, SessionKey, WRAP_NO_ENCRYPT, protection::Protection},
    };

    /// Initiator and acceptor of a package with blocks of this size.
    fn both(name: &str, block: u32) -> [Protection; 2] {
        let mut package = PackageInfo::named(name);
        package.messages.block = block;
        let flags = ContextFlags::INTEGRITY | ContextFlags::CONFIDENTIALITY;
        let key = SessionKey(Zeroizing::new([7; 32]));
        [Role::Initiator, Role::Acceptor].map(|role| Protection::new(&key, role, flags, &package))
    }

    /// P9: whatever the message's length, in pieces and in one.
    #[test]
    fn what_is_padded_comes_as_it_was() {
        for name in ["MSN", "NTLM", "Kerberos"] {
            for block in [1, 8, 16, 255] {
                let [mut initiator, mut acceptor] = both(name, block);
                for length in [0, 1, 7, 8, 9, 500] {
                    for qop in [0, WRAP_NO_ENCRYPT] {
                        let text: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
                        let (mut data, mut token, mut room) = (text.clone(), [0; 60], [0xEE; 255]);
                        let mut parts = [Part::Data(&mut data), Part::Padding(&mut room)];
                        let used = initiator.encrypt(qop, &mut parts, &mut token).unwrap();
                        let padded = parts[1].bytes().len();
                        if block == 1 {
                            assert_eq!(padded, 0);
                        } else {
                            assert_eq!((length + padded) % block as usize, 0);
                            assert!((1..=block as usize).contains(&padded));
                        }
                        assert!(room[padded..].iter().all(|&byte| byte == 0xEE));

                        let padding = &mut room[..padded];
                        let whole = [&token[..used], &data, padding].concat();
                        let mut in_two = [Part::Data(&mut data), Part::Padding(padding)];
                        assert_eq!(acceptor.decrypt(&mut in_two, &token[..used]), Ok(qop));
                        assert_eq!(in_two.map(|part| part.bytes().len()), [length, 0]);
                        assert_eq!(data, text);

                        let mut stream = whole.clone();
                        let mut in_one = [Part::Stream(&mut stream)];
                        assert_eq!(acceptor.decrypt(&mut in_one, &[]), Ok(qop));
                        assert_eq!(in_one[0].bytes(), text);

                        let mut behind = whole[used..].to_vec();
                        let mut behind = [Part::Data(&mut behind)];
                        assert_eq!(acceptor.decrypt(&mut behind, &token[..used]), Ok(qop));
                        assert_eq!(behind[0].bytes(), text);
                    }
                }
            }
        }
    }

    /// P9, S5
    #[test]
    fn a_package_that_pads_needs_a_place_for_it_behind_the_data() {
        let [mut initiator, _] = both("Kerberos", 8);
        let (mut data, mut token, mut room) = (*b"text", [0; 60], [0; 8]);
        let mut encrypt = |parts: &mut [Part<'_>]| initiator.encrypt(0, parts, &mut token);
        assert_eq!(encrypt(&mut [Part::Data(&mut data)]), Err(SecurityStatus::INVALID_TOKEN));
        let before = &mut [Part::Padding(&mut room), Part::Data(&mut data)];
        assert_eq!(encrypt(before), Err(SecurityStatus::INVALID_TOKEN));
        let small = &mut [Part::Data(&mut data), Part::Padding(&mut room[..3])];
        assert_eq!(encrypt(small), Err(SecurityStatus::BUFFER_TOO_SMALL));
        assert_eq!(&data, b"text");
        let right = &mut [Part::Data(&mut data), Part::Padding(&mut room[..4])];
        assert_eq!(encrypt(right), Ok(60));
        assert_ne!(&data, b"text");
    }

    /// P9: the peer pads otherwise, which only a program with the keys can do.
    #[test]
    fn authentic_data_that_is_padded_wrongly_is_left_as_it_came() {
        let [mut initiator, _] = both("MSN", 1);
        let [_, mut acceptor] = both("MSN", 8);
        for text in [&b"no padding at all"[..], b"too many\x09", b"two\x03\x02\x03", b"\x02", b""] {
            for qop in [0, WRAP_NO_ENCRYPT] {
                let (mut data, mut token) = (text.to_vec(), [0; 28]);
                initiator.encrypt(qop, &mut [Part::Data(&mut data)], &mut token).unwrap();
                let arrived = data.clone();
                let result = acceptor.decrypt(&mut [Part::Data(&mut data)], &token);
                assert_eq!((result, data), (Err(SecurityStatus::MESSAGE_ALTERED), arrived));
            }
        }
    }

    /// S5: less than a token.
    #[test]
    fn a_stream_without_a_message_is_refused() {
        let [_, mut acceptor] = both("Kerberos", 1);
        for length in [0, 1, 59] {
            let result = acceptor.decrypt(&mut [Part::Stream(&mut vec![5; length])], &[]);
            assert_eq!(result, Err(SecurityStatus::INVALID_TOKEN), "{length}");
        }
    }
}
