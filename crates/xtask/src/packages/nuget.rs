//! A package for .NET with the mocks of all targets, for P/Invoke. Python's library writes it, so that it needs no .NET.

use std::path::{Path, PathBuf};

use anyhow::Result;
use xshell::cmd;

use super::{Target, VERSION};
use crate::workspace::Workspace;

pub(super) fn build(workspace: &Workspace, targets: &[Target], folder: &Path) -> Result<()> {
    run(workspace, None, targets, folder)
}

/// Nothing here runs .NET: the package is read.
pub(super) fn check(workspace: &Workspace, targets: &[Target], folder: &Path) -> Result<()> {
    run(workspace, Some("--check"), targets, folder)
}

fn run(workspace: &Workspace, option: Option<&str>, targets: &[Target], folder: &Path) -> Result<()> {
    let (shell, python) = (&workspace.shell, workspace.tool_programs().join("python"));
    let package: PathBuf = folder.join(format!("sspcache.{VERSION}.nupkg"));
    let folders = targets.iter().map(|target| &target.folder);
    Ok(cmd!(shell, "{python} packaging/nuget/pack.py {option...} {package} {VERSION} {folders...}").run()?)
}
