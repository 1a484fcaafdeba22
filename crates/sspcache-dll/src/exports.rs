//! The exports of an SSP, and its table of functions.

/// Makes the crate that calls it an SSP's DLL of this file name: every SSPI function, A and W, and
/// `CleanupCredentialCache`, exported by name and undecorated; the static tables that `InitSecurityInterfaceA/W`
/// return; the hooks that end the SSP when the DLL is unloaded or the process ends; and
/// [`WipingAllocator`](crate::WipingAllocator).
///
/// To be called once, at the root of a `cdylib`:
///
/// ```no_run
/// sspcache_dll::export_ssp!("CONTOSSP.dll");
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_ssp {
    ($module:literal) => {
        #[global_allocator]
        static ALLOCATOR: $crate::WipingAllocator = $crate::WipingAllocator(::std::alloc::System);

        $crate::__ssp!(__export, __export, $module);
        $crate::__export_detach!();
    };
}

/// Makes the module that calls it an SSP that is linked in, as the DLL of this file name would be were it loaded:
/// `exports()` gives every export of such a DLL by its name, `detach()` ends the SSP as unloading the DLL does. Nothing
/// is exported from the file that it is linked into; whatever stands for the loader hands the functions out.
///
/// Memory that is freed is overwritten only if that file's global allocator is
/// [`WipingAllocator`](crate::WipingAllocator).
///
/// ```
/// mod ssp {
///     sspcache_dll::link_ssp!("CONTOSSP.dll");
/// }
/// assert!(ssp::exports().iter().any(|&(name, _)| name == "CleanupCredentialCache"));
/// ssp::detach(sspcache_dll::Ending::Unloaded);
/// ```
#[macro_export]
macro_rules! link_ssp {
    ($module:literal) => {
        $crate::__ssp!(__link, __link, $module);

        /// The exports, each by its name.
        pub fn exports() -> Vec<(&'static str, *const c_void)> {
            [security_functions(), auth_identity_functions(), marks()].concat()
        }

        /// Ends the SSP: its cache is wiped and its journal says what was left. The next call begins another.
        pub fn detach(how: $crate::Ending) {
            SSP.detach(how);
        }
    };
}

/// Makes the module that calls it the mock behind a `secur32.dll`: its functions of SSPI are not exported, since the DLL first asks
/// whether a call is the system's. The functions for identities are.
#[doc(hidden)]
#[macro_export]
macro_rules! __secur32_ssp {
    ($module:literal) => {
        $crate::__ssp!(__link, __export_or_pass_on, $module);
    };
}

