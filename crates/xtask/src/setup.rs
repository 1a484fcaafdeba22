//! `cargo xtask setup`: installs what the steps of `cargo xtask test` need where that is possible, and says how elsewhere.
//!
//! `test` only checks. Each part looks first whether it is there, so a second run takes a moment.

use std::collections::BTreeSet;
use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::workspace::{Workspace, is_on_path, once_more};
use crate::{Arguments, clients, other_wines, platforms, wine};

/// What a step needs, in the order in which it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Compilers and programs that tests run.
    Programs,
    /// Targets and components of the Rust toolchain in use.
    Rust,
    /// Tools from PyPI and npm, in a folder of the project's own.
    Tools,
    /// Heimdal's KDC with its programs, in a folder of the project's own: its packages exclude MIT krb5's.
    Heimdal,
    /// Wine with a prefix of the project's own, and mingw. Zig of the tools builds what it lacks.
    Wine,
    /// Windows clients of SSPI, from their registries.
    Clients,
    /// Wine 10 with a prefix of its own, in a folder of the project's own.
    Wine10,
    /// winbind's `ntlm_auth`, in another.
    Winbind,
    /// Other systems that what ships is run on.
    Platforms,
    /// Miri's nightly toolchain, and the oldest toolchain that the libraries promise to work with.
    Toolchains,
}

/// A program, a shared library or the path of a file, and Debian's packages that bring it.
type Program = (&'static str, &'static str);

const ON_UNIX: &[Program] = &[
    ("cc", "gcc libc6-dev"),
    ("c++", "g++"),
    ("clang++", "clang"),
    ("cmake", "cmake make"),
    ("openssl", "openssl"),
    ("pkg-config", "pkg-config"),
    ("python3", "python3 python3-venv"),
];

const ON_LINUX: &[Program] = &[
    ("gdb", "gdb"),
    ("valgrind", "valgrind libc6-dbg"),
    ("libwinpr2.so", "libwinpr2-dev"),
    // What runs the clients of `fixtures/clients`.
    ("mono", "mono-runtime"),
    ("mcs", "mono-mcs"),
    ("javac", "default-jdk-headless"),
    (JNA, "libjna-java"),
    ("npm", "nodejs npm"),
    // What the GitHub action downloads with.
    ("curl", "curl ca-certificates"),
    ("xfreerdp", "freerdp2-x11"),
    ("Xvfb", "xvfb"),
    // MIT krb5 with its KDC, and what Heimdal's needs.
    ("/usr/sbin/krb5kdc", "krb5-kdc krb5-user"),
    ("/usr/sbin/kadmin.local", "krb5-admin-server"),
    ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
    ("libgssapi.so.3", "libgssapi3-heimdal"),
    (
        "libkdc.so.2",
        "libkdc2-heimdal libkadm5srv8-heimdal libkadm5clnt7-heimdal libkafs0-heimdal libotp0-heimdal",
    ),
];

const ON_MACOS: &[Program] = &[(KRB5KDC, "")];

/// The KDC of MIT krb5, where Homebrew puts it.
const KRB5KDC: &str = if cfg!(target_arch = "aarch64") {
    "/opt/homebrew/opt/krb5/sbin/krb5kdc"
} else {
    "/usr/local/opt/krb5/sbin/krb5kdc"
};

/// JNA, where Debian puts it.
const JNA: &str = "/usr/share/java/jna.jar";

const FOR_WINE: &[Program] = &[
    ("wine", "wine wine64"),
    ("wineserver", "wine wine64"),
    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64 mingw-w64-x86-64-dev"),
    ("x86_64-w64-mingw32-g++", "g++-mingw-w64-x86-64"),
    ("i686-w64-mingw32-gcc", "gcc-mingw-w64-i686"),
];

/// What Wine loads for TLS and for Kerberos tickets.
const FOR_WINE_ON_LINUX: &[Program] =
    &[("libgnutls.so.30", "libgnutls30"), ("libkrb5.so.3", "libkrb5-3 libgssapi-krb5-2")];

const FOR_CLIENTS: &[Program] = &[("npm", "npm")];

