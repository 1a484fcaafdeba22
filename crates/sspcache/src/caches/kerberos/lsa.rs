//! Calls LSA's Kerberos package, over a connection that any program may open.
//!
//! References: [LsaConnectUntrusted](https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/nf-ntsecapi-lsaconnectuntrusted),
//! [LsaCallAuthenticationPackage](https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/nf-ntsecapi-lsacallauthenticationpackage).
#![allow(unsafe_code, reason = "calls secur32.dll")]

use std::{error::Error as StdError, ffi::c_void, fmt, io, ptr, slice};

use libloading::os::windows::Library;
use windows_sys::Win32::{
    Foundation::{
        ERROR_MR_MID_NOT_FOUND, HANDLE, NTSTATUS, RtlNtStatusToDosError, SEC_E_NO_CREDENTIALS,
        STATUS_NO_SUCH_PACKAGE, STATUS_NOT_IMPLEMENTED, STATUS_NOT_SUPPORTED, STATUS_UNSUCCESSFUL,
    },
    Security::Authentication::Identity::{
        KERB_PROTOCOL_MESSAGE_TYPE, KERB_PURGE_TKT_CACHE_REQUEST, KERB_QUERY_TKT_CACHE_REQUEST,
        KerbPurgeTicketCacheMessage, KerbQueryTicketCacheExMessage, KerbQueryTicketCacheMessage, LSA_STRING,
    },
    System::LibraryLoader::LOAD_LIBRARY_SEARCH_SYSTEM32,
};

use super::{
    super::Refusal,
    reply::{Layout, servers},
};

type LsaConnectUntrusted = unsafe extern "system" fn(*mut HANDLE) -> NTSTATUS;
type LsaDeregisterLogonProcess = unsafe extern "system" fn(HANDLE) -> NTSTATUS;
type LsaFreeReturnBuffer = unsafe extern "system" fn(*const c_void) -> NTSTATUS;
type LsaLookupAuthenticationPackage =
    unsafe extern "system" fn(HANDLE, *const LSA_STRING, *mut u32) -> NTSTATUS;
type LsaCallAuthenticationPackage = unsafe extern "system" fn(
    HANDLE,
    u32,
    *const c_void,
    u32,
    *mut *mut c_void,
    *mut u32,
    *mut NTSTATUS,
) -> NTSTATUS;

/// The servers of the tickets of this logon session.
pub(super) fn tickets() -> Result<Vec<String>, Refusal> {
    let secur32 = Secur32::load()?;
    let kerberos = Kerberos::connect(&secur32)?;
    // Refused by Wine 8, which answers the plain one.
    kerberos
        .list("KerbQueryTicketCacheExMessage", KerbQueryTicketCacheExMessage, Layout::EX)
        .or_else(|_| kerberos.list("KerbQueryTicketCacheMessage", KerbQueryTicketCacheMessage, Layout::PLAIN))
}

/// Deletes the tickets of this logon session.
pub(super) fn purge() -> Result<(), Refusal> {
    let secur32 = Secur32::load()?;
    // No logon session, server and realm: all tickets of the current one.
    let request = KERB_PURGE_TKT_CACHE_REQUEST {
        MessageType: KerbPurgeTicketCacheMessage,
        ..KERB_PURGE_TKT_CACHE_REQUEST::default()
    };
    let kerberos = Kerberos::connect(&secur32)?;
    // SAFETY: the request is one that the package has, with null pointers alone.
    unsafe { kerberos.call("KERB_PURGE_TKT_CACHE_REQUEST", &request) }.map(drop)
}

/// LSA's client library.
#[derive(Debug)]
struct Secur32 {
    connect: LsaConnectUntrusted,
    deregister: LsaDeregisterLogonProcess,
    free: LsaFreeReturnBuffer,
    lookup: LsaLookupAuthenticationPackage,
    call: LsaCallAuthenticationPackage,
    _library: Library,
}

impl Secur32 {
    fn load() -> Result<Self, Refusal> {
        // SAFETY: it is Windows' own, from its own folder, and this is no loader callback (clause C6 comes before).
        let library = unsafe { Library::load_with_flags("secur32.dll", LOAD_LIBRARY_SEARCH_SYSTEM32) };
        let library = library.map_err(Refusal::failed)?;
        // SAFETY: the exports of these names have the documented signatures, and are called while the library is there.
        unsafe {
            Ok(Self {
                connect: export(&library, "LsaConnectUntrusted")?,
                deregister: export(&library, "LsaDeregisterLogonProcess")?,
                free: export(&library, "LsaFreeReturnBuffer")?,
                lookup: export(&library, "LsaLookupAuthenticationPackage")?,
                call: export(&library, "LsaCallAuthenticationPackage")?,
                _library: library,
            })
        }
    }
}

/// A function of secur32.dll.
///
/// # Safety
/// The export has this type, and is called as long as the library is there.
unsafe fn export<F: Copy>(library: &Library, name: &'static str) -> Result<F, Refusal> {
    // SAFETY: by this function's contract.
    let function = unsafe { library.get::<F>(name) };
    function.map(|function| *function).map_err(|_| Refusal::Unsupported(format!("secur32.dll has no {name}")))
}

