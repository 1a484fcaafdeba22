//! NTLM's three messages. Their fixed fields are real; the mock's message stands behind the last field of the first two,
//! and in `NtChallengeResponse` of the third, behind what a parser reads there.
//!
//! Reference: [MS-NLMP](https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-nlmp/), section 2.2.

use super::names::SOMEWHERE;
use crate::{
    FileTime, Name, Principal,
    context::{
        ContextFlags,
        token::{Digest, Nonce},
    },
    secret::append_units,
};

/// What a token of NTLM is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::context) enum Kind {
    Negotiate = 1,
    Challenge = 2,
    Authenticate = 3,
}

/// A token of NTLM, once read.
#[derive(Clone, Copy, Debug)]
pub(in crate::context) struct Read<'t> {
    pub(in crate::context) kind: Kind,
    /// The mock's.
    pub(in crate::context) message: &'t [u8],
    /// A challenge's pairs, without the one that ends them.
    pub(in crate::context) target_info: &'t [u8],
}

/// A `NEGOTIATE_MESSAGE`.
pub(in crate::context) fn negotiate(flags: ContextFlags, message: &[u8]) -> Vec<u8> {
    let mut to = Layout::<40>::new(Kind::Negotiate);
    to.number(12, of_context(flags) | OEM | OEM_WORKSTATION_SUPPLIED);
    // The domain, which a client doesn't have to supply.
    to.field(16, &[]);
    to.field(24, SOMEWHERE.as_bytes());
    to.version(32);
    to.with(message)
}

/// What a `CHALLENGE_MESSAGE` says in the clear.
pub(in crate::context) struct Challenge<'a> {
    pub(in crate::context) granted: ContextFlags,
    pub(in crate::context) nonce: &'a Nonce,
    pub(in crate::context) server: &'a Principal,
    pub(in crate::context) now: FileTime,
}

/// A `CHALLENGE_MESSAGE`.
pub(in crate::context) fn challenge(challenge: &Challenge<'_>, message: &[u8]) -> Vec<u8> {
    let domain = leaf(&challenge.server.domain);
    let computer = leaf(&challenge.server.user);
    let computer = computer.strip_suffix(&[u16::from(b'$')]).unwrap_or(&computer);
    // Names of hosts are ASCII.
    let lower = |units: &[u16]| Name::from_units(units).to_string().to_ascii_lowercase();
    let (dns_domain, host) = (lower(&domain), lower(computer));
    let dns_computer = format!("{host}.{dns_domain}");
    let mut info = Vec::new();
    pair(&mut info, 2, &units(&domain));
    pair(&mut info, 1, &units(computer));
    pair(&mut info, 4, &units(&utf16(&dns_domain)));
    pair(&mut info, 3, &units(&utf16(&dns_computer)));
    pair(&mut info, 7, &challenge.now.0.to_le_bytes());
    pair(&mut info, 0, &[]);
    let mut to = Layout::<56>::new(Kind::Challenge);
    to.field(12, &units(&domain));
    to.number(20, of_context(challenge.granted) | TARGET_TYPE_DOMAIN | TARGET_INFO);
    to.put(24, &challenge.nonce[..8]);
    to.field(40, &info);
    to.version(48);
    to.with(message)
}

/// What an `AUTHENTICATE_MESSAGE` says in the clear.
pub(in crate::context) struct Authenticate<'a> {
    pub(in crate::context) flags: ContextFlags,
    /// `None` for a null session.
    pub(in crate::context) client: Option<&'a Principal>,
    pub(in crate::context) target: Option<&'a Name>,
    /// The challenge's pairs.
    pub(in crate::context) target_info: &'a [u8],
    pub(in crate::context) bindings: Option<&'a Digest>,
    pub(in crate::context) nonce: &'a Nonce,
    pub(in crate::context) now: FileTime,
}

