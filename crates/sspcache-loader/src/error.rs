//! The loader's errors: a variant for each reason, with the code that Windows sets.

use std::fmt;

use windows_sys::Win32::Foundation::{
    ERROR_BAD_EXE_FORMAT, ERROR_DLL_INIT_FAILED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE,
    ERROR_INVALID_IMAGE_HASH, ERROR_INVALID_ORDINAL, ERROR_INVALID_PARAMETER, ERROR_MOD_NOT_FOUND,
    ERROR_PROC_NOT_FOUND,
};

use crate::Handle;

/// Why a call to the loader failed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LoaderError {
    /// There is no file of this name to open as data.
    ///
    /// `ERROR_FILE_NOT_FOUND` (2)
    DataFileNotFound {
        /// The name of the file.
        name: String,
        /// The folders of the search, or the path itself when the name has one.
        searched: String,
    },
    /// The handle belongs to no loaded module: the module was unloaded, or the handle never was valid.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    DeadHandle {
        /// The handle as it was passed.
        handle: Handle,
    },
    /// The module has no export of this name. The comparison is exact, including case.
    ///
    /// `ERROR_PROC_NOT_FOUND` (127)
    ExportNotFound {
        /// Path of the module that was searched.
        module: String,
        /// The name to find.
        export: String,
    },
    /// No folder of the search has a module file of this name.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    FileNotFound {
        /// The name of the module.
        name: String,
        /// The folders of the search, or the path itself when the name has one.
        searched: String,
    },
    /// A folder to search doesn't exist.
    ///
    /// `ERROR_FILE_NOT_FOUND` (2)
    FolderNotFound {
        /// The folder as it was passed.
        folder: String,
    },
    /// The module's notification handler returned `false` for the load.
    ///
    /// `ERROR_DLL_INIT_FAILED` (1114)
    InitializationRefused {
        /// Path of the module.
        module: String,
    },
    /// The flags that choose the folders for all further loads are zero or have unknown bits.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    InvalidDefaultFolders {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The flags of a lookup contradict each other or have unknown bits.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    InvalidFlags {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The flags of a load contradict each other, or those that the process set for all loads.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    InvalidLoadFlags {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The name is empty, or has only trailing spaces and a dot.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    InvalidName {
        /// The name as it was passed.
        name: String,
    },
    /// No loaded module contains the address.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    NoModuleAtAddress {
        /// The address to find.
        address: u64,
    },
    /// The file exists, but is not a module for this machine.
    ///
    /// `ERROR_BAD_EXE_FORMAT` (193)
    NotAModule {
        /// Path of the file.
        path: String,
    },
    /// No module of this name is loaded.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    NotLoaded {
        /// The name to find.
        name: String,
    },
    /// The handle to free is null.
    ///
    /// `ERROR_INVALID_HANDLE` (6)
    NullHandle,
    /// The load requires a signed file, and an emulated file never is signed.
    ///
    /// `ERROR_INVALID_IMAGE_HASH` (577)
    NotSigned {
        /// Path of the file.
        path: String,
    },
    /// The module has no export with this ordinal.
    ///
    /// `ERROR_INVALID_ORDINAL` (182)
    OrdinalNotFound {
        /// Path of the module that was searched.
        module: String,
        /// The ordinal to find.
        ordinal: u16,
    },
    /// The path is relative. A folder to search must be absolute, and so must the path of a module whose own folder the
    /// search includes.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    RelativePath {
        /// The path as it was passed.
        path: String,
    },
    /// The cookie belongs to no folder: the folder was removed, or the cookie never was valid.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    UnknownCookie {
        /// The cookie as it was passed.
        cookie: u64,
    },
    /// The module's handler for its unload tries to keep or load the module: it can no longer be kept.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    Unloading {
        /// Path of the module.
        module: String,
    },
}

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataFileNotFound { name, searched } => {
                write!(f, "no file `{name}` to open as data was found (searched: {searched})")
            }
            Self::DeadHandle { handle } => write!(
                f,
                "the handle {handle} belongs to no loaded module: the module was unloaded, or the handle never was valid"
            ),
            Self::ExportNotFound { module, export } => write!(
                f,
                "{module} has no export `{export}` (names of exports are compared exactly, including case)"
            ),
            Self::FileNotFound { name, searched } => {
                write!(f, "no module file `{name}` was found (searched: {searched})")
            }
            Self::FolderNotFound { folder } => write!(f, "the folder `{folder}` to search doesn't exist"),
            Self::InitializationRefused { module } => write!(
                f,
                "{module} refused to initialize: its notification handler returned false for the load"
            ),
            Self::InvalidDefaultFolders { flags } => write!(
                f,
                "invalid default folders {flags:#x}: use at least one of LOAD_LIBRARY_SEARCH_APPLICATION_DIR (0x200), \
         USER_DIRS (0x400), SYSTEM32 (0x800), DEFAULT_DIRS (0x1000), and no other"
            ),
            Self::InvalidFlags { flags } => write!(
                f,
                "invalid lookup flags {flags:#x}: use PIN (1) or UNCHANGED_REFCOUNT (2), and FROM_ADDRESS (4)"
            ),
            Self::InvalidLoadFlags { flags } => write!(
                f,
                "invalid load flags {flags:#x}: LOAD_WITH_ALTERED_SEARCH_PATH (8) excludes the LOAD_LIBRARY_SEARCH flags, both \
         of the call and those set for all loads"
            ),
            Self::InvalidName { name } => write!(f, "`{name}` is not a module's name"),
            Self::NoModuleAtAddress { address } => {
                write!(f, "no loaded module contains the address {address:#x}")
            }
            Self::NotAModule { path } => write!(f, "{path} is not a module that this machine can load"),
            Self::NotLoaded { name } => write!(f, "no module `{name}` is loaded"),
            Self::NullHandle => f.write_str("can't free a null handle"),
            Self::NotSigned { path } => {
                write!(f, "{path} is not signed, as LOAD_LIBRARY_REQUIRE_SIGNED_TARGET (0x80) requires")
            }
            Self::OrdinalNotFound { module, ordinal } => {
                write!(f, "{module} has no export with the ordinal {ordinal}")
            }
            Self::RelativePath { path } => {
                write!(f, "`{path}` is a relative path: it must begin with a drive, a share or a slash")
            }
            Self::UnknownCookie { cookie } => write!(
                f,
                "the cookie {cookie:#x} belongs to no added folder: the folder was removed, or the cookie never was valid"
            ),
            Self::Unloading { module } => write!(
                f,
                "{module} is being unloaded: its own notification handler can't keep it or load it again"
            ),
        }
    }
}

