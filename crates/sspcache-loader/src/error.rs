//! What can go wrong in the loader: one variant a reason, each with the code that Windows would have set.

use windows_sys::Win32::Foundation::{
    ERROR_BAD_EXE_FORMAT, ERROR_DLL_INIT_FAILED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE,
    ERROR_INVALID_IMAGE_HASH, ERROR_INVALID_ORDINAL, ERROR_INVALID_PARAMETER, ERROR_MOD_NOT_FOUND,
    ERROR_PROC_NOT_FOUND,
};

use crate::Handle;

/// Why the loader could not do what it was asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoaderError {
    /// No file of this name is there to be opened as data.
    ///
    /// `ERROR_FILE_NOT_FOUND` (2)
    #[error("no file `{name}` is there to be opened as data ({searched})")]
    DataFileNotFound {
        /// The name that was to be opened.
        name: String,
        /// The folders that were searched, or the path itself when the name had one.
        searched: String,
    },
    /// The handle belongs to no loaded module: it was freed, or never given out.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("the handle {handle} belongs to no loaded module: it was freed or never given out")]
    DeadHandle {
        /// The handle as it was passed.
        handle: Handle,
    },
    /// The module has no export of this name. Names are compared exactly, upper and lower case included.
    ///
    /// `ERROR_PROC_NOT_FOUND` (127)
    #[error("{module} exports no `{export}` (names of exports are compared exactly, case included)")]
    ExportNotFound {
        /// Path of the module that was searched.
        module: String,
        /// The name that was sought.
        export: String,
    },
    /// No file of this name is registered where the loader looks.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("no module file `{name}` is registered in the folders that are searched ({searched})")]
    FileNotFound {
        /// The name that was to be loaded.
        name: String,
        /// The folders that were searched, or the path itself when the name had one.
        searched: String,
    },
    /// A folder that was to be searched isn't there.
    ///
    /// `ERROR_FILE_NOT_FOUND` (2)
    #[error("the folder `{folder}` that is to be searched isn't there")]
    FolderNotFound {
        /// The folder as it was passed.
        folder: String,
    },
    /// The module answered its load notification with `false`.
    ///
    /// `ERROR_DLL_INIT_FAILED` (1114)
    #[error("{module} refused to initialize: its notification answered the load with false")]
    InitializationRefused {
        /// Path of the module.
        module: String,
    },
    /// The flags that choose the folders for all loads to come are none, or not of those four.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error(
        "default folders {flags:#x}: at least one of LOAD_LIBRARY_SEARCH_APPLICATION_DIR (0x200), USER_DIRS (0x400), \
         SYSTEM32 (0x800), DEFAULT_DIRS (0x1000), and none else"
    )]
    InvalidDefaultFolders {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The flags of a lookup contradict each other or aren't known.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error("lookup flags {flags:#x}: allowed are PIN (1) or UNCHANGED_REFCOUNT (2), and FROM_ADDRESS (4)")]
    InvalidFlags {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The flags of a load contradict each other, or what the process chose for all its loads.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error(
        "load flags {flags:#x}: LOAD_WITH_ALTERED_SEARCH_PATH (8) goes with no LOAD_LIBRARY_SEARCH flag, whether in the \
         call or chosen for all loads"
    )]
    InvalidLoadFlags {
        /// The flags as they were passed.
        flags: u32,
    },
    /// The name is empty, or nothing is left of it without its trailing spaces and dot.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("`{name}` names no module")]
    InvalidName {
        /// The name as it was passed.
        name: String,
    },
    /// No loaded module contains the address.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("no loaded module contains the address {address:#x}")]
    NoModuleAtAddress {
        /// The address that was sought.
        address: u64,
    },
    /// The file exists, but is no module of this machine.
    ///
    /// `ERROR_BAD_EXE_FORMAT` (193)
    #[error("{path} is no module that this machine can load")]
    NotAModule {
        /// Path of the file.
        path: String,
    },
    /// No module of this name is loaded.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("no module `{name}` is loaded")]
    NotLoaded {
        /// The name that was sought.
        name: String,
    },
    /// A null handle was to be freed.
    ///
    /// `ERROR_INVALID_HANDLE` (6)
    #[error("a null handle cannot be freed")]
    NullHandle,
    /// The file is not signed, and was to be loaded only if it is: an emulated file never is.
    ///
    /// `ERROR_INVALID_IMAGE_HASH` (577)
    #[error("{path} carries no signature, which LOAD_LIBRARY_REQUIRE_SIGNED_TARGET (0x80) asks for")]
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
        /// The ordinal that was sought.
        ordinal: u16,
    },
    /// A path must begin at a root, as a folder to be searched must, and a module whose own folder is to be searched.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error("`{path}` is no whole path: it must begin with a drive, a share or a slash")]
    RelativePath {
        /// The path as it was passed.
        path: String,
    },
    /// The cookie belongs to no folder: it was removed, or never given out.
    ///
    /// `ERROR_INVALID_PARAMETER` (87)
    #[error("the cookie {cookie:#x} belongs to no added folder: it was removed or never given out")]
    UnknownCookie {
        /// The cookie as it was passed.
        cookie: u64,
    },
    /// The module is being told of its unload, and asks for itself: nothing can keep it any more.
    ///
    /// `ERROR_MOD_NOT_FOUND` (126)
    #[error("{module} is being unloaded: it cannot be kept or loaded again from its own notification")]
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
