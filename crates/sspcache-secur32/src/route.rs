//! The functions of SSPI: each call goes to the mock or to the system, by the credential, context or package that it names.

use std::ffi::{CStr, c_void};

use sspcache_dll::__trace;
use sspcache_dll::abi::{
    self, Ansi, SEC_GET_KEY_FN, SECURITY_PACKAGE_OPTIONS, SecBuffer, SecBufferDesc, SecHandle,
    SecurityFunctionTableA, SecurityFunctionTableW, Wide,
};

use crate::{
    library::{self, Library, SYSTEM, UNSUPPORTED},
    owner::{CONTEXTS, CREDENTIALS},
    packages::{EnumerateSecurityPackagesA, EnumerateSecurityPackagesW},
    recorder,
    ssp::{self, SSP},
};

/// A name that ends in a null.
macro_rules! c_name {
    ($name:ident) => {
        const {
            match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("the name has one null, at its end"),
            }
        }
    };
}

/// Exports functions of SSPI under their documented names. After the parameters stands whose a call is: none for the
/// mock's own; then where a handle is written that the other DLL gives out.
macro_rules! route {
    ($(
        fn $name:ident($($parameter:ident: $type:ty),* $(,)?) of $owner:expr $(, to $handles:ident at $handle:ident)?;
    )*) => {
        $(
            /// The mock's, or that of another DLL.
            ///
            /// # Safety
            /// Pointers are to what the function's page says.
            #[unsafe(no_mangle)]
            #[allow(clippy::too_many_arguments, reason = "SSPI's functions are long")]
            pub(crate) unsafe extern "system" fn $name($($parameter: $type),*) -> i32 {
                if recorder::is_on() {
                    type Function = unsafe extern "system" fn($($type),*) -> i32;
                    let mut call = |function: *const c_void| {
                        // SAFETY: this is the function's type, by its page.
                        let function = unsafe { std::mem::transmute::<*const c_void, Function>(function) };
                        // SAFETY: by this function's contract.
                        unsafe { function($($parameter),*) }
                    };
                    let values = [$(recorder::word($parameter)),*];
                    let parameters = recorder::Parameters { names: &[$(stringify!($parameter)),*], values: &values };
                    // SAFETY: these are its parameters.
                    return unsafe { recorder::pass_on(c_name!($name), parameters, &mut call) };
                }
                // SAFETY: the pointers are to what the page says, as each question about a handle or a name asks.
                let owner = if library::is_inside() || recorder::mocks_nothing() { Some(&SYSTEM) } else { unsafe { $owner } };
                let Some(library) = owner else {
                    // SAFETY: by this function's contract.
                    return unsafe { ssp::$name($($parameter),*) };
                };
                // SAFETY: this is the function's type, by its page.
                let function = unsafe {
                    library.typed::<unsafe extern "system" fn($($type),*) -> i32>(c_name!($name))
                };
                let Some(function) = function else { return UNSUPPORTED };
                // SAFETY: by this function's contract.
                let status = library.call(|| unsafe { function($($parameter),*) });
                $(
                    if status >= 0 {
                        // SAFETY: by this function's contract, there is a place for a handle.
                        unsafe { $handles.insert(library, $handle) };
                    }
                )?
                status
            }
        )*
    };
}

/// Whose package this is: that of a provider with a file of its own, or the system's where the mock offers none of the
/// name.
macro_rules! package_owner {
    ($encoding:ty, $name:expr) => {
        library::provider(|package| abi::is_named::<$encoding>(abi::Raw::from_raw($name), package)).or_else(
            || {
                let offers = abi::offers::<$encoding>(&ssp::SSP, abi::Raw::from_raw($name));
                (!offers.unwrap_or(true)).then_some(&SYSTEM)
            },
        )
    };
}

