//! Other systems, on which what ships is run: Debian 11, musl, Linux on ARM, 32-bit programs under Wine.
//!
//! Each gets the released program alone, in an empty folder, and a C program that loads a mock, signs in and signs out. The program finds
//! the mocks inside itself, runs the client, and judges it: a run that signs out is clean, and one that doesn't is not.
//!
//! | target | where it runs |
//! | --- | --- |
//! | `x86_64-unknown-linux-gnu` | a Debian 11 in `.systems/`, in which nothing of this project is installed |
//! | `x86_64-unknown-linux-musl` | here, with Debian's musl |
//! | `aarch64-unknown-linux-gnu` | here, under QEMU's emulation of a process, with Debian's C library for ARM |
//! | `aarch64-unknown-linux-musl` | the same, with Debian's musl for ARM in `.systems/`: its client; the program is static |
//! | `i686-pc-windows-gnullvm` | under Wine 10 (see `other_wines`) |

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xshell::cmd;

use crate::workspace::{Workspace, once_more};
use crate::{dist, other_wines, zig};

/// The oldest Debian with a glibc that programs still meet: 2.31, which Ubuntu 20.04 has as well.
const OLD_DEBIAN: &str = "bullseye";

/// Where Debian puts its C library for ARM.
pub(crate) const ARM: &str = "/usr/aarch64-linux-gnu";
pub(crate) const QEMU: &str = "qemu-aarch64";
/// The linker of Debian's musl.
pub(crate) const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

pub(crate) fn has_old_debian(workspace: &Workspace) -> bool {
    stamp(workspace).is_file()
}

/// Makes a Debian 11 in a folder. It takes a minute and 300 MB.
pub(crate) fn make_old_debian(workspace: &Workspace) -> Result<()> {
    let (shell, debian) = (&workspace.shell, old_debian(workspace));
    println!("setup: Debian 11 in {}", debian.display());
    once_more(|| {
        shell.remove_path(&debian)?;
        cmd!(shell, "debootstrap --variant=minbase {OLD_DEBIAN} {debian}").run()
    })
    .context("this needs root")?;
    Ok(fs::write(stamp(workspace), OLD_DEBIAN)?)
}

pub(crate) fn has_musl_for_arm(workspace: &Workspace) -> bool {
    musl_for_arm(workspace).join("lib/ld-musl-aarch64.so.1").exists()
}

/// Unpacks Debian's musl for ARM in a folder. Installed, it would make this a system of two processors.
pub(crate) fn fetch_musl_for_arm(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let folder = musl_for_arm(workspace);
    println!("setup: musl for ARM in {}", folder.display());
    shell.remove_path(&folder)?;
    let [lists, cache] = ["lists", "cache"].map(|name| folder.join(name));
    for folder in [lists.join("partial"), cache.join("archives/partial")] {
        shell.create_dir(folder)?;
    }
    // Lists of its own: those of the system have no packages for ARM.
    let options = [
        "APT::Architecture=arm64".to_owned(),
        "APT::Architectures=arm64".to_owned(),
        "Dir::State::status=/dev/null".to_owned(),
        format!("Dir::State::lists={}", lists.display()),
        format!("Dir::Cache={}", cache.display()),
    ];
    let options = &options.iter().flat_map(|option| ["-o", option]).collect::<Vec<_>>();
    once_more(|| {
        cmd!(shell, "apt-get update --quiet=2 {options...}").run()?;
        let install = "install --quiet=2 --yes --no-install-recommends --download-only".split(' ');
        cmd!(shell, "apt-get {install...} {options...} musl").run()
    })?;
    workspace.unpack_packages(&cache.join("archives"), &folder)?;
    [lists, cache].iter().try_for_each(|folder| Ok(shell.remove_path(folder)?))
}

fn musl_for_arm(workspace: &Workspace) -> PathBuf {
    workspace.root.join(".systems/musl-aarch64")
}

fn old_debian(workspace: &Workspace) -> PathBuf {
    workspace.root.join(".systems").join(OLD_DEBIAN)
}

fn stamp(workspace: &Workspace) -> PathBuf {
    old_debian(workspace).join("set-up-by-xtask")
}

/// Linux on x86-64 with an old glibc.
pub(crate) fn glibc(workspace: &Workspace) -> Result<()> {
    let debian = old_debian(workspace);
    // By its path in there.
    let inside = "/opt/sspcache-test";
    let folder = debian.join(&inside[1..]);
    let alone = Alone::new(workspace, "x86_64-unknown-linux-gnu", &folder, "x86_64-linux-gnu.2.17")?;
    let script = "mount --bind /proc \"$1/proc\" && exec chroot \"$@\"";
    let debian = debian.to_string_lossy();
    let inside_of = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        &debian,
        "/usr/bin/env",
        &format!("--chdir={inside}"),
    ];
    alone.is_judged(&inside_of, inside, &["./client"])
}

