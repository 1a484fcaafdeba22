//! The vault's secrets: short ones in cells, one for each record number, long ones in chunks.
//!
//! The place of a cell follows from its number, so that a lookup waits for the record and the secret at once.

use zeroize::zeroize_bytes;

use super::OutOfMemory;
use super::slab::{CELL, Slab, Span};

#[derive(Default)]
pub(super) struct Secrets {
    /// Cut into cells only, in the order of their numbers.
    cells: Slab,
    count: u32,
    long: Slab,
}

impl Secrets {
    /// Stores a secret, for a record of this number at most, that is to be [`put`](Self::put) there.
    pub(super) fn prepare(&mut self, most: u32, secret: &[u8]) -> Result<Span, OutOfMemory> {
        if secret.len() > CELL {
            return self.long.store_span(secret);
        }
        while self.count <= most {
            self.cells.cut(CELL)?;
            self.count += 1;
        }
        Ok(Span::cell(0, secret.len()))
    }

    /// Completes what [`prepare`](Self::prepare) began.
    pub(super) fn put(&mut self, number: u32, span: Span, secret: &[u8]) {
        if secret.len() <= CELL {
            self.cells.range_mut(Span::cell(number, span.len())).copy_from_slice(secret);
        }
    }

    #[inline]
    pub(super) fn get(&self, number: u32, span: Span) -> &[u8] {
        if span.len() <= CELL {
            self.cells.range(Span::cell(number, span.len()))
        } else {
            self.long.range(span)
        }
    }

    /// Overwrites the secret of a record.
    pub(super) fn release(&mut self, number: u32, span: Span) {
        if span.len() <= CELL {
            zeroize_bytes(self.cells.range_mut(Span::cell(number, span.len())));
        } else {
            self.long.release_span(span);
        }
    }

    /// Overwrites all secrets; there are no cells afterwards.
    pub(super) fn wipe(&mut self) {
        self.cells.wipe();
        self.long.wipe();
        self.count = 0;
    }

    pub(super) fn slabs(&self) -> [&Slab; 2] {
        [&self.cells, &self.long]
    }
}