/// An SSP of this file name: its state, its functions, its tables. The first argument is the macro that makes the
/// functions of SSPI, the second the one that makes those for identities and the marks in the journal.
#[doc(hidden)]
#[macro_export]
macro_rules! __ssp {
    ($functions:ident, $identities:ident, $module:literal) => {
        pub(crate) static SSP: $crate::Ssp = $crate::Ssp::new($module);

        use ::core::ffi::c_void;
        use $crate::abi;

        $crate::$functions! { security_functions:
            /// Empties the credential cache.
            fn CleanupCredentialCache() -> i32 = cleanup_credential_cache();
            /// Lists the packages.
            fn EnumerateSecurityPackagesA(count: *mut u32, packages: *mut *mut abi::SecPkgInfoA) -> i32
                = enumerate_security_packages::<abi::Ansi>(count, packages);
            /// Lists the packages.
            fn EnumerateSecurityPackagesW(count: *mut u32, packages: *mut *mut abi::SecPkgInfoW) -> i32
                = enumerate_security_packages::<abi::Wide>(count, packages);
            /// Describes a package.
            fn QuerySecurityPackageInfoA(name: *mut i8, package: *mut *mut abi::SecPkgInfoA) -> i32
                = query_security_package_info::<abi::Ansi>(name, package);
            /// Describes a package.
            fn QuerySecurityPackageInfoW(name: *mut u16, package: *mut *mut abi::SecPkgInfoW) -> i32
                = query_security_package_info::<abi::Wide>(name, package);
            /// Signs in.
            fn AcquireCredentialsHandleA(
                principal: *mut i8, package: *mut i8, credential_use: u32, _logon: *mut c_void, auth: *mut c_void,
                _get_key: abi::SEC_GET_KEY_FN, _argument: *mut c_void, handle: *mut abi::SecHandle, expiry: *mut i64
            ) -> i32
                = acquire_credentials_handle::<abi::Ansi>([principal, package], credential_use, auth, handle, expiry);
            /// Signs in.
            fn AcquireCredentialsHandleW(
                principal: *mut u16, package: *mut u16, credential_use: u32, _logon: *mut c_void, auth: *mut c_void,
                _get_key: abi::SEC_GET_KEY_FN, _argument: *mut c_void, handle: *mut abi::SecHandle, expiry: *mut i64
            ) -> i32
                = acquire_credentials_handle::<abi::Wide>([principal, package], credential_use, auth, handle, expiry);
            /// Signs in, with one more credential for a handle.
            fn AddCredentialsA(
                handle: *mut abi::SecHandle, principal: *mut i8, package: *mut i8, credential_use: u32,
                auth: *mut c_void, _get_key: abi::SEC_GET_KEY_FN, _argument: *mut c_void, expiry: *mut i64
            ) -> i32
                = add_credentials::<abi::Ansi>(handle, [principal, package], credential_use, auth, expiry);
            /// Signs in, with one more credential for a handle.
            fn AddCredentialsW(
                handle: *mut abi::SecHandle, principal: *mut u16, package: *mut u16, credential_use: u32,
                auth: *mut c_void, _get_key: abi::SEC_GET_KEY_FN, _argument: *mut c_void, expiry: *mut i64
            ) -> i32
                = add_credentials::<abi::Wide>(handle, [principal, package], credential_use, auth, expiry);
            /// Gives a credential handle back.
            fn FreeCredentialsHandle(handle: *mut abi::SecHandle) -> i32 = free_credentials_handle(handle);
            /// Returns the principal of a credential handle.
            fn QueryCredentialsAttributesA(handle: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void) -> i32
                = query_credentials_attributes::<abi::Ansi>(handle, (attribute, buffer));
            /// Returns the principal of a credential handle.
            fn QueryCredentialsAttributesW(handle: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void) -> i32
                = query_credentials_attributes::<abi::Wide>(handle, (attribute, buffer));
            /// Returns the principal of a credential handle.
            fn QueryCredentialsAttributesExA(
                handle: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void, size: u32
            ) -> i32
                = query_credentials_attributes::<abi::Ansi>(handle, (attribute, buffer, size));
            /// Returns the principal of a credential handle.
            fn QueryCredentialsAttributesExW(
                handle: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void, size: u32
            ) -> i32
                = query_credentials_attributes::<abi::Wide>(handle, (attribute, buffer, size));
            /// Sets a credential handle's proxy for Kerberos.
            fn SetCredentialsAttributesA(
                handle: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void, size: u32
            ) -> i32
                = set_credentials_attributes(handle, attribute, (buffer, size));
            /// Sets a credential handle's proxy for Kerberos.
            fn SetCredentialsAttributesW(
                handle: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void, size: u32
            ) -> i32
                = set_credentials_attributes(handle, attribute, (buffer, size));
            /// The initiator's next step.
            fn InitializeSecurityContextA(
                credential: *mut abi::SecHandle, context: *mut abi::SecHandle, target: *mut i8, requirements: u32,
                _reserved1: u32, _representation: u32, input: *mut abi::SecBufferDesc, _reserved2: u32,
                new_context: *mut abi::SecHandle, output: *mut abi::SecBufferDesc, attributes: *mut u32,
                expiry: *mut i64
            ) -> i32
                = initialize_security_context::<abi::Ansi>(target, (
                    credential, context, requirements, input, new_context, output, attributes, expiry
                ));
            /// The initiator's next step.
            fn InitializeSecurityContextW(
                credential: *mut abi::SecHandle, context: *mut abi::SecHandle, target: *mut u16, requirements: u32,
                _reserved1: u32, _representation: u32, input: *mut abi::SecBufferDesc, _reserved2: u32,
                new_context: *mut abi::SecHandle, output: *mut abi::SecBufferDesc, attributes: *mut u32,
                expiry: *mut i64
            ) -> i32
                = initialize_security_context::<abi::Wide>(target, (
                    credential, context, requirements, input, new_context, output, attributes, expiry
                ));
            /// The acceptor's next step.
            fn AcceptSecurityContext(
                credential: *mut abi::SecHandle, context: *mut abi::SecHandle, input: *mut abi::SecBufferDesc,
                requirements: u32, _representation: u32, new_context: *mut abi::SecHandle,
                output: *mut abi::SecBufferDesc, attributes: *mut u32, expiry: *mut i64
            ) -> i32
                = accept_security_context((
                    credential, context, requirements, input, new_context, output, attributes, expiry
                ));
            /// Completes a token.
            fn CompleteAuthToken(context: *mut abi::SecHandle, token: *mut abi::SecBufferDesc) -> i32
                = complete_auth_token(context, token);
            /// Ends a context.
            fn DeleteSecurityContext(context: *mut abi::SecHandle) -> i32 = delete_security_context(context);
            /// Not supported by the mock's packages.
            fn ApplyControlToken(context: *mut abi::SecHandle, _token: *mut abi::SecBufferDesc) -> i32
                = apply_control_token(context);
            /// Pretends to act for the client, if the configuration says so.
            fn ImpersonateSecurityContext(context: *mut abi::SecHandle) -> i32
                = impersonate_security_context(context);
            /// Ends what `ImpersonateSecurityContext` began.
            fn RevertSecurityContext(context: *mut abi::SecHandle) -> i32 = revert_security_context(context);
            /// Opens an access token, if the configuration says so.
            fn QuerySecurityContextToken(context: *mut abi::SecHandle, token: *mut *mut c_void) -> i32
                = query_security_context_token(context, token);
            /// Packs a context.
            fn ExportSecurityContext(
                context: *mut abi::SecHandle, flags: u32, packed: *mut abi::SecBuffer, token: *mut *mut c_void
            ) -> i32
                = export_security_context(context, flags, packed, token);
            /// Makes a context of a packed one.
            fn ImportSecurityContextA(
                package: *mut i8, packed: *mut abi::SecBuffer, _token: *mut c_void, context: *mut abi::SecHandle
            ) -> i32
                = import_security_context::<abi::Ansi>(package, packed, context);
            /// Makes a context of a packed one.
            fn ImportSecurityContextW(
                package: *mut u16, packed: *mut abi::SecBuffer, _token: *mut c_void, context: *mut abi::SecHandle
            ) -> i32
                = import_security_context::<abi::Wide>(package, packed, context);
            /// Returns an attribute of a context.
            fn QueryContextAttributesA(context: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void) -> i32
                = query_context_attributes::<abi::Ansi>(context, (attribute, buffer));
            /// Returns an attribute of a context.
            fn QueryContextAttributesW(context: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void) -> i32
                = query_context_attributes::<abi::Wide>(context, (attribute, buffer));
            /// Returns an attribute of a context.
            fn QueryContextAttributesExA(
                context: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void, size: u32
            ) -> i32
                = query_context_attributes::<abi::Ansi>(context, (attribute, buffer, size));
            /// Returns an attribute of a context.
            fn QueryContextAttributesExW(
                context: *mut abi::SecHandle, attribute: u32, buffer: *mut c_void, size: u32
            ) -> i32
                = query_context_attributes::<abi::Wide>(context, (attribute, buffer, size));
            /// Not supported by the mock's packages.
            fn SetContextAttributesA(
                context: *mut abi::SecHandle, _attribute: u32, _buffer: *mut c_void, _size: u32
            ) -> i32
                = set_context_attributes(context);
            /// Not supported by the mock's packages.
            fn SetContextAttributesW(
                context: *mut abi::SecHandle, _attribute: u32, _buffer: *mut c_void, _size: u32
            ) -> i32
                = set_context_attributes(context);
            /// Signs a message. The context numbers its messages by itself.
            fn MakeSignature(
                context: *mut abi::SecHandle, qop: u32, message: *mut abi::SecBufferDesc, _number: u32
            ) -> i32
                = make_signature(context, qop, message);
            /// Verifies a signed message.
            fn VerifySignature(
                context: *mut abi::SecHandle, message: *mut abi::SecBufferDesc, _number: u32, qop: *mut u32
            ) -> i32
                = verify_signature(context, message, qop);
            /// Encrypts a message. The context numbers its messages by itself.
            fn EncryptMessage(
                context: *mut abi::SecHandle, qop: u32, message: *mut abi::SecBufferDesc, _number: u32
            ) -> i32
                = encrypt_message(context, qop, message);
            /// Decrypts a message.
            fn DecryptMessage(
                context: *mut abi::SecHandle, message: *mut abi::SecBufferDesc, _number: u32, qop: *mut u32
            ) -> i32
                = decrypt_message(context, message, qop);
            /// Changes an account's password.
            fn ChangeAccountPasswordA(
                package: *mut i8, domain: *mut i8, account: *mut i8, old: *mut i8, new: *mut i8,
                _impersonating: u8, reserved: u32, output: *mut abi::SecBufferDesc
            ) -> i32
                = change_account_password::<abi::Ansi>(
                    package, [domain, account, old, new], reserved, output
                );
            /// Changes an account's password.
            fn ChangeAccountPasswordW(
                package: *mut u16, domain: *mut u16, account: *mut u16, old: *mut u16, new: *mut u16,
                _impersonating: u8, reserved: u32, output: *mut abi::SecBufferDesc
            ) -> i32
                = change_account_password::<abi::Wide>(
                    package, [domain, account, old, new], reserved, output
                );
            /// Adds a package, which has to be there.
            fn AddSecurityPackageA(name: *const i8, options: *const abi::SECURITY_PACKAGE_OPTIONS) -> i32
                = add_security_package::<abi::Ansi>(name, options);
            /// Adds a package, which has to be there.
            fn AddSecurityPackageW(name: *const u16, options: *const abi::SECURITY_PACKAGE_OPTIONS) -> i32
                = add_security_package::<abi::Wide>(name, options);
            /// Not supported: the packages are those of the configuration.
            fn DeleteSecurityPackageA(name: *const i8) -> i32 = delete_security_package::<abi::Ansi>(name);
            /// Not supported: the packages are those of the configuration.
            fn DeleteSecurityPackageW(name: *const u16) -> i32 = delete_security_package::<abi::Wide>(name);
            /// Frees memory that this SSP handed out.
            fn FreeContextBuffer(buffer: *mut c_void) -> i32 = free_context_buffer(buffer);
            /// Gives the table of functions.
            fn InitSecurityInterfaceA() -> *const abi::SecurityFunctionTableA = init_security_interface(&TABLE_A.0);
            /// Gives the table of functions.
            fn InitSecurityInterfaceW() -> *const abi::SecurityFunctionTableW = init_security_interface(&TABLE_W.0);
            /// Gives the table of functions by WinPR's name for that, whichever library the flags ask for.
            fn InitSecurityInterfaceExA(_flags: u32) -> *const abi::SecurityFunctionTableA
                = init_security_interface(&TABLE_A.0);
            /// Gives the table of functions by WinPR's name for that, whichever library the flags ask for.
            fn InitSecurityInterfaceExW(_flags: u32) -> *const abi::SecurityFunctionTableW
                = init_security_interface(&TABLE_W.0);
        }

        $crate::__export_auth_identity!($identities);

        $crate::__marks!($identities:
            /// Says in the journal that the program has signed out. It flushes and frees nothing.
            fn sspcache_signed_out() -> () = signed_out();
        );

        $crate::__tables!();
    };
}

