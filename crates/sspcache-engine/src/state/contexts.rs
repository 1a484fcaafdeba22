//! The contexts of an instance.

use super::{Instance, State};
use crate::{
    FileTime, SecurityStatus,
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
