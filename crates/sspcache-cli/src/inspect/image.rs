//! Reads what a PE, ELF or Mach-O file exports.
//!
//! Reference: [PE format](https://learn.microsoft.com/en-us/windows/win32/debug/pe-format), for the export directory.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use object::{
    Architecture, BinaryFormat, File, FileKind, Object, ObjectKind,
    read::{
        NameOrOrdinal, ReadCache,
        macho::{FatArch, MachOFatFile32, MachOFatFile64},
    },
};
use serde::{Serialize, Serializer};
use sspcache_engine::Operation;

use super::reach::Reach;

/// The export that flushes an SSP's cache.
const CLEANUP: &str = "CleanupCredentialCache";

/// What programs are called, where the format tells them from libraries.
const PROGRAM: &str = "program";

/// A constant of every mock of this project: the beginning of its packages' comments.
const MOCK_MARK: &[u8] = b"a mock of sspcache";

/// A loadable image: a file, or one of several in a universal Mach-O file.
#[derive(Debug, Serialize)]
pub(crate) struct Image {
    pub(crate) format: Format,
    pub(crate) machine: String,
    pub(crate) kind: &'static str,
    /// How the image exports the function that flushes.
    pub(crate) cleanup: Cleanup,
    pub(crate) is_mock: bool,
    /// Whether a mock beside it would be reached, where it is a Windows program or uses SSPI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secur32: Option<Reach>,
    /// The exports that are functions of an SSP.
    pub(crate) sspi_exports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// The format of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) enum Format {
    #[serde(rename = "ELF")]
    Elf,
    #[serde(rename = "Mach-O")]
    MachO,
    #[serde(rename = "PE")]
    Pe,
}

impl Format {
    /// The format that this system's own loader takes.
    pub(crate) const NATIVE: Self = if cfg!(windows) {
        Self::Pe
    } else if cfg!(target_vendor = "apple") {
        Self::MachO
    } else {
        Self::Elf
    };
}

impl Format {
    /// The article before its name.
    pub(crate) fn article(self) -> &'static str {
        if self == Self::Elf { "an" } else { "a" }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::MachO => "Mach-O",
            Self::Pe => "PE",
        })
    }
}

/// How an image exports `CleanupCredentialCache` (clause C1).
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Cleanup {
    /// Under a name that the compiler has decorated.
    Decorated(String),
    /// As documented.
    Honoured,
    /// Not at all.
    Missing,
    /// In another case: GetProcAddress compares exactly (clause C5).
    OtherCase(String),
}

impl Cleanup {
    pub(crate) fn is_honoured(&self) -> bool {
        *self == Self::Honoured
    }

    fn of(exports: &[String]) -> Self {
        if exports.iter().any(|name| name == CLEANUP) {
            return Self::Honoured;
        }
        if let Some(name) = exports.iter().find(|name| name.contains(CLEANUP)) {
            return Self::Decorated(name.clone());
        }
        let other_case = exports.iter().find(|name| name.eq_ignore_ascii_case(CLEANUP));
        other_case.map_or(Self::Missing, |name| Self::OtherCase(name.clone()))
    }
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decorated(name) => write!(
                f,
                "exported as {name}, decorated, so that GetProcAddress(\"{CLEANUP}\") fails; export it undecorated, \
                 with a .def file or extern \"C\"",
            ),
            Self::Honoured => write!(f, "{CLEANUP} is exported, undecorated"),
            Self::Missing => write!(f, "{CLEANUP} is not exported"),
            Self::OtherCase(name) => {
                write!(f, "exported as {name}, but GetProcAddress compares case and needs {CLEANUP}")
            }
        }
    }
}

impl Serialize for Cleanup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form<'name> {
            honoured: bool,
            exported_as: Option<&'name str>,
            message: String,
        }
        let exported_as = match self {
            Self::Decorated(name) | Self::OtherCase(name) => Some(name.as_str()),
            Self::Honoured => Some(CLEANUP),
            Self::Missing => None,
        };
        Form { honoured: self.is_honoured(), exported_as, message: self.to_string() }.serialize(serializer)
    }
}

/// Why a file can't be inspected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ImageError {
    /// Its head is that of an image, the rest is not.
    #[error("{}: damaged or cut short: {reason}", path.display())]
    Damaged { path: PathBuf, reason: object::Error },
    /// The file is empty.
    #[error("{}: the file is empty", path.display())]
    Empty { path: PathBuf },
    /// The file is of another kind.
    #[error("{}: {what}, not a DLL (a PE, ELF or Mach-O file)", path.display())]
    NotAnImage { path: PathBuf, what: &'static str },
    /// The operating system refused.
    #[error("{}: can't read the file: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// The format of a file, by its head alone; `None` when it is no image.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    let head = ReadCache::new(fs::File::open(path).ok()?);
    match FileKind::parse(&head).ok()? {
        FileKind::Elf32 | FileKind::Elf64 => Some(Format::Elf),
        FileKind::MachO32 | FileKind::MachO64 | FileKind::MachOFat32 | FileKind::MachOFat64 => {
            Some(Format::MachO)
        }
        FileKind::Pe32 | FileKind::Pe64 => Some(Format::Pe),
        _ => None,
    }
}

/// Whether a file is a PE file for 32-bit machines, by its head alone.
#[cfg(unix)]
pub(crate) fn is_32_bit_program(path: &Path) -> bool {
    let Ok(file) = fs::File::open(path) else { return false };
    FileKind::parse(&ReadCache::new(file)).is_ok_and(|kind| kind == FileKind::Pe32)
}

