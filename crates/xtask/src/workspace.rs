//! Where things are, and how commands are run there.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::{Cmd, Shell};

/// The checkout that this program was built from.
pub(crate) struct Workspace {
    /// Runs commands, from the root.
    pub(crate) shell: Shell,
    /// The folder of the top Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's own folder for what it builds.
    pub(crate) target: PathBuf,
    /// Tools that belong to this project alone: see [`python`](crate::python).
    pub(crate) tools: PathBuf,
    /// The Wine prefix, as `.cargo/config.toml` names it to everything that cargo runs.
    pub(crate) wine_prefix: PathBuf,
    /// This program. Asked for later, the system may say that it is deleted: a test run builds it again.
    pub(crate) program: PathBuf,
}

impl Workspace {
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("this package does not lie in crates/xtask of its workspace")?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => env::current_dir()?.join(folder),
            None => root.join("target"),
        };
        let wine_prefix = env::var_os("WINEPREFIX").context(
            "WINEPREFIX is not set: start this program as `cargo xtask`, so that .cargo/config.toml is in force",
        )?;
        let shell = Shell::new()?;
        shell.change_dir(&root);
        let (tools, wine_prefix, program) = (root.join(".tools"), wine_prefix.into(), env::current_exe()?);
        Ok(Self { shell, root, target, tools, wine_prefix, program })
    }

    /// A checkout in this folder, which builds into that one, with the tools of this one and a shell of its own.
    pub(crate) fn at(&self, root: PathBuf, target: PathBuf) -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(&root);
        let (tools, wine_prefix, program) =
            (self.tools.clone(), self.wine_prefix.clone(), self.program.clone());
        Ok(Self { shell, root, target, tools, wine_prefix, program })
    }

    /// The cargo that runs this program, ready to be given arguments.
    pub(crate) fn cargo(&self) -> Cmd<'_> {
        self.shell.cmd(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
    }

    /// The folder of the Rust toolchain in use.
    pub(crate) fn sysroot(&self) -> Result<PathBuf> {
        Ok(self.shell.cmd("rustc").args(["--print", "sysroot"]).quiet().read()?.into())
    }

    /// The target that the compiler builds for when nobody names one.
    pub(crate) fn host(&self) -> Result<String> {
        Ok(self.shell.cmd("rustc").args(["--print", "host-tuple"]).quiet().read()?)
    }
}

/// The path of a program on `PATH`, if it is there.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}
