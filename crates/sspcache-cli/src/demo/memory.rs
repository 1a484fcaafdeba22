//! Looks for a password in this process's own memory, as a debugger or a core dump would show it.
//!
//! Linux alone: `/proc/self/maps` says what there is, `/proc/self/mem` what is in it. No other system shows a process its
//! whole memory through safe calls.

use serde::Serialize;

/// What a scan of this process's memory found.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Scan {
    /// Copies of the password, in UTF-8 or UTF-16.
    pub(super) copies: u64,
    /// How much was looked at.
    pub(super) bytes: u64,
}

#[cfg(target_os = "linux")]
pub(super) use self::linux::scan;

/// Not here.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the signature that Linux needs")]
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

    /// Scans all memory of this process that can be read.
    pub(in crate::demo) fn scan(password: &MaskedPassword) -> io::Result<Option<Scan>> {
        let memory = File::open("/proc/self/mem")?;
        // What was read is a copy of what it was read from: it is wiped, and not looked at itself.
        let mut buffer = Zeroizing::new(vec![0; CHUNK + LONGEST_FORM]);
        let mut scan = Scan { copies: 0, bytes: 0 };
        for region in readable_regions()? {
            let mut at = region.start;
            while at < region.end {
                let own = address_range(&buffer);
                let wanted = usize::try_from(region.end - at).unwrap_or(usize::MAX).min(buffer.len());
                // A region can have gone meanwhile, or refuse to be read: then nothing in it can be seen by others.
                let Ok(length @ 1..) = memory.read_at(&mut buffer[..wanted], at) else { break };
                // What begins in the overlap is counted where it is read next.
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

    /// Where in the first `starts` bytes a form of the password begins.
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
            // The kernel's own pages: the time, and calls to read it.
            let special = fields.nth(3).is_some_and(|name| name.starts_with("[v"));
            let address = |text| u64::from_str_radix(text, 16).ok();
            (readable && !special).then_some(address(start)?..address(end)?)
        };
        Ok(fs::read_to_string("/proc/self/maps")?.lines().filter_map(region).collect())
    }
}
