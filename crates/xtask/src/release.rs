//! `cargo xtask release`: everything that a release has, in `dist/release/`: archives, packages, bills of materials, notes and checksums.
//!
//! It uploads nothing: `.github/workflows/release.yml` does that, with what this has made. A release has every target. `--dry-run` makes do
//! with those that are there, and says which are missing.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use xshell::cmd;

use crate::dist::{SUMS, TARGETS, sha256};
use crate::packages::{self, VERSION};
use crate::workspace::Workspace;

/// The file of the release's notes, in its folder. It is no part of what is uploaded with it.
const NOTES: &str = "NOTES.md";

pub(crate) fn run(workspace: &Workspace, is_dry: bool) -> Result<()> {
    let shell = &workspace.shell;
    let changelog = shell.read_file("CHANGELOG.md")?;
    let mut lacks = Vec::new();
    let notes = section(&changelog, VERSION).or_else(|| {
        lacks.push(format!("CHANGELOG.md has no section [{VERSION}]: the notes are those of [Unreleased]"));
        section(&changelog, "Unreleased")
    });
    let notes = notes.context("CHANGELOG.md has no section for this release")?;
    let targets = packages::targets(workspace);
    let is_there = |triple: &str| targets.iter().any(|target| target.triple == triple);
    for triple in TARGETS.iter().filter(|triple| !is_there(triple)) {
        lacks.push(format!("dist/{triple} is missing"));
    }
    let made = packages::build(workspace)?;

    let release = workspace.root.join("dist/release");
    shell.remove_path(&release)?;
    shell.create_dir(&release)?;
    for folder in shell.read_dir(made)? {
        for file in shell.read_dir(folder)? {
            shell.copy_file(file, &release)?;
        }
    }
    bills(workspace, &targets, &release)?;
    let mut files = shell.read_dir(&release)?;
    files.sort_unstable();
    let (mut sums, mut tree) = (Vec::new(), Vec::new());
    for file in &files {
        let (contents, name) = (fs::read(file)?, file.file_name().unwrap_or_default().to_string_lossy());
        sums.push(format!("{}  {name}\n", sha256(&contents)));
        tree.push(format!("  {name:<72}{:>7} KB", contents.len().div_ceil(1024)));
        // No older system is promised than one with glibc 2.17.
        if name.contains("-manylinux_") && !name.contains("manylinux2014") {
            lacks.push(format!("{name} needs a newer glibc than 2.17: it isn't linked for all systems"));
        }
    }
    fs::write(release.join(SUMS), sums.concat())?;
    fs::write(release.join(NOTES), notes)?;
    if is_dry {
        // The step `package` builds each of them as well.
        workspace.cargo("publish --dry-run --workspace --locked --allow-dirty --no-verify").run()?;
    }
    println!("\nsspcache {VERSION}, in {}:\n{}", release.display(), tree.join("\n"));
    println!("  {SUMS}, {NOTES}\ncrates, in this order: {}", crates(workspace)?.join(", "));
    for lack in &lacks {
        println!("missing: {lack}");
    }
    ensure!(is_dry || lacks.is_empty(), "the release is not complete");
    Ok(())
}

/// The text of a section of the changelog, without its heading.
fn section<'a>(changelog: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = changelog.split_once(&format!("\n## [{name}]"))?;
    let (_, text) = rest.split_once('\n')?;
    Some(text.split("\n## ").next().unwrap_or(text).trim())
}

/// Packs the bills of materials of all targets. Those of one target are in its archive as well.
fn bills(workspace: &Workspace, targets: &[packages::Target], release: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.target.join("xtask/sbom");
    shell.remove_path(&folder)?;
    for target in targets {
        let to = folder.join(target.triple);
        shell.create_dir(&to)?;
        let from = target.folder.join("sbom/.");
        cmd!(shell, "cp -R {from} {to}").run()?;
    }
    let python = workspace.tool_programs().join("python");
    let archive = release.join(format!("sspcache-{VERSION}-sbom.tar.gz"));
    Ok(cmd!(shell, "{python} packaging/archive.py {folder} {archive}").run()?)
}

/// The crates that are published, each behind those that it depends on, as cargo publishes them.
fn crates(workspace: &Workspace) -> Result<Vec<String>> {
    let text = workspace.cargo("metadata --format-version 1 --no-deps --locked").quiet().read()?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array().context("cargo lists packages")?;
    // Without a registry, `publish` is an empty list.
    let mut left: Vec<_> = packages.iter().filter(|it| it["publish"].is_null()).collect();
    let mut sorted = Vec::new();
    while !left.is_empty() {
        let names: Vec<_> = left.iter().filter_map(|it| it["name"].as_str()).collect();
        let waits = |package: &&serde_json::Value| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            // A development dependency without a version isn't published.
            dependencies
                .filter(|it| it["kind"] != "dev")
                .any(|it| names.contains(&it["name"].as_str().unwrap_or_default()))
        };
        let (later, now): (Vec<_>, Vec<_>) = left.iter().copied().partition(waits);
        ensure!(!now.is_empty(), "these crates depend on each other: {names:?}");
        sorted.extend(now.iter().filter_map(|it| it["name"].as_str()).map(str::to_owned));
        left = later;
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notes_are_the_section_of_the_version() {
        let changelog = "# Changes\n\n## [Unreleased]\n\n- new\n\n## [1.2.0] - 2026-11-30\n\n### Added\n\n- more\n\n## [1.1.0]\n\n- old\n";
        assert_eq!(section(changelog, "1.2.0"), Some("### Added\n\n- more"));
        assert_eq!(section(changelog, "Unreleased"), Some("- new"));
        assert_eq!(section(changelog, "1.1.0"), Some("- old"));
        assert_eq!(section(changelog, "1.0.0"), None);
    }
}
