//! Where a program's stack ends and this library begins, for stacks of the mock: with the mock linked in, both are in one file.

#[cfg(feature = "mock")]
pub(crate) use sspcache_dll::abi::Edge;

/// A place in the frame of a function that the program calls. Without the mock in here, the mock leaves this library's frames out by the
/// name of their file.
#[cfg(not(feature = "mock"))]
#[derive(Debug, Default)]
pub(crate) struct Edge(());

#[cfg(not(feature = "mock"))]
impl Edge {
    #[allow(clippy::unused_self, reason = "as with the mock")]
    pub(crate) fn within<R>(&self, call: impl FnOnce() -> R) -> R {
        call()
    }
}
