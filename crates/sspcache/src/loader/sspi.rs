//! The C ABI of an SSP, as a client sees it: shared by the Windows and the Unix loader.
//!
//! Reference: [InitSecurityInterface](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initsecurityinterfacew).
#![allow(unsafe_code, reason = "calls the functions of a table that a foreign module gave")]

mod context;
mod memory;
mod message;
#[cfg(test)]
mod tests;

use std::{
    ffi::c_void,
    mem,
    ptr::{self, NonNull},
    sync::Arc,
};

use sspcache_types::{ContextFlags, Identity, Progress, Refusal, Role, SecurityStatus};
use windows_sys::{
    Win32::{
        Foundation::SEC_E_OK,
        Security::{
            Authentication::Identity::{
                SECBUFFER_CHANGE_PASS_RESPONSE, SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_INBOUND,
                SECPKG_CRED_OUTBOUND, SecPkgCredentials_NamesW, SecurityFunctionTableW,
            },
            Credentials::SecHandle,
        },
        System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W},
    },
    core::BOOL,
};
use zeroize::Zeroizing;

pub use self::context::ContextHandle;
use self::memory::HandedOut;
use super::SecurityInterface;
use crate::request::{ContextRequest, Protection, Sealed, SignIn};

/// Calls `BOOL WINAPI CleanupCredentialCache(void)` (clause C1).
///
/// # Safety
/// The address is that function's, in a module that stays loaded until it has returned.
pub(super) unsafe fn cleanup_credential_cache(address: *const ()) -> bool {
    // SAFETY: the function has this type.
    let cleanup: unsafe extern "system" fn() -> BOOL = unsafe { mem::transmute(address) };
    // SAFETY: it takes nothing, and may be called from any ordinary code.
    (unsafe { cleanup() }) != 0
}

/// Calls `PSecurityFunctionTableW WINAPI InitSecurityInterfaceW(void)`.
///
/// # Safety
/// The address is that function's, in a module that stays loaded as long as this reference to it is held.
pub(super) unsafe fn init_security_interface(
    address: *const (),
    module: Arc<dyn Send + Sync>,
) -> Result<FunctionTable, SecurityStatus> {
    // SAFETY: the function has this type.
    let init: unsafe extern "system" fn() -> *mut SecurityFunctionTableW = unsafe { mem::transmute(address) };
    // SAFETY: it takes nothing, and may be called any number of times.
    let table = NonNull::new(unsafe { init() }).ok_or(SecurityStatus::INTERNAL_ERROR)?;
    Ok(FunctionTable { table, _module: module })
}

/// The table of functions that an SSP returned, and a reference to the SSP's module.
pub struct FunctionTable {
    table: NonNull<SecurityFunctionTableW>,
    _module: Arc<dyn Send + Sync>,
}

// SAFETY: an SSP's table is static and never written to, and SSPI's functions may be called from any thread.
unsafe impl Send for FunctionTable {}
// SAFETY: an SSP's table is static and never written to, and SSPI's functions may be called by several threads at once.
unsafe impl Sync for FunctionTable {}

impl FunctionTable {
    fn table(&self) -> &SecurityFunctionTableW {
        // SAFETY: an SSP returns null or a static table of the documented layout, and its module is referenced.
        unsafe { self.table.as_ref() }
    }

    /// `AcquireCredentialsHandle`, for this use.
    fn acquire_for(
        &self,
        package: &str,
        credential_use: u32,
        sign_in: &SignIn<'_>,
    ) -> Result<CredentialHandle, SecurityStatus> {
        let acquire = self.table().AcquireCredentialsHandleW.ok_or(UNSUPPORTED)?;
        let mut wanted = Wanted::new(package, sign_in);
        let mut handle = SecHandle { dwLower: 0, dwUpper: 0 };
        let mut expiry = 0i64;
        // SAFETY: every pointer is null, where the page allows that, or to something that lives until the call returns.
        let status = unsafe {
            acquire(
                wanted.principal(),
                wanted.package.as_mut_ptr(),
                credential_use,
                ptr::null_mut(),
                wanted.identity(),
                None,
                ptr::null_mut(),
                &raw mut handle,
                &raw mut expiry,
            )
        };
        ok(status).map(|()| CredentialHandle(handle))
    }
}

