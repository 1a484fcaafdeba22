//! The C ABI of a Security Support Provider over the mock engine.
//!
//! A DLL is one line: [`export_ssp!`] with its file name. It exports every SSPI function by name, A and W, and
//! `CleanupCredentialCache`; all of them translate between the ABI and one [`sspcache_engine::Engine`], which the first
//! call creates. Nothing happens while the DLL is loaded.
//!
//! The DLL's package names `mock-dll.rs`, beside this crate's `src`, as its build script: that gives the file its
//! SONAME, or the version resource that says it is a mock.
//!
//! - **Environment.** `SSPCACHE_CONFIG` names a configuration, `SSPCACHE_JOURNAL` where to write the journal, and
//!   `SSPCACHE_STACK` is how many frames of the program's stack are in it, from 0 (the default) to 32; `SSPCACHE_TRACE` says
//!   whether each call is in it: `off` (the default), `calls`, or `tokens` for those of handshakes as well. When one of them can't be
//!   used, a message on standard error says so, and every call fails. On Linux a program that was started without them
//!   finds those of the `sspcache exec` that it runs under.
//! - **Panics** never cross the ABI: they become FALSE, null or `SEC_E_INTERNAL_ERROR`.
//! - **Unloading** wipes what is cached, and says in the journal how much that was.
//! - **Memory** that is freed is overwritten first: see [`WipingAllocator`].
//!
//! What ends up in a DLL uses `std::sync` alone, spawns no thread and has no thread-local destructor: otherwise it
//! could not be unloaded. As it ships, its file imports nothing that registers one; in a development build, where std's
//! own code for capturing a test's output stays in, such an import is there and never called.
//!
//! # Safety of the exports
//!
//! They are as safe as C functions are: a pointer that isn't null is to what the function's page says. Null pointers,
//! wrong versions and lengths, freed and forged handles are answered by a status.
#![allow(unsafe_code, reason = "the C ABI: pointers in and out")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "the exported functions take their parameters as the macros make them"
)]
#![cfg_attr(not(test), warn(clippy::missing_panics_doc))]
#![warn(clippy::multiple_unsafe_ops_per_block)]

mod accounts;
mod allocator;
mod attributes;
mod auth_identity;
mod contexts;
mod credentials;
mod environment;
mod exports;
mod ffi;
mod identity;
mod in_use;
#[cfg(unix)]
mod inside;
#[cfg(unix)]
mod linker;
mod memory;
mod messages;
mod packages;
mod platform;
mod raw;
#[cfg(sspcache_record)]
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod recording;
mod security_packages;
mod stack;
mod state;
mod surroundings;
mod text;
mod trace;

pub use allocator::WipingAllocator;
pub use sspcache_engine::Ending;
pub use state::Ssp;

/// The names in the macros' expansion.
#[doc(hidden)]
pub mod abi {
    /// The entry of a function that the table has under another type.
    ///
    /// # Safety
    /// `T` is the type of a function, or an `Option` of one, which C can't distinguish from this one's.
    pub const unsafe fn entry<T: Copy>(function: *const std::ffi::c_void) -> T {
        const { assert!(size_of::<T>() == size_of::<*const std::ffi::c_void>(), "a function's address") };
        // SAFETY: the caller promises that C can't distinguish the types; both are as large as an address.
        unsafe { std::mem::transmute_copy(&function) }
    }

    #[cfg(unix)]
    pub use crate::linker::forget;
    pub use crate::{
        accounts::change_account_password,
        attributes::query_context_attributes,
        auth_identity::{
            compare_auth_identities, copy_auth_identity, decrypt_auth_identity,
            encode_auth_identity_as_strings, encode_strings_as_auth_identity, encrypt_auth_identity,
            exclude_package, free_auth_identity, get_target_host_name, is_auth_identity_encrypted,
            is_prompting_needed, local_free, marshal_auth_identity, prepare_for_cred_read,
            prepare_for_cred_write, prompt_for_credentials, set_channel_binding_flags,
            unmarshal_auth_identity, validate_auth_identity, zero_auth_identity,
        },
        contexts::{
            accept_security_context, apply_control_token, complete_auth_token, delete_security_context,
            export_security_context, impersonate_security_context, import_security_context,
            initialize_security_context, query_security_context_token, revert_security_context,
            set_context_attributes,
        },
        credentials::{
            acquire_credentials_handle, add_credentials, free_credentials_handle,
            query_credentials_attributes, set_credentials_attributes,
        },
        ffi::answer,
        messages::{decrypt_message, encrypt_message, make_signature, verify_signature},
        packages::{
            enumerate_security_packages, enumerate_with, is_named, offers, package_info,
            query_security_package_info,
        },
        raw::{Kind, Parametric, Raw, begin_trace, shape},
        security_packages::{add_security_package, delete_security_package},
        stack::Edge,
        state::{
            cleanup_credential_cache, free_context_buffer, has_handed_out, init_security_interface,
            signed_out,
        },
        text::{Ansi, Wide},
    };
    pub use sspcache_engine::{Ending, PackageInfo};
    pub use windows_sys::Win32::Security::{
        Authentication::Identity::{
            SEC_GET_KEY_FN, SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_PROCESS as SAME_PROCESS,
            SECURITY_PACKAGE_OPTIONS, SECURITY_SUPPORT_PROVIDER_INTERFACE_VERSION_5 as INTERFACE_VERSION,
            SecBuffer, SecBufferDesc, SecPkgContext_Bindings, SecPkgInfoA, SecPkgInfoW,
            SecurityFunctionTableA, SecurityFunctionTableW,
        },
        Credentials::SecHandle,
    };
    #[cfg(windows)]
    pub use windows_sys::Win32::System::SystemServices::DLL_PROCESS_DETACH;

    /// A static table of functions.
    #[derive(Debug)]
    #[repr(transparent)]
    pub struct Table<T>(pub T);

    // SAFETY: a table is never written to, and what it points to are functions, which any thread may call.
    unsafe impl<T> Sync for Table<T> {}
}
