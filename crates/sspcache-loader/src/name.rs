//! Names of modules: the caller's spelling, and the form in which the loader compares them (L1 to L3).
//!
//! Reference: [GetModuleHandleW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlew),
//! [LoadLibraryW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryw).

use std::ffi::CStr;
use std::fmt;

use sspcache_types::name::fold;
use widestring::{U16CStr, U16Str, U16String};

use crate::PlainName;

/// A module's name in the caller's spelling: bare (`msnsspc`) or with a directory, in UTF-8 or UTF-16.
///
/// UTF-16 is compared unit by unit: an unpaired surrogate counts as a letter and is never replaced.
#[derive(Clone, Copy)]
pub struct Name<'a>(Spelling<'a>);

#[derive(Clone, Copy)]
enum Spelling<'a> {
    /// A C string: UTF-8, unless it is invalid.
    Bytes(&'a [u8]),
    Utf8(&'a str),
    Utf16(&'a U16Str),
}

impl Name<'_> {
    /// The name's UTF-16 units, without a terminating null.
    pub fn to_utf16(&self) -> U16String {
        match self.0 {
            Spelling::Bytes(name) => U16String::from_str(&String::from_utf8_lossy(name)),
            Spelling::Utf8(name) => U16String::from_str(name),
            Spelling::Utf16(name) => name.to_owned(),
        }
    }

    /// Whether it has a slash or a backslash, and so includes a folder (L3).
    pub fn has_folder(&self) -> bool {
        let in_bytes = |name: &[u8]| name.iter().any(|&byte| slash(byte.into()) == BACKSLASH);
        match self.0 {
            Spelling::Bytes(name) => in_bytes(name),
            Spelling::Utf8(name) => in_bytes(name.as_bytes()),
            Spelling::Utf16(name) => name.as_slice().iter().any(|&unit| slash(unit) == BACKSLASH),
        }
    }

    #[inline]
    pub(crate) fn plain(&self) -> Option<PlainName> {
        match self.0 {
            Spelling::Bytes(name) => PlainName::from_bytes(name),
            Spelling::Utf8(name) => PlainName::from_bytes(name.as_bytes()),
            Spelling::Utf16(name) => PlainName::from_units(name.as_slice().iter().copied()),
        }
    }
}

impl<'a> From<&'a CStr> for Name<'a> {
    /// Takes UTF-8. A name that is not UTF-8 matches no module.
    fn from(name: &'a CStr) -> Self {
        Self(Spelling::Bytes(name.to_bytes()))
    }
}

impl<'a> From<&'a str> for Name<'a> {
    fn from(name: &'a str) -> Self {
        Self(Spelling::Utf8(name))
    }
}

impl<'a> From<&'a String> for Name<'a> {
    fn from(name: &'a String) -> Self {
        Self(Spelling::Utf8(name))
    }
}

impl<'a> From<&'a U16Str> for Name<'a> {
    fn from(name: &'a U16Str) -> Self {
        Self(Spelling::Utf16(name))
    }
}

impl<'a> From<&'a U16CStr> for Name<'a> {
    fn from(name: &'a U16CStr) -> Self {
        Self(Spelling::Utf16(name.as_ustr()))
    }
}

impl<'a> From<&'a U16String> for Name<'a> {
    fn from(name: &'a U16String) -> Self {
        Self(Spelling::Utf16(name))
    }
}

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Spelling::Bytes(name) => f.write_str(&String::from_utf8_lossy(name)),
            Spelling::Utf8(name) => f.write_str(name),
            Spelling::Utf16(name) => fmt::Display::fmt(&name.display(), f),
        }
    }
}

/// A name in the form for comparison: capitals, backslashes, no `.` and `..` (L1).
pub(crate) type Key = Box<[u16]>;

/// What a name stands for (L3).
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// The module of this base name, in any directory.
    Bare(Key),
    /// The module of this file.
    File(Key),
    /// The module of this path, relative to one of the searched folders: as spelled, but with backslashes.
    Relative(Key),
}

const BACKSLASH: u16 = b'\\' as u16;
const COLON: u16 = b':' as u16;
const DOT: u16 = b'.' as u16;
const QUESTION_MARK: u16 = b'?' as u16;
const SPACE: u16 = b' ' as u16;

/// The use of a name. The two differ in the trailing spaces of a name without extension (L2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// They are ignored.
    Load,
    /// They are part of the name (observed), which then matches no module.
    Lookup,
}

/// Parses a module's name: directory or not, default extension, trailing dots and spaces (L2, L3).
/// `None` for a name that has nothing else.
pub(crate) fn parse(name: Name<'_>, purpose: Purpose, current_directory: &[u16]) -> Option<Wanted> {
    let mut units = name.to_utf16().into_vec();
    let is_literal = literal(&units).is_some();
    if !is_literal {
        for unit in &mut units {
            *unit = slash(*unit);
        }
    }
    let has_extension = base_name(&units).contains(&DOT);
    let is_ignored = |unit: &u16| match *unit {
        // The page removes one dot; Windows removes any number of them, with spaces between (observed).
        DOT => has_extension && !is_literal,
        SPACE => (has_extension && !is_literal) || purpose == Purpose::Load,
        _ => false,
    };
    while units.last().is_some_and(is_ignored) {
        units.pop();
    }
    if base_name(&units).is_empty() {
        return None;
    }
    if !has_extension {
        units.extend(".dll".encode_utf16());
    }
    if base_name(&units).len() == units.len() {
        Some(Wanted::Bare(key(&units)))
    } else if !is_rooted(&units) && !matches!(units.as_slice(), [_, COLON, ..]) {
        Some(Wanted::Relative(units.into()))
    } else {
        let path = literal(&units).filter(|_| is_literal);
        Some(Wanted::File(key(&path.unwrap_or_else(|| resolved(&units, current_directory)))))
    }
}

