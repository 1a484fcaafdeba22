//! Strings that end in a null.

use sspcache_engine::{Name, SecurityStatus};

use super::place::{Place, Raw};
use crate::text::{Ansi, Encoding, Text, Wide};

/// A string that ends in a null, or a null pointer.
#[derive(Debug)]
pub struct Str<'c, E: Encoding>(Place<'c, E::Unit>);

impl<E: Encoding> Clone for Str<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Encoding> Copy for Str<'_, E> {}

/// The pointers that `windows-sys` has for strings of an encoding.
macro_rules! from_pointers {
    ($($encoding:ty: $($pointer:ty),+;)*) => {
        $($(
            impl Raw<$pointer> for Str<'_, $encoding> {
                unsafe fn from_raw(parameter: $pointer) -> Self {
                    // SAFETY: the caller has made the same promise; the units differ in their signs at most.
                    Self(unsafe { Place::new(parameter.cast()) })
                }
            }
        )+)*
    };
}

from_pointers! {
    Ansi: *const i8, *mut i8;
    Wide: *const u16, *mut u16;
}

impl<'c, E: Encoding> Str<'c, E> {
    /// Whether there is a string.
    pub(crate) fn is_given(self) -> bool {
        self.0.get().is_some()
    }

    /// The text; `None` for a null pointer.
    ///
    /// # Errors
    /// As [`Encoding::decode`]; [`SecurityStatus::INVALID_PARAMETER`] for a pointer that is never followed.
    pub(crate) fn text(self) -> Result<Option<Text<'c>>, SecurityStatus> {
        self.units()?.map(E::decode).transpose()
    }

    /// The text as a name; `None` for a null pointer.
    ///
    /// # Errors
    /// As [`Self::text`].
    pub(crate) fn name(self) -> Result<Option<Name>, SecurityStatus> {
        Ok(self.text()?.map(|text| Name::from_units(&text)))
    }

    /// Everything up to the terminating null.
    fn units(self) -> Result<Option<&'c [E::Unit]>, SecurityStatus>
    where
        E::Unit: 'c,
    {
        let Some(start) = self.0.optional(SecurityStatus::INVALID_PARAMETER)? else { return Ok(None) };
        let unit_at = |index| {
            // SAFETY: every unit before this one is of the string and no null, so that this one is of the string as
            // well.
            let unit = unsafe { start.add(index) };
            // SAFETY: the units of a string may be read.
            unsafe { unit.read() }
        };
        let mut length = 0;
        while unit_at(length) != E::Unit::default() {
            length += 1;
        }
        // SAFETY: these are the units before the null, which stay as they are for as long as the call lasts.
        Ok(Some(unsafe { std::slice::from_raw_parts(start.as_ptr(), length) }))
    }
}