const FOR_WINE_10: &[Program] = &[("debootstrap", "debootstrap"), ("unshare", "util-linux")];

const FOR_PLATFORMS: &[Program] = &[
    ("debootstrap", "debootstrap"),
    ("unshare", "util-linux"),
    (platforms::QEMU, "qemu-user"),
    (platforms::ARM, "libc6-arm64-cross"),
    (platforms::MUSL, "musl"),
];

const ON_WINDOWS: &[Program] = &[("python", "")];

/// The same elsewhere.
const HOW: &str = if cfg!(windows) {
    "winget install Python.Python.3.12"
} else {
    "brew install gcc llvm cmake pkgconf python krb5 mingw-w64; brew install --cask wine-stable"
};

/// Parts of the Rust toolchain, by rustup's name for their kind, and where they lie in its folder: what ships, what the tests run,
/// what is type-checked.
const RUST: &[(&str, &str, &str)] = &[
    ("target", "x86_64-pc-windows-gnu", "lib/rustlib/x86_64-pc-windows-gnu/lib"),
    ("target", "x86_64-pc-windows-gnullvm", "lib/rustlib/x86_64-pc-windows-gnullvm/lib"),
    ("target", "x86_64-pc-windows-msvc", "lib/rustlib/x86_64-pc-windows-msvc/lib"),
    ("target", "i686-pc-windows-gnu", "lib/rustlib/i686-pc-windows-gnu/lib"),
    ("target", "i686-pc-windows-msvc", "lib/rustlib/i686-pc-windows-msvc/lib"),
    ("target", "aarch64-apple-darwin", "lib/rustlib/aarch64-apple-darwin/lib"),
    ("component", "rust-src", "lib/rustlib/src/rust/library"),
    ("component", "clippy", "bin/cargo-clippy"),
    ("component", "rustfmt", "bin/cargo-fmt"),
];

/// The tools from PyPI with their versions. They count as installed when a copy of this text, and on Linux of the next one, lies
/// beside them.
const PINNED: &str = include_str!("../requirements.txt");

/// Those from npm with their digests, in a folder `node`.
const FROM_NPM: &str = include_str!("../node/package-lock.json");

/// Miri exists for nightly toolchains alone. It is one day's, so that the same sources are judged alike on every day.
pub(crate) const NIGHTLY: &str = "nightly-2026-05-20";

/// Checks that this machine has what some steps need.
pub(crate) fn require(workspace: &Workspace, needs: &[Need]) -> Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        missing.extend(need.missing(workspace)?);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut flags: Vec<_> =
        needs.iter().filter_map(|need| need.flag()).map(|flag| format!(" --{flag}")).collect();
    flags.dedup();
    bail!("these are missing: {}; run `cargo xtask setup{}`", missing.join(", "), flags.concat())
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    let mut needs = vec![Need::Programs, Need::Rust, Need::Tools, Need::Heimdal, Need::Wine, Need::Clients];
    needs.extend([Need::Toolchains, Need::Wine10, Need::Winbind, Need::Platforms]);
    needs.retain(|need| {
        let is_left_out = cfg!(windows) || arguments.has("without-wine");
        !(is_left_out && need.is_for_wine()) && need.flag().is_none_or(|flag| arguments.has(flag))
    });
    if !arguments.has("check") {
        for need in &needs {
            need.install(workspace)?;
        }
    }
    require(workspace, &needs)?;
    println!("setup: complete");
    Ok(())
}

impl Need {
    /// Whether only Windows programs under Wine need it.
    pub(crate) fn is_for_wine(self) -> bool {
        matches!(self, Self::Wine | Self::Clients | Self::Wine10 | Self::Winbind)
    }

