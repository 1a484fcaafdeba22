//! The client code that is measured: the same for every library, through its table of functions.
#![allow(unsafe_code, reason = "calls C functions")]

use std::ptr;

use windows_sys::Win32::{
    Foundation::{
        SEC_E_OK, SEC_E_UNSUPPORTED_FUNCTION, SEC_I_COMPLETE_AND_CONTINUE, SEC_I_COMPLETE_NEEDED,
        SEC_I_CONTINUE_NEEDED,
    },
    Security::{
        Authentication::Identity::{
            ASC_REQ_CONFIDENTIALITY, ASC_REQ_INTEGRITY, ASC_REQ_REPLAY_DETECT, ASC_REQ_SEQUENCE_DETECT,
            ISC_REQ_CONFIDENTIALITY, ISC_REQ_INTEGRITY, ISC_REQ_REPLAY_DETECT, ISC_REQ_SEQUENCE_DETECT,
            SECBUFFER_DATA, SECBUFFER_TOKEN, SECBUFFER_VERSION, SECPKG_ATTR_SIZES, SECPKG_CRED_INBOUND,
            SECPKG_CRED_OUTBOUND, SECURITY_NATIVE_DREP, SecBuffer, SecBufferDesc, SecPkgContext_Sizes,
            SecurityFunctionTableW,
        },
        Credentials::SecHandle,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W},
};

/// What every library knows.
const PACKAGE: &str = "NTLM";
const TARGET: &str = "HOST/server";
/// Longer than any token that is sent.
const TOKEN: usize = 4096;
/// Room for a number where the headers have 32 bits, and a library might write the 64 that C's `long` has here.
type Wide = [u32; 2];

/// A client of one library.
pub(crate) struct Client {
    table: &'static SecurityFunctionTableW,
    package: Vec<u16>,
    target: Vec<u16>,
}

/// Calls an entry of the table.
macro_rules! call {
    ($client:ident, $entry:ident($($argument:expr),* $(,)?)) => {{
        let entry = $client.table.$entry.expect(concat!("the table has ", stringify!($entry)));
        // SAFETY: every pointer is to a local of the type that the function's page gives, and those to memory
        // that is handed over stay good for as long as they are used.
        unsafe { entry($($argument),*) }
    }};
}

impl Client {
    /// Of the library that has this table.
    pub(crate) fn new(table: &'static SecurityFunctionTableW) -> Self {
        Self { table, package: wide(PACKAGE), target: wide(TARGET) }
    }

    /// Signs in with a password, to initiate.
    pub(crate) fn sign_in(&self, identity: &Identity) -> SecHandle {
        self.acquire(SECPKG_CRED_OUTBOUND, identity)
    }

    /// Gets ready to accept; a library that needs no identity for that ignores it.
    pub(crate) fn serve(&self, identity: &Identity) -> SecHandle {
        self.acquire(SECPKG_CRED_INBOUND, identity)
    }

    fn acquire(&self, credential_use: u32, identity: &Identity) -> SecHandle {
        let (mut handle, mut expiry) = (SecHandle::default(), 0);
        let mut data = identity.data();
        let status = call!(
            self,
            AcquireCredentialsHandleW(
                ptr::null_mut(),
                self.package.as_ptr().cast_mut(),
                credential_use,
                ptr::null_mut(),
                (&raw mut data).cast(),
                None,
                ptr::null_mut(),
                &raw mut handle,
                &raw mut expiry,
            )
        );
        expect(status, SEC_E_OK, "AcquireCredentialsHandle");
        handle
    }

    /// Gives a credential back.
    pub(crate) fn free(&self, mut handle: SecHandle) {
        expect(call!(self, FreeCredentialsHandle(&raw mut handle)), SEC_E_OK, "FreeCredentialsHandle");
    }

