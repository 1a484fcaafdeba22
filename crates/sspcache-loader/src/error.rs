//! The loader's errors: a variant for each reason, with the code that Windows sets.

use windows_sys::Win32::Foundation::{
    ERROR_BAD_EXE_FORMAT, ERROR_DLL_INIT_FAILED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE,
    ERROR_INVALID_IMAGE_HASH, ERROR_INVALID_ORDINAL, ERROR_INVALID_PARAMETER, ERROR_MOD_NOT_FOUND,
    ERROR_PROC_NOT_FOUND,
};

use crate::Handle;

/// Why a call to the loader failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// There is no file of this name to open as data.
    ///
    /// `ERROR_FILE_NOT_FOUND` (2)
    #[error("no file `{name}` to open as data was found (searched: {searched})")]
    DataFileNotFound {
        /// The name of the file.
        name: String,
        /// The folders of the search, or the path itself when the name has one.
        searched: String,
    },
    /// The handle belongs to no loaded module: the module was unloaded, or the handle never was valid.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error(
        "the handle {handle} belongs to no loaded module: the module was unloaded, or the handle never was valid"
    )]
    DeadHandle {
        /// The handle as it was passed.
        handle: Handle,
    },
    /// The module has no export of this name. The comparison is exact, including case.
    ///
    /// `ERROR_PROC_NOT_FOUND` (127)
    #[error("{module} has no export `{export}` (names of exports are compared exactly, including case)")]
    ExportNotFound {
        /// Path of the module that was searched.
        module: String,
        /// The name to find.
        export: String,
    },
    /// No folder of the search has a module file of this name.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("no module file `{name}` was found (searched: {searched})")]
    FileNotFound {
        /// The name of the module.
        name: String,
        /// The folders of the search, or the path itself when the name has one.
        searched: String,
    },
    /// A folder to search doesn't exist.
    ///
    /// `ERROR_FILE_NOT_FOUND` (2)
    #[error("the folder `{folder}` to search doesn't exist")]
    FolderNotFound {
        /// The folder as it was passed.
        folder: String,
    },
    /// The module's notification handler returned `false` for the load.
    ///
    /// `ERROR_DLL_INIT_FAILED` (1114)
    #[error("{module} refused to initialize: its notification handler returned false for the load")]
    InitializationRefused {
        /// Path of the module.
        module: String,
    },
    /// The flags that choose the folders for all further loads are zero or have unknown bits.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error(
        "invalid default folders {flags:#x}: use at least one of LOAD_LIBRARY_SEARCH_APPLICATION_DIR (0x200), \
         USER_DIRS (0x400), SYSTEM32 (0x800), DEFAULT_DIRS (0x1000), and no other"
    )]
    InvalidDefaultFolders {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The flags of a lookup contradict each other or have unknown bits.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error("invalid lookup flags {flags:#x}: use PIN (1) or UNCHANGED_REFCOUNT (2), and FROM_ADDRESS (4)")]
    InvalidFlags {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The flags of a load contradict each other, or those that the process set for all loads.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error(
        "invalid load flags {flags:#x}: LOAD_WITH_ALTERED_SEARCH_PATH (8) excludes the LOAD_LIBRARY_SEARCH flags, both \
         of the call and those set for all loads"
    )]
    InvalidLoadFlags {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The name is empty, or has only trailing spaces and a dot.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("`{name}` is not a module's name")]
    InvalidName {
        /// The name as it was passed.
        name: String,
    },
    /// No loaded module contains the address.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("no loaded module contains the address {address:#x}")]
    NoModuleAtAddress {
        /// The address to find.
        address: u64,
    },
    /// The file exists, but is not a module for this machine.
    ///
    /// `ERROR_BAD_EXE_FORMAT` (193)
    #[error("{path} is not a module that this machine can load")]
    NotAModule {
        /// Path of the file.
        path: String,
    },
    /// No module of this name is loaded.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("no module `{name}` is loaded")]
    NotLoaded {
        /// The name to find.
        name: String,
    },
    /// The handle to free is null.
    ///
    /// `ERROR_INVALID_HANDLE` (6)
    #[error("can't free a null handle")]
    NullHandle,
    /// The load requires a signed file, and an emulated file never is signed.
    ///
    /// `ERROR_INVALID_IMAGE_HASH` (577)
    #[error("{path} is not signed, as LOAD_LIBRARY_REQUIRE_SIGNED_TARGET (0x80) requires")]
    NotSigned {
        /// Path of the file.
        path: String,
    },
    /// The module has no export with this ordinal.
    ///
    /// `ERROR_INVALID_ORDINAL` (182)
    #[error("{module} has no export with the ordinal {ordinal}")]
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
    #[error("`{path}` is a relative path: it must begin with a drive, a share or a slash")]
    RelativePath {
        /// The path as it was passed.
        path: String,
    },
    /// The cookie belongs to no folder: the folder was removed, or the cookie never was valid.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error(
        "the cookie {cookie:#x} belongs to no added folder: the folder was removed, or the cookie never was valid"
    )]
    UnknownCookie {
        /// The cookie as it was passed.
        cookie: u64,
    },
    /// The module's handler for its unload tries to keep or load the module: it can no longer be kept.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("{module} is being unloaded: its own notification handler can't keep it or load it again")]
    Unloading {
        /// Path of the module.
        module: String,
    },
}

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