/// LSA's Kerberos package, and the connection to it, which is closed when this is dropped.
#[derive(Debug)]
struct Kerberos<'a> {
    secur32: &'a Secur32,
    lsa: HANDLE,
    package: u32,
}

impl<'a> Kerberos<'a> {
    fn connect(secur32: &'a Secur32) -> Result<Self, Refusal> {
        let mut lsa = ptr::null_mut();
        // SAFETY: the handle is valid for the call to fill in.
        check("LsaConnectUntrusted", unsafe { (secur32.connect)(&raw mut lsa) })?;
        let mut kerberos = Self { secur32, lsa, package: 0 };

        let mut name = *b"Kerberos\0";
        let name = LSA_STRING { Length: 8, MaximumLength: 9, Buffer: name.as_mut_ptr() };
        // SAFETY: the connection is open; the name and the number are valid until the call returns.
        match unsafe { (secur32.lookup)(lsa, &raw const name, &raw mut kerberos.package) } {
            // The documented one, and Wine's.
            STATUS_NO_SUCH_PACKAGE | STATUS_UNSUCCESSFUL => {
                Err(Refusal::Unsupported("LSA has no package Kerberos".to_owned()))
            }
            status => check("LsaLookupAuthenticationPackage", status).map(|()| kerberos),
        }
    }

    fn list(
        &self,
        name: &'static str,
        message: KERB_PROTOCOL_MESSAGE_TYPE,
        layout: Layout,
    ) -> Result<Vec<String>, Refusal> {
        // No logon session: the current one.
        let request =
            KERB_QUERY_TKT_CACHE_REQUEST { MessageType: message, ..KERB_QUERY_TKT_CACHE_REQUEST::default() };
        // SAFETY: the request is one that the package has, and there are no pointers in it.
        let reply = unsafe { self.call(name, &request) }?;
        let servers = servers(reply.bytes(), reply.buffer.addr(), layout).map_err(Refusal::failed)?;
        if servers.is_empty() { Err(Refusal::Absent) } else { Ok(servers) }
    }

    /// Asks the package.
    ///
    /// # Safety
    /// The request is one that the package has, with valid pointers.
    unsafe fn call<T>(&self, name: &'static str, request: &T) -> Result<Reply<'_>, Refusal> {
        let size = u32::try_from(size_of::<T>()).map_err(Refusal::failed)?;
        let mut reply = Reply { secur32: self.secur32, buffer: ptr::null_mut(), length: 0 };
        let mut answer = 0;
        // SAFETY: the connection is open, and the package one of it; the request has the size that is passed and is valid by
        // this function's contract; what is returned has valid places until the call returns.
        let status = unsafe {
            (self.secur32.call)(
                self.lsa,
                self.package,
                ptr::from_ref(request).cast(),
                size,
                &raw mut reply.buffer,
                &raw mut reply.length,
                &raw mut answer,
            )
        };
        // LSA's own status first: where it fails, the package was not asked, or its answer is not set.
        check(name, status).and_then(|()| check(name, answer)).map(|()| reply)
    }
}

impl Drop for Kerberos<'_> {
    fn drop(&mut self) {
        // SAFETY: the connection was opened, and is closed once. Nothing can be done where that fails.
        unsafe { (self.secur32.deregister)(self.lsa) };
    }
}

/// What LSA returned, which is given back to it when this is dropped.
#[derive(Debug)]
struct Reply<'a> {
    secur32: &'a Secur32,
    buffer: *mut c_void,
    length: u32,
}

impl Reply<'_> {
    fn bytes(&self) -> &[u8] {
        if self.buffer.is_null() {
            return &[];
        }
        // SAFETY: LSA allocated the buffer with this length, and no other code has it. It is freed when this is dropped.
        unsafe { slice::from_raw_parts(self.buffer.cast(), self.length as usize) }
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if !self.buffer.is_null() {
            // SAFETY: LSA allocated it, and it is freed once. Nothing can be done where that fails.
            unsafe { (self.secur32.free)(self.buffer) };
        }
    }
}

/// What a status of LSA, or of its package, says of a request.
fn check(what: &'static str, status: NTSTATUS) -> Result<(), Refusal> {
    match status {
        // `NT_SUCCESS`
        0.. => Ok(()),
        SEC_E_NO_CREDENTIALS => Err(Refusal::Absent),
        STATUS_NOT_SUPPORTED | STATUS_NOT_IMPLEMENTED => {
            Err(Refusal::Unsupported(format!("LSA answers {what} with 0x{status:08X}")))
        }
        _ => Err(Refusal::failed(LsaError { what, status, source: meaning(status) })),
    }
}

/// What Windows says that a status means.
fn meaning(status: NTSTATUS) -> io::Error {
    // SAFETY: the function takes a number and no pointer.
    let code = match unsafe { RtlNtStatusToDosError(status) } {
        // Statuses of SSPI have texts of their own.
        ERROR_MR_MID_NOT_FOUND => status,
        code => code.cast_signed(),
    };
    io::Error::from_raw_os_error(code)
}

/// A request that LSA refused.
#[derive(Debug)]
struct LsaError {
    what: &'static str,
    status: NTSTATUS,
    source: io::Error,
}

impl fmt::Display for LsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LSA answers {} with 0x{:08X}", self.what, self.status)
    }
}

impl StdError for LsaError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}
