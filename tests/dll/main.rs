//! The C ABI of the mock DLLs, called in the test's own process. Sanitizers run the whole binary and Miri a part of it, so what
//! measures memory, ends the process or needs the program belongs into another one.

/// What all functions have in common: exports, tables, strings, handles.
mod abi;
/// Accounts: `ChangeAccountPassword`.
mod accounts;
/// Any calls in any order.
mod any_order;
/// Identities that are encrypted: `SspiEncryptAuthIdentityEx` and its kin.
mod auth_encryption;
/// Identities that a program makes: the other `Sspi…AuthIdentity` functions.
mod auth_identity;
/// What goes with identities: the credential manager, prompts, packages.
mod auth_uses;
/// Contexts: handshakes, attributes, flags.
mod context;
/// Credentials: what is added to a handle and set on it.
mod credentials;
/// Faults, panics, and an environment that can't be used.
mod faults;
/// Identities that `AcquireCredentialsHandle` takes.
mod identity;
/// Impersonation with the token of the process.
mod impersonation;
/// Messages: the shapes of buffers.
mod messages;
/// Calls as real programs made them: a new program is a file in `fixtures/calls`.
mod recorded;
/// Calls as loaders and libraries make them: their descriptors, buffers and handles.
mod shapes;
/// The table of statuses in `fixtures/sspi`: a new status is a row there.
mod statuses;
