//! What a credential is found by, and how it is hashed and compared (M1).

use std::array;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use sspcache_fold::fold;

use super::index::ABSENT;

/// What a credential is cached under: package, user and domain.
///
/// Names are UTF-16 units, compared per unit after [simple upper-casing](sspcache_fold::fold).
#[derive(Clone, Copy, Debug)]
pub struct KeyRef<'a> {
    /// The package's number. Numbers are expected to be small: the vault keeps a list for each up to the greatest.
    pub package: u16,
    /// The user's name.
    pub user: &'a [u16],
    /// The domain's or realm's name.
    pub domain: &'a [u16],
}

/// Hashes keys with a seed of their vault's own, so that no input collides in every process.
#[derive(Clone)]
pub(super) struct KeyHasher(FixedState);

impl KeyHasher {
    pub(super) fn new() -> Self {
        // Without a source of randomness keys are still found, and only an adversary would notice.
        Self(FixedState::with_seed(getrandom::u64().unwrap_or_default()))
    }

    /// The hash of a key: the same for keys that compare as the same.
    #[inline]
    pub(super) fn hash(&self, key: KeyRef<'_>) -> u32 {
        let mut hasher = self.0.build_hasher();
        // The lengths keep `ab` + `c` apart from `a` + `bc`, and a short name from one with zeros after it.
        let lengths = (key.user.len() as u128) << 64 | key.domain.len() as u128;
        hasher.write_u128(lengths ^ u128::from(key.package) << 48);
        write_folded(&mut hasher, key.user);
        write_folded(&mut hasher, key.domain);
        let hash = hasher.finish();
        // The index uses both ends of it.
        #[allow(clippy::cast_possible_truncation)]
        let halves = (hash ^ hash >> 32) as u32;
        halves.max(ABSENT + 1)
    }
}

/// Whether two names are the same to Windows.
#[inline]
pub(super) fn same(left: &[u16], right: &[u16]) -> bool {
    left.len() == right.len() && (identical(left, right) || same_folded(left, right))
}

/// Whether two names of one length are the same unit for unit. Inline, for a call costs more than the comparison.
#[inline]
fn identical(left: &[u16], right: &[u16]) -> bool {
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<8>(), right.last_chunk::<8>()) {
        let (left, _) = left.as_chunks::<8>();
        let (right, _) = right.as_chunks::<8>();
        left_end == right_end && left.iter().zip(right).all(|(left, right)| left == right)
    } else if let (Some([left_start, left_end]), Some([right_start, right_end])) = (ends(left), ends(right)) {
        left_start == right_start && left_end == right_end
    } else {
        left.iter().zip(right).all(|(left, right)| left == right)
    }
}

#[cold]
fn same_folded(left: &[u16], right: &[u16]) -> bool {
    left.iter().zip(right).all(|(&left, &right)| fold(left) == fold(right))
}

/// Hashes eight units at a time.
#[allow(clippy::inline_always)] // Half of what a miss costs is hashing.
#[inline(always)]
fn write_folded(hasher: &mut impl Hasher, units: &[u16]) {
    if let Some(end) = units.last_chunk::<8>() {
        // All but the end, and that: it may overlap what comes before, which is quicker than padding it.
        for start in units[..units.len() - 1].as_chunks::<8>().0 {
            hasher.write_u128(fold_eight(start));
        }
        hasher.write_u128(fold_eight(end));
    } else if let Some([&start, &end]) = ends(units) {
        hasher.write_u128(fold_four(start) | fold_four(end) << 64);
    } else {
        let unit = |at: usize| units.get(at).copied().unwrap_or_default();
        hasher.write_u128(fold_four([unit(0), unit(1), unit(2), 0]));
    }
}

/// The first four units and the last, which may overlap.
#[inline]
fn ends(units: &[u16]) -> Option<[&[u16; 4]; 2]> {
    Some([units.first_chunk()?, units.last_chunk()?])
}

#[inline]
fn fold_eight(units: &[u16; 8]) -> u128 {
    let four = |start: usize| fold_four(array::from_fn(|at| units[start + at]));
    four(0) | four(4) << 64
}

/// Four units side by side, the same for units that fold to the same. For ASCII the case is left out simply, which makes
/// some others the same, too, such as `[` and `{`: good enough for a hash.
#[inline]
fn fold_four(units: [u16; 4]) -> u128 {
    let word = join(units);
    let word = if word & !ASCII == 0 { word } else { fold_each(units) };
    u128::from(word | (0x20 * EACH))
}

#[cold]
fn fold_each(units: [u16; 4]) -> u64 {
    join(units.map(fold))
}

#[inline]
fn join(units: [u16; 4]) -> u64 {
    let [a, b, c, d] = units.map(u64::from);
    a | b << 16 | c << 32 | d << 48
}

const EACH: u64 = 0x0001_0001_0001_0001;
const ASCII: u64 = 0x7F * EACH;

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
        for len in (0..40).filter(|len| !cfg!(miri) || [0, 1, 7, 8, 9, 17].contains(len)) {
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
    fn keys_hash_alike_exactly_when_they_compare_alike() {
        let hasher = KeyHasher::new();
        let hash = |package, user: &str, domain: &str| {
            let [user, domain] = [user, domain].map(|name| name.encode_utf16().collect::<Vec<_>>());
            hasher.hash(KeyRef { package, user: &user, domain: &domain })
        };
        let key = hash(1, "rené.müller", "CONTOSO");
        assert_eq!(key, hash(1, "RENÉ.MÜLLER", "Contoso"));
        for (package, user, domain) in [
            (2, "rené.müller", "CONTOSO"),
            (1, "rene.müller", "CONTOSO"),
            (1, "rené.müllerC", "ONTOSO"),
            (1, "rené.müller\0", "CONTOSO"),
            (1, "rené.mülle", "rCONTOSO"),
            (1, "CONTOSO", "rené.müller"),
            (1, "", ""),
        ] {
            assert_ne!(key, hash(package, user, domain), "{package} {user} {domain}");
        }
    }
}
