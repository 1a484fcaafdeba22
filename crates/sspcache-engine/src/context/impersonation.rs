//! Acting for the client of a context: refused, simulated, or done with the token of the process.

use std::fmt;

use windows_sys::Win32::Security::Authentication::Identity::SECPKG_FLAG_IMPERSONATION;

use super::{ContextFlags, ContextHandle, ContextInfo, Role, settings::Impersonation};
use crate::{
    EventKind, Operation, SecurityStatus,
    state::{Instance, State},
};

/// The access tokens of the operating system, for impersonation with the token of the process (clause R3). The engine
/// calls none of the system's functions for it: its host does.
pub trait AccessTokens: Send + Sync {
    /// Gives this thread an impersonation token of the process's own user.
    ///
    /// # Errors
    /// What the system refuses.
    fn impersonate(&self) -> Result<(), SecurityStatus>;

    /// Takes this thread's impersonation token away.
    ///
    /// # Errors
    /// What the system refuses.
    fn revert(&self) -> Result<(), SecurityStatus>;

    /// Opens a token of the process's own user, which the caller closes: the handle's value.
    ///
    /// # Errors
    /// What the system refuses.
    fn duplicate(&self) -> Result<usize, SecurityStatus>;

    /// The name of the process's own user.
    fn user(&self) -> String;
}

impl fmt::Debug for dyn AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens")
    }
}

impl Instance {
    /// See [`Engine::impersonate`](crate::Engine::impersonate).
    pub(crate) fn impersonate(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let event = |info: &ContextInfo| EventKind::Impersonated {
            context: handle.word(),
            principal: info.client.to_string(),
        };
        self.act(Operation::ImpersonateSecurityContext, handle, |tokens| tokens.impersonate(), event)
    }

    /// See [`Engine::revert`](crate::Engine::revert).
    pub(crate) fn revert(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let event = |_: &ContextInfo| EventKind::Reverted { context: handle.word() };
        self.act(Operation::RevertSecurityContext, handle, |tokens| tokens.revert(), event)
    }

    /// See [`Engine::context_token`](crate::Engine::context_token).
    pub(crate) fn context_token(
        &self,
        operation: Operation,
        handle: ContextHandle,
    ) -> Result<usize, SecurityStatus> {
        self.enter(operation)?;
        self.with_established(operation, handle, |established, now| {
            let mut state = self.lock();
            match state.impersonation_of(&established.info)? {
                Impersonation::Refuse | Impersonation::Simulate => Err(SecurityStatus::NO_IMPERSONATION),
                Impersonation::ProcessToken => {
                    let token =
                        self.access_tokens().ok_or(SecurityStatus::UNSUPPORTED_FUNCTION)?.duplicate()?;
                    state.note_process_token(self, now);
                    Ok(token)
                }
            }
        })
    }

    /// See [`Engine::may_have_token`](crate::Engine::may_have_token).
    pub(crate) fn may_have_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        let operation = Operation::QuerySecurityContextToken;
        self.enter(operation)?;
        self.with_established(operation, handle, |established, _| {
            match self.lock().impersonation_of(&established.info)? {
                Impersonation::Refuse | Impersonation::Simulate => Err(SecurityStatus::NO_IMPERSONATION),
                Impersonation::ProcessToken => {
                    self.access_tokens().map(drop).ok_or(SecurityStatus::UNSUPPORTED_FUNCTION)
                }
            }
        })
    }

    fn act(
        &self,
        operation: Operation,
        handle: ContextHandle,
        with_token: impl FnOnce(&dyn AccessTokens) -> Result<(), SecurityStatus>,
        event: impl FnOnce(&ContextInfo) -> EventKind,
    ) -> Result<(), SecurityStatus> {
        self.enter(operation)?;
        self.with_established(operation, handle, |established, now| {
            let info = &established.info;
            let mut state = self.lock();
            match state.impersonation_of(info)? {
                Impersonation::Refuse => return Err(SecurityStatus::NO_IMPERSONATION),
                Impersonation::Simulate => {}
                Impersonation::ProcessToken => {
                    with_token(self.access_tokens().ok_or(SecurityStatus::UNSUPPORTED_FUNCTION)?)?;
                    state.note_process_token(self, now);
                }
            }
            state.ledger.record_with(now, || event(info));
            Ok(())
        })
    }
}

impl State {
    /// What may be done for the client of this context.
    fn impersonation_of(&self, info: &ContextInfo) -> Result<Impersonation, SecurityStatus> {
        let may = info.role == Role::Acceptor
            && info.package.capabilities.0 & SECPKG_FLAG_IMPERSONATION != 0
            && !info.flags.contains(ContextFlags::NO_TOKEN);
        if may { Ok(self.handshakes.settings.impersonation) } else { Err(SecurityStatus::NO_IMPERSONATION) }
    }

    /// Says once whose token it is that a server takes for its client's.
    fn note_process_token(&mut self, instance: &Instance, now: crate::FileTime) {
        if !std::mem::replace(&mut self.handshakes.named_process_token, true) {
            let user = instance.access_tokens().map(AccessTokens::user).unwrap_or_default();
            self.ledger.record(now, EventKind::ProcessTokenUsed { user });
        }
    }
}
