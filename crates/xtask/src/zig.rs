//! Zig as C compiler and linker for Windows, on any host.
//!
//! rustc calls its linker by path, with no room for arguments before its own, and a few of those are not Zig's. So
//! this program itself is what rustc calls: with [`TARGET`] and [`PROGRAM`] in its environment it translates the
//! arguments and starts Zig.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use xshell::{Cmd, cmd};

use crate::setup;
use crate::workspace::Workspace;

/// Names Zig's target, and so makes this program a linker.
const TARGET: &str = "SSPCACHE_XTASK_LINKS_FOR";
/// Names Zig's program.
const PROGRAM: &str = "SSPCACHE_XTASK_ZIG";

/// Makes `build`, a cargo command, link with Zig for one of Rust's `…-windows-gnullvm` targets.
pub(crate) fn link_with<'a>(workspace: &Workspace, triple: &str, build: Cmd<'a>) -> Result<Cmd<'a>> {
    let Some(machine) = triple.strip_suffix("-pc-windows-gnullvm") else {
        bail!("Zig links for the …-pc-windows-gnullvm targets here, not for {triple}");
    };
    let variable = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase().replace('-', "_"));
    Ok(build
        .env(variable, &workspace.program)
        .env(TARGET, zig_target(machine))
        .env(PROGRAM, setup::zig(workspace)?)
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache")))
}

/// Builds the stand-in for Wine's missing DLL: see `shim/`.
pub(crate) fn build_shim(workspace: &Workspace, machine: &str, to: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let zig = setup::zig(workspace)?;
    let target = zig_target(machine);
    let sources = ["bcryptprimitives.c", "bcryptprimitives.def"]
        .map(|file| workspace.root.join("crates/xtask/shim").join(file));
    shell.create_dir(to.parent().context("the shim's path has no folder")?)?;
    cmd!(shell, "{zig} cc -target {target} -shared -Os -s -nostdlib -o {to} {sources...} -ladvapi32")
        .env("ZIG_GLOBAL_CACHE_DIR", workspace.tools.join("zig-cache"))
        .quiet()
        .run()?;
    // Zig writes an import library beside the DLL, which nobody links to.
    shell.remove_path(to.with_extension("lib"))?;
    Ok(())
}

/// Acts as a linker when rustc started this program as one.
pub(crate) fn linker_main() -> Option<ExitCode> {
    let target = env::var_os(TARGET)?;
    let status = Command::new(env::var_os(PROGRAM)?)
        // Optimized links carry a hash in place of the time, and so come out the same every time.
        .args(["cc", "-Os", "-target"])
        .arg(target)
        .args(env::args_os().skip(1).filter_map(translate))
        .status();
    Some(match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("can't start Zig: {error}");
            ExitCode::FAILURE
        }
    })
}

/// One linker argument in Zig's terms, or `None` where Zig does that by itself.
fn translate(argument: OsString) -> Option<OsString> {
    let Some(text) = argument.to_str() else { return Some(argument) };
    // Zig brings the C runtime, and has no libraries of these names.
    if ["-lmsvcrt", "-lmingw32", "-lmingwex"].contains(&text) {
        return None;
    }
    // The list of exports is a source to Zig, no option.
    let is_export_list = Path::new(text).extension() == Some(OsStr::new("def"));
    match text.strip_prefix("-Wl,") {
        Some(list) if is_export_list => Some(list.into()),
        _ => Some(argument),
    }
}

fn zig_target(machine: &str) -> String {
    let machine = if machine == "i686" { "x86" } else { machine };
    format!("{machine}-windows-gnu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linker_arguments_reach_zig_in_its_own_terms() {
        for (rustc, zig) in [
            ("-Wl,/tmp/list.def", Some("/tmp/list.def")),
            ("-Wl,--gc-sections", Some("-Wl,--gc-sections")),
            ("-lmingwex", None),
            ("-lkernel32", Some("-lkernel32")),
            ("main.o", Some("main.o")),
        ] {
            assert_eq!(translate(rustc.into()).as_deref(), zig.map(OsStr::new), "{rustc}");
        }
        assert_eq!([zig_target("i686"), zig_target("aarch64")], ["x86-windows-gnu", "aarch64-windows-gnu"]);
    }
}