/// What such a function does: it passes its parameters on as safe values, traced if a trace asks for it.
#[doc(hidden)]
#[macro_export]
macro_rules! __answered {
    ($name:ident($($parameter:ident: $type:ty),*) = $target:ident $(::<$encoding:ty>)? ($($argument:expr),*)) => {{
        let edge = abi::Edge::default();
        $crate::__trace!(edge, $name($($parameter: $type),*));
        $crate::__recorded!(stringify!($name), ($($parameter),*), abi::answer(&edge, || abi::$target $(::<$encoding>)? (
            &SSP
            $(,
                // SAFETY: the caller promises that it is what the page says until the call returns.
                unsafe { abi::Raw::from_raw($argument) }
            )*
        )))
    }};
}

/// Exports functions that pass their parameters on to one of `sspcache_dll::abi`: as safe values, behind the SSP, and
/// inside of what catches panics.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($list:ident: $(
        #[doc = $doc:literal]
        fn $name:ident($($parameter:ident: $type:ty),* $(,)?) -> $result:ty
            = $target:ident $(::<$encoding:ty>)? ($($argument:expr),*);
    )*) => {
        $(
            #[doc = $doc]
            ///
            /// # Safety
            /// Pointers are to what the function's page says.
            #[unsafe(no_mangle)]
            #[allow(clippy::too_many_arguments, reason = "SSPI's functions are long")]
            pub unsafe extern "system" fn $name($($parameter: $type),*) -> $result {
                $crate::__answered!($name($($parameter: $type),*) = $target $(::<$encoding>)? ($($argument),*))
            }
        )*
    };
}

