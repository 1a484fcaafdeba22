//! Commands that are Windows programs, which Wine runs on Unix.
//!
//! | file | what it does |
//! | --- | --- |
//! | `program` | knows Wine and Windows programs by their names |
//! | `prefix` | finds the user's prefix, and makes one where there is none |
//! | `shadow` | makes the prefix that the command runs in |
//! | `in_place` | puts the mock into the user's prefix instead, on request |
//! | `server` | waits for the Windows programs of a prefix, and ends them |

mod in_place;
mod prefix;
mod program;
mod server;
mod shadow;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

#[cfg(target_os = "linux")]
pub(crate) use self::server::is_wines_own;
use self::{
    in_place::InPlace,
    program::{has_word, is_exe, is_wine},
    server::Server,
    shadow::Shadow,
};
use super::{
    ExecError,
    find::{MOCKS, Mocks},
    signals::Signals,
};
use crate::{
    cli::ExecArgs,
    inspect::{Format, format_of, is_32_bit_program},
    output::message,
    places::wine_prefix,
};

/// A command that Wine runs.
#[derive(Debug)]
pub(crate) struct Wine {
    /// The program `wine`.
    program: OsString,
    server: Server,
    /// The user's prefix: the folder in which Wine keeps drives and registry.
    prefix: PathBuf,
    /// The Windows program, where the command names it.
    app: Option<PathBuf>,
    how: How,
}

/// How the command is known to need Wine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    /// It is Wine, or a Windows program.
    Itself,
    /// It starts Wine: it names it, or `--wine` says so.
    Names,
    /// It names a Windows program, which it may start or not.
    Mentions,
}

impl Wine {
    /// The command as one that Wine runs: `wine app.exe`, `app.exe` where the kernel starts Wine for it, or a command that
    /// has either among its arguments.
    pub(crate) fn of(args: &ExecArgs) -> Option<Self> {
        let (program, arguments) = args.command.split_first()?;
        let named = |word: &&OsString| is_wine(word);
        // A line for a shell may end like a program's name.
        let is_app = |word: &&OsString| {
            is_exe(Path::new(word)) && (!word.to_string_lossy().contains(' ') || Path::new(word).is_file())
        };
        let app_of = |words: &[OsString]| words.iter().find(is_app).map(PathBuf::from);
        let (wine, app, how) = if named(&program) {
            (program.clone(), arguments.first().map(PathBuf::from), How::Itself)
        } else if is_exe(Path::new(program)) {
            ("wine".into(), Some(program.into()), How::Itself)
        } else if let Some(wine) = arguments.iter().find(named) {
            (wine.clone(), app_of(arguments), How::Names)
        } else if args.wine || arguments.iter().any(|word| has_word(word, is_wine)) {
            ("wine".into(), app_of(arguments), How::Names)
        } else if arguments.iter().any(|word| has_word(word, |word| is_exe(Path::new(word)))) {
            ("wine".into(), app_of(arguments), How::Mentions)
        } else {
            return None;
        };
        Some(Self { server: Server::of(&wine), program: wine, prefix: wine_prefix(), app, how })
    }

    /// Checks that Wine will find the mocks for Windows, and before them no file at which it stops.
    pub(crate) fn check(&self, mocks: &Mocks) -> Result<(), ExecError> {
        if !mocks.has_windows() && self.how != How::Mentions {
            return Err(ExecError::NoWindowsMocks { folder: mocks.windows.clone() });
        }
        let folders = if self.how == How::Itself { self.searched_first() } else { Vec::new() };
        for folder in folders {
            for path in files_named_like_mocks(&folder) {
                let found = format_of(&path);
                if found != Some(Format::Pe) {
                    return Err(ExecError::InTheWayOfWine { path, found });
                }
            }
        }
        Ok(())
    }

