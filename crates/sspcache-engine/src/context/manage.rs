//! What else is done with a context: completing, deleting, asking, impersonating.

use std::sync::PoisonError;

use windows_sys::Win32::Security::Authentication::Identity::SECPKG_FLAG_IMPERSONATION;

use super::{Context, ContextFlags, ContextHandle, ContextInfo, Role, token};
use crate::{Engine, EventKind, Operation, SecurityStatus, event::shown};

impl Engine {
    /// `CompleteAuthToken`: completes a token that the configuration wants completed.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::CONTEXT_EXPIRED`] when the handshake took too long;
    /// [`SecurityStatus::INVALID_TOKEN`] for another token; [`SecurityStatus::UNSUPPORTED_FUNCTION`] when there is none to complete.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [CompleteAuthToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken).
    pub fn complete(&self, handle: ContextHandle, token: &mut [u8]) -> Result<(), SecurityStatus> {
        let operation = Operation::CompleteAuthToken;
        self.enter(operation)?;
        let (found, now) = {
            let (state, now) = self.lock_for_step();
            (state.contexts.get(handle.word()).cloned(), now)
        };
        let completed = found.ok_or(SecurityStatus::INVALID_HANDLE).and_then(|shared| {
            let mut context = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let Context::Completing(completing) = &mut *context else {
                return Err(context.not_completing());
            };
            if completing.unfinished != token {
                return Err(SecurityStatus::INVALID_TOKEN);
            }
            self.lock().advance_context(handle, &completing.next, now)?;
            token::prove(token, &completing.mac);
            let next = std::mem::replace(&mut completing.next, Context::Failed);
            *context = next;
            Ok(())
        });
        completed.inspect_err(|&status| self.lock().refused(operation, status, None, now))
    }

    /// `DeleteSecurityContext`: ends a context, established or not, and wipes its keys.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`].
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [DeleteSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext).
    pub fn delete_context(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::DeleteSecurityContext;
        self.enter(operation)?;
        let (mut state, now) = self.lock_for_short();
        let Some(context) = state.contexts.remove(handle.word()) else {
            state.refused(operation, SecurityStatus::INVALID_HANDLE, None, now);
            return Err(SecurityStatus::INVALID_HANDLE);
        };
        state.settle(handle);
        state.book.record(now, EventKind::ContextDeleted { context: handle.word() });
        drop(state);
        // Whoever is in the middle of a call has it still; its keys must not outlive this.
        *context.lock().unwrap_or_else(PoisonError::into_inner) = Context::Failed;
        Ok(())
    }

    /// `ApplyControlToken`: nothing that these packages know.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too, else [`SecurityStatus::UNSUPPORTED_FUNCTION`].
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [ApplyControlToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-applycontroltoken).
    pub fn apply_control_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::ApplyControlToken;
        self.enter(operation)?;
        self.with_established(operation, handle, |_, _| Err(SecurityStatus::UNSUPPORTED_FUNCTION))
    }

    /// `SetContextAttributes`: nothing that these packages know.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too, else [`SecurityStatus::UNSUPPORTED_FUNCTION`].
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [SetContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcontextattributesw).
    pub fn set_context_attributes(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::SetContextAttributes;
        self.enter(operation)?;
        self.with_established(operation, handle, |_, _| Err(SecurityStatus::UNSUPPORTED_FUNCTION))
    }

    /// `ImpersonateSecurityContext`: pretends to act for the client, if the configuration says so. No token of the
    /// operating system changes; the journal has it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::NO_IMPERSONATION`] unless the configuration asks to simulate it, and for an
    /// initiator's context, a package without the capability, or a context without a token (`ASC_REQ_NO_TOKEN`).
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [ImpersonateSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-impersonatesecuritycontext).
    pub fn impersonate(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.pretend(Operation::ImpersonateSecurityContext, handle, |context, info| EventKind::Impersonated {
            context,
            principal: shown(&info.client),
        })
    }

    /// `RevertSecurityContext`: ends what [`Self::impersonate`] began. Doing so without need succeeds.
    ///
    /// # Errors
    /// As [`Self::impersonate`].
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [RevertSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-revertsecuritycontext).
    pub fn revert(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.pretend(Operation::RevertSecurityContext, handle, |context, _| EventKind::Reverted { context })
    }

    /// `QuerySecurityContextToken`: an access token, which the mock never has.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too, else [`SecurityStatus::NO_IMPERSONATION`].
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [QuerySecurityContextToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritycontexttoken).
    pub fn context_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::QuerySecurityContextToken;
        self.enter(operation)?;
        self.with_established(operation, handle, |_, _| Err(SecurityStatus::NO_IMPERSONATION))
    }

    /// `QueryContextAttributes`: everything that can be asked of an established context.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn context(&self, handle: ContextHandle) -> Result<ContextInfo, SecurityStatus> {
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
            state.book.record_with(now, || event(handle.word(), info));
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
