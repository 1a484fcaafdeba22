//! Whether a file is a shared object that this machine can load, by its header: ELF, and Mach-O on macOS.
//!
//! Reference: the [ELF specification](https://gabi.xinuos.com/elf/02-eheader.html).

use std::{fs::File, io::Read, path::Path};

use once_cell::race::OnceBox;

/// Whether the file is complete, and has this program's format and machine.
pub(crate) fn is_for_this_machine(path: &Path) -> bool {
    let own = |format: fn(&Header) -> Option<Image>| own_header().and_then(format);
    let Some(header) = Header::read(path) else { return false };
    if cfg!(target_vendor = "apple") && header.bytes.starts_with(FAT) {
        // A file for several machines: the linker chooses.
        return true;
    }
    let format = if cfg!(target_vendor = "apple") { mach_o } else { elf };
    match (format(&header), own(format)) {
        (Some(image), Some(own)) => image.machine == own.machine && image.end <= header.length,
        // Without this program's own header the linker has to decide.
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// The beginning of a Mach-O file for several machines.
const FAT: &[u8] = &[0xCA, 0xFE, 0xBA, 0xBE];

/// This program's own header. Without a lock, which a fork could leave taken.
fn own_header() -> Option<&'static Header> {
    static OWN: OnceBox<Option<Header>> = OnceBox::new();
    OWN.get_or_init(|| Box::new(Header::read(&std::env::current_exe().unwrap_or_default()))).as_ref()
}

/// The properties of a file in its header.
struct Image {
    /// Format, word size, byte order and machine, as stored.
    machine: Vec<u8>,
    /// The end of the last part that the header names.
    end: u64,
}

struct Header {
    bytes: [u8; 64],
    /// Of the file.
    length: u64,
}

impl Header {
    fn read(path: &Path) -> Option<Self> {
        let mut bytes = [0; 64];
        let mut file = File::open(path).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(Self { bytes, length: file.metadata().ok()?.len() })
    }

    /// A number in this machine's byte order.
    fn number<const N: usize>(&self, at: usize) -> u64 {
        let mut number = [0; 8];
        let bytes = &self.bytes[at..at + N];
        if cfg!(target_endian = "big") {
            number[8 - N..].copy_from_slice(bytes);
        } else {
            number[..N].copy_from_slice(bytes);
        }
        u64::from_ne_bytes(number)
    }
}

/// The table of sections is the last thing in an ELF file.
fn elf(header: &Header) -> Option<Image> {
    const WORD_SIZE: usize = 4;
    const SIXTY_FOUR_BITS: u8 = 2;
    let bytes = &header.bytes;
    if !bytes.starts_with(b"\x7FELF") {
        return None;
    }
    let (table, size, count) = if bytes[WORD_SIZE] == SIXTY_FOUR_BITS {
        (header.number::<8>(40), header.number::<2>(58), header.number::<2>(60))
    } else {
        (header.number::<4>(32), header.number::<2>(46), header.number::<2>(48))
    };
    let machine = [&bytes[..6], &bytes[18..20]].concat();
    Some(Image { machine, end: table.saturating_add(size * count) })
}

/// The commands follow a Mach-O header.
fn mach_o(header: &Header) -> Option<Image> {
    const LENGTH: u64 = 32;
    let is_mach_o = header.bytes.starts_with(&[0xCF, 0xFA, 0xED, 0xFE]);
    is_mach_o.then(|| Image { machine: header.bytes[..8].to_vec(), end: LENGTH + header.number::<4>(20) })
}
