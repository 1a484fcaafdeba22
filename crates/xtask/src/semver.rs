//! Whether what is published breaks nobody within a version: cargo-semver-checks, against the last release.

use std::env;
use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xshell::cmd;

use crate::workspace::Workspace;

/// The tool's version.
const VERSION: &str = "0.51.0";

/// Names a commit to compare with, in place of the last release.
const BASELINE: &str = "SSPCACHE_BASELINE";

/// Compares what this checkout publishes with the last release.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let tags = cmd!(shell, "git tag --list v[0-9]* --sort=-version:refname --merged HEAD").quiet().read()?;
    let given = env::var(BASELINE).ok().filter(|commit| !commit.is_empty());
    let (baseline, is_release) = baseline(given.as_deref(), &tags);
    if !is_release {
        println!(
            "There is NO RELEASE yet, no tag v1.2.3 to compare with: this shows only that the comparison works, of the \
             last commit with itself. `{BASELINE}=<COMMIT> cargo xtask test semver` compares with any other."
        );
    }
    let tool = install(workspace)?;
    check_tool(workspace, &tool)?;
    Ok(cmd!(shell, "{tool} semver-checks check-release --workspace --all-features --baseline-rev {baseline}")
        .env("CARGO_TARGET_DIR", workspace.target.join("semver"))
        .run()?)
}

/// A comparison that finds nothing shows nothing, unless the same tool finds what is missing: here, a public function.
fn check_tool(workspace: &Workspace, tool: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let root = workspace.target.join("xtask/semver");
    shell.remove_path(&root)?;
    for (version, source) in
        [("before", "pub fn kept() {}\npub fn gone() {}\n"), ("after", "pub fn kept() {}\n")]
    {
        let package = "[package]\nname = \"proof\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n";
        shell.write_file(root.join(version).join("Cargo.toml"), package)?;
        shell.write_file(root.join(version).join("src/lib.rs"), source)?;
    }
    let (manifest, before) = (root.join("after/Cargo.toml"), root.join("before"));
    let output =
        cmd!(shell, "{tool} semver-checks check-release --manifest-path {manifest} --baseline-root {before}")
            .env("CARGO_TARGET_DIR", root.join("target"))
            .quiet()
            .ignore_status()
            .output()?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    let told = format!("{stdout}{stderr}");
    ensure!(
        !output.status.success() && told.contains("proof::gone"),
        "a missing function wasn't found:\n{told}"
    );
    println!("A function that is missing on purpose is found: so the comparison below can find one.");
    Ok(())
}

/// The commit to compare with, and whether it was released or asked for.
fn baseline<'a>(given: Option<&'a str>, tags: &'a str) -> (&'a str, bool) {
    match given.or_else(|| tags.lines().next()) {
        Some(commit) => (commit, true),
        None => ("HEAD", false),
    }
}

/// The tool, built on first use: it is in no registry of built programs that the rest of the tools come from.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let root = workspace.tools.join("cargo");
    let tool = root.join("bin").join(format!("cargo-semver-checks{EXE_SUFFIX}"));
    let is_there = || {
        let version = cmd!(shell, "{tool} semver-checks --version").quiet().ignore_stderr().read();
        version.is_ok_and(|version| version.ends_with(VERSION))
    };
    if !is_there() {
        println!("cargo-semver-checks {VERSION} is built first, which takes some minutes");
        // Unoptimized: it is built more often than it has much to do.
        cmd!(shell, "cargo install --quiet --locked --debug cargo-semver-checks@{VERSION} --root {root}")
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()
            .context("cargo can't install cargo-semver-checks: is crates.io reachable from here?")?;
        ensure!(is_there(), "{} is not of version {VERSION}", tool.display());
    }
    Ok(tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_compared_with_and_its_lack_is_told() {
        for (given, tags, expected) in [
            (None, "v0.2.0\nv0.1.0\n", ("v0.2.0", true)),
            (Some("1234567"), "v0.2.0\n", ("1234567", true)),
            (Some("1234567"), "", ("1234567", true)),
            (None, "", ("HEAD", false)),
        ] {
            assert_eq!(baseline(given, tags), expected, "{given:?} {tags:?}");
        }
    }
}
