//! The locks of the engine, in one place, so that the model checker can take over (feature `shuttle`).
//!
//! `std::sync` alone otherwise: the mock DLL has to unload, and other lock crates leave thread-local destructors
//! behind that pin it.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::sync::{Mutex, MutexGuard};
