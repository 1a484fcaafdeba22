//! Where secrets live: regions of pages that never move and never grow by copying, carved into chunks.
//!
//! Chunks are powers of two, from 16 bytes; free ones of a size are in a list threaded through them, so that releasing one
//! allocates nothing. What exceeds [`LARGEST_CLASS`] has pages of its own.
//!
//! # Why the wiping isn't optimized away
//! [`zeroize_bytes`] is a plain memset followed by an assembly barrier that claims to read the bytes, so the compiler has
//! to have written them, and `memset` runs at memory speed; volatile writes, a byte at a time, would not. Where there
//! is no stable inline assembly it falls back to volatile writes.

use std::{fmt, mem};

use zeroize::zeroize_bytes;

use super::OutOfMemory;
use super::pages::{PageSize, SecretPages};

/// A password of sixteen characters, or a hash.
pub(super) const CELL: usize = 32;

/// Bytes in page memory, given out in [chunks](Chunk), wiped when released and when the slab is dropped.
///
/// Not synchronized: its owner keeps it under a lock.
///
/// ```
/// use sspcache_engine::vault::Slab;
/// let mut slab = Slab::new();
/// let chunk = slab.store(b"correct horse").unwrap();
/// assert_eq!(slab.bytes(&chunk), b"correct horse");
/// slab.release(chunk); // overwritten, and free for the next one
/// ```
pub struct Slab {
    regions: Vec<Region>,
    /// The region that chunks are cut from; those before it are full, those after it empty.
    open: usize,
    /// Pages of their own for what no class holds; `None` where released.
    large: Vec<Option<Region>>,
    /// The granule of the first free chunk of each size, or [`NONE`].
    free: [u32; CLASSES],
    lock_refused: bool,
    wipes: u32,
}

/// A secret's place in a [`Slab`]: good for that slab alone, until it is released or the slab is wiped.
#[derive(Debug)]
#[must_use = "a chunk that isn't released keeps its secret until the slab is wiped"]
pub struct Chunk {
    span: Span,
    /// How often the slab had been wiped.
    wipes: u32,
}

/// The same as a [`Chunk`], for the vault, which forgets it when it is flushed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The number of 16-byte granules from the first region's start, or an index into `large` with [`LARGE`] set.
    at: u32,
    len: u32,
}

struct Region {
    pages: SecretPages,
    /// How many bytes from the start were ever given out since the last wipe.
    used: usize,
}

impl Span {
    /// In a slab that is cut into cells only, the place of one.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // A cell is small.
    pub(super) fn cell(number: u32, len: usize) -> Self {
        Self { at: number * (CELL / GRANULE) as u32, len: len as u32 }
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        self.len as usize
    }
}

impl Slab {
    /// An empty slab. It takes no memory before the first secret.
    pub const fn new() -> Self {
        Self {
            regions: Vec::new(),
            open: 0,
            large: Vec::new(),
            free: [NONE; CLASSES],
            lock_refused: false,
            wipes: 0,
        }
    }

    /// Copies a secret in.
    pub fn store(&mut self, secret: &[u8]) -> Result<Chunk, OutOfMemory> {
        Ok(Chunk { span: self.store_span(secret)?, wipes: self.wipes })
    }

    /// The secret in a chunk of this slab; nothing once the slab was [wiped](Self::wipe).
    ///
    /// # Panics
    /// It may, or show other bytes of this slab, for a chunk of another one.
    pub fn bytes(&self, chunk: &Chunk) -> &[u8] {
        if chunk.wipes == self.wipes { self.range(chunk.span) } else { &[] }
    }

    /// Overwrites a secret and takes its memory back. Does nothing for a chunk from before a [wipe](Self::wipe), whose
    /// memory may be another's by now.
    #[allow(clippy::needless_pass_by_value)] // A released chunk must not be used again.
    pub fn release(&mut self, chunk: Chunk) {
        if chunk.wipes == self.wipes {
            self.release_span(chunk.span);
        }
    }

    /// Overwrites everything that was ever stored, in one pass, and takes all memory back. Every chunk given out
    /// before is void. Regions are kept, locked, for the secrets to come; large secrets' pages go back to the system.
    pub fn wipe(&mut self) {
        self.wipes = self.wipes.wrapping_add(1);
        self.regions.iter_mut().for_each(Region::wipe);
        self.large.clear();
        self.free = [NONE; CLASSES];
        self.open = 0;
    }

