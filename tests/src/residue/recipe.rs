//! How the secrets are made that are looked for in other processes' memory: as in `fixtures/clients/residue.c`.
//!
//! Under the mask alone, so that neither the file of a program nor one that merely names them has them in memory.

/// The length of the longest.
pub const LONGEST: usize = 24;
/// How many characters tell which secret it is: what every secret begins with, its generation, its number.
pub const HEAD: usize = MARKER.len() + 1 + NUMBER;

/// What every secret begins with, under the mask.
const MARKER: &[u8; 8] = b"residue:";
const MASK: u8 = 0x5A;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
const NUMBER: usize = 4;

/// Which secret it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Which {
    pub generation: usize,
    pub number: usize,
}

impl Which {
    /// Writes the secret in clear, and gives its length.
    pub fn write(self, secret: &mut [u8; LONGEST]) -> usize {
        let Self { generation, number } = self;
        // Half of them fit into a cell of the vault.
        let length = if number % 4 < 2 { 16 } else { LONGEST };
        let mut state = (number as u64 * 64 + generation as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        secret.fill(0);
        write_marker(secret);
        secret[MARKER.len()] = DIGITS[generation];
        for (place, character) in secret[MARKER.len() + 1..HEAD].iter_mut().enumerate() {
            *character = DIGITS[number >> (6 * (NUMBER - 1 - place)) & 63];
        }
        for character in &mut secret[HEAD..length] {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *character = DIGITS[usize::try_from(state >> 58).expect("six bits")];
        }
        length
    }

    /// Which one begins so, if it is one that a program here makes.
    pub fn of(head: &[u8; HEAD]) -> Option<Self> {
        let digit = |character: &u8| DIGITS.iter().position(|digit| digit == character);
        let digits = &head[MARKER.len()..];
        let generation = digit(&digits[0])?;
        let number =
            digits[1..].iter().try_fold(0, |number, character| Some(number << 6 | digit(character)?))?;
        Some(Self { generation, number })
    }
}

/// What every secret begins with, in clear.
pub fn marker() -> [u8; MARKER.len()] {
    let mut marker = [0; MARKER.len()];
    write_marker(&mut marker);
    marker
}

fn write_marker(secret: &mut [u8]) {
    secret.iter_mut().zip(MARKER).for_each(|(character, masked)| *character = masked ^ MASK);
}
