//! Where things are, and how commands are run there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::{Cmd, Shell, cmd};

/// The checkout that this program was built from.
pub(crate) struct Workspace {
    /// Runs commands, from the root.
    pub(crate) shell: Shell,
    /// The folder of the top Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's own folder for what it builds.
    pub(crate) target: PathBuf,
    /// Tools that belong to this project alone: see [`setup`](crate::setup).
    pub(crate) tools: PathBuf,
    /// The Wine prefix, as `.cargo/config.toml` names it to every program that cargo runs.
    pub(crate) wine_prefix: PathBuf,
    /// This program. It is asked for at the start, because cargo may build it again during a run.
    pub(crate) program: PathBuf,
}

impl Workspace {
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("this package does not lie in crates/xtask of its workspace")?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => env::current_dir()?.join(folder),
            None => root.join("target"),
        };
        let wine_prefix = env::var_os("WINEPREFIX").context(
            "WINEPREFIX is not set: start this program as `cargo xtask`, so that .cargo/config.toml is in force",
        )?;
        let shell = Shell::new()?;
        shell.change_dir(root);
        let (root, tools, program) = (root.to_owned(), root.join(".tools"), env::current_exe()?);
        Ok(Self { shell, root, target, tools, wine_prefix: wine_prefix.into(), program })
    }

    /// A checkout in this folder, which builds into that one, with the tools of this one and a shell of its own.
    pub(crate) fn at(&self, root: PathBuf, target: PathBuf) -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(&root);
        let (tools, wine_prefix, program) =
            (self.tools.clone(), self.wine_prefix.clone(), self.program.clone());
        Ok(Self { shell, root, target, tools, wine_prefix, program })
    }

    /// The cargo that runs this program, with these arguments, separated by spaces.
    ///
    /// Incremental builds are off unless the environment asks for them: a run of every test gains nothing from them.
    pub(crate) fn cargo(&self, arguments: &str) -> Cmd<'_> {
        self.cargo_of(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")), arguments)
    }

    /// The same by another program, which runs that cargo.
    pub(crate) fn cargo_of(&self, program: impl AsRef<Path>, arguments: &str) -> Cmd<'_> {
        let cargo = self.shell.cmd(program);
        let incremental = env::var("CARGO_INCREMENTAL").unwrap_or_else(|_| "0".to_owned());
        // A step may have added to it.
        let path = self.shell.var_os("PATH").unwrap_or_default();
        let path = env::join_paths(env::split_paths(&path).chain([self.tool_programs()]));
        let path = path.expect("no folder of PATH is more than one");
        cargo.args(arguments.split_whitespace()).env("CARGO_INCREMENTAL", incremental).env("PATH", path)
    }

    /// The folder of the tools' programs. Those of cargo are among its commands.
    pub(crate) fn tool_programs(&self) -> PathBuf {
        self.tools.join(if cfg!(windows) { "Scripts" } else { "bin" })
    }

    /// Unpacks each of Debian's packages that lie in a folder into another one, and installs none.
    pub(crate) fn unpack_packages(&self, archives: &Path, to: &Path) -> Result<()> {
        for archive in self.shell.read_dir(archives)? {
            // apt keeps a lock and a folder of its own beside them.
            if archive.extension().is_some_and(|it| it == "deb") {
                cmd!(self.shell, "dpkg-deb --extract {archive} {to}").quiet().run()?;
            }
        }
        Ok(())
    }

    /// The folder of the Rust toolchain in use.
    pub(crate) fn sysroot(&self) -> Result<PathBuf> {
        Ok(self.shell.cmd("rustc").args(["--print", "sysroot"]).quiet().read()?.into())
    }

    /// The target that the compiler builds for by default.
    pub(crate) fn host(&self) -> Result<String> {
        Ok(self.shell.cmd("rustc").args(["--print", "host-tuple"]).quiet().read()?)
    }
}

/// Whether a program is on `PATH`.
pub(crate) fn is_on_path(name: &str) -> bool {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(&file).is_file()))
}

/// Runs a command that fetches something, and runs it again if it fails: the server may answer then.
pub(crate) fn once_more(fetch: impl Fn() -> xshell::Result<()>) -> xshell::Result<()> {
    fetch().or_else(|error| {
        println!("setup: {error}; trying once more");
        fetch()
    })
}
