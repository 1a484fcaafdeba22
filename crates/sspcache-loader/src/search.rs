//! The folders that the loader searches for files, and their order.
//!
//! Reference: [Dynamic-link library search order](https://learn.microsoft.com/en-us/windows/win32/dlls/dynamic-link-library-search-order).

use std::num::NonZeroU64;

use widestring::U16String;

use crate::load_flags::Folders;
use crate::name::{self, Key, Wanted};
use crate::{LoadFlags, LoaderError, Name};

const SYSTEM_DIRECTORY: &str = r"C:\Windows\System32";
const WINDOWS_DIRECTORY: &str = r"C:\Windows";

/// The result of [`EmulatedLoader::add_dll_directory`](crate::EmulatedLoader::add_dll_directory), to remove the folder
/// with: the `DLL_DIRECTORY_COOKIE`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DirectoryCookie(NonZeroU64);

impl DirectoryCookie {
    /// The cookie as a word, never zero.
    pub fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The cookie that a word stands for, known or not; `None` for zero, the null pointer.
    pub fn from_u64(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(Self)
    }
}

/// The search settings of a process.
pub(crate) struct Search {
    pub(crate) current_directory: Vec<u16>,
    application: Vec<u16>,
    /// System32, or the folders in its place.
    system: Vec<Vec<u16>>,
    /// Searched after the system folders, by the standard search only.
    windows: Option<Vec<u16>>,
    /// The folder of SetDllDirectory, as it was spelled.
    dll_directory: Option<U16String>,
    added: Vec<(DirectoryCookie, Vec<u16>)>,
    next_cookie: NonZeroU64,
    defaults: Option<Folders>,
}

impl Search {
    /// The settings of a new process: the program's folder is the current directory.
    pub(crate) fn new(application: Vec<u16>) -> Self {
        Self {
            current_directory: application.clone(),
            application,
            system: vec![SYSTEM_DIRECTORY.encode_utf16().collect()],
            windows: Some(WINDOWS_DIRECTORY.encode_utf16().collect()),
            dll_directory: None,
            added: Vec::new(),
            next_cookie: NonZeroU64::MIN,
            defaults: None,
        }
    }

    pub(crate) fn set_current_directory(&mut self, path: &U16String) {
        self.current_directory = self.absolute(path);
    }

    pub(crate) fn set_system(&mut self, folders: &[U16String]) {
        self.system = folders.iter().map(|folder| self.absolute(folder)).collect();
        self.windows = None;
    }

    pub(crate) fn dll_directory(&self) -> Option<&U16String> {
        self.dll_directory.as_ref()
    }

    pub(crate) fn set_dll_directory(&mut self, folder: Option<U16String>) {
        self.dll_directory = folder;
    }

    /// Whether a folder is one of the process's own. The folder has the form in which paths are compared.
    pub(crate) fn has_folder(&self, folder: &[u16]) -> bool {
        let own = [&self.application, &self.current_directory];
        own.into_iter().chain(&self.system).chain(&self.windows).any(|own| *name::key(own) == *folder)
    }

    /// The absolute path of a folder to add; `None` for a relative one.
    pub(crate) fn to_add(&self, folder: &U16String) -> Option<Vec<u16>> {
        name::is_rooted(folder.as_slice()).then(|| self.absolute(folder))
    }

    pub(crate) fn add(&mut self, folder: Vec<u16>) -> DirectoryCookie {
        let cookie = DirectoryCookie(self.next_cookie);
        self.next_cookie = self.next_cookie.saturating_add(1);
        self.added.push((cookie, folder));
        cookie
    }

    pub(crate) fn remove(&mut self, cookie: DirectoryCookie) -> Result<(), LoaderError> {
        let unknown = LoaderError::UnknownCookie { cookie: cookie.to_u64() };
        let at = self.added.iter().position(|(added, _)| *added == cookie).ok_or(unknown)?;
        self.added.remove(at);
        Ok(())
    }

    pub(crate) fn set_defaults(&mut self, flags: u32) -> Result<(), LoaderError> {
        self.defaults = Some(Folders::defaults(flags)?);
        Ok(())
    }

    /// Refuses flags that the name doesn't allow, and those for the standard search after SetDefaultDllDirectories
    /// (observed).
    pub(crate) fn check(&self, flags: LoadFlags, name: Name<'_>, wanted: &Wanted) -> Result<(), LoaderError> {
        if matches!(wanted, Wanted::File(_)) {
            return Ok(());
        }
        if flags.wants_whole_path() {
            return Err(LoaderError::RelativePath { path: name.to_string() });
        }
        if self.defaults.is_some() && flags.has_altered_search_path() {
            return Err(LoaderError::InvalidLoadFlags { flags: flags.bits() });
        }
        Ok(())
    }

    /// The paths at which to search for a name, in order. A relative path is searched for in each folder, like a bare
    /// name.
    pub(crate) fn candidates(&self, wanted: &Wanted, flags: LoadFlags) -> Vec<Key> {
        match wanted {
            Wanted::File(path) => vec![path.clone()],
            Wanted::Bare(base) => self.folders(flags).iter().map(|folder| name::join(folder, base)).collect(),
            Wanted::Relative(path) => {
                self.folders(flags).iter().map(|folder| name::key(&name::absolute(path, folder))).collect()
            }
        }
    }

    /// The folders to search, in order.
    pub(crate) fn folders(&self, flags: LoadFlags) -> Vec<Vec<u16>> {
        match flags.folders().or(self.defaults) {
            Some(folders) => self.chosen(folders),
            None => self.standard(),
        }
    }

    /// The standard search order for desktop programs, with safe search mode, which is the default.
    fn standard(&self) -> Vec<Vec<u16>> {
        let last = match &self.dll_directory {
            None => Some(self.current_directory.clone()),
            // The page of SetDllDirectory: any value removes the current directory from the search.
            Some(_) => None,
        };
        [self.application.clone()]
            .into_iter()
            .chain(self.set_by_program())
            .chain(self.system.iter().cloned())
            .chain(self.windows.clone())
            .chain(last)
            .collect()
    }

    fn chosen(&self, folders: Folders) -> Vec<Vec<u16>> {
        let mut found = Vec::new();
        if folders.application {
            found.push(self.application.clone());
        }
        if folders.user {
            found.extend(self.added.iter().map(|(_, folder)| folder.clone()));
            found.extend(self.set_by_program());
        }
        if folders.system {
            found.extend(self.system.iter().cloned());
        }
        found
    }

    /// The folder of SetDllDirectory; `None` for an empty name, which only removes the current directory.
    fn set_by_program(&self) -> Option<Vec<u16>> {
        self.dll_directory.as_ref().filter(|folder| !folder.is_empty()).map(|folder| self.absolute(folder))
    }

    fn absolute(&self, path: &U16String) -> Vec<u16> {
        name::absolute(path.as_slice(), &self.current_directory)
    }
}
