//! The command's environment: where the mock DLLs are, their configuration, and where they write their journals.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    ExecError,
    find::Mocks,
    names::Names,
    wine::{Session, Wine},
};
use crate::{cli::Mock, output::message};

/// Variables to set for the command, on top of the inherited environment.
#[derive(Debug)]
pub(crate) struct Environment(Vec<(&'static str, OsString)>);

impl Environment {
    /// Puts the folder of each kind of mock on the search path of the command's loader.
    #[allow(clippy::too_many_arguments, reason = "each is a variable or decides about one")]
    pub(crate) fn new(
        mocks: &Mocks,
        names: &Names,
        wine: Option<&Wine>,
        session: Option<&Session<'_>>,
        journal: &Path,
        config: Option<&Path>,
        frames: u8,
        trace: &'static str,
        preload: Option<Mock>,
        records: bool,
    ) -> Result<Self, ExecError> {
        let mut variables = Vec::new();
        // Also no: another run's may be inherited.
        variables.push(("SSPCACHE_RECORDING", if records { "1" } else { "" }.into()));
        if records {
            // No mock is to be found. Wine 8 lacks what secur32.dll needs.
            if cfg!(not(windows)) {
                let shims = [mocks.wine_shim(), mocks.windows_32().join("wine")];
                let shims = shims.each_ref().map(PathBuf::as_path);
                variables.push(("WINEPATH", before("WINEPATH", b';', &shims)?));
            }
        } else if cfg!(windows) {
            variables.push(("PATH", before("PATH", PATH_SEPARATOR, &[&mocks.native, &mocks.wine_shim()])?));
        } else {
            let folders: Vec<_> = names.folder().into_iter().chain([mocks.native.as_path()]).collect();
            for variable in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
                variables.push((variable, before(variable, PATH_SEPARATOR, &folders)?));
            }
            if mocks.has_windows() {
                // Wine takes Unix paths in WINEPATH, and puts them before the PATH of its programs.
                // Of two DLLs of one name it takes the one for the program's machine (seen under Wine 10).
                let [shim, x86, x86_shim] =
                    [mocks.wine_shim(), mocks.windows_32(), mocks.windows_32().join("wine")];
                let folders = [mocks.windows.as_path(), &x86, &shim, &x86_shim];
                variables.push(("WINEPATH", before("WINEPATH", b';', &folders)?));
            }
        }
        // The command uses it as an absolute path, which needs a drive letter in a Windows program.
        let dll_dir = match wine {
            Some(wine) if wine.is_32_bit() => wine.dos_path(&mocks.windows_32()),
            Some(wine) if wine.is_command() => wine.dos_path(&mocks.windows),
            _ => mocks.native.as_os_str().to_owned(),
        };
        if !records {
            variables.push(("SSPCACHE_DLL_DIR", dll_dir));
        }
        // Windows programs under Wine find these two Unix paths from any current drive (seen under Wine 8), so one
        // value serves both the native and the Windows programs among the command's children.
        variables.push(("SSPCACHE_JOURNAL", journal.as_os_str().to_owned()));
        // Also none, and off: another one may be inherited.
        variables.push(("SSPCACHE_STACK", frames.to_string().into()));
        variables.push(("SSPCACHE_TRACE", trace.into()));
        if let Some(config) = config {
            variables.push(("SSPCACHE_CONFIG", config.as_os_str().to_owned()));
        }
        variables.extend(session.into_iter().flat_map(Session::variables));
        if let Some(mock) = preload {
            variables.push(preloaded(&mocks.native.join(mock.file_name()))?);
        }
        Ok(Self(variables))
    }

    /// Adds variables.
    #[cfg(feature = "serve")]
    pub(crate) fn add(&mut self, variables: Vec<(&'static str, OsString)>) {
        self.0.extend(variables);
    }

    /// Has programs find the mocks' variables that are started without them: Windows programs in the session's prefix; and on Linux
    /// those of which this process is an ancestor, as long as the file is open.
    pub(crate) fn announce(&self, session: Option<&Session<'_>>) -> io::Result<Announced> {
        let variables = self.0.iter().filter(|(name, _)| name.starts_with("SSPCACHE_"));
        let text: Vec<u8> = variables
            .flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_encoded_bytes(), b"\0"].concat())
            .collect();
        if let Some(session) = session {
            session.announce(&text)?;
        }
        let file = announced(&text).unwrap_or_else(|error| {
            // A sandbox may refuse it.
            message(format_args!(
                "programs that are started with an environment of their own are not seen: {error}"
            ));
            None
        });
        Ok(Announced { _file: file })
    }

    pub(crate) fn apply(&self, command: &mut Command) {
        command.envs(self.0.iter().map(|(name, value)| (name, value)));
    }
}

