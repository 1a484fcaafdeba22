//! The Debian package, of the distributions for glibc: the program and its system's mocks below `/usr/lib/sspcache`, with a link in
//! `/usr/bin`, pages for `man` and completions for shells.
//!
//! dpkg-deb packs it: the files are built already, and what debhelper would do for them is little. Without dpkg-deb, on systems
//! that aren't Debian's kin, none is made.
//!
//! Reference: [deb-control(5)](https://manpages.debian.org/deb-control.5)

use std::env;
use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result};
use xshell::cmd;

use super::{Target, VERSION};
use crate::workspace::{Workspace, is_on_path};

/// The pages of the manual, by the words of their commands.
const PAGES: [&str; 5] = ["", "exec", "inspect", "journal", "config"];

/// Where each shell's completions lie.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/sspcache"),
    ("fish", "usr/share/fish/vendor_completions.d/sspcache.fish"),
    ("zsh", "usr/share/zsh/vendor-completions/_sspcache"),
];

/// Builds a package for each target that Debian has.
pub(super) fn build(workspace: &Workspace, targets: &[Target], folder: &Path) -> Result<()> {
    if !is_on_path("dpkg-deb") {
        println!("packages: no dpkg-deb here, so no Debian package");
        return Ok(());
    }
    let host = workspace.host()?;
    // Pages and completions come from the program, which has to run here.
    let Some(program) = targets.iter().find(|target| target.triple == host) else {
        println!("packages: no distribution for {host}, whose program writes its manual: no Debian package");
        return Ok(());
    };
    for target in targets {
        let architecture = match target.triple {
            "x86_64-unknown-linux-gnu" => "amd64",
            "aarch64-unknown-linux-gnu" => "arm64",
            _ => continue,
        };
        package(workspace, target, &program.folder.join("sspcache"), architecture, folder)?;
    }
    Ok(())
}

fn package(
    workspace: &Workspace,
    target: &Target,
    runs_here: &Path,
    architecture: &str,
    folder: &Path,
) -> Result<()> {
    let shell = &workspace.shell;
    let tree = Tree { workspace, root: &workspace.target.join("xtask/debian").join(architecture) };
    shell.remove_path(tree.root)?;
    let (mut needs, files) = (Vec::new(), target.files()?);
    for file in &files {
        let contents = fs::read(target.folder.join(file))?;
        let to = Path::new("usr/lib/sspcache").join(file);
        let is_program = file == Path::new(target.program());
        tree.write(&to, &contents, if is_program { 0o755 } else { 0o644 })?;
        needs.push(contents);
    }
    for bill in target.bills()? {
        let contents = fs::read(target.folder.join(&bill))?;
        tree.compressed(&Path::new("usr/share/doc/sspcache").join(bill), &contents)?;
    }
    tree.link("usr/bin/sspcache", "../lib/sspcache/sspcache")?;
    for page in PAGES {
        let name = if page.is_empty() { "sspcache".to_owned() } else { format!("sspcache-{page}") };
        let words = page.split_whitespace();
        let text = cmd!(shell, "{runs_here} man {words...}").quiet().read()?;
        tree.compressed(Path::new(&format!("usr/share/man/man1/{name}.1")), format!("{text}\n").as_bytes())?;
    }
    for (name, to) in COMPLETIONS {
        let text = cmd!(shell, "{runs_here} completions {name}").quiet().read()?;
        tree.write(Path::new(to), format!("{text}\n").as_bytes(), 0o644)?;
    }
    let maintainer = maintainer();
    let template = |name: &str| shell.read_file(Path::new("packaging/debian").join(name));
    let documents = Path::new("usr/share/doc/sspcache");
    let expat = shell.read_file("LICENSE-MIT")?;
    let expat: Vec<_> =
        expat.trim().lines().map(|it| if it.is_empty() { " .".into() } else { format!(" {it}") }).collect();
    let copyright = template("copyright")?.replace("@EXPAT@", &expat.join("\n"));
    tree.write(&documents.join("copyright"), copyright.as_bytes(), 0o644)?;
    let date = cmd!(shell, "git log -1 --format=%cD").quiet().read()?;
    let changelog = format!(
        "sspcache ({VERSION}) unstable; urgency=medium\n\n  * Release {VERSION}: the file NEWS has the changes.\n\n -- {maintainer}  {date}\n"
    );
    tree.compressed(&documents.join("changelog"), changelog.as_bytes())?;
    tree.compressed(&documents.join("NEWS"), shell.read_file("CHANGELOG.md")?.as_bytes())?;
    let control = template("control.in")?
        .replace("@VERSION@", VERSION)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@MAINTAINER@", &maintainer)
        .replace("@DEPENDS@", &depends(&needs))
        .replace("@SIZE@", &tree.kilobytes()?.to_string());
    tree.write(Path::new("DEBIAN/control"), control.as_bytes(), 0o644)?;
    let sums = {
        let _inside = shell.push_dir(tree.root);
        cmd!(shell, "find usr -type f -exec md5sum").args(["{}", "+"]).quiet().read()?
    };
    let mut sums: Vec<_> = sums.lines().collect();
    sums.sort_unstable();
    tree.write(Path::new("DEBIAN/md5sums"), format!("{}\n", sums.join("\n")).as_bytes(), 0o644)?;
    let (root, deb) = (tree.root, folder.join(format!("sspcache_{VERSION}_{architecture}.deb")));
    Ok(cmd!(shell, "dpkg-deb --root-owner-group -Zxz --build {root} {deb}")
        // The same files give the same package.
        .env("SOURCE_DATE_EPOCH", cmd!(shell, "git log -1 --format=%ct").quiet().read()?)
        .run()?)
}

