//! Names in the usual spelling, such as `msnsspc.dll`, for lookups without allocation.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};

use crate::Name;

/// How many units a plain name may have.
const LONGEST: usize = 32;

/// A module's name that needs no parsing: up to 32 ASCII characters, without a folder, with an extension, and without
/// trailing characters that are ignored (L2).
///
/// It finds the same modules as its [`Name`], faster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PlainName {
    /// Capitals, eight to a word, padded with zeroes.
    words: [u64; LONGEST / 8],
}

impl PlainName {
    /// The name as a plain one; `None` for a name that needs parsing.
    #[inline]
    pub fn new(name: Name<'_>) -> Option<Self> {
        name.plain()
    }

    /// Reads units, as they are spelled or in capitals.
    #[inline]
    pub(crate) fn from_units(mut name: impl ExactSizeIterator<Item = u16>) -> Option<Self> {
        if name.len() > LONGEST {
            return None;
        }
        let mut words = [0; LONGEST / 8];
        let (mut has_extension, mut last) = (false, b'.');
        for word in &mut words {
            // Collected in a register, which is faster than storing single bytes.
            let mut letters = 0;
            for (shift, unit) in (0..64).step_by(8).zip(&mut name) {
                last = *CAPITALS.get(usize::from(unit))?;
                if last == 0 {
                    return None;
                }
                has_extension |= last == b'.';
                letters |= u64::from(last) << shift;
            }
            *word = letters;
            if name.len() == 0 {
                break;
            }
        }
        (has_extension && !matches!(last, b'.' | b' ')).then_some(Self { words })
    }
}

impl PlainName {
    /// Reads bytes, eight at a time.
    #[inline]
    pub(crate) fn from_bytes(name: &[u8]) -> Option<Self> {
        let (eights, rest) = name.as_chunks::<8>();
        let mut words = [0; LONGEST / 8];
        let mut has_extension = false;
        let mut put = |at: usize, letters: u64| {
            has_extension |= has_byte(letters, b'.');
            *words.get_mut(at)? = capitals(letters)?;
            Some(())
        };
        for (at, eight) in eights.iter().enumerate() {
            put(at, u64::from_le_bytes(*eight))?;
        }
        if !rest.is_empty() {
            let letters = rest.iter().rev().fold(0, |letters, letter| letters << 8 | u64::from(*letter));
            // Padded with blanks, which are valid and have no capital, then cut again.
            let filling = u64::MAX << (8 * rest.len());
            put(eights.len(), letters | all(b' ') & filling)?;
            words[eights.len()] &= !filling;
        }
        let ends_plainly = !matches!(name.last(), None | Some(b'.' | b' '));
        (has_extension && ends_plainly).then_some(Self { words })
    }
}

/// This byte, eight times.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The highest bit of each byte.
const HIGH: u64 = all(0x80);

/// Whether one of these eight bytes is this one.
const fn has_byte(bytes: u64, byte: u8) -> bool {
    let zero = bytes ^ all(byte);
    zero.wrapping_sub(all(1)) & !zero & HIGH != 0
}

/// The capitals of eight bytes that may all stand in a plain name, as [`CAPITALS`] has it for one.
const fn capitals(bytes: u64) -> Option<u64> {
    // Of bytes without their highest bit a sum reaches that bit and no further.
    let is_ascii = bytes & HIGH == 0;
    let from_space = (bytes & !HIGH) + all(0x80 - b' ');
    let from_delete = (bytes & !HIGH) + all(0x80 - 0x7f);
    let parts = has_byte(bytes, b'/') || has_byte(bytes, b'\\') || has_byte(bytes, b':');
    if !is_ascii || parts || from_space & HIGH != HIGH || from_delete & HIGH != 0 {
        return None;
    }
    let from_a = bytes + all(0x80 - b'a');
    let behind_z = bytes + all(0x80 - (b'z' + 1));
    // Bit 5 distinguishes small letters from capitals.
    Some(bytes ^ ((from_a & !behind_z & HIGH) >> 2))
}

impl fmt::Display for PlainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = self.words.iter().flat_map(|word| word.to_le_bytes()).take_while(|letter| *letter != 0);
        letters.map(char::from).try_for_each(|letter| f.write_char(letter))
    }
}

impl Hash for PlainName {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Without the padding: a name has no null.
        self.words.iter().take_while(|word| **word != 0).for_each(|word| state.write_u64(*word));
    }
}

/// The capital of a unit that a plain name may have; 0 for others, such as the separators of folders and drives.
const CAPITALS: [u8; 128] = {
    let mut capitals = [0; 128];
    let mut unit = b' ';
    while unit < 127 {
        if !matches!(unit, b'/' | b'\\' | b':') {
            capitals[unit as usize] = unit.to_ascii_uppercase();
        }
        unit += 1;
    }
    capitals
};

#[cfg(test)]
mod tests {
    use widestring::U16String;

    use super::*;
    use crate::name::{Purpose, Wanted, key, parse};

    /// L1, L2, L3
    #[test]
    fn a_plain_name_is_what_all_the_rules_make_of_it() {
        let capitals: Vec<u16> = (0..=u16::MAX).collect();
        let around = |unit: u16| [vec![unit], vec![u16::from(b'a'), unit], vec![unit, u16::from(b'a')]];
        let with_extension = |name: Vec<u16>| [name.clone(), [&name[..], &key(&[46, 100])].concat()];
        let names = capitals.into_iter().flat_map(around).flat_map(with_extension);
        let long = [31, 32, 33].map(|length| "x.dll".repeat(7)[..length].encode_utf16().collect());
        let mut plain = 0;
        for name in names.chain(long).chain([vec![]]) {
            let name = U16String::from_vec(name);
            let read = PlainName::new(Name::from(&name));
            if let Ok(text) = name.to_string() {
                assert_eq!(PlainName::new(Name::from(&text)), read, "{name:?} in UTF-8");
            }
            let Some(read) = read else { continue };
            plain += 1;
            let Some(Wanted::Bare(base)) = parse(Name::from(&name), Purpose::Lookup, &[]) else {
                panic!("{name:?} is no bare name")
            };
            assert_eq!(*base, *key(name.as_slice()), "{name:?} stands for another");
            assert_eq!(Some(read), PlainName::from_units(base.iter().copied()), "{name:?}");
            assert!(name.to_string().is_ok_and(|text| text.is_ascii()), "{name:?}");
        }
        assert!(plain > 250, "{plain}");
    }
}