/// An absolute path with backslashes, without `.`, `..` and empty components; unchanged when it has the prefix for
/// literal paths.
pub(crate) fn absolute(path: &[u16], current_directory: &[u16]) -> Vec<u16> {
    literal(path).unwrap_or_else(|| {
        let path: Vec<u16> = path.iter().copied().map(slash).collect();
        resolved(&path, current_directory)
    })
}

/// The absolute form of a path that has backslashes already, without `.`, `..` and empty components.
fn resolved(path: &[u16], current_directory: &[u16]) -> Vec<u16> {
    let joined = match path {
        // `//?/C:/` and `\\.\C:\` are `C:\` (observed).
        [BACKSLASH, BACKSLASH, QUESTION_MARK | DOT, BACKSLASH, _, COLON, BACKSLASH, ..] => path[4..].to_vec(),
        [BACKSLASH, BACKSLASH, ..] | [_, COLON, BACKSLASH, ..] => path.to_vec(),
        [BACKSLASH, ..] => [root(current_directory), &path[1..]].concat(),
        // Relative to the current directory of a drive: only the current drive has one here.
        [letter, COLON, rest @ ..] => {
            let same_drive = current_directory.first().is_some_and(|drive| fold(*drive) == fold(*letter));
            if same_drive {
                [current_directory, &[BACKSLASH], rest].concat()
            } else {
                [&[*letter, COLON, BACKSLASH], rest].concat()
            }
        }
        _ => [current_directory, &[BACKSLASH], path].concat(),
    };
    let root = root(&joined);
    let mut components: Vec<&[u16]> = Vec::new();
    for component in joined[root.len()..].split(|unit| *unit == BACKSLASH) {
        match component {
            [] | [DOT] => {}
            [DOT, DOT] => {
                components.pop();
            }
            _ => components.push(component),
        }
    }
    [root, &components.join(&BACKSLASH)].concat()
}

/// The path after a prefix that turns parsing off: `\\?\`, whose limit on the length isn't emulated, or `\??\`
/// (observed). Slashes, dots and spaces have no special meaning in it.
///
/// Reference: [Naming files](https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file).
fn literal(path: &[u16]) -> Option<Vec<u16>> {
    const BACKSLASHES: [u16; 2] = [BACKSLASH; 2];
    let [BACKSLASH, BACKSLASH | QUESTION_MARK, QUESTION_MARK, BACKSLASH, rest @ ..] = path else {
        return None;
    };
    let (start, share) = rest.split_at_checked("UNC\\".len()).unwrap_or_default();
    let is_share = start.iter().copied().map(fold).eq("UNC\\".encode_utf16());
    Some(if is_share { [&BACKSLASHES, share].concat() } else { rest.to_vec() })
}

/// Whether a path begins at a root: of a drive, of a share, or of the current drive.
pub(crate) fn is_rooted(path: &[u16]) -> bool {
    match path {
        [letter, COLON, first, ..] => *letter != BACKSLASH && slash(*first) == BACKSLASH,
        [first, ..] => slash(*first) == BACKSLASH,
        [] => false,
    }
}

/// The folder of a file with an absolute path: without a trailing backslash, unless it is the root of a drive.
pub(crate) fn directory(path: &[u16]) -> &[u16] {
    let end = path.iter().rposition(|unit| *unit == BACKSLASH).unwrap_or_default();
    &path[..end.max(root(path).len())]
}

/// The part of a path after its last backslash, or after its drive.
pub(crate) fn base_name(path: &[u16]) -> &[u16] {
    path.iter().rposition(|unit| matches!(*unit, BACKSLASH | COLON)).map_or(path, |at| &path[at + 1..])
}

/// A file in a folder, in the form for comparison.
pub(crate) fn join(folder: &[u16], file: &[u16]) -> Key {
    let folder = folder.strip_suffix(&[BACKSLASH]).unwrap_or(folder);
    folder.iter().chain(&[BACKSLASH]).chain(file).copied().map(fold).collect()
}

/// The form of a name for comparison.
pub(crate) fn key(name: &[u16]) -> Key {
    name.iter().copied().map(fold).collect()
}

/// The part of an absolute path that `..` cannot leave: `C:\`, or the two backslashes of a share.
fn root(path: &[u16]) -> &[u16] {
    match path {
        [BACKSLASH, BACKSLASH, ..] => &path[..2],
        [_, COLON, BACKSLASH, ..] => &path[..3],
        _ => &[],
    }
}

/// Forward slashes separate like backslashes (observed; the page requires backslashes).
fn slash(unit: u16) -> u16 {
    if unit == u16::from(b'/') { BACKSLASH } else { unit }
}
