//! ELF images, by the dynamic linker's list of them. `dladdr` would wait for the lock that the linker holds while it runs a module's
//! constructors.
//!
//! Reference: [`dl_iterate_phdr`](https://man7.org/linux/man-pages/man3/dl_iterate_phdr.3.html).

use std::{
    borrow::Cow,
    ffi::{CStr, c_int, c_void},
    fs,
    ops::Range,
    slice,
};

/// Finds the image of an address.
#[derive(Debug)]
pub(super) struct Images {
    /// The program's path: the linker has it as the program was started, or not at all.
    program: String,
}

impl Images {
    pub(super) fn new() -> Self {
        Self { program: program() }
    }

    /// Passes on the path of each return address's image, and where in it the address is: what a file has no image of is left out.
    pub(super) fn find(&self, addresses: &[usize], mut found: impl FnMut(&str, u64) -> bool) {
        let search = Search::of(addresses);
        for (&address, hit) in addresses.iter().zip(&search.hits) {
            let Some(hit) = hit else { continue };
            let name = &search.names[hit.name.clone()];
            let path = match name {
                _ if hit.is_program => Cow::Borrowed(&*self.program),
                [b'/', ..] => String::from_utf8_lossy(name),
                // Relative to a folder that may be another by now.
                _ => mapped_at(address).map_or_else(|| String::from_utf8_lossy(name), Cow::Owned),
            };
            if !found(&path, address.wrapping_sub(hit.bias) as u64) {
                return;
            }
        }
    }
}

/// The images of some addresses.
struct Search<'a> {
    addresses: &'a [usize],
    /// One for each address.
    hits: Vec<Option<Hit>>,
    /// The names of images, one after the other.
    names: Vec<u8>,
    /// How many images the linker has listed.
    listed: usize,
    is_full: bool,
}

/// An image that has an address.
struct Hit {
    is_program: bool,
    /// What has to be added to an address in the file.
    bias: usize,
    name: Range<usize>,
}

impl<'a> Search<'a> {
    fn of(addresses: &'a [usize]) -> Self {
        let mut room = 1 << 10;
        loop {
            let hits = addresses.iter().map(|_| None).collect();
            let names = Vec::with_capacity(room);
            let mut search = Self { addresses, hits, names, listed: 0, is_full: false };
            // SAFETY: the function takes what is passed beside it, which is valid for the call.
            unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) };
            if !search.is_full {
                return search;
            }
            room *= 4;
        }
    }

    /// Copies a name. Nothing is allocated: the linker's lock is held, and an allocator may want it that holds its own.
    fn keep(&mut self, name: &[u8]) -> Range<usize> {
        let start = self.names.len();
        if name.len() > self.names.capacity() - start {
            self.is_full = true;
            return 0..0;
        }
        self.names.extend_from_slice(name);
        start..start + name.len()
    }
}

/// Looks at one image.
///
/// # Safety
/// The linker calls it, with a description and what was passed to `dl_iterate_phdr`.
#[allow(clippy::cast_possible_truncation, reason = "these are addresses and sizes in this process")]
unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
    // SAFETY: it is what was passed to `dl_iterate_phdr`, and nothing else refers to it meanwhile.
    let search = unsafe { &mut *search.cast::<Search<'_>>() };
    // SAFETY: the linker passes a description that is valid for the call.
    let info = unsafe { &*info };
    // SAFETY: the description has so many headers.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    // The first is the program (glibc and musl).
    let is_program = search.listed == 0;
    search.listed += 1;
    let bias = info.dlpi_addr as usize;
    let has = |address: usize| {
        headers.iter().filter(|header| header.p_type == libc::PT_LOAD).any(|header| {
            address.wrapping_sub(bias).wrapping_sub(header.p_vaddr as usize) < header.p_memsz as usize
        })
    };
    let mut kept = None;
    for index in 0..search.addresses.len() {
        // The call is before its return address, which may be in no image any more.
        if search.hits[index].is_none() && has(search.addresses[index].wrapping_sub(1)) {
            let name = match &kept {
                Some(name) => Range::clone(name),
                None if info.dlpi_name.is_null() => 0..0,
                // SAFETY: it is a string of C, valid for the call.
                None => search.keep(unsafe { CStr::from_ptr(info.dlpi_name) }.to_bytes()),
            };
            kept = Some(name.clone());
            search.hits[index] = Some(Hit { is_program, bias, name });
        }
    }
    c_int::from(search.is_full)
}

/// The path of the program's file; empty if it isn't known. What the system says of the process may be the dynamic linker's, when that
/// was started with the program as its argument.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn program() -> String {
    // SAFETY: it takes a number.
    let headers = unsafe { libc::getauxval(libc::AT_PHDR) };
    usize::try_from(headers).ok().and_then(mapped_at).unwrap_or_default()
}

/// The path of the program's file; empty if it isn't known.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn program() -> String {
    std::env::current_exe().unwrap_or_default().to_string_lossy().into_owned()
}

/// The path of the file that is mapped at an address, if that can be asked.
fn mapped_at(address: usize) -> Option<String> {
    let list = fs::read("/proc/self/maps").ok()?;
    String::from_utf8_lossy(&list).lines().find_map(|line| {
        let (first, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let is_here = (number(first)?..number(end)?).contains(&address);
        let path = &rest[rest.find('/')?..];
        is_here.then(|| path.to_owned())
    })
}