/// Exports them, and passes calls on to the system's own where the crate says so (its modules `recorder` and `library`).
#[doc(hidden)]
#[macro_export]
#[allow(clippy::crate_in_macro_def, reason = "these modules are of the crate that calls it")]
macro_rules! __export_or_pass_on {
    ($list:ident: $(
        #[doc = $doc:literal]
        fn $name:ident($($parameter:ident: $type:ty),* $(,)?) -> $result:ty
            = $target:ident $(::<$encoding:ty>)? ($($argument:expr),*);
    )*) => {
        $(
            #[doc = $doc]
            ///
            /// # Safety
            /// Pointers are to what the function's page says.
            #[unsafe(no_mangle)]
            #[allow(clippy::too_many_arguments, reason = "SSPI's functions are long")]
            pub unsafe extern "system" fn $name($($parameter: $type),*) -> $result {
                if crate::recorder::mocks_nothing() {
                    const NAME: &::core::ffi::CStr =
                        match ::core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                            Ok(name) => name,
                            Err(_) => c"",
                        };
                    // SAFETY: this is the function's type, by its page.
                    let function = unsafe {
                        crate::library::SYSTEM.typed::<unsafe extern "system" fn($($type),*) -> $result>(NAME)
                    };
                    return match function {
                        // SAFETY: by this function's contract.
                        Some(function) => crate::library::SYSTEM.call(|| unsafe { function($($parameter),*) }),
                        None => crate::recorder::Missing::missing(),
                    };
                }
                $crate::__answered!($name($($parameter: $type),*) = $target $(::<$encoding>)? ($($argument),*))
            }
        )*
    };
}

