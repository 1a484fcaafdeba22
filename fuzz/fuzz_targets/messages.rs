//! Messages at the C ABI: what arrives as it was sent is read, however it is cut into buffers; what arrives otherwise is refused
//! and left as it came. The same goes for exported contexts.
#![no_main]

use std::ptr;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use sspcache_tests::{
    any_call::{CONFIG, World},
    context::{Contexts, Pair, Terms, buffer},
    dll::{Mock, Wide},
};
use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::Authentication::Identity::{
        ISC_REQ_CONFIDENTIALITY, ISC_REQ_INTEGRITY, SECBUFFER_DATA, SECBUFFER_READONLY_WITH_CHECKSUM,
        SECBUFFER_STREAM, SECBUFFER_TOKEN, SECQOP_WRAP_NO_ENCRYPT, SecBuffer,
    },
};

/// Packages with tokens of each shape, and the lengths of their signatures and trailers.
const PACKAGES: [(&str, usize, usize); 3] = [("NTLM", 16, 16), ("Kerberos", 28, 60), ("MSN", 28, 28)];
const CHECKED: u32 = SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM;

struct Ends {
    world: World<'static>,
    contexts: Contexts<'static, Wide>,
    /// One for each package, without detection of repeated messages: then nothing that is refused or taken changes what
    /// comes next.
    pairs: [Pair; 3],
    /// An exported context.
    packed: Vec<u8>,
}

thread_local! {
    static ENDS: Ends = {
        let mock: &Mock = sspcache_fuzz::mock(CONFIG);
        let contexts = mock.contexts::<Wide>();
        let flags = ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY;
        let terms = Terms { flags, ..Terms::default() };
        let pairs = PACKAGES.map(|(package, ..)| contexts.shake(package, &terms, &Terms::default()));
        let spare = contexts.shake("NTLM", &terms, &Terms::default());
        let packed = contexts.export(&spare.client, 0).expect("an established context can be exported");
        Ends { world: World::new(mock), contexts, pairs, packed }
    };
}

fuzz_target!(|input: &[u8]| -> Corpus {
    ENDS.with(|ends| {
        let mut input = Unstructured::new(input);
        let tried = match input.int_in_range(0..=7).unwrap_or(0) {
            0 => ends.import(&mut input),
            1 => ends.forge(&mut input),
            _ => ends.talk(&mut input),
        };
        if tried.is_ok() { Corpus::Keep } else { Corpus::Reject }
    })
});

/// How a message is protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    Encrypted,
    Signed,
    Wrapped,
}

/// One part of a message, in memory that ends where it does.
type Part = (u32, Box<[u8]>);

