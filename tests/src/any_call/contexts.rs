//! Calls about contexts as a whole: handshakes, attributes, exports.

use std::{ffi::c_void, ptr};

use windows_sys::Win32::{
    Foundation::{
        SEC_E_BAD_BINDINGS, SEC_E_CONTEXT_EXPIRED, SEC_E_INTERNAL_ERROR, SEC_E_INVALID_TOKEN,
        SEC_E_LOGON_DENIED, SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_SECPKG_NOT_FOUND, SEC_E_TARGET_UNKNOWN,
        SEC_E_WRONG_PRINCIPAL, SEC_I_COMPLETE_AND_CONTINUE, SEC_I_COMPLETE_NEEDED, SEC_I_CONTINUE_NEEDED,
    },
    Security::Authentication::Identity::{SECPKG_CONTEXT_EXPORT_DELETE_OLD, SecBuffer, SecBufferDesc},
};

use super::{
    OfContext, Pick, Place,
    case::{Case, Room, pointer},
    world::Functions,
};
use crate::{
    context::{Pair, ROOM, Stepped, Terms},
    dll::{Form, Handle, UNTOUCHED, UNTOUCHED_TIME},
};

impl Case<'_> {
    /// Takes note of a step with these handles of a credential and a context, which was given this token.
    pub(super) fn stepped(
        &mut self,
        function: &'static str,
        [credential, context]: [Option<Handle>; 2],
        token: Option<&[u8]>,
        stepped: &Stepped,
    ) {
        // A later step needs no credential.
        if is_told(stepped.status, token) {
            // No side's fault here.
        } else if context.is_none() {
            self.note_credential(function, credential, stepped.status);
        } else {
            self.note_context(function, context, stepped.status);
        }
        if stepped.status < 0 {
            let untouched = context.unwrap_or(Handle { lower: UNTOUCHED, upper: UNTOUCHED });
            let found = (stepped.context, stepped.flags, stepped.expiry);
            assert_eq!(found, (untouched, u32::MAX, UNTOUCHED_TIME), "{function} refuses and writes");
            let is_untouched = stepped.token.iter().all(|&byte| byte == ROOM);
            let is_error = says(&stepped.token, stepped.status);
            assert!(is_untouched || is_error, "{function} refuses and writes");
            self.sent.extend((!is_untouched).then(|| stepped.token.clone()));
            return;
        }
        self.sent.push(stepped.token.clone());
        if context.is_none() {
            self.contexts.live.push(stepped.context);
        }
    }

    pub(super) fn shake<F: Form>(&mut self, functions: &Functions<'_, F>, package: &str, flags: u32) {
        let contexts = functions.contexts;
        let [alice, service] = [contexts.client(package, "correct horse"), contexts.server(package)];
        self.credentials.live.extend([alice, service]);
        let terms = Terms { flags, target: Some("host/server"), ..Terms::default() };
        let mut first = contexts.initialize(Some(&alice), None, None, &terms);
        self.contexts.live.extend(begun(&first));
        let mut server = None;
        while self.goes_on(functions, &mut first) {
            let mut second = contexts.accept(Some(&service), server, Some(&first.token), &Terms::default());
            if server.is_none() {
                self.contexts.live.extend(begun(&second));
            }
            if !self.goes_on(functions, &mut second) {
                break;
            }
            server = Some(second.context);
            if first.status == SEC_E_OK && second.status == SEC_E_OK {
                let pair = Pair {
                    client: first.context,
                    server: second.context,
                    client_flags: first.flags,
                    server_flags: second.flags,
                };
                self.pairs.push(pair);
                return;
            }
            if first.status != SEC_E_OK {
                first = contexts.initialize(Some(&alice), Some(first.context), Some(&second.token), &terms);
            }
        }
    }

    /// Completes what a step gave, if it asks for that; whether the handshake goes on.
    pub(super) fn goes_on<F: Form>(&self, functions: &Functions<'_, F>, step: &mut Stepped) -> bool {
        self.world.note("a handshake", step.status);
        step.status = match step.status {
            SEC_I_COMPLETE_NEEDED | SEC_I_COMPLETE_AND_CONTINUE => {
                let status = functions.contexts.complete(&step.context, &mut step.token);
                assert!(self.world.note("CompleteAuthToken", status), "{status:#x}");
                if step.status == SEC_I_COMPLETE_NEEDED { SEC_E_OK } else { SEC_I_CONTINUE_NEEDED }
            }
            status => status,
        };
        step.status >= 0
    }

    pub(super) fn attribute<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        context: Pick,
        attribute: u32,
        place: Place,
    ) {
        let context = self.context(context);
        let mut room = Room::new(place);
        let status = match place {
            Place::Null => {
                functions.contexts.query_into(pointer(context.as_ref()), attribute, ptr::null_mut())
            }
            Place::Plain => functions.contexts.query_into(pointer(context.as_ref()), attribute, room.place()),
            // SAFETY: there is as much room as is said.
            Place::Sized(size) => unsafe {
                (functions.attribute)(pointer(context.as_ref()), attribute, room.place(), size)
            },
        };
        self.note_context("QueryContextAttributes", context, status);
        self.keep(status, &room);
    }

    pub(super) fn export<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        context: Pick,
        flags: u32,
    ) -> Option<Vec<u8>> {
        let context = self.context(context);
        let mut packed = SecBuffer { cbBuffer: u32::MAX, BufferType: 0, pvBuffer: ptr::null_mut() };
        // SAFETY: everything is null or lives until the call returns.
        let status =
            unsafe { (functions.export)(pointer(context.as_ref()), flags, &raw mut packed, ptr::null_mut()) };
        if !self.note_context("ExportSecurityContext", context, status) {
            assert_eq!((packed.cbBuffer, packed.pvBuffer), (u32::MAX, ptr::null_mut()));
            return None;
        }
        // SAFETY: that much was handed out, and is not freed yet.
        let bytes =
            unsafe { std::slice::from_raw_parts(packed.pvBuffer.cast::<u8>(), packed.cbBuffer as usize) };
        self.sent.push(bytes.to_vec());
        self.held.push(packed.pvBuffer);
        if flags & SECPKG_CONTEXT_EXPORT_DELETE_OLD != 0 {
            self.contexts.ended(context);
        }
        Some(bytes.to_vec())
    }

    /// Exports a context, and imports what came of it.
    pub(super) fn carry<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        context: Pick,
        package: &str,
        spoilt: bool,
    ) {
        let Some(mut packed) = self.export(functions, context, 0) else { return };
        if spoilt {
            let middle = packed.len() / 2;
            packed[middle] ^= 1;
        }
        let imported = functions.contexts.import(package, &packed);
        let status = imported.err().unwrap_or(SEC_E_OK);
        assert!(!(self.world.note("ImportSecurityContext", status) && spoilt), "what was altered is taken");
        self.contexts.live.extend(imported);
    }

    pub(super) fn of_context<F: Form>(
        &mut self,
        functions: &Functions<'_, F>,
        function: OfContext,
        context: Pick,
    ) {
        type One = unsafe extern "system" fn(*const Handle) -> i32;
        type Two<T> = unsafe extern "system" fn(*const Handle, *mut T) -> i32;
        let (mock, handle) = (self.world.mock, self.context(context));
        let context = pointer(handle.as_ref());
        let mut token = ptr::without_provenance_mut(UNTOUCHED);
        // SAFETY: a handle that isn't null may be read; the others are answered by a status.
        let (name, status) = unsafe {
            match function {
                OfContext::ApplyControlToken => {
                    let name = "ApplyControlToken";
                    (name, mock.expect::<Two<SecBufferDesc>>(name)(context, ptr::null_mut()))
                }
                OfContext::Impersonate => {
                    let name = "ImpersonateSecurityContext";
                    (name, mock.expect::<One>(name)(context))
                }
                OfContext::QueryToken => {
                    let name = "QuerySecurityContextToken";
                    (name, mock.expect::<Two<*mut c_void>>(name)(context, &raw mut token))
                }
                OfContext::Revert => {
                    let name = "RevertSecurityContext";
                    (name, mock.expect::<One>(name)(context))
                }
                OfContext::SetAttributes => {
                    ("SetContextAttributes", (functions.set)(context, 0, ptr::null_mut(), 0))
                }
            }
        };
        self.note_context(name, handle, status);
        assert_eq!(token.addr(), UNTOUCHED, "there is no token");
    }
}

