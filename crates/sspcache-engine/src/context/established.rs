//! Doing something with a context whose handshake is done.

use super::{
    ContextHandle,
    stage::{Context, Established},
};
use crate::{FileTime, Operation, SecurityStatus, state::Instance};

impl Instance {
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
        let (found, now) = self.find_context(handle);
        let was_there = found.is_some();
        let result =
            found.ok_or(SecurityStatus::INVALID_HANDLE).and_then(|context| match &mut *context.lock() {
                Context::Established(established) => body(established, now),
                _ => Err(SecurityStatus::INVALID_HANDLE),
            });
        if let Err(status) = result {
            self.refused_for_context(operation, status, handle, was_there, now);
        }
        result
    }
}
