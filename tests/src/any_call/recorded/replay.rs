//! A recording's calls, made again. What came from elsewhere when they were recorded, tokens and messages of the other side, comes from
//! another context of the mock's, so that a handshake that went on then goes on now.

use std::{collections::BTreeMap, ptr, slice};

use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::Authentication::Identity::{
        ASC_REQ_EXTENDED_ERROR, ISC_REQ_ALLOCATE_MEMORY, SECBUFFER_DATA, SECBUFFER_STREAM, SECBUFFER_TOKEN,
        SECPKG_ATTR_SIZES, SECPKG_CRED_INBOUND, SecBuffer,
    },
};

use super::{
    super::{World, contexts::is_told},
    Call, Descriptor, Handed, PACKAGES, Recording, Value,
    functions::Kind,
    memory::{Given, LONGEST, Memory},
};
use crate::{
    context::{ROOM, Terms, buffer},
    dll::{Ask, Handle, WIDEST, Widest},
};

/// A descriptor's buffers without the attributes in the upper bits of their kinds.
const KIND: u32 = 0x0FFF_FFFF;

impl World<'_> {
    /// Makes the calls of a recording, and gives everything back that is left then: what each answered.
    ///
    /// # Panics
    /// When a call answers what is not documented of it.
    pub fn replay(&self, recording: &Recording) -> Vec<i32> {
        let has_both_ends = recording.calls.iter().any(|call| call.function.name == "AcceptSecurityContext");
        let mut replay = Replay {
            world: self,
            has_both_ends,
            handles: BTreeMap::new(),
            packages: BTreeMap::new(),
            talks: BTreeMap::new(),
            wire: Vec::new(),
            message: Default::default(),
            packed: Vec::new(),
            held: Vec::new(),
        };
        let answers = recording.calls.iter().map(|call| replay.call(call)).collect();
        replay.end();
        answers
    }
}

struct Replay<'w> {
    world: &'w World<'w>,
    /// Whether what one side sends is received in the recording, too.
    has_both_ends: bool,
    /// The handles that were given, by their numbers, and whether each is a context.
    handles: BTreeMap<u8, (Handle, bool)>,
    /// The packages of credentials, by the handles' numbers.
    packages: BTreeMap<u8, String>,
    talks: BTreeMap<u8, Talk>,
    /// The last token that was sent, and the last message: its token, and its text.
    wire: Vec<u8>,
    message: [Vec<u8>; 2],
    /// The last context that was exported.
    packed: Vec<u8>,
    /// Addresses that may be the mock's to free; it refuses the others.
    held: Vec<usize>,
}

/// An initiator's context, and its other side.
struct Talk {
    package: String,
    sent: Vec<u8>,
    credential: Option<Handle>,
    peer: Option<Handle>,
}

impl Talk {
    /// Gives the other side what was sent: its answer.
    fn deliver(&mut self, world: &World<'_>) -> Vec<u8> {
        if self.credential.is_none() {
            let ask = Ask {
                principal: None,
                package: Some(&self.package),
                credential_use: SECPKG_CRED_INBOUND,
                auth_data: ptr::null(),
            };
            self.credential = world.wide.sspi.handle(ask).ok();
        }
        let terms = Terms { room: 1 << 16, flags: ASC_REQ_EXTENDED_ERROR, ..Terms::default() };
        let sent = std::mem::take(&mut self.sent);
        let answer = world.wide.contexts.accept(self.credential.as_ref(), self.peer, Some(&sent), &terms);
        if answer.status >= 0 {
            self.peer = Some(answer.context);
        } else if answer.token.iter().all(|&byte| byte == ROOM) {
            return Vec::new();
        }
        answer.token
    }
}

/// A call that is about to be made.
#[derive(Default)]
struct Made {
    memory: Memory,
    words: Vec<usize>,
    buffers: BTreeMap<&'static str, Given>,
    places: Vec<usize>,
}

