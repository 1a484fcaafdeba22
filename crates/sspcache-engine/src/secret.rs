//! A secret on its way into the cache.

use std::fmt;

use zeroize::Zeroizing;

/// The kind of a [`Secret`]'s bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SecretKind {
    /// A certificate reference or another packed credential, kept as it came.
    Certificate,
    /// A Kerberos keytab, kept as it came.
    Keytab,
    /// A password: UTF-16, little-endian, as Windows keeps it.
    Password,
}

impl SecretKind {
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Password => 0,
            Self::Keytab => 1,
            Self::Certificate => 2,
        }
    }
}

/// A password or other secret, overwritten when dropped and never shown.
///
/// ```
/// use sspcache_engine::Secret;
/// assert_eq!(format!("{:?}", Secret::password("correct horse")), "Secret(Password)");
/// ```
pub struct Secret {
    kind: SecretKind,
    bytes: Zeroizing<Vec<u8>>,
}

impl Secret {
    /// A password given as text.
    pub fn password(text: &str) -> Self {
        Self::from_units(text.encode_utf16(), text.len())
    }

    /// A password given as UTF-16 units, which need not be well-formed.
    pub fn password_units(units: &[u16]) -> Self {
        let mut bytes = Zeroizing::new(Vec::new());
        bytes.reserve_exact(units.len() * 2);
        append_units(&mut bytes, units);
        Self { kind: SecretKind::Password, bytes }
    }

    /// A secret of another kind, kept as the bytes it came in.
    pub fn opaque(kind: SecretKind, bytes: &[u8]) -> Self {
        Self { kind, bytes: Zeroizing::new(bytes.to_vec()) }
    }

    /// The kind of this secret.
    pub fn kind(&self) -> SecretKind {
        self.kind
    }

    /// Whether there is no byte in it: a blank password.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn from_units(units: impl Iterator<Item = u16>, at_most: usize) -> Self {
        // Reserved in full, so that no growth leaves a copy behind in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(at_most * 2));
        units.for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
        Self { kind: SecretKind::Password, bytes }
    }
}

/// Writes units behind what is there, as bytes, little-endian.
pub(crate) fn append_units(bytes: &mut Vec<u8>, units: &[u16]) {
    let start = bytes.len();
    bytes.resize(start + units.len() * 2, 0);
    let (places, _) = bytes[start..].as_chunks_mut();
    places.iter_mut().zip(units).for_each(|(place, unit)| *place = unit.to_le_bytes());
}

/// Whether it is the same secret: of one kind, with the same bytes.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &*self.bytes) == (other.kind, &*other.bytes)
    }
}

impl Eq for Secret {}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self::opaque(self.kind, &self.bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secret").field(&self.kind).finish()
    }
}
