//! The project's own Wine prefix, with a stand-in for the DLL that Wine 8 lacks.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::workspace::Workspace;
use crate::zig;

/// The DLL that Rust's standard library needs and Wine 8 lacks.
pub(crate) const SHIM: &str = "bcryptprimitives.dll";

/// Whether Rust programs start in the prefix.
pub(crate) fn is_ready(workspace: &Workspace) -> bool {
    stamp(workspace).is_file() && installed_shim(workspace).is_file()
}

/// Builds the prefix, unless it is there, and puts the current stand-in into it where this Wine has no such DLL.
pub(crate) fn set_up(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let prefix = &workspace.wine_prefix;
    let installed = installed_shim(workspace);
    if !stamp(workspace).is_file() {
        println!("setup: a Wine prefix in {}", prefix.display());
        make_prefix(workspace)?;
        // The server writes the registry when the last program has gone.
        cmd!(shell, "wineserver -w").run()?;
        let brings = if installed.is_file() { WINES_OWN } else { "a stand-in" };
        fs::write(stamp(workspace), brings)?;
    }
    if fs::read_to_string(stamp(workspace))? != WINES_OWN {
        zig::build_shim(workspace, "x86_64-pc-windows-gnu", &installed)?;
    }
    Ok(())
}

/// What is noted of a prefix whose Wine brings the DLL: it is never overwritten.
const WINES_OWN: &str = "Wine's own";

/// Has Wine make the prefix. It may take several attempts: on a busy machine Wine's programs were seen to start before the
/// DLLs that they need were in place ("could not load kernel32.dll").
fn make_prefix(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    // No Mono, no Gecko: nothing here is a .NET program or a web page, and Wine would ask to download them.
    let _overrides = shell.push_env("WINEDLLOVERRIDES", "mscoree,mshtml=");
    for _ in 0..5 {
        // What an interrupted attempt left is no prefix, and nothing of it may write into the next one's.
        let _ = cmd!(shell, "wineserver -k").quiet().ignore_stderr().run();
        let _ = cmd!(shell, "wineserver -w").quiet().ignore_stderr().run();
        shell.remove_path(&workspace.wine_prefix)?;
        // On success it complains about 32-bit parts, which are not needed.
        let boot = cmd!(shell, "wine wineboot --init").env_remove("DISPLAY").ignore_status().output()?;
        if boot.status.success() {
            return Ok(());
        }
        println!("setup: Wine made no prefix: {}", String::from_utf8_lossy(&boot.stderr).trim_end());
    }
    bail!("Wine can't make a prefix in {}", workspace.wine_prefix.display())
}

/// Waits until no other step runs programs in the prefix: tests edit its registry.
pub(crate) fn lock(workspace: &Workspace) -> Result<fs::File> {
    let path = workspace.target.join("xtask/wine.lock");
    workspace.shell.create_dir(workspace.target.join("xtask"))?;
    let file = fs::File::create(&path).with_context(|| format!("can't create {}", path.display()))?;
    file.lock()?;
    Ok(file)
}

/// Keeps Wine's server running until the result is dropped. Left to itself it ends after each program, and one that starts just then
/// is lost: "recvmsg: Connection reset by peer".
pub(crate) fn keep_server(workspace: &Workspace) -> Result<Server<'_>> {
    cmd!(workspace.shell, "wineserver --persistent").run()?;
    Ok(Server(workspace))
}

/// Wine's server for the prefix.
pub(crate) struct Server<'w>(&'w Workspace);

impl Drop for Server<'_> {
    fn drop(&mut self) {
        for option in ["--kill", "--wait"] {
            // It may have ended by itself.
            let _ = cmd!(self.0.shell, "wineserver {option}").quiet().ignore_stderr().run();
        }
    }
}

fn installed_shim(workspace: &Workspace) -> PathBuf {
    workspace.wine_prefix.join("drive_c/windows/system32").join(SHIM)
}

/// Written when the prefix is complete, so that a half-built one is never taken for it.
fn stamp(workspace: &Workspace) -> PathBuf {
    workspace.wine_prefix.join("set-up-by-xtask")
}
