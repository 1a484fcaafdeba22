//! How far Negotiate has come with the choice of a package: what can be asked of a half-open context as well.
//!
//! Reference: [SecPkgContext_NegotiationInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcontext_negotiationinfow).

use super::{
    ContextHandle, NegotiationInfo, NegotiationState, Role,
    stage::{Accepting, Context, Initiating, Initiation, Offered},
};
use crate::{Name, Operation, SecurityStatus, state::Instance};

impl Instance {
    /// See [`Engine::negotiation`](crate::Engine::negotiation).
    pub(crate) fn negotiation(&self, handle: ContextHandle) -> Result<NegotiationInfo, SecurityStatus> {
        let operation = Operation::QueryContextAttributes;
        self.enter(operation)?;
        let (found, now) = self.find_context(handle);
        let was_there = found.is_some();
        let info = found.and_then(|context| context.lock().negotiation());
        info.ok_or_else(|| {
            self.refused_for_context(operation, SecurityStatus::INVALID_HANDLE, handle, was_there, now);
            SecurityStatus::INVALID_HANDLE
        })
    }

    /// See [`Engine::package_of`](crate::Engine::package_of).
    pub(crate) fn package_of(&self, handle: ContextHandle) -> Option<Name> {
        let context = self.lock().context(handle)?;
        let info = context.lock().negotiation();
        info.map(|info| info.package.name.clone())
    }
}

impl Context {
    /// `None` of a context that has failed, in one way or another.
    fn negotiation(&self) -> Option<NegotiationInfo> {
        match self {
            Self::Abandoned | Self::Failed => None,
            Self::Accepting(accepting) => Some(accepting.negotiation()),
            Self::Completing(completing) => {
                completing.next.negotiation().map(|info| NegotiationInfo { is_established: false, ..info })
            }
            Self::Established(established) => Some(NegotiationInfo {
                role: established.info.role,
                package: established.info.package.clone(),
                state: NegotiationState::Complete,
                is_established: true,
            }),
            Self::Initiating(initiating) => initiating.negotiation(),
        }
    }
}

impl Accepting {
    fn negotiation(&self) -> NegotiationInfo {
        NegotiationInfo {
            role: Role::Acceptor,
            package: self.terms.package.clone(),
            state: in_progress_if(self.terms.negotiated),
            is_established: false,
        }
    }
}

impl Initiating {
    fn negotiation(&self) -> Option<NegotiationInfo> {
        let package = match &self.awaits {
            Initiation::Challenge { choices, .. } => choices.first()?.package.clone(),
            Initiation::Confirmation { info, .. }
            | Initiation::End { info, .. }
            | Initiation::Reply { info, .. } => info.package.clone(),
        };
        let is_answered = match &self.offered {
            Some(Offered { answered, .. }) => *answered,
            None => !matches!(self.awaits, Initiation::Challenge { .. }),
        };
        let state = if self.asked.negotiated && !is_answered {
            NegotiationState::Optimistic
        } else {
            in_progress_if(self.asked.negotiated)
        };
        Some(NegotiationInfo { role: Role::Initiator, package, state, is_established: false })
    }
}

/// A bare package has nothing to negotiate, and answers that it has.
fn in_progress_if(negotiated: bool) -> NegotiationState {
    if negotiated { NegotiationState::InProgress } else { NegotiationState::Complete }
}
