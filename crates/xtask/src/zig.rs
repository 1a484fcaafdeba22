//! Zig as C compiler and linker, for any target on any host.

use std::env::consts::EXE_EXTENSION;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xshell::{Cmd, cmd};

use crate::workspace::Workspace;

/// Makes `build`, a cargo command, link with Zig for one of Rust's `…-windows-gnullvm` targets, and compile what C there is in
/// dependencies of the program.
pub(crate) fn link_with<'a>(workspace: &Workspace, triple: &str, build: Cmd<'a>) -> Result<Cmd<'a>> {
    let variable = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase().replace('-', "_"));
    let compiler = format!("CC_{}", triple.replace('-', "_"));
    let script = workspace.root.join("crates/xtask/link-with-zig.sh");
    Ok(build
        .env(variable, &script)
        .env(compiler, &script)
        .env("SSPCACHE_ZIG_TARGET", target(triple)?)
        .env("SSPCACHE_ZIG", program(workspace)?)
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache")))
}

/// Makes a cargo command that doesn't link compile with Zig what C there is in dependencies, for a target of MSVC. Where there is a compiler
/// of its own, on Windows, it is that one.
pub(crate) fn compile_with<'a>(workspace: &Workspace, triple: &str, check: Cmd<'a>) -> Result<Cmd<'a>> {
    if cfg!(windows) {
        return Ok(check);
    }
    let of_target = |variable: &str| format!("{variable}_{}", triple.replace('-', "_"));
    Ok(check
        .env(of_target("CC"), workspace.root.join("crates/xtask/link-with-zig.sh"))
        .env(of_target("AR"), workspace.root.join("crates/xtask/archive-with-zig.sh"))
        .env("SSPCACHE_ZIG_TARGET", target(triple)?)
        .env("SSPCACHE_ZIG", program(workspace)?)
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache")))
}

/// Begins a cargo command that links with Zig for Linux or macOS: cargo-zigbuild's.
///
/// It takes a target with the version of glibc behind it.
pub(crate) fn build<'a>(workspace: &'a Workspace, command: &str) -> Result<Cmd<'a>> {
    let build = workspace.cargo_of(workspace.tool_programs().join("cargo-zigbuild"), command);
    Ok(build
        .env("CARGO_ZIGBUILD_ZIG_PATH", program(workspace)?)
        .env("CARGO_ZIGBUILD_CACHE_DIR", workspace.tools.join("zigbuild-cache"))
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache")))
}

/// Builds a C program for Linux, dynamically linked; Zig's name for a target may end in a version of glibc.
///
/// Without optimization Zig would add a runtime that needs a newer musl.
pub(crate) fn build_program(workspace: &Workspace, target: &str, source: &str, to: &Path) -> Result<()> {
    let (shell, zig) = (&workspace.shell, program(workspace)?);
    Ok(cmd!(shell, "{zig} cc -O2 -target {target} -dynamic -o {to} {source} -ldl")
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache"))
        .quiet()
        .run()?)
}

/// Builds the stand-in for Wine's missing DLL: see `shim/`.
pub(crate) fn build_shim(workspace: &Workspace, triple: &str, to: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let (zig, target) = (program(workspace)?, target(triple)?);
    let sources = ["bcryptprimitives.c", "bcryptprimitives.def"]
        .map(|file| workspace.root.join("crates/xtask/shim").join(file));
    shell.create_dir(to.parent().context("the shim's path has no folder")?)?;
    cmd!(shell, "{zig} cc -target {target} -shared -Os -s -nostdlib -o {to} {sources...} -ladvapi32")
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache"))
        .quiet()
        .run()?;
    // Zig writes an import library beside the DLL, which nothing links to.
    Ok(shell.remove_path(to.with_extension("lib"))?)
}

/// Builds a DLL without code, each of whose exports is another DLL's of the same name.
pub(crate) fn build_forwarder(
    workspace: &Workspace,
    triple: &str,
    exports: &str,
    other: &str,
    to: &Path,
) -> Result<()> {
    let shell = &workspace.shell;
    let (zig, target) = (program(workspace)?, target(triple)?);
    let (list, source) = (to.with_extension("def"), workspace.root.join("crates/xtask/shim/forwarder.c"));
    let forwards: Vec<_> = exports.lines().map(|name| format!("    {name} = {other}.{name}\n")).collect();
    shell.create_dir(to.parent().context("the DLL's path has no folder")?)?;
    shell.write_file(&list, format!("EXPORTS\n{}", forwards.concat()))?;
    cmd!(shell, "{zig} cc -target {target} -shared -Os -s -nostdlib -o {to} {source} {list}")
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache"))
        .quiet()
        .run()?;
    Ok(shell.remove_path(to.with_extension("lib"))?)
}

/// Zig's name for a target of Windows.
fn target(triple: &str) -> Result<String> {
    let (machine, _) = triple.split_once('-').context("a target triple has dashes")?;
    Ok(format!("{}-windows-gnu", if machine == "i686" { "x86" } else { machine }))
}

/// The Zig toolchain's program.
fn program(workspace: &Workspace) -> Result<PathBuf> {
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
    let zig = libraries.unwrap_or_default().join("site-packages/ziglang/zig").with_extension(EXE_EXTENSION);
    ensure!(zig.is_file(), "{} is missing: run `cargo xtask setup`", zig.display());
    Ok(zig)
}
