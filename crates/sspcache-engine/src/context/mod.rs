//! Security contexts: the handshake between an initiator and an acceptor, and the messages that follow it.
//!
//! The handshake is the mock's own; `docs/handshake.md` describes it. It proves that the initiator knows the secret of
//! an account that the acceptor is configured with, and nothing else.

mod accept;
mod answer;
mod established;
mod export;
pub(crate) mod export_key;
mod frame;
mod grant;
pub(crate) mod half_open;
mod handshake;
pub(crate) mod impersonation;
mod initiate;
mod leg;
mod manage;
mod message_parts;
pub(crate) mod message_token;
mod messages;
mod negotiate;
mod negotiation;
mod proof;
mod protection;
mod sequence;
pub(crate) mod settings;
pub(crate) mod stage;
mod token;
mod verify;
mod wire;

use std::sync::Arc;

use zeroize::Zeroizing;

pub use settings::NegotiateFirst;
pub use sspcache_types::{ContextFlags, Progress, Refusal, Role};

pub use impersonation::AccessTokens;

pub(crate) use crate::account::Accounts;
use crate::{CredentialHandle, FileTime, Name, PackageInfo, Principal};

/// A context handle: what an SSP keeps in `CtxtHandle::dwLower`.
///
/// It is bound to the [`Engine`](crate::Engine) that gave it out, and dead once deleted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ContextHandle(usize);

impl ContextHandle {
    /// The handle that this word stands for. Nothing is checked here: an engine refuses what it did not give out.
    pub fn from_word(word: usize) -> Self {
        Self(word)
    }

    /// The word that stands for the handle; never 0.
    pub fn word(self) -> usize {
        self.0
    }
}

/// A step of the initiator: the parameters of `InitializeSecurityContext`.
#[derive(Clone, Debug)]
pub struct InitializeRequest<'a> {
    /// The credential; needed in the first step.
    pub credential: Option<CredentialHandle>,
    /// The context; none in the first step.
    pub context: Option<ContextHandle>,
    /// Whom the initiator means to talk to.
    pub target: Option<Name>,
    /// The flags that the caller asks for.
    pub flags: ContextFlags,
    /// The acceptor's token; none in the first step.
    pub token: Option<&'a [u8]>,
    /// Channel bindings: the application data.
    pub bindings: Option<&'a [u8]>,
    /// The length of the caller's buffer for a token.
    pub room: usize,
}

/// A step of the acceptor: the parameters of `AcceptSecurityContext`.
#[derive(Clone, Debug)]
pub struct AcceptRequest<'a> {
    /// The credential; needed in the first step.
    pub credential: Option<CredentialHandle>,
    /// The context; none in the first step.
    pub context: Option<ContextHandle>,
    /// The flags that the caller asks for.
    pub flags: ContextFlags,
    /// The initiator's token.
    pub token: Option<&'a [u8]>,
    /// Channel bindings: the application data.
    pub bindings: Option<&'a [u8]>,
    /// The length of the caller's buffer for a token.
    pub room: usize,
}

impl InitializeRequest<'_> {
    /// The first step, which asks for nothing.
    pub fn first(credential: CredentialHandle) -> Self {
        Self {
            credential: Some(credential),
            context: None,
            target: None,
            flags: ContextFlags::empty(),
            token: None,
            bindings: None,
            room: usize::MAX,
        }
    }
}

impl<'a> AcceptRequest<'a> {
    /// The first step, which asks for nothing.
    pub fn first(credential: CredentialHandle, token: &'a [u8]) -> Self {
        Self {
            credential: Some(credential),
            context: None,
            flags: ContextFlags::empty(),
            token: Some(token),
            bindings: None,
            room: usize::MAX,
        }
    }
}

/// The result of a handshake's step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// The context.
    pub context: ContextHandle,
    /// The next thing to do.
    pub progress: Progress,
    /// The token to send; empty when there is nothing to send.
    pub token: Vec<u8>,
    /// The context's flags, as far as they are known.
    pub flags: ContextFlags,
    /// When the context expires, in UTC.
    pub expires: FileTime,
    /// When the context expires, in local time, as the ABI has it.
    pub expires_local: FileTime,
}

