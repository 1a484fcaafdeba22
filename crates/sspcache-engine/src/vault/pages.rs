//! Pages of memory from the operating system.
//!
//! [`SecretPages`] are zeroed bytes that stay out of core dumps, out of forked children and, as far as the system allows
//! it, out of swap. [`ForkMark`] detects that this process is a forked child. Unmapping doesn't wipe: the owner of the
//! pages does that first.
//!
//! | system | pages | locked by | kept out of core dumps | forked child sees |
//! | --- | --- | --- | --- | --- |
//! | Linux | `mmap` | `mlock` | `MADV_DONTDUMP` | zeros (`MADV_WIPEONFORK`) |
//! | macOS and other Unix | `mmap` | `mlock` | no | a copy, until it is dropped there |
//! | Windows | `VirtualAlloc` | `VirtualLock` | no | there is no fork |
//! | others, and under Miri | the global allocator | no | no | |
//!
//! `VM_INHERIT_NONE` of macOS isn't used: it takes the pages away, so that a child's first look at them would crash.
#![allow(unsafe_code)] // The standard library has no memory that can be locked and never moves.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

use super::OutOfMemory;

#[cfg_attr(all(unix, not(miri)), path = "pages/unix.rs")]
#[cfg_attr(all(windows, not(miri)), path = "pages/windows.rs")]
#[cfg_attr(any(miri, not(any(unix, windows))), path = "pages/heap.rs")]
mod os;

/// A huge page of x86-64 and of 64-bit ARM.
#[cfg_attr(not(all(unix, not(miri))), allow(dead_code))]
const HUGE_PAGE: usize = 2 << 20;

/// Whether small or huge pages are wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum PageSize {
    /// Huge ones, where the system has them to give: a fraction of the page faults and of the translation misses.
    Huge,
    /// The system's usual ones: memory is taken as it is touched.
    Small,
}

/// A mapping of whole pages, zeroed when new.
struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// Whether a forked child finds zeros in it.
    guarded: bool,
}

// SAFETY: a mapping is owned memory without ties to a thread; all access goes through its owner's borrow.
unsafe impl Send for Mapping {}
// SAFETY: shared borrows only read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// At least `len` bytes, `len` > 0.
    fn new(len: usize, size: PageSize) -> Result<Self, OutOfMemory> {
        let len = len.checked_next_multiple_of(os::GRANULARITY).ok_or(OutOfMemory)?;
        if isize::try_from(len).is_err() {
            return Err(OutOfMemory);
        }
        #[cfg(test)]
        if tests::REFUSED.get().maps {
            return Err(OutOfMemory);
        }
        let (base, guarded) = os::map(len, size).ok_or(OutOfMemory)?;
        Ok(Self { base, len, guarded })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `base` and `len` are those of a mapping by `os::map`, which is unmapped here only, and no borrow of
        // its memory outlives its owner.
        unsafe { os::unmap(self.base, self.len) }
    }
}

/// Zeroed bytes for secrets, locked step by step as they come into use.
pub(super) struct SecretPages {
    mapping: Mapping,
    locked: usize,
    refused: bool,
}

impl SecretPages {
    /// At least `len` bytes, `len` > 0, all zero.
    pub(super) fn new(len: usize, size: PageSize) -> Result<Self, OutOfMemory> {
        Ok(Self { mapping: Mapping::new(len, size)?, locked: 0, refused: false })
    }

    /// Locks the bytes up to `end`, as far as the system's limit allows. Once refused, it isn't asked again.
    pub(super) fn lock_up_to(&mut self, end: usize) {
        let end = end.next_multiple_of(os::GRANULARITY).min(self.len());
        if end > self.locked && !self.refused {
            self.refused = !lock(&self[self.locked..end]);
            if !self.refused {
                self.locked = end;
            }
        }
    }

    /// How many bytes are locked in physical memory.
    pub(super) fn locked(&self) -> usize {
        self.locked
    }

    /// Whether the system refused to lock some.
    pub(super) fn lock_refused(&self) -> bool {
        self.refused
    }
}

fn lock(pages: &[u8]) -> bool {
    #[cfg(test)]
    if tests::REFUSED.get().locks {
        return false;
    }
    os::lock(pages)
}

impl Deref for SecretPages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is `len` bytes of one object, initialized (to zero, by the system) and borrowed as
        // `self` is. A child that finds them zero again finds valid bytes.
        unsafe { slice::from_raw_parts(self.mapping.base.as_ptr(), self.mapping.len) }
    }
}

impl DerefMut for SecretPages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and `&mut self` makes the borrow the only one.
        unsafe { slice::from_raw_parts_mut(self.mapping.base.as_ptr(), self.mapping.len) }
    }
}

/// Tells a forked child from the process that made this mark.
pub(crate) struct ForkMark {
    /// A page that is zero in a child, where the system can do that.
    page: Option<Mapping>,
    process: u32,
}

impl ForkMark {
    /// A mark of this process.
    pub(crate) fn new() -> Self {
        let page = Mapping::new(size_of::<u32>(), PageSize::Small).ok().filter(|page| page.guarded);
        if let Some(page) = &page {
            // SAFETY: the mapping is at least four bytes, aligned to a page, and nothing else refers to it.
            unsafe { page.base.cast::<u32>().write_volatile(MARK) };
        }
        Self { page, process: std::process::id() }
    }

