//! Wheels: the Python package of `packaging/python` with the program and the mocks of a target.
//!
//! hatchling builds them, by a hook of the package's own (`hatch_build.py`) that adds the files and the tag of the platform: the metadata
//! of `pyproject.toml` is checked by a backend that PyPI's other users keep well, and what is written is the same each time.

use std::path::Path;

use anyhow::Result;
use xshell::cmd;

use super::Target;
use crate::workspace::Workspace;

pub(super) fn build(workspace: &Workspace, targets: &[Target], folder: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let python = workspace.tool_programs().join("python");
    let _inside = shell.push_dir("packaging/python");
    for Target { folder: dist, .. } in targets {
        cmd!(shell, "{python} -m hatchling build --target wheel --directory {folder}")
            .env("SSPCACHE_DIST", dist)
            .run()?;
    }
    Ok(())
}
