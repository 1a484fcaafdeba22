//! Where the mock DLLs are: beside the program, or in the folder `SSPCACHE_HOME`, as `cargo xtask dist` lays them out.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::ExecError;
use crate::{
    cli::Mock,
    inspect::{Format, format_of},
};

/// The mock DLLs that were found.
#[derive(Debug)]
pub(crate) struct Mocks {
    /// The folder of those that this system's own loader takes.
    pub(crate) native: PathBuf,
    /// On Unix, the folder for those that Wine takes. They may be missing from it: see [`Self::has_windows`].
    pub(crate) windows: PathBuf,
}

impl Mocks {
    /// Looks for the mock DLLs.
    pub(crate) fn find() -> Result<Self, ExecError> {
        let home = env::var_os("SSPCACHE_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let from_variable = home.is_some();
        let native = match home {
            Some(home) => home,
            None => program_folder()?,
        };
        let native = super::absolute(&native)?;
        for mock in MOCKS {
            let path = native.join(mock.file_name());
            if !path.is_file() {
                return Err(ExecError::NoMocks { folder: native, from_variable });
            }
            let found = format_of(&path).unwrap_or(Format::NATIVE);
            if found != Format::NATIVE {
                return Err(ExecError::WrongFormat { path, found, wanted: Format::NATIVE });
            }
        }
        let windows = if cfg!(windows) { native.clone() } else { native.join("windows") };
        Ok(Self { native, windows })
    }

    /// Whether there are mocks for Windows programs.
    pub(crate) fn has_windows(&self) -> bool {
        MOCKS.iter().all(|mock| self.windows.join(mock.file_name()).is_file())
    }

    /// The folder of what Wine lacks, to be searched after the mocks; it is there where the mocks for Windows are.
    pub(crate) fn wine_shim(&self) -> PathBuf {
        self.windows.join("wine")
    }
}

pub(crate) const MOCKS: [Mock; 2] = [Mock::Msnsspc, Mock::Msapsspc];

fn program_folder() -> Result<PathBuf, ExecError> {
    let program = env::current_exe()?;
    // Beside the program itself, wherever it is linked to from.
    let program = program.canonicalize().unwrap_or(program);
    Ok(program.parent().map(Path::to_owned).unwrap_or_default())
}

/// The message for missing mocks: where they were looked for, and how to get them.
pub(crate) fn not_found(folder: &Path, from_variable: bool) -> String {
    let looked = if from_variable {
        format!(
            "SSPCACHE_HOME names the folder {}, and MSNSSPC.dll and MSAPSSPC.dll are not in it",
            folder.display()
        )
    } else {
        format!(
            "MSNSSPC.dll and MSAPSSPC.dll are not beside this program, in {}, and SSPCACHE_HOME names no other folder",
            folder.display()
        )
    };
    format!(
        "the mock DLLs are missing: {looked}. Build them with `cargo xtask dist`, then run the program in dist/<TRIPLE>/ \
         or set SSPCACHE_HOME to that folder"
    )
}
