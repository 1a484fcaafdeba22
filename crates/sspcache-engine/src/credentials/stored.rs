//! The place of a credential's secret.

use crate::vault::Slot;

/// The place of a credential's secret. A handle and a half-open context hold it; what is held can outlive the cache.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Stored {
    /// In the cache, or in the copy that its holders keep of what was there (clause M4).
    Cached(Slot),
    /// With its holders alone: in a package that doesn't cache (clause P2).
    Held(u32),
    /// With the logon session, whose default credentials fit what a context asks for (clause P3).
    Default,
    /// With the logon session: this one of its default credentials.
    Logon(u16),
}

impl Stored {
    /// The number that events have for it. A slot is never below 2³², the number of what is held never above.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Self::Cached(slot) => Some(slot.to_u64()),
            Self::Held(number) => Some(number.into()),
            Self::Default | Self::Logon(_) => None,
        }
    }
}
