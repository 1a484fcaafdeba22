//! The place of a credential's secret.

use crate::vault::Slot;

/// The place of a credential's secret. A handle and a half-open context hold it; what is held can outlive the cache.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Stored {
    /// In the cache, or in the copy that its holders keep of what was there (clause M4).
    Cached(Slot),
}

impl Stored {
    /// The number that events have for it.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Cached(slot) => slot.to_u64(),
        }
    }
}
