//! Drive letters and the folders of the host that they map to (clause L12).

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

use once_cell::race::OnceBox;
use widestring::U16String;

use crate::disk::{ROOT, to_windows};

/// The variable with the table, such as `C=/opt/windows:D=/data`: letters with absolute folders.
const VARIABLE: &str = "SSPCACHE_WIN32_DRIVES";

/// A path on a drive of the table, as a path on the root's drive; other names unchanged. An unmapped drive has no
/// files.
pub(crate) fn resolve(name: U16String) -> U16String {
    /// Without a lock, which a fork could leave taken.
    static TABLE: OnceBox<Vec<Drive>> = OnceBox::new();
    let table = TABLE.get_or_init(|| {
        let table = env::var_os(VARIABLE).unwrap_or_default();
        // A loader call can't report a mistake in a variable, so this goes to standard error.
        Box::new(parse(&table).unwrap_or_else(|error| {
            eprintln!("sspcache-win32: {VARIABLE}: {error}");
            Vec::new()
        }))
    });
    on_root(table, name)
}

/// A drive letter in capitals, and its folder.
#[derive(Debug, Eq, PartialEq)]
struct Drive {
    letter: u8,
    folder: PathBuf,
}

/// An invalid entry of the table. The whole table is then ignored.
#[derive(Debug)]
struct BadEntry {
    entry: String,
    why: &'static str,
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\": {}; no drive but {ROOT} is known", self.entry, self.why)
    }
}

fn parse(table: &std::ffi::OsStr) -> Result<Vec<Drive>, BadEntry> {
    let mut drives: Vec<Drive> = Vec::new();
    for entry in env::split_paths(table).filter(|entry| !entry.as_os_str().is_empty()) {
        let bad = |why| BadEntry { entry: entry.display().to_string(), why };
        let text = entry.to_str().ok_or_else(|| bad("not UTF-8"))?;
        let (letter, folder) = text.split_once('=').ok_or_else(|| bad("not LETTER=/FOLDER"))?;
        let &[letter] = letter.as_bytes() else { return Err(bad("not LETTER=/FOLDER")) };
        let letter = letter.to_ascii_uppercase();
        if !letter.is_ascii_uppercase() {
            return Err(bad("a drive is a letter from A to Z"));
        }
        if !Path::new(folder).is_absolute() {
            return Err(bad("the folder must be absolute"));
        }
        if ROOT.as_bytes()[0] == letter {
            return Err(bad("this drive is the root already"));
        }
        if drives.iter().any(|drive| drive.letter == letter) {
            return Err(bad("this drive has a folder already"));
        }
        drives.push(Drive { letter, folder: folder.into() });
    }
    Ok(drives)
}

fn on_root(table: &[Drive], name: U16String) -> U16String {
    const LONG: &[u8] = br"\\?\";
    let units = name.as_slice();
    let is_slash = |unit: &u16| [b'/', b'\\'].map(u16::from).contains(unit);
    let is_long =
        units.len() > LONG.len() && units.iter().zip(LONG).all(|(&unit, &byte)| unit == u16::from(byte));
    let path = if is_long { &units[LONG.len()..] } else { units };
    let &[letter, colon, ref rest @ ..] = path else { return name };
    if colon != u16::from(b':') || !rest.first().is_some_and(is_slash) {
        return name;
    }
    let letter = u8::try_from(letter).unwrap_or_default().to_ascii_uppercase();
    let Some(drive) = table.iter().find(|drive| drive.letter == letter) else { return name };
    // The prefix keeps its effect on the rest of the path.
    let mut found = U16String::from_vec(&units[..units.len() - path.len()]);
    found.push(to_windows(&drive.folder));
    while found.as_slice().last().is_some_and(is_slash) {
        found.pop_char();
    }
    found.push_slice(rest);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drives(table: &str) -> Result<Vec<Drive>, String> {
        parse(table.as_ref()).map_err(|error| error.to_string())
    }

    /// L12
    #[test]
    fn a_path_on_a_drive_of_the_table_lies_in_its_folder() {
        let table = drives("c=/opt/win:D=/data/:e=/").unwrap();
        for (name, expected) in [
            (r"C:\a\b.dll", r"Z:\opt\win\a\b.dll"),
            (r"c:/a/b.dll", r"Z:\opt\win/a/b.dll"),
            (r"\\?\C:\b.dll", r"\\?\Z:\opt\win\b.dll"),
            (r"d:\b.dll", r"Z:\data\b.dll"),
            (r"E:\b.dll", r"Z:\b.dll"),
            (r"F:\b.dll", r"F:\b.dll"),
            (r"Z:\b.dll", r"Z:\b.dll"),
            ("C:b.dll", "C:b.dll"),
            ("b.dll", "b.dll"),
            ("C:", "C:"),
            ("", ""),
        ] {
            assert_eq!(on_root(&table, name.into()).to_string_lossy(), expected, "{name}");
        }
    }

    /// L12
    #[test]
    fn an_entry_that_cannot_be_used_is_named() {
        assert_eq!(drives("").unwrap(), []);
        for (table, entry, why) in [
            ("C=/a:D", "\"D\"", "LETTER=/FOLDER"),
            ("CC=/a", "\"CC=/a\"", "LETTER=/FOLDER"),
            ("1=/a", "\"1=/a\"", "letter"),
            ("C=a", "\"C=a\"", "absolute"),
            ("z=/a", "\"z=/a\"", "root already"),
            ("C=/a:c=/b", "\"c=/b\"", "folder already"),
        ] {
            let error = drives(table).unwrap_err();
            assert!(error.contains(entry) && error.contains(why), "{table}: {error}");
        }
    }
}