/// An `AUTHENTICATE_MESSAGE` whose last bytes are this message; `None` when it doesn't fit into one of its fields.
pub(in crate::context) fn authenticate(said: &Authenticate<'_>, message: &[u8]) -> Option<Vec<u8>> {
    let mut response = vec![0; PROOF];
    response.extend([1, 1, 0, 0, 0, 0, 0, 0]);
    response.extend(said.now.0.to_le_bytes());
    response.extend(&said.nonce[..8]);
    response.extend([0; 4]);
    response.extend(said.target_info);
    // There is a MIC.
    pair(&mut response, 6, &2_u32.to_le_bytes());
    pair(&mut response, 10, said.bindings.map_or(&[0; 16], |bindings| &bindings[..16]));
    pair(&mut response, 9, &units(&said.target.map(|target| cut(target.units())).unwrap_or_default()));
    pair(&mut response, 0, &[]);
    response.extend([0; 4]);
    response.extend(message);
    u16::try_from(response.len()).ok()?;
    let mut to = Layout::<88>::new(Kind::Authenticate);
    let (domain, user) = match said.client {
        Some(client) => (cut(client.domain.units()), cut(client.user.units())),
        None => (Vec::new(), Vec::new()),
    };
    let anonymous = if said.client.is_none() { ANONYMOUS } else { 0 };
    to.number(60, of_context(said.flags) | TARGET_INFO | anonymous);
    to.version(64);
    // The MIC, at 72, is filled in with the proof.
    to.field(28, &units(&domain));
    to.field(36, &units(&user));
    to.field(44, &units(&utf16(SOMEWHERE)));
    to.field(12, &[0; 24]);
    to.field(52, &said.nonce[..]);
    to.field(20, &response);
    Some(to.with(&[]))
}

/// Fills in the MIC of an `AUTHENTICATE_MESSAGE`, from the MAC at its end.
pub(in crate::context) fn prove(token: &mut [u8], mac: &Digest) {
    if let Some(place) = token.get_mut(MIC) {
        place.copy_from_slice(&mac[..16]);
    }
}

/// An `AUTHENTICATE_MESSAGE` as it was without its proof, when its MIC is that of the MAC at its end.
pub(in crate::context) fn unproved(token: &[u8]) -> Option<Vec<u8>> {
    let mac: &Digest = token.last_chunk()?;
    if token.get(MIC)? != &mac[..16] {
        return None;
    }
    let mut unproved = crate::context::token::unproved(token).to_vec();
    unproved.get_mut(MIC)?.fill(0);
    Some(unproved)
}

/// Reads any of the three.
pub(in crate::context) fn read(token: &[u8]) -> Option<Read<'_>> {
    if !is_named(token) {
        return None;
    }
    let from = Reader(token);
    let read = match from.number(8)? {
        1 => Read { kind: Kind::Negotiate, message: from.behind(40, &[16, 24])?, target_info: &[] },
        2 => {
            let info = from.field(40)?;
            let pairs = pairs_end(info)?;
            Read { kind: Kind::Challenge, message: from.behind(56, &[12, 40])?, target_info: &info[..pairs] }
        }
        3 => {
            let response = from.field(20)?;
            if from.behind(88, &[12, 20, 28, 36, 44, 52])? != [0; 0] {
                return None;
            }
            let pairs = response.get(PROOF + CLIENT_CHALLENGE..)?;
            let message = pairs.get(pairs_end(pairs)? + PAIR_HEAD + 4..)?;
            Read { kind: Kind::Authenticate, message, target_info: &[] }
        }
        _ => return None,
    };
    Some(read)
}

/// Whether a token says that it is one of NTLM's, readable or not.
pub(in crate::context) fn is_named(token: &[u8]) -> bool {
    token.starts_with(SIGNATURE)
}

/// A message while it is written: fixed fields, and what they point to.
struct Layout<const FIXED: usize>(Vec<u8>);

impl<const FIXED: usize> Layout<FIXED> {
    fn new(kind: Kind) -> Self {
        let mut bytes = vec![0; FIXED];
        bytes[..8].copy_from_slice(SIGNATURE);
        bytes[8] = kind as u8;
        Self(bytes)
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn number(&mut self, at: usize, number: u32) {
        self.put(at, &number.to_le_bytes());
    }

    /// Length twice, and offset, of what is written behind everything.
    fn field(&mut self, at: usize, bytes: &[u8]) {
        // All are short, but for a response, whose length was checked.
        let length = u16::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
        self.put(at, &length);
        self.put(at + 2, &length);
        self.number(at + 4, u32::try_from(self.0.len()).unwrap_or_default());
        self.0.extend_from_slice(bytes);
    }

    /// Windows 10 or Server 2022, revision 15 of NTLM.
    fn version(&mut self, at: usize) {
        self.put(at, &[10, 0, 0x7C, 0x4F, 0, 0, 0, 15]);
    }

    fn with(mut self, message: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(message);
        self.0
    }
}

/// A message while it is read.
struct Reader<'t>(&'t [u8]);

