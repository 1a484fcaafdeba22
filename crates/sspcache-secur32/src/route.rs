//! The functions of SSPI: each call goes to the mock or to the system, by the credential, context or package that it names.

use std::ffi::{CStr, c_void};

use sspcache_dll::abi::{
    self, Ansi, SEC_GET_KEY_FN, SECURITY_PACKAGE_OPTIONS, SecBuffer, SecBufferDesc, SecHandle,
    SecurityFunctionTableA, SecurityFunctionTableW, Wide,
};

use crate::{
    owner::{CONTEXTS, CREDENTIALS},
    ssp, system,
};

/// `SEC_E_UNSUPPORTED_FUNCTION`: the system's own has no such function.
pub(crate) const UNSUPPORTED: i32 = 0x8009_0302_u32.cast_signed();

/// Exports functions of SSPI under their documented names. After the parameters stands the question whether a call is the
/// system's, then what is done after the system's function succeeded.
macro_rules! route {
    ($(
        fn $name:ident($($parameter:ident: $type:ty),* $(,)?) if $is_systems:expr $(, then $then:expr)?;
    )*) => {
        $(
            /// The mock's, or the system's.
            ///
            /// # Safety
            /// Pointers are to what the function's page says.
            #[unsafe(no_mangle)]
            #[allow(clippy::too_many_arguments, reason = "SSPI's functions are long")]
            pub unsafe extern "system" fn $name($($parameter: $type),*) -> i32 {
                // SAFETY: by this function's contract, the pointers are what each of the functions called here asks for.
                unsafe {
                    if !system::is_inside() && !$is_systems {
                        return ssp::$name($($parameter),*);
                    }
                    const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => panic!("the name has one null, at its end"),
                    };
                    let function = system::function(NAME);
                    if function.is_null() {
                        return UNSUPPORTED;
                    }
                    let function = std::mem::transmute::<*const c_void, unsafe extern "system" fn($($type),*) -> i32>(function);
                    let status = system::inside(|| function($($parameter),*));
                    $(if status >= 0 { $then; })?
                    status
                }
            }
        )*
    };
}

/// Whether a package is the system's: one that the mock doesn't offer.
macro_rules! is_systems_package {
    ($encoding:ty, $name:expr) => {
        !abi::offers::<$encoding>(&ssp::SSP, abi::Raw::from_raw($name)).unwrap_or(true)
    };
}

