//! `cargo xtask dist`: what ships, in `dist/<TRIPLE>/`.
//!
//! | file | where |
//! | --- | --- |
//! | `MSNSSPC.dll`, `MSAPSSPC.dll`, `secur32.dll` | everywhere, under these names on every system |
//! | `libsecur32.so`, `libMSNSSPC.so`, … | on Unix: links to these, under the names that programs ask for (see `links`) |
//! | `sspcache` | everywhere: the program, with the DLLs of this table inside (see `carried`) |
//! | `windows/` | on Unix: the Windows DLLs, apart from the host's own of the same names, which Wine would trip over |
//! | `libsspcache_win32…`, `include/`, `examples/`, `lib/` | on Unix: the loader for C and C++ (see `win32`) |
//! | `sspicli.dll` | beside Windows DLLs: forwards to `secur32.dll`, which Windows' own has it the other way round |
//! | `x86/` | beside Windows DLLs for x86-64: those for 32-bit programs |
//! | `wine/` | beside Windows DLLs: the DLL that Wine 8 lacks |
//! | `sbom/` | a bill of materials for each file that cargo builds (see `bill`) |
//! | `SHA256SUMS` | the checksums of all of these but the links: `sha256sum --check SHA256SUMS` |
//!
//! The same sources give the same bytes, wherever and whenever they are built with the same tools. What is for Linux, Windows or macOS
//! is linked by Zig, wherever it is built on Linux: see [`Linker`]. Each file is read when it is built, and refused if a system of its target
//! couldn't load it (see `check`).

mod bill;
mod carried;
pub(crate) mod check;
#[cfg(unix)]
#[path = "../../sspcache-cli/src/exec/names/links.rs"]
mod links;
mod win32;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use self::bill::Bill;
use crate::workspace::Workspace;
use crate::{wine, zig};

/// The mock DLLs: the package, the name that cargo gives its library, and the name that ships.
pub(crate) const MOCKS: [(&str, &str, &str); 3] = [
    ("sspcache-msnsspc", "MSNSSPC", "MSNSSPC.dll"),
    ("sspcache-msapsspc", "MSAPSSPC", "MSAPSSPC.dll"),
    ("sspcache-secur32", "secur32", "secur32.dll"),
];

/// What Windows' own `secur32.dll` and `sspicli.dll` export: a name on each line.
pub(crate) const SECUR32_EXPORTS: &str = include_str!("../../sspcache-secur32/exports.txt");

/// The program's package, and its name.
pub(crate) const PROGRAM: (&str, &str) = ("sspcache-cli", "sspcache");

/// The Windows target whose DLLs can be loaded and unloaded without end, and that links on any host.
const WINDOWS: &str = "x86_64-pc-windows-gnullvm";

/// The same for 32-bit programs, and the folder of their DLLs.
pub(crate) const WINDOWS_32: (&str, &str) = ("i686-pc-windows-gnullvm", "x86");

/// What a release has, beside 32-bit DLLs for 64-bit Windows.
#[rustfmt::skip]
pub(crate) const TARGETS: [&str; 9] = [
    "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl",
    WINDOWS, WINDOWS_32.0, "aarch64-pc-windows-gnullvm",
    "x86_64-apple-darwin", "aarch64-apple-darwin",
];

/// Builds the distribution for each target, where Zig can link for all.
pub(crate) fn all(workspace: &Workspace) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "a release is built on Linux");
    TARGETS.iter().try_for_each(|target| run(workspace, Some(target)).map(drop))
}

/// Builds the distribution for a target, or for this system, and returns its folder.
pub(crate) fn run(workspace: &Workspace, target: Option<&str>) -> Result<PathBuf> {
    build_all(workspace, target, true)
}

/// The same for this system, without what is for 32-bit Windows programs.
pub(crate) fn without_32_bit(workspace: &Workspace) -> Result<PathBuf> {
    build_all(workspace, None, false)
}

fn build_all(workspace: &Workspace, target: Option<&str>, with_32_bit: bool) -> Result<PathBuf> {
    let host = workspace.host()?;
    let triple = target.unwrap_or(&host);
    let mut files = mocks_with(workspace, triple, with_32_bit)?;
    if !is_windows(triple) {
        let windows = mocks_with(workspace, WINDOWS, with_32_bit)?.into_iter();
        files.extend(windows.map(|file| file.below("windows")));
    }
    let carried = carried::pack(workspace, triple, &files)?;
    files.push(program(workspace, triple, &carried)?);
    if !is_windows(triple) {
        files.extend(win32::files(workspace, triple)?);
    }
    for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
        files.push(File::plain(workspace.root.join(license), license));
    }
    let folder = workspace.root.join("dist").join(triple);
    lay_out(workspace, &folder, &files)?;
    #[cfg(unix)]
    if !is_windows(triple) {
        // To the files by their bare names: the folder may be copied anywhere.
        links::make(&folder, triple.contains("-apple-"), |file| file.into())?;
    }
    Ok(folder)
}

