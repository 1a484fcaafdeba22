//! The debug information and the symbols of one file: ELF, Mach-O, or PE with DWARF. PDB files aren't read.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use addr2line::{Context, FrameIter, demangle_auto};
use gimli::{EndianArcSlice, RunTimeEndian, SectionId};
use object::{
    Architecture, BinaryFormat, CompressionFormat, File, FileKind, Object, ObjectSection, ObjectSegment,
    ObjectSymbol, SymbolKind,
    read::macho::{FatArch, MachOFatFile32, MachOFatFile64},
};

use super::{Place, regular};

/// The size of the biggest file that is read, and of the biggest section after decompression.
const MOST: u64 = 1 << 30;
/// The length of the longest name that is kept.
const LONGEST_NAME: usize = 400;

/// What is known of a program or library.
pub(super) struct Image {
    /// When its file was last written, since the Unix epoch.
    pub(super) changed: Duration,
    format: BinaryFormat,
    /// The address that offsets count from, where they are no addresses themselves.
    base: u64,
    /// The segments that are loaded: their first addresses, and those behind their last.
    segments: Vec<(u64, u64)>,
    debug: Option<Context<Bytes>>,
    /// Functions, in the order of their addresses.
    symbols: Vec<Symbol>,
    /// What was found before, by offsets.
    known: HashMap<u64, Vec<Place>>,
}

/// Bytes of a section, which what reads them shares.
type Bytes = EndianArcSlice<RunTimeEndian>;

/// A function in a symbol table.
struct Symbol {
    address: u64,
    /// Zero where the format has no sizes.
    size: u64,
    name: String,
}

impl Symbol {
    fn function(&self) -> String {
        shortened(demangle_auto(self.name.as_str().into(), None))
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Image {
    /// Reads a file; `None` for one that is too big, damaged, or of another kind.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let (changed, content) = content(path)?;
        let file = parse(&content)?;
        // Debug information may lie beside the file, and not beside a link to it.
        let apart = path.canonicalize().ok().and_then(|path| apart(&path, &file));
        let apart = apart.as_deref().and_then(parse);
        Some(Self::of(&file, apart.as_ref(), changed))
    }

    /// What a file has, or what was split off from it.
    fn of(file: &File<'_>, apart: Option<&File<'_>>, changed: Duration) -> Self {
        // That has all that was there before.
        let full = apart.unwrap_or(file);
        Self {
            changed,
            format: file.format(),
            base: base(file),
            segments: segments(file),
            debug: debug(full),
            symbols: symbols(full),
            known: HashMap::new(),
        }
    }

    /// The places of a frame in this image, innermost first; none when nothing is known of it.
    pub(super) fn places(&mut self, frame: &Place) -> Vec<Place> {
        if let Some(known) = self.known.get(&frame.offset) {
            return known.clone();
        }
        let places = self.find(frame);
        self.known.insert(frame.offset, places.clone());
        places
    }

    fn find(&self, frame: &Place) -> Vec<Place> {
        let Some(address) = self.address(frame.offset) else { return Vec::new() };
        // The return address is behind the call, maybe already on another line or in another function.
        let call = address - 1;
        let symbol = self.symbol(call);
        let mut places = self.debug.as_ref().map(|debug| located(debug, call, frame)).unwrap_or_default();
        if let (Some(place), Some(symbol)) = (places.last_mut(), symbol)
            && place.function.is_none()
        {
            place.function = Some(symbol.function());
        }
        match symbol {
            Some(symbol) if places.is_empty() => vec![Place {
                function: Some(symbol.function()),
                behind: Some(address - symbol.address),
                ..frame.clone()
            }],
            _ => places,
        }
    }

    /// The address that an offset stands for, if the call before it is in a segment.
    fn address(&self, offset: u64) -> Option<u64> {
        let is_loaded = |address: &u64| {
            let call = address.checked_sub(1);
            call.is_some_and(|call| self.segments.iter().any(|&(first, end)| (first..end).contains(&call)))
        };
        let counted = offset.checked_add(self.base).filter(is_loaded);
        let itself = Some(offset).filter(is_loaded);
        match self.format {
            BinaryFormat::Pe => counted,
            // A program that was linked for an address is at that address, and so offsets count from 0.
            BinaryFormat::Elf => itself.or(counted),
            _ => counted.or(itself),
        }
    }

    fn symbol(&self, address: u64) -> Option<&Symbol> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        let symbol = self.symbols[..after].last()?;
        (symbol.size == 0 || address - symbol.address < symbol.size).then_some(symbol)
    }
}

