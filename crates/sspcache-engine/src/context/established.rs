//! What an engine keeps of its contexts.

use std::sync::{Arc, PoisonError};

use super::{
    ContextHandle, ContextInfo,
    accept::Accepting,
    initiate::{Completing, Confirming, Initiating},
    protection::Protection,
};
use crate::{Engine, FileTime, Operation, SecurityStatus, handle::HandleTable, sync::Mutex};

/// Every context of an engine. Each has a lock of its own, so that messages of different contexts don't wait for
/// each other; the engine's own lock may be taken while a context's is held, and never the other way round.
pub(crate) type Contexts = HandleTable<Arc<Mutex<Context>>>;

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

impl Engine {
    /// Does something with an established context.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`] for any other handle, recorded as refused; what the closure gives.
    pub(super) fn with_established<T>(
        &self,
        operation: Operation,
        handle: ContextHandle,
        body: impl FnOnce(&mut Established, FileTime) -> Result<T, SecurityStatus>,
    ) -> Result<T, SecurityStatus> {
        let (found, now) = {
            let (state, now) = self.lock_at_now();
            (state.contexts.get(handle.word()).cloned(), now)
        };
        let result = found.ok_or(SecurityStatus::INVALID_HANDLE).and_then(|context| {
            match &mut *context.lock().unwrap_or_else(PoisonError::into_inner) {
                Context::Established(established) => body(established, now),
                _ => Err(SecurityStatus::INVALID_HANDLE),
            }
        });
        if let Err(status) = result {
            self.lock().refused(operation, status, None, now);
        }
        result
    }
}