/// Who makes the package, by the variables that Debian's tools read.
fn maintainer() -> String {
    let variable = |name, otherwise: &str| env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let name = variable("DEBFULLNAME", "The sspcache developers");
    format!("{name} <{}>", variable("DEBEMAIL", "sspcache@localhost.invalid"))
}

/// What files of ELF need of Debian: the C library of the newest version that one asks for, and perhaps GCC's.
fn depends(files: &[Vec<u8>]) -> String {
    let glibc = files.iter().flat_map(|file| minor_versions(file, b"GLIBC_2.")).max().unwrap_or(17);
    let needs_gcc = files.iter().any(|file| contains(file, b"libgcc_s.so.1"));
    format!("libc6 (>= 2.{glibc}){}", if needs_gcc { ", libgcc-s1" } else { "" })
}

/// The numbers that follow a text in a file.
fn minor_versions(file: &[u8], before: &[u8]) -> Vec<u32> {
    let places = file.windows(before.len()).enumerate().filter(|(_, window)| *window == before);
    let digits = places.map(|(at, _)| &file[at + before.len()..]).map(|rest| {
        let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end]).into_owned()
    });
    digits.filter_map(|digits| digits.parse().ok()).collect()
}

fn contains(file: &[u8], text: &[u8]) -> bool {
    file.windows(text.len()).any(|window| window == text)
}

/// The files of the package, as they will lie in the system.
struct Tree<'a> {
    workspace: &'a Workspace,
    root: &'a Path,
}

impl Tree<'_> {
    fn write(&self, to: &Path, contents: &[u8], mode: u32) -> Result<()> {
        let path = self.root.join(to);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(&path, contents)?;
        #[cfg(unix)]
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        #[cfg(not(unix))]
        let _ = mode;
        Ok(())
    }

    /// Writes a file as documentation is: compressed, without the time.
    fn compressed(&self, to: &Path, contents: &[u8]) -> Result<()> {
        self.write(to, contents, 0o644)?;
        let (shell, path) = (&self.workspace.shell, self.root.join(to));
        Ok(cmd!(shell, "gzip --best --no-name {path}").quiet().run()?)
    }

    fn link(&self, from: &str, to: &str) -> Result<()> {
        let from = self.root.join(from);
        fs::create_dir_all(from.parent().context("a link has a folder")?)?;
        #[cfg(unix)]
        symlink(to, from)?;
        #[cfg(not(unix))]
        let _ = to;
        Ok(())
    }

    /// Its size in KiB, as dpkg has it.
    fn kilobytes(&self) -> Result<u64> {
        let (shell, root) = (&self.workspace.shell, self.root);
        let size = cmd!(shell, "du --summarize --apparent-size --block-size=1024 {root}").quiet().read()?;
        Ok(size.split_whitespace().next().context("du prints a number")?.parse()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_depends_on_the_newest_c_library_that_a_file_needs() {
        let old = b"\0GLIBC_2.2.5\0GLIBC_2.14\0".to_vec();
        assert_eq!(depends(std::slice::from_ref(&old)), "libc6 (>= 2.14)");
        let new = b"GLIBC_2.9\0libgcc_s.so.1\0GLIBC_2.34".to_vec();
        assert_eq!(depends(&[new, old]), "libc6 (>= 2.34), libgcc-s1");
    }
}
