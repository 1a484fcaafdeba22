//! `cargo xtask setup`: installs what the steps of `cargo xtask test` need where that is possible, and says how elsewhere.
//!
//! `test` only checks. Each part looks first whether it is there, so a second run takes a moment.

use std::collections::BTreeSet;
use std::env::consts::{EXE_EXTENSION, EXE_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::workspace::{Workspace, is_on_path};
use crate::{Arguments, wine};

/// What a step needs, in the order in which it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Compilers and programs that tests run.
    Programs,
    /// Wine with a prefix of the project's own, and mingw.
    Wine,
    /// Targets and components of the Rust toolchain in use.
    Rust,
    /// Tools from PyPI, in a folder of the project's own.
    Tools,
    /// Miri's nightly toolchain, and the oldest toolchain that the libraries promise to work with.
    Toolchains,
}

/// A program or a shared library, Debian's packages that bring it, and Homebrew's formula.
type Program = (&'static str, &'static str, &'static str);

const ON_UNIX: &[Program] = &[
    ("cc", "gcc libc6-dev", "gcc"),
    ("c++", "g++", "gcc"),
    ("clang++", "clang", "llvm"),
    ("cmake", "cmake make", "cmake"),
    ("pkg-config", "pkg-config", "pkgconf"),
    ("python3", "python3 python3-venv", "python"),
];

const ON_LINUX: &[Program] =
    &[("gdb", "gdb", ""), ("valgrind", "valgrind libc6-dbg", ""), ("libwinpr2.so", "libwinpr2-dev", "")];

const FOR_WINE: &[Program] = &[
    ("wine", "wine wine64", "--cask wine-stable"),
    ("wineserver", "wine wine64", "--cask wine-stable"),
    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64 mingw-w64-x86-64-dev", "mingw-w64"),
    ("x86_64-w64-mingw32-g++", "g++-mingw-w64-x86-64", "mingw-w64"),
    ("i686-w64-mingw32-gcc", "gcc-mingw-w64-i686", "mingw-w64"),
];

const ON_WINDOWS: &[Program] = &[("python", "", "")];

/// What ships, what the tests run, what is type-checked.
const RUST_TARGETS: &[&str] = &[
    "x86_64-pc-windows-gnu",
    "x86_64-pc-windows-gnullvm",
    "x86_64-pc-windows-msvc",
    "i686-pc-windows-gnu",
    "i686-pc-windows-msvc",
    "aarch64-apple-darwin",
];

/// The tools from PyPI with their versions. They count as installed when a copy of this text lies beside them.
const PINNED: &str = include_str!("../requirements.txt");

/// Miri exists for nightly toolchains alone. It is one day's, so that the same sources are judged alike on every day.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// Checks that this machine has what some steps need.
pub(crate) fn require(workspace: &Workspace, needs: &[Need]) -> Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        missing.extend(need.missing(workspace)?);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let all = if needs.contains(&Need::Toolchains) { " --all" } else { "" };
    bail!("these are missing: {}; run `cargo xtask setup{all}`", missing.join(", "))
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut needs = vec![Need::Programs, Need::Wine, Need::Rust, Need::Tools, Need::Toolchains];
    needs.retain(|need| match need {
        Need::Wine => !cfg!(windows) && !arguments.has("without-wine"),
        Need::Toolchains => arguments.has("all"),
        _ => true,
    });
    if !arguments.has("check") {
        for need in &needs {
            need.install(workspace)?;
        }
    }
    require(workspace, &needs)?;
    println!("setup: complete");
    Ok(())
}

