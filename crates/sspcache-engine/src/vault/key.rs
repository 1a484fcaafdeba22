//! What a credential is found by, and how it is hashed and compared (M1).

use std::array;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use sspcache_types::name::fold;

/// What a credential is cached under: package, user and domain.
///
/// Names are UTF-16 units, compared per unit after [simple upper-casing](sspcache_types::name::fold).
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    /// The package's number. Numbers are expected to be small: the vault keeps a list for each up to the greatest.
    pub package: u16,
    /// The user's name.
    pub user: &'a [u16],
    /// The domain's or realm's name.
    pub domain: &'a [u16],
}

impl KeyRef<'_> {
    /// Whether two keys are the same to Windows.
    pub(super) fn matches(self, other: KeyRef<'_>) -> bool {
        self.package == other.package && same(self.user, other.user) && same(self.domain, other.domain)
    }
}

fn same(left: &[u16], right: &[u16]) -> bool {
    left == right
        || (left.len() == right.len()
            && left.iter().zip(right).all(|(&left, &right)| fold(left) == fold(right)))
}

/// Hashes keys with a seed of their vault's own, so that no input collides in every process.
pub(super) struct KeyHasher(FixedState);

impl KeyHasher {
    pub(super) fn new() -> Self {
        // Without a source of randomness keys are still found, and only an adversary would notice.
        Self(FixedState::with_seed(getrandom::u64().unwrap_or_default()))
    }

    /// The hash of a key: the same for keys that match.
    pub(super) fn hash(&self, key: KeyRef<'_>) -> u32 {
        let mut hasher = self.0.build_hasher();
        // The lengths keep `ab` + `c` apart from `a` + `bc`.
        let lengths = (key.user.len() as u128) << 64 | key.domain.len() as u128;
        hasher.write_u128(lengths ^ u128::from(key.package) << 48);
        write_folded(&mut hasher, key.user);
        write_folded(&mut hasher, key.domain);
        #[allow(clippy::cast_possible_truncation)] // Half of it will do.
        {
            hasher.finish() as u32
        }
    }
}

fn write_folded(hasher: &mut impl Hasher, name: &[u16]) {
    if let Some(end) = name.last_chunk() {
        for units in name.as_chunks().0 {
            hasher.write_u128(folded(units));
        }
        // It may overlap what comes before, which is quicker than padding it.
        hasher.write_u128(folded(end));
    } else {
        hasher.write_u128(folded(&array::from_fn(|at| name.get(at).copied().unwrap_or_default())));
    }
}

/// Eight units in one word, the same for units that fold to the same. Of ASCII the bit of the case is left out, which makes
/// some others the same, too, such as `[` and `{`: good enough for a hash.
#[inline]
fn folded(units: &[u16; 8]) -> u128 {
    let word = join(units);
    if word & !ASCII == 0 { word | CASE } else { folded_each(units) | CASE }
}

#[cold]
fn folded_each(units: &[u16; 8]) -> u128 {
    join(&units.map(fold))
}

fn join(units: &[u16; 8]) -> u128 {
    units.iter().rev().fold(0, |word, &unit| word << 16 | u128::from(unit))
}

const EACH: u128 = u128::MAX / 0xFFFF;
const ASCII: u128 = 0x7F * EACH;
const CASE: u128 = 0x20 * EACH;

#[cfg(test)]
mod tests {
    use super::*;

    /// M1
    #[test]
    fn names_of_every_length_compare_and_hash_by_folded_units() {
        let hasher = KeyHasher::new();
        let hash = |user: &[u16], domain: &[u16]| hasher.hash(KeyRef { package: 0, user, domain });
        let letters = ['a', 'ß', 'é', 'ſ', 'q', '1', 'ж', '\u{FF5A}'].map(|letter| letter as u16);
        // Over the eight units that are hashed at a time; around them alone, as far as Miri's patience goes.
        for len in (0..40).filter(|len| !cfg!(miri) || [0, 1, 8, 9].contains(len)) {
            let name: Vec<_> = letters.into_iter().cycle().take(len).collect();
            let upper: Vec<_> = name.iter().copied().map(fold).collect();
            assert!(same(&name, &upper), "{len}");
            assert_eq!((hash(&name, &[]), hash(&[], &name)), (hash(&upper, &[]), hash(&[], &upper)), "{len}");
            for at in 0..len {
                let mut other = name.clone();
                other[at] = u16::from(b'!');
                assert!(!same(&name, &other) && !same(&upper, &other), "{at} of {len}");
                assert_ne!(hash(&name, &[]), hash(&other, &[]), "{at} of {len}");
            }
        }
    }

    /// M1
    #[test]
    fn keys_hash_alike_exactly_when_they_match() {
        let names =
            |user: &str, domain: &str| [user, domain].map(|name| name.encode_utf16().collect::<Vec<_>>());
        let hasher = KeyHasher::new();
        let [user, domain] = names("rené.müller", "CONTOSO");
        let key = KeyRef { package: 1, user: &user, domain: &domain };
        for (package, user, domain, is_same) in [
            (1, "RENÉ.MÜLLER", "Contoso", true),
            (2, "rené.müller", "CONTOSO", false),
            (1, "rene.müller", "CONTOSO", false),
            (1, "rené.müllerC", "ONTOSO", false),
            (1, "rené.müller\0", "CONTOSO", false),
            (1, "rené.mülle", "rCONTOSO", false),
            (1, "CONTOSO", "rené.müller", false),
            (1, "", "", false),
        ] {
            let [units, realm] = names(user, domain);
            let other = KeyRef { package, user: &units, domain: &realm };
            assert_eq!(key.matches(other), is_same, "{package} {user} {domain}");
            assert_eq!(hasher.hash(key) == hasher.hash(other), is_same, "{package} {user} {domain}");
        }
    }
}
