//! The vault's secrets: short ones in cells, one for each record, long ones in a slab.
//!
//! A cell's address follows from the number of its record, so that a lookup waits for both at once rather than for
//! the secret after the record: on a machine whose memory is slow that is a third of its time.

use zeroize::zeroize_bytes;

use super::OutOfMemory;
use super::slab::{GRANULE, Slab, Span};

pub(super) struct Secrets {
    /// Cut into cells only, in the order of their numbers.
    cells: Slab,
    long: Slab,
}

impl Secrets {
    pub(super) const fn new() -> Self {
        Self { cells: Slab::new(), long: Slab::new() }
    }

    /// Makes sure that the cell of this number exists; those below it do.
    #[inline]
    pub(super) fn reserve(&mut self, number: u32) -> Result<(), OutOfMemory> {
        if self.cells.cut_bytes() / CELL == number as usize {
            self.cells.cut(CELL)?;
        }
        Ok(())
    }

    /// The span of a secret to be [`put`](Self::put) into a record: stores it already when it is long.
    #[inline]
    pub(super) fn prepare(&mut self, secret: &[u8]) -> Result<Span, OutOfMemory> {
        match u32::try_from(secret.len()) {
            Ok(len) if secret.len() <= CELL => Ok(Span { at: 0, len }),
            _ => self.long.store_span(secret),
        }
    }

    /// Completes what [`prepare`](Self::prepare) began, for the record of this number.
    #[inline]
    pub(super) fn put(&mut self, number: u32, span: Span, secret: &[u8]) {
        if let Some(cell) = cell(number, span) {
            self.cells.range_mut(cell).copy_from_slice(secret);
        }
    }

    /// The secret of a record.
    #[inline]
    pub(super) fn get(&self, number: u32, span: Span) -> &[u8] {
        match cell(number, span) {
            Some(cell) => self.cells.range(cell),
            None => self.long.range(span),
        }
    }

    /// Overwrites the secret of a record.
    pub(super) fn release(&mut self, number: u32, span: Span) {
        match cell(number, span) {
            Some(cell) => zeroize_bytes(self.cells.range_mut(cell)),
            None => self.long.release_span(span),
        }
    }

    /// Overwrites all secrets; there are no cells afterwards.
    pub(super) fn wipe(&mut self) {
        self.cells.wipe();
        self.long.wipe();
    }

    pub(super) fn slabs(&self) -> [&Slab; 2] {
        [&self.cells, &self.long]
    }
}

#[inline]
fn cell(number: u32, Span { len, .. }: Span) -> Option<Span> {
    (len as usize <= CELL).then_some(Span { at: number * CELL_GRANULES, len })
}

/// A password of sixteen characters, or a hash.
const CELL: usize = 32;
const CELL_GRANULES: u32 = 2;
const _: () = assert!(CELL_GRANULES as usize * GRANULE == CELL);
/// As many as a slab can address.
pub(super) const MAX_CELLS: usize = 1 << 30;