/// The context of a first step that was not refused: also one that fails later is the caller's to delete.
fn begun(step: &Stepped) -> Option<Handle> {
    (step.status >= 0).then_some(step.context)
}

/// Whether an answer repeats what the other side's token tells of, be it a status that this function has of itself only when a panic
/// was caught, or never.
pub(super) fn is_told(status: i32, token: Option<&[u8]>) -> bool {
    let can_be = status == SEC_E_INTERNAL_ERROR || TOLD.contains(&status);
    can_be && token.is_some_and(|token| says(token, status))
}

/// Whether a token is the one that a side sends with its refusal, if a side asked for extended errors, in the frame of its package.
fn says(token: &[u8], status: i32) -> bool {
    let told = if TOLD.contains(&status) { status } else { SEC_E_INTERNAL_ERROR };
    let error = [b"SSPCACHE mock\0\x01\x05".as_slice(), &told.to_le_bytes()].concat();
    token.windows(error.len()).any(|part| part == error)
}

/// What an error token says as it is, by `docs/handshake.md`.
const TOLD: &[i32] = &[
    SEC_E_BAD_BINDINGS,
    SEC_E_CONTEXT_EXPIRED,
    SEC_E_INVALID_TOKEN,
    SEC_E_LOGON_DENIED,
    SEC_E_NO_CREDENTIALS,
    SEC_E_SECPKG_NOT_FOUND,
    SEC_E_TARGET_UNKNOWN,
    SEC_E_WRONG_PRINCIPAL,
];