    /// The option of `setup` that installs it. None: it is always installed.
    fn flag(self) -> Option<&'static str> {
        match self {
            Self::Clients | Self::Toolchains => Some("all"),
            Self::Wine10 => Some("wine-10"),
            Self::Winbind => Some("winbind"),
            Self::Platforms => Some("platforms"),
            Self::Programs | Self::Rust | Self::Tools | Self::Heimdal | Self::Wine => None,
        }
    }

    /// What this machine lacks, in words.
    fn missing(self, workspace: &Workspace) -> Result<Vec<String>> {
        let mut missing: Vec<_> = self.missing_programs().map(|(name, _)| (*name).to_owned()).collect();
        match self {
            Self::Wine if missing.is_empty() && !wine::is_ready(workspace) => {
                missing.push(format!("a Wine prefix in {}", workspace.wine_prefix.display()));
            }
            Self::Tools if !has_tools(workspace) => {
                missing.push("the tools from PyPI and npm in .tools".to_owned());
            }
            Self::Heimdal if !has_heimdal(workspace) => {
                missing.push("Heimdal's KDC in .tools".to_owned());
            }
            Self::Rust => {
                missing.extend(missing_in_rust(workspace)?.iter().map(|(_, name)| format!("Rust's {name}")));
            }
            Self::Clients if !clients::are_fetched(workspace) => {
                missing.push("the Windows clients in .tools".to_owned());
            }
            Self::Wine10 if !other_wines::has_wine_10(workspace) => {
                missing.push("Wine 10 in .wines".to_owned());
            }
            Self::Winbind if !other_wines::has_winbind(workspace) => {
                missing.push("winbind in .wines".to_owned());
            }
            Self::Platforms => {
                if !platforms::has_old_debian(workspace) {
                    missing.push("Debian 11 in .systems".to_owned());
                }
                if !platforms::has_musl_for_arm(workspace) {
                    missing.push("musl for ARM in .systems".to_owned());
                }
            }
            Self::Toolchains => missing.extend(missing_toolchains(workspace)?),
            Self::Programs
            | Self::Wine
            | Self::Tools
            | Self::Heimdal
            | Self::Clients
            | Self::Wine10
            | Self::Winbind => {}
        }
        Ok(missing)
    }

    fn missing_programs(self) -> impl Iterator<Item = &'static Program> {
        let [first, second] = match self {
            Self::Programs if cfg!(windows) => [ON_WINDOWS, &[]],
            Self::Programs if cfg!(target_os = "linux") => [ON_UNIX, ON_LINUX],
            Self::Programs if cfg!(target_os = "macos") => [ON_UNIX, ON_MACOS],
            Self::Programs => [ON_UNIX, &[]],
            Self::Wine if cfg!(target_os = "linux") => [FOR_WINE, FOR_WINE_ON_LINUX],
            Self::Wine => [FOR_WINE, &[]],
            Self::Clients => [FOR_CLIENTS, &[]],
            Self::Wine10 => [FOR_WINE_10, &[]],
            Self::Platforms => [FOR_PLATFORMS, &[]],
            Self::Rust | Self::Tools | Self::Heimdal | Self::Toolchains | Self::Winbind => [&[][..], &[]],
        };
        first.iter().chain(second).filter(|(name, _)| !is_there(name))
    }

    fn install(self, workspace: &Workspace) -> Result<()> {
        let shell = &workspace.shell;
        install_programs(workspace, &self.missing_programs().collect::<Vec<_>>())?;
        match self {
            Self::Wine => wine::set_up(workspace)?,
            Self::Tools if !has_tools(workspace) => install_tools(workspace)?,
            Self::Heimdal if !has_heimdal(workspace) => fetch_heimdal(workspace)?,
            Self::Rust => {
                for (kind, name) in missing_in_rust(workspace)? {
                    once_more(|| cmd!(shell, "rustup {kind} add {name}").run()).with_context(|| {
                        format!("without rustup, install your system's package of Rust's {name}")
                    })?;
                }
            }
            Self::Toolchains => {
                for name in missing_toolchains(workspace)? {
                    let components = if name == NIGHTLY { "miri,rust-src" } else { "cargo" };
                    once_more(|| {
                        cmd!(
                            shell,
                            "rustup toolchain install {name} --profile minimal --component {components}"
                        )
                        .run()
                    })?;
                }
            }
            Self::Clients if !clients::are_fetched(workspace) => clients::fetch(workspace)?,
            Self::Wine10 if !other_wines::has_wine_10(workspace) => other_wines::make_wine_10(workspace)?,
            Self::Winbind if !other_wines::has_winbind(workspace) => other_wines::fetch_winbind(workspace)?,
            Self::Platforms => {
                if !platforms::has_old_debian(workspace) {
                    platforms::make_old_debian(workspace)?;
                }
                if !platforms::has_musl_for_arm(workspace) {
                    platforms::fetch_musl_for_arm(workspace)?;
                }
            }
            Self::Programs | Self::Tools | Self::Heimdal | Self::Clients | Self::Wine10 | Self::Winbind => {}
        }
        Ok(())
    }
}

