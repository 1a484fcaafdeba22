//! The `Sspi…AuthIdentity` functions: identities as one opaque structure that a program makes, keeps and passes on.
//!
//! They hand out a `SEC_WINNT_AUTH_IDENTITY_EX2`, whatever form they were given. `SspiFreeAuthIdentity` and
//! `SspiLocalFree` both take back all of it, strings too: pages and programs name the one or the other.
//!
//! A null pointer where something is to be, or to be put, gives `SEC_E_INVALID_PARAMETER`; what is no identity gives
//! `SEC_E_UNKNOWN_CREDENTIALS`. The out parameters are then as they were.
#![forbid(unsafe_code)]

mod common;
mod credman;
mod encryption;
mod exports;
mod opaque;
mod prompt;
mod strings;

pub use self::{
    credman::{get_target_host_name, prepare_for_cred_read, prepare_for_cred_write},
    encryption::{decrypt_auth_identity, encrypt_auth_identity, is_auth_identity_encrypted},
    opaque::{
        compare_auth_identities, copy_auth_identity, exclude_package, free_auth_identity, local_free,
        marshal_auth_identity, unmarshal_auth_identity, validate_auth_identity, zero_auth_identity,
    },
    prompt::{is_prompting_needed, prompt_for_credentials, set_channel_binding_flags},
    strings::{encode_auth_identity_as_strings, encode_strings_as_auth_identity},
};