    /// Bytes of page memory held, whether or not a secret is in them.
    pub fn reserved(&self) -> usize {
        self.all().map(|region| region.pages.len()).sum()
    }

    /// How many of these are locked in physical memory.
    pub fn locked(&self) -> usize {
        self.all().map(|region| region.pages.locked()).sum()
    }

    /// Whether the system ever refused to lock some, so that secrets may reach its swap space.
    pub fn lock_refused(&self) -> bool {
        self.lock_refused
    }

    #[inline]
    pub(super) fn range(&self, Span { at, len }: Span) -> &[u8] {
        let len = len as usize;
        if at & LARGE == 0 {
            let (region, start) = locate(at);
            self.regions.get(region).map_or(&[], |region| &region.pages[start..start + len])
        } else {
            self.large[(at & !LARGE) as usize].as_ref().map_or(&[], |region| &region.pages[..len])
        }
    }

    pub(super) fn store_span(&mut self, secret: &[u8]) -> Result<Span, OutOfMemory> {
        let span = self.reserve(secret.len())?;
        self.range_mut(span).copy_from_slice(secret);
        Ok(span)
    }

    pub(super) fn release_span(&mut self, span: Span) {
        if span.at & LARGE != 0 {
            // Dropping the region wipes it.
            self.large[(span.at & !LARGE) as usize] = None;
        } else if span.len > 0 {
            zeroize_bytes(self.range_mut(span));
            let class = class(span.len as usize);
            let next = mem::replace(&mut self.free[class], span.at);
            *self.link_mut(span.at) = next.to_ne_bytes();
        }
    }

    fn reserve(&mut self, size: usize) -> Result<Span, OutOfMemory> {
        let len = u32::try_from(size).map_err(|_| OutOfMemory)?;
        let at = match size {
            0 => 0,
            1..=LARGEST_CLASS => {
                let class = class(size);
                match self.free[class] {
                    NONE => self.cut(GRANULE << class)?,
                    at => {
                        self.free[class] = u32::from_ne_bytes(*self.link_mut(at));
                        at
                    }
                }
            }
            _ => self.map_large(size)?,
        };
        Ok(Span { at, len })
    }

    /// Cuts a chunk off the open region, or the next one.
    pub(super) fn cut(&mut self, size: usize) -> Result<u32, OutOfMemory> {
        if self.regions.get(self.open).is_some_and(|region| REGION - region.used < size) {
            self.open += 1;
        }
        if self.open == self.regions.len() {
            self.map_region()?;
        }
        let region = &mut self.regions[self.open];
        let start = region.used;
        region.used += size;
        if region.used > region.pages.locked() && !region.pages.lock_refused() {
            // The first region is locked a little at a time: limits are low, and most caches are small.
            let end = if self.open == 0 { region.used.next_multiple_of(LOCK_STEP) } else { REGION };
            region.pages.lock_up_to(end);
            self.lock_refused |= region.pages.lock_refused();
        }
        // `map_region` saw to it that granules fit.
        #[allow(clippy::cast_possible_truncation)]
        Ok(((self.open * REGION + start) / GRANULE) as u32)
    }

    #[cold]
    fn map_region(&mut self) -> Result<(), OutOfMemory> {
        if self.regions.len() >= MAX_REGIONS {
            return Err(OutOfMemory);
        }
        self.regions.try_reserve(1)?;
        // A small cache shouldn't take two mebibytes of physical memory for its first few entries.
        let size = if self.regions.is_empty() { PageSize::Small } else { PageSize::Huge };
        self.regions.push(Region { pages: SecretPages::new(REGION, size)?, used: 0 });
        Ok(())
    }

    #[cold]
    fn map_large(&mut self, len: usize) -> Result<u32, OutOfMemory> {
        let mut pages = SecretPages::new(len, PageSize::Small)?;
        pages.lock_up_to(len);
        self.lock_refused |= pages.lock_refused();
        let region = Region { pages, used: len };
        let index = if let Some(index) = self.large.iter().position(Option::is_none) {
            self.large[index] = Some(region);
            index
        } else {
            self.large.try_reserve(1)?;
            self.large.push(Some(region));
            self.large.len() - 1
        };
        u32::try_from(index)
            .ok()
            .filter(|index| index & LARGE == 0)
            .map(|index| index | LARGE)
            .ok_or(OutOfMemory)
    }

