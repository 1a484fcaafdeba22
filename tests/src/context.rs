//! Contexts and messages of the mock DLLs, called through function pointers.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::c_void, fs, ptr, slice};

use windows_sys::Win32::{
    Foundation::{SEC_E_OK, SEC_I_CONTINUE_NEEDED},
    Security::Authentication::Identity::{
        ASC_REQ_ALLOCATE_MEMORY, ISC_REQ_ALLOCATE_MEMORY, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_TOKEN,
        SECBUFFER_VERSION, SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND, SecBuffer, SecBufferDesc,
    },
};

use crate::dll::{Ask, Form, Handle, Identity, Mock, UNTOUCHED, UNTOUCHED_TIME, in_own_process, succeed};

/// Alice's account.
pub const CONFIG: &str = "
[[account]]
user = 'alice'
domain = 'CONTOSO'
password = 'correct horse'
";

/// Runs `body` in a process whose mocks have this configuration.
#[track_caller]
pub fn configured(test: &str, config: &str, body: impl FnOnce()) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.toml");
    fs::write(&file, config).unwrap();
    if let Some(command) = in_own_process(test, &[("SSPCACHE_CONFIG", file.as_os_str())], body) {
        succeed(command);
    }
}

/// What the room for a token is full of, until one is written.
pub const ROOM: u8 = 0xEE;

type Initialize<U> = unsafe extern "system" fn(
    *const Handle,
    *const Handle,
    *const U,
    u32,
    u32,
    u32,
    *const SecBufferDesc,
    u32,
    *mut Handle,
    *mut SecBufferDesc,
    *mut u32,
    *mut i64,
) -> i32;
type Accept = unsafe extern "system" fn(
    *const Handle,
    *const Handle,
    *const SecBufferDesc,
    u32,
    u32,
    *mut Handle,
    *mut SecBufferDesc,
    *mut u32,
    *mut i64,
) -> i32;
type Change<U> = unsafe extern "system" fn(
    *const U,
    *const U,
    *const U,
    *const U,
    *const U,
    u8,
    u32,
    *mut SecBufferDesc,
) -> i32;
type Protect = unsafe extern "system" fn(*const Handle, u32, *mut SecBufferDesc, u32) -> i32;
type Unprotect = unsafe extern "system" fn(*const Handle, *mut SecBufferDesc, u32, *mut u32) -> i32;

/// The functions of contexts and messages, in one form. The methods pass on whatever they are given.
#[derive(Clone, Copy)]
pub struct Contexts<'m, F: Form> {
    pub mock: &'m Mock,
    initialize: Initialize<F::Unit>,
    accept: Accept,
    change: Change<F::Unit>,
    complete: unsafe extern "system" fn(*const Handle, *mut SecBufferDesc) -> i32,
    delete: unsafe extern "system" fn(*const Handle) -> i32,
    query: unsafe extern "system" fn(*const Handle, u32, *mut c_void) -> i32,
    query_ex: unsafe extern "system" fn(*const Handle, u32, *mut c_void, u32) -> i32,
    export: unsafe extern "system" fn(*const Handle, u32, *mut SecBuffer, *mut *mut c_void) -> i32,
    import: unsafe extern "system" fn(*const F::Unit, *mut SecBuffer, *mut c_void, *mut Handle) -> i32,
    sign: Protect,
    verify: Unprotect,
    encrypt: Protect,
    decrypt: Unprotect,
}

/// What one side's step is given, beyond its handles and the other side's token.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub target: Option<&'a str>,
    pub flags: u32,
    /// A whole `SEC_CHANNEL_BINDINGS`.
    pub bindings: Option<&'a [u8]>,
    /// Room for a token, unless the mock is to allocate it.
    pub room: usize,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Self { target: None, flags: 0, bindings: None, room: 4096 }
    }
}

/// What a step gave; the out parameters begin as [`UNTOUCHED`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stepped {
    pub status: i32,
    pub context: Handle,
    pub token: Vec<u8>,
    pub flags: u32,
    pub expiry: i64,
}

/// Two sides that are done.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub client: Handle,
    pub server: Handle,
    pub client_flags: u32,
    pub server_flags: u32,
}

impl Mock {
    /// The functions of contexts and messages.
    pub fn contexts<F: Form>(&self) -> Contexts<'_, F> {
        let form = |name: &str| format!("{name}{}", F::SUFFIX);
        Contexts {
            mock: self,
            initialize: self.expect(&form("InitializeSecurityContext")),
            accept: self.expect("AcceptSecurityContext"),
            change: self.expect(&form("ChangeAccountPassword")),
            complete: self.expect("CompleteAuthToken"),
            delete: self.expect("DeleteSecurityContext"),
            query: self.expect(&form("QueryContextAttributes")),
            query_ex: self.expect(&form("QueryContextAttributesEx")),
            export: self.expect("ExportSecurityContext"),
            import: self.expect(&form("ImportSecurityContext")),
            sign: self.expect("MakeSignature"),
            verify: self.expect("VerifySignature"),
            encrypt: self.expect("EncryptMessage"),
            decrypt: self.expect("DecryptMessage"),
        }
    }
}

