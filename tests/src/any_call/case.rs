//! What the calls of one case bring, and how each is made.

use std::{ffi::c_void, ptr};

use windows_sys::Win32::{
    Foundation::{SEC_E_INVALID_HANDLE, SEC_E_OK},
    Security::Authentication::Identity::SECBUFFER_TOKEN,
};

use super::{Index, Memory, Pick, Place, Token, What, World, world::Functions};
use crate::{
    context::{Pair, buffer, describe},
    dll::{Form, Handle, UNTOUCHED},
};

/// What the calls of one case have brought.
pub(super) struct Case<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) credentials: Handles,
    pub(super) contexts: Handles,
    pub(super) pairs: Vec<Pair>,
    pub(super) sent: Vec<Vec<u8>>,
    /// Addresses that may be the mock's to free; it refuses the others.
    pub(super) held: Vec<*mut c_void>,
    /// Addresses that the mock has freed.
    pub(super) released: Vec<*mut c_void>,
}

#[derive(Default)]
pub(super) struct Handles {
    pub(super) live: Vec<Handle>,
    pub(super) freed: Vec<Handle>,
}

impl Handles {
    fn pick(&self, pick: Pick, other: &Self) -> Option<Handle> {
        let of = |handles: &[Handle], index: Index| {
            // Where there is none yet, one that never was.
            if handles.is_empty() { Handle { lower: 7, upper: 0 } } else { *index.get(handles) }
        };
        match pick {
            Pick::Forged(lower) => Some(Handle { lower, upper: lower }),
            Pick::Freed(index) => Some(of(&self.freed, index)),
            Pick::Live(index) => Some(of(&self.live, index)),
            Pick::Null => None,
            Pick::Other(index) => Some(of(&other.live, index)),
        }
    }

    /// Whether a handle was given, and not taken back. Its upper half says nothing.
    fn has(&self, handle: Option<Handle>) -> bool {
        handle.is_some_and(|handle| self.live.iter().any(|live| live.lower == handle.lower))
    }

    pub(super) fn ended(&mut self, handle: Option<Handle>) {
        self.live.retain(|live| handle.is_none_or(|handle| handle.lower != live.lower));
        self.freed.extend(handle);
    }
}

pub(super) fn pointer(handle: Option<&Handle>) -> *const Handle {
    handle.map_or(ptr::null(), ptr::from_ref)
}

impl<'w> Case<'w> {
    pub(super) fn new(world: &'w World<'w>) -> Self {
        let (credentials, contexts) = Default::default();
        let (held, released) = Default::default();
        Self { world, credentials, contexts, pairs: Vec::new(), sent: Vec::new(), held, released }
    }

    pub(super) fn credential(&self, pick: Pick) -> Option<Handle> {
        self.credentials.pick(pick, &self.contexts)
    }

    pub(super) fn context(&self, pick: Pick) -> Option<Handle> {
        self.contexts.pick(pick, &self.credentials)
    }

    /// Takes note of an answer about a context: one that isn't alive is refused.
    #[track_caller]
    pub(super) fn note_context(&self, function: &'static str, context: Option<Handle>, status: i32) -> bool {
        assert!(status < 0 || self.contexts.has(context), "{function} takes a context that is none");
        self.world.note(function, status)
    }

    /// The same of a credential.
    #[track_caller]
    pub(super) fn note_credential(
        &self,
        function: &'static str,
        credential: Option<Handle>,
        status: i32,
    ) -> bool {
        assert!(status < 0 || self.credentials.has(credential), "{function} takes a credential that is none");
        self.world.note(function, status)
    }