fn is_there(name: &str) -> bool {
    if name.starts_with('/') { Path::new(name).exists() } else { is_on_path(name) || has_library(name) }
}

/// Whether the C compiler finds a shared library of this file name. It repeats the name of one that it doesn't find.
fn has_library(name: &str) -> bool {
    let path = || Command::new("cc").arg(format!("-print-file-name={name}")).output();
    name.contains(".so") && path().is_ok_and(|output| output.stdout.starts_with(b"/"))
}

/// Installs programs as root on Debian and its kin, and says elsewhere what to install.
fn install_programs(workspace: &Workspace, missing: &[&Program]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let shell = &workspace.shell;
    let packages: BTreeSet<_> = missing.iter().flat_map(|(_, packages)| packages.split(' ')).collect();
    let packages = &packages.into_iter().collect::<Vec<_>>();
    // `id` rather than a crate for one system call.
    if !is_on_path("apt-get") || cmd!(shell, "id -u").quiet().read()? != "0" {
        let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
        let (names, packages) = (names.join(", "), packages.join(" "));
        let how = if cfg!(target_os = "linux") { "your system's packages of these" } else { HOW };
        bail!(
            "these programs or libraries are missing: {names}. Install them:\n\
             on Debian or Ubuntu:  sudo apt-get install --yes {packages}\nelsewhere:  {how}"
        );
    }
    let _environment = shell.push_env("DEBIAN_FRONTEND", "noninteractive");
    Ok(once_more(|| {
        // A source that is not needed may be out of reach: whether the packages come decides.
        let _ = cmd!(shell, "apt-get update --quiet=2").run();
        cmd!(shell, "apt-get install --quiet=2 --yes --no-install-recommends {packages...}").run()
    })?)
}

/// What the Rust toolchain in use lacks, with rustup's name for its kind.
fn missing_in_rust(workspace: &Workspace) -> Result<Vec<(&'static str, &'static str)>> {
    let sysroot = workspace.sysroot()?;
    let is_there = |path: &str| {
        let path = sysroot.join(path);
        path.exists() || path.with_extension(EXE_EXTENSION).exists()
    };
    let missing = RUST.iter().filter(|(.., path)| !is_there(path));
    Ok(missing.map(|(kind, name, _)| (*kind, *name)).collect())
}

fn missing_toolchains(workspace: &Workspace) -> Result<Vec<String>> {
    let shell = &workspace.shell;
    let run = |name: &str, program: &str| {
        cmd!(shell, "rustup run {name} {program} --version").quiet().ignore_stderr().read()
    };
    let mut missing = Vec::new();
    for (name, program) in [(NIGHTLY.to_owned(), "miri"), (oldest_rust(workspace)?, "rustc")] {
        if run(&name, program).is_err() {
            missing.push(name);
        }
    }
    Ok(missing)
}

/// The toolchain of the oldest Rust that the library `sspcache` promises to work with.
pub(crate) fn oldest_rust(workspace: &Workspace) -> Result<String> {
    let manifest = workspace.shell.read_file("crates/sspcache/Cargo.toml")?;
    let field = |text: &str| Some(text.split_once("\nrust-version = \"")?.1.split_once('"')?.0.to_owned());
    let workspaces = || field(&workspace.shell.read_file("Cargo.toml").ok()?);
    let version = field(&manifest).or_else(workspaces).context("Cargo.toml has no rust-version")?;
    Ok(if version.matches('.').count() == 1 { format!("{version}.0") } else { version })
}

