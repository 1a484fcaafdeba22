//! The mock in the user's own Wine prefix, for as long as a command runs: for programs that must see others running there.
//!
//! Wine's `secur32.dll` is renamed, and ours is copied to its place. Several runs may need it there: the first one puts
//! it, the last one puts Wine's back. When a run was killed, the next one puts Wine's back for it.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::prefix::Replacement;

/// What Wine's own file is called while ours is in its place.
const SAVED: &str = "secur32.dll.of-wine";

/// The folders that may have one.
const FOLDERS: [&str; 2] = ["system32", "syswow64"];

/// Two locks: a run that changes the prefix holds one exclusively, and all runs that need our file share the other.
///
/// Folders of the prefix are locked, so that no file has to be made for it.
#[derive(Debug)]
struct Locks {
    edit: File,
    users: File,
}

impl Locks {
    fn open(prefix: &Path) -> io::Result<Self> {
        Ok(Self { edit: File::open(prefix)?, users: File::open(prefix.join("drive_c/windows"))? })
    }
}

/// Our file in the prefix. Wine's is put back when it is dropped.
#[derive(Debug)]
pub(crate) struct InPlace {
    prefix: PathBuf,
    locks: Option<Locks>,
}

impl InPlace {
    /// Puts our files into a prefix.
    pub(crate) fn put(prefix: &Path, replacements: &[Replacement]) -> io::Result<Self> {
        let locks = Locks::open(prefix)?;
        locks.edit.lock()?;
        // Before anything changes, so that a run that sees a change also sees that it is needed.
        locks.users.lock_shared()?;
        let put = replacements.iter().try_for_each(|replacement| {
            let folder = prefix.join("drive_c/windows").join(replacement.folder);
            let (theirs, saved) = (folder.join("secur32.dll"), folder.join(SAVED));
            if fs::symlink_metadata(&saved).is_ok() {
                return Ok(()); // Another run has put it.
            }
            // Renamed only when it can be replaced at once.
            let new = tempfile::NamedTempFile::new_in(&folder)?;
            io::copy(&mut File::open(&replacement.file)?, &mut new.as_file())?;
            fs::rename(&theirs, &saved)?;
            new.persist(&theirs).map_err(|error| error.error).map(drop)
        });
        locks.edit.unlock()?;
        let in_place = Self { prefix: prefix.to_owned(), locks: Some(locks) };
        // Dropping what was put in part restores it.
        put.map(|()| in_place)
    }

    /// Puts Wine's files back, unless another run needs ours.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.put_back()
    }

    fn put_back(&mut self) -> io::Result<()> {
        let Some(locks) = self.locks.take() else { return Ok(()) };
        locks.edit.lock()?;
        locks.users.unlock()?;
        put_back_unless_needed(&self.prefix, &locks)
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        // A failure shows in the next run, which tries it again.
        let _ = self.put_back();
    }
}

/// Puts Wine's files back that a killed run left replaced.
pub(crate) fn restore(prefix: &Path) -> io::Result<()> {
    let is_replaced = |&folder: &&str| fs::symlink_metadata(saved(prefix, folder)).is_ok();
    if !FOLDERS.iter().any(is_replaced) {
        return Ok(());
    }
    let locks = Locks::open(prefix)?;
    locks.edit.lock()?;
    put_back_unless_needed(prefix, &locks)
}

fn put_back_unless_needed(prefix: &Path, locks: &Locks) -> io::Result<()> {
    match locks.users.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(()),
        locked => locked.map_err(io::Error::from)?,
    }
    for folder in FOLDERS {
        let saved = saved(prefix, folder);
        if fs::symlink_metadata(&saved).is_ok() {
            fs::rename(&saved, saved.with_file_name("secur32.dll"))?;
        }
    }
    Ok(())
}

fn saved(prefix: &Path, folder: &str) -> PathBuf {
    prefix.join("drive_c/windows").join(folder).join(SAVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture(tempfile::TempDir);

    impl Fixture {
        fn new() -> io::Result<Self> {
            let folder = tempfile::tempdir()?;
            for name in FOLDERS {
                let windows = folder.path().join("drive_c/windows").join(name);
                fs::create_dir_all(&windows)?;
                fs::write(windows.join("secur32.dll"), "Wine's")?;
            }
            fs::write(folder.path().join("secur32.dll"), "ours")?;
            Ok(Self(folder))
        }

        fn put(&self) -> io::Result<InPlace> {
            let file = self.0.path().join("secur32.dll");
            let replacement = Replacement { folder: "system32", file, beside: Vec::new() };
            InPlace::put(self.0.path(), &[replacement])
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.0.path().join("drive_c/windows").join(path)).ok()
        }

        /// Whose file is found in `system32`, and how many files there are.
        fn found(&self) -> (String, usize) {
            let files = fs::read_dir(self.0.path().join("drive_c/windows/system32")).map(Iterator::count);
            (self.read("system32/secur32.dll").unwrap_or_default(), files.unwrap_or_default())
        }
    }

    #[test]
    fn the_last_of_several_runs_puts_back_what_the_first_one_replaced() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let first = fixture.put()?;
        let second = fixture.put()?;
        assert_eq!(fixture.found(), ("ours".into(), 2));
        first.end()?;
        restore(fixture.0.path())?;
        assert_eq!(fixture.found(), ("ours".into(), 2), "the second needs it");
        drop(second);
        assert_eq!(fixture.found(), ("Wine's".into(), 1));
        assert_eq!(fixture.read("syswow64/secur32.dll").as_deref(), Some("Wine's"), "never replaced");
        Ok(())
    }

    #[test]
    fn what_a_killed_run_left_is_put_back_by_the_next() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let mut killed = fixture.put()?;
        // The system closes its files, and so ends its locks.
        drop(killed.locks.take());
        assert_eq!(fixture.found(), ("ours".into(), 2));
        restore(fixture.0.path())?;
        assert_eq!(fixture.found(), ("Wine's".into(), 1));
        Ok(())
    }

    #[test]
    fn what_cannot_be_put_changes_nothing() -> io::Result<()> {
        let fixture = Fixture::new()?;
        fs::remove_file(fixture.0.path().join("secur32.dll"))?;
        assert!(fixture.put().is_err());
        assert_eq!(fixture.found(), ("Wine's".into(), 1));
        Ok(())
    }
}
