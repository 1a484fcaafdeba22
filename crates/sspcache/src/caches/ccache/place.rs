//! Where a ccache is, by its name, and what that says of it before a Kerberos library is asked: the libraries create folders and
//! keyrings in order to look, and wait without end for a file that is locked.
#![allow(unsafe_code, reason = "asks for locks of files, and for keyrings")]

use std::{
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    os::unix::{fs::OpenOptionsExt as _, io::AsRawFd as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::Refusal;

/// Where a ccache is.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// A file: `FILE:path`, `path`, or `DIR::path`, one of a directory's.
    File(PathBuf),
    /// A directory that has a collection of files: `DIR:path`.
    Directory(PathBuf),
    /// The kernel's keyrings: what follows `KEYRING:`.
    Keyring(String),
    /// The memory of this process.
    Memory,
    /// Elsewhere: a daemon, mostly.
    Other,
}

impl Place {
    pub(super) fn of(name: &str) -> Self {
        match name.split_once(':') {
            _ if name.starts_with('/') => Self::File(name.into()),
            None => Self::File(name.into()),
            Some(("FILE", path)) => Self::File(path.into()),
            Some(("DIR", path)) => match path.strip_prefix(':') {
                Some(file) => Self::File(file.into()),
                None => Self::Directory(path.into()),
            },
            Some(("KEYRING", name)) => Self::Keyring(name.to_owned()),
            Some(("MEMORY", _)) => Self::Memory,
            Some(_) => Self::Other,
        }
    }

    /// Checks that a library may be asked for the ccache, since looking would create nothing and end.
    ///
    /// # Errors
    /// [`Refusal::Absent`] when it isn't there.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::File(path) => check_file(path),
            Self::Directory(path) => match fs::metadata(path) {
                Err(error) if is_absent(&error) => Err(Refusal::Absent),
                _ => Ok(()),
            },
            Self::Keyring(name) => match keyrings::may_have(name) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Refusal::Absent),
                Err(error) => Err(Refusal::Unsupported(format!(
                    "the kernel gives this process no keyrings, so none for KEYRING:{name}: {error}"
                ))),
            },
            Self::Memory | Self::Other => Ok(()),
        }
    }
}

/// The names of the ccaches in a directory, and first the one that is its default: that which its file `primary` names. MIT krb5
/// would write that file where it isn't; Heimdal 7.8 crashes without it.
pub(super) fn in_directory(path: &Path) -> Result<Vec<String>, Refusal> {
    let failed = |error: io::Error| {
        if is_absent(&error) {
            Refusal::Absent
        } else {
            Refusal::failed(format!("can't read the directory {}: {error}", path.display()))
        }
    };
    let primary = primary_of(path);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.starts_with("tkt")) {
            names.push(name.to_owned());
        }
    }
    names.sort_by_key(|name| (*name != primary, name.clone()));
    Ok(names.into_iter().map(|file| name_in(path, &file)).collect())
}

/// The name of a directory's default ccache.
pub(super) fn default_in(path: &Path) -> String {
    name_in(path, &primary_of(path))
}

fn name_in(directory: &Path, file: &str) -> String {
    format!("DIR::{}/{file}", directory.display())
}

fn primary_of(directory: &Path) -> String {
    let primary = fs::read_to_string(directory.join("primary")).unwrap_or_default();
    let name = primary.trim_end_matches('\n');
    if name.starts_with("tkt") && !name.contains('/') { name.to_owned() } else { "tkt".to_owned() }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Checks that a file is one, and not locked: a library would wait for as long as it is.
fn check_file(path: &Path) -> Result<(), Refusal> {
    /// Programs hold a lock while they add a ticket.
    const TRIES: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(50);

    match fs::metadata(path) {
        Err(error) if is_absent(&error) => return Err(Refusal::Absent),
        Ok(found) if !found.is_file() => {
            return Err(Refusal::failed(format!("{} is not a regular file", path.display())));
        }
        // What can't be looked at, the library says why.
        _ => {}
    }
    // Not to wait for a file that has just become a pipe. A file that can't be opened, a library can't open either.
    let Ok(file) = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) else {
        return Ok(());
    };
    for _ in 0..TRIES {
        match locked_by(&file) {
            None => return Ok(()),
            Some(_) => thread::sleep(PAUSE),
        }
    }
    match locked_by(&file) {
        None => Ok(()),
        Some(holder) => Err(Refusal::failed(format!("{} is locked by {holder}", path.display()))),
    }
}

