//! A random password, kept in a masked form only, so that a search of memory doesn't find the searcher's own copy.

use std::fmt;

use zeroize::Zeroizing;

/// A random password, each byte hidden under a random byte of its own.
pub(super) struct MaskedPassword {
    masked: Vec<u8>,
    mask: Vec<u8>,
}

impl MaskedPassword {
    /// Generates a password.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut random = Zeroizing::new(vec![0; LENGTH]);
        let mut mask = vec![0; LENGTH];
        getrandom::fill(&mut random)?;
        getrandom::fill(&mut mask)?;
        // One byte at a time, so that no two bytes of the password lie side by side.
        let masked = random.iter().zip(&mask).map(|(&byte, mask)| character(byte) ^ mask).collect();
        Ok(Self { masked, mask })
    }

    /// The password itself, in a buffer that is wiped when dropped.
    pub(super) fn reveal(&self) -> Zeroizing<String> {
        let mut password = Zeroizing::new(String::with_capacity(LENGTH));
        password.extend((0..LENGTH).map(|index| char::from(self.byte(index))));
        password
    }

    /// Whether these bytes begin with the password in UTF-8.
    pub(super) fn is_utf8_at(&self, bytes: &[u8]) -> bool {
        bytes.len() >= LENGTH && (0..LENGTH).all(|index| bytes[index] == self.byte(index))
    }

    /// Whether these bytes begin with the password in UTF-16, as Windows keeps it.
    pub(super) fn is_utf16_at(&self, bytes: &[u8]) -> bool {
        bytes.len() >= LENGTH * 2
            && (0..LENGTH).all(|index| bytes[index * 2] == self.byte(index) && bytes[index * 2 + 1] == 0)
    }

    /// The byte that both forms begin with.
    pub(super) fn first_byte(&self) -> u8 {
        self.byte(0)
    }

    fn byte(&self, index: usize) -> u8 {
        self.masked[index] ^ self.mask[index]
    }
}

impl fmt::Debug for MaskedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskedPassword")
    }
}

/// The longest form of the password, in bytes.
pub(super) const LONGEST_FORM: usize = LENGTH * 2;

const LENGTH: usize = 24;

/// One of 64 characters, all ASCII, so that a password has six random bits in each.
fn character(random: u8) -> u8 {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    ALPHABET[usize::from(random & 63)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_in_both_forms_and_its_masked_form_in_none() {
        let password = MaskedPassword::random().unwrap();
        let utf8 = password.reveal().as_bytes().to_vec();
        let utf16: Vec<u8> = password.reveal().encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(password.is_utf8_at(&utf8) && !password.is_utf16_at(&utf8));
        assert!(password.is_utf16_at(&utf16) && !password.is_utf8_at(&utf16));
        assert!(!password.is_utf8_at(&password.masked));
        assert!(!password.is_utf8_at(&utf8[1..]), "cut short");
        assert_ne!(utf8, MaskedPassword::random().unwrap().reveal().as_bytes());
    }
}