impl SecurityInterface for FunctionTable {
    type Handle = CredentialHandle;
    type Context = ContextHandle;

    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<CredentialHandle, SecurityStatus> {
        self.acquire_for(package, SECPKG_CRED_OUTBOUND, sign_in)
    }

    fn acquire_inbound(&self, package: &str) -> Result<CredentialHandle, SecurityStatus> {
        self.acquire_for(package, SECPKG_CRED_INBOUND, &SignIn::silent())
    }

    fn add_credentials(
        &self,
        handle: &CredentialHandle,
        package: &str,
        sign_in: &SignIn<'_>,
    ) -> Result<(), SecurityStatus> {
        let add = self.table().AddCredentialsW.ok_or(UNSUPPORTED)?;
        let mut wanted = Wanted::new(package, sign_in);
        let mut raw = handle.0;
        let mut expiry = 0i64;
        // SAFETY: every pointer is null, where the page allows that, or to something that lives until the call returns.
        ok(unsafe {
            add(
                &raw mut raw,
                wanted.principal(),
                wanted.package.as_mut_ptr(),
                SECPKG_CRED_OUTBOUND,
                wanted.identity(),
                None,
                ptr::null_mut(),
                &raw mut expiry,
            )
        })
    }

    fn change_password(
        &self,
        package: &str,
        account: Identity<'_>,
        new_password: &str,
    ) -> Result<(), SecurityStatus> {
        let change = self.table().ChangeAccountPasswordW.ok_or(UNSUPPORTED)?;
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let strings = [package, account.domain, account.user, account.password, new_password];
        let [mut package, mut domain, mut user, mut old, mut new] = strings.map(wide);
        let mut response = [memory::empty(SECBUFFER_CHANGE_PASS_RESPONSE)];
        let mut output = memory::describe(&mut response);
        // SAFETY: strings end in a null, and everything lives until the call returns.
        let status = unsafe {
            change(
                package.as_mut_ptr(),
                domain.as_mut_ptr(),
                user.as_mut_ptr(),
                old.as_mut_ptr(),
                new.as_mut_ptr(),
                false,
                0,
                &raw mut output,
            )
        };
        // SAFETY: FreeContextBuffer frees the SSP's memory, and no code reads it afterwards.
        drop(unsafe { HandedOut::new(response[0].pvBuffer, free) });
        ok(status)
    }

    fn impersonate(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.call_with(self.table().ImpersonateSecurityContext, context)
    }

    fn revert(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.call_with(self.table().RevertSecurityContext, context)
    }

    fn principal(&self, handle: &CredentialHandle) -> Result<String, SecurityStatus> {
        let query = self.table().QueryCredentialsAttributesW.ok_or(UNSUPPORTED)?;
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let mut raw = handle.0;
        let mut names = SecPkgCredentials_NamesW { sUserName: ptr::null_mut() };
        // SAFETY: the attribute's buffer is the structure that its page names; both pointers live until the call
        // returns.
        ok(unsafe { query(&raw mut raw, SECPKG_CRED_ATTR_NAMES, (&raw mut names).cast()) })?;
        // SAFETY: what this attribute returned is freed by FreeContextBuffer.
        let _name = unsafe { HandedOut::new(names.sUserName, free) };
        // SAFETY: if it isn't null, it is a string that ends in a null.
        unsafe { string(names.sUserName) }
    }

    fn free(&self, handle: &CredentialHandle) -> Result<(), SecurityStatus> {
        let free = self.table().FreeCredentialsHandle.ok_or(UNSUPPORTED)?;
        let mut raw = handle.0;
        // SAFETY: the pointer lives until the call returns.
        ok(unsafe { free(&raw mut raw) })
    }

    fn step(
        &self,
        role: Role,
        credential: &CredentialHandle,
        context: &mut Option<ContextHandle>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal> {
        self.next_step(role, credential, context, request, token)
    }

    fn complete(&self, context: &ContextHandle, token: &mut Vec<u8>) -> Result<(), SecurityStatus> {
        self.complete_token(context, token)
    }

    fn delete(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.delete_context(context)
    }

    fn client(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
        self.client_of(context)
    }

    fn package(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
        self.package_of(context)
    }

    fn flags(&self, context: &ContextHandle) -> Result<ContextFlags, SecurityStatus> {
        self.flags_of(context)
    }

    fn session_key(&self, context: &ContextHandle) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        self.session_key_of(context)
    }