    /// Whether this process is a child that was forked after the mark was made.
    pub(crate) fn is_forked(&self) -> bool {
        match &self.page {
            // SAFETY: the mapping is at least four bytes, aligned to a page. Volatile, because it is the system
            // that changes them.
            Some(page) => unsafe { page.base.cast::<u32>().read_volatile() != MARK },
            None => std::process::id() != self.process,
        }
    }
}

/// Any value that isn't zero.
const MARK: u32 = 0x5357_4C4E;

#[cfg(test)]
impl SecretPages {
    /// All but the zeros at the end, which comparing a piece at a time finds quickly.
    pub(super) fn written(&self) -> &[u8] {
        const STEP: usize = 4 << 10;
        let last = self.chunks(STEP).rposition(|piece| *piece != [0; STEP][..piece.len()]);
        last.map_or(&[], |last| &self[..self.len().min((last + 1) * STEP)])
    }
}

/// Counts what reaches the system, wiped or not.
#[cfg(test)]
impl Drop for SecretPages {
    fn drop(&mut self) {
        let mut given_back = tests::GIVEN_BACK.get();
        if self.written().is_empty() {
            given_back.wiped += 1;
        } else {
            given_back.unwiped += 1;
        }
        tests::GIVEN_BACK.set(given_back);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    /// What the system refuses to this thread.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Refused {
        pub(in super::super) maps: bool,
        pub(in super::super) locks: bool,
    }

    /// How many mappings of secrets this thread gave back.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub(in super::super) struct GivenBack {
        pub(in super::super) wiped: usize,
        pub(in super::super) unwiped: usize,
    }

    thread_local! {
        pub(in super::super) static REFUSED: Cell<Refused> =
            const { Cell::new(Refused { maps: false, locks: false }) };
        pub(in super::super) static GIVEN_BACK: Cell<GivenBack> =
            const { Cell::new(GivenBack { wiped: 0, unwiped: 0 }) };
    }

    /// The exit status of a forked child that does this and nothing else. It may look at memory, allocate some, and ask for its
    /// process id: other threads' locks are as they were.
    #[cfg(all(target_os = "linux", not(miri)))]
    pub(crate) fn in_forked_child(work: impl FnOnce() -> u8) -> i32 {
        // SAFETY: the child of a process with several threads may call only what is safe in a signal handler, and on Linux the
        // allocator, which C libraries prepare for a fork: `work` does, and so does `_exit`, which runs nothing else.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = work();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code.into()) }
        }
        let mut status = 0;
        // SAFETY: `status` is a valid place for the child's status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status), "the child ended with {status:#x}");
        libc::WEXITSTATUS(status)
    }

    #[test]
    fn new_pages_are_zero_and_hold_at_least_what_was_asked_for() {
        let granularity = os::GRANULARITY;
        for (len, size) in
            [(1, PageSize::Small), (granularity, PageSize::Huge), (granularity + 1, PageSize::Huge)]
        {
            let mut pages = SecretPages::new(len, size).unwrap();
            assert!(pages.len() >= len);
            assert!(pages.written().is_empty());
            *pages.last_mut().unwrap() = 1;
            pages.lock_up_to(len);
            assert_eq!(pages.lock_refused(), pages.locked() < len);
            assert_eq!(*pages.last().unwrap(), 1);
        }
    }

    #[test]
    fn what_no_address_space_holds_is_refused() {
        assert!(SecretPages::new(usize::MAX, PageSize::Huge).is_err());
        assert!(SecretPages::new(isize::MAX.cast_unsigned(), PageSize::Small).is_err());
    }

    /// M8: what a forked child could print, it hasn't got.
    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn a_forked_child_finds_zeros_and_knows_that_it_is_one() {
        let mut pages = SecretPages::new(16, PageSize::Small).unwrap();
        pages[..6].copy_from_slice(b"secret");
        let mark = ForkMark::new();
        assert!(!mark.is_forked());
        let unguarded = ForkMark { page: None, process: mark.process };
        assert!(!unguarded.is_forked());

        let status = in_forked_child(|| {
            let wiped = pages.iter().all(|&byte| byte == 0);
            u8::from(wiped) | u8::from(mark.is_forked()) << 1 | u8::from(unguarded.is_forked()) << 2
        });
        assert_eq!(status, 0b111);
        assert_eq!(&pages[..6], b"secret");
    }

    /// M8: what isn't dumped can't be read from a core file.
    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn secret_pages_are_marked_as_not_dumped_and_wiped_on_fork() {
        let pages = SecretPages::new(2 << 20, PageSize::Small).unwrap();
        let address = pages.as_ptr().addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        let flags = maps.lines().find_map(|line| {
            if let Some((range, _)) = line.split_once(' ')
                && let Some((start, end)) = range.split_once('-')
                && let (Ok(start), Ok(end)) =
                    (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16))
            {
                inside = (start..end).contains(&address);
            }
            line.strip_prefix("VmFlags:").filter(|_| inside)
        });
        let flags: Vec<_> = flags.expect("the mapping is listed").split_whitespace().collect();
        assert!(flags.contains(&"dd") && flags.contains(&"wf"), "{flags:?}");
    }
}
