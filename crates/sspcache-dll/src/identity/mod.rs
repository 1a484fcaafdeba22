//! Explicit identities: `SEC_WINNT_AUTH_IDENTITY` in its forms (clause S7).
//!
//! | form | first word | strings |
//! | --- | --- | --- |
//! | `SEC_WINNT_AUTH_IDENTITY` | neither of those below | pointers; lengths in characters |
//! | `SEC_WINNT_AUTH_IDENTITY_EX` | 0x200 | the same, and a list of packages |
//! | `SEC_WINNT_AUTH_IDENTITY_EX2` | 0x201 | offsets into the one block of memory; lengths in bytes; UTF-16 alone |
//!
//! That, and that everything is UTF-16 unless its flags say ANSI, is how
//! [SEC_WINNT_AUTH_IDENTITY_INFO](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_identity_info)
//! says to read them. Of encrypted identities, those are read that `SspiEncryptAuthIdentity` of this SSP encrypted;
//! another one's are refused, as only the Windows that encrypted one can read it.
#![forbid(unsafe_code)]

mod block;
mod bytes;
mod packed;
mod parts;
mod read;

pub(crate) use self::{
    block::{Block, build, seal, unseal},
    bytes::{bytes_of, u16_at, u32_at},
    packed::Credential,
    parts::Parts,
    read::{encryption_of, parts, read},
};