    /// Both ends of a handshake.
    pub(crate) fn handshake(&self, outbound: &SecHandle, inbound: &SecHandle) -> Contexts<'_> {
        let (mut initiator, mut acceptor) = (End::new(outbound), End::new(inbound));
        let (mut call, mut answer) = (Token::new(), Token::new());
        loop {
            self.initialize(&mut initiator, &mut answer, &mut call);
            if call.length > 0 {
                self.accept(&mut acceptor, &mut call, &mut answer);
            }
            if initiator.is_done && acceptor.is_done {
                return Contexts { client: self, handles: [initiator.context, acceptor.context] };
            }
        }
    }

    fn initialize(&self, end: &mut End, from: &mut Token, to: &mut Token) {
        let mut input = [from.buffer(from.length)];
        let input = description(&mut input);
        let mut output = [to.buffer(TOKEN)];
        let output = &mut description(&mut output);
        let flags =
            ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_REPLAY_DETECT | ISC_REQ_SEQUENCE_DETECT;
        let (mut has, mut expiry): (Wide, _) = ([0; 2], 0);
        let first = !end.is_begun;
        let status = call!(
            self,
            InitializeSecurityContextW(
                &raw mut end.credential,
                if first { ptr::null_mut() } else { &raw mut end.context },
                self.target.as_ptr().cast_mut(),
                flags,
                0,
                SECURITY_NATIVE_DREP,
                if first { ptr::null_mut() } else { (&raw const input).cast_mut() },
                0,
                &raw mut end.context,
                output,
                (&raw mut has).cast(),
                &raw mut expiry,
            )
        );
        self.after(end, status, output, "InitializeSecurityContext");
        to.length = written(output);
    }

    fn accept(&self, end: &mut End, from: &mut Token, to: &mut Token) {
        let mut input = [from.buffer(from.length)];
        let mut input = description(&mut input);
        let mut output = [to.buffer(TOKEN)];
        let output = &mut description(&mut output);
        let flags =
            ASC_REQ_CONFIDENTIALITY | ASC_REQ_INTEGRITY | ASC_REQ_REPLAY_DETECT | ASC_REQ_SEQUENCE_DETECT;
        let (mut has, mut expiry): (Wide, _) = ([0; 2], 0);
        let status = call!(
            self,
            AcceptSecurityContext(
                &raw mut end.credential,
                if end.is_begun { &raw mut end.context } else { ptr::null_mut() },
                &raw mut input,
                flags,
                SECURITY_NATIVE_DREP,
                &raw mut end.context,
                output,
                (&raw mut has).cast(),
                &raw mut expiry,
            )
        );
        self.after(end, status, output, "AcceptSecurityContext");
        to.length = written(output);
    }

    /// What a client does with the status of a step.
    fn after(&self, end: &mut End, status: i32, output: &mut SecBufferDesc, what: &str) {
        end.is_begun = true;
        if [SEC_I_COMPLETE_NEEDED, SEC_I_COMPLETE_AND_CONTINUE].contains(&status) {
            let status = call!(self, CompleteAuthToken(&raw mut end.context, output));
            expect(status, SEC_E_OK, "CompleteAuthToken");
        }
        end.is_done = match status {
            SEC_E_OK | SEC_I_COMPLETE_NEEDED => true,
            SEC_I_CONTINUE_NEEDED | SEC_I_COMPLETE_AND_CONTINUE => false,
            _ => panic!("{what}: {status:08X}"),
        };
    }
}

/// One end of a handshake.
struct End {
    credential: SecHandle,
    context: SecHandle,
    is_begun: bool,
    is_done: bool,
}

impl End {
    fn new(credential: &SecHandle) -> Self {
        Self { credential: *credential, context: SecHandle::default(), is_begun: false, is_done: false }
    }
}

/// A token on its way.
struct Token {
    bytes: [u8; TOKEN],
    length: usize,
}

impl Token {
    fn new() -> Self {
        Self { bytes: [0; TOKEN], length: 0 }
    }

    fn buffer(&mut self, length: usize) -> SecBuffer {
        buffer(SECBUFFER_TOKEN, &mut self.bytes[..length])
    }
}

/// Both ends of an established context, which are deleted when dropped.
pub(crate) struct Contexts<'c> {
    client: &'c Client,
    handles: [SecHandle; 2],
}