impl Replay<'_> {
    fn call(&mut self, call: &Call) -> i32 {
        let mut made = Made::default();
        for (index, value) in call.values.iter().enumerate() {
            let word = self.word(call, index, value, &mut made);
            made.words.push(word);
        }
        let function: Widest = self.world.mock.expect(&call.function.export(call.wide));
        let call_with = |given: &[usize]| {
            let mut words = [0; WIDEST];
            words[..given.len()].copy_from_slice(given);
            function.call(words)
        };
        let mut status = call_with(&made.words);
        if call.function.name == "FreeContextBuffer" && call.values == [Value::At] {
            // The oldest of what the mock has handed out: of what looks like an address, it knows which is one.
            while status != SEC_E_OK && !self.held.is_empty() {
                self.held.remove(0);
                made.words[0] = self.held.first().copied().unwrap_or(0x1_0000);
                status = call_with(&made.words);
            }
        }
        let step = ["InitializeSecurityContext", "AcceptSecurityContext"].contains(&call.function.name);
        let input = made.buffers.get("input").and_then(|given| token(&given.now()));
        if !(step && is_told(status, input.as_deref())) {
            self.world.note_of_any(call.function.name.trim_end_matches("Ex"), status);
        }
        self.remember(call, status, &made);
        status
    }

    /// What a parameter is now.
    fn word(&mut self, call: &Call, index: usize, value: &Value, made: &mut Made) -> usize {
        let (name, kind) = call.function.parameters[index];
        match value {
            Value::Null => 0,
            Value::Number(number) => *number as usize,
            Value::Small(address) => usize::from(*address),
            // Of another kind it would be what no caller's pointer is to.
            Value::Same(other) => match call.function.parameters.get(usize::from(*other)) {
                Some((_, other_kind)) if *other_kind == kind => made.words[usize::from(*other)],
                _ => 0,
            },
            Value::At if call.function.name == "FreeContextBuffer" => {
                self.held.first().copied().unwrap_or(0x1_0000)
            }
            Value::At => {
                let place = made.memory.structure(LONGEST);
                made.places.push(place);
                place
            }
            Value::Package(package) => {
                made.memory.text(PACKAGES[usize::from(*package) % PACKAGES.len()], call.wide)
            }
            Value::Text(length) => {
                let text = if name == "target" { "HTTP/server" } else { "alice" };
                let text: String =
                    text.chars().chain(std::iter::repeat('x')).take((*length).into()).collect();
                made.memory.text(&text, call.wide)
            }
            Value::Address(length) => {
                let service = usize::from(*length).saturating_sub("/127.0.0.1".len());
                made.memory.text(&format!("{}/127.0.0.1", "x".repeat(service)), call.wide)
            }
            Value::Handle(handed) => {
                let handle = self.handle(*handed);
                made.memory.handle(handle)
            }
            Value::Auth(auth) => made.memory.auth(auth),
            // There is no first one.
            Value::Buffers(descriptor) if kind == Kind::Buffer && descriptor.buffers.is_empty() => 0,
            Value::Buffers(descriptor) => {
                let content = self.content(call, name, descriptor);
                let given = made.memory.buffers(descriptor, |index, _| content.get(index).cloned().flatten());
                let address = if kind == Kind::Buffer { given.first() } else { given.descriptor };
                made.buffers.insert(name, given);
                address
            }
        }
    }

    fn handle(&self, handed: Handed) -> Handle {
        match handed {
            Handed::Given(number) => {
                self.handles.get(&number).map_or(Handle { lower: 7, upper: 0 }, |(handle, _)| *handle)
            }
            Handed::Ones => Handle { lower: usize::MAX, upper: usize::MAX },
            Handed::Other => Handle { lower: 0xDEAD_BEEF, upper: 0 },
            Handed::Zero => Handle { lower: 0, upper: 0 },
        }
    }

    /// The number of the handle that a parameter is.
    fn number(call: &Call, name: &str) -> Option<u8> {
        let at = call.function.parameters.iter().position(|(parameter, _)| *parameter == name)?;
        let at = if let Value::Same(other) = call.values[at] { usize::from(other) } else { at };
        match call.values.get(at)? {
            Value::Handle(Handed::Given(number)) => Some(*number),
            _ => None,
        }
    }

    /// What lies in buffers that a call reads; nothing of those that it only writes to.
    fn content(&mut self, call: &Call, name: &str, descriptor: &Descriptor) -> Vec<Option<Vec<u8>>> {
        let is = |index: usize, kind: u32| descriptor.buffers[index].kind & KIND == kind;
        let sizes: Vec<_> = descriptor.buffers.iter().map(|shape| shape.size as usize).collect();
        let indices = 0..descriptor.buffers.len();
        match (call.function.name, name) {
            ("InitializeSecurityContext" | "AcceptSecurityContext", "input") => {
                // Without a token then there is none now.
                let wants = indices.clone().find(|&index| is(index, SECBUFFER_TOKEN) && sizes[index] > 0);
                let token = wants.map(|_| self.incoming(call));
                indices.map(|index| token.clone().filter(|_| Some(index) == wants)).collect()
            }
            ("DecryptMessage" | "VerifySignature", "message") => {
                let [mut token, mut text] = self.message_for(call, descriptor);
                let mut part = |index: usize| {
                    let take = |from: &mut Vec<u8>| {
                        let rest = from.split_off(sizes[index].min(from.len()));
                        std::mem::replace(from, rest)
                    };
                    if is(index, SECBUFFER_STREAM) {
                        Some([std::mem::take(&mut token), std::mem::take(&mut text)].concat())
                    } else if is(index, SECBUFFER_TOKEN) {
                        Some(take(&mut token))
                    } else {
                        is(index, SECBUFFER_DATA).then(|| take(&mut text))
                    }
                };
                indices.map(&mut part).collect()
            }
            ("ImportSecurityContext", "packed") => vec![Some(self.packed.clone())],
            _ => vec![None; sizes.len()],
        }
    }

    /// The token that a step is given: the other side's answer to the last one.
    fn incoming(&mut self, call: &Call) -> Vec<u8> {
        let number = Self::number(call, "context");
        let talk = number.and_then(|number| self.talks.get_mut(&number));
        match talk.filter(|_| !self.has_both_ends) {
            Some(talk) => talk.deliver(self.world),
            None => self.wire.clone(),
        }
    }

    /// A message for a call that decrypts or verifies one that is as long, with all that belongs to it: its token, and its text.
    fn message_for(&mut self, call: &Call, descriptor: &Descriptor) -> [Vec<u8>; 2] {
        let whole: usize = descriptor
            .buffers
            .iter()
            .filter(|shape| {
                [SECBUFFER_DATA, SECBUFFER_TOKEN, SECBUFFER_STREAM].contains(&(shape.kind & KIND))
            })
            .map(|shape| shape.size as usize)
            .sum();
        let number = Self::number(call, "context");
        let talk = number.and_then(|number| self.talks.get_mut(&number)).filter(|_| !self.has_both_ends);
        let Some(talk) = talk else { return self.message.clone() };
        // The initiator's last token, which had no answer.
        if !talk.sent.is_empty() {
            talk.deliver(self.world);
        }
        let Some(peer) = talk.peer else { return [vec![0; whole], Vec::new()] };
        let contexts = &self.world.wide.contexts;
        let mut sizes = [0u32; 4];
        // SAFETY: the attribute is four numbers.
        let status = unsafe {
            (self.world.wide.attribute)(&raw const peer, SECPKG_ATTR_SIZES, sizes.as_mut_ptr().cast(), 16)
        };
        if status != SEC_E_OK {
            return [vec![0; whole], Vec::new()];
        }
        let [_, signature, _, trailer] = sizes.map(|size| size as usize);
        let signs = call.function.name == "VerifySignature";
        let mut token = vec![0; if signs { signature } else { trailer }];
        let mut data = vec![b'm'; whole.saturating_sub(token.len())];
        let mut buffers = [buffer(SECBUFFER_TOKEN, &mut token), buffer(SECBUFFER_DATA, &mut data)];
        if signs {
            contexts.sign(&peer, 0, &mut buffers);
        } else {
            contexts.encrypt(&peer, 0, &mut buffers);
        }
        let used = buffers[0].cbBuffer as usize;
        token.truncate(used);
        [token, data]
    }

    /// Takes note of what a call has given and taken.
    fn remember(&mut self, call: &Call, status: i32, made: &Made) {
        if status < 0 {
            return;
        }
        let handle_at = |name: &str| {
            let at = call.function.parameters.iter().position(|(parameter, _)| *parameter == name)?;
            // SAFETY: a call that succeeds has written to the place of a handle.
            (made.words[at] >= 0x1_0000)
                .then(|| unsafe { ptr::with_exposed_provenance::<Handle>(made.words[at]).read_unaligned() })
        };
        for &place in &made.places {
            for at in 0..LONGEST / size_of::<usize>() {
                // SAFETY: each place is that long.
                let word = unsafe { ptr::with_exposed_provenance::<usize>(place).add(at).read() };
                if word >= 0x1_0000 {
                    self.held.push(word);
                }
            }
        }
        let number = |name: &str| call.gives.or_else(|| Self::number(call, name));
        match call.function.name {
            "AcquireCredentialsHandle" => {
                if let (Some(number), Some(handle)) = (number("handle"), handle_at("handle")) {
                    self.keep(number, handle, false);
                    let package = match call.values[1] {
                        Value::Package(package) => PACKAGES[usize::from(package) % PACKAGES.len()],
                        _ => "Negotiate",
                    };
                    self.packages.insert(number, package.to_owned());
                } else if let Some(handle) = handle_at("handle") {
                    self.world.wide.sspi.free(&raw const handle);
                }
            }
            "InitializeSecurityContext" | "AcceptSecurityContext" => {
                let begins = matches!(call.values[1], Value::Null | Value::Small(_));
                let context = if begins { call.gives } else { Self::number(call, "context") };
                let token =
                    made.buffers.get("output").map(|given| self.sent(given, call)).unwrap_or_default();
                if let (Some(number), Some(handle)) = (context, handle_at("new_context")) {
                    self.keep(number, handle, true);
                    self.talk(call, number, &token);
                } else if let Some(handle) = handle_at("new_context").filter(|_| begins) {
                    self.world.wide.contexts.delete(&raw const handle);
                }
                if !token.is_empty() {
                    self.wire = token;
                }
            }
            "ImportSecurityContext" => {
                if let Some(handle) = handle_at("context") {
                    match call.gives {
                        Some(number) => self.keep(number, handle, true),
                        None => _ = self.world.wide.contexts.delete(&raw const handle),
                    }
                }
            }
            "ExportSecurityContext" => {
                if let Some(given) = made.buffers.get("packed") {
                    self.packed = given.now().first().map(bytes).unwrap_or_default();
                    self.held.extend(given.now().first().map(|packed| packed.pvBuffer.addr()));
                }
                let deletes = matches!(call.values[1], Value::Number(flags) if flags & 2 != 0);
                self.forget(Self::number(call, "context").filter(|_| deletes));
            }
            "DeleteSecurityContext" => self.forget(Self::number(call, "context")),
            "FreeCredentialsHandle" => self.forget(Self::number(call, "handle")),
            "FreeContextBuffer" => self.held.retain(|held| *held != made.words[0]),
            "EncryptMessage" | "MakeSignature" => {
                if let Some(given) = made.buffers.get("message") {
                    let of = |kind: u32| {
                        let now = given.now();
                        now.iter().filter(|buffer| buffer.BufferType & KIND == kind).flat_map(bytes).collect()
                    };
                    self.message = [of(SECBUFFER_TOKEN), of(SECBUFFER_DATA)];
                }
            }
            _ => {}
        }
    }

    /// Keeps a handle under its number; whatever had that before is given back.
    fn keep(&mut self, number: u8, handle: Handle, is_context: bool) {
        let before = self.handles.insert(number, (handle, is_context));
        if let Some((before, was_context)) = before.filter(|(before, _)| before.lower != handle.lower) {
            self.give_back(before, was_context);
        }
    }

    fn give_back(&self, handle: Handle, is_context: bool) {
        let functions = &self.world.wide;
        let status = if is_context {
            functions.contexts.delete(&raw const handle)
        } else {
            functions.sspi.free(&raw const handle)
        };
        assert_eq!(status, SEC_E_OK, "{handle:?}, a context: {is_context}");
    }

    fn give_back_peer(&self, talk: &Talk) {
        talk.peer.into_iter().for_each(|peer| self.give_back(peer, true));
        talk.credential.into_iter().for_each(|credential| self.give_back(credential, false));
    }

    fn forget(&mut self, number: Option<u8>) {
        if let Some(number) = number {
            self.handles.remove(&number);
        }
    }

    fn talk(&mut self, call: &Call, context: u8, token: &[u8]) {
        if call.function.name != "InitializeSecurityContext" || self.has_both_ends {
            return;
        }
        let package = Self::number(call, "credential").and_then(|number| self.packages.get(&number));
        let package = package.map_or("Negotiate", String::as_str).to_owned();
        let begins = matches!(call.values[1], Value::Null | Value::Small(_));
        if begins && let Some(before) = self.talks.remove(&context) {
            self.give_back_peer(&before);
        }
        let new = || Talk { package, sent: Vec::new(), credential: None, peer: None };
        let talk = self.talks.entry(context).or_insert_with(new);
        if token.is_empty() {
            return;
        }
        talk.sent = token.to_vec();
    }

    /// The token that a step has given.
    fn sent(&mut self, given: &Given, call: &Call) -> Vec<u8> {
        let at = call.function.parameters.iter().position(|(name, _)| *name == "requirements");
        let allocates = at.is_some_and(
            |at| matches!(call.values[at], Value::Number(flags) if flags & ISC_REQ_ALLOCATE_MEMORY != 0),
        );
        let now = given.now();
        if allocates {
            self.held.extend(now.iter().map(|buffer| buffer.pvBuffer.addr()).filter(|&at| at >= 0x1_0000));
        }
        token(&now).unwrap_or_default()
    }

    fn end(mut self) {
        for (handle, is_context) in std::mem::take(&mut self.handles).into_values() {
            self.give_back(handle, is_context);
        }
        for talk in std::mem::take(&mut self.talks).into_values() {
            self.give_back_peer(&talk);
        }
        for address in self.held {
            let _ = self.world.wide.sspi.free_buffer(ptr::with_exposed_provenance_mut(address));
        }
    }
}

fn bytes(buffer: &SecBuffer) -> Vec<u8> {
    if buffer.pvBuffer.addr() < 0x1_0000 {
        return Vec::new();
    }
    // SAFETY: the call has left it so long; a buffer never grows, but for one that the mock has allocated.
    unsafe { slice::from_raw_parts(buffer.pvBuffer.cast::<u8>(), buffer.cbBuffer as usize) }.to_vec()
}

/// The first token among buffers.
fn token(buffers: &[SecBuffer]) -> Option<Vec<u8>> {
    buffers.iter().find(|buffer| buffer.BufferType & KIND == SECBUFFER_TOKEN).map(bytes)
}