    pub(super) fn make<F: Form>(&mut self, functions: &Functions<'_, F>, what: &What) {
        let world = self.world;
        match what {
            What::Acquire { package, credential_use, who } => {
                self.acquire(functions, package, *credential_use, *who);
            }
            What::Add { credential, package, credential_use, who } => {
                let credential = self.credential(*credential);
                self.add(functions, credential, package, *credential_use, *who);
            }
            What::Initialize { credential, context, token, terms } => {
                let credential = self.credential(*credential);
                let context = context.and_then(|pick| self.context(pick));
                let token = self.token(token);
                let (given, terms) = (token.as_deref(), terms.terms());
                let stepped = functions.contexts.initialize(credential.as_ref(), context, given, &terms);
                self.stepped("InitializeSecurityContext", [credential, context], given, &stepped);
            }
            What::Accept { credential, context, token, terms } => {
                let credential = self.credential(*credential);
                let context = context.and_then(|pick| self.context(pick));
                let token = self.token(token);
                let (given, terms) = (token.as_deref(), terms.terms());
                let stepped = functions.contexts.accept(credential.as_ref(), context, given, &terms);
                self.stepped("AcceptSecurityContext", [credential, context], given, &stepped);
            }
            What::Attribute { context, attribute, place } => {
                self.attribute(functions, *context, *attribute, *place);
            }
            What::CredentialAttribute { credential, attribute, place } => {
                self.credential_attribute(functions, *credential, *attribute, *place);
            }
            What::Change { package, old, kind, reserved } => {
                self.change(functions, [package, old], *kind, *reserved);
            }
            What::Complete { context, token } => {
                let (context, mut token) = (self.context(*context), self.token(token).unwrap_or_default());
                let mut buffers = [buffer(SECBUFFER_TOKEN, &mut token)];
                // SAFETY: everything is null or lives until the call returns.
                let status =
                    unsafe { (functions.complete)(pointer(context.as_ref()), &mut describe(&mut buffers)) };
                if self.note_context("CompleteAuthToken", context, status) {
                    self.sent.push(token);
                }
            }
            What::Delete(pick) => {
                let context = self.context(*pick);
                let status = functions.contexts.delete(pointer(context.as_ref()));
                if self.note_context("DeleteSecurityContext", context, status) {
                    self.contexts.ended(context);
                }
            }
            What::Enumerate => {
                let (mut count, mut packages) = (0, ptr::null_mut());
                let status = functions.sspi.enumerate_into(&raw mut count, &raw mut packages);
                world.note("EnumerateSecurityPackages", status);
                self.held.push(packages.cast());
            }
            What::Export { context, flags } => {
                self.export(functions, *context, *flags);
            }
            What::Flush => assert!(world.mock.flush()),
            What::Free(pick) => {
                let credential = self.credential(*pick);
                let status = functions.sspi.free(pointer(credential.as_ref()));
                if self.note_credential("FreeCredentialsHandle", credential, status) {
                    self.credentials.ended(credential);
                }
            }
            What::Import { package, packed } => {
                let packed = self.token(packed).unwrap_or_default();
                let imported = functions.contexts.import(package, &packed);
                world.note("ImportSecurityContext", imported.err().unwrap_or(SEC_E_OK));
                self.contexts.live.extend(imported);
            }
            What::KdcProxy { credential, attribute, version, lengths, size } => {
                let credential = self.credential(*credential);
                self.kdc_proxy(functions, credential, *attribute, *version, *lengths, *size);
            }
            What::Move { context, package, spoilt } => self.carry(functions, *context, package, *spoilt),
            What::OfContext { function, context } => self.of_context(functions, *function, *context),
            What::Package(name) => {
                let mut package = ptr::without_provenance_mut(UNTOUCHED);
                let status = functions.sspi.package_into(F::terminated(name).as_ptr(), &raw mut package);
                if world.note("QuerySecurityPackageInfo", status) {
                    self.held.push(package.cast());
                } else {
                    assert_eq!(package.addr(), UNTOUCHED, "{name}");
                }
            }
            What::Protect { function, context, qop, descriptor, shapes } => {
                let context = self.context(*context);
                self.protect(*function, context, *qop, *descriptor, shapes);
            }
            What::Release(memory) => self.release(functions, *memory),
            What::Shake { package, flags } => self.shake(functions, package, *flags),
            What::Talk { pair, sealed, spoilt } => self.talk(functions, *pair, *sealed, *spoilt),
        }
    }

    /// Has memory freed, which only what is held can be, and only once.
    fn release<F: Form>(&mut self, functions: &Functions<'_, F>, memory: Memory) {
        let of = |addresses: &[*mut c_void], index: Index| {
            if addresses.is_empty() { ptr::null_mut() } else { *index.get(addresses) }
        };
        let address = match memory {
            Memory::Forged(address) => ptr::without_provenance_mut(address),
            Memory::Held(index) => of(&self.held, index),
            Memory::Null => ptr::null_mut(),
            Memory::Released(index) => of(&self.released, index),
        };
        if self.world.note("FreeContextBuffer", functions.sspi.free_buffer(address)) {
            let before = self.held.len();
            self.held.retain(|held| *held != address);
            assert_ne!(self.held.len(), before, "what is not the caller's is freed");
            self.released.push(address);
        }
    }

    pub(super) fn token(&self, token: &Token) -> Option<Vec<u8>> {
        let sent =
            |index: &Index| if self.sent.is_empty() { Vec::new() } else { index.get(&self.sent).clone() };
        match token {
            Token::Cut(index, at) => {
                let token = sent(index);
                Some(token[..at.index(token.len() + 1)].to_vec())
            }
            Token::Last => self.sent.last().cloned(),
            Token::Made(bytes) => Some(bytes.clone()),
            Token::None => None,
            Token::Sent(index) => Some(sent(index)),
            Token::Spoilt(index, at) => {
                let mut token = sent(index);
                if !token.is_empty() {
                    *at.get_mut(&mut token) ^= 0x10;
                }
                Some(token)
            }
        }
    }

    /// Keeps what an attribute handed out, to be freed.
    pub(super) fn keep(&mut self, status: i32, room: &Room) {
        if status == SEC_E_OK {
            self.held.extend(room.pointers());
        } else {
            assert!(room.is_untouched(), "{status:#x} and something is written");
        }
    }

    /// Gives back what is left. Whatever an attribute has beside pointers is refused.
    pub(super) fn end(self) {
        let Functions { sspi, contexts, .. } = &self.world.wide;
        self.contexts.live.iter().for_each(|context| assert_eq!(contexts.delete(context), SEC_E_OK));
        self.credentials.live.iter().for_each(|credential| assert_eq!(sspi.free(credential), SEC_E_OK));
        for address in self.held {
            let status = sspi.free_buffer(address);
            assert!(status == SEC_E_OK || status == SEC_E_INVALID_HANDLE, "{status:#x}");
        }
    }
}

/// Room for an attribute's structure; no more than is said, so that whatever lies behind it belongs to no object.
pub(super) struct Room(Box<[usize]>);

impl Room {
    /// The longest structure of an attribute that the mock has.
    const LONGEST: usize = 64;

    pub(super) fn new(place: Place) -> Self {
        let bytes = match place {
            Place::Sized(size) => size as usize,
            Place::Null | Place::Plain => Self::LONGEST,
        };
        Self(vec![UNTOUCHED; bytes.div_ceil(size_of::<usize>())].into_boxed_slice())
    }

    pub(super) fn place(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }

    fn is_untouched(&self) -> bool {
        self.0.iter().all(|&word| word == UNTOUCHED)
    }

    /// Everything in it that may be a pointer.
    pub(super) fn pointers(&self) -> impl Iterator<Item = *mut c_void> {
        let words = self.0.iter().filter(|&&word| word != 0 && word != UNTOUCHED);
        words.map(|&word| ptr::with_exposed_provenance_mut(word))
    }
}
