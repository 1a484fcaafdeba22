//! The `Sspi…AuthIdentity` functions: identities as one opaque structure that a program makes, keeps and passes on.
//!
//! What they hand out is a `SEC_WINNT_AUTH_IDENTITY_EX2`, whatever form they were given. `SspiFreeAuthIdentity` and
//! `SspiLocalFree` both take back all of it, strings too: pages and programs name the one or the other.
//!
//! A null pointer where something is to be, or to be put, gives `SEC_E_INVALID_PARAMETER`; what is no identity gives
//! `SEC_E_UNKNOWN_CREDENTIALS`. The out parameters are then as they were.

mod credman;
mod encryption;
mod exports;
mod opaque;
mod prompt;
mod strings;

use std::{ffi::c_void, ptr};

use sspcache_engine::{Engine, Operation, Status};

pub use self::{credman::*, encryption::*, opaque::*, prompt::*, strings::*};
use crate::{
    guard,
    identity::{self, Parts},
    memory::FreedBy,
    state::Ssp,
};

/// Runs a call that may be made to fail.
fn call(ssp: &Ssp, operation: Operation, call: impl FnOnce(&Engine) -> Result<(), Status>) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        engine.enter(operation)?;
        call(&engine)
    })
}

/// Refuses null pointers.
fn given<const N: usize>(pointers: [*const c_void; N]) -> Result<(), Status> {
    if pointers.iter().any(|pointer| pointer.is_null()) { Err(Status::InvalidParameter) } else { Ok(()) }
}

/// Reads an identity, which there has to be.
///
/// # Safety
/// A pointer that isn't null is to an identity.
unsafe fn parts<'t>(ssp: &Ssp, identity: *const c_void) -> Result<Parts<'t>, Status> {
    given([identity])?;
    // SAFETY: by this function's contract.
    unsafe { Parts::read(ssp, identity) }
}

/// Hands an identity out.
///
/// # Safety
/// The place may be written to.
unsafe fn give(ssp: &Ssp, identity: &Parts<'_>, place: *mut *mut c_void) -> Result<(), Status> {
    let block = identity::build(identity)?;
    // SAFETY: by this function's contract.
    unsafe { place.write(copy(ssp, &block).cast()) };
    Ok(())
}

/// Hands a copy out.
fn copy<T: Copy>(ssp: &Ssp, data: &[T]) -> *mut T {
    let place: *mut T = ssp.hand_out_until(FreedBy::Sspi, size_of_val(data)).cast();
    // SAFETY: that much is there, aligned for anything that SSPI hands out.
    unsafe { place.copy_from_nonoverlapping(data.as_ptr(), data.len()) };
    place
}

/// Hands a string out, with a terminating null; a null pointer for none.
fn copy_string(ssp: &Ssp, text: Option<&[u16]>) -> *mut u16 {
    let Some(text) = text else { return ptr::null_mut() };
    let place: *mut u16 = ssp.hand_out_until(FreedBy::Sspi, size_of_val(text) + 2).cast();
    // SAFETY: that much is there, aligned, and the null behind it is there already.
    unsafe { place.copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    place
}
