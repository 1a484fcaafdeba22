//! The contexts of an instance.

use super::{Instance, Named, State};
use crate::{
    FileTime, Operation, SecurityStatus,
    context::{
        ContextHandle,
        export_key::ExportKey,
        stage::{Context, SharedContext},
    },
};

impl Instance {
    /// A context, found while the instance is locked and returned unlocked: a context is never locked under the
    /// instance's lock.
    pub(crate) fn find_context(&self, handle: ContextHandle) -> (Option<SharedContext>, FileTime) {
        let (state, now) = self.lock_at_now();
        (state.context(handle), now)
    }

    /// Records that a call for a context was refused. One that was there when the call began, and that another thread has deleted
    /// meanwhile, isn't named: the call came first.
    pub(crate) fn refused_for_context(
        &self,
        operation: Operation,
        status: SecurityStatus,
        handle: ContextHandle,
        was_there: bool,
        now: FileTime,
    ) {
        let mut state = self.lock();
        let is_gone = was_there && state.context(handle).is_none();
        let named = if is_gone { Named::default() } else { handle.into() };
        state.refused(operation, status, named, now);
    }
}

impl From<ContextHandle> for Named<'_> {
    fn from(context: ContextHandle) -> Self {
        Self { context: Some(context.word()), ..Self::default() }
    }
}

impl State {
    pub(crate) fn context(&self, handle: ContextHandle) -> Option<SharedContext> {
        self.contexts.get(handle.word()).cloned()
    }

    /// Takes in a context.
    ///
    /// # Errors
    /// [`SecurityStatus::INSUFFICIENT_MEMORY`] when the table is full.
    pub(crate) fn add_context(&mut self, context: Context) -> Result<ContextHandle, SecurityStatus> {
        let word = self.contexts.insert(SharedContext::new(context));
        word.map(ContextHandle::from_word).ok_or(SecurityStatus::INSUFFICIENT_MEMORY)
    }

    /// Takes out a context, and releases the credentials that its handshake held.
    pub(crate) fn remove_context(&mut self, handle: ContextHandle, now: FileTime) -> Option<SharedContext> {
        let removed = self.contexts.remove(handle.word())?;
        self.settle(handle, now);
        Some(removed)
    }

    pub(crate) fn export_key(&self) -> &ExportKey {
        &self.export_key
    }

    pub(crate) fn process_key(&self) -> &ExportKey {
        &self.process_key
    }

    /// Stands for another instance whose configuration has this key.
    #[cfg(test)]
    pub(crate) fn set_export_key(&mut self, key: ExportKey) {
        self.export_key = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AcquireRequest, AuthIdentity, Engine, EventKind, context::InitializeRequest};

    /// Q3: an honest program's call may be under way when another thread deletes its context.
    #[test]
    fn a_refused_call_names_its_context_but_not_one_that_was_deleted_while_the_call_went_on() {
        let ssp = Engine::builder("MSNSSPC.dll").build();
        let alice = AuthIdentity::password("alice", "CONTOSO", "correct horse");
        let handle = ssp.acquire(&AcquireRequest::outbound("NTLM").with_identity(alice)).unwrap().handle;
        let context = ssp.initialize(&InitializeRequest::first(handle)).unwrap().context;
        let named = |was_there| {
            let (operation, status) = (Operation::DecryptMessage, SecurityStatus::INVALID_HANDLE);
            ssp.instance.refused_for_context(operation, status, context, was_there, FileTime(0));
            match ssp.events().pop().unwrap().kind {
                EventKind::Refused { context, .. } => context,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(named(true), Some(context.word()), "half-open");
        ssp.delete_context(context).unwrap();
        assert_eq!(named(true), None, "deleted meanwhile");
        assert_eq!(named(false), Some(context.word()), "deleted before");
    }
}