/// What debug information says of an address.
fn located(debug: &Context<Bytes>, address: u64, frame: &Place) -> Vec<Place> {
    // Split files (`.dwo`) aren't read: what is in the file itself has to do.
    let Ok(mut frames) = debug.find_frames(address).skip_all_loads() else { return Vec::new() };
    let mut places: Vec<Place> = Vec::new();
    while let Ok(Some(found)) = FrameIter::next(&mut frames) {
        let name = found.function.as_ref().and_then(|name| name.demangle().ok()).map(shortened);
        let location = found.location;
        let source = location.as_ref().and_then(|it| it.file).map(|file| shortened(file.into()));
        if name.is_none() && source.is_none() {
            continue;
        }
        places.push(Place {
            function: name,
            file: source,
            line: location.as_ref().and_then(|it| it.line).filter(|&line| line > 0),
            column: location.as_ref().and_then(|it| it.column).filter(|&column| column > 0),
            inlined: true,
            ..frame.clone()
        });
    }
    // All but the outermost are in it.
    if let Some(outermost) = places.last_mut() {
        outermost.inlined = false;
    }
    places
}

fn shortened(name: Cow<'_, str>) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.into_owned(),
    }
}

/// A file's content, and when it was last written, since the Unix epoch.
fn content(path: &Path) -> Option<(Duration, Vec<u8>)> {
    let (changed, size) = regular(path)?;
    if size > MOST {
        return None;
    }
    Some((changed, fs::read(path).ok()?))
}

/// Parses a file; of several images in it, the one for machines as this one.
fn parse(content: &[u8]) -> Option<File<'_>> {
    fn ours<'data, A: FatArch>(architectures: &[A], content: &'data [u8]) -> Option<&'data [u8]> {
        let machine =
            if cfg!(target_arch = "aarch64") { Architecture::Aarch64 } else { Architecture::X86_64 };
        architectures.iter().find(|it| it.architecture() == machine)?.data(content).ok()
    }
    let image = match FileKind::parse(content).ok()? {
        FileKind::MachOFat32 => ours(MachOFatFile32::parse(content).ok()?.arches(), content)?,
        FileKind::MachOFat64 => ours(MachOFatFile64::parse(content).ok()?.arches(), content)?,
        FileKind::Elf32
        | FileKind::Elf64
        | FileKind::MachO32
        | FileKind::MachO64
        | FileKind::Pe32
        | FileKind::Pe64 => content,
        _ => return None,
    };
    File::parse(image).ok()
}

/// The content of the file that has the debug information of another, where there is one. They have a number in common.
fn apart(path: &Path, file: &File<'_>) -> Option<Vec<u8>> {
    if let Ok(Some(uuid)) = file.mach_uuid() {
        let mut bundle = path.as_os_str().to_owned();
        bundle.push(".dSYM/Contents/Resources/DWARF");
        let (_, content) = content(&PathBuf::from(bundle).join(path.file_name()?))?;
        return (parse(&content)?.mach_uuid() == Ok(Some(uuid))).then_some(content);
    }
    if file.section_by_name(".debug_info").is_some() {
        return None;
    }
    let id = file.build_id().ok()??;
    let (first, rest) = id.split_first()?;
    let rest: Vec<String> = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut candidates =
        vec![Path::new(DEBUG_FILES).join(format!(".build-id/{first:02x}/{}.debug", rest.concat()))];
    if let (Ok(Some((name, _))), Some(folder)) = (file.gnu_debuglink(), path.parent())
        && let Ok(name) = str::from_utf8(name)
    {
        let elsewhere = folder.strip_prefix("/").map(|folder| Path::new(DEBUG_FILES).join(folder).join(name));
        candidates.extend([folder.join(name), folder.join(".debug").join(name)].into_iter().chain(elsewhere));
    }
    candidates.iter().find_map(|candidate| {
        let (_, content) = content(candidate)?;
        let is_of_it = parse(&content)?.build_id() == Ok(Some(id));
        is_of_it.then_some(content)
    })
}

/// Where distributions put the debug information of their packages.
const DEBUG_FILES: &str = "/usr/lib/debug";

/// The address that the file was linked for, which for ELF and Mach-O is 0 in what can be loaded anywhere.
fn base(file: &File<'_>) -> u64 {
    match file.format() {
        BinaryFormat::Pe => file.relative_address_base(),
        _ => segments(file).into_iter().map(|(first, _)| first).min().unwrap_or(0),
    }
}

/// The segments of which a file has content. `__PAGEZERO` of Mach-O programs has none.
fn segments(file: &File<'_>) -> Vec<(u64, u64)> {
    let has_content = |segment: &object::Segment<'_, '_>| segment.file_range().1 > 0;
    let range = |segment: object::Segment<'_, '_>| {
        (segment.address(), segment.address().saturating_add(segment.size()))
    };
    file.segments().filter(has_content).map(range).collect()
}

