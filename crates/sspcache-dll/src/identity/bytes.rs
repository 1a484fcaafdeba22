//! Numbers, text and parts in bytes, as they lie in memory.

use sspcache_engine::SecurityStatus;
use zeroize::Zeroizing;

use crate::text::Units;

/// A part of a block that lies behind the header; an empty one may lie anywhere.
pub(crate) fn part(bytes: &[u8], header: usize, offset: u32, length: u16) -> Result<&[u8], SecurityStatus> {
    if length == 0 {
        return Ok(&[]);
    }
    let start = usize::try_from(offset).map_err(|_| SecurityStatus::UNKNOWN_CREDENTIALS)?;
    let end = start.checked_add(usize::from(length)).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
    if start < header {
        return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
    }
    bytes.get(start..end).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)
}

/// The number at a place that is known to be there. In the memory of the machine that passed it, and so in its byte
/// order.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// The same for four bytes.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Bytes as UTF-16.
pub(crate) fn utf16(bytes: &[u8]) -> Result<Units, SecurityStatus> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
    }
    // The iterator's length is exact: nothing grows and leaves a copy behind.
    Ok(Zeroizing::new(units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect()))
}

/// Units as they lie in memory.
pub(crate) fn bytes_of(units: &[u16]) -> Zeroizing<Vec<u8>> {
    // Reserved in full, so that no growth leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(size_of_val(units)));
    for unit in units {
        bytes.extend_from_slice(&unit.to_ne_bytes());
    }
    bytes
}
