//! Registers the mocks as security providers for as long as a command runs.
//!
//! A program that uses secur32 never loads an SSP by name: secur32 loads those that the registry lists. All programs of
//! a Wine prefix, or of a Windows computer, share that list, and several runs of sspcache may need it at the same time.
//! The first run saves the list, the last one restores it. When a run was killed, the next one restores the list for
//! it.
//!
//! Reference: [SSP packages provided by Microsoft](https://learn.microsoft.com/en-us/windows/win32/secauthn/ssp-packages-provided-by-microsoft)
//! and [Registering SSP/AP DLLs](https://learn.microsoft.com/en-us/windows/win32/secauthn/registering-ssp-ap-dlls).
//! That secur32 loads them under Wine is an observation (Wine 8).

use std::{
    env,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{ExecError, find::MOCKS, registry::Registry, wine::Wine};
use crate::{cli::Mock, output::message};

/// The mocks are registered until this is undone or dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Registry,
    locks: Option<Locks>,
}

impl Registration {
    /// Registers the mocks.
    ///
    /// # Errors
    /// When the registry can't be written: on Windows that needs administrator rights.
    pub(crate) fn register(wine: Option<&Wine>) -> Result<Self, ExecError> {
        let (registry, folder) = match wine {
            Some(wine) => (Registry::of_wine(wine.program.clone(), &wine.prefix), wine.prefix.clone()),
            None if cfg!(windows) => (Registry::of_windows(), env::temp_dir()),
            // A native command that runs Wine itself.
            None => {
                let command = [OsString::from("wine")];
                let wine = Wine::of(&command).ok_or_else(|| ExecError::register("Wine is not available"))?;
                (Registry::of_wine(wine.program, &wine.prefix), wine.prefix)
            }
        };
        Self::listed(registry, &folder)
    }

    /// Registers the mocks in a registry; the folder holds the locks and the saved list.
    fn listed(registry: Registry, folder: &Path) -> Result<Self, ExecError> {
        let locks = Locks::open(folder)?;
        let editing = locks.edit()?;
        let remembered = locks.remembered()?;
        let current = registry.query()?;
        if remembered.is_none() {
            locks.remember(current.as_deref())?;
        }
        let result = registry.set(&listing_mocks(current.as_deref())).and_then(|()| locks.use_list());
        drop(editing);
        let registration = Self { registry, locks: Some(locks) };
        // Dropping a partial registration undoes it.
        result.map(|()| registration)
    }

    /// Restores the saved list, unless another run still needs the mocks.
    pub(crate) fn undo(mut self) -> Result<(), ExecError> {
        self.put_back()
    }

    fn put_back(&mut self) -> Result<(), ExecError> {
        let Some(locks) = self.locks.take() else { return Ok(()) };
        let _editing = locks.edit()?;
        if !locks.is_last()? {
            return Ok(());
        }
        match locks.remembered()? {
            None => {}
            Some(Remembered::Absent) => self.registry.delete()?,
            Some(Remembered::Value(value)) => self.registry.set(&value)?,
        }
        locks.forget()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Err(error) = self.put_back() {
            message(error);
        }
    }
}

