//! The user's Wine prefix: where it is, what kind it is, and making it where there is none yet.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    super::{
        ExecError,
        find::{Mocks, SECUR32},
        signals::Signals,
    },
    server::Server,
};

/// Whether Wine has made the prefix.
pub(crate) fn exists(prefix: &Path) -> bool {
    prefix.join("system.reg").is_file() && prefix.join("drive_c/windows/system32").is_dir()
}

/// A folder of a prefix's DLLs in which a file of ours takes the place of Wine's.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    /// `system32` or `syswow64`.
    pub(crate) folder: &'static str,
    /// Our `secur32.dll` for the programs that use this folder.
    pub(crate) file: PathBuf,
    /// The DLLs that it needs and some versions of Wine lack.
    pub(crate) beside: Vec<PathBuf>,
}

/// What is replaced in a prefix: for 64-bit programs, for 32-bit programs, as far as there are mocks for them.
pub(crate) fn replacements(prefix: &Path, mocks: &Mocks) -> io::Result<Vec<Replacement>> {
    let folders: &[_] = if is_32_bit(prefix)? {
        &[("system32", mocks.windows_32())]
    } else {
        &[("system32", mocks.windows.clone()), ("syswow64", mocks.windows_32())]
    };
    let mut replacements = Vec::new();
    for (folder, mocks) in folders {
        let file = mocks.join(SECUR32);
        if file.is_file() && prefix.join("drive_c/windows").join(folder).is_dir() {
            let lacking = fs::read_dir(mocks.join("wine")).into_iter().flatten().flatten();
            let beside = lacking.map(|entry| entry.path()).collect();
            replacements.push(Replacement { folder, file, beside });
        }
    }
    Ok(replacements)
}

/// Whether a prefix is one for 32-bit programs alone. Its registry says so, near the top.
fn is_32_bit(prefix: &Path) -> io::Result<bool> {
    let registry = BufReader::new(File::open(prefix.join("system.reg"))?);
    let lines = registry.take(4096).lines();
    Ok(lines.map_while(Result::ok).any(|line| line.trim() == "#arch=win32"))
}

/// Has Wine make the prefix, unless it is there, as it would for the first program that it runs in it. One run of
/// sspcache does, and others that need the same prefix wait for it.
pub(crate) fn make(
    prefix: &Path,
    wine: &OsStr,
    server: &Server,
    signals: &mut Signals,
) -> Result<(), ExecError> {
    if exists(prefix) {
        return Ok(());
    }
    // Wine makes the folder itself, and not those above it: its message says so.
    let above = prefix.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    // The folder itself is locked, so that nothing has to be written. Some network file systems can't; two runs at once
    // then do as two programs that are started at once do.
    let lock = File::open(above).map_err(|source| ExecError::Path { path: above.to_owned(), source })?;
    let _ = lock.lock();
    if exists(prefix) {
        return Ok(());
    }
    let mut said = tempfile::tempfile()?;
    let mut boot = Command::new(wine);
    boot.args(["wineboot", "--init"]).env("WINEPREFIX", prefix);
    boot.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
    let mut boot = match boot.spawn() {
        // The command's own start says it better.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        boot => boot.map_err(|error| ExecError::no_prefix(prefix, error))?,
    };
    let status = signals.wait(&mut boot)?;
    if signals.interrupted().is_some() {
        server.end(prefix);
        return Ok(());
    }
    // The server writes the registry when the last program has gone.
    server.wait(prefix, signals)?;
    if status.success() && exists(prefix) {
        return Ok(());
    }
    let mut text = String::new();
    said.rewind()?;
    let _ = said.read_to_string(&mut text);
    let last: Vec<_> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    Err(ExecError::no_prefix(prefix, format!("`wineboot --init` ended with {status}: {}", last.join("; "))))
}
