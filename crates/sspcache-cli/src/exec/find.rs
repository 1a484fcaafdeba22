//! Finds the mock DLLs: in the folder `SSPCACHE_HOME`, beside the program, both as `cargo xtask dist` lays them out, or inside the
//! program. On Unix packages have only the system's own beside the program: those for Windows programs are then taken from inside.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::{ExecError, carried};
use crate::{
    cli::Mock,
    inspect::{Format, format_of},
};

/// The folders of the mock DLLs.
#[derive(Debug)]
pub(crate) struct Mocks {
    /// The folder of the mocks for this system's own loader.
    pub(crate) native: PathBuf,
    /// On Unix, the folder of the mocks for Wine, which may be missing: see [`Self::has_windows`].
    pub(crate) windows: PathBuf,
    /// Removes them at the end.
    _temporary: Option<TempDir>,
}

impl Mocks {
    /// Finds the mock DLLs.
    pub(crate) fn find() -> Result<Self, ExecError> {
        if let Some(home) = env::var_os("SSPCACHE_HOME").filter(|home| !home.is_empty()) {
            return Self::in_folder(&PathBuf::from(home), true);
        }
        // Also where the system doesn't say where the program is.
        let beside = program_folder().and_then(|folder| Self::in_folder(&folder, false));
        if beside.as_ref().is_ok_and(Self::has_windows) {
            return beside;
        }
        let Some(placed) = carried::place()? else { return beside };
        let carried = Self::new(placed.folder, placed.temporary);
        Ok(match beside {
            Ok(beside) => Self { native: beside.native, ..carried },
            Err(_) => carried,
        })
    }

    fn in_folder(folder: &Path, from_variable: bool) -> Result<Self, ExecError> {
        let native = super::absolute(folder)?;
        // Windows' own secur32.dll comes first wherever this one lies.
        let secur32 = (!cfg!(windows)).then_some(SECUR32);
        for name in MOCKS.iter().map(|mock| mock.file_name()).chain(secur32) {
            let path = native.join(name);
            if !path.is_file() {
                return Err(ExecError::NoMocks { folder: native, from_variable });
            }
            let found = format_of(&path).unwrap_or(Format::NATIVE);
            if found != Format::NATIVE {
                return Err(ExecError::WrongFormat { path, found, wanted: Format::NATIVE });
            }
        }
        Ok(Self::new(native, None))
    }

    fn new(native: PathBuf, temporary: Option<TempDir>) -> Self {
        let windows = if cfg!(windows) { native.clone() } else { native.join("windows") };
        Self { native, windows, _temporary: temporary }
    }

    /// Whether the mocks for Windows programs are there, by each name that programs know.
    pub(crate) fn has_windows(&self) -> bool {
        let names = MOCKS.iter().map(|mock| mock.file_name()).chain([SECUR32]);
        names.map(|name| self.windows.join(name)).all(|file| file.is_file())
    }

    /// The folder of the mocks for 32-bit Windows programs, which may be missing.
    pub(crate) fn windows_32(&self) -> PathBuf {
        self.windows.join("x86")
    }

    /// The folder of DLLs that Wine lacks, which the loader has to search after the mocks. It lies beside the mocks for
    /// Windows.
    pub(crate) fn wine_shim(&self) -> PathBuf {
        self.windows.join("wine")
    }
}

/// The file of a command, as a shell finds it.
pub(crate) fn program(program: &OsStr) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        return Some(program.into());
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The mock under the name of Windows' own DLL, to which programs are linked.
pub(crate) const SECUR32: &str = "secur32.dll";

pub(crate) const MOCKS: [Mock; 2] = [Mock::Msnsspc, Mock::Msapsspc];

fn program_folder() -> Result<PathBuf, ExecError> {
    let program = env::current_exe()?;
    // The folder of the program itself, not that of a link to it.
    let program = program.canonicalize().unwrap_or(program);
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}

/// The message for missing mocks: where `exec` searched, and how to get them.
pub(crate) fn not_found(folder: &Path, from_variable: bool) -> String {
    let mocks = if cfg!(windows) {
        "MSNSSPC.dll and MSAPSSPC.dll"
    } else {
        "MSNSSPC.dll, MSAPSSPC.dll and secur32.dll"
    };
    let looked = if from_variable {
        format!("SSPCACHE_HOME names {}, and {mocks} are not in that folder", folder.display())
    } else {
        format!(
            "this program carries none, {mocks} are not beside it, in {}, and SSPCACHE_HOME is not set",
            folder.display()
        )
    };
    format!("the mock DLLs are missing: {looked}. {HOW_TO_GET_THEM}")
}

/// For whom has no Rust, too: there is nothing to build.
pub(super) const HOW_TO_GET_THEM: &str = "Install a release, which has them: `pip install sspcache` or \
     `cargo binstall sspcache-cli`; or set SSPCACHE_HOME to the folder of one";