/// Linux on x86-64 with musl.
pub(crate) fn musl(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("xtask/platforms/musl");
    let alone = Alone::new(workspace, "x86_64-unknown-linux-musl", &folder, "x86_64-linux-musl")?;
    let folder = folder.to_string_lossy();
    alone.is_judged(&["env", &format!("--chdir={folder}")], &folder, &["./client"])
}

/// Linux on ARM with glibc.
pub(crate) fn arm(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("xtask/platforms/arm");
    let alone = Alone::new(workspace, "aarch64-unknown-linux-gnu", &folder, "aarch64-linux-gnu.2.17")?;
    let folder = folder.to_string_lossy();
    let inside = format!("--chdir={folder}");
    // Under this emulation one program starts another by the emulator alone.
    let qemu = [QEMU, "-L", ARM];
    let program = [&["env", &inside][..], &qemu].concat();
    alone.is_judged(&program, &folder, &[&qemu[..], &["./client"]].concat())
}

/// Linux on ARM with musl.
pub(crate) fn musl_arm(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("xtask/platforms/musl-arm");
    let alone = Alone::new(workspace, "aarch64-unknown-linux-musl", &folder, "aarch64-linux-musl")?;
    let musl = musl_for_arm(workspace);
    let (folder, musl) = (folder.to_string_lossy(), musl.to_string_lossy());
    let inside = format!("--chdir={folder}");
    // The program is static, and needs nothing of it.
    alone.is_judged(&["env", &inside, QEMU], &folder, &[QEMU, "-L", &musl, "./client"])
}

/// 32-bit Windows programs under Wine 10: one that loads the mock by name, one that is linked to secur32, and the C ABI's tests.
pub(crate) fn windows_32(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.target.join("xtask/platforms/windows-32");
    let alone = Alone::new(workspace, &workspace.host()?, &folder, "native")?;
    for (name, options) in [("by-name.exe", &[][..]), ("linked.exe", &["-DSECUR32", "-lsecur32"])] {
        let (client, program) = (CLIENT, folder.join(name));
        cmd!(shell, "i686-w64-mingw32-gcc -o {program} {client} {options...}").run()?;
    }
    let wine = other_wines::in_wine_10(workspace).env("WINEPREFIX", other_wines::prefix_10(workspace));
    let wine = Command::from(wine);
    let chroot = wine.get_args().map(|it| it.to_string_lossy().into_owned());
    let prefix = format!("WINEPREFIX={}", other_wines::prefix_10(workspace).display());
    let program: Vec<_> =
        ["unshare".to_owned()].into_iter().chain(chroot).chain(["env".to_owned(), prefix]).collect();
    let program: Vec<_> = program.iter().map(String::as_str).collect();
    let folder = folder.to_string_lossy();
    for name in ["by-name.exe", "linked.exe"] {
        alone.is_judged(&program, &folder, &["wine", &format!("{folder}/{name}")])?;
    }
    other_wines::cargo_in_wine_10(workspace, ABI_TESTS_32)
}

/// The C ABI called as a 32-bit program calls it, with the tables of statuses.
const ABI_TESTS_32: &str = "test --package sspcache-tests --test dll --target i686-pc-windows-gnu";

const CLIENT: &str = "fixtures/clients/client.c";

/// The released program and a client in an otherwise empty folder.
struct Alone<'a> {
    workspace: &'a Workspace,
}

impl<'a> Alone<'a> {
    fn new(workspace: &'a Workspace, triple: &str, folder: &Path, zig_target: &str) -> Result<Self> {
        let shell = &workspace.shell;
        let built = dist::run(workspace, Some(triple))?;
        shell.remove_path(folder)?;
        shell.create_dir(folder)?;
        shell.copy_file(built.join("sspcache"), folder)?;
        zig::build_program(workspace, zig_target, CLIENT, &folder.join("client"))?;
        Ok(Self { workspace })
    }

    /// The verdict is right about a client that signs out, and one that doesn't. The words of `program` run a program in `folder`.
    fn is_judged(&self, program: &[&str], folder: &str, client: &[&str]) -> Result<()> {
        let caches = format!("{folder}/caches");
        for (steps, status) in [(&["sign-in", "alice"][..], 99), (&["sign-in", "alice", "flush"], 0)] {
            let exec = self.workspace.shell.cmd(program[0]).args(&program[1..]);
            let exec = exec.arg(format!("{folder}/sspcache")).args(["exec", "--expect-clean", "--"]);
            let exec =
                exec.args(client).args(steps).env("XDG_CACHE_HOME", &caches).env_remove("SSPCACHE_HOME");
            let ended = exec.ignore_status().output()?;
            for printed in [&ended.stdout, &ended.stderr] {
                print!("{}", String::from_utf8_lossy(printed));
            }
            ensure!(
                ended.status.code() == Some(status),
                "{client:?} {steps:?} ended with {}, and should with {status}",
                ended.status
            );
        }
        Ok(())
    }
}