/// Reads the images in a file: one, or one per machine in a universal Mach-O file.
pub(crate) fn read(path: &Path) -> Result<Vec<Image>, ImageError> {
    let data = fs::read(path).map_err(|source| ImageError::Unreadable { path: path.to_owned(), source })?;
    parse(path, &data)
}

/// Reads the images in the content of a file that was found at `path`.
pub(crate) fn parse(path: &Path, data: &[u8]) -> Result<Vec<Image>, ImageError> {
    let damaged = |reason| ImageError::Damaged { path: path.to_owned(), reason };
    let other = |what| ImageError::NotAnImage { path: path.to_owned(), what };
    if data.is_empty() {
        return Err(ImageError::Empty { path: path.to_owned() });
    }
    match FileKind::parse(data) {
        // Without a whole DOS header the kind is unknown.
        Err(_) if data.starts_with(b"MZ") && data.len() < 64 => Err(other("cut short within its DOS header")),
        Err(_) if data.starts_with(b"MZ") => Err(other("a DOS program")),
        Err(_) => Err(other("no object file")),
        Ok(
            FileKind::Elf32
            | FileKind::Elf64
            | FileKind::MachO32
            | FileKind::MachO64
            | FileKind::Pe32
            | FileKind::Pe64,
        ) => Image::parse(data).map(|image| vec![image]).map_err(damaged),
        Ok(FileKind::MachOFat32) => {
            MachOFatFile32::parse(data).and_then(|fat| images(fat.arches(), data)).map_err(damaged)
        }
        Ok(FileKind::MachOFat64) => {
            MachOFatFile64::parse(data).and_then(|fat| images(fat.arches(), data)).map_err(damaged)
        }
        Ok(FileKind::Archive) => Err(other("an archive")),
        Ok(FileKind::Coff | FileKind::CoffBig) => Err(other("an object file that was not linked yet")),
        Ok(FileKind::CoffImport) => Err(other("an import library")),
        Ok(_) => Err(other("another kind of object file")),
    }
}

/// The images of a universal Mach-O file.
fn images(architectures: &[impl FatArch], data: &[u8]) -> object::Result<Vec<Image>> {
    architectures.iter().map(|architecture| Image::parse(architecture.data(data)?)).collect()
}

impl Image {
    fn parse(data: &[u8]) -> object::Result<Self> {
        let file = File::parse(data)?;
        let format = match file.format() {
            BinaryFormat::MachO => Format::MachO,
            BinaryFormat::Pe => Format::Pe,
            _ => Format::Elf,
        };
        let mut exports = Vec::new();
        for export in file.exports()? {
            // Callers of an SSP ask by name: exports with a number alone are left out.
            let export = export?;
            if let NameOrOrdinal::Name(name) = export.name() {
                let name = String::from_utf8_lossy(name);
                // For Mach-O the C compiler puts an underscore before every name, and dlsym adds it by itself.
                let name =
                    if format == Format::MachO { name.strip_prefix('_').unwrap_or(&name) } else { &name };
                exports.push(name.to_owned());
            }
        }
        exports.sort();
        exports.dedup();
        let is_program = file.kind() == ObjectKind::Executable;
        let sspi_exports: Vec<String> = exports.iter().filter(|name| is_sspi(name)).cloned().collect();
        Ok(Self {
            format,
            machine: machine(file.architecture()),
            kind: match (file.kind(), format) {
                (ObjectKind::Core, _) => "core dump",
                // Position-independent programs have this kind, too.
                (ObjectKind::Dynamic, Format::Elf) => "shared object",
                (ObjectKind::Dynamic, Format::MachO) => "dynamic library",
                (ObjectKind::Dynamic, Format::Pe) => "DLL",
                (ObjectKind::Executable, _) => PROGRAM,
                (ObjectKind::Relocatable, _) => "object file",
                _ => "file of unknown kind",
            },
            cleanup: Cleanup::of(&exports),
            // The program `sspcache` contains the mark as well, without the exports.
            is_mock: !sspi_exports.is_empty()
                && data.windows(MOCK_MARK.len()).any(|window| window == MOCK_MARK),
            secur32: Reach::of(&file, data, is_program)?,
            sspi_exports,
            exports,
        })
    }

    /// A program has no cache to flush: it passes when a mock may be reached. An SSP passes by clause C1.
    pub(crate) fn passes(&self) -> bool {
        self.reach_of_program().map_or(self.cleanup.is_honoured(), Reach::may_be)
    }

    /// What there is to say of a Windows program instead of its exports.
    pub(crate) fn reach_of_program(&self) -> Option<&Reach> {
        self.secur32.as_ref().filter(|_| self.kind == PROGRAM)
    }
}

/// Whether an export is a function of an SSP, in its A or W form where it has one.
fn is_sspi(export: &str) -> bool {
    let undecorated = export.strip_suffix(['A', 'W']).unwrap_or(export);
    Operation::from_name(export).or_else(|| Operation::from_name(undecorated)).is_some()
}

/// A machine's name for people.
pub(crate) fn machine(architecture: Architecture) -> String {
    match architecture {
        Architecture::Aarch64 => "arm64".to_owned(),
        Architecture::I386 => "x86 (32-bit)".to_owned(),
        Architecture::X86_64 => "x86-64".to_owned(),
        Architecture::Unknown => "an unknown machine".to_owned(),
        other => format!("{other:?}"),
    }
}