    pub(super) fn range_mut(&mut self, Span { at, len }: Span) -> &mut [u8] {
        let len = len as usize;
        if at & LARGE == 0 {
            let (region, start) = locate(at);
            self.regions.get_mut(region).map_or(&mut [], |region| &mut region.pages[start..start + len])
        } else {
            self.large[(at & !LARGE) as usize].as_mut().map_or(&mut [], |region| &mut region.pages[..len])
        }
    }

    /// The start of a free chunk, which holds the granule of the next one.
    fn link_mut(&mut self, at: u32) -> &mut [u8; LINK] {
        let (region, start) = locate(at);
        let bytes = &mut self.regions[region].pages[start..];
        bytes.first_chunk_mut().expect("a granule holds a link")
    }

    fn all(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter().chain(self.large.iter().flatten())
    }

    /// Whether these bytes are anywhere in this slab's memory, given out or not.
    #[cfg(test)]
    pub(super) fn holds(&self, bytes: &[u8]) -> bool {
        self.all().any(|region| {
            let written = region.pages.written();
            if cfg!(miri) {
                // It counts every step: only where secrets are put, and past nothing but zeros in large steps.
                const STEP: usize = 16 * GRANULE;
                let blocks = (0..written.len()).step_by(STEP);
                let filled = |at: &usize| !written[*at..].starts_with(&[0; STEP]);
                return blocks
                    .filter(filled)
                    .flat_map(|block| (block..written.len().min(block + STEP)).step_by(GRANULE))
                    .any(|at| written[at..].starts_with(bytes));
            }
            written.windows(bytes.len()).any(|window| window[0] == bytes[0] && window == bytes)
        })
    }

    /// Whether any byte isn't zero.
    #[cfg(test)]
    pub(super) fn holds_any(&self) -> bool {
        self.all().any(|region| !region.pages.written().is_empty())
    }
}

impl Default for Slab {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Slab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slab").field("reserved", &self.reserved()).field("locked", &self.locked()).finish()
    }
}

