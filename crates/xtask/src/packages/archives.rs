//! Archives of what ships, one for each target: the whole of `dist/<TRIPLE>/`, in a folder of the archive's name.
//!
//! `cargo binstall sspcache-cli` finds them by the metadata in `crates/sspcache-cli/Cargo.toml`.

use std::path::Path;

use anyhow::Result;
use xshell::cmd;

use super::{Target, VERSION};
use crate::workspace::Workspace;

pub(super) fn build(workspace: &Workspace, targets: &[Target], folder: &Path) -> Result<()> {
    let (shell, python) = (&workspace.shell, workspace.tool_programs().join("python"));
    for Target { triple, folder: dist } in targets {
        let archive = folder.join(file_name(triple));
        cmd!(shell, "{python} packaging/archive.py {dist} {archive}").run()?;
    }
    Ok(())
}

/// The name of a target's archive.
pub(super) fn file_name(triple: &str) -> String {
    let ending = if triple.contains("-windows-") { "zip" } else { "tar.gz" };
    format!("sspcache-{VERSION}-{triple}.{ending}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::dist::TARGETS;

    /// The value of a key in a table of a manifest.
    fn value<'a>(manifest: &'a str, table: &str, key: &str) -> Option<&'a str> {
        let table = manifest.split_once(&format!("\n[{table}]\n"))?.1.split("\n[").next()?;
        let line = table.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line?.strip_suffix('"')
    }

    /// What cargo-binstall asks for on each system is an archive of that name, with the program at that place.
    #[test]
    fn cargo_binstall_finds_an_archive_on_each_system() {
        let manifest = include_str!("../../../sspcache-cli/Cargo.toml");
        let table = "package.metadata.binstall";
        let place = value(manifest, table, "bin-dir").expect("a place");
        let mut found = BTreeSet::new();
        let windows = ["x86_64", "i686", "aarch64"].map(|machine| format!("{machine}-pc-windows-msvc"));
        for system in TARGETS.map(str::to_owned).into_iter().chain(windows) {
            let own = format!("{table}.overrides.{system}");
            let read = |key| value(manifest, &own, key).or_else(|| value(manifest, table, key));
            let fill = |text: &str| text.replace("{ version }", VERSION).replace("{ target }", &system);
            let url = fill(read("pkg-url").expect("an address"));
            let place = fill(read("bin-dir").unwrap_or(place));
            let archive = url.strip_prefix(&format!("{{ repo }}/releases/download/v{VERSION}/"));
            let archive = archive.unwrap_or_else(|| panic!("{url} is no file of this release")).to_owned();
            let format = read("pkg-fmt").expect("a format");
            let ending = if format == "tgz" { ".tar.gz" } else { ".zip" };
            let folder = archive.strip_suffix(ending).unwrap_or_else(|| panic!("{archive} is no {format}"));
            assert_eq!(place, format!("{folder}/{{ bin }}{{ binary-ext }}"), "{system}");
            found.insert(archive);
        }
        assert_eq!(found, TARGETS.map(file_name).into());
    }
}
