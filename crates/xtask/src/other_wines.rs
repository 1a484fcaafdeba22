//! Other surroundings for Windows programs than this system's Wine: Wine 10, and winbind.
//!
//! Neither is installed; both lie in `.wines/`. Wine 10 lies there with the Debian that has it, in which `in-chroot.sh` runs it. Of
//! winbind's packages only the files are taken: with its `ntlm_auth`, Wine offers an NTLM of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xshell::{Cmd, cmd};

use crate::clients;
use crate::workspace::{Workspace, once_more};

/// The release of Debian that has Wine 10.
const RELEASE: &str = "trixie";
const ITS_PACKAGES: &str = "wine wine64 wine32:i386 winbind";

pub(crate) fn has_wine_10(workspace: &Workspace) -> bool {
    stamp(&prefix_10(workspace)).is_file()
}

/// Makes a Debian with Wine 10, and a prefix of that Wine. It takes minutes and two gigabytes.
pub(crate) fn make_wine_10(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let debian = debian(workspace);
    println!("setup: a Debian with Wine 10 in {}", debian.display());
    if !stamp(&debian).is_file() {
        shell.remove_path(&debian)?;
        cmd!(shell, "debootstrap --variant=minbase {RELEASE} {debian}").run().context("this needs root")?;
        // How this machine's apt reaches its mirror.
        for file in shell.read_dir("/etc/apt/apt.conf.d")? {
            shell.copy_file(file, debian.join("etc/apt/apt.conf.d"))?;
        }
        // winbind's service is not to be started.
        let policy = debian.join("usr/sbin/policy-rc.d");
        shell.write_file(&policy, "#!/bin/sh\nexit 101\n")?;
        cmd!(shell, "chmod +x {policy}").run()?;
        let packages = ITS_PACKAGES.split(' ');
        let inside = |command: &str| {
            let command = command.split(' ').map(str::to_owned);
            in_wine_10(workspace)
                .arg("chroot")
                .arg(&debian)
                .args(command)
                .env("DEBIAN_FRONTEND", "noninteractive")
        };
        inside("dpkg --add-architecture i386").run()?;
        once_more(|| inside("apt-get update --quiet=2").run())?;
        let install = "apt-get install --quiet=2 --yes --no-install-recommends";
        once_more(|| inside(install).args(packages.clone()).run())?;
        fs::write(stamp(&debian), ITS_PACKAGES)?;
    }
    let prefix = prefix_10(workspace);
    shell.remove_path(&prefix)?;
    let boot = "wine wineboot --init && wineserver --wait";
    let boot = in_wine_10(workspace).args(["sh", "-c", boot]).env("WINEPREFIX", &prefix);
    boot.env("WINEDLLOVERRIDES", "mscoree,mshtml=").env_remove("DISPLAY").run()?;
    Ok(fs::write(stamp(&prefix), ITS_PACKAGES)?)
}

/// Begins a command for which `wine` is Wine 10.
pub(crate) fn in_wine_10(workspace: &Workspace) -> Cmd<'_> {
    let debian = debian(workspace);
    cmd!(workspace.shell, "unshare --mount sh crates/xtask/in-chroot.sh {debian}")
}

/// Runs a command of cargo whose tests are Windows programs under Wine 10, or start them there.
pub(crate) fn cargo_in_wine_10(workspace: &Workspace, command: &str) -> Result<()> {
    // Cargo's configuration has another prefix, and a runner for 64-bit programs alone.
    let prefix = format!("env.WINEPREFIX.value='{}'", prefix_10(workspace).display());
    let cargo = workspace.cargo("--config").arg(prefix).args(command.split(' '));
    let cargo = Command::from(cargo.env("CARGO_TARGET_I686_PC_WINDOWS_GNU_RUNNER", "wine"));
    let environment = cargo.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let inside = in_wine_10(workspace).envs(environment);
    Ok(inside.arg(cargo.get_program()).args(cargo.get_args()).run()?)
}

/// The prefix of Wine 10: a newer Wine changes the prefix of an older one.
pub(crate) fn prefix_10(workspace: &Workspace) -> PathBuf {
    workspace.root.join(".wines/prefix-10")
}

fn debian(workspace: &Workspace) -> PathBuf {
    workspace.root.join(".wines").join(RELEASE)
}

/// Written when a folder is complete.
fn stamp(folder: &Path) -> PathBuf {
    folder.join("set-up-by-xtask")
}

pub(crate) fn has_winbind(workspace: &Workspace) -> bool {
    winbind(workspace).join("ntlm_auth").is_file()
}

/// Fetches winbind with the libraries that it needs, and installs none of them.
pub(crate) fn fetch_winbind(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let programs = winbind(workspace);
    let folder = workspace.root.join(".wines/winbind");
    println!("setup: winbind in {}", folder.display());
    shell.remove_path(&folder)?;
    let archives = folder.join("archives");
    shell.create_dir(archives.join("partial"))?;
    once_more(|| {
        let _ = cmd!(shell, "apt-get update --quiet=2").run();
        let archives = format!("Dir::Cache::archives={}", archives.display());
        let get = cmd!(shell, "apt-get install --quiet=2 --yes --no-install-recommends --download-only");
        get.args(["-o", &archives, "winbind"]).run()
    })?;
    let files = folder.join("files");
    workspace.unpack_packages(&archives, &files)?;
    let script = "#!/bin/sh\n\
        files=$(dirname \"$(readlink -f \"$0\")\")/../files/usr\n\
        for libraries in \"$files\"/lib/*/samba; do LD_LIBRARY_PATH=$libraries/..:$libraries; done\n\
        export LD_LIBRARY_PATH\n\
        exec \"$files/bin/ntlm_auth\" \"$@\"\n";
    shell.write_file(programs.join("ntlm_auth"), script)?;
    cmd!(shell, "chmod +x").arg(programs.join("ntlm_auth")).run()?;
    Ok(shell.remove_path(archives)?)
}

/// The folder of `ntlm_auth`, for the `PATH`.
pub(crate) fn winbind(workspace: &Workspace) -> PathBuf {
    workspace.root.join(".wines/winbind/programs")
}

/// Checks that Wine by itself offers an NTLM where `ntlm_auth` is on the `PATH`.
pub(crate) fn check_wines_own_ntlm(workspace: &Workspace) -> Result<()> {
    let list = "import pywintypes, win32security; print(*(it['Name'] for it in win32security.EnumerateSecurityPackages()))";
    let python = clients::python(workspace);
    let packages = cmd!(workspace.shell, "wine {python} -c {list}").env("WINEPREFIX", &workspace.wine_prefix);
    // Python for Windows can't write its errors to a file, should this be run with one.
    let packages = String::from_utf8_lossy(&packages.output()?.stdout).into_owned();
    ensure!(
        packages.split_whitespace().any(|name| name == "NTLM"),
        "Wine offers no NTLM of its own: {packages}"
    );
    Ok(())
}