/// The list with the mocks at its head: secur32 takes the first provider of a package.
fn listing_mocks(list: Option<&str>) -> String {
    let mocks = MOCKS.map(Mock::file_name);
    let others = list.unwrap_or_default().split(',').map(str::trim).filter(|provider| {
        !provider.is_empty() && !mocks.iter().any(|mock| mock.eq_ignore_ascii_case(provider))
    });
    mocks.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

/// The list as it was before the first of the current runs.
enum Remembered {
    Absent,
    Value(String),
}

/// Two lock files: a run that edits the list holds one exclusively, and all runs that use the mocks share the other.
///
/// The saved list has a file of its own: on Windows no process can read a locked file, not even the one that locked it.
#[derive(Debug)]
struct Locks {
    edit: File,
    users: File,
    before: PathBuf,
}

impl Locks {
    fn open(folder: &Path) -> Result<Self, ExecError> {
        // Wine creates a missing prefix only when the first program runs in it.
        fs::create_dir_all(folder).map_err(|source| ExecError::Write { path: folder.to_owned(), source })?;
        let open = |name: &str| {
            let path = folder.join(name);
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            file.map_err(|source| ExecError::Write { path, source })
        };
        Ok(Self {
            edit: open(".sspcache-providers-edit")?,
            users: open(".sspcache-providers-users")?,
            before: folder.join(".sspcache-providers-before"),
        })
    }

    /// Waits until no other run edits the list.
    fn edit(&self) -> Result<Editing, ExecError> {
        let file = self.edit.try_clone().and_then(|file| file.lock().map(|()| file));
        file.map(Editing).map_err(ExecError::register)
    }

    fn use_list(&self) -> Result<(), ExecError> {
        self.users.lock_shared().map_err(ExecError::register)
    }

    /// Stops using the mocks, and returns whether no other run uses them.
    fn is_last(&self) -> Result<bool, ExecError> {
        unlock(&self.users);
        match self.users.try_lock() {
            Ok(()) => {
                unlock(&self.users);
                Ok(true)
            }
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(ExecError::register(error)),
        }
    }

    fn remembered(&self) -> Result<Option<Remembered>, ExecError> {
        let text = match fs::read_to_string(&self.before) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(ExecError::register)?,
        };
        Ok(match text.strip_prefix("value:") {
            Some(value) => Some(Remembered::Value(value.to_owned())),
            // Anything else comes from a run that was killed while it saved the list, and so before it changed it.
            None => (text == "absent").then_some(Remembered::Absent),
        })
    }

    fn remember(&self, value: Option<&str>) -> Result<(), ExecError> {
        let text = value.map_or_else(|| "absent".to_owned(), |value| format!("value:{value}"));
        fs::write(&self.before, text).map_err(ExecError::register)
    }

    fn forget(&self) -> Result<(), ExecError> {
        match fs::remove_file(&self.before) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(ExecError::register),
        }
    }
}

/// While it lives, no other run edits the list.
#[derive(Debug)]
struct Editing(File);

impl Drop for Editing {
    fn drop(&mut self) {
        unlock(&self.0);
    }
}

/// Unlocks a file; when that fails, the end of the process unlocks it. Under Wine 8 it works and still reports a
/// failure: std unlocks twice, and Wine's second error differs from that of Windows.
fn unlock(file: &File) {
    let _ = file.unlock();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mocks_come_first_and_once_and_nothing_else_is_lost() {
        for (before, after) in [
            (None, "MSNSSPC.dll, MSAPSSPC.dll"),
            (Some(""), "MSNSSPC.dll, MSAPSSPC.dll"),
            (Some("credssp.dll"), "MSNSSPC.dll, MSAPSSPC.dll, credssp.dll"),
            (
                Some("credssp.dll,msnsspc.DLL , other.dll"),
                "MSNSSPC.dll, MSAPSSPC.dll, credssp.dll, other.dll",
            ),
        ] {
            assert_eq!(listing_mocks(before), after);
        }
    }

    #[cfg(unix)]
    mod in_a_registry {
        use super::*;
        use crate::exec::registry::fake;

        const BEFORE: [Option<&str>; 2] = [None, Some("REG_SZ    credssp.dll")];

        #[test]
        fn what_was_listed_is_put_back_although_programs_fail_to_start() {
            for before in BEFORE {
                for failures in 0..3 {
                    let folder = tempfile::tempdir().expect("there is a temporary folder");
                    let folder = folder.path();
                    let registry = fake::registry(folder, before);
                    fake::fails(folder, failures);
                    let registration = Registration::listed(registry, folder).expect("it starts at last");
                    let listed = fake::value(folder).expect("there is a list");
                    assert!(listed.contains("MSNSSPC.dll, MSAPSSPC.dll"), "{listed}");
                    fake::fails(folder, failures);
                    registration.undo().expect("it starts at last");
                    assert_eq!(fake::value(folder).as_deref(), before, "after {failures} failures");
                }
            }
        }

        #[test]
        fn a_list_that_cannot_be_read_is_neither_changed_nor_taken_for_absent() {
            let folder = tempfile::tempdir().expect("there is a temporary folder");
            let folder = folder.path();
            for before in ["REG_SZ    credssp.dll", "REG_MULTI_SZ    credssp.dll"] {
                let registry = fake::registry(folder, Some(before));
                fake::fails(folder, if before.starts_with("REG_SZ") { 99 } else { 0 });
                Registration::listed(registry, folder).expect_err("it can't be read");
                fake::fails(folder, 0);
                assert_eq!(fake::value(folder).as_deref(), Some(before));
                assert!(!folder.join(".sspcache-providers-before").exists());
            }
        }
    }
}