impl Need {
    /// The programs that belong to this.
    fn programs(self) -> Vec<&'static Program> {
        match self {
            Self::Programs if cfg!(windows) => ON_WINDOWS.iter().collect(),
            Self::Programs if cfg!(target_os = "linux") => ON_UNIX.iter().chain(ON_LINUX).collect(),
            Self::Programs => ON_UNIX.iter().collect(),
            Self::Wine => FOR_WINE.iter().collect(),
            Self::Rust | Self::Tools | Self::Toolchains => vec![],
        }
    }

    /// What this machine lacks, in words.
    fn missing(self, workspace: &Workspace) -> Result<Vec<String>> {
        let mut missing: Vec<_> =
            lacking(self.programs()).iter().map(|(name, ..)| (*name).to_owned()).collect();
        match self {
            Self::Wine if missing.is_empty() && !wine::is_ready(workspace) => {
                missing.push(format!("a Wine prefix in {}", workspace.wine_prefix.display()));
            }
            Self::Programs | Self::Wine => {}
            Self::Rust => {
                missing.extend(
                    lacking_in_rust(workspace)?.iter().map(|(kind, name)| format!("Rust {kind} {name}")),
                );
            }
            Self::Tools if has_tools(workspace) => {}
            Self::Tools => missing.push(format!("the tools from PyPI in {}", workspace.tools.display())),
            Self::Toolchains => missing.extend(
                lacking_toolchains(workspace)?.iter().map(|(name, _)| format!("Rust toolchain {name}")),
            ),
        }
        Ok(missing)
    }

    fn install(self, workspace: &Workspace) -> Result<()> {
        let shell = &workspace.shell;
        install_programs(workspace, &lacking(self.programs()))?;
        match self {
            Self::Programs => Ok(()),
            Self::Wine => wine::set_up(workspace),
            Self::Rust => lacking_in_rust(workspace)?.into_iter().try_for_each(|(kind, name)| {
                once_more(|| cmd!(shell, "rustup {kind} add {name}").run()).with_context(|| {
                    format!("without rustup, install your system's package of {name} for Rust")
                })
            }),
            Self::Tools if has_tools(workspace) => Ok(()),
            Self::Tools => install_tools(workspace),
            Self::Toolchains => {
                lacking_toolchains(workspace)?.into_iter().try_for_each(|(name, components)| {
                    let components = components.iter().flat_map(|name| ["--component", *name]);
                    let install =
                        cmd!(shell, "rustup toolchain install {name} --profile minimal {components...}");
                    once_more(|| install.run()).context("rustup is needed for other toolchains")
                })
            }
        }
    }
}

fn lacking(programs: Vec<&'static Program>) -> Vec<&'static Program> {
    programs.into_iter().filter(|(name, ..)| !is_on_path(name) && !has_library(name)).collect()
}

/// Whether the C compiler finds a shared library of this file name. It repeats the name of one that it doesn't find.
fn has_library(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "so")
        && Command::new("cc")
            .arg(format!("-print-file-name={name}"))
            .output()
            .is_ok_and(|output| output.stdout.starts_with(b"/"))
}

/// Installs programs as root on Debian and its kin, and says elsewhere what to install.
fn install_programs(workspace: &Workspace, missing: &[&Program]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let shell = &workspace.shell;
    let debian: BTreeSet<_> = missing.iter().flat_map(|(_, debian, _)| debian.split(' ')).collect();
    // `id` rather than a crate for one system call.
    let is_root = || cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id == "0");
    if !cfg!(target_os = "linux") || !is_on_path("apt-get") || !is_root() {
        bail!("{}", instructions(missing, &debian));
    }
    println!("setup: Debian packages: {debian:?}");
    let _environment = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
    once_more(|| {
        // A source that is not needed may be out of reach: whether the packages come decides.
        let _ = cmd!(shell, "apt-get update --quiet=2").run();
        cmd!(shell, "apt-get install --quiet=2 --yes --no-install-recommends").args(&debian).run()
    })?;
    Ok(())
}

fn instructions(missing: &[&Program], debian: &BTreeSet<&str>) -> String {
    let names: Vec<_> = missing.iter().map(|(name, ..)| *name).collect();
    let how = if cfg!(windows) {
        "winget install Python.Python.3.12".to_owned()
    } else if cfg!(target_os = "macos") {
        let formulae: BTreeSet<_> =
            missing.iter().map(|(.., formula)| format!("brew install {formula}")).collect();
        formulae.into_iter().collect::<Vec<_>>().join("\n  ")
    } else {
        let packages = debian.iter().copied().collect::<Vec<_>>().join(" ");
        format!(
            "sudo apt-get update && sudo apt-get install --yes {packages}\n\
             or, on another system than Debian and Ubuntu, its packages of these"
        )
    };
    format!("these programs or libraries are missing: {}. Install them:\n  {how}", names.join(", "))
}

/// Runs a command that fetches something, and runs it again if it fails: the server may answer then.
fn once_more(fetch: impl Fn() -> xshell::Result<()>) -> xshell::Result<()> {
    fetch().or_else(|error| {
        println!("setup: {error}; trying once more");
        fetch()
    })
}

/// What the Rust toolchain in use lacks, with rustup's name for its kind.
fn lacking_in_rust(workspace: &Workspace) -> Result<Vec<(&'static str, &'static str)>> {
    let sysroot = workspace.sysroot()?;
    let targets = RUST_TARGETS
        .iter()
        .filter(|target| !sysroot.join("lib/rustlib").join(target).join("lib").is_dir())
        .map(|target| ("target", *target));
    let components =
        ["clippy", "rustfmt", "rust-src"].into_iter().filter(|name| !has_component(&sysroot, name));
    Ok(targets.chain(components.map(|name| ("component", name))).collect())
}