/// What makes programs find the mocks' variables, until it is dropped.
#[derive(Debug)]
pub(crate) struct Announced {
    _file: Option<fs::File>,
}

/// A file in memory. It has no path, and ends with this process. Only Linux has such files.
#[cfg(target_os = "linux")]
fn announced(text: &[u8]) -> io::Result<Option<fs::File>> {
    use rustix::fs::{MemfdFlags, memfd_create};

    let mut file: fs::File = memfd_create("sspcache-run", MemfdFlags::CLOEXEC)?.into();
    io::Write::write_all(&mut file, text)?;
    Ok(Some(file))
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the signature on Linux")]
fn announced(_text: &[u8]) -> io::Result<Option<fs::File>> {
    Ok(None)
}

/// The variable with the libraries that a program loads before its own.
pub(crate) const PRELOAD: &str =
    if cfg!(target_vendor = "apple") { "DYLD_INSERT_LIBRARIES" } else { "LD_PRELOAD" };

const PATH_SEPARATOR: u8 = if cfg!(windows) { b';' } else { b':' };

/// A variable's list with these folders before those that it has already.
fn before(variable: &'static str, separator: u8, folders: &[&Path]) -> Result<OsString, ExecError> {
    let mut list = list_of(variable, separator, folders)?;
    if let Some(inherited) = inherited(variable) {
        push(&mut list, separator, &inherited);
    }
    Ok(list)
}

/// A variable's list with this file behind those that it has already.
fn behind(variable: &'static str, separator: u8, file: &Path) -> Result<OsString, ExecError> {
    let mut list = inherited(variable).unwrap_or_default();
    push(&mut list, separator, &list_of(variable, separator, &[file])?);
    Ok(list)
}

fn inherited(variable: &str) -> Option<OsString> {
    env::var_os(variable).filter(|inherited| !inherited.is_empty())
}

fn list_of(variable: &'static str, separator: u8, folders: &[&Path]) -> Result<OsString, ExecError> {
    let mut list = OsString::new();
    for folder in folders {
        if folder.as_os_str().as_encoded_bytes().contains(&separator) {
            return Err(ExecError::PathList { variable, folder: (*folder).to_owned() });
        }
        push(&mut list, separator, folder.as_os_str());
    }
    Ok(list)
}

fn push(list: &mut OsString, separator: u8, part: &OsStr) {
    if !list.is_empty() {
        list.push(char::from(separator).to_string());
    }
    list.push(part);
}

/// Behind what is preloaded already: a sanitizer's runtime has to come first, and says so.
fn preloaded(mock: &Path) -> Result<(&'static str, OsString), ExecError> {
    // The dynamic linker of Linux splits LD_PRELOAD at blanks as well.
    if mock.as_os_str().as_encoded_bytes().contains(&b' ') {
        return Err(ExecError::PathList { variable: PRELOAD, folder: mock.to_owned() });
    }
    Ok((PRELOAD, behind(PRELOAD, PATH_SEPARATOR, mock)?))
}