route! {
    fn QuerySecurityPackageInfoA(name: *mut i8, package: *mut *mut abi::SecPkgInfoA)
        if is_systems_package!(Ansi, name);
    fn QuerySecurityPackageInfoW(name: *mut u16, package: *mut *mut abi::SecPkgInfoW)
        if is_systems_package!(Wide, name);
    fn AcquireCredentialsHandleA(
        principal: *mut i8, package: *mut i8, credential_use: u32, logon: *mut c_void, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, handle: *mut SecHandle, expiry: *mut i64,
    ) if is_systems_package!(Ansi, package), then CREDENTIALS.insert(handle);
    fn AcquireCredentialsHandleW(
        principal: *mut u16, package: *mut u16, credential_use: u32, logon: *mut c_void, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, handle: *mut SecHandle, expiry: *mut i64,
    ) if is_systems_package!(Wide, package), then CREDENTIALS.insert(handle);
    fn AddCredentialsA(
        handle: *mut SecHandle, principal: *mut i8, package: *mut i8, credential_use: u32, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, expiry: *mut i64,
    ) if CREDENTIALS.has(handle);
    fn AddCredentialsW(
        handle: *mut SecHandle, principal: *mut u16, package: *mut u16, credential_use: u32, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, expiry: *mut i64,
    ) if CREDENTIALS.has(handle);
    fn FreeCredentialsHandle(handle: *mut SecHandle) if CREDENTIALS.take(handle);
    fn QueryCredentialsAttributesA(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        if CREDENTIALS.has(handle);
    fn QueryCredentialsAttributesW(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        if CREDENTIALS.has(handle);
    fn QueryCredentialsAttributesExA(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CREDENTIALS.has(handle);
    fn QueryCredentialsAttributesExW(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CREDENTIALS.has(handle);
    fn SetCredentialsAttributesA(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CREDENTIALS.has(handle);
    fn SetCredentialsAttributesW(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CREDENTIALS.has(handle);
    fn InitializeSecurityContextA(
        credential: *mut SecHandle, context: *mut SecHandle, target: *mut i8, requirements: u32, reserved1: u32,
        representation: u32, input: *mut SecBufferDesc, reserved2: u32, new_context: *mut SecHandle,
        output: *mut SecBufferDesc, attributes: *mut u32, expiry: *mut i64,
    ) if is_systems_step(credential, context), then CONTEXTS.insert(new_context);
    fn InitializeSecurityContextW(
        credential: *mut SecHandle, context: *mut SecHandle, target: *mut u16, requirements: u32, reserved1: u32,
        representation: u32, input: *mut SecBufferDesc, reserved2: u32, new_context: *mut SecHandle,
        output: *mut SecBufferDesc, attributes: *mut u32, expiry: *mut i64,
    ) if is_systems_step(credential, context), then CONTEXTS.insert(new_context);
    fn AcceptSecurityContext(
        credential: *mut SecHandle, context: *mut SecHandle, input: *mut SecBufferDesc, requirements: u32,
        representation: u32, new_context: *mut SecHandle, output: *mut SecBufferDesc, attributes: *mut u32,
        expiry: *mut i64,
    ) if is_systems_step(credential, context), then CONTEXTS.insert(new_context);
    fn CompleteAuthToken(context: *mut SecHandle, token: *mut SecBufferDesc) if CONTEXTS.has(context);
    fn DeleteSecurityContext(context: *mut SecHandle) if CONTEXTS.take(context);
    fn ApplyControlToken(context: *mut SecHandle, token: *mut SecBufferDesc) if CONTEXTS.has(context);
    fn ImpersonateSecurityContext(context: *mut SecHandle) if CONTEXTS.has(context);
    fn RevertSecurityContext(context: *mut SecHandle) if CONTEXTS.has(context);
    fn QuerySecurityContextToken(context: *mut SecHandle, token: *mut *mut c_void) if CONTEXTS.has(context);
    fn ExportSecurityContext(context: *mut SecHandle, flags: u32, packed: *mut SecBuffer, token: *mut *mut c_void)
        if CONTEXTS.has(context);
    fn ImportSecurityContextA(package: *mut i8, packed: *mut SecBuffer, token: *mut c_void, context: *mut SecHandle)
        if is_systems_package!(Ansi, package), then CONTEXTS.insert(context);
    fn ImportSecurityContextW(package: *mut u16, packed: *mut SecBuffer, token: *mut c_void, context: *mut SecHandle)
        if is_systems_package!(Wide, package), then CONTEXTS.insert(context);
    fn QueryContextAttributesA(context: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        if CONTEXTS.has(context);
    fn QueryContextAttributesW(context: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        if CONTEXTS.has(context);
    fn QueryContextAttributesExA(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CONTEXTS.has(context);
    fn QueryContextAttributesExW(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CONTEXTS.has(context);
    fn SetContextAttributesA(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CONTEXTS.has(context);
    fn SetContextAttributesW(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        if CONTEXTS.has(context);
    fn MakeSignature(context: *mut SecHandle, qop: u32, message: *mut SecBufferDesc, number: u32)
        if CONTEXTS.has(context);
    fn VerifySignature(context: *mut SecHandle, message: *mut SecBufferDesc, number: u32, qop: *mut u32)
        if CONTEXTS.has(context);
    fn EncryptMessage(context: *mut SecHandle, qop: u32, message: *mut SecBufferDesc, number: u32)
        if CONTEXTS.has(context);
    fn DecryptMessage(context: *mut SecHandle, message: *mut SecBufferDesc, number: u32, qop: *mut u32)
        if CONTEXTS.has(context);
    fn ChangeAccountPasswordA(
        package: *mut i8, domain: *mut i8, account: *mut i8, old: *mut i8, new: *mut i8, impersonating: u8,
        reserved: u32, output: *mut SecBufferDesc,
    ) if is_systems_package!(Ansi, package);
    fn ChangeAccountPasswordW(
        package: *mut u16, domain: *mut u16, account: *mut u16, old: *mut u16, new: *mut u16, impersonating: u8,
        reserved: u32, output: *mut SecBufferDesc,
    ) if is_systems_package!(Wide, package);
    fn AddSecurityPackageA(name: *const i8, options: *const SECURITY_PACKAGE_OPTIONS)
        if is_systems_package!(Ansi, name);
    fn AddSecurityPackageW(name: *const u16, options: *const SECURITY_PACKAGE_OPTIONS)
        if is_systems_package!(Wide, name);
    fn DeleteSecurityPackageA(name: *const i8) if is_systems_package!(Ansi, name);
    fn DeleteSecurityPackageW(name: *const u16) if is_systems_package!(Wide, name);
    fn FreeContextBuffer(buffer: *mut c_void) if system::is_loaded() && !abi::has_handed_out(&ssp::SSP, abi::Raw::from_raw(buffer));
    fn CleanupCredentialCache() if false;
}

/// Once EncryptMessage's name.
///
/// # Safety
/// As [`EncryptMessage`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn SealMessage(
    context: *mut SecHandle,
    qop: u32,
    message: *mut SecBufferDesc,
    number: u32,
) -> i32 {
    // SAFETY: by this function's contract.
    unsafe { EncryptMessage(context, qop, message, number) }
}

/// Once DecryptMessage's name.
///
/// # Safety
/// As [`DecryptMessage`].
#[unsafe(no_mangle)]
pub unsafe extern "system" fn UnsealMessage(
    context: *mut SecHandle,
    message: *mut SecBufferDesc,
    number: u32,
    qop: *mut u32,
) -> i32 {
    // SAFETY: by this function's contract.
    unsafe { DecryptMessage(context, message, number, qop) }
}

/// On a later step the context decides: what a library passes as the credential then may be no handle at all.
///
/// # Safety
/// The pointers are to handles; the credential's may be anything where there is a context.
unsafe fn is_systems_step(credential: *const SecHandle, context: *const SecHandle) -> bool {
    // SAFETY: by this function's contract.
    unsafe { if context.is_null() { CREDENTIALS.has(credential) } else { CONTEXTS.has(context) } }
}

/// Gives the table of functions: these here, or to the system's own providers the system's.
#[unsafe(no_mangle)]
pub extern "system" fn InitSecurityInterfaceA() -> *const SecurityFunctionTableA {
    if system::is_inside() {
        return system::init_security_interface(c"InitSecurityInterfaceA");
    }
    abi::answer(|| abi::init_security_interface(&ssp::SSP, &TABLE_A.0))
}

/// Gives the table of functions: these here, or to the system's own providers the system's.
#[unsafe(no_mangle)]
pub extern "system" fn InitSecurityInterfaceW() -> *const SecurityFunctionTableW {
    if system::is_inside() {
        return system::init_security_interface(c"InitSecurityInterfaceW");
    }
    abi::answer(|| abi::init_security_interface(&ssp::SSP, &TABLE_W.0))
}

use crate::packages::{EnumerateSecurityPackagesA, EnumerateSecurityPackagesW};

sspcache_dll::__tables!();
