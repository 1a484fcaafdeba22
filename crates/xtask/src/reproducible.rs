//! Whether what ships comes out the same, byte for byte, when its sources lie elsewhere and nothing was built before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use xshell::cmd;

use crate::dist;
use crate::workspace::Workspace;

/// Builds the mock DLLs twice, for this system and for Windows, and compares them.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    twice(workspace, dist::mocks)
}

/// Builds the whole distribution twice and compares all of its files.
pub(crate) fn run_all(workspace: &Workspace) -> Result<()> {
    twice(workspace, |workspace| dist::run(workspace, &dist::Options::default()))
}

/// Builds something here, and from a copy of this checkout's files, in a folder of another length, with nothing that was
/// built before.
fn twice(workspace: &Workspace, build: impl Fn(&Workspace) -> Result<PathBuf>) -> Result<()> {
    let here = files(&build(workspace)?)?;
    let elsewhere = copy(workspace)?;
    let there = files(&build(&elsewhere)?)?;
    compare(&here, &there)?;
    println!("{} files are the same", here.len());
    // It is as large as the build here, and of no more use.
    Ok(workspace.shell.remove_path(&elsewhere.root)?)
}

/// The files of this checkout, elsewhere. The tools are the same: only what they build is in question.
fn copy(workspace: &Workspace) -> Result<Workspace> {
    let root = workspace.target.join("xtask/built elsewhere/once more");
    let shell = &workspace.shell;
    shell.remove_path(&root)?;
    let list = cmd!(shell, "git ls-files -z --cached --others --exclude-standard").quiet().read()?;
    for file in list.split_terminator('\0').filter(|file| workspace.root.join(file).is_file()) {
        let to = root.join(file);
        shell.create_dir(to.parent().unwrap_or(&root))?;
        fs::copy(workspace.root.join(file), to).with_context(|| format!("can't copy {file}"))?;
    }
    let target = root.join("target");
    workspace.at(root, target)
}

type Files = BTreeMap<String, Vec<u8>>;

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> Result<Files> {
    fn collect(folder: &Path, at: &Path, files: &mut Files) -> Result<()> {
        for entry in fs::read_dir(at).with_context(|| format!("can't read {}", at.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                collect(folder, &path, files)?;
            } else {
                let name = path.strip_prefix(folder)?.display().to_string();
                files.insert(name, fs::read(&path)?);
            }
        }
        Ok(())
    }
    let mut files = Files::new();
    collect(folder, folder, &mut files)?;
    Ok(files)
}

/// Says which files differ, and from which byte on.
fn compare(here: &Files, there: &Files) -> Result<()> {
    ensure!(!here.is_empty(), "nothing was built");
    let names: std::collections::BTreeSet<_> = here.keys().chain(there.keys()).collect();
    let differences: Vec<_> = names
        .into_iter()
        .filter_map(|name| match (here.get(name), there.get(name)) {
            (Some(one), Some(other)) if one == other => None,
            (Some(one), Some(other)) => {
                let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
                Some(format!("{name} ({} and {} bytes) from byte {at} on", one.len(), other.len()))
            }
            _ => Some(format!("{name} was built only once")),
        })
        .collect();
    if differences.is_empty() {
        return Ok(());
    }
    bail!("two builds differ: {}", differences.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_with_its_place() {
        let built = |files: &[(&str, &str)]| -> Files {
            files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
        };
        let here = built(&[("a", "1234"), ("b", "12")]);
        compare(&here, &here).expect("the same");
        for (there, named) in [
            (built(&[("a", "1234"), ("b", "1x")]), "b (2 and 2 bytes) from byte 1 on"),
            (built(&[("a", "123"), ("b", "12")]), "a (4 and 3 bytes) from byte 3 on"),
            (built(&[("a", "1234")]), "b was built only once"),
            (built(&[("a", "1234"), ("b", "12"), ("c", "")]), "c was built only once"),
        ] {
            let error = compare(&here, &there).expect_err("different").to_string();
            assert!(error.contains(named), "{error}");
        }
        assert!(compare(&built(&[]), &built(&[])).is_err(), "nothing proves nothing");
    }

    #[test]
    fn files_are_found_in_folders_below() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        fs::create_dir(folder.path().join("below")).expect("created");
        fs::write(folder.path().join("below/a"), "1").expect("written");
        let found = files(folder.path()).expect("read");
        assert_eq!(found.values().collect::<Vec<_>>(), [b"1"]);
    }
}
