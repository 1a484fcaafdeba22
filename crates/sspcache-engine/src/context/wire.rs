//! The encoding of tokens and exports: little-endian; a field without a fixed length follows its length.

use super::ContextFlags;
use crate::{Name, Principal, secret::append_units};

/// Writes behind what is there.
pub(super) struct Writer<'a>(pub(super) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes after their number.
    pub(super) fn field(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes(bytes);
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.0.push(flag.into());
    }

    pub(super) fn flags(&mut self, flags: ContextFlags) {
        self.bytes(&flags.bits().to_le_bytes());
    }

    /// Counts of bytes, units and names are below 2^32: the ABI has no longer buffers or strings.
    pub(super) fn length(&mut self, length: usize) {
        self.bytes(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    pub(super) fn name(&mut self, name: &Name) {
        self.length(name.units().len());
        append_units(self.0, name.units());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Whether there is one, and the name if there is.
    pub(super) fn optional_name(&mut self, name: Option<&Name>) {
        self.flag(name.is_some());
        if let Some(name) = name {
            self.name(name);
        }
    }

    pub(super) fn principal(&mut self, principal: &Principal) {
        self.name(&principal.user);
        self.name(&principal.domain);
    }

    /// Zeros after their number.
    pub(super) fn zeros(&mut self, number: usize) {
        self.length(number);
        self.0.resize(self.0.len() + number, 0);
    }
}

/// Reads from the beginning of what is left; `None` where it ends too early, or is nothing that [`Writer`] writes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn field(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    pub(super) fn flags(&mut self) -> Option<ContextFlags> {
        ContextFlags::from_bits(u32::from_le_bytes(self.array()?))
    }

    /// As the writer says it: nothing is reserved for it before as much has been read.
    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    pub(super) fn name(&mut self) -> Option<Name> {
        let length = self.length()?.checked_mul(2)?;
        let (units, _) = self.take(length)?.as_chunks();
        let mut short = [0; 32];
        if let Some(short) = short.get_mut(..units.len()) {
            short.iter_mut().zip(units).for_each(|(unit, &bytes)| *unit = u16::from_le_bytes(bytes));
            return Some(Name::from_units(short));
        }
        Some(Name::from_units(&units.iter().map(|&bytes| u16::from_le_bytes(bytes)).collect::<Vec<_>>()))
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn principal(&mut self) -> Option<Principal> {
        Some(Principal { user: self.name()?, domain: self.name()? })
    }

    /// The number of zeros.
    pub(super) fn zeros(&mut self) -> Option<usize> {
        let zeros = self.field()?;
        zeros.iter().all(|&byte| byte == 0).then_some(zeros.len())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
