//! Commands that are Windows programs, which Wine runs on Unix.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use super::{
    ExecError,
    find::{MOCKS, Mocks},
};
use crate::inspect::{Format, format_of};

/// A command that Wine runs.
#[derive(Debug)]
pub(crate) struct Wine {
    /// The program `wine`.
    pub(crate) program: OsString,
    /// The prefix: the folder in which Wine keeps drives and registry.
    pub(crate) prefix: PathBuf,
    /// The folder of the Windows program, which its loader searches first.
    program_folder: PathBuf,
}

impl Wine {
    /// The command as one that Wine runs: `wine app.exe`, or `app.exe` where the kernel starts Wine for it.
    pub(crate) fn of(command: &[OsString]) -> Option<Self> {
        if cfg!(windows) {
            return None;
        }
        let (program, arguments) = command.split_first()?;
        let name = Path::new(program).file_name()?.to_string_lossy();
        let (wine, app) = if name == "wine" || name == "wine64" || name.starts_with("wine-") {
            (program.clone(), arguments.first().map(OsString::as_os_str).unwrap_or_default())
        } else if is_exe(Path::new(program)) {
            ("wine".into(), program.as_os_str())
        } else {
            return None;
        };
        let prefix = env::var_os("WINEPREFIX").filter(|prefix| !prefix.is_empty()).map(PathBuf::from);
        let prefix = prefix.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".wine"));
        let program_folder = Path::new(app).parent().map(Path::to_owned).unwrap_or_default();
        Some(Self { program: wine, prefix, program_folder })
    }

    /// Checks that Wine will find the mocks for Windows, and before them no file at which it stops.
    pub(crate) fn check(&self, mocks: &Mocks) -> Result<(), ExecError> {
        if !mocks.has_windows() {
            return Err(ExecError::NoWindowsMocks { folder: mocks.windows.clone() });
        }
        for folder in self.searched_first() {
            for path in files_named_like_mocks(&folder) {
                let found = format_of(&path);
                if found != Some(Format::Pe) {
                    return Err(ExecError::InTheWayOfWine { path, found });
                }
            }
        }
        Ok(())
    }

    /// A path as a Windows program writes it, on the drive that the prefix maps to it.
    pub(crate) fn dos_path(&self, path: &Path) -> OsString {
        let mapped = self.drives().into_iter().filter_map(|(drive, root)| {
            let rest = path.strip_prefix(&root).ok()?;
            Some((root.components().count(), format!("{drive}\\{}", rest.display()).replace('/', "\\")))
        });
        // The drive with the longest matching root. A new prefix has Z: for `/`.
        let closest = mapped.max_by_key(|&(depth, _)| depth).map(|(_, path)| path);
        closest.unwrap_or_else(|| format!("Z:{}", path.display()).replace('/', "\\")).into()
    }

    /// The folders that Wine searches before those at the beginning of `WINEPATH`, or that a program may put before
    /// them.
    fn searched_first(&self) -> Vec<PathBuf> {
        [&self.program_folder, Path::new(".")].into_iter().map(|folder| Path::new(".").join(folder)).collect()
    }

    fn drives(&self) -> Vec<(String, PathBuf)> {
        let Ok(entries) = fs::read_dir(self.prefix.join("dosdevices")) else { return Vec::new() };
        let drive = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            // `c:` is a drive, `c::` the device behind it.
            let is_drive = name.len() == 2 && name.ends_with(':');
            is_drive.then(|| Some((name.to_uppercase(), entry.path().canonicalize().ok()?)))?
        };
        entries.flatten().filter_map(drive).collect()
    }
}

/// The files with a mock's name in any case: Wine ignores case.
fn files_named_like_mocks(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let is_named_so = |path: &PathBuf| {
        MOCKS
            .iter()
            .any(|mock| path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(mock.file_name())))
    };
    entries.flatten().map(|entry| entry.path()).filter(is_named_so).collect()
}

fn is_exe(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(OsStr::new("exe")))
}
