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
pub struct Name(Units);

/// Most names are short: what a sign-in copies here and there needs no memory of its own then.
#[derive(Clone)]
enum Units {
    Long(Box<[u16]>),
    Short { length: u8, units: [u16; SHORT] },
}

/// As many units as fit into four words, with their length and the variant.
const SHORT: usize = 15;

impl Name {
    /// A name of these UTF-16 units, which need not be well-formed.
    pub fn from_units(units: &[u16]) -> Self {
        match u8::try_from(units.len()) {
            Ok(length) if units.len() <= SHORT => {
                let mut short = [0; SHORT];
                short[..units.len()].copy_from_slice(units);
                Self(Units::Short { length, units: short })
            }
            _ => Self(Units::Long(units.into())),
        }
    }

    /// The UTF-16 units, in the case they were given in.
    pub fn units(&self) -> &[u16] {
        match &self.0 {
            Units::Long(units) => units,
            Units::Short { length, units } => &units[..usize::from(*length)],
        }
    }

    /// Whether the name has no unit at all.
    pub fn is_empty(&self) -> bool {
        self.units().is_empty()
    }
}

impl Default for Units {
    fn default() -> Self {
        Self::Short { length: 0, units: [0; SHORT] }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        sspcache_types::name::same(self.units().iter().copied(), other.units().iter().copied())
    }
}

impl Eq for Name {}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        let mut short = [0; SHORT];
        let mut units = text.encode_utf16();
        for (length, place) in (0..).zip(&mut short) {
            let Some(unit) = units.next() else { return Self(Units::Short { length, units: short }) };
            *place = unit;
        }
        Self::from_units(&text.encode_utf16().collect::<Vec<_>>())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        char::decode_utf16(self.units().iter().copied()).try_for_each(|unit| match unit {
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
    fn a_name_of_any_length_keeps_its_units() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 300] {
            let text = "ä".repeat(length);
            let units: Vec<_> = text.encode_utf16().collect();
            for name in [Name::from(&*text), Name::from_units(&units)] {
                assert_eq!(name.units(), units);
                assert_eq!(name.is_empty(), length == 0);
                assert_eq!(name.to_string(), text);
            }
        }
    }

    #[test]
    fn an_unpaired_surrogate_is_kept_and_shown() {
        let name = Name::from_units(&[u16::from(b'a'), 0xD800]);
        assert_eq!(name.units(), &[97, 0xD800]);
        assert_eq!(name.to_string(), "a\\u{D800}");
    }
}