fn install_tools(workspace: &Workspace) -> Result<()> {
    println!("setup: tools into {}", workspace.tools.display());
    let shell = &workspace.shell;
    let tools = &workspace.tools;
    let python = if cfg!(windows) { "python" } else { "python3" };
    cmd!(shell, "{python} -m venv --clear {tools}")
        .run()
        .context("Python can't make virtual environments: on Debian or Ubuntu install python3-venv")?;
    let python = workspace.tool_programs().join("python");
    let requirements = workspace.root.join("crates/xtask/requirements.txt");
    let install = cmd!(shell, "{python} -m pip install --quiet --only-binary :all: -r {requirements}");
    once_more(|| install.run()).context("pip can't install the tools: is PyPI reachable from here?")?;
    if cfg!(target_os = "linux") {
        install_from_npm(workspace)?;
    }
    Ok(fs::write(workspace.tools.join(STAMP), stamp())?)
}

/// Installs what the list says, and runs nothing of it.
fn install_from_npm(workspace: &Workspace) -> Result<()> {
    let (shell, folder) = (&workspace.shell, workspace.tools.join("node"));
    shell.create_dir(&folder)?;
    for file in ["package.json", "package-lock.json"] {
        shell.copy_file(workspace.root.join("crates/xtask/node").join(file), &folder)?;
    }
    let _inside = shell.push_dir(&folder);
    let install = cmd!(shell, "npm ci --ignore-scripts --no-audit --no-fund --loglevel=error");
    once_more(|| install.run()).context("npm can't install the tools: is its registry reachable from here?")
}

/// Heimdal's KDC, and its programs for clients.
const HEIMDAL: [&str; 2] = ["heimdal-kdc", "heimdal-clients"];

/// Tests look for it on Linux alone.
fn has_heimdal(workspace: &Workspace) -> bool {
    let programs = ["lib/heimdal-servers/kdc", "bin/kinit.heimdal"];
    let usr = workspace.tools.join("heimdal/usr");
    !cfg!(target_os = "linux") || programs.iter().all(|program| usr.join(program).is_file())
}

/// Fetches it, and installs nothing.
fn fetch_heimdal(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.tools.join("heimdal");
    println!("setup: Heimdal's KDC into {}", folder.display());
    shell.remove_path(&folder)?;
    let archives = folder.join("archives");
    shell.create_dir(&archives)?;
    {
        let _inside = shell.push_dir(&archives);
        once_more(|| {
            let _ = cmd!(shell, "apt-get update --quiet=2").ignore_stderr().run();
            cmd!(shell, "apt-get download --quiet=2 {HEIMDAL...}").run()
        })
        .with_context(|| format!("elsewhere than on Debian or Ubuntu, unpack {HEIMDAL:?} there yourself"))?;
    }
    workspace.unpack_packages(&archives, &folder)?;
    Ok(shell.remove_path(archives)?)
}

const STAMP: &str = "installed.txt";

/// What says which tools were installed.
fn stamp() -> String {
    if cfg!(target_os = "linux") { [PINNED, FROM_NPM].concat() } else { PINNED.to_owned() }
}

fn has_tools(workspace: &Workspace) -> bool {
    fs::read_to_string(workspace.tools.join(STAMP)).is_ok_and(|installed| installed == stamp())
}

/// The pinned version of a tool, by its package's name.
pub(crate) fn pinned(package: &str) -> Option<&'static str> {
    PINNED.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_is_where_the_c_compiler_looks() {
        assert!(has_library("libc.so"));
        assert!(has_library("libc.so.6"));
        assert!(!has_library("libnowhere.so"));
    }

    #[test]
    fn every_tool_is_pinned_to_one_version() {
        let mut tools = PINNED.lines().filter(|line| !line.starts_with('#'));
        assert!(tools.all(|tool| tool.contains("==")), "{PINNED}");
        assert!(pinned("ziglang").is_some_and(|version| version.starts_with("0.")));
    }
}