impl Contexts<'_> {
    /// What the initiator's messages need.
    pub(crate) fn sizes(&mut self) -> SecPkgContext_Sizes {
        let client = self.client;
        // Room for a library that takes C's `long` for each size.
        let mut sizes = [SecPkgContext_Sizes::default(); 2];
        let status = call!(
            client,
            QueryContextAttributesW(&raw mut self.handles[0], SECPKG_ATTR_SIZES, (&raw mut sizes).cast())
        );
        expect(status, SEC_E_OK, "QueryContextAttributes");
        sizes[0]
    }

    /// The initiator signs a message; whether its library can.
    pub(crate) fn sign(&mut self, data: &mut [u8], token: &mut [u8], number: u32) -> bool {
        let client = self.client;
        let mut parts = [buffer(SECBUFFER_DATA, data), buffer(SECBUFFER_TOKEN, token)];
        let mut message = description(&mut parts);
        let status = call!(client, MakeSignature(&raw mut self.handles[0], 0, &raw mut message, number));
        if status == SEC_E_UNSUPPORTED_FUNCTION {
            return false;
        }
        expect(status, SEC_E_OK, "MakeSignature");
        true
    }

    /// The acceptor verifies it.
    pub(crate) fn verify(&mut self, data: &mut [u8], token: &mut [u8], number: u32) {
        let client = self.client;
        let mut qop: Wide = [0; 2];
        let mut parts = [buffer(SECBUFFER_DATA, data), buffer(SECBUFFER_TOKEN, token)];
        let mut message = description(&mut parts);
        let status = call!(
            client,
            VerifySignature(&raw mut self.handles[1], &raw mut message, number, (&raw mut qop).cast())
        );
        expect(status, SEC_E_OK, "VerifySignature");
    }

    /// The initiator encrypts a message.
    pub(crate) fn encrypt(&mut self, data: &mut [u8], token: &mut [u8], number: u32) {
        let client = self.client;
        let mut parts = [buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)];
        let mut message = description(&mut parts);
        let status = call!(client, EncryptMessage(&raw mut self.handles[0], 0, &raw mut message, number));
        expect(status, SEC_E_OK, "EncryptMessage");
    }

    /// The acceptor decrypts it.
    pub(crate) fn decrypt(&mut self, data: &mut [u8], token: &mut [u8], number: u32) {
        let client = self.client;
        let mut qop: Wide = [0; 2];
        let mut parts = [buffer(SECBUFFER_TOKEN, token), buffer(SECBUFFER_DATA, data)];
        let mut message = description(&mut parts);
        let status = call!(
            client,
            DecryptMessage(&raw mut self.handles[1], &raw mut message, number, (&raw mut qop).cast())
        );
        expect(status, SEC_E_OK, "DecryptMessage");
        assert!(ptr::eq(parts[1].pvBuffer.cast(), data.as_ptr()), "it decrypts in place");
    }
}

impl Drop for Contexts<'_> {
    fn drop(&mut self) {
        let client = self.client;
        for handle in &mut self.handles {
            let status = call!(client, DeleteSecurityContext(handle));
            if !std::thread::panicking() {
                expect(status, SEC_E_OK, "DeleteSecurityContext");
            }
        }
    }
}

/// Whom to sign in, in UTF-16.
pub(crate) struct Identity {
    user: Vec<u16>,
    domain: Vec<u16>,
    password: Vec<u16>,
}

impl Identity {
    pub(crate) fn new(user: &str, domain: &str, password: &str) -> Self {
        Self { user: wide(user), domain: wide(domain), password: wide(password) }
    }

    fn data(&self) -> SEC_WINNT_AUTH_IDENTITY_W {
        let length = |text: &Vec<u16>| u32::try_from(text.len() - 1).expect("a short text");
        SEC_WINNT_AUTH_IDENTITY_W {
            User: self.user.as_ptr().cast_mut(),
            UserLength: length(&self.user),
            Domain: self.domain.as_ptr().cast_mut(),
            DomainLength: length(&self.domain),
            Password: self.password.as_ptr().cast_mut(),
            PasswordLength: length(&self.password),
            Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        }
    }
}

/// With a terminating null.
fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn buffer(kind: u32, bytes: &mut [u8]) -> SecBuffer {
    SecBuffer {
        cbBuffer: u32::try_from(bytes.len()).expect("a short buffer"),
        BufferType: kind,
        pvBuffer: bytes.as_mut_ptr().cast(),
    }
}

fn description(buffers: &mut [SecBuffer]) -> SecBufferDesc {
    SecBufferDesc {
        ulVersion: SECBUFFER_VERSION,
        cBuffers: u32::try_from(buffers.len()).expect("a few"),
        pBuffers: buffers.as_mut_ptr(),
    }
}

/// How long the token in the first buffer is.
fn written(output: &SecBufferDesc) -> usize {
    // SAFETY: the caller described one buffer.
    unsafe { (*output.pBuffers).cbBuffer as usize }
}

#[track_caller]
fn expect(status: i32, expected: i32, what: &str) {
    assert_eq!(status, expected, "{what}: {status:08X}");
}
