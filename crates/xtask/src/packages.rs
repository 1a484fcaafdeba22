//! `cargo xtask packages`: packages for package managers, of what `cargo xtask dist` has built, in `dist/packages/`.
//!
//! | folder | what it has |
//! | --- | --- |
//! | `archives/` | the whole distribution of each target (see `archives`) |
//! | `python/` | a wheel for each target (see `python`) |
//! | `debian/` | a package for each target that Debian has (see `debian`) |
//! | `npm/` | a package without a program, and one for each target (see `npm`) |
//! | `nuget/` | one with the mocks of all targets, for P/Invoke (see `nuget`) |
//!
//! Each is made of `dist/<TRIPLE>/`, for the targets that are there. `--test` then installs those for this system in a fresh environment
//! and runs a client in it (see `check`).

mod archives;
mod check;
mod debian;
mod lint;
mod npm;
mod nuget;
mod python;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

pub(crate) use self::check::{Depth, check};
pub(crate) use self::lint::run as lint;
use crate::dist::{self, TARGETS};
use crate::workspace::Workspace;

/// The version of everything that is released: the workspace's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The distribution of one target.
pub(crate) struct Target {
    /// Its name.
    pub(crate) triple: &'static str,
    /// Its folder, `dist/<TRIPLE>`.
    pub(crate) folder: PathBuf,
}

impl Target {
    pub(crate) fn is_windows(&self) -> bool {
        self.triple.contains("-windows-")
    }

    /// The program and the mocks of its system, as paths in its folder: without the links to them, which no package has to have, what is
    /// for C, and on Unix the mocks for Windows programs, which the program carries. Its own system's are also for programs that load
    /// them by their paths, and on Windows the user copies those for 32-bit programs.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let mocks = dist::MOCKS.map(|(_, _, file)| file);
        let mut files: Vec<_> = [self.program()].into_iter().chain(mocks).map(PathBuf::from).collect();
        if self.is_windows() {
            files.push("sspicli.dll".into());
        }
        for folder in ["x86", "wine"] {
            files.extend(self.below(folder)?);
        }
        files.sort_unstable();
        Ok(files)
    }

    /// The bills of materials of these files and of what the program carries, but not of the libraries for C.
    pub(crate) fn bills(&self) -> Result<Vec<PathBuf>> {
        let mut bills = self.below("sbom")?;
        bills.retain(|bill| !bill.file_name().is_some_and(|name| name.to_string_lossy().starts_with("lib")));
        bills.sort_unstable();
        Ok(bills)
    }

    /// The files below one of its folders, as paths in its own.
    fn below(&self, folder: &str) -> Result<Vec<PathBuf>> {
        let (mut files, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
        while let Some(folder) = folders.pop().filter(|folder| self.folder.join(folder).is_dir()) {
            for entry in fs::read_dir(self.folder.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                if entry.file_type()?.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        Ok(files)
    }

    /// The file name of the program.
    pub(crate) fn program(&self) -> &'static str {
        if self.is_windows() { "sspcache.exe" } else { "sspcache" }
    }
}

/// The targets whose distributions are there.
pub(crate) fn targets(workspace: &Workspace) -> Vec<Target> {
    let dist = workspace.root.join("dist");
    let all = TARGETS.into_iter().map(|triple| Target { triple, folder: dist.join(triple) });
    all.filter(|target| target.folder.join(target.program()).is_file()).collect()
}

/// Builds the packages of all targets that are there, and returns their folder.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let targets = targets(workspace);
    ensure!(!targets.is_empty(), "dist/ has no distribution: `cargo xtask dist` builds this system's");
    let folder = workspace.root.join("dist/packages");
    workspace.shell.remove_path(&folder)?;
    archives::build(workspace, &targets, &made(workspace, &folder, "archives")?)?;
    python::build(workspace, &targets, &made(workspace, &folder, "python")?)?;
    debian::build(workspace, &targets, &made(workspace, &folder, "debian")?)?;
    npm::build(workspace, &targets, &made(workspace, &folder, "npm")?)?;
    nuget::build(workspace, &targets, &made(workspace, &folder, "nuget")?)?;
    Ok(folder)
}

/// A new folder.
fn made(workspace: &Workspace, folder: &Path, name: &str) -> Result<PathBuf> {
    let folder = folder.join(name);
    workspace.shell.create_dir(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The workspace's version is written once more for each dependency of our own on each other; packages take it from there.
    #[test]
    fn one_version_is_everywhere() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
        let ours: Vec<_> = manifest.lines().filter(|it| it.contains("{ path = \"crates/")).collect();
        let versions: Vec<_> = ours.iter().filter(|it| it.contains("version = ")).collect();
        assert!(versions.len() > 5, "{ours:?}");
        for dependency in versions {
            assert!(dependency.contains(&format!("version = \"{VERSION}\"")), "{dependency}");
        }
        let page = fs::read_to_string(root.join("docs/install.md")).expect("a page");
        let names =
            page.split(['`', ' ', '/']).filter(|word| word.starts_with("sspcache") && word.contains("0."));
        let names: Vec<_> = names.collect();
        assert!(names.len() > 1, "the page names files: {names:?}");
        assert!(names.iter().all(|name| name.contains(VERSION)), "{names:?}");
        let mut folders = vec![root.join("packaging")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path())
            {
                if entry.is_dir() {
                    folders.push(entry);
                } else if let Ok(text) = fs::read_to_string(&entry) {
                    assert!(!text.contains(VERSION), "{} writes the version itself", entry.display());
                }
            }
        }
    }
}
