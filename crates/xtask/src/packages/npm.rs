//! Packages for npm: `sspcache`, which has no program, and one for each platform with program and mocks, which it names as an optional
//! dependency. npm installs the one whose `os`, `cpu` and `libc` fit, and runs no script for it.
//!
//! Reference: [package.json](https://docs.npmjs.com/cli/v11/configuring-npm/package-json)

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use xshell::cmd;

use super::{Target, VERSION};
use crate::dist::TARGETS;
use crate::workspace::Workspace;

/// Packs `sspcache` and the packages of the targets that are there.
pub(super) fn build(workspace: &Workspace, targets: &[Target], folder: &Path) -> Result<()> {
    let source = workspace.root.join("packaging/npm");
    let mut main: Map<String, Value> = serde_json::from_slice(&fs::read(source.join("package.json"))?)?;
    let mut all = Map::new();
    for triple in TARGETS {
        all.insert(format!("@sspcache/{}", Platform::of(triple)?.name()), json!(VERSION));
    }
    main.insert("version".to_owned(), json!(VERSION));
    main.insert("optionalDependencies".to_owned(), Value::Object(all));
    let files = ["bin/sspcache.js", "index.js", "index.d.ts", "README.md", "LICENSE-APACHE", "LICENSE-MIT"];
    let files = files.map(|file| (source.join(file), file.into()));
    pack(workspace, folder, "sspcache", &main.clone().into(), files)?;
    for target in targets {
        let platform = Platform::of(target.triple)?;
        let manifest = json!({
            "name": format!("@sspcache/{}", platform.name()),
            "version": VERSION,
            "description": format!("The program and the mocks of sspcache for {}", target.triple),
            "license": main.get("license"),
            "author": main.get("author"),
            "os": [platform.os],
            "cpu": [platform.cpu],
            "libc": platform.libc.map(|libc| [libc]),
            // The program has to be a file.
            "preferUnplugged": true,
        });
        let licenses = ["LICENSE-APACHE", "LICENSE-MIT"].map(|file| (source.join(file), file.into()));
        let files = target.files()?.into_iter().map(|file| (target.folder.join(&file), file));
        pack(workspace, folder, &platform.name(), &without_null(manifest), files.chain(licenses))?;
    }
    Ok(())
}

/// A platform, in Node's words.
struct Platform {
    os: &'static str,
    cpu: &'static str,
    libc: Option<&'static str>,
}

impl Platform {
    fn of(triple: &str) -> Result<Self> {
        let cpu = match triple.split('-').next() {
            Some("x86_64") => "x64",
            Some("i686") => "ia32",
            Some("aarch64") => "arm64",
            _ => bail!("Node has no name for the processor of {triple}"),
        };
        let (os, libc) = match triple {
            _ if triple.contains("-windows-") => ("win32", None),
            _ if triple.contains("-apple-") => ("darwin", None),
            _ if triple.ends_with("-musl") => ("linux", Some("musl")),
            _ => ("linux", Some("glibc")),
        };
        Ok(Self { os, cpu, libc })
    }

    /// Its part of a package's name.
    fn name(&self) -> String {
        let musl = if self.libc == Some("musl") { "-musl" } else { "" };
        format!("{}-{}{musl}", self.os, self.cpu)
    }
}

/// Leaves out members that are null.
fn without_null(mut manifest: Value) -> Value {
    if let Some(members) = manifest.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    manifest
}

/// Makes a package of files and where each goes.
fn pack(
    workspace: &Workspace,
    folder: &Path,
    name: &str,
    manifest: &Value,
    files: impl IntoIterator<Item = (PathBuf, PathBuf)>,
) -> Result<()> {
    let shell = &workspace.shell;
    let source = workspace.target.join("xtask/npm").join(name);
    shell.remove_path(&source)?;
    for (from, to) in files {
        let to = source.join(to);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(&from, to).with_context(|| format!("can't copy {}", from.display()))?;
    }
    fs::write(source.join("package.json"), serde_json::to_string_pretty(manifest)?)?;
    let _inside = shell.push_dir(&source);
    Ok(cmd!(shell, "npm pack --quiet --ignore-scripts --pack-destination {folder}").run()?)
}
