//! `cargo xtask setup`: everything that the tests need, installed where that is possible, else named.
//!
//! Each part looks first whether it is done, so a second run changes nothing and takes a moment.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use lexopt::prelude::*;
use xshell::cmd;

use crate::workspace::{Workspace, find_program};
use crate::{python, requirements, wine};

/// Rust targets beside the host's: what ships, what the tests run, what is type-checked.
const RUST_TARGETS: &[&str] = &[
    "x86_64-pc-windows-gnu",
    "x86_64-pc-windows-gnullvm",
    "x86_64-pc-windows-msvc",
    "i686-pc-windows-gnu",
    "i686-pc-windows-msvc",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
];

/// Parts of the toolchain beside the compiler, which minimal installations leave out.
const RUST_COMPONENTS: &[&str] = &["clippy", "rustfmt", "rust-src"];

/// What was asked for.
pub(crate) struct Options {
    check: bool,
    with_wine: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &mut lexopt::Parser) -> Result<Self> {
        let mut options = Self { check: false, with_wine: !cfg!(windows) };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("check") => options.check = true,
                Long("without-wine") => options.with_wine = false,
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// What the tests ask for.
    pub(crate) fn for_tests(with_wine: bool) -> Self {
        Self { check: false, with_wine }
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.check {
        return check(workspace, options);
    }
    install_programs(options)?;
    complete_rust(workspace)?;
    python::set_up(workspace)?;
    if options.with_wine {
        wine::set_up(workspace)?;
    }
    println!("setup: complete");
    Ok(())
}

fn check(workspace: &Workspace, options: &Options) -> Result<()> {
    let programs = requirements::missing(options.with_wine);
    let mut todo = Vec::new();
    if !programs.is_empty() {
        todo.push(requirements::instructions(&programs));
    }
    for (kind, missing) in missing_in_rust(workspace)? {
        todo.push(format!("these Rust {kind}s are missing: {}", missing.join(" ")));
    }
    if !python::is_ready(workspace) {
        todo.push(format!("the tools from PyPI are missing in {}", workspace.tools.display()));
    }
    if options.with_wine && !wine::is_ready(workspace) {
        todo.push(format!("there is no complete Wine prefix in {}", workspace.wine_prefix.display()));
    }
    if todo.is_empty() {
        println!("setup: complete");
        return Ok(());
    }
    bail!("{}\n`cargo xtask setup` installs what it can", todo.join("\n"))
}

/// Installs the programs that are missing as root on Debian and its kin, and says what to install elsewhere.
fn install_programs(options: &Options) -> Result<()> {
    let missing = requirements::missing(options.with_wine);
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install_packages()? {
        bail!("{}", requirements::instructions(&missing));
    }
    let shell = xshell::Shell::new()?;
    let _environment = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
    let packages = &requirements::debian_packages(&missing);
    println!("setup: Debian packages: {}", packages.join(" "));
    let install = || {
        // A source that is not needed may be out of reach: whether the packages come decides.
        let _ = cmd!(shell, "apt-get update --quiet=2").run();
        cmd!(shell, "apt-get install --quiet=2 --yes --no-install-recommends {packages...}").run()
    };
    once_more(install)?;
    let missing = requirements::missing(options.with_wine);
    if !missing.is_empty() {
        bail!("after installing {}, {}", packages.join(" "), requirements::instructions(&missing));
    }
    Ok(())
}

/// Fetches something, and tries again if that fails: a server that doesn't answer once may answer then.
pub(crate) fn once_more(fetch: impl Fn() -> xshell::Result<()>) -> xshell::Result<()> {
    fetch().or_else(|error| {
        println!("setup: {error}; trying once more");
        fetch()
    })
}

fn may_install_packages() -> Result<bool> {
    if !cfg!(target_os = "linux") || find_program("apt-get").is_none() {
        return Ok(false);
    }
    // `id` rather than a crate for one system call.
    let shell = xshell::Shell::new()?;
    Ok(cmd!(shell, "id -u").quiet().read()? == "0")
}

/// Adds what the Rust toolchain lacks, through rustup.
fn complete_rust(workspace: &Workspace) -> Result<()> {
    for (kind, missing) in &missing_in_rust(workspace)? {
        println!("setup: Rust {kind}s: {}", missing.join(" "));
        let shell = &workspace.shell;
        let add = || cmd!(shell, "rustup {kind} add {missing...}").run();
        once_more(add).with_context(|| {
            format!(
                "rustup can't add them; without rustup, install your system's packages of these Rust {kind}s"
            )
        })?;
    }
    Ok(())
}

/// Adds the standard library's source, from which distributions build it.
pub(crate) fn add_rust_source(workspace: &Workspace) -> Result<()> {
    if has_rust_source(&workspace.sysroot()?) {
        return Ok(());
    }
    cmd!(workspace.shell, "rustup component add rust-src").run().context(
        "a distribution is built with a standard library of its own, which needs rustup's component rust-src",
    )
}

fn has_rust_source(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib/src/rust/library").is_dir()
}

/// What the Rust toolchain lacks, by rustup's name for its kind.
fn missing_in_rust(workspace: &Workspace) -> Result<Vec<(&'static str, Vec<&'static str>)>> {
    let sysroot = workspace.sysroot()?;
    let has_target = |triple: &&str| sysroot.join("lib/rustlib").join(triple).join("lib").is_dir();
    let has_component = |name: &&str| match *name {
        "rust-src" => has_rust_source(&sysroot),
        name => {
            let program = format!("cargo-{}{EXE_SUFFIX}", name.trim_start_matches("rust"));
            sysroot.join("bin").join(program).is_file()
        }
    };
    let targets: Vec<_> = RUST_TARGETS.iter().copied().filter(|triple| !has_target(triple)).collect();
    let components: Vec<_> = RUST_COMPONENTS.iter().copied().filter(|name| !has_component(name)).collect();
    Ok([("target", targets), ("component", components)].into_iter().filter(|(_, m)| !m.is_empty()).collect())
}