fn debug(file: &File<'_>) -> Option<Context<Bytes>> {
    let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    file.section_by_name(SectionId::DebugInfo.name())?;
    let section = |id: SectionId| {
        let content =
            is_read(id).then(|| file.section_by_name(id.name())).flatten().and_then(|it| section(&it));
        Ok::<_, gimli::Error>(Bytes::new(Arc::from(content.unwrap_or_default()), endian))
    };
    let mut dwarf = gimli::Dwarf::load(section).ok()?;
    dwarf.populate_abbreviations_cache(gimli::AbbreviationsCacheStrategy::Duplicates);
    Context::from_dwarf(dwarf).ok()
}

/// Whether places are in this section. Others, such as those of variables, may be big.
fn is_read(id: SectionId) -> bool {
    matches!(
        id,
        SectionId::DebugAbbrev
            | SectionId::DebugAddr
            | SectionId::DebugAranges
            | SectionId::DebugInfo
            | SectionId::DebugLine
            | SectionId::DebugLineStr
            | SectionId::DebugRanges
            | SectionId::DebugRngLists
            | SectionId::DebugStr
            | SectionId::DebugStrOffsets
    )
}

/// A section's content. Go compresses its debug information, as do Debian's packages of it.
fn section<'data>(section: &object::Section<'data, '_>) -> Option<Cow<'data, [u8]>> {
    let content = section.compressed_data().ok()?;
    match content.format {
        CompressionFormat::None => Some(content.data.into()),
        CompressionFormat::Zlib => {
            let size = usize::try_from(content.uncompressed_size.min(MOST)).ok()?;
            let inflated = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(content.data, size);
            inflated.ok().map(Cow::from)
        }
        _ => None,
    }
}

/// The functions of the symbol table. A stripped library still has those that it exports.
fn symbols(file: &File<'_>) -> Vec<Symbol> {
    // C compilers put one underscore before each name there.
    let is_prefixed = file.format() == BinaryFormat::MachO
        || (file.format() == BinaryFormat::Pe && file.architecture() == Architecture::I386);
    let symbol = |symbol: object::Symbol<'_, '_>| {
        if symbol.kind() != SymbolKind::Text || !symbol.is_definition() {
            return None;
        }
        let name = symbol.name().ok().filter(|name| !name.is_empty())?;
        let name = if is_prefixed { name.strip_prefix('_').unwrap_or(name) } else { name };
        Some(Symbol { address: symbol.address(), size: symbol.size(), name: name.to_owned() })
    };
    let mut symbols: Vec<Symbol> = file.symbols().chain(file.dynamic_symbols()).filter_map(symbol).collect();
    symbols.sort_by_key(|symbol| symbol.address);
    symbols
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// A program with debug information, compiled once.
    fn program() -> &'static [u8] {
        static PROGRAM: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        PROGRAM.get_or_init(|| {
            let folder = tempfile::tempdir().expect("there is a temporary folder");
            let file = folder.path().join("client");
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/places/client.c");
            let status = Command::new("cc").args(["-g", "-O1", "-o"]).arg(&file).arg(source).status();
            assert!(status.expect("there is a C compiler").success());
            fs::read(file).expect("it was compiled")
        })
    }

    /// How many frames are found in a program of this content. Its code begins after a page on Linux, and ends at 16 KB on macOS.
    fn found(content: &[u8]) -> usize {
        let Some(file) = parse(content) else { return 0 };
        let mut image = Image::of(&file, None, Duration::ZERO);
        let offsets = (0..0x4000).step_by(17).chain([u64::MAX - 1, u64::MAX]);
        offsets.map(|offset| image.places(&Place { offset, ..Place::default() }).len()).sum()
    }

    /// Q4
    #[test]
    fn a_program_that_was_cut_short_or_has_a_hole_anywhere_gives_what_is_left_of_it() {
        let program = program();
        assert!(found(program) > 0);
        for end in (0..program.len()).step_by(97) {
            found(&program[..end]);
            for byte in [0, 0xff] {
                let mut content = program.to_vec();
                content[end..].iter_mut().take(97).for_each(|it| *it = byte);
                found(&content);
            }
        }
    }

    proptest! {
        /// Q4
        #[test]
        fn a_program_in_which_bytes_were_changed_gives_something_or_nothing(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..64),
        ) {
            let mut content = program().to_vec();
            for (place, byte) in changes {
                let place = place.index(content.len());
                content[place] = byte;
            }
            found(&content);
        }
    }
}
