//! The stages of a context's life, as data. What leads from one to the next is in `initiate` and `accept`.

use std::sync::{Arc, PoisonError};

use zeroize::Zeroizing;

use super::{
    ContextFlags, ContextInfo,
    proof::{Proofs, Transcript},
    protection::Protection,
    token::{Digest, Nonce},
};
use crate::{
    FileTime, Name, PackageInfo, Principal,
    credentials::stored::Stored,
    handle::HandleTable,
    sync::{Mutex, MutexGuard},
};

/// Every context of an engine.
pub(crate) type Contexts = HandleTable<SharedContext>;

/// A context with its own lock, so that messages of different contexts don't wait for each other. The engine's own lock
/// may be taken while a context's is held, and never the other way round.
#[derive(Clone)]
pub(crate) struct SharedContext(Arc<Mutex<Context>>);

impl SharedContext {
    pub(crate) fn new(context: Context) -> Self {
        Self(Arc::new(Mutex::new(context)))
    }

    /// Locks the context. A panic of an earlier call leaves nothing half-done.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Context> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A context, in any stage of its life.
pub(crate) enum Context {
    /// The handshake took too long: the context can only be deleted.
    Abandoned,
    /// The acceptor awaits the initiator's proof.
    Accepting(Box<Accepting>),
    /// The initiator's proof is to be completed.
    Completing(Box<Completing>),
    /// The initiator awaits the acceptor's confirmation.
    Confirming(Box<Confirming>),
    /// Both sides have proved who they are.
    Established(Box<Established>),
    /// The handshake failed: the context can only be deleted.
    Failed,
    /// The initiator awaits the acceptor's challenge.
    Initiating(Box<Initiating>),
}

/// A context that messages can be exchanged in.
pub(crate) struct Established {
    pub(crate) info: ContextInfo,
    /// In UTC.
    pub(crate) expires: FileTime,
    pub(crate) protection: Protection,
}

impl Established {
    pub(super) fn new(info: ContextInfo, expires: FileTime) -> Self {
        let protection = Protection::new(&info.session_key, info.role, info.flags);
        Self { info, expires, protection }
    }
}

/// An acceptor that awaits the initiator's proof.
pub(crate) struct Accepting {
    pub(super) server: Principal,
    pub(super) package: Arc<PackageInfo>,
    pub(super) negotiated: bool,
    pub(super) granted: ContextFlags,
    /// The flags that the acceptor asked for in its first step.
    pub(super) requested: ContextFlags,
    pub(super) target: Option<Name>,
    pub(super) information: Vec<u8>,
    pub(super) bindings: Option<Digest>,
    pub(super) transcript: Transcript,
    pub(super) expires: FileTime,
}

/// An initiator that awaits the acceptor's challenge.
pub(crate) struct Initiating {
    pub(super) choices: Vec<Choice>,
    pub(super) negotiated: bool,
    pub(super) requested: ContextFlags,
    pub(super) target: Option<Name>,
    pub(super) bindings: Option<Digest>,
    pub(super) nonce: Nonce,
    pub(super) transcript: Transcript,
}

/// A package that the acceptor may choose, and the client to sign in then.
pub(super) struct Choice {
    pub(super) package: Arc<PackageInfo>,
    pub(super) client: Client,
    pub(super) expires: FileTime,
}

/// The principal that an initiator signs in as.
pub(super) enum Client {
    Nobody,
    User { principal: Principal, stored: Stored },
}

/// An initiator whose proof is to be completed.
pub(crate) struct Completing {
    /// The proof as it was given out.
    pub(super) unfinished: Vec<u8>,
    pub(super) mac: Zeroizing<Digest>,
    pub(super) next: Context,
}

/// An initiator that awaits the acceptor's confirmation.
pub(crate) struct Confirming {
    pub(super) proofs: Proofs,
    pub(super) info: ContextInfo,
    pub(super) expires: FileTime,
}