impl<'t> Reader<'t> {
    fn number(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    /// Where a field's bytes begin and end.
    fn place(&self, at: usize) -> Option<(usize, usize)> {
        let length = usize::from(u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?));
        let start = usize::try_from(self.number(at + 4)?).ok()?;
        Some((start, start.checked_add(length)?))
    }

    fn field(&self, at: usize) -> Option<&'t [u8]> {
        let (start, end) = self.place(at)?;
        self.0.get(start..end)
    }

    /// What stands behind the fixed part and all that these fields point to.
    fn behind(&self, fixed: usize, fields: &[usize]) -> Option<&'t [u8]> {
        let mut end = fixed;
        for &field in fields {
            end = end.max(self.place(field)?.1);
        }
        self.0.get(end..)
    }
}

/// Where the pairs end: the offset of the one that says so.
fn pairs_end(pairs: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let head: [u8; PAIR_HEAD] = *pairs.get(at..)?.first_chunk()?;
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        if head[..2] == [0, 0] {
            return (length == 0).then_some(at);
        }
        at = at.checked_add(PAIR_HEAD + length)?;
    }
}

fn pair(to: &mut Vec<u8>, id: u16, value: &[u8]) {
    to.extend(id.to_le_bytes());
    to.extend(u16::try_from(value.len()).unwrap_or_default().to_le_bytes());
    to.extend(value);
}

/// A name of the acceptor's, or what stands in its place.
fn leaf(name: &Name) -> Vec<u16> {
    if name.is_empty() { utf16(SOMEWHERE) } else { cut(name.units()) }
}

/// As much of a name as any that Windows knows has; the mock's message has all of it.
fn cut(name: &[u16]) -> Vec<u16> {
    const LONGEST: usize = 1024;
    name[..name.len().min(LONGEST)].to_vec()
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn units(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_units(&mut bytes, units);
    bytes
}

/// The flags of NTLM for those of a context.
fn of_context(flags: ContextFlags) -> u32 {
    let all = UNICODE | REQUEST_TARGET | NTLM | ALWAYS_SIGN | EXTENDED_SECURITY | VERSION | STRONG;
    let sign = if flags.contains(ContextFlags::INTEGRITY) { SIGN } else { 0 };
    let seal = if flags.contains(ContextFlags::CONFIDENTIALITY) { SEAL } else { 0 };
    all | sign | seal
}

const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Where the MIC is.
const MIC: std::ops::Range<usize> = 72..88;
/// The length of `NTProofStr`.
const PROOF: usize = 16;
/// The length of an `NTLMv2_CLIENT_CHALLENGE` before its pairs.
const CLIENT_CHALLENGE: usize = 28;
/// The length of a pair's number and length.
const PAIR_HEAD: usize = 4;

/// `NTLMSSP_NEGOTIATE_…` and others of section 2.2.2.5.
const UNICODE: u32 = 0x1;
const OEM: u32 = 0x2;
const REQUEST_TARGET: u32 = 0x4;
const SIGN: u32 = 0x10;
const SEAL: u32 = 0x20;
const NTLM: u32 = 0x200;
const ANONYMOUS: u32 = 0x800;
const OEM_WORKSTATION_SUPPLIED: u32 = 0x2000;
const ALWAYS_SIGN: u32 = 0x8000;
const TARGET_TYPE_DOMAIN: u32 = 0x1_0000;
const EXTENDED_SECURITY: u32 = 0x8_0000;
const TARGET_INFO: u32 = 0x80_0000;
const VERSION: u32 = 0x200_0000;
/// 128 bits, 56 bits, and an exchanged key.
const STRONG: u32 = 0xE000_0000;