/// Whether a file begins as a ccache does, as far as it goes: a 5, and the version of the format, 1 to 4. A file that can't be
/// read may be one: a library says why it can't.
pub(super) fn may_be_ccache(path: &Path) -> bool {
    let mut begin = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(2).read_to_end(&mut begin));
    read.is_err() || matches!(begin[..], [] | [5] | [5, 1..=4])
}

/// What has a lock on the file.
fn locked_by(file: &fs::File) -> Option<String> {
    #![allow(
        clippy::cast_possible_truncation,
        clippy::unnecessary_cast,
        reason = "their types differ by system"
    )]
    const WRITE: libc::c_short = libc::F_WRLCK as _;
    const NONE: libc::c_short = libc::F_UNLCK as _;
    const START: libc::c_short = libc::SEEK_SET as _;

    // SAFETY: all zeroes are a value of it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    (lock.l_type, lock.l_whence) = (WRITE, START);
    // SAFETY: the file is open, and the structure valid for the call to write to. It asks alone: it takes no lock.
    let asked = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) };
    if asked != 0 || lock.l_type == NONE {
        return None;
    }
    // A lock of an open file description, as MIT krb5 takes them, has no process.
    Some(if lock.l_pid > 0 { format!("process {}", lock.l_pid) } else { "a program".to_owned() })
}

#[cfg(target_os = "linux")]
mod keyrings {
    //! [keyctl(2)](https://man7.org/linux/man-pages/man2/keyctl.2.html): names of MIT krb5's keyrings.

    use std::{ffi::CString, fs, io};

    const KEYCTL_SEARCH: libc::c_long = 10;
    const THREAD: libc::c_long = -1;
    const PROCESS: libc::c_long = -2;
    const SESSION: libc::c_long = -3;
    const USER: libc::c_long = -4;

    /// Whether there may be a ccache of this name. MIT krb5 keeps a collection in a keyring `_krb_NAME` of the one that the name
    /// begins with, and makes it in order to look into it.
    ///
    /// # Errors
    /// Where the process has no keyrings: a container may forbid them.
    pub(super) fn may_have(name: &str) -> io::Result<bool> {
        let mut parts = name.split(':');
        let (Some(first), second) = (parts.next(), parts.next()) else { return Ok(true) };
        let (anchor, collection) = match (first, second) {
            ("persistent", user) => {
                // Not for what it finds: whether it may be asked.
                has(USER, "_krb")?;
                return Ok(may_have_persistent(user));
            }
            ("thread", Some(collection)) => (THREAD, collection),
            ("process", Some(collection)) => (PROCESS, collection),
            ("session", Some(collection)) => (SESSION, collection),
            ("user", Some(collection)) => (USER, collection),
            // Of an older time: a keyring of that name in the session's.
            ("legacy", Some(collection)) | (collection, None) => {
                return Ok(has(SESSION, collection)? || has(SESSION, &format!("_krb_{collection}"))?);
            }
            // No name that MIT krb5 knows: it says so.
            _ => return Ok(true),
        };
        has(anchor, &format!("_krb_{collection}"))
    }

