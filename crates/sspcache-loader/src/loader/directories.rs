//! The settings of the search: which folders the loader searches for files.

use widestring::{U16Str, U16String};

use super::EmulatedLoader;
use crate::{DirectoryCookie, LoaderError, Name, name};

impl<E> EmulatedLoader<E> {
    /// Changes the current directory, where relative paths begin and which [`load`](Self::load) searches last. A
    /// relative path begins at the previous one.
    pub fn set_current_directory<'a>(&self, path: impl Into<Name<'a>>) {
        let path = path.into().to_utf16();
        self.0.table.write().search.set_current_directory(&path);
    }

    /// Replaces the system directory by these folders, in their order, and removes the Windows directory: for a host's
    /// own library path. Relative folders begin at the current directory.
    pub fn set_system_folders<'a>(&self, folders: impl IntoIterator<Item = Name<'a>>) {
        let folders: Vec<U16String> = folders.into_iter().map(|folder| folder.to_utf16()).collect();
        self.0.table.write().search.set_system(&folders);
    }

    /// Sets a folder that is searched after the program's own, and removes the current directory from the search. An
    /// empty name only removes the current directory; `None` undoes both. The folder need not exist. A relative folder
    /// begins at the current directory at the time of the load. Emulates
    /// [SetDllDirectoryW](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-setdlldirectoryw).
    pub fn set_dll_directory(&self, folder: Option<Name<'_>>) {
        let folder = folder.map(|folder| folder.to_utf16());
        self.0.table.write().search.set_dll_directory(folder);
    }

    /// The folder that [`set_dll_directory`](Self::set_dll_directory) set, as it was spelled. Emulates
    /// [GetDllDirectoryW](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getdlldirectoryw), without its
    /// buffer.
    pub fn dll_directory(&self) -> Option<U16String> {
        self.0.table.read().search.dll_directory().cloned()
    }

    /// Adds a folder to those that loads with `LOAD_LIBRARY_SEARCH_USER_DIRS` search, in the order of the calls. The
    /// standard search ignores them. Emulates
    /// [AddDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-adddlldirectory).
    ///
    /// # Errors
    /// [`RelativePath`](LoaderError::RelativePath) (87, L12); [`FolderNotFound`](LoaderError::FolderNotFound) (2,
    /// observed) when no file is registered in it or below, the disk has no such folder, and it is none of the
    /// process's own.
    pub fn add_dll_directory<'a>(&self, folder: impl Into<Name<'a>>) -> Result<DirectoryCookie, LoaderError> {
        let name = folder.into();
        let spelled = name.to_utf16();
        let whole = self.0.table.read().search.to_add(&spelled);
        let whole = whole.ok_or_else(|| LoaderError::RelativePath { path: name.to_string() })?;
        let key = name::key(&whole);
        let on_disk = || self.0.disk.as_ref().is_some_and(|disk| disk.has_folder(U16Str::from_slice(&key)));
        if !self.0.table.read().has_folder(&key) && !on_disk() {
            return Err(LoaderError::FolderNotFound { folder: name.to_string() });
        }
        Ok(self.0.table.write().search.add(whole))
    }

    /// Removes an added folder. Emulates
    /// [RemoveDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-removedlldirectory).
    ///
    /// # Errors
    /// [`UnknownCookie`](LoaderError::UnknownCookie) (87).
    pub fn remove_dll_directory(&self, cookie: DirectoryCookie) -> Result<(), LoaderError> {
        self.0.table.write().search.remove(cookie)
    }

    /// Sets the folders for all further loads whose flags choose none, in place of the standard search. This can't be
    /// undone. Emulates
    /// [SetDefaultDllDirectories](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-setdefaultdlldirectories).
    ///
    /// # Errors
    /// [`InvalidDefaultFolders`](LoaderError::InvalidDefaultFolders) (87) for 0 and for bits that aren't
    /// `LOAD_LIBRARY_SEARCH_APPLICATION_DIR`, `_USER_DIRS`, `_SYSTEM32` or `_DEFAULT_DIRS` (L12).
    pub fn set_default_dll_directories(&self, flags: u32) -> Result<(), LoaderError> {
        self.0.table.write().search.set_defaults(flags)
    }
}