impl Ends {
    /// A message from one side to the other.
    fn talk(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let how = *input.choose(&[How::Encrypted, How::Signed, How::Wrapped])?;
        let at = input.choose_index(PACKAGES.len())?;
        let ((_, signature, trailer), pair) = (PACKAGES[at], self.pairs[at]);
        let (from, to) =
            if input.arbitrary()? { (pair.client, pair.server) } else { (pair.server, pair.client) };
        let length = if how == How::Signed { signature } else { trailer };
        let plain = parts(input)?;
        let mut sent = plain.clone();
        let mut token = vec![0xEE; length].into_boxed_slice();
        let mut buffers = vec![buffer(SECBUFFER_TOKEN, &mut token)];
        buffers.extend(sent.iter_mut().map(|(kind, bytes)| buffer(*kind, bytes)));
        let status = match how {
            How::Encrypted => self.contexts.encrypt(&from, 0, &mut buffers),
            How::Signed => self.contexts.sign(&from, 0, &mut buffers),
            How::Wrapped => self.contexts.encrypt(&from, SECQOP_WRAP_NO_ENCRYPT, &mut buffers),
        };
        let function = if how == How::Signed { "MakeSignature" } else { "EncryptMessage" };
        if !self.world.note(function, status) {
            assert_eq!(sent, plain, "{function} refuses and writes");
            return Ok(());
        }
        assert_eq!(buffers[0].cbBuffer as usize, length);
        drop(buffers);

        // In one piece, for what has data alone; else cut anew, or as it was.
        let data_alone = how != How::Signed && sent.iter().all(|(kind, _)| *kind == SECBUFFER_DATA);
        let stream = data_alone && input.ratio(1, 3)?;
        let cut = if stream || input.ratio(1, 2)? { sent.clone() } else { cut(&sent, input)? };
        let mut arrived: Vec<Part> = [(SECBUFFER_TOKEN, token)].into_iter().chain(cut).collect();
        let as_sent = joined(&arrived);
        alter(&mut arrived, input)?;
        let altered = joined(&arrived) != as_sent;
        if stream {
            arrived = vec![(SECBUFFER_STREAM, bytes(&arrived).into_boxed_slice())];
        }
        let before = arrived.clone();
        let mut buffers: Vec<SecBuffer> =
            arrived.iter_mut().map(|(kind, bytes)| buffer(*kind, bytes)).collect();
        if stream {
            buffers.push(SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_DATA, pvBuffer: ptr::null_mut() });
        }
        let (function, (status, _)) = if how == How::Signed {
            ("VerifySignature", self.contexts.verify(&to, &mut buffers))
        } else {
            ("DecryptMessage", self.contexts.decrypt(&to, &mut buffers))
        };
        drop(buffers);
        if self.world.note(function, status) {
            assert!(!altered, "{function} takes what was altered");
            let read = bytes(&arrived);
            assert!(read.ends_with(&bytes(&plain)), "{how:?}: something else is read");
        } else {
            assert!(altered, "{how:?} {stream}: {function} refuses what arrives as it was sent: {status:#x}");
            assert_eq!(arrived, before, "{function} refuses and writes");
        }
        Ok(())
    }

    /// A message that neither side sent.
    fn forge(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let mut token = vec![0; input.int_in_range(0..=80)?].into_boxed_slice();
        input.fill_buffer(&mut token)?;
        let mut arrived = parts(input)?;
        arrived.insert(0, (*input.choose(&[SECBUFFER_TOKEN, SECBUFFER_STREAM])?, token));
        let before = arrived.clone();
        let mut buffers: Vec<SecBuffer> =
            arrived.iter_mut().map(|(kind, bytes)| buffer(*kind, bytes)).collect();
        let server = self.pairs[input.choose_index(PACKAGES.len())?].server;
        let verify = input.arbitrary()?;
        let (function, (status, _)) = if verify {
            ("VerifySignature", self.contexts.verify(&server, &mut buffers))
        } else {
            ("DecryptMessage", self.contexts.decrypt(&server, &mut buffers))
        };
        assert!(!self.world.note(function, status), "{function} takes what nobody sent");
        assert_eq!(arrived, before, "{function} refuses and writes");
        Ok(())
    }

    /// An exported context, as it was or altered.
    fn import(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let mut packed = vec![(0, self.packed.clone().into_boxed_slice())];
        alter(&mut packed, input)?;
        let package = *input.choose(&["NTLM", "Kerberos", "Negotiate", ""])?;
        let [(_, bytes)] = &packed[..] else { return Ok(()) };
        let imported = self.contexts.import(package, bytes);
        self.world.note("ImportSecurityContext", imported.err().unwrap_or(SEC_E_OK));
        if let Ok(context) = imported {
            assert_eq!(**bytes, *self.packed, "an altered context is imported");
            assert_eq!(self.contexts.delete(&raw const context), SEC_E_OK);
        }
        Ok(())
    }
}

/// Parts of a message: data, and what is only checked.
fn parts(input: &mut Unstructured<'_>) -> Result<Vec<Part>> {
    let count = input.int_in_range(1..=3)?;
    (0..count)
        .map(|_| {
            let kind = if input.ratio(1, 4)? { CHECKED } else { SECBUFFER_DATA };
            let length = input.int_in_range(0..=80)?;
            let mut bytes = vec![0; length];
            input.fill_buffer(&mut bytes)?;
            Ok((kind, bytes.into_boxed_slice()))
        })
        .collect()
}

/// The same bytes in other buffers: each part is cut in two.
fn cut(parts: &[Part], input: &mut Unstructured<'_>) -> Result<Vec<Part>> {
    let mut all = Vec::new();
    for (kind, bytes) in parts {
        let (first, second) = bytes.split_at(input.choose_index(bytes.len() + 1)?);
        all.extend([(*kind, first.into()), (*kind, second.into())]);
    }
    Ok(all)
}

/// Leaves parts as they are, or changes, adds or takes a byte somewhere.
fn alter(parts: &mut [Part], input: &mut Unstructured<'_>) -> Result<()> {
    let (_, part) = &mut parts[input.choose_index(parts.len())?];
    let mut bytes = part.to_vec();
    match input.int_in_range(0..=5)? {
        0 if !bytes.is_empty() => {
            let at = input.choose_index(bytes.len())?;
            bytes[at] ^= input.arbitrary::<u8>()?;
        }
        1 => bytes.truncate(input.choose_index(bytes.len() + 1)?),
        2 => {
            let at = input.choose_index(bytes.len() + 1)?;
            bytes.insert(at, input.arbitrary()?);
        }
        _ => {}
    }
    *part = bytes.into_boxed_slice();
    Ok(())
}

/// What counts of parts: the bytes of each run of one kind. Empty parts are none.
fn joined(parts: &[Part]) -> Vec<(u32, Vec<u8>)> {
    let mut runs: Vec<(u32, Vec<u8>)> = Vec::new();
    for (kind, bytes) in parts.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        match runs.last_mut() {
            Some((last, run)) if last == kind => run.extend_from_slice(bytes),
            _ => runs.push((*kind, bytes.to_vec())),
        }
    }
    runs
}

fn bytes(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
}
