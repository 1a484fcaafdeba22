//! The mock DLLs that the released program carries, and the folder that it puts them into: those of its own system, and on Unix those of
//! Windows.
//!
//! They go into a folder of the user's caches, once for each release: `$XDG_CACHE_HOME/sspcache` or `~/.cache/sspcache`, on macOS
//! `~/Library/Caches/sspcache`, on Windows `%LOCALAPPDATA%\sspcache`. Each run compares each file with its SHA-256 and replaces one that
//! differs. A file appears as a whole, by renaming another, and one that is right is never replaced, so that several runs may do that at
//! once. Where the folder can't be written, or another user could write to it, a temporary folder is used in its place, and removed at the
//! end.
//!
//! `cargo xtask dist` makes what is carried: an index in a line of JSON, then the contents of its files as one stream of LZMA. A program
//! that cargo builds by itself carries none.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use etcetera::BaseStrategy as _;
use lzma_rust2::LzmaReader;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempDir};

use super::ExecError;

/// What this program carries: nothing, unless it was built for a release.
#[cfg(carries_mocks)]
const CARRIED: &[u8] = include_bytes!(env!("SSPCACHE_CARRIED"));
#[cfg(not(carries_mocks))]
const CARRIED: &[u8] = b"";

/// What decoding may take, in KiB: the window has room for all that is carried.
const MEMORY_LIMIT: u32 = 32 * 1024;

/// A folder with the mock DLLs.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) folder: PathBuf,
    /// Removes it at the end, where it is no cache.
    pub(super) temporary: Option<TempDir>,
}

/// Puts the mock DLLs that this program carries into a folder, unless they are there. `None`: it carries none.
pub(super) fn place() -> Result<Option<Placed>, ExecError> {
    Bundle::of(CARRIED).map(|bundle| bundle.place(user_caches().as_deref())).transpose()
}

/// The folder of the user's caches, if the user has one.
fn user_caches() -> Option<PathBuf> {
    let folder = etcetera::base_strategy::choose_native_strategy().ok()?.cache_dir();
    // Without a home folder it may be a relative one.
    folder.is_absolute().then_some(folder)
}

/// What is carried.
#[derive(Debug)]
struct Bundle<'a> {
    index: Index,
    /// A folder's name: another release has another.
    name: String,
    /// The contents of all files.
    stream: &'a [u8],
}

#[derive(Debug, Deserialize)]
struct Index {
    files: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    /// Below the folder, with slashes.
    path: String,
    size: usize,
    sha256: String,
}

impl<'a> Bundle<'a> {
    fn of(carried: &'a [u8]) -> Option<Self> {
        let end = carried.iter().position(|&byte| byte == b'\n')?;
        let (index, stream) = (&carried[..end], &carried[end + 1..]);
        let name = format!("{}-{}", env!("CARGO_PKG_VERSION"), &hex(&Sha256::digest(index))[..16]);
        Some(Self { index: serde_json::from_slice(index).ok()?, name, stream })
    }

    fn place(&self, caches: Option<&Path>) -> Result<Placed, ExecError> {
        if let Some(caches) = caches {
            let ours = caches.join("sspcache");
            let folder = ours.join(&self.name);
            let written = private(&ours).and_then(|()| private(&folder)).and_then(|()| self.unpack(&folder));
            if written.is_ok() {
                return Ok(Placed { folder, temporary: None });
            }
        }
        let temporary = tempfile::Builder::new().prefix("sspcache-mocks-").tempdir()?;
        let folder = temporary.path().to_owned();
        self.unpack(&folder).map_err(|source| ExecError::Write { path: folder.clone(), source })?;
        Ok(Placed { folder, temporary: Some(temporary) })
    }

    /// Writes each file that isn't there as it should be.
    fn unpack(&self, folder: &Path) -> io::Result<()> {
        let files = &self.index.files;
        if files.iter().all(|entry| entry.is_in(folder)) {
            return Ok(());
        }
        let mut contents = Vec::with_capacity(files.iter().map(|entry| entry.size).sum());
        LzmaReader::new_mem_limit(self.stream, MEMORY_LIMIT, None)?.read_to_end(&mut contents)?;
        let mut rest = &contents[..];
        for entry in files {
            let (file, after) = rest.split_at_checked(entry.size).ok_or(io::ErrorKind::UnexpectedEof)?;
            rest = after;
            entry.put(file, folder)?;
        }
        Ok(())
    }
}

impl Entry {
    /// Whether the file lies in a folder, and is what it should be.
    fn is_in(&self, folder: &Path) -> bool {
        let path = folder.join(&self.path);
        let is_file =
            fs::symlink_metadata(&path).is_ok_and(|it| it.is_file() && it.len() == self.size as u64);
        is_file && fs::read(&path).is_ok_and(|contents| hex(&Sha256::digest(contents)) == self.sha256)
    }