/// A part of a message that is encrypted or decrypted. When that has succeeded, each part is as long as what is in it.
#[derive(Debug)]
pub enum Part<'a> {
    /// Protected against changes, and left readable: `SECBUFFER_READONLY_WITH_CHECKSUM`.
    Checked(&'a [u8]),
    /// Encrypted in place.
    Data(&'a mut [u8]),
    /// The place for what data is padded with, behind it: `SECBUFFER_PADDING`. Needed where a package has blocks of more
    /// than one byte.
    Padding(&'a mut [u8]),
    /// Token and data in one piece, to be decrypted: `SECBUFFER_STREAM`. Afterwards it is the data alone.
    Stream(&'a mut [u8]),
}

/// Everything that can be asked of an established context.
#[derive(Clone, Debug)]
pub struct ContextInfo {
    /// Which side this is.
    pub role: Role,
    /// The context's flags.
    pub flags: ContextFlags,
    /// The package that was used; for Negotiate, the one that it chose.
    pub package: Arc<PackageInfo>,
    /// Whether Negotiate chose the package.
    pub negotiated: bool,
    /// The initiator's principal; empty for a null session. Both sides agree.
    pub client: Principal,
    /// The account that accepted, as the acceptor's credential names it; may be empty.
    pub server: Principal,
    /// The target that the initiator named. Both sides agree.
    pub target: Option<Name>,
    /// Whether the initiator's proof is bound to a channel; `false` for an imported context, of which it isn't known.
    pub bound: bool,
    /// The acceptor's description of itself in the handshake: `SECPKG_ATTR_TARGET_INFORMATION`.
    pub target_information: Vec<u8>,
    /// The session key. Both sides agree.
    pub session_key: SessionKey,
    /// When the handshake was complete, in local time.
    pub started_local: FileTime,
    /// When the context expires, in local time.
    pub expires_local: FileTime,
}

/// The sizes that a context announces: `SECPKG_ATTR_SIZES`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnnouncedSizes {
    /// `cbMaxToken`
    pub token: u32,
    /// `cbMaxSignature`
    pub signature: u32,
    /// `cbBlockSize`
    pub block: u32,
    /// `cbSecurityTrailer`
    pub trailer: u32,
}

impl ContextInfo {
    /// The sizes that it announces; 0 for a function that it doesn't have. `EncryptMessage` signs as well, and so has a trailer without
    /// confidentiality (clause P10).
    pub fn announced(&self) -> AnnouncedSizes {
        let sizes = self.package.messages;
        let if_any = |size, flags| if self.flags.intersects(flags) { size } else { 0 };
        let protected =
            ContextFlags::INTEGRITY | ContextFlags::CONFIDENTIALITY | ContextFlags::CONFIDENTIALITY_ONLY;
        AnnouncedSizes {
            token: self.package.max_token,
            signature: if_any(sizes.signature, ContextFlags::INTEGRITY),
            block: sizes.block,
            trailer: if_any(sizes.trailer, protected),
        }
    }
}

/// What can be asked of a context before its handshake is done: `SECPKG_ATTR_NEGOTIATION_INFO`, and who awaits a token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NegotiationInfo {
    /// Which side this is.
    pub role: Role,
    /// The package that is used; as long as Negotiate's acceptor hasn't answered, the initiator's first choice.
    pub package: Arc<PackageInfo>,
    /// How far the choice of a package has come.
    pub state: NegotiationState,
    /// Whether the handshake is done.
    pub is_established: bool,
}

/// How far the choice of a package has come: `SECPKG_NEGOTIATION_…`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NegotiationState {
    /// Both sides have the package, or there was nothing to negotiate.
    Complete,
    /// The acceptor's answer has come, and the handshake goes on; or this is the acceptor.
    InProgress,
    /// The initiator has begun with its first choice, and the acceptor hasn't answered.
    Optimistic,
}

/// A session key, overwritten when dropped and never shown.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// The key, for `SECPKG_ATTR_SESSION_KEY`.
    pub fn bytes(&self) -> &[u8] {
        &*self.0
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey")
    }
}

/// The options of an export.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExportOptions {
    /// `SECPKG_CONTEXT_EXPORT_DELETE_OLD`: the exported context is deleted here.
    pub delete_old: bool,
    /// `SECPKG_CONTEXT_EXPORT_RESET_NEW`: the imported context begins with its first message.
    pub reset_new: bool,
}

/// Length of the token that signs or encrypts a message of a package whose tokens have the mock's own shape, in bytes:
/// of `MSN` and `DPA`. Others have the sizes in [`PackageInfo::messages`].
pub const MESSAGE_TOKEN: usize = 28;

/// The quality of protection that signs and does not encrypt: `SECQOP_WRAP_NO_ENCRYPT`.
pub const WRAP_NO_ENCRYPT: u32 = 0x8000_0001;
