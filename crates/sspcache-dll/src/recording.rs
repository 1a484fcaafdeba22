//! What `secur32.dll` needs to record calls that it passes on to the system's own: a journal, and what of a caller's parameters is no
//! secret.
#![forbid(unsafe_code)]

pub use sspcache_engine::{
    EventKind, Holds, Operation, SecurityStatus, Source, context::Role, event::beginning,
};
use sspcache_engine::{Name, Principal};

use crate::{
    identity,
    raw::{AuthData, Str},
    state::Ssp,
    text::Encoding,
};

/// The variable that makes `secur32.dll` pass on and record, when it isn't empty.
pub const VARIABLE: &str = "SSPCACHE_RECORDING";

/// Records an event of the system's SSPs. So many credentials that the program passed are held by handles then.
///
/// # Errors
/// When there is no journal.
pub fn note(ssp: &Ssp, kind: EventKind, held: u32) -> Result<(), SecurityStatus> {
    ssp.engine()?.note_of_others(kind, held);
    Ok(())
}

/// A name, if there is one.
pub fn name<E: Encoding>(name: Str<'_, E>) -> Option<String> {
    name.name().ok().flatten().map(|name| name.to_string())
}

/// The principal that an identity names, without its secret; none where it names no principal, for a silent sign-in.
///
/// # Errors
/// For an identity that only Windows can read.
pub fn principal(ssp: &Ssp, auth_data: AuthData<'_>) -> Result<Option<String>, SecurityStatus> {
    let parts = identity::parts(ssp, &auth_data)?.filter(|parts| !parts.is_silent());
    let text = |units: &Option<crate::text::Text<'_>>| Name::from_units(units.as_deref().unwrap_or_default());
    Ok(parts.map(|parts| Principal::new(text(&parts.user), text(&parts.domain)).to_string()))
}