    fn sign(&self, context: &ContextHandle, message: &[u8]) -> Result<Vec<u8>, SecurityStatus> {
        self.make_signature(context, message)
    }

    fn verify(
        &self,
        context: &ContextHandle,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SecurityStatus> {
        self.verify_signature(context, message, signature)
    }

    fn wrap(
        &self,
        context: &ContextHandle,
        message: &[u8],
        protection: Protection,
    ) -> Result<Sealed, SecurityStatus> {
        self.encrypt_message(context, message, protection)
    }

    fn unwrap(
        &self,
        context: &ContextHandle,
        sealed: &Sealed,
    ) -> Result<(Vec<u8>, Protection), SecurityStatus> {
        self.decrypt_message(context, sealed)
    }

    fn export(&self, context: &ContextHandle) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        self.export_context(context)
    }

    fn import(&self, package: &str, role: Role, packed: &[u8]) -> Result<ContextHandle, SecurityStatus> {
        self.import_context(package, role, packed)
    }
}

/// A credential handle of an SSP.
pub struct CredentialHandle(SecHandle);

/// What a sign-in is asked for with, as the C ABI has it.
struct Wanted {
    package: Zeroizing<Vec<u16>>,
    principal: Option<Zeroizing<Vec<u16>>>,
    identity: Option<SEC_WINNT_AUTH_IDENTITY_W>,
    /// What the identity's pointers lead to.
    _parts: Option<[Zeroizing<Vec<u16>>; 3]>,
}

impl Wanted {
    fn new(package: &str, sign_in: &SignIn<'_>) -> Self {
        let mut parts = sign_in
            .identity()
            .map(|identity| [wide(identity.user), wide(identity.domain), wide(identity.password)]);
        let identity = parts.as_mut().map(|[user, domain, password]| SEC_WINNT_AUTH_IDENTITY_W {
            UserLength: length(user),
            User: user.as_mut_ptr(),
            DomainLength: length(domain),
            Domain: domain.as_mut_ptr(),
            PasswordLength: length(password),
            Password: password.as_mut_ptr(),
            Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        });
        Self { package: wide(package), principal: sign_in.principal().map(wide), identity, _parts: parts }
    }

    /// A string that ends in a null, or null.
    fn principal(&mut self) -> *mut u16 {
        self.principal.as_mut().map_or(ptr::null_mut(), |principal| principal.as_mut_ptr())
    }

    /// An identity whose lengths are those of its strings, or null.
    fn identity(&self) -> *mut c_void {
        self.identity
            .as_ref()
            .map_or(ptr::null(), |identity| ptr::from_ref(identity).cast::<c_void>())
            .cast_mut()
    }
}

const UNSUPPORTED: SecurityStatus = SecurityStatus::UNSUPPORTED_FUNCTION;

fn ok(status: i32) -> Result<(), SecurityStatus> {
    if status == SEC_E_OK { Ok(()) } else { Err(SecurityStatus(status)) }
}

/// UTF-16 with a terminating null, in a buffer that is as long as it needs to be from the start and is overwritten when
/// dropped: it may hold a password.
fn wide(text: &str) -> Zeroizing<Vec<u16>> {
    let mut units = Zeroizing::new(Vec::with_capacity(text.encode_utf16().count() + 1));
    units.extend(text.encode_utf16());
    units.push(0);
    units
}

/// Units before the terminating null; what is too long for the structure is cut by the SSP's own check of the length.
fn length(units: &[u16]) -> u32 {
    u32::try_from(units.len() - 1).unwrap_or(u32::MAX)
}

/// A string that an SSP handed out.
///
/// # Errors
/// [`SecurityStatus::INTERNAL_ERROR`] when there is none.
///
/// # Safety
/// The pointer is null, or to UTF-16 units that end in a null.
unsafe fn string(text: *const u16) -> Result<String, SecurityStatus> {
    if text.is_null() {
        return Err(SecurityStatus::INTERNAL_ERROR);
    }
    let mut length = 0;
    // SAFETY: the units before this one are of the string and no null, so that this one is of the string as well.
    while unsafe { text.wrapping_add(length).read() } != 0 {
        length += 1;
    }
    // SAFETY: these are the units before the terminating null.
    Ok(String::from_utf16_lossy(unsafe { std::slice::from_raw_parts(text, length) }))
}
