//! The mock DLL, called as a foreign program calls it.

use std::{ffi::c_void, ptr};

use windows_sys::Win32::Security::Authentication::Identity::{
    SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_DATA, SECBUFFER_TOKEN,
};

use super::{
    row::Out,
    run::{Answer, Ask, Driver, FALSE, Leg, Message, Sent},
};
use crate::{
    context::{Contexts, Stepped, Terms, bindings, buffer},
    dll::{self, Form, Handle, Mock, UNTOUCHED, UNTOUCHED_TIME},
    identity::AuthData,
};

pub struct Abi<'m, F: Form> {
    mock: &'m Mock,
    contexts: Contexts<'m, F>,
}

impl<'m, F: Form> Abi<'m, F> {
    pub fn new(mock: &'m Mock) -> Self {
        Self { mock, contexts: mock.contexts() }
    }
}

/// A handle as secur32 gives it back: what is in its other half has no meaning to a caller.
fn handle(word: usize) -> Handle {
    Handle { lower: word, upper: 0x55AA }
}

fn answer<T>(status: i32, given: T, written: bool) -> Answer<T> {
    if status >= 0 {
        Ok((status, given))
    } else {
        Err((status, if written { Out::Written } else { Out::Untouched }))
    }
}

/// What a step gave; out parameters start as the constants say, and a later step's handle as it was.
fn stepped(leg: &Leg, stepped: Stepped) -> Answer<Sent> {
    let Stepped { status, context, token, flags, expiry } = stepped;
    let before = leg.context.map_or(Handle { lower: UNTOUCHED, upper: UNTOUCHED }, handle);
    let all_of_it = token.len() == leg.room && token.iter().all(|&byte| byte == 0xEE);
    let written = context != before || flags != u32::MAX || expiry != UNTOUCHED_TIME || !all_of_it;
    answer(status, (context.lower, token), written)
}

impl Ask {
    fn identity<F: Form>(&self) -> Option<AuthData<F>> {
        self.identity.as_ref().map(AuthData::new)
    }

    fn with<F: Form>(&self, identity: Option<&AuthData<F>>) -> dll::Ask<'_> {
        dll::Ask {
            principal: self.principal.as_deref(),
            package: Some(&self.package),
            credential_use: self.credential_use,
            auth_data: identity.map_or(ptr::null(), AuthData::as_ptr),
        }
    }
}

