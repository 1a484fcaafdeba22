//! The tests of the mock DLLs' C ABI once more, under Miri: it can't load a DLL, so the SSPs are linked in and called through
//! the same pointers. `cargo xtask test miri` runs them, one at a time.
#![cfg(miri)]

#[path = "../../../tests/dll_abi.rs"]
mod dll_abi;
#[path = "../../../tests/dll_accounts.rs"]
mod dll_accounts;
#[path = "../../../tests/dll_credentials.rs"]
mod dll_credentials;
#[path = "../../../tests/dll_messages.rs"]
mod dll_messages;