    /// Makes the prefix that the command is to run in.
    ///
    /// None where there is nothing to make: the command may not need it, and has no prefix or no mocks.
    pub(crate) fn begin(
        &self,
        mocks: &Mocks,
        as_is: bool,
        signals: &mut Signals,
    ) -> Result<Option<Session<'_>>, ExecError> {
        if self.how == How::Mentions && !(mocks.has_windows() && prefix::exists(&self.prefix)) {
            return Ok(None);
        }
        prefix::make(&self.prefix, &self.program, &self.server, signals)?;
        if !prefix::exists(&self.prefix) {
            // Without Wine, or interrupted.
            return Ok(None);
        }
        let error = |source| ExecError::Prefix { prefix: self.prefix.clone(), source };
        in_place::restore(&self.prefix).map_err(error)?;
        let replacements = prefix::replacements(&self.prefix, mocks).map_err(error)?;
        let has_32_bit = replacements.iter().any(|it| it.file.starts_with(mocks.windows_32()));
        if !has_32_bit && self.is_32_bit() {
            message(format_args!(
                "the command is a 32-bit program, and there is no {}: its calls go to Wine's own secur32.dll",
                mocks.windows_32().join("secur32.dll").display()
            ));
        }
        let place = if as_is {
            Place::AsIs(InPlace::put(&self.prefix, &replacements).map_err(error)?)
        } else {
            Place::Shadow(Shadow::of(&self.prefix, &replacements, &self.server).map_err(error)?)
        };
        Ok(Some(Session { wine: self, place }))
    }

    /// A path as a Windows program writes it, on the drive that the prefix maps to it.
    pub(crate) fn dos_path(&self, path: &Path) -> OsString {
        let mapped = self.drives().into_iter().filter_map(|(drive, root)| {
            let rest = path.strip_prefix(&root).ok()?;
            Some((root.components().count(), format!("{drive}\\{}", rest.display()).replace('/', "\\")))
        });
        // The drive with the longest matching root. A new prefix has Z: for `/`.
        let closest = mapped.max_by_key(|&(depth, _)| depth).map(|(_, path)| path);
        closest.unwrap_or_else(|| format!("Z:{}", path.display()).replace('/', "\\")).into()
    }

    /// Whether the command's own process is a Windows program.
    pub(crate) fn is_command(&self) -> bool {
        self.how == How::Itself
    }

    /// Whether the command is known to be a 32-bit program.
    pub(crate) fn is_32_bit(&self) -> bool {
        self.app.as_deref().is_some_and(is_32_bit_program)
    }

    /// The folders that Wine searches before those at the beginning of `WINEPATH`, or that a program may put before
    /// them.
    fn searched_first(&self) -> Vec<PathBuf> {
        let program = self.app.as_deref().and_then(Path::parent);
        program.into_iter().chain([Path::new(".")]).map(|folder| Path::new(".").join(folder)).collect()
    }

    fn drives(&self) -> Vec<(String, PathBuf)> {
        let Ok(entries) = fs::read_dir(self.prefix.join("dosdevices")) else { return Vec::new() };
        let drive = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            // `c:` is a drive, `c::` the device behind it.
            let is_drive = name.len() == 2 && name.ends_with(':');
            is_drive.then(|| Some((name.to_uppercase(), entry.path().canonicalize().ok()?)))?
        };
        entries.flatten().filter_map(drive).collect()
    }
}

/// The prefix of one run.
#[derive(Debug)]
pub(crate) struct Session<'wine> {
    wine: &'wine Wine,
    place: Place,
}

#[derive(Debug)]
enum Place {
    AsIs(InPlace),
    Shadow(Shadow),
}

impl Session<'_> {
    /// The variables by which Wine takes this prefix, and our `secur32.dll` in it.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 2] {
        let prefix = match &self.place {
            Place::AsIs(_) => &self.wine.prefix,
            Place::Shadow(shadow) => shadow.path(),
        };
        let inherited = env::var_os("WINEDLLOVERRIDES").unwrap_or_default();
        [("WINEPREFIX", prefix.into()), ("WINEDLLOVERRIDES", overrides(&inherited))]
    }

    /// Has Windows programs find variables that are started without them: in a prefix that is this run's alone.
    pub(crate) fn announce(&self, variables: &[u8]) -> io::Result<()> {
        match &self.place {
            Place::AsIs(_) => Ok(()),
            Place::Shadow(shadow) => shadow.announce(variables),
        }
    }

    /// Waits until no Windows program of the command runs any more, and gives the prefix back as it was.
    pub(crate) fn end(self, signals: &mut Signals) -> Result<(), ExecError> {
        let prefix = self.wine.prefix.clone();
        let ended = match self.place {
            Place::AsIs(in_place) => in_place.end(),
            Place::Shadow(shadow) => {
                self.wine.server.wait(shadow.path(), signals).and_then(|()| shadow.end())
            }
        };
        ended.map_err(|source| ExecError::Prefix { prefix, source })
    }
}

