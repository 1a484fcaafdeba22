//! Names as Windows has them: UTF-16, with unpaired surrogates kept.

use std::fmt;

/// A user, domain, principal or package name: UTF-16 units, unpaired surrogates preserved.
///
/// Two names are equal as Windows compares them: per UTF-16 unit after simple, one-to-one upper-casing; no locale,
/// no expansion (`é` = `É`, but `ß` ≠ `SS`).
///
/// `Display` shows an unpaired surrogate as `\u{D800}`, so that a printed name never hides one.
///
/// ```
/// use sspcache_engine::Name;
/// assert_eq!(Name::from("CONTOSO"), Name::from("contoso"));
/// assert_ne!(Name::from("straße"), Name::from("STRASSE"));
/// ```
#[derive(Clone, Default)]
pub struct Name(Box<[u16]>);

impl Name {
    /// A name of these UTF-16 units, which need not be well-formed.
    pub fn from_units(units: &[u16]) -> Self {
        Self(units.into())
    }

    /// The UTF-16 units, in the case they were given in.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Whether the name has no unit at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        sspcache_fold::same(self.0.iter().copied(), other.0.iter().copied())
    }
}

impl Eq for Name {}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::decode_utf16(self.0.iter().copied()).try_for_each(|unit| match unit {
            Ok(character) => fmt::Write::write_char(f, character),
            Err(lone) => write!(f, "\\u{{{:X}}}", lone.unpaired_surrogate()),
        })
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// M1
    #[test]
    fn names_compare_per_unit_by_simple_upper_casing() {
        for (left, right, equal) in [
            ("Alice", "aLICE", true),
            ("é", "É", true),
            ("ß", "SS", false),
            ("ß", "ẞ", false),
            ("ſ", "S", false),
            ("\u{212A}", "k", false),
            ("алиса", "АЛИСА", true),
            ("a", "ab", false),
            ("𐐨", "𐐀", false), // Deseret: surrogates compare as they are
        ] {
            assert_eq!(Name::from(left) == Name::from(right), equal, "{left} and {right}");
        }
    }

    #[test]
    fn an_unpaired_surrogate_is_kept_and_shown() {
        let name = Name::from_units(&[u16::from(b'a'), 0xD800]);
        assert_eq!(name.units(), &[97, 0xD800]);
        assert_eq!(name.to_string(), "a\\u{D800}");
    }
}