route! {
    fn QuerySecurityPackageInfoA(name: *mut i8, package: *mut *mut abi::SecPkgInfoA)
        of package_owner!(Ansi, name);
    fn QuerySecurityPackageInfoW(name: *mut u16, package: *mut *mut abi::SecPkgInfoW)
        of package_owner!(Wide, name);
    fn AcquireCredentialsHandleA(
        principal: *mut i8, package: *mut i8, credential_use: u32, logon: *mut c_void, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, handle: *mut SecHandle, expiry: *mut i64,
    ) of package_owner!(Ansi, package), to CREDENTIALS at handle;
    fn AcquireCredentialsHandleW(
        principal: *mut u16, package: *mut u16, credential_use: u32, logon: *mut c_void, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, handle: *mut SecHandle, expiry: *mut i64,
    ) of package_owner!(Wide, package), to CREDENTIALS at handle;
    fn AddCredentialsA(
        handle: *mut SecHandle, principal: *mut i8, package: *mut i8, credential_use: u32, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, expiry: *mut i64,
    ) of CREDENTIALS.owner(handle);
    fn AddCredentialsW(
        handle: *mut SecHandle, principal: *mut u16, package: *mut u16, credential_use: u32, auth: *mut c_void,
        get_key: SEC_GET_KEY_FN, argument: *mut c_void, expiry: *mut i64,
    ) of CREDENTIALS.owner(handle);
    fn FreeCredentialsHandle(handle: *mut SecHandle) of CREDENTIALS.take(handle);
    fn QueryCredentialsAttributesA(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        of CREDENTIALS.owner(handle);
    fn QueryCredentialsAttributesW(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        of CREDENTIALS.owner(handle);
    fn QueryCredentialsAttributesExA(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CREDENTIALS.owner(handle);
    fn QueryCredentialsAttributesExW(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CREDENTIALS.owner(handle);
    fn SetCredentialsAttributesA(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CREDENTIALS.owner(handle);
    fn SetCredentialsAttributesW(handle: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CREDENTIALS.owner(handle);
    fn InitializeSecurityContextA(
        credential: *mut SecHandle, context: *mut SecHandle, target: *mut i8, requirements: u32, reserved1: u32,
        representation: u32, input: *mut SecBufferDesc, reserved2: u32, new_context: *mut SecHandle,
        output: *mut SecBufferDesc, attributes: *mut u32, expiry: *mut i64,
    ) of step_owner(credential, context), to CONTEXTS at new_context;
    fn InitializeSecurityContextW(
        credential: *mut SecHandle, context: *mut SecHandle, target: *mut u16, requirements: u32, reserved1: u32,
        representation: u32, input: *mut SecBufferDesc, reserved2: u32, new_context: *mut SecHandle,
        output: *mut SecBufferDesc, attributes: *mut u32, expiry: *mut i64,
    ) of step_owner(credential, context), to CONTEXTS at new_context;
    fn AcceptSecurityContext(
        credential: *mut SecHandle, context: *mut SecHandle, input: *mut SecBufferDesc, requirements: u32,
        representation: u32, new_context: *mut SecHandle, output: *mut SecBufferDesc, attributes: *mut u32,
        expiry: *mut i64,
    ) of step_owner(credential, context), to CONTEXTS at new_context;
    fn CompleteAuthToken(context: *mut SecHandle, token: *mut SecBufferDesc) of CONTEXTS.owner(context);
    fn DeleteSecurityContext(context: *mut SecHandle) of CONTEXTS.take(context);
    fn ApplyControlToken(context: *mut SecHandle, token: *mut SecBufferDesc) of CONTEXTS.owner(context);
    fn ImpersonateSecurityContext(context: *mut SecHandle) of CONTEXTS.owner(context);
    fn RevertSecurityContext(context: *mut SecHandle) of CONTEXTS.owner(context);
    fn QuerySecurityContextToken(context: *mut SecHandle, token: *mut *mut c_void) of CONTEXTS.owner(context);
    fn ExportSecurityContext(context: *mut SecHandle, flags: u32, packed: *mut SecBuffer, token: *mut *mut c_void)
        of CONTEXTS.owner(context);
    fn ImportSecurityContextA(package: *mut i8, packed: *mut SecBuffer, token: *mut c_void, context: *mut SecHandle)
        of package_owner!(Ansi, package), to CONTEXTS at context;
    fn ImportSecurityContextW(package: *mut u16, packed: *mut SecBuffer, token: *mut c_void, context: *mut SecHandle)
        of package_owner!(Wide, package), to CONTEXTS at context;
    fn QueryContextAttributesA(context: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        of CONTEXTS.owner(context);
    fn QueryContextAttributesW(context: *mut SecHandle, attribute: u32, buffer: *mut c_void)
        of CONTEXTS.owner(context);
    fn QueryContextAttributesExA(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CONTEXTS.owner(context);
    fn QueryContextAttributesExW(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CONTEXTS.owner(context);
    fn SetContextAttributesA(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CONTEXTS.owner(context);
    fn SetContextAttributesW(context: *mut SecHandle, attribute: u32, buffer: *mut c_void, size: u32)
        of CONTEXTS.owner(context);
    fn MakeSignature(context: *mut SecHandle, qop: u32, message: *mut SecBufferDesc, number: u32)
        of CONTEXTS.owner(context);
    fn VerifySignature(context: *mut SecHandle, message: *mut SecBufferDesc, number: u32, qop: *mut u32)
        of CONTEXTS.owner(context);
    fn EncryptMessage(context: *mut SecHandle, qop: u32, message: *mut SecBufferDesc, number: u32)
        of CONTEXTS.owner(context);
    fn DecryptMessage(context: *mut SecHandle, message: *mut SecBufferDesc, number: u32, qop: *mut u32)
        of CONTEXTS.owner(context);
    fn ChangeAccountPasswordA(
        package: *mut i8, domain: *mut i8, account: *mut i8, old: *mut i8, new: *mut i8, impersonating: u8,
        reserved: u32, output: *mut SecBufferDesc,
    ) of package_owner!(Ansi, package);
    fn ChangeAccountPasswordW(
        package: *mut u16, domain: *mut u16, account: *mut u16, old: *mut u16, new: *mut u16, impersonating: u8,
        reserved: u32, output: *mut SecBufferDesc,
    ) of package_owner!(Wide, package);
    fn AddSecurityPackageA(name: *const i8, options: *const SECURITY_PACKAGE_OPTIONS)
        of package_owner!(Ansi, name);
    fn AddSecurityPackageW(name: *const u16, options: *const SECURITY_PACKAGE_OPTIONS)
        of package_owner!(Wide, name);
    fn DeleteSecurityPackageA(name: *const i8) of package_owner!(Ansi, name);
    fn DeleteSecurityPackageW(name: *const u16) of package_owner!(Wide, name);
}

/// Frees memory that a function handed out: the mock's own, or that of another DLL.
///
/// # Safety
/// The buffer is one that a function of this DLL handed out, or null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn FreeContextBuffer(buffer: *mut c_void) -> i32 {
    type Free = unsafe extern "system" fn(*mut c_void) -> i32;
    let free_in = |library: &Library| {
        // SAFETY: this is the function's type, by its page.
        let free = unsafe { library.typed::<Free>(c"FreeContextBuffer") }?;
        // SAFETY: by this function's contract.
        Some(library.call(|| unsafe { free(buffer) }))
    };
    if recorder::is_on() {
        let mut call = |function: *const c_void| {
            // SAFETY: this is the function's type, by its page.
            let free = unsafe { std::mem::transmute::<*const c_void, Free>(function) };
            // SAFETY: by this function's contract.
            unsafe { free(buffer) }
        };
        let parameters = recorder::Parameters { names: &["buffer"], values: &[buffer.addr()] };
        // SAFETY: this is its parameter.
        return unsafe { recorder::pass_on(c"FreeContextBuffer", parameters, &mut call) };
    }
    if !library::is_inside() && !recorder::mocks_nothing() {
        // SAFETY: only the address is asked for.
        if abi::has_handed_out(&ssp::SSP, unsafe { abi::Raw::from_raw(buffer) }) {
            // SAFETY: by this function's contract.
            return unsafe { ssp::FreeContextBuffer(buffer) };
        }
        // A mock refuses what isn't its own. The system can't tell.
        if let Some(freed) = library::loaded_providers().filter_map(free_in).find(|status| *status == 0) {
            return freed;
        }
        if !SYSTEM.is_loaded() {
            // SAFETY: by this function's contract.
            return unsafe { ssp::FreeContextBuffer(buffer) };
        }
    }
    free_in(&SYSTEM).unwrap_or(UNSUPPORTED)
}

/// Flushes the caches of all packages that were used through this DLL.
#[unsafe(no_mangle)]
pub(crate) extern "system" fn CleanupCredentialCache() -> i32 {
    // The system's own has no such function.
    if recorder::mocks_nothing() {
        return 0;
    }
    // SAFETY: it takes nothing.
    let own = unsafe { ssp::CleanupCredentialCache() };
    let others = library::loaded_providers().map(|library| {
        // SAFETY: this is the function's type, by its page.
        let flush = unsafe { library.typed::<extern "system" fn() -> i32>(c"CleanupCredentialCache") };
        flush.map_or(1, |flush| flush())
    });
    // Each is flushed, whatever another one says.
    others.fold(own, |all, one| i32::from(all != 0 && one != 0))
}

/// Once EncryptMessage's name.
///
/// # Safety
/// As [`EncryptMessage`].
#[unsafe(no_mangle)]
pub(crate) unsafe extern "system" fn SealMessage(
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
pub(crate) unsafe extern "system" fn UnsealMessage(
    context: *mut SecHandle,
    message: *mut SecBufferDesc,
    number: u32,
    qop: *mut u32,
) -> i32 {
    // SAFETY: by this function's contract.
    unsafe { DecryptMessage(context, message, number, qop) }
}

/// Whose a step is. On a later one the context decides: what a library passes as the credential then may be no handle.
///
/// # Safety
/// The pointers are to handles; the credential's may be anything where there is a context.
unsafe fn step_owner(credential: *const SecHandle, context: *const SecHandle) -> Option<&'static Library> {
    let (handles, handle) = if context.is_null() { (&CREDENTIALS, credential) } else { (&CONTEXTS, context) };
    // SAFETY: by this function's contract.
    unsafe { handles.owner(handle) }
}

/// Gives the table of functions: of those here, or to the system's own packages the system's.
#[unsafe(no_mangle)]
pub(crate) extern "system" fn InitSecurityInterfaceA() -> *const SecurityFunctionTableA {
    systems_table(c"InitSecurityInterfaceA").unwrap_or_else(|| {
        let edge = abi::Edge::default();
        __trace!(edge, InitSecurityInterfaceA());
        abi::answer(&edge, || abi::init_security_interface(&SSP, &TABLE_A.0))
    })
}

/// Gives the table of functions: of those here, or to the system's own packages the system's.
#[unsafe(no_mangle)]
pub(crate) extern "system" fn InitSecurityInterfaceW() -> *const SecurityFunctionTableW {
    systems_table(c"InitSecurityInterfaceW").unwrap_or_else(|| {
        let edge = abi::Edge::default();
        __trace!(edge, InitSecurityInterfaceW());
        abi::answer(&edge, || abi::init_security_interface(&SSP, &TABLE_W.0))
    })
}

/// The same under the name that WinPR asks for.
#[unsafe(no_mangle)]
pub(crate) extern "system" fn InitSecurityInterfaceExA(_flags: u32) -> *const SecurityFunctionTableA {
    InitSecurityInterfaceA()
}

/// The same under the name that WinPR asks for.
#[unsafe(no_mangle)]
pub(crate) extern "system" fn InitSecurityInterfaceExW(_flags: u32) -> *const SecurityFunctionTableW {
    InitSecurityInterfaceW()
}

/// The system's table, where the system asks.
fn systems_table<T>(name: &CStr) -> Option<*const T> {
    if !library::is_inside() {
        return None;
    }
    // SAFETY: this is the type of both functions, by their page.
    let init = unsafe { SYSTEM.typed::<extern "system" fn() -> *const T>(name) };
    Some(init.map_or(std::ptr::null(), |init| SYSTEM.call(|| init())))
}

sspcache_dll::__tables!();
