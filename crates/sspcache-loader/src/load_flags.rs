//! The flags of LoadLibraryEx, checked.
//!
//! Reference: [LoadLibraryExW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryexw).

use windows_sys::Win32::System::LibraryLoader::{
    DONT_RESOLVE_DLL_REFERENCES, LOAD_LIBRARY_AS_DATAFILE, LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE,
    LOAD_LIBRARY_AS_IMAGE_RESOURCE, LOAD_LIBRARY_REQUIRE_SIGNED_TARGET, LOAD_LIBRARY_SEARCH_APPLICATION_DIR,
    LOAD_LIBRARY_SEARCH_DEFAULT_DIRS, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR, LOAD_LIBRARY_SEARCH_SYSTEM32,
    LOAD_LIBRARY_SEARCH_USER_DIRS, LOAD_WITH_ALTERED_SEARCH_PATH,
};

use crate::LoaderError;

const DATA_FILE: u32 = LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE;
const SEARCH: u32 = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | DEFAULTS;
/// The flags that SetDefaultDllDirectories accepts.
const DEFAULTS: u32 = LOAD_LIBRARY_SEARCH_APPLICATION_DIR
    | LOAD_LIBRARY_SEARCH_USER_DIRS
    | LOAD_LIBRARY_SEARCH_SYSTEM32
    | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS;

/// How to load a module and where to search for its file. The [`default`](Self::default) is that of LoadLibrary.
///
/// Undocumented bits are ignored (observed), and so are `LOAD_IGNORE_CODE_AUTHZ_LEVEL` and
/// `LOAD_LIBRARY_SAFE_CURRENT_DIRS`, which have no effect on an emulated file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LoadFlags(u32);

impl LoadFlags {
    /// Reads the flags as a caller passes them.
    ///
    /// # Errors
    /// [`LoaderError::InvalidLoadFlags`] for `LOAD_WITH_ALTERED_SEARCH_PATH` together with a `LOAD_LIBRARY_SEARCH_`
    /// flag (L12).
    pub fn from_bits(flags: u32) -> Result<Self, LoaderError> {
        if flags & LOAD_WITH_ALTERED_SEARCH_PATH != 0 && flags & SEARCH != 0 {
            return Err(LoaderError::InvalidLoadFlags { flags });
        }
        Ok(Self(flags))
    }

    /// The flags as a caller passes them.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Whether to open the file as data, not as a module.
    pub(crate) fn is_data(self) -> bool {
        self.0 & (DATA_FILE | LOAD_LIBRARY_AS_IMAGE_RESOURCE) != 0
    }

    /// The low bits of a data file's handle, which distinguish it from a module's base: `LDR_IS_DATAFILE` (1) and
    /// `LDR_IS_IMAGEMAPPING` (2) on the page.
    pub(crate) fn data_bits(self) -> u64 {
        if self.0 & LOAD_LIBRARY_AS_IMAGE_RESOURCE != 0 { 2 } else { 1 }
    }

    /// Whether the module gets notifications of its load and unload.
    pub(crate) fn notifies(self) -> bool {
        self.0 & DONT_RESOLVE_DLL_REFERENCES == 0
    }

    pub(crate) fn wants_signature(self) -> bool {
        self.0 & LOAD_LIBRARY_REQUIRE_SIGNED_TARGET != 0
    }

    /// Whether the search includes the folder of the file, so that the name needs one.
    pub(crate) fn wants_whole_path(self) -> bool {
        self.0 & LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR != 0
    }

    pub(crate) fn has_altered_search_path(self) -> bool {
        self.0 & LOAD_WITH_ALTERED_SEARCH_PATH != 0
    }

    /// The folders that these flags choose; `None` when they leave the choice to the process.
    pub(crate) fn folders(self) -> Option<Folders> {
        (self.0 & SEARCH != 0).then(|| Folders::from_checked(self.0))
    }
}

/// The folders to search in place of the standard ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Folders {
    pub(crate) application: bool,
    pub(crate) user: bool,
    pub(crate) system: bool,
}

impl Folders {
    /// Reads the flags of SetDefaultDllDirectories (L12).
    pub(crate) fn defaults(flags: u32) -> Result<Self, LoaderError> {
        if flags == 0 || flags & !DEFAULTS != 0 {
            return Err(LoaderError::InvalidDefaultFolders { flags });
        }
        Ok(Self::from_checked(flags))
    }

    fn from_checked(flags: u32) -> Self {
        let has = |flag: u32| flags & (flag | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS) != 0;
        Self {
            application: has(LOAD_LIBRARY_SEARCH_APPLICATION_DIR),
            user: has(LOAD_LIBRARY_SEARCH_USER_DIRS),
            system: has(LOAD_LIBRARY_SEARCH_SYSTEM32),
        }
    }
}
