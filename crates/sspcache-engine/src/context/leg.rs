//! What a step of either side sends, and what becomes of the context then.

use zeroize::Zeroizing;

use super::{
    ContextFlags, ContextInfo, Progress,
    frame::Protocol,
    handshake::Advance,
    proof::Proofs,
    stage::{Completing, Context, Established, Initiation},
    token::Digest,
};
use crate::FileTime;

/// A token, and the same without its proof where `CompleteAuthToken` is to fill that in.
pub(super) struct Made {
    token: Vec<u8>,
    unfinished: Option<Vec<u8>>,
}

impl Made {
    /// No token.
    pub(super) fn nothing() -> Self {
        Self::whole(Vec::new())
    }

    /// A token without a proof, or one that is never completed later.
    pub(super) fn whole(token: Vec<u8>) -> Self {
        Self { token, unfinished: None }
    }

    /// A token whose proof is this MAC.
    pub(super) fn proved(protocol: Protocol, mut token: Vec<u8>, mac: &Digest, complete_later: bool) -> Self {
        let unfinished = complete_later.then(|| token.clone());
        protocol.prove(&mut token, mac);
        Self { token, unfinished }
    }

    /// The same within another token.
    pub(super) fn within(self, outer: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        Self { token: outer(&self.token), unfinished: self.unfinished.as_deref().map(outer) }
    }

    /// The token with its proof.
    pub(super) fn finished(&self) -> &[u8] {
        &self.token
    }

    pub(super) fn is_empty(&self) -> bool {
        self.token.is_empty()
    }

    /// The step that sends this and leads to that context.
    pub(super) fn advance(self, next: Context, flags: ContextFlags, expires: FileTime) -> Advance {
        let done = matches!(next, Context::Established(_));
        let Some(unfinished) = self.unfinished else {
            let progress = if done { Progress::Complete } else { Progress::Continue };
            return Advance { next, progress, token: self.token, flags, expires };
        };
        let progress = if done { Progress::CompleteNeeded } else { Progress::CompleteAndContinue };
        let completing =
            Completing { unfinished: unfinished.clone(), finished: Zeroizing::new(self.token), next };
        Advance {
            next: Context::Completing(Box::new(completing)),
            progress,
            token: unfinished,
            flags,
            expires,
        }
    }
}

/// What an initiator's mechanism sends, and what it awaits then.
pub(super) struct Leg {
    pub(super) made: Made,
    pub(super) flags: ContextFlags,
    pub(super) expires: FileTime,
    pub(super) next: Result<Initiation, Done>,
}

/// A mechanism that is done on this side: the context to be, and what proves the rest of a negotiation.
pub(super) struct Done {
    pub(super) info: ContextInfo,
    pub(super) proofs: Proofs,
    pub(super) expires: FileTime,
}

impl Done {
    pub(super) fn established(self) -> Context {
        Context::Established(Box::new(Established::new(self.info, self.expires)))
    }
}