/// The marks in the journal, which no system has.
#[doc(hidden)]
#[macro_export]
macro_rules! __marks {
    (__export_or_pass_on: $($function:tt)*) => { $crate::__export! { marks: $($function)* } };
    ($functions:ident: $($function:tt)*) => { $crate::$functions! { marks: $($function)* } };
}

/// Makes the same functions without exporting them, and a list of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __link {
    ($list:ident: $(
        #[doc = $doc:literal]
        fn $name:ident($($parameter:ident: $type:ty),* $(,)?) -> $result:ty
            = $target:ident $(::<$encoding:ty>)? ($($argument:expr),*);
    )*) => {
        $(
            #[doc = $doc]
            ///
            /// # Safety
            /// Pointers are to what the function's page says.
            #[allow(non_snake_case, reason = "the documented name")]
            #[allow(clippy::too_many_arguments, reason = "SSPI's functions are long")]
            pub(crate) unsafe extern "system" fn $name($($parameter: $type),*) -> $result {
                $crate::__answered!($name($($parameter: $type),*) = $target $(::<$encoding>)? ($($argument),*))
            }
        )*

        #[allow(dead_code, reason = "the DLL that exports them has no need of the list")]
        fn $list() -> Vec<(&'static str, *const c_void)> {
            vec![$((stringify!($name), $name as *const c_void),)*]
        }
    };
}

/// Both tables of functions, A and W, of the functions that have those names where it is called.
#[doc(hidden)]
#[macro_export]
macro_rules! __tables {
    () => {
        $crate::__export_table!(
            TABLE_A,
            SecurityFunctionTableA,
            ChangeAccountPasswordA,
            EnumerateSecurityPackagesA,
            QueryCredentialsAttributesA,
            AcquireCredentialsHandleA,
            InitializeSecurityContextA,
            QueryContextAttributesA,
            QuerySecurityPackageInfoA,
            ImportSecurityContextA,
            AddCredentialsA,
            SetContextAttributesA,
            SetCredentialsAttributesA,
            QueryContextAttributesExA,
            QueryCredentialsAttributesExA
        );
        $crate::__export_table!(
            TABLE_W,
            SecurityFunctionTableW,
            ChangeAccountPasswordW,
            EnumerateSecurityPackagesW,
            QueryCredentialsAttributesW,
            AcquireCredentialsHandleW,
            InitializeSecurityContextW,
            QueryContextAttributesW,
            QuerySecurityPackageInfoW,
            ImportSecurityContextW,
            AddCredentialsW,
            SetContextAttributesW,
            SetCredentialsAttributesW,
            QueryContextAttributesExW,
            QueryCredentialsAttributesExW
        );
    };
}

