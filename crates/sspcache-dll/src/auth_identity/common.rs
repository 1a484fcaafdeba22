//! Shared by these functions: reading identities, and handing out copies.

use std::ptr;

use sspcache_engine::{Holds, SecurityStatus};

use crate::{
    identity::{self, Parts},
    memory::FreedBy,
    raw::AuthData,
    state::Ssp,
};

/// Reads an identity, which there has to be.
///
/// # Errors
/// [`SecurityStatus::INVALID_PARAMETER`] for none, [`SecurityStatus::UNKNOWN_CREDENTIALS`] for what is no identity.
pub(super) fn parts<'i>(ssp: &Ssp, identity: &'i AuthData<'_>) -> Result<Parts<'i>, SecurityStatus> {
    identity::parts(ssp, identity)?.ok_or(SecurityStatus::INVALID_PARAMETER)
}

/// Hands a copy out, with an event if it has to be given back.
pub(super) fn copy<T: Copy>(ssp: &Ssp, holds: Option<Holds>, items: &[T]) -> *mut T {
    let given = ssp.handed_out().copy(FreedBy::Sspi, items);
    holds.map_or(given.place, |holds| ssp.note_given(holds, None, given))
}

/// Hands a string out as [`copy`] does, with a terminating null; a null pointer for none.
pub(super) fn copy_string(ssp: &Ssp, holds: Option<Holds>, text: Option<&[u16]>) -> *mut u16 {
    text.map_or(ptr::null_mut(), |text| {
        let given = ssp.handed_out().copy_terminated(FreedBy::Sspi, text);
        holds.map_or(given.place, |holds| ssp.note_given(holds, None, given))
    })
}
