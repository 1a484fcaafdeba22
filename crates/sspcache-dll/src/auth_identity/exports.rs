//! The exports of this family.

/// Exports the `Sspi…AuthIdentity` functions.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_auth_identity {
    ($functions:ident) => {
        $crate::$functions! { auth_identity_functions:
            /// Makes an identity of strings.
            fn SspiEncodeStringsAsAuthIdentity(
                user: *const u16, domain: *const u16, packed: *const u16, identity: *mut *mut c_void
            ) -> i32
                = encode_strings_as_auth_identity([user, domain, packed], identity);
            /// Makes strings of an identity.
            fn SspiEncodeAuthIdentityAsStrings(
                identity: *const c_void, user: *mut *const u16, domain: *mut *const u16, packed: *mut *const u16
            ) -> i32
                = encode_auth_identity_as_strings(identity, [user, domain, packed]);
            /// Checks the form of an identity.
            fn SspiValidateAuthIdentity(identity: *const c_void) -> i32 = validate_auth_identity(identity);
            /// Copies an identity.
            fn SspiCopyAuthIdentity(identity: *const c_void, copy: *mut *mut c_void) -> i32
                = copy_auth_identity(identity, copy);
            /// Frees an identity.
            fn SspiFreeAuthIdentity(identity: *const c_void) -> () = free_auth_identity(identity);
            /// Overwrites an identity.
            fn SspiZeroAuthIdentity(identity: *const c_void) -> () = zero_auth_identity(identity);
            /// Frees what these functions handed out.
            fn SspiLocalFree(buffer: *const c_void) -> () = local_free(buffer);
            /// Encrypts an identity.
            fn SspiEncryptAuthIdentity(identity: *mut c_void) -> i32
                = encrypt_auth_identity(abi::SAME_PROCESS, identity);
            /// Encrypts an identity.
            fn SspiEncryptAuthIdentityEx(options: u32, identity: *mut c_void) -> i32
                = encrypt_auth_identity(options, identity);
            /// Decrypts an identity.
            fn SspiDecryptAuthIdentity(identity: *mut c_void) -> i32
                = decrypt_auth_identity(abi::SAME_PROCESS, identity);
            /// Decrypts an identity.
            fn SspiDecryptAuthIdentityEx(options: u32, identity: *mut c_void) -> i32
                = decrypt_auth_identity(options, identity);
            /// Checks whether an identity is encrypted.
            fn SspiIsAuthIdentityEncrypted(identity: *const c_void) -> bool = is_auth_identity_encrypted(identity);
            /// Compares two identities.
            fn SspiCompareAuthIdentities(
                first: *const c_void, second: *const c_void, same_user: *mut bool, same_identity: *mut bool
            ) -> i32
                = compare_auth_identities([first, second], same_user, same_identity);
            /// Makes bytes of an identity.
            fn SspiMarshalAuthIdentity(identity: *const c_void, length: *mut u32, bytes: *mut *mut i8) -> i32
                = marshal_auth_identity(identity, length, bytes);
            /// Makes an identity of bytes.
            fn SspiUnmarshalAuthIdentity(length: u32, bytes: *const u8, identity: *mut *mut c_void) -> i32
                = unmarshal_auth_identity((bytes, length), identity);
            /// Keeps an identity from a package.
            fn SspiExcludePackage(identity: *const c_void, package: *const u16, new: *mut *mut c_void) -> i32
                = exclude_package(identity, package, new);
            /// Returns the host that a target names.
            fn SspiGetTargetHostName(target: *const u16, host: *mut *mut u16) -> i32
                = get_target_host_name(target, host);
            /// Returns the arguments for CredRead.
            fn SspiPrepareForCredRead(
                identity: *const c_void, target: *const u16, credential_type: *mut u32, credman_target: *mut *const u16
            ) -> i32
                = prepare_for_cred_read(identity, target, credential_type, credman_target);
            /// Returns the arguments for CredWrite.
            fn SspiPrepareForCredWrite(
                identity: *const c_void, target: *const u16, credential_type: *mut u32,
                credman_target: *mut *const u16, user: *mut *const u16, blob: *mut *mut u8, size: *mut u32
            ) -> i32
                = prepare_for_cred_write(identity, target, (credential_type, credman_target, user, blob, size));
            /// Checks whether other credentials could help.
            fn SspiIsPromptingNeeded(error: u32) -> bool = is_prompting_needed(error);
            /// Returns "cancelled": the mock shows no prompt.
            fn SspiPromptForCredentialsA(
                _target: *const i8, _ui: *const c_void, _error: u32, _package: *const i8, _input: *const c_void,
                identity: *mut *mut c_void, _save: *mut i32, flags: u32
            ) -> u32
                = prompt_for_credentials(identity, flags);
            /// Returns "cancelled": the mock shows no prompt.
            fn SspiPromptForCredentialsW(
                _target: *const u16, _ui: *const c_void, _error: u32, _package: *const u16, _input: *const c_void,
                identity: *mut *mut c_void, _save: *mut i32, flags: u32
            ) -> u32
                = prompt_for_credentials(identity, flags);
            /// Not supported by the mock's packages.
            fn SspiSetChannelBindingFlags(bindings: *mut abi::SecPkgContext_Bindings, _flags: u32) -> i32
                = set_channel_binding_flags(bindings);
        }
    };
}