impl<F: Form> Contexts<'_, F> {
    /// A handle for alice, or for a user whose password this isn't.
    pub fn client(&self, package: &str, password: &str) -> Handle {
        let alice = Identity::<F>::new("alice", "CONTOSO", password);
        self.credential(package, SECPKG_CRED_OUTBOUND, alice.as_ptr())
    }

    /// A handle for a server.
    pub fn server(&self, package: &str) -> Handle {
        self.credential(package, SECPKG_CRED_INBOUND, ptr::null())
    }

    fn credential(&self, package: &str, credential_use: u32, auth_data: *const c_void) -> Handle {
        let ask = Ask { principal: None, package: Some(package), credential_use, auth_data };
        self.mock.sspi::<F>().handle(ask).unwrap_or_else(|status| panic!("{package}: {status:#x}"))
    }

    /// `InitializeSecurityContext`, with a context's handle that is written over the one given, as most clients do.
    pub fn initialize(
        &self,
        credential: Option<&Handle>,
        context: Option<Handle>,
        token: Option<&[u8]>,
        terms: &Terms<'_>,
    ) -> Stepped {
        self.initialize_with(credential.map_or(ptr::null(), ptr::from_ref), context, token, terms)
    }

    /// The same, with a pointer that may be none to a credential.
    pub fn initialize_with(
        &self,
        credential: *const Handle,
        context: Option<Handle>,
        token: Option<&[u8]>,
        terms: &Terms<'_>,
    ) -> Stepped {
        let target = terms.target.map(F::terminated);
        let target = target.as_ref().map_or(ptr::null(), Vec::as_ptr);
        let allocates = terms.flags & ISC_REQ_ALLOCATE_MEMORY != 0;
        self.step(context, token, terms, allocates, |given, input, new, output, flags, expiry| {
            // SAFETY: the target ends in a null; everything else is null or lives until the call returns, but for a credential
            // that is not read.
            unsafe {
                (self.initialize)(
                    credential,
                    given,
                    target,
                    terms.flags,
                    0,
                    0,
                    input,
                    0,
                    new,
                    output,
                    flags,
                    expiry,
                )
            }
        })
    }

    /// `AcceptSecurityContext`, likewise.
    pub fn accept(
        &self,
        credential: Option<&Handle>,
        context: Option<Handle>,
        token: Option<&[u8]>,
        terms: &Terms<'_>,
    ) -> Stepped {
        self.accept_with(credential.map_or(ptr::null(), ptr::from_ref), context, token, terms)
    }

    /// The same, with a pointer that may be none to a credential.
    pub fn accept_with(
        &self,
        credential: *const Handle,
        context: Option<Handle>,
        token: Option<&[u8]>,
        terms: &Terms<'_>,
    ) -> Stepped {
        let allocates = terms.flags & ASC_REQ_ALLOCATE_MEMORY != 0;
        self.step(context, token, terms, allocates, |given, input, new, output, flags, expiry| {
            // SAFETY: everything is null or lives until the call returns, but for a credential that is not read.
            unsafe { (self.accept)(credential, given, input, terms.flags, 0, new, output, flags, expiry) }
        })
    }

    fn step(
        &self,
        context: Option<Handle>,
        token: Option<&[u8]>,
        terms: &Terms<'_>,
        allocates: bool,
        call: impl FnOnce(
            *const Handle,
            *const SecBufferDesc,
            *mut Handle,
            *mut SecBufferDesc,
            *mut u32,
            *mut i64,
        ) -> i32,
    ) -> Stepped {
        let mut token = token.map(<[u8]>::to_vec);
        let mut bindings = terms.bindings.map(<[u8]>::to_vec);
        let mut inputs: Vec<SecBuffer> = Vec::new();
        inputs.extend(token.as_mut().map(|token| buffer(SECBUFFER_TOKEN, token)));
        inputs.extend(bindings.as_mut().map(|bytes| buffer(SECBUFFER_CHANNEL_BINDINGS, bytes)));
        let input = describe(&mut inputs);
        let mut room = vec![ROOM; terms.room];
        let mut outputs = [buffer(SECBUFFER_TOKEN, &mut room)];
        if allocates {
            outputs[0] = SecBuffer { cbBuffer: 0, BufferType: SECBUFFER_TOKEN, pvBuffer: ptr::null_mut() };
        }
        let mut output = describe(&mut outputs);
        let mut new = context.unwrap_or(Handle { lower: UNTOUCHED, upper: UNTOUCHED });
        let given: *const Handle = if context.is_some() { &raw const new } else { ptr::null() };
        let (mut flags, mut expiry) = (u32::MAX, UNTOUCHED_TIME);
        let status =
            call(given, &raw const input, &raw mut new, &raw mut output, &raw mut flags, &raw mut expiry);
        let [sent] = outputs;
        let token = if allocates && !sent.pvBuffer.is_null() {
            // SAFETY: the mock allocated that much, until it is freed below.
            let token = unsafe { slice::from_raw_parts(sent.pvBuffer.cast::<u8>(), sent.cbBuffer as usize) };
            let token = token.to_vec();
            assert_eq!(self.mock.sspi::<F>().free_buffer(sent.pvBuffer), SEC_E_OK);
            token
        } else {
            room.truncate(sent.cbBuffer as usize);
            room
        };
        Stepped { status, context: new, token, flags, expiry }
    }

    /// `CompleteAuthToken`.
    pub fn complete(&self, context: &Handle, token: &mut [u8]) -> i32 {
        let mut buffers = [buffer(SECBUFFER_TOKEN, token)];
        // SAFETY: everything lives until the call returns.
        unsafe { (self.complete)(context, &mut describe(&mut buffers)) }
    }

    /// `DeleteSecurityContext`.
    pub fn delete(&self, context: *const Handle) -> i32 {
        // SAFETY: a handle that isn't null may be read.
        unsafe { (self.delete)(context) }
    }

    /// A handshake to its end.
    #[track_caller]
    pub fn shake(&self, package: &str, client: &Terms<'_>, server: &Terms<'_>) -> Pair {
        let alice = self.client(package, "correct horse");
        let service = self.server(package);
        self.shake_as(&alice, &service, client, server).unwrap_or_else(|(side, status)| {
            panic!("the {side} answers {:#010X}", status.cast_unsigned());
        })
    }

    /// A handshake to its end, or until a side refuses: which one, and with what.
    pub fn shake_as(
        &self,
        alice: &Handle,
        service: &Handle,
        client: &Terms<'_>,
        server: &Terms<'_>,
    ) -> Result<Pair, (&'static str, i32)> {
        let mut first = self.initialize(Some(alice), None, None, client);
        let mut second: Option<Stepped> = None;
        for _ in 0..4 {
            if first.status != SEC_I_CONTINUE_NEEDED && first.status != SEC_E_OK {
                return Err(("client", first.status));
            }
            if !first.token.is_empty() {
                let context = second.as_ref().map(|second| second.context);
                second = Some(self.accept(Some(service), context, Some(&first.token), server));
            }
            let accepted = second.as_ref().expect("a first step has a token");
            if accepted.status != SEC_I_CONTINUE_NEEDED && accepted.status != SEC_E_OK {
                return Err(("server", accepted.status));
            }
            if first.status == SEC_I_CONTINUE_NEEDED {
                first = self.initialize(Some(alice), Some(first.context), Some(&accepted.token), client);
            } else if accepted.status == SEC_E_OK {
                return Ok(Pair {
                    client: first.context,
                    server: accepted.context,
                    client_flags: first.flags,
                    server_flags: accepted.flags,
                });
            }
        }
        panic!("a handshake has an end")
    }

    /// `QueryContextAttributes` into this structure.
    pub fn query<T: Copy>(&self, context: &Handle, attribute: u32) -> Result<T, i32> {
        let mut structure = std::mem::MaybeUninit::<T>::zeroed();
        // SAFETY: the structure is what the attribute's page names.
        let status = unsafe { (self.query)(context, attribute, structure.as_mut_ptr().cast()) };
        // SAFETY: those structures are made of numbers and pointers, and zeroed.
        if status == SEC_E_OK { Ok(unsafe { structure.assume_init() }) } else { Err(status) }
    }

    /// `QueryContextAttributes`, with a pointer as it comes.
    pub fn query_into(&self, context: *const Handle, attribute: u32, structure: *mut c_void) -> i32 {
        // SAFETY: a pointer that isn't null is to what the attribute's page names.
        unsafe { (self.query)(context, attribute, structure) }
    }

    /// `QueryContextAttributesEx`.
    pub fn query_ex(&self, context: &Handle, attribute: u32, room: &mut [u64], size: u32) -> i32 {
        assert!(size as usize <= size_of_val(room));
        // SAFETY: there is as much room as is said.
        unsafe { (self.query_ex)(context, attribute, room.as_mut_ptr().cast(), size) }
    }

    /// `ChangeAccountPassword` with package, domain, account, old and new password, and a buffer of this kind for the
    /// response, which is empty at first.
    pub fn change(&self, names: [&str; 5], kind: u32, reserved: u32) -> (i32, SecBuffer) {
        let [package, domain, account, old, new] = names.map(F::terminated);
        let mut responses = [SecBuffer { cbBuffer: 0, BufferType: kind, pvBuffer: ptr::null_mut() }];
        // SAFETY: the strings end in a null; the descriptor lives until the call returns.
        let status = unsafe {
            (self.change)(
                package.as_ptr(),
                domain.as_ptr(),
                account.as_ptr(),
                old.as_ptr(),
                new.as_ptr(),
                0,
                reserved,
                &mut describe(&mut responses),
            )
        };
        (status, responses[0])
    }

    /// A string that an attribute handed out, which is freed.
    pub fn take_text(&self, text: *mut u16) -> String {
        let text = text.cast::<F::Unit>();
        // SAFETY: the mock's strings end in a null.
        let length = (0..4096).find(|&index| unsafe { *text.add(index) } == F::Unit::default());
        // SAFETY: that much was read just now.
        let owned = F::text(unsafe { slice::from_raw_parts(text, length.expect("a string ends")) });
        assert_eq!(self.mock.sspi::<F>().free_buffer(text.cast()), SEC_E_OK);
        owned
    }

    /// `ExportSecurityContext`.
    pub fn export(&self, context: &Handle, flags: u32) -> Result<Vec<u8>, i32> {
        let mut packed = SecBuffer { cbBuffer: 0, BufferType: 0, pvBuffer: ptr::null_mut() };
        let mut token = ptr::dangling_mut();
        // SAFETY: everything lives until the call returns.
        let status = unsafe { (self.export)(context, flags, &raw mut packed, &raw mut token) };
        if status != SEC_E_OK {
            return Err(status);
        }
        assert!(token.is_null());
        // SAFETY: that much is there, until it is freed below.
        let bytes = unsafe { slice::from_raw_parts(packed.pvBuffer.cast::<u8>(), packed.cbBuffer as usize) };
        let bytes = bytes.to_vec();
        assert_eq!(self.mock.sspi::<F>().free_buffer(packed.pvBuffer), SEC_E_OK);
        Ok(bytes)
    }

    /// `ImportSecurityContext`.
    pub fn import(&self, package: &str, bytes: &[u8]) -> Result<Handle, i32> {
        let mut bytes = bytes.to_vec();
        let mut packed = buffer(0, &mut bytes);
        let mut context = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
        let package = F::terminated(package);
        // SAFETY: the name ends in a null; everything lives until the call returns.
        let status =
            unsafe { (self.import)(package.as_ptr(), &raw mut packed, ptr::null_mut(), &raw mut context) };
        if status == SEC_E_OK { Ok(context) } else { Err(status) }
    }

    /// `MakeSignature`.
    pub fn sign(&self, context: &Handle, qop: u32, buffers: &mut [SecBuffer]) -> i32 {
        // SAFETY: the buffers live until the call returns.
        unsafe { (self.sign)(context, qop, &mut describe(buffers), 0) }
    }

    /// `VerifySignature`: the status and the quality of protection.
    pub fn verify(&self, context: &Handle, buffers: &mut [SecBuffer]) -> (i32, u32) {
        let mut qop = u32::MAX;
        // SAFETY: everything lives until the call returns.
        (unsafe { (self.verify)(context, &mut describe(buffers), 0, &raw mut qop) }, qop)
    }

    /// `EncryptMessage`.
    pub fn encrypt(&self, context: &Handle, qop: u32, buffers: &mut [SecBuffer]) -> i32 {
        // SAFETY: the buffers live until the call returns.
        unsafe { (self.encrypt)(context, qop, &mut describe(buffers), 0) }
    }

    /// `DecryptMessage`: the status and the quality of protection.
    pub fn decrypt(&self, context: &Handle, buffers: &mut [SecBuffer]) -> (i32, u32) {
        let mut qop = u32::MAX;
        // SAFETY: everything lives until the call returns.
        (unsafe { (self.decrypt)(context, &mut describe(buffers), 0, &raw mut qop) }, qop)
    }
}

/// A buffer over these bytes, which it must not outlive.
pub fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    SecBuffer {
        cbBuffer: u32::try_from(bytes.len()).expect("a short buffer"),
        BufferType: kind,
        pvBuffer: bytes.as_mut_ptr().cast(),
    }
}

/// A descriptor of buffers, which it must not outlive.
pub fn describe(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    SecBufferDesc {
        ulVersion: SECBUFFER_VERSION,
        cBuffers: u32::try_from(buffers.len()).expect("few buffers"),
        pBuffers: buffers.as_mut_ptr(),
    }
}

/// A `SEC_CHANNEL_BINDINGS` with this application data.
pub fn bindings(data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).expect("short data");
    let header: [u32; 8] = [0, 0, 0, 0, 0, 0, length, 32];
    header.iter().flat_map(|word| word.to_ne_bytes()).chain(data.iter().copied()).collect()
}
