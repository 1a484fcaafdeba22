//! Module handles.

use std::fmt;
use std::num::NonZeroU64;

/// A module's handle: the base address of one load in the emulated address space, as an HMODULE is on Windows.
///
/// The loader uses each address once, so a dead handle stays dead. A handle fits in one machine word for a C ABI
/// ([`to_u64`](Self::to_u64)). Other loaders refuse it.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Handle(pub(crate) NonZeroU64);

impl Handle {
    /// The handle as a word, never zero.
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The handle of a word, alive or dead; `None` for zero, the null handle.
    pub fn from_u64(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
