//! Paths as Windows programs have them under Wine, as files of this system.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The folder that `WINEPREFIX` names, or Wine's default.
pub(crate) fn prefix() -> PathBuf {
    let prefix = env::var_os("WINEPREFIX").filter(|prefix| !prefix.is_empty()).map(PathBuf::from);
    prefix.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".wine"))
}

/// Whether a path begins with a drive, or with what Windows puts before one: `\\?\C:\…`.
pub(super) fn is_dos_path(path: &str) -> bool {
    let path = without_namespace(path);
    path.starts_with(UNIX)
        || matches!(path.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic())
}

/// The file that a Windows program knows under this path, if there is one. Names are looked up as Wine does: any case will do.
///
/// `exec` runs a command in a shadow of the prefix, whose drives lead to the same files.
pub(super) fn file_of(path: &str, prefix: &Path) -> Option<PathBuf> {
    let path = without_namespace(path);
    let (root, rest) = if let Some(rest) = path.strip_prefix(UNIX) {
        (PathBuf::from("/"), rest)
    } else {
        let (drive, rest) = path.split_at_checked(2)?;
        (root_of(&drive.to_ascii_lowercase(), prefix)?, rest)
    };
    let names = rest.split(['\\', '/']).filter(|name| !name.is_empty() && *name != ".");
    names.into_iter().try_fold(root, |folder, name| {
        let exact = folder.join(name);
        if exact.exists() {
            return Some(exact);
        }
        let name = name.to_lowercase();
        let mut entries = fs::read_dir(folder).ok()?.flatten();
        let found = entries.find(|entry| entry.file_name().to_string_lossy().to_lowercase() == name)?;
        Some(found.path())
    })
}

/// The folder that a drive leads to.
fn root_of(drive: &str, prefix: &Path) -> Option<PathBuf> {
    let root = prefix.join("dosdevices").join(drive);
    match drive {
        _ if root.is_dir() => Some(root),
        // A new prefix has these two.
        "c:" => Some(prefix.join("drive_c")),
        "z:" => Some(PathBuf::from("/")),
        _ => None,
    }
}

/// What stands before a Unix path that no drive leads to.
const UNIX: &str = r"unix\";

fn without_namespace(path: &str) -> &str {
    path.strip_prefix(r"\\?\").or_else(|| path.strip_prefix(r"\??\")).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Q4
    #[test]
    fn a_windows_path_is_found_through_the_drives_of_its_prefix_in_any_case() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let folder = folder.path().canonicalize()?;
        let prefix = folder.join("prefix");
        fs::create_dir_all(prefix.join("dosdevices"))?;
        fs::create_dir_all(prefix.join("drive_c/Program Files/Client"))?;
        fs::create_dir_all(folder.join("disk"))?;
        symlink("../drive_c", prefix.join("dosdevices/c:"))?;
        symlink(folder.join("disk"), prefix.join("dosdevices/u:"))?;
        for file in ["prefix/drive_c/Program Files/Client/Client.exe", "disk/lib.dll"] {
            fs::write(folder.join(file), "")?;
        }
        let unix = folder.join("disk/lib.dll").display().to_string();
        let dos = unix.replace('/', "\\");
        for (path, found) in [
            (
                r"C:\Program Files\Client\Client.exe".to_owned(),
                Some("prefix/drive_c/Program Files/Client/Client.exe"),
            ),
            (
                r"c:\PROGRAM FILES\client\.\CLIENT.EXE".to_owned(),
                Some("prefix/drive_c/Program Files/Client/Client.exe"),
            ),
            (
                r"\\?\C:\program files/client/client.exe".to_owned(),
                Some("prefix/drive_c/Program Files/Client/Client.exe"),
            ),
            (r"U:\LIB.dll".to_owned(), Some("disk/lib.dll")),
            // No drive of this prefix leads to all files.
            (format!("Z:{dos}"), Some("disk/lib.dll")),
            (format!(r"\\?\unix{dos}"), Some("disk/lib.dll")),
            (r"U:\other.dll".to_owned(), None),
            (r"X:\lib.dll".to_owned(), None),
        ] {
            assert!(is_dos_path(&path), "{path}");
            let file = file_of(&path, &prefix).map(|file| file.canonicalize().expect("it exists"));
            assert_eq!(file, found.map(|found| folder.join(found)), "{path}");
        }
        assert!(!is_dos_path(&unix) && !is_dos_path("lib.dll") && !is_dos_path(""));
        Ok(())
    }
}
