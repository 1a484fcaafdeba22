//! Other operations on a context: completing, deleting, querying.

use super::{ContextHandle, ContextInfo, stage::Context};
use crate::{EventKind, Operation, SecurityStatus, state::Instance};

impl Instance {
    /// See [`Engine::complete`](crate::Engine::complete).
    pub(crate) fn complete(&self, handle: ContextHandle, token: &mut [u8]) -> Result<(), SecurityStatus> {
        let operation = Operation::CompleteAuthToken;
        self.enter(operation)?;
        let (found, now) = {
            let (state, now) = self.lock_for_step();
            (state.context(handle), now)
        };
        let was_there = found.is_some();
        let completed = found.ok_or(SecurityStatus::INVALID_HANDLE).and_then(|shared| {
            let mut context = shared.lock();
            let Context::Completing(completing) = &mut *context else {
                return Err(context.not_completing());
            };
            if completing.unfinished != token {
                return Err(SecurityStatus::INVALID_TOKEN);
            }
            let mut state = self.lock();
            state.advance_context(handle, completing.next.outlook(), now)?;
            state.ledger.record(now, EventKind::ContextCompleted { context: handle.word() });
            drop(state);
            token.copy_from_slice(&completing.finished);
            let next = std::mem::replace(&mut completing.next, Context::Failed);
            *context = next;
            Ok(())
        });
        completed.inspect_err(|&status| self.refused_for_context(operation, status, handle, was_there, now))
    }

    /// See [`Engine::delete_context`](crate::Engine::delete_context).
    pub(crate) fn delete_context(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::DeleteSecurityContext;
        self.enter(operation)?;
        let (mut state, now) = self.lock_at_now();
        let Some(context) = state.remove_context(handle, now) else {
            state.refused(operation, SecurityStatus::INVALID_HANDLE, handle.into(), now);
            return Err(SecurityStatus::INVALID_HANDLE);
        };
        state.ledger.record(now, EventKind::ContextDeleted { context: handle.word() });
        drop(state);
        // A call that is running still holds the context; its keys must not outlive this.
        *context.lock() = Context::Failed;
        Ok(())
    }

    /// See [`Engine::apply_control_token`](crate::Engine::apply_control_token).
    pub(crate) fn apply_control_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::ApplyControlToken;
        self.enter(operation)?;
        self.with_established(operation, handle, |_, _| Err(SecurityStatus::UNSUPPORTED_FUNCTION))
    }

    /// See [`Engine::set_context_attributes`](crate::Engine::set_context_attributes).
    pub(crate) fn set_context_attributes(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::SetContextAttributes;
        self.enter(operation)?;
        self.with_established(operation, handle, |_, _| Err(SecurityStatus::UNSUPPORTED_FUNCTION))
    }

    /// See [`Engine::context`](crate::Engine::context).
    pub(crate) fn context(&self, handle: ContextHandle) -> Result<ContextInfo, SecurityStatus> {
        let operation = Operation::QueryContextAttributes;
        self.enter(operation)?;
        self.with_established(operation, handle, |established, _| Ok(established.info.clone()))
    }
}

impl Context {
    /// Why there is no token to complete.
    fn not_completing(&self) -> SecurityStatus {
        match self {
            Self::Abandoned => SecurityStatus::CONTEXT_EXPIRED,
            Self::Failed => SecurityStatus::INVALID_HANDLE,
            _ => SecurityStatus::UNSUPPORTED_FUNCTION,
        }
    }
}
