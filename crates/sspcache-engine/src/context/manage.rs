//! Other operations on a context: completing, deleting, querying, impersonating.

use windows_sys::Win32::Security::Authentication::Identity::SECPKG_FLAG_IMPERSONATION;

use super::{ContextFlags, ContextHandle, ContextInfo, Role, stage::Context};
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
        let completed = found.ok_or(SecurityStatus::INVALID_HANDLE).and_then(|shared| {
            let mut context = shared.lock();
            let Context::Completing(completing) = &mut *context else {
                return Err(context.not_completing());
            };
            if completing.unfinished != token {
                return Err(SecurityStatus::INVALID_TOKEN);
            }
            self.lock().advance_context(handle, completing.next.outlook(), now)?;
            token.copy_from_slice(&completing.finished);
            let next = std::mem::replace(&mut completing.next, Context::Failed);
            *context = next;
            Ok(())
        });
        completed.inspect_err(|&status| self.lock().refused(operation, status, None, now))
    }

    /// See [`Engine::delete_context`](crate::Engine::delete_context).
    pub(crate) fn delete_context(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::DeleteSecurityContext;
        self.enter(operation)?;
        let (mut state, now) = self.lock_at_now();
        let Some(context) = state.remove_context(handle, now) else {
            state.refused(operation, SecurityStatus::INVALID_HANDLE, None, now);
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

    /// See [`Engine::impersonate`](crate::Engine::impersonate).
    pub(crate) fn impersonate(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.pretend(Operation::ImpersonateSecurityContext, handle, |context, info| EventKind::Impersonated {
            context,
            principal: info.client.to_string(),
        })
    }

    /// See [`Engine::revert`](crate::Engine::revert).
    pub(crate) fn revert(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.pretend(Operation::RevertSecurityContext, handle, |context, _| EventKind::Reverted { context })
    }

    /// See [`Engine::context_token`](crate::Engine::context_token).
    pub(crate) fn context_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::QuerySecurityContextToken;
        self.enter(operation)?;
        self.with_established(operation, handle, |_, _| Err(SecurityStatus::NO_IMPERSONATION))
    }

    /// See [`Engine::context`](crate::Engine::context).
    pub(crate) fn context(&self, handle: ContextHandle) -> Result<ContextInfo, SecurityStatus> {
        let operation = Operation::QueryContextAttributes;
        self.enter(operation)?;
        self.with_established(operation, handle, |established, _| Ok(established.info.clone()))
    }

    fn pretend(
        &self,
        operation: Operation,
        handle: ContextHandle,
        event: impl FnOnce(usize, &ContextInfo) -> EventKind,
    ) -> Result<(), SecurityStatus> {
        self.enter(operation)?;
        self.with_established(operation, handle, |established, now| {
            let info = &established.info;
            let mut state = self.lock();
            let may = state.handshakes.settings.simulate_impersonation
                && info.role == Role::Acceptor
                && info.package.capabilities.0 & SECPKG_FLAG_IMPERSONATION != 0
                && !info.flags.contains(ContextFlags::NO_TOKEN);
            if !may {
                return Err(SecurityStatus::NO_IMPERSONATION);
            }
            state.ledger.record_with(now, || event(handle.word(), info));
            Ok(())
        })
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
