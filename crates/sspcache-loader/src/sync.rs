//! The locks of the loader, in one place.

pub(crate) use parking_lot::{ReentrantMutex, RwLock};