fn has_component(sysroot: &Path, name: &str) -> bool {
    match name {
        "rust-src" => sysroot.join("lib/rustlib/src/rust/library").is_dir(),
        name => {
            let program = format!("cargo-{}{EXE_SUFFIX}", name.trim_start_matches("rust"));
            sysroot.join("bin").join(program).is_file()
        }
    }
}

/// The toolchains that this machine lacks, with the components that they need.
fn lacking_toolchains(workspace: &Workspace) -> Result<Vec<(String, &'static [&'static str])>> {
    let needed = [(NIGHTLY.to_owned(), &["miri", "rust-src"][..]), (oldest_rust(workspace)?, &[])];
    let is_lacking = |(name, components): &(String, &[&str])| {
        let shell = &workspace.shell;
        let sysroot = cmd!(shell, "rustup run {name} rustc --print sysroot").quiet().ignore_stderr().read();
        !sysroot.is_ok_and(|sysroot| components.iter().all(|name| has_component(Path::new(&sysroot), name)))
    };
    Ok(needed.into_iter().filter(is_lacking).collect())
}

/// The toolchain of the oldest Rust that the library `sspcache` promises to work with.
pub(crate) fn oldest_rust(workspace: &Workspace) -> Result<String> {
    let metadata = workspace.cargo("metadata --format-version 1 --no-deps").quiet().read()?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("cargo lists no packages")?;
    let package = packages.iter().find(|package| package["name"] == "sspcache");
    let version = package.and_then(|package| package["rust_version"].as_str()).context("no rust-version")?;
    Ok(if version.matches('.').count() == 1 { format!("{version}.0") } else { version.to_owned() })
}

fn install_tools(workspace: &Workspace) -> Result<()> {
    println!("setup: tools from PyPI into {}", workspace.tools.display());
    let shell = &workspace.shell;
    let tools = &workspace.tools;
    let python = if cfg!(windows) { "python" } else { "python3" };
    cmd!(shell, "{python} -m venv --clear {tools}")
        .run()
        .context("Python can't make virtual environments: on Debian or Ubuntu install python3-venv")?;
    let pip = tool(workspace, "python")?;
    let requirements = workspace.root.join("crates/xtask/requirements.txt");
    let install = cmd!(shell, "{pip} -m pip install --quiet --only-binary :all: -r {requirements}");
    once_more(|| install.run()).context("pip can't install the tools: is PyPI reachable from here?")?;
    Ok(fs::write(workspace.tools.join(STAMP), PINNED)?)
}

const STAMP: &str = "installed.txt";

fn has_tools(workspace: &Workspace) -> bool {
    fs::read_to_string(workspace.tools.join(STAMP)).is_ok_and(|installed| installed == PINNED)
}

/// The pinned version of a tool, by its package's name.
pub(crate) fn pinned(package: &str) -> Option<&'static str> {
    PINNED.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))
}

/// A program of the tools.
pub(crate) fn tool(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    existing(&workspace.tools.join(if cfg!(windows) { "Scripts" } else { "bin" }).join(name))
}

/// The Zig toolchain's program.
pub(crate) fn zig(workspace: &Workspace) -> Result<PathBuf> {
    let libraries = if cfg!(windows) {
        Some(workspace.tools.join("Lib"))
    } else {
        // The folder below is named after Python's version.
        workspace
            .shell
            .read_dir(workspace.tools.join("lib"))
            .ok()
            .and_then(|folders| folders.into_iter().next())
    };
    existing(&libraries.unwrap_or_default().join("site-packages/ziglang/zig"))
}

fn existing(program: &Path) -> Result<PathBuf> {
    let program = program.with_extension(EXE_EXTENSION);
    if program.is_file() {
        return Ok(program);
    }
    bail!("{} is missing: run `cargo xtask setup`", program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_is_where_the_c_compiler_looks() {
        assert!(has_library("libc.so"));
        assert!(!has_library("libnowhere.so"));
        assert!(!has_library("crt1.o"), "no shared library");
    }

    #[test]
    fn the_instructions_name_each_missing_program_and_each_package_once() {
        let debian = BTreeSet::from(["wine", "wine64"]);
        let text = instructions(&[&FOR_WINE[0], &FOR_WINE[1]], &debian);
        assert!(text.contains("wine, wineserver"), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains("apt-get install --yes wine wine64\n"), "{text}");
        }
    }

    #[test]
    fn every_tool_is_pinned_to_one_version() {
        let mut tools = PINNED.lines().filter(|line| !line.starts_with('#'));
        assert!(tools.all(|tool| tool.contains("==")), "{PINNED}");
        assert!(pinned("ziglang").is_some_and(|version| version.starts_with("0.")));
    }
}