impl<F: Form> Driver for Abi<'_, F> {
    fn acquire(&mut self, ask: &Ask) -> Answer<usize> {
        let identity = ask.identity::<F>();
        let (status, handle, expiry) = self.mock.sspi::<F>().acquire(ask.with(identity.as_ref()));
        let written = handle.lower != UNTOUCHED || handle.upper != UNTOUCHED || expiry != UNTOUCHED_TIME;
        answer(status, handle.lower, written)
    }

    fn add(&mut self, credential: usize, ask: &Ask) -> Answer<()> {
        let identity = ask.identity::<F>();
        let (status, expiry) = self.mock.sspi::<F>().add(&handle(credential), ask.with(identity.as_ref()));
        answer(status, (), expiry != UNTOUCHED_TIME)
    }

    fn change_password(&mut self, names: [&str; 5]) -> Answer<()> {
        let (status, response) = self.contexts.change(names, SECBUFFER_CHANGE_PASS_RESPONSE, 0);
        let written = !response.pvBuffer.is_null();
        if written {
            assert_eq!(self.mock.sspi::<F>().free_buffer(response.pvBuffer), 0);
        }
        answer(status, (), written)
    }

    fn set(&mut self, credential: usize, attribute: u32, value: &[u8]) -> Answer<()> {
        answer(self.mock.sspi::<F>().set(&handle(credential), attribute, Some(value)), (), false)
    }

    fn free(&mut self, credential: usize) -> Answer<()> {
        answer(self.mock.sspi::<F>().free(&handle(credential)), (), false)
    }

    fn names(&mut self, credential: usize) -> Answer<()> {
        match self.mock.sspi::<F>().names(&handle(credential)) {
            Ok(_) => Ok((0, ())),
            Err(status) => answer(status, (), false),
        }
    }

    fn package(&mut self, name: &str) -> Answer<()> {
        match self.mock.sspi::<F>().package(name) {
            Ok(_) => Ok((0, ())),
            Err(status) => answer(status, (), false),
        }
    }

    fn packages(&mut self) -> Answer<()> {
        match self.mock.sspi::<F>().packages() {
            Ok(_) => Ok((0, ())),
            Err(status) => answer(status, (), false),
        }
    }

    fn initialize(&mut self, leg: &Leg) -> Answer<Sent> {
        let bound = leg.bindings.as_deref().map(bindings);
        let terms = Terms {
            target: leg.target.as_deref(),
            flags: leg.flags,
            bindings: bound.as_deref(),
            room: leg.room,
        };
        let credential = leg.credential.map(handle);
        let context = leg.context.map(handle);
        stepped(leg, self.contexts.initialize(credential.as_ref(), context, leg.token.as_deref(), &terms))
    }

    fn accept(&mut self, leg: &Leg) -> Answer<Sent> {
        let bound = leg.bindings.as_deref().map(bindings);
        let terms = Terms { target: None, flags: leg.flags, bindings: bound.as_deref(), room: leg.room };
        let credential = leg.credential.map(handle);
        let context = leg.context.map(handle);
        stepped(leg, self.contexts.accept(credential.as_ref(), context, leg.token.as_deref(), &terms))
    }

    fn complete(&mut self, context: usize, token: &mut Vec<u8>) -> Answer<()> {
        let before = token.clone();
        let status = self.contexts.complete(&handle(context), token);
        answer(status, (), *token != before)
    }

    fn manage(&mut self, function: &str, context: usize) -> Answer<()> {
        let context = handle(context);
        if function == "set" {
            let set: extern "system" fn(*const Handle, u32, *mut c_void, u32) -> i32 =
                self.mock.expect(&format!("SetContextAttributes{}", F::SUFFIX));
            return answer(set(&raw const context, 0, ptr::null_mut(), 0), (), false);
        }
        let function = match function {
            "delete" => "DeleteSecurityContext",
            "impersonate" => "ImpersonateSecurityContext",
            "revert" => "RevertSecurityContext",
            "token" => "QuerySecurityContextToken",
            _ => "ApplyControlToken",
        };
        let mut out = UNTOUCHED;
        let status = if let "DeleteSecurityContext" | "ImpersonateSecurityContext" | "RevertSecurityContext" =
            function
        {
            self.mock.expect::<extern "system" fn(*const Handle) -> i32>(function)(&raw const context)
        } else {
            let with_place: extern "system" fn(*const Handle, *mut c_void) -> i32 =
                self.mock.expect(function);
            with_place(&raw const context, (&raw mut out).cast())
        };
        answer(status, (), out != UNTOUCHED)
    }

    fn query(&mut self, context: usize, attribute: u32, room: Option<u32>) -> Answer<()> {
        let mut structure = [UNTOUCHED as u64; 8];
        let context = handle(context);
        let status = if let Some(size) = room {
            self.contexts.query_ex(&context, attribute, &mut structure, size)
        } else {
            self.contexts.query_into(&raw const context, attribute, structure.as_mut_ptr().cast())
        };
        answer(status, (), structure != [UNTOUCHED as u64; 8])
    }

    fn protect(&mut self, function: &str, context: usize, qop: u32, message: &mut Message) -> Answer<()> {
        let context = handle(context);
        let before = message.clone();
        let mut buffers =
            [buffer(SECBUFFER_TOKEN, &mut message.token), buffer(SECBUFFER_DATA, &mut message.data)];
        let mut found = u32::MAX;
        let status = match function {
            "sign" => self.contexts.sign(&context, qop, &mut buffers),
            "encrypt" => self.contexts.encrypt(&context, qop, &mut buffers),
            other => {
                let (status, qop) = match other {
                    "verify" => self.contexts.verify(&context, &mut buffers),
                    _ => self.contexts.decrypt(&context, &mut buffers),
                };
                found = qop;
                status
            }
        };
        let length = buffers[0].cbBuffer as usize;
        let written = found != u32::MAX
            || length != before.token.len()
            || before.token != message.token
            || before.data != message.data;
        message.token.truncate(length);
        answer(status, (), written)
    }

    fn export(&mut self, context: usize, delete: bool) -> Answer<Vec<u8>> {
        match self.contexts.export(&handle(context), u32::from(delete) * 2) {
            Ok(packed) => Ok((0, packed)),
            Err(status) => answer(status, Vec::new(), false),
        }
    }

    fn import(&mut self, package: &str, packed: &[u8]) -> Answer<usize> {
        match self.contexts.import(package, packed) {
            Ok(context) => Ok((0, context.lower)),
            Err(status) => answer(status, 0, false),
        }
    }

    fn flush(&mut self) -> Answer<()> {
        if self.mock.flush() { Ok((0, ())) } else { Err((FALSE, Out::Untouched)) }
    }
}