/// `WINEDLLOVERRIDES` with our `secur32.dll` before Wine's: alone, Wine's own couldn't be loaded behind it.
fn overrides(inherited: &OsStr) -> OsString {
    const OURS: &str = "secur32=n,b";
    // What is no text isn't a list of Wine's either.
    let inherited = inherited.to_string_lossy();
    let mut list = Vec::new();
    for item in inherited.split(';').filter(|item| !item.trim().is_empty()) {
        let (names, order) = item.split_once('=').unwrap_or((item, ""));
        let is_ours = |name: &str| {
            let name = name.trim().trim_start_matches('*').to_ascii_lowercase();
            name.strip_suffix(".dll").unwrap_or(&name) == "secur32"
        };
        let others: Vec<_> = names.split(',').filter(|name| !is_ours(name)).collect();
        if !others.is_empty() {
            list.push(format!("{}={order}", others.join(",")));
        }
    }
    list.push(OURS.to_owned());
    list.join(";").into()
}

/// The files with a mock's name in any case: Wine ignores case.
fn files_named_like_mocks(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let names =
        || MOCKS.iter().map(|mock| mock.file_name()).chain(["secur32.dll", "sspicli.dll", "security.dll"]);
    let is_named_so =
        |path: &PathBuf| path.file_name().is_some_and(|it| names().any(|name| it.eq_ignore_ascii_case(name)));
    entries.flatten().map(|entry| entry.path()).filter(is_named_so).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_keep_what_is_there_but_for_secur32() {
        for (inherited, expected) in [
            ("", "secur32=n,b"),
            ("mscoree,mshtml=", "mscoree,mshtml=;secur32=n,b"),
            ("secur32=b", "secur32=n,b"),
            ("kerberos,Secur32.dll,msv1_0=;*secur32=n;a=n,b", "kerberos,msv1_0=;a=n,b;secur32=n,b"),
        ] {
            assert_eq!(overrides(OsStr::new(inherited)), expected, "{inherited}");
        }
    }

    #[test]
    fn a_command_needs_wine_if_it_is_or_names_wine_or_a_windows_program() {
        use How::{Itself, Mentions, Names};
        for (command, wine, app, how) in [
            (&["wine", "app.exe", "x"][..], "wine", Some("app.exe"), Itself),
            (&["/opt/wine/bin/wine64", "a/app.exe"], "/opt/wine/bin/wine64", Some("a/app.exe"), Itself),
            (&["./App.EXE"], "wine", Some("./App.EXE"), Itself),
            (&["xvfb-run", "-a", "wine-stable", "app.exe"], "wine-stable", Some("app.exe"), Names),
            (&["sh", "-c", "exec wine app.exe; true"], "wine", None, Names),
            (&["sh", "-c", "./run app.exe"], "wine", None, Mentions),
            (&["python3", "run.py", "build/app.exe"], "wine", Some("build/app.exe"), Mentions),
        ] {
            let args = arguments(command);
            let found = Wine::of(&args).unwrap_or_else(|| panic!("{command:?} needs Wine"));
            assert_eq!((found.program.to_str(), found.how), (Some(wine), how), "{command:?}");
            assert_eq!(found.app.as_deref(), app.map(Path::new), "{command:?}");
        }
        for command in [&["./app"][..], &["cat", "wine.txt"], &["sh", "-c", "echo winery app.exec"]] {
            assert!(Wine::of(&arguments(command)).is_none(), "{command:?}");
        }
    }

    #[test]
    fn an_option_says_that_a_command_starts_wine() {
        let mut args = arguments(&["make", "check"]);
        assert!(Wine::of(&args).is_none());
        args.wine = true;
        assert_eq!(Wine::of(&args).map(|wine| wine.how), Some(How::Names));
    }

    fn arguments(command: &[&str]) -> ExecArgs {
        use clap::Parser as _;
        let line = ["sspcache", "exec", "--"].iter().chain(command);
        match crate::cli::Cli::parse_from(line).command {
            crate::cli::Command::Exec(args) => args,
            other => panic!("{other:?}"),
        }
    }
}
