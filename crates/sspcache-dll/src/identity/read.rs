//! Identities of any form, as the caller passes them.

use sspcache_engine::{AuthIdentity, SecurityStatus};

use super::{
    block::Block,
    packed::Credential,
    parts::{ENCRYPTED, FORM, Parts},
};
use crate::{
    raw::{AuthData, AuthStrings, Form},
    state::Ssp,
    text::Text,
};

/// Reads authentication data; `None` for a null pointer, which is a silent sign-in.
///
/// # Errors
/// As [`parts`].
pub(crate) fn read(ssp: &Ssp, data: &AuthData<'_>) -> Result<Option<AuthIdentity>, SecurityStatus> {
    Ok(parts(ssp, data)?.map(|parts| parts.identity()))
}

/// The parts of authentication data; `None` for a null pointer.
///
/// # Errors
/// [`SecurityStatus::UNKNOWN_CREDENTIALS`] for what is recognizably no identity.
pub(crate) fn parts<'i>(ssp: &Ssp, data: &'i AuthData<'_>) -> Result<Option<Parts<'i>>, SecurityStatus> {
    match data.form()? {
        None => Ok(None),
        Some(Form::Block(block)) => Block::at(ssp, &block)?.read(ssp).map(Some),
        Some(Form::Strings(strings)) => of_strings(&strings).map(Some),
    }
}

/// The flags that say how an identity is encrypted.
///
/// # Errors
/// As [`parts`].
pub(crate) fn encryption_of(ssp: &Ssp, data: &AuthData<'_>) -> Result<u32, SecurityStatus> {
    match data.form()? {
        Some(Form::Block(block)) => Ok(Block::at(ssp, &block)?.encryption()),
        _ => Ok(0),
    }
}

fn of_strings<'i>(strings: &AuthStrings<'i>) -> Result<Parts<'i>, SecurityStatus> {
    let packages = strings.packages.text()?.map(Text::into_units).unwrap_or_default();
    // Only what is in one block can be encrypted here.
    if strings.flags & ENCRYPTED != 0 {
        return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
    }
    Ok(Parts {
        user: strings.user.text()?,
        domain: strings.domain.text()?,
        credential: strings.password.text()?.map_or(Credential::Missing, Credential::Password),
        packages,
        flags: strings.flags & !FORM,
    })
}