/// A built file, where it goes in the distribution, and what is in it where that is more than this project's own.
struct File {
    from: PathBuf,
    to: PathBuf,
    bill: Option<Rc<Bill>>,
}

impl File {
    fn plain(from: PathBuf, to: impl Into<PathBuf>) -> Self {
        Self { from, to: to.into(), bill: None }
    }

    fn below(self, folder: &str) -> Self {
        Self { to: Path::new(folder).join(self.to), ..self }
    }
}

/// What cargo built: the folder that it lies in, and what is in it.
struct Built {
    folder: PathBuf,
    bill: Rc<Bill>,
}

impl Built {
    fn file(&self, name: impl AsRef<Path>, to: impl Into<PathBuf>) -> File {
        File { from: self.folder.join(name), to: to.into(), bill: Some(self.bill.clone()) }
    }
}

/// Builds the mock DLLs, each in a build of its own: together with the program they would get the features of its
/// dependencies, and built as Rust libraries too, as for tests, they get no link-time optimization. That halves them, and
/// removes the parts of std that would keep them from being unloaded.
fn mocks(workspace: &Workspace, triple: &str) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for (package, library, to) in MOCKS {
        let built = build(workspace, triple, package, "rustc --lib --crate-type cdylib")?;
        files.push(built.file(library_file(triple, library), to));
    }
    if is_windows(triple) {
        let folder = workspace.target.join("xtask/wine").join(triple);
        let [sspicli, shim] = ["sspicli.dll", wine::SHIM].map(|file| folder.join(file));
        zig::build_forwarder(workspace, triple, SECUR32_EXPORTS, "secur32", &sspicli)?;
        files.push(File::plain(sspicli, "sspicli.dll"));
        zig::build_shim(workspace, triple, &shim)?;
        files.push(File::plain(shim, Path::new("wine").join(wine::SHIM)));
    }
    Ok(files)
}

/// The same, with those for 32-bit programs beside the ones for 64-bit Windows programs.
fn mocks_with(workspace: &Workspace, triple: &str, with_32_bit: bool) -> Result<Vec<File>> {
    let mut files = mocks(workspace, triple)?;
    if with_32_bit && triple.starts_with("x86_64-") && is_windows(triple) {
        let (triple, folder) = WINDOWS_32;
        files.extend(mocks(workspace, triple)?.into_iter().map(|file| file.below(folder)));
    }
    Ok(files)
}

/// Builds the program, which carries the mock DLLs in this file.
fn program(workspace: &Workspace, triple: &str, carried: &Path) -> Result<File> {
    let (package, name) = PROGRAM;
    let _carried = workspace.shell.push_env("SSPCACHE_CARRIED", carried);
    let name = if is_windows(triple) { format!("{name}.exe") } else { name.to_owned() };
    Ok(build(workspace, triple, package, "build --features serve")?.file(&name, &name))
}

/// Builds the standard library too, without its feature that prints backtraces. Nobody can read one of a file without symbols, it would
/// be a quarter of a mock DLL, and after it was printed the DLL couldn't be unloaded.
///
/// That is no stable feature of cargo; what it takes is allowed to these builds alone, with the compiler that everything is tested with.
const OWN_STD: [&str; 2] = ["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features="];

/// Who links for a target.
enum Linker {
    /// The C compiler that is installed.
    Host,
    /// Zig, by cargo-zigbuild, with its name for the target. Zig has the start-up code, the unwinder and the libraries of each of these
    /// systems, in the version that is asked for.
    Zigbuild(String),
    /// Zig without it: for Windows, it drops rustc's list of exports.
    Zig,
}

impl Linker {
    fn of(triple: &str) -> Self {
        if triple.ends_with("-windows-gnullvm") && !cfg!(windows) {
            Self::Zig
        } else if !cfg!(target_os = "linux") || is_windows(triple) {
            Self::Host
        } else if triple.ends_with("-linux-gnu") {
            let (major, minor) = check::GLIBC;
            Self::Zigbuild(format!("{triple}.{major}.{minor}"))
        } else {
            Self::Zigbuild(triple.to_owned())
        }
    }
}

