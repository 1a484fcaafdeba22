//! Whether a Windows program takes a `secur32.dll` that lies beside it, as far as its file tells.
//!
//! Reference: [Dynamic-link library search order](https://learn.microsoft.com/en-us/windows/win32/dlls/dynamic-link-library-search-order),
//! [load configuration](https://learn.microsoft.com/en-us/windows/win32/debug/pe-format#load-configuration-layout).

use std::{fmt, mem::offset_of};

use anstyle::Style;
use object::{
    File, LittleEndian as LE,
    pe::{IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, ImageLoadConfigDirectory32, ImageLoadConfigDirectory64},
    read::pe::{ImageNtHeaders, PeFile},
};
use serde::{Serialize, Serializer};

use crate::output::{BAD, GOOD, UNSURE};

/// The DLLs by whose names programs ask for SSPI.
const NAMES: [&str; 3] = ["secur32.dll", "sspicli.dll", "security.dll"];

/// DLLs of Windows that ask for SSPI on a program's behalf.
const THROUGH: [&str; 2] = ["winhttp.dll", "wininet.dll"];

/// Whether and how the mock beside a program is reached.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// It imports these DLLs by name.
    Imports(Vec<String>),
    /// It imports DLLs of Windows that do.
    Through(Vec<String>),
    /// It has the name of one in its text, and may load it.
    Names(&'static str),
    /// Windows doesn't search the program's folder for it: the flags of its load configuration.
    Elsewhere(u16),
    /// Nothing in the file speaks of it.
    Unknown,
}

impl Reach {
    /// Reads it from a PE file; none when there is nothing to say: another format, or a DLL that doesn't use SSPI.
    pub(crate) fn of(file: &File<'_>, data: &[u8], is_program: bool) -> object::Result<Option<Self>> {
        let (imported, flags) = match file {
            File::Pe32(file) => {
                (imported(file)?, flags(file, offset_of!(ImageLoadConfigDirectory32, dependent_load_flags)))
            }
            File::Pe64(file) => {
                (imported(file)?, flags(file, offset_of!(ImageLoadConfigDirectory64, dependent_load_flags)))
            }
            _ => return Ok(None),
        };
        let those = |known: &[&str]| -> Vec<String> {
            imported
                .iter()
                .filter(|name| known.iter().any(|it| name.eq_ignore_ascii_case(it)))
                .cloned()
                .collect()
        };
        let (direct, through) = (those(&NAMES), those(&THROUGH));
        if direct.is_empty() && !is_program {
            return Ok(None);
        }
        Ok(Some(match (direct.is_empty(), through.is_empty()) {
            (false, _) | (_, false) if is_elsewhere(flags) => Self::Elsewhere(flags),
            (false, _) => Self::Imports(direct),
            (true, false) => Self::Through(through),
            (true, true) => named_in(data).map_or(Self::Unknown, Self::Names),
        }))
    }

    /// Whether the mock is reached, or may be.
    pub(crate) fn may_be(&self) -> bool {
        !matches!(self, Self::Elsewhere(_) | Self::Unknown)
    }

    /// The style of [`Self::word`].
    pub(crate) fn style(&self) -> Style {
        match self {
            Self::Imports(_) | Self::Through(_) => GOOD,
            Self::Names(_) | Self::Unknown => UNSURE,
            Self::Elsewhere(_) => BAD,
        }
    }

    /// The word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Imports(_) | Self::Through(_) => "reached",
            Self::Names(_) => "may be reached",
            Self::Elsewhere(_) => "not reached",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imports(names) => write!(f, "it imports {}", names.join(", ")),
            Self::Through(names) => write!(f, "it imports {}, which asks for SSPI", names.join(", ")),
            Self::Names(name) => write!(
                f,
                "it has the name {name} and may load it: by its bare name it finds the mock, by a full path or with \
                 LOAD_LIBRARY_SEARCH_SYSTEM32 it doesn't"
            ),
            Self::Elsewhere(flags) => write!(
                f,
                "its load configuration keeps Windows from searching its folder (DependentLoadFlags {flags:#x}); under \
                 Wine, `sspcache exec` reaches it"
            ),
            Self::Unknown => {
                f.write_str("the file names neither secur32.dll nor sspicli.dll; a DLL of its may")
            }
        }
    }
}

impl Serialize for Reach {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Form<'reach> {
            reach: &'static str,
            imports: &'reach [String],
            dependent_load_flags: Option<u16>,
            message: String,
        }
        let (imports, flags): (&[String], _) = match self {
            Self::Imports(names) | Self::Through(names) => (names, None),
            Self::Elsewhere(flags) => (&[], Some(*flags)),
            Self::Names(_) | Self::Unknown => (&[], None),
        };
        Form { reach: self.word(), imports, dependent_load_flags: flags, message: self.to_string() }
            .serialize(serializer)
    }
}

/// The names of the DLLs that a file imports, at its start or later.
fn imported<P: ImageNtHeaders>(file: &PeFile<'_, P>) -> object::Result<Vec<String>> {
    let mut names = Vec::new();
    if let Some(table) = file.import_table()? {
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            names.push(table.name(descriptor.name.get(LE))?);
        }
    }
    if let Some(table) = file.delay_load_import_table()? {
        let mut descriptors = table.descriptors()?;
        while let Some(descriptor) = descriptors.next()? {
            names.push(table.name(descriptor.dll_name_rva.get(LE))?);
        }
    }
    Ok(names.into_iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// `DependentLoadFlags` of the load configuration, which are at this place in it; 0 where there is none, or one that ends
/// before.
fn flags<P: ImageNtHeaders>(file: &PeFile<'_, P>, at: usize) -> u16 {
    let flags = || {
        let directory = file.data_directory(IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG)?;
        let configuration = directory.data(file.data(), &file.section_table()).ok()?;
        Some(u16::from_le_bytes(configuration.get(at..at + 2)?.try_into().ok()?))
    };
    flags().unwrap_or(0)
}

/// Whether flags of `LoadLibraryEx` leave out the program's own folder.
fn is_elsewhere(flags: u16) -> bool {
    const LOAD_LIBRARY_SEARCH_APPLICATION_DIR: u16 = 0x200;
    const LOAD_LIBRARY_SEARCH_DEFAULT_DIRS: u16 = 0x1000;
    flags != 0 && flags & (LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS) == 0
}

/// The first of the DLLs whose name is somewhere in a file, in ANSI or UTF-16.
fn named_in(data: &[u8]) -> Option<&'static str> {
    // `security` is a word of its own in many texts: only the other two say anything.
    NAMES.into_iter().take(2).find(|name| {
        let stem = name.trim_end_matches(".dll").as_bytes();
        let wide: Vec<u8> = stem.iter().flat_map(|&byte| [byte, 0]).collect();
        [stem, &wide].iter().any(|text| data.windows(text.len()).any(|it| it.eq_ignore_ascii_case(text)))
    })
}
