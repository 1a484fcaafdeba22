//! Searches this process's own memory for a password, as a debugger or the reader of a core dump could.
//!
//! Linux only: `/proc/self/maps` lists the regions, `/proc/self/mem` has their content. No other system lets a process
//! read its whole memory through safe calls.

use serde::Serialize;

/// The result of a scan of this process's memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Scan {
    /// Copies of the password, in UTF-8 or UTF-16.
    pub(super) copies: u64,
    /// How many bytes were searched.
    pub(super) bytes: u64,
}

#[cfg(target_os = "linux")]
pub(super) use self::linux::scan;

/// Always `None`: this system has no such interface.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the signature on Linux")]
pub(super) fn scan(_: &super::password::MaskedPassword) -> std::io::Result<Option<Scan>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs::{self, File},
        io,
        ops::Range,
        os::unix::fs::FileExt,
    };

    use zeroize::Zeroizing;

    use super::Scan;
    use crate::demo::password::{LONGEST_FORM, MaskedPassword};

    const CHUNK: usize = 1 << 20;

    /// Scans all readable memory of this process.
    pub(in crate::demo) fn scan(password: &MaskedPassword) -> io::Result<Option<Scan>> {
        let memory = File::open("/proc/self/mem")?;
        // The buffer holds copies of what it reads: it is wiped at the end, and skipped by the search.
        let mut buffer = Zeroizing::new(vec![0; CHUNK + LONGEST_FORM]);
        let mut scan = Scan { copies: 0, bytes: 0 };
        for region in readable_regions()? {
            let mut at = region.start;
            while at < region.end {
                let own = address_range(&buffer);
                let wanted = usize::try_from(region.end - at).unwrap_or(usize::MAX).min(buffer.len());
                // A region may have been unmapped since, or be unreadable: then no other reader sees it, either.
                let Ok(length @ 1..) = memory.read_at(&mut buffer[..wanted], at) else { break };
                // A match that begins in the overlap counts in the next chunk.
                let last = at + wanted as u64 == region.end || length < wanted;
                let starts = if last { length } else { length.min(CHUNK) };
                scan.copies += matches(password, &buffer[..length], starts)
                    .filter(|offset| !own.contains(&(at + *offset as u64)))
                    .count() as u64;
                scan.bytes += starts as u64;
                at += starts as u64;
            }
        }
        Ok(Some(scan))
    }

    /// The offsets within the first `starts` bytes at which a form of the password begins.
    fn matches(password: &MaskedPassword, bytes: &[u8], starts: usize) -> impl Iterator<Item = usize> {
        let first = password.first_byte();
        (0..starts).filter(move |&offset| {
            let rest = &bytes[offset..];
            rest[0] == first && (password.is_utf8_at(rest) || password.is_utf16_at(rest))
        })
    }

    fn address_range(buffer: &[u8]) -> Range<u64> {
        let range = buffer.as_ptr_range();
        range.start.addr() as u64..range.end.addr() as u64
    }

    fn readable_regions() -> io::Result<Vec<Range<u64>>> {
        let region = |line: &str| {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let readable = fields.next()?.starts_with('r');
            // The kernel's own pages: the clock, and the code that reads it.
            let special = fields.nth(3).is_some_and(|name| name.starts_with("[v"));
            let address = |text| u64::from_str_radix(text, 16).ok();
            (readable && !special).then_some(address(start)?..address(end)?)
        };
        Ok(fs::read_to_string("/proc/self/maps")?.lines().filter_map(region).collect())
    }
}