impl std::error::Error for LoaderError {}

impl LoaderError {
    /// The [system error code](https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes) that
    /// Windows sets as the thread's last error for this reason.
    pub fn code(&self) -> u32 {
        match self {
            Self::DeadHandle { .. }
            | Self::FileNotFound { .. }
            | Self::InvalidName { .. }
            | Self::NoModuleAtAddress { .. }
            | Self::NotLoaded { .. }
            | Self::Unloading { .. } => ERROR_MOD_NOT_FOUND,
            Self::ExportNotFound { .. } => ERROR_PROC_NOT_FOUND,
            Self::InitializationRefused { .. } => ERROR_DLL_INIT_FAILED,
            Self::DataFileNotFound { .. } | Self::FolderNotFound { .. } => ERROR_FILE_NOT_FOUND,
            Self::InvalidDefaultFolders { .. }
            | Self::InvalidFlags { .. }
            | Self::InvalidLoadFlags { .. }
            | Self::RelativePath { .. }
            | Self::UnknownCookie { .. } => ERROR_INVALID_PARAMETER,
            Self::NotSigned { .. } => ERROR_INVALID_IMAGE_HASH,
            Self::NotAModule { .. } => ERROR_BAD_EXE_FORMAT,
            Self::NullHandle => ERROR_INVALID_HANDLE,
            Self::OrdinalNotFound { .. } => ERROR_INVALID_ORDINAL,
        }
    }
}