/// Has cargo build a package for a target as it ships.
fn build(workspace: &Workspace, triple: &str, package: &str, command: &str) -> Result<Built> {
    let linker = Linker::of(triple);
    let mut cargo = match &linker {
        Linker::Host | Linker::Zig => workspace.cargo(command),
        Linker::Zigbuild(_) => zig::build(workspace, command)?,
    };
    let name = if let Linker::Zigbuild(name) = &linker { name } else { triple };
    cargo = cargo
        .args(["--package", package, "--target", name, "--locked", "--profile", "dist"])
        // Keeps the machine's own paths out of what is built.
        .env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, triple)?)
        .args(OWN_STD)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("MACOSX_DEPLOYMENT_TARGET", check::MACOS);
    // Build scripts ask for that variable: in one folder, all that they belong to would be built anew whenever it changes. The benchmarks
    // build there, too.
    let target = workspace.target.join("own-std");
    if let Linker::Zig = linker {
        cargo = zig::link_with(workspace, triple, cargo)?;
    }
    let messages =
        cargo.args(["--message-format", "json-render-diagnostics", "--target-dir"]).arg(&target).read()?;
    let folder = target.join(triple);
    let with_zig = !matches!(linker, Linker::Host);
    let bill = Bill::new(workspace, triple, package, with_zig, &messages, &folder)?;
    Ok(Built { folder: folder.join("dist"), bill: Rc::new(bill) })
}

/// The compiler's flags for a target, which keep the machine's own paths out of what is built, as `CARGO_ENCODED_RUSTFLAGS` has them.
fn flags(workspace: &Workspace, triple: &str) -> Result<String> {
    let cargo_home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default();
    let rust = workspace.sysroot()?;
    let remapped = [(&cargo_home, "/cargo"), (&rust, "/rust"), (&workspace.root, "/sspcache")]
        .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()));
    let given = env::var("CARGO_ENCODED_RUSTFLAGS").ok().filter(|flags| !flags.is_empty());
    // Otherwise rustc makes no DLL for musl. Zig links programs statically all the same.
    let dynamic = triple.ends_with("-musl").then(|| "-Ctarget-feature=-crt-static".to_owned());
    let flags: Vec<_> = given.into_iter().chain(remapped).chain(dynamic).collect();
    Ok(flags.join("\u{1f}"))
}

/// Replaces a distribution, once everything for it is built, and says what is in it.
fn lay_out(workspace: &Workspace, folder: &Path, files: &[File]) -> Result<()> {
    workspace.shell.remove_path(folder)?;
    println!("{}", folder.display());
    let mut sums = Vec::new();
    for File { from, to, bill } in files {
        let contents = fs::read(from).with_context(|| format!("cargo built no {}", from.display()))?;
        let place = |to: &Path| -> Result<PathBuf> {
            let destination = folder.join(to);
            workspace.shell.create_dir(destination.parent().unwrap_or(folder))?;
            Ok(destination)
        };
        // Copied, not written: a program stays one.
        fs::copy(from, place(to)?)?;
        println!("  {:<32}{:>7} KB", to.display(), contents.len().div_ceil(1024));
        let sum = sha256(&contents);
        if let Some(bill) = bill {
            if to.extension() != Some(OsStr::new("a")) {
                let name = to.file_name().unwrap_or_default().to_string_lossy();
                check::file(&name, bill.target(), &contents)?;
            }
            let text = bill.to_json(&to_slashes(to), &sum);
            let to = Path::new("sbom").join(format!("{}.cdx.json", to.display()));
            fs::write(place(&to)?, &text)?;
            sums.push((to_slashes(&to), sha256(text.as_bytes())));
        }
        sums.push((to_slashes(to), sum));
    }
    sums.sort_unstable();
    let list: Vec<_> = sums.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect();
    Ok(fs::write(folder.join(SUMS), list.concat())?)
}

/// The list of checksums, in the format of `sha256sum`.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// The digest of a file, in hexadecimal.
pub(crate) fn sha256(contents: &[u8]) -> String {
    Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// A relative path as it is written everywhere.
fn to_slashes(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The file that cargo names after a library, for a target.
fn library_file(triple: &str, library: &str) -> String {
    if is_windows(triple) {
        format!("{library}.dll")
    } else if triple.contains("-apple-") {
        format!("lib{library}.dylib")
    } else {
        format!("lib{library}.so")
    }
}

fn is_windows(triple: &str) -> bool {
    triple.contains("-windows-")
}