    /// Puts the file there, unless it is there as it should be.
    fn put(&self, contents: &[u8], folder: &Path) -> io::Result<()> {
        if self.is_in(folder) {
            return Ok(());
        }
        let path = folder.join(&self.path);
        let mut new = match whole_file(&path, contents)?.persist_noclobber(&path) {
            Ok(_) => return Ok(()),
            // Something is there: of another run that was first, or what is wrong. Or the file system replaces always.
            Err(refused) => refused.file,
        };
        for _ in 0..ATTEMPTS {
            if self.is_in(folder) {
                return Ok(());
            }
            match new.persist(&path) {
                Ok(_) => return Ok(()),
                Err(refused) if refused.error.kind() == io::ErrorKind::PermissionDenied => new = refused.file,
                Err(refused) => return Err(refused.error),
            }
            thread::sleep(PAUSE);
        }
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// How often a wrong file is tried to be replaced: Windows refuses while another run reads it.
const ATTEMPTS: u32 = if cfg!(windows) { 50 } else { 1 };
const PAUSE: Duration = Duration::from_millis(10);

/// A temporary file beside the one that it is to become.
fn whole_file(path: &Path, contents: &[u8]) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(path);
    make_folder(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut file = builder.prefix(".new-").tempfile_in(folder)?;
    file.write_all(contents)?;
    Ok(file)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    // Whatever the umask: what others may write is not used.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
    builder.recursive(true).create(folder)
}

/// Makes a folder that only this user may write to; an error if that is another's.
#[cfg(unix)]
fn private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid();
    // As root with another user's home folder: what is made there would be in that user's way.
    let above = folder.ancestors().skip(1).find_map(|above| fs::metadata(above).ok());
    let is_foreign = above.is_none_or(|above| above.uid() != user.as_raw() && above.uid() != 0);
    if is_foreign {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    make_folder(folder)?;
    let made = fs::symlink_metadata(folder)?;
    let is_ours = made.is_dir() && made.uid() == user.as_raw() && made.mode() & 0o022 == 0;
    if is_ours { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// The same. What is below a user's folder is for that user, unless an administrator has changed that.
#[cfg(not(unix))]
fn private(folder: &Path) -> io::Result<()> {
    make_folder(folder)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lzma_rust2::{LzmaOptions, LzmaWriter};

    const FILES: [(&str, &str); 2] = [("MSNSSPC.dll", "one"), ("windows/x86/secur32.dll", "two, and longer")];

    fn carried() -> Vec<u8> {
        let files: Vec<_> = FILES
            .iter()
            .map(|(path, text)| {
                let sha256 = hex(&Sha256::digest(text));
                serde_json::json!({ "path": path, "size": text.len(), "sha256": sha256 })
            })
            .collect();
        let mut carried = serde_json::json!({ "files": files }).to_string().into_bytes();
        carried.push(b'\n');
        let contents = FILES.map(|(_, text)| text).concat();
        let mut stream = LzmaWriter::new_use_header(carried, &LzmaOptions::default(), None).expect("begun");
        stream.write_all(contents.as_bytes()).expect("written");
        stream.finish().expect("ended")
    }

    fn place(caches: Option<&Path>) -> Placed {
        Bundle::of(&carried()).expect("carried").place(caches).expect("placed")
    }

    fn is_whole(placed: &Placed) -> bool {
        FILES
            .iter()
            .all(|(path, text)| fs::read(placed.folder.join(path)).is_ok_and(|it| it == text.as_bytes()))
    }

    #[test]
    fn nothing_is_carried_unless_it_is_a_release() {
        assert!(Bundle::of(b"").is_none());
    }

    #[test]
    fn the_mocks_are_cached_and_repaired() {
        let caches = TempDir::new().expect("made");
        let caches = caches.path().join("not there yet");
        let placed = place(Some(&caches));
        assert!(placed.temporary.is_none() && placed.folder.starts_with(&caches) && is_whole(&placed));

        let [changed, removed] = FILES.map(|(path, _)| placed.folder.join(path));
        fs::write(&changed, "eno").expect("written");
        fs::remove_file(&removed).expect("removed");
        let again = place(Some(&caches));
        assert!(again.temporary.is_none() && again.folder == placed.folder && is_whole(&again));
        let left: Vec<_> = fs::read_dir(&placed.folder).expect("read").collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_file_that_is_right_is_left_alone() {
        let caches = TempDir::new().expect("made");
        let file = place(Some(caches.path())).folder.join(FILES[0].0);
        let written = || fs::metadata(&file).and_then(|it| it.modified()).expect("known");
        let before = written();
        place(Some(caches.path()));
        assert_eq!(written(), before);
    }

    #[test]
    fn without_a_cache_the_mocks_are_temporary() {
        let file = NamedTempFile::new().expect("made");
        // Neither a file nor what would be below it can be the folder.
        for caches in [None, Some(file.path()), Some(&file.path().join("below"))] {
            let placed = place(caches);
            assert!(placed.temporary.is_some() && is_whole(&placed), "{caches:?}");
            let folder = placed.folder.clone();
            drop(placed);
            assert!(!folder.exists());
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_others_may_write_to_is_not_used() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let caches = TempDir::new().expect("made");
        let ours = caches.path().join("sspcache");
        let elsewhere = TempDir::new().expect("made");
        symlink(elsewhere.path(), &ours).expect("linked");
        assert!(place(Some(caches.path())).temporary.is_some(), "a link");
        fs::remove_file(&ours).expect("removed");

        fs::create_dir(&ours).expect("made");
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o777)).expect("set");
        assert!(place(Some(caches.path())).temporary.is_some(), "anybody's");
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o755)).expect("set");
        assert!(place(Some(caches.path())).temporary.is_none());
    }

    #[test]
    fn several_runs_may_place_them_at_once() {
        for _ in 0..5 {
            let caches = TempDir::new().expect("made");
            let at_once = || {
                std::thread::scope(|scope| {
                    for _ in 0..8 {
                        scope.spawn(|| {
                            let placed = place(Some(caches.path()));
                            assert!(placed.temporary.is_none(), "not cached");
                            assert!(is_whole(&placed), "not whole");
                        });
                    }
                });
            };
            at_once();
            let changed = place(Some(caches.path())).folder.join(FILES[0].0);
            fs::write(changed, "eno").expect("written");
            at_once();
        }
    }
}
