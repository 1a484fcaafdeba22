//! Choosing the folders in which files are sought.

use widestring::{U16Str, U16String};

use super::EmulatedLoader;
use crate::{DirectoryCookie, LoaderError, Name, name};

impl<E> EmulatedLoader<E> {
    /// Changes the current directory, which relative paths and the last step of [`load`](Self::load)'s search begin in.
    /// A relative path is taken from the one before.
    pub fn set_current_directory<'a>(&self, path: impl Into<Name<'a>>) {
        let path = path.into().to_utf16();
        self.0.table.write().search.set_current_directory(&path);
    }

    /// Has other folders stand for the system directory, in their order, and none for the Windows directory: a host's
    /// own library path. A relative one is taken from the current directory.
    pub fn set_system_folders<'a>(&self, folders: impl IntoIterator<Item = Name<'a>>) {
        let folders: Vec<U16String> = folders.into_iter().map(|folder| folder.to_utf16()).collect();
        self.0.table.write().search.set_system(&folders);
    }

    /// Puts a folder behind the program's own into the search, in the place of the one set before, and takes the current
    /// directory out of it; an empty name does the latter alone, `None` undoes both. Nothing is asked of the folder: it may be
    /// missing, and a relative one is taken from what the current directory is at a load. Emulates
    /// [SetDllDirectoryW](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-setdlldirectoryw).
    pub fn set_dll_directory(&self, folder: Option<Name<'_>>) {
        let folder = folder.map(|folder| folder.to_utf16());
        self.0.table.write().search.set_dll_directory(folder);
    }

    /// What [`set_dll_directory`](Self::set_dll_directory) set, as it was spelled. Emulates
    /// [GetDllDirectoryW](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-getdlldirectoryw) but for its
    /// buffer.
    pub fn dll_directory(&self) -> Option<U16String> {
        self.0.table.read().search.dll_directory().cloned()
    }

    /// Adds a folder to those that `LOAD_LIBRARY_SEARCH_USER_DIRS` asks for; the standard search doesn't look there. They are
    /// searched in the order in which they were added, as often as they were. Emulates
    /// [AddDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-adddlldirectory).
    ///
    /// # Errors
    /// [`RelativePath`](LoaderError::RelativePath) (87, L12); [`FolderNotFound`](LoaderError::FolderNotFound) (2, observed)
    /// when nothing is registered there or below, the disk has no such folder, and the process itself has
    /// none in its search.
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

    /// Takes a folder out that was added. Emulates
    /// [RemoveDllDirectory](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-removedlldirectory).
    ///
    /// # Errors
    /// [`UnknownCookie`](LoaderError::UnknownCookie) (87).
    pub fn remove_dll_directory(&self, cookie: DirectoryCookie) -> Result<(), LoaderError> {
        self.0.table.write().search.remove(cookie)
    }

    /// Chooses the folders for every load that chooses none by its flags, instead of the standard search, from now on: there
    /// is no way back. Emulates
    /// [SetDefaultDllDirectories](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-setdefaultdlldirectories).
    ///
    /// # Errors
    /// [`InvalidDefaultFolders`](LoaderError::InvalidDefaultFolders) (87) for 0 and for bits that aren't
    /// `LOAD_LIBRARY_SEARCH_APPLICATION_DIR`, `_USER_DIRS`, `_SYSTEM32` or `_DEFAULT_DIRS` (L12).
    pub fn set_default_dll_directories(&self, flags: u32) -> Result<(), LoaderError> {
        self.0.table.write().search.set_defaults(flags)
    }
}
