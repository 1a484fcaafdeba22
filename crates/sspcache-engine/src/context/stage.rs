//! The stages of a context's life, as data. What leads from one to the next is in `initiate` and `accept`.

use std::sync::{Arc, PoisonError};

use zeroize::Zeroizing;

use super::{
    ContextFlags, ContextInfo, Role,
    frame::{Protocol, spnego::Mechanism},
    proof::{Proofs, Prover, Transcript},
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
    /// The acceptor awaits the initiator's next token.
    Accepting(Box<Accepting>),
    /// The initiator's proof is to be completed.
    Completing(Box<Completing>),
    /// Both sides have proved who they are.
    Established(Box<Established>),
    /// The handshake failed: the context can only be deleted.
    Failed,
    /// The initiator awaits the acceptor's next token.
    Initiating(Box<Initiating>),
}

/// What a stage means to the instance that has the context.
pub(super) enum Outlook {
    Established {
        role: Role,
        package: Arc<PackageInfo>,
        client: Principal,
        flags: ContextFlags,
        bound: bool,
    },
    /// A proof has yet to be made.
    NeedsCredentials,
    /// With its proof made, an initiator has no use for its credential.
    Waits,
}

impl Context {
    pub(super) fn outlook(&self) -> Outlook {
        match self {
            Self::Established(established) => {
                let info = &established.info;
                let (package, client) = (info.package.clone(), info.client.clone());
                Outlook::Established {
                    role: info.role,
                    package,
                    client,
                    flags: info.flags,
                    bound: info.bound,
                }
            }
            Self::Initiating(initiating) if initiating.needs_credentials() => Outlook::NeedsCredentials,
            Self::Completing(completing) => match completing.next.outlook() {
                Outlook::NeedsCredentials => Outlook::NeedsCredentials,
                Outlook::Established { .. } | Outlook::Waits => Outlook::Waits,
            },
            _ => Outlook::Waits,
        }
    }
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
        let protection = Protection::new(&info.session_key, info.role, info.flags, &info.package);
        Self { info, expires, protection }
    }
}

/// An acceptor that awaits a token.
pub(crate) struct Accepting {
    pub(super) terms: Terms,
    /// With SPNEGO, what was offered and chosen.
    pub(super) listed: Option<Listed>,
    pub(super) awaits: Acceptance,
}

/// What an acceptor has settled in its first step.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) server: Principal,
    pub(super) package: Arc<PackageInfo>,
    pub(super) negotiated: bool,
    /// The flags that the acceptor asked for in its first step.
    pub(super) requested: ContextFlags,
    pub(super) information: Vec<u8>,
    pub(super) bindings: Option<Digest>,
    pub(super) expires: FileTime,
}

/// What was offered by SPNEGO, and what the acceptor chose of it.
#[derive(Clone)]
pub(super) struct Listed {
    /// The list of mechanisms, as it travels.
    pub(super) list: Vec<u8>,
    pub(super) mechanism: Mechanism,
    /// The list, and the first mechanism's token if another one was chosen.
    pub(super) transcript: Transcript,
}

/// What an acceptor awaits.
pub(super) enum Acceptance {
    /// The first token of a mechanism that wasn't the initiator's first.
    First,
    /// The initiator's proof.
    Proof { granted: ContextFlags, target: Option<Name>, transcript: Transcript },
    /// The initiator's acknowledgement, in DCE style.
    Acknowledgement { prover: Prover, transcript: Transcript, info: Box<ContextInfo> },
}

/// An initiator that awaits a token.
pub(crate) struct Initiating {
    pub(super) asked: Asked,
    /// With SPNEGO, what was offered.
    pub(super) offered: Option<Offered>,
    pub(super) awaits: Initiation,
}

/// What an initiator has settled in its first step.
#[derive(Clone)]
pub(super) struct Asked {
    pub(super) negotiated: bool,
    pub(super) requested: ContextFlags,
    pub(super) target: Option<Name>,
    pub(super) bindings: Option<Digest>,
}

/// What was offered by SPNEGO.
#[derive(Clone)]
pub(super) struct Offered {
    /// The list of mechanisms, as it travels.
    pub(super) list: Vec<u8>,
    /// The first of the list, and once the acceptor has answered, its choice.
    pub(super) mechanism: Mechanism,
    /// What the acceptor may choose in the place of the first; nothing once it has answered.
    pub(super) others: Vec<Choice>,
    pub(super) answered: bool,
    /// The list, and the first mechanism's token.
    pub(super) transcript: Transcript,
}

/// What an initiator awaits.
pub(super) enum Initiation {
    /// The acceptor's challenge, which chooses one of these packages.
    Challenge { choices: Vec<Choice>, nonce: Nonce, transcript: Transcript },
    /// The acceptor's confirmation.
    Confirmation { proofs: Proofs, info: ContextInfo, expires: FileTime },
    /// The end of a negotiation whose mechanism is done.
    End { proofs: Proofs, info: ContextInfo, expires: FileTime },
    /// The acceptor's reply to a request that was the proof as well.
    Reply { prover: Prover, transcript: Transcript, info: ContextInfo, expires: FileTime },
}

impl Initiating {
    fn needs_credentials(&self) -> bool {
        matches!(self.awaits, Initiation::Challenge { .. })
            || self.offered.as_ref().is_some_and(|offered| !offered.others.is_empty())
    }

    /// The protocol that the next token is in, within SPNEGO where that is used.
    pub(super) fn protocol(&self) -> Protocol {
        match (&self.offered, &self.awaits) {
            (Some(Offered { mechanism, .. }), _) => mechanism.protocol().unwrap_or(Protocol::Own),
            (None, Initiation::Challenge { choices, .. }) => {
                choices.first().map_or(Protocol::Own, |choice| Protocol::of(&choice.package.name))
            }
            (None, Initiation::Reply { .. }) => Protocol::Kerberos,
            (None, Initiation::Confirmation { .. } | Initiation::End { .. }) => Protocol::Own,
        }
    }
}

/// A package that the acceptor may choose, and the client to sign in then.
#[derive(Clone)]
pub(super) struct Choice {
    pub(super) package: Arc<PackageInfo>,
    pub(super) client: Client,
    pub(super) expires: FileTime,
}

/// The principal that an initiator signs in as.
#[derive(Clone)]
pub(super) enum Client {
    Nobody,
    User { principal: Principal, stored: Stored },
}

/// An initiator whose proof is to be completed.
pub(crate) struct Completing {
    /// The token as it was given out, and as it is then.
    pub(super) unfinished: Vec<u8>,
    pub(super) finished: Zeroizing<Vec<u8>>,
    pub(super) next: Context,
}
