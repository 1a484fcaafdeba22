//! A credential handle or a context, from the event that gave it out to the one that it was given back with.

use sspcache_types::{ContextFlags, Role};

use super::{HandleCall, HandleRule};
use crate::{EventKind, Operation, SecurityStatus};

/// A handle that was given out. Events are named by their numbers.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) given_out: u64,
    pub(super) given_back: Option<u64>,
    pub(super) package: String,
    pub(super) principal: String,
    /// Of a context: exporting may have deleted it.
    pub(super) is_exported: bool,
    /// Of a context.
    stage: Stage,
    role: Option<Role>,
    /// Of a context: what its first step asked for, as far as an established one doesn't have it.
    not_granted: ContextFlags,
}

/// How far a context has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    HalfOpen,
    /// It has a token that CompleteAuthToken has to complete.
    ToComplete,
    Established,
    /// A call said that its handshake failed.
    Failed {
        /// For a step that came before the token was completed. The event of that step follows.
        was_to_complete: bool,
    },
}

impl Life {
    pub(super) fn new(given_out: u64, package: &str, principal: &str) -> Self {
        Self {
            given_out,
            given_back: None,
            package: package.to_owned(),
            principal: principal.to_owned(),
            is_exported: false,
            stage: Stage::HalfOpen,
            role: None,
            not_granted: ContextFlags::empty(),
        }
    }

    /// A context whose first step asked for this.
    pub(super) fn begun(self, role: Role, asked: ContextFlags) -> Self {
        Self { role: Some(role), not_granted: asked, ..self }
    }

    /// A context that was imported.
    pub(super) fn imported(self) -> Self {
        Self { stage: Stage::Established, ..self }
    }

    /// A call for it broke a rule.
    pub(super) fn broke(&self, rule: HandleRule) -> HandleCall {
        HandleCall::Broke { rule, given_out: self.given_out, given_back: self.given_back }
    }

    /// Takes in an event of a context.
    pub(super) fn goes_on(&mut self, event: &EventKind) {
        match event {
            EventKind::ContextEstablished { role, granted, .. } => {
                self.stage = Stage::Established;
                // Without a word on what was granted, nothing is known to be missing.
                self.not_granted = match granted {
                    Some(granted) => self.not_granted - ContextFlags::from_returned(*role, *granted),
                    None => ContextFlags::empty(),
                };
            }
            EventKind::ContextToComplete { .. } => self.stage = Stage::ToComplete,
            EventKind::ContextCompleted { .. } if self.stage == Stage::ToComplete => {
                self.stage = Stage::HalfOpen;
            }
            EventKind::ContextExported { .. } => self.is_exported = true,
            // A handshake that took too long fails without a call that says so.
            EventKind::ContextFailed { status, .. } if *status != SecurityStatus::CONTEXT_EXPIRED => {
                self.stage = Stage::Failed { was_to_complete: self.stage == Stage::ToComplete };
            }
            _ => {}
        }
    }

    /// The rule that a call broke which was refused for this context, if it broke any.
    pub(super) fn rule_broken_by(
        &mut self,
        operation: Operation,
        status: SecurityStatus,
    ) -> Option<HandleRule> {
        let is_invalid = status == SecurityStatus::INVALID_HANDLE;
        let (is_step, protects) = (is_step(operation), protects(operation));
        match self.stage {
            Stage::ToComplete => (is_step || protects).then_some(HandleRule::NotCompleted),
            Stage::Failed { was_to_complete: true } if is_step => {
                self.stage = Stage::Failed { was_to_complete: false };
                Some(HandleRule::NotCompleted)
            }
            Stage::Failed { .. } => (is_step && is_invalid).then_some(HandleRule::StepOnFailedContext),
            Stage::Established => self.lacks(operation, status).then_some(HandleRule::NotGranted),
            Stage::HalfOpen => (protects && is_invalid).then_some(HandleRule::UsedHalfOpen),
        }
    }

    /// Whether a call needs a protection that the context was asked to have, and hasn't.
    fn lacks(&self, operation: Operation, status: SecurityStatus) -> bool {
        let needed = match operation {
            Operation::MakeSignature => ContextFlags::INTEGRITY,
            Operation::EncryptMessage => ContextFlags::CONFIDENTIALITY,
            _ => return false,
        };
        // What an acceptor asks for, the initiator may not have offered: nothing was refused to it.
        let asked = self.role == Some(Role::Initiator) && self.not_granted.contains(needed);
        asked && matches!(status, SecurityStatus::QOP_NOT_SUPPORTED | SecurityStatus::UNSUPPORTED_FUNCTION)
    }
}

pub(super) fn is_step(operation: Operation) -> bool {
    matches!(operation, Operation::AcceptSecurityContext | Operation::InitializeSecurityContext)
}

/// Whether a function protects messages, or takes the protection off.
fn protects(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::DecryptMessage
            | Operation::EncryptMessage
            | Operation::MakeSignature
            | Operation::VerifySignature
    )
}