/// A static table of functions (clause S2). The named functions are those that have an A and a W form, under the table's
/// own names for them.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_table {
    ($table:ident, $type:ident, $change:ident, $($function:ident),* $(,)?) => {
        static $table: abi::Table<abi::$type> = abi::Table(abi::$type {
            dwVersion: abi::INTERFACE_VERSION,
            $($function: Some($function),)*
            // SAFETY: its type differs by the BOOLEAN alone, which `windows-sys` has as a `bool`; C may pass any byte.
            $change: unsafe { abi::entry($change as *const c_void) },
            FreeCredentialsHandle: Some(FreeCredentialsHandle),
            Reserved2: ::core::ptr::null_mut(),
            AcceptSecurityContext: Some(AcceptSecurityContext),
            CompleteAuthToken: Some(CompleteAuthToken),
            DeleteSecurityContext: Some(DeleteSecurityContext),
            ApplyControlToken: Some(ApplyControlToken),
            ImpersonateSecurityContext: Some(ImpersonateSecurityContext),
            RevertSecurityContext: Some(RevertSecurityContext),
            MakeSignature: Some(MakeSignature),
            VerifySignature: Some(VerifySignature),
            FreeContextBuffer: Some(FreeContextBuffer),
            // Once SealMessage and UnsealMessage, and still called through by old clients.
            Reserved3: EncryptMessage as *mut c_void,
            Reserved4: DecryptMessage as *mut c_void,
            ExportSecurityContext: Some(ExportSecurityContext),
            Reserved8: ::core::ptr::null_mut(),
            QuerySecurityContextToken: Some(QuerySecurityContextToken),
            EncryptMessage: Some(EncryptMessage),
            DecryptMessage: Some(DecryptMessage),
        });
    };
}

/// The code that ends the SSP: a destructor of the ELF or Mach-O file, or DllMain.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_detach {
    () => {
        #[cfg(unix)]
        extern "C" fn detach() {
            // A destructor runs at dlclose and at the process's end, and can't distinguish them.
            SSP.detach(abi::Ending::Unloaded);
            abi::forget();
        }

        #[cfg(unix)]
        #[used]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".fini_array"))]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_term_func"))]
        static DETACH: extern "C" fn() = detach;

        /// Called by Windows' loader.
        #[cfg(windows)]
        #[unsafe(no_mangle)]
        pub extern "system" fn DllMain(_: *mut c_void, reason: u32, reserved: *mut c_void) -> i32 {
            if reason == abi::DLL_PROCESS_DETACH {
                SSP.detach(if reserved.is_null() { abi::Ending::Unloaded } else { abi::Ending::Exit });
            }
            1
        }
    };
}

/// Begins the trace of a call, if it is traced.
#[doc(hidden)]
#[macro_export]
macro_rules! __trace {
    ($edge:ident, $name:ident($($parameter:ident: $type:ty),*)) => {
        if SSP.may_trace() {
            const NAMES: &str = concat!(stringify!($name) $(, " ", stringify!($parameter))*);
            const KINDS: [abi::Kind; <[&str]>::len(&[$(stringify!($parameter)),*])] = [$(<$type as abi::Parametric>::KIND),*];
            static SHAPE: [u8; KINDS.len() + NAMES.len()] = abi::shape(KINDS, NAMES);
            let words = [$(abi::Parametric::word($parameter)),*];
            // SAFETY: the caller promises that they are what the page says until the call returns.
            unsafe { abi::begin_trace(&$edge, &SSP, &SHAPE, &words) };
        }
    };
}

/// A call, which a build for recording writes down.
#[cfg(not(sspcache_record))]
#[doc(hidden)]
#[macro_export]
macro_rules! __recorded {
    ($name:expr, ($($parameter:ident),*), $call:expr) => {
        $call
    };
}

/// A call, which a build for recording writes down.
#[cfg(sspcache_record)]
#[doc(hidden)]
#[macro_export]
macro_rules! __recorded {
    ($name:expr, ($($parameter:ident),*), $call:expr) => {
        $crate::record::call(
            $name,
            &[$($crate::record::Parameter::new(stringify!($parameter), $parameter)),*],
            || $call,
        )
    };
}
