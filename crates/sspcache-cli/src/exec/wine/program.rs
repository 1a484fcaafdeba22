//! Wine, and the programs that it runs, by their names.

use std::{ffi::OsStr, path::Path};

/// Whether a program is Wine, by the names under which distributions have it.
pub(super) fn is_wine(program: &OsStr) -> bool {
    const NAMES: [&str; 6] =
        ["wine", "wine64", "wine-stable", "wine-development", "wine-devel", "wine-staging"];
    Path::new(program).file_name().is_some_and(|name| NAMES.iter().any(|wine| name == *wine))
}

/// Whether a file is a Windows program, by its name.
pub(super) fn is_exe(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(OsStr::new("exe")))
}

/// Whether an argument, which may be a line for a shell, has such a word in it.
pub(super) fn has_word(argument: &OsStr, is_it: impl Fn(&OsStr) -> bool) -> bool {
    let line = argument.to_string_lossy();
    let ends_word = |character: char| character.is_whitespace() || "\"'`();&|<>=".contains(character);
    line.split(ends_word).any(|word| is_it(OsStr::new(word)))
}