    /// Whether a keyring has another of this name in it.
    fn has(anchor: libc::c_long, name: &str) -> io::Result<bool> {
        let Ok(name) = CString::new(name) else { return Ok(false) };
        // SAFETY: both strings are valid; 0 is for no keyring to link what is found to.
        let found = unsafe {
            libc::syscall(libc::SYS_keyctl, KEYCTL_SEARCH, anchor, c"keyring".as_ptr(), name.as_ptr(), 0)
        };
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            _ if found >= 0 => Ok(true),
            Some(libc::ENOKEY) => Ok(false),
            // Not of this call, but of a filter of system calls.
            Some(libc::EPERM | libc::ENOSYS) => Err(error),
            // A keyring that may not be searched may have it.
            _ => Ok(true),
        }
    }

    /// The kernel makes a user's persistent keyring for every process that asks for it, so the list of keys says whether it is there.
    fn may_have_persistent(user: Option<&str>) -> bool {
        // SAFETY: it has no conditions.
        let own = || unsafe { libc::geteuid() }.to_string();
        let user = user.filter(|user| !user.is_empty()).map_or_else(own, str::to_owned);
        let description = format!("_persistent.{user}:");
        fs::read_to_string("/proc/keys").map_or(true, |keys| keys.contains(&description))
    }
}

#[cfg(not(target_os = "linux"))]
mod keyrings {
    //! Linux alone has keyrings; elsewhere a library says so.

    #[expect(clippy::unnecessary_wraps, reason = "Linux may fail")]
    pub(super) fn may_have(_: &str) -> std::io::Result<bool> {
        Ok(true)
    }
}

/// The name of the default ccache where no Kerberos library says it: of `KRB5CCNAME`, or as both libraries name it.
pub(super) fn default_without_library(variable: Option<&OsStr>) -> String {
    match variable {
        Some(name) => name.to_string_lossy().into_owned(),
        // SAFETY: it has no conditions.
        None => format!("FILE:/tmp/krb5cc_{}", unsafe { libc::getuid() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K2
    #[test]
    fn a_name_says_where_a_ccache_is() {
        for (name, place) in [
            ("FILE:/tmp/a", Place::File("/tmp/a".into())),
            ("/tmp/a:b", Place::File("/tmp/a:b".into())),
            ("a", Place::File("a".into())),
            ("DIR:/tmp/a", Place::Directory("/tmp/a".into())),
            ("DIR::/tmp/a/tkt", Place::File("/tmp/a/tkt".into())),
            ("KEYRING:session:a", Place::Keyring("session:a".into())),
            ("MEMORY:a", Place::Memory),
            ("KCM:0", Place::Other),
        ] {
            assert_eq!(Place::of(name), place, "{name}");
        }
    }

    /// K2
    #[test]
    fn what_has_no_file_is_absent() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        for place in [
            Place::File(path("none")),
            Place::File(path("file/none")),
            Place::Directory(path("none")),
            Place::Directory(path("file/none")),
        ] {
            assert!(matches!(place.check(), Err(Refusal::Absent)), "{place:?}");
        }
        for place in [Place::File(path("file")), Place::Directory(path("")), Place::Memory, Place::Other] {
            assert!(place.check().is_ok(), "{place:?}");
        }
        assert!(matches!(Place::File(path("")).check(), Err(Refusal::Failed(_))));
    }

    /// K2
    #[test]
    fn a_ccache_begins_with_its_version() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (content, is_one) in [
            (&b""[..], true),
            (b"\x05", true),
            (b"\x05\x04\x00\x0c", true),
            (b"\x05\x00", false),
            (b"5\x04", false),
            (b"\x04", false),
        ] {
            fs::write(file.path(), content).unwrap();
            assert_eq!(may_be_ccache(file.path()), is_one, "{content:?}");
        }
    }

    /// K2
    #[test]
    fn the_default_of_a_directory_is_what_its_file_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for (primary, name) in [(None, "tkt"), (Some("tktb\n"), "tktb"), (Some("../tktc"), "tkt")] {
            if let Some(primary) = primary {
                fs::write(path.join("primary"), primary).unwrap();
            }
            assert_eq!(default_in(path), format!("DIR::{}/{name}", path.display()));
        }
        for file in ["tkta", "tktb", "other"] {
            fs::write(path.join(file), "").unwrap();
        }
        fs::write(path.join("primary"), "tktb").unwrap();
        let names = in_directory(path).unwrap();
        assert_eq!(names, ["tktb", "tkta"].map(|file| format!("DIR::{}/{file}", path.display())));
    }
}