impl Region {
    fn wipe(&mut self) {
        zeroize_bytes(&mut self.pages[..self.used]);
        self.used = 0;
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// The place of the smallest size that holds `len` bytes, `len` > 0, in the order of sizes.
fn class(len: usize) -> usize {
    len.div_ceil(GRANULE).next_power_of_two().ilog2() as usize
}

/// The region of a granule, and the byte in it.
#[inline]
fn locate(at: u32) -> (usize, usize) {
    let byte = at as usize * GRANULE;
    (byte / REGION, byte % REGION)
}

/// What chunks are aligned to and sized in.
const GRANULE: usize = 16;
/// Small under Miri, which takes its time over every byte.
pub(super) const REGION: usize = if cfg!(miri) { 16 << 10 } else { 2 << 20 };
/// The largest size, of which a region holds several.
pub(super) const LARGEST_CLASS: usize = REGION / 8;
const CLASSES: usize = (LARGEST_CLASS / GRANULE).ilog2() as usize + 1;
/// The end of a list of free chunks.
const NONE: u32 = u32::MAX;
/// Marks a span with pages of its own.
const LARGE: u32 = 1 << 31;
/// As many as granules below [`LARGE`] can address: 32 GiB.
const MAX_REGIONS: usize = LARGE as usize / (REGION / GRANULE);
const LOCK_STEP: usize = 64 << 10;
const LINK: usize = size_of::<u32>();

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(len: usize, seed: u8) -> Vec<u8> {
        let period: Vec<_> = (0..251).map(|at| seed ^ at | 1).collect();
        let mut bytes = period.repeat(len.div_ceil(period.len()));
        bytes.truncate(len);
        bytes
    }

    /// Lengths on both sides of every boundary between classes.
    fn lengths() -> Vec<usize> {
        let edges = [0, 16, 32, 1 << 10, LARGEST_CLASS, REGION, REGION * 2];
        edges.into_iter().flat_map(|edge| [edge.saturating_sub(1), edge, edge + 1]).collect()
    }

    #[test]
    fn every_class_holds_what_it_is_asked_for() {
        for len in lengths().into_iter().filter(|len| (1..=LARGEST_CLASS).contains(len)) {
            assert!((GRANULE << class(len)) >= len && class(len) < CLASSES, "{len}");
        }
        assert_eq!(class(LARGEST_CLASS), CLASSES - 1);
    }

    #[test]
    fn secrets_of_every_length_are_kept_apart() {
        let mut slab = Slab::new();
        let secrets: Vec<_> = lengths().into_iter().zip(1..).map(|(len, seed)| pattern(len, seed)).collect();
        let chunks: Vec<_> = secrets.iter().map(|secret| slab.store(secret).unwrap()).collect();
        for (chunk, secret) in chunks.iter().zip(&secrets) {
            assert_eq!(slab.bytes(chunk), secret, "{} bytes", secret.len());
        }
    }

    /// M7
    #[test]
    fn a_released_secret_is_overwritten_and_its_memory_used_again() {
        for len in lengths().into_iter().filter(|&len| len > 1) {
            let mut slab = Slab::new();
            let secret = pattern(len, 0x40);
            let (first, second) = (slab.store(&secret).unwrap(), slab.store(&vec![2; len]).unwrap());
            let place = slab.bytes(&first).as_ptr();
            let needle = &secret[..len.min(24)];
            assert!(slab.holds(needle), "{len} bytes");
            slab.release(first);
            assert!(!slab.holds(needle), "{len} bytes");

            let third = slab.store(&secret).unwrap();
            if len <= LARGEST_CLASS {
                assert_eq!(slab.bytes(&third).as_ptr(), place, "{len} bytes");
            }
            assert_eq!(slab.bytes(&third), secret);
            assert_eq!(slab.bytes(&second), vec![2; len]);
        }
    }

    /// M3
    #[test]
    fn wiping_leaves_no_byte_and_keeps_the_regions() {
        let mut slab = Slab::new();
        for index in 0..20 {
            let _ = slab.store(&pattern(LARGEST_CLASS - index, 7)).unwrap();
        }
        let _ = slab.store(&pattern(REGION + 1, 7)).unwrap();
        let regions = slab.regions.len();
        assert!(regions >= 2);
        slab.wipe();
        assert!(slab.all().all(|region| region.pages.written().is_empty()));
        assert_eq!((slab.regions.len(), slab.reserved()), (regions, regions * REGION));
        let chunk = slab.store(b"next").unwrap();
        assert_eq!((slab.bytes(&chunk), slab.regions.len()), (b"next".as_slice(), regions));
    }

    /// M7
    #[test]
    fn secrets_never_move_when_more_come() {
        let mut slab = Slab::new();
        let first = slab.store(b"first").unwrap();
        let place = slab.bytes(&first).as_ptr();
        while slab.regions.len() < 3 {
            let _ = slab.store(&[1; 2048]).unwrap();
        }
        assert_eq!(slab.bytes(&first).as_ptr(), place);
    }

    #[test]
    fn a_fresh_slab_locks_little() {
        let mut slab = Slab::new();
        assert_eq!((slab.reserved(), slab.locked()), (0, 0));
        let _ = slab.store(b"one").unwrap();
        assert!(slab.locked() <= LOCK_STEP);
        assert_eq!(slab.lock_refused(), slab.locked() == 0);
    }

    /// M4, M7: a handle that is freed after its copy was wiped must not take another handle's with it.
    #[test]
    fn a_chunk_from_before_a_wipe_is_void() {
        for len in [16, 5000, LARGEST_CLASS + 1] {
            let mut slab = Slab::new();
            let void = slab.store(&vec![1; len]).unwrap();
            slab.wipe();
            assert!(slab.bytes(&void).is_empty(), "{len} bytes");
            let next = slab.store(&vec![2; len]).unwrap();
            slab.release(void);
            let third = slab.store(&vec![3; len]).unwrap();
            assert_eq!((slab.bytes(&next), slab.bytes(&third)), (&*vec![2; len], &*vec![3; len]));
        }
    }

    /// M8
    #[test]
    fn debug_output_shows_no_byte() {
        let mut slab = Slab::new();
        let chunk = slab.store(b"AAAA").unwrap();
        let shown = format!("{slab:?} {chunk:?}");
        assert!(!shown.contains("AAAA") && !shown.contains("65, 65"), "{shown}");
    }
}
