//! What the tests of `sspcache exec` share: the mock DLLs laid out as they ship, and clients to run against them.

#[cfg(unix)]
use std::{
    collections::BTreeMap,
    os::unix::ffi::OsStringExt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use std::{
    env::{
        self,
        consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX},
    },
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

#[cfg(unix)]
use crate::wine::{Prefix, is_left_out};

#[cfg(unix)]
use crate::program::{root, target};
use crate::{
    program::{Ran, fixture, program, sspcache, temporary_folder},
    schema,
};

/// The mock DLLs for Wine: as cargo names their libraries.
#[cfg(unix)]
const MOCKS: [&str; 2] = ["MSNSSPC", "MSAPSSPC"];

/// The files of the mocks for this system. On Windows the place of secur32.dll is beside the program that it is for.
pub const FILES: &[&str] = if cfg!(windows) {
    &["MSNSSPC.dll", "MSAPSSPC.dll"]
} else {
    &["MSNSSPC.dll", "MSAPSSPC.dll", "secur32.dll"]
};

/// The C compiler for Windows programs.
#[cfg(unix)]
pub const MINGW: &str = "x86_64-w64-mingw32-gcc";

/// The C++ compiler for them.
#[cfg(unix)]
pub const MINGW_CPP: &str = "x86_64-w64-mingw32-g++";

/// Steps of a client, the exit status of `exec --expect-clean`, and what the verdict says.
pub type Case = (&'static str, i32, &'static [&'static str]);

/// A folder with the mock DLLs as `cargo xtask dist` lays them out, and room for what a test makes.
#[derive(Debug)]
pub struct Stage {
    // Before the folder: what runs in it ends first.
    #[cfg(unix)]
    wine: Option<Prefix>,
    folder: TempDir,
}

impl Stage {
    /// With the mock DLLs for this system, as cargo built them for the tests.
    #[allow(clippy::new_without_default, reason = "it makes a folder, and links files into it")]
    pub fn new() -> Self {
        let folder = temporary_folder();
        let built = env::current_exe().expect("a test knows its own path");
        for file in FILES {
            let library = file.trim_end_matches(".dll");
            let library = built.with_file_name(format!("{DLL_PREFIX}{library}{DLL_SUFFIX}"));
            link(&library, &folder.path().join(file));
        }
        Self {
            #[cfg(unix)]
            wine: None,
            folder,
        }
    }

    /// With a Wine prefix of its own; none when Wine was left out by a flag, which is said.
    #[cfg(unix)]
    pub fn with_wine() -> Option<Self> {
        let wine = Some(Prefix::new()?);
        Some(Self { wine, ..Self::new() })
    }

    /// With a Wine prefix of its own, and the mocks for it; none as above.
    #[cfg(unix)]
    pub fn with_windows_mocks() -> Option<Self> {
        Some(Self::with_wine()?.and_windows_mocks())
    }

    /// With the mocks for Wine, and the prefix that `cargo xtask setup` made, which `exec` only reads; none as above.
    #[cfg(unix)]
    pub fn with_windows_mocks_alone() -> Option<Self> {
        (!is_left_out()).then(|| Self::new().and_windows_mocks())
    }

    #[cfg(unix)]
    fn and_windows_mocks(self) -> Self {
        let windows = self.path("windows");
        fs::create_dir(&windows).expect("the folder is this test's own");
        for mock in MOCKS.iter().chain(&["secur32"]) {
            let file = format!("{mock}.dll");
            link(&windows_mocks().join(&file), &windows.join(&file));
        }
        // What Wine 8 lacks and Rust's DLLs need, so that any prefix will do.
        fs::create_dir(windows.join("wine")).expect("the folder is this test's own");
        let shim = root().join("crates/xtask/shim/bcryptprimitives.c");
        let built =
            self.compile(MINGW, "bcryptprimitives.dll", &shim, &["-shared", "-nostdlib", "-ladvapi32"]);
        fs::rename(built, windows.join("wine/bcryptprimitives.dll")).expect("the folder is this test's own");
        self
    }

    /// `wine`, in this stage's prefix.
    #[cfg(unix)]
    pub fn wine(&self) -> Command {
        self.wine.as_ref().expect("this stage was made with Wine").command("wine")
    }

    /// The folder of this stage's Wine prefix.
    #[cfg(unix)]
    pub fn prefix(&self) -> &Path {
        self.wine.as_ref().expect("this stage was made with Wine").path()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `sspcache exec`, ready for its options and `--`.
    pub fn exec(&self) -> Command {
        let mut command = sspcache();
        command.env("SSPCACHE_HOME", self.folder.path()).arg("exec");
        #[cfg(unix)]
        if let Some(wine) = &self.wine {
            command.env("WINEPREFIX", wine.path());
        }
        command
    }

    /// Runs a client under `sspcache exec --expect-clean`.
    pub fn expect_clean(&self, client: &[OsString], steps: &str) -> Ran {
        let mut command = self.exec();
        command.args(["--expect-clean", "--"]).args(client).args(steps.split_whitespace());
        Ran::of(&mut command)
    }

    /// Runs a client through a table of steps.
    #[track_caller]
    pub fn judge(&self, client: &[OsString], cases: &[Case]) {
        for (steps, status, said) in cases {
            let ran = self.expect_clean(client, steps);
            assert_eq!(ran.status, *status, "{steps}: {ran:?}");
            for said in *said {
                assert!(ran.stderr.contains(said), "{steps}: {said:?} is not in\n{}", ran.stderr);
            }
            assert!(
                !ran.stderr.contains("correct horse") && !ran.stdout.contains("correct horse"),
                "{ran:?}"
            );
        }
    }

    /// What `sspcache exec` says about a client in its JSON form, whatever its exit status.
    pub fn verdict(&self, command: &[OsString]) -> serde_json::Value {
        let file = self.path("verdict.json");
        Ran::of(self.exec().args(["--format", "json", "--verdict"]).arg(&file).arg("--").args(command));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("no verdict: {error}"));
        schema::verdict(&text)
    }

    /// The C client, compiled for this system.
    #[cfg(unix)]
    pub fn c_client(&self) -> OsString {
        self.compile("cc", "client", &fixture("clients/client.c"), &["-ldl"])
    }

    /// Compiles C; the path of what comes of it.
    #[cfg(unix)]
    pub fn compile(&self, compiler: &str, name: &str, source: &Path, options: &[&str]) -> OsString {
        self.compile_as(compiler, name, "-xc", source, options)
    }

    /// Compiles a file as a language; the path of what comes of it.
    #[cfg(unix)]
    pub fn compile_as(
        &self,
        compiler: &str,
        name: &str,
        language: &str,
        source: &Path,
        options: &[&str],
    ) -> OsString {
        // Wine looks for DLLs beside a program first, and would stop at the mocks for this system.
        let folder = self.path("programs");
        fs::create_dir_all(&folder).expect("the folder is this test's own");
        let program = folder.join(name);
        // What was compiled under this name before is replaced, as a compiler does it.
        let _ = fs::remove_file(&program);
        link(&compiled(compiler, name, language, source, options), &program);
        program.into()
    }
}

/// What a compiler makes of a file. The same of the same is made once in this process.
#[cfg(unix)]
fn compiled(compiler: &str, name: &str, language: &str, source: &Path, options: &[&str]) -> PathBuf {
    /// The folder's number, and what was made there.
    type Made = Arc<(usize, OnceLock<PathBuf>)>;
    static MADE: Mutex<BTreeMap<Vec<OsString>, Made>> = Mutex::new(BTreeMap::new());

    let text = fs::read(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let mut what = words(&[&compiler, &name, &language, &source, &OsString::from_vec(text)]);
    what.extend(options.iter().map(OsString::from));
    let place = {
        let mut all = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let number = all.len();
        all.entry(what).or_insert_with(|| Arc::new((number, OnceLock::new()))).clone()
    };
    let make = || {
        let folder = folder_of_programs().join(place.0.to_string());
        fs::create_dir_all(&folder).expect("the folder is this process's own");
        let file = folder.join(name);
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-Werror", "-o"]).arg(&file);
        command.arg(language).arg(source).arg("-xnone").args(options);
        let output = command.output().unwrap_or_else(|error| {
            panic!("can't run the C compiler {compiler}, which this test needs ({error}): `cargo xtask setup` installs it or says how")
        });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    };
    // Waited for by tests that want the same, and by no others.
    place.1.get_or_init(make).clone()
}

/// The folder of what this process compiles. The next process but one removes it: nothing runs at this one's end.
#[cfg(unix)]
fn folder_of_programs() -> &'static Path {
    const NAME: &str = "programs-";
    const AN_HOUR: Duration = Duration::from_hours(1);
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = temporary_folder().keep();
        let all = folder.parent().expect("it is in cargo's");
        for other in fs::read_dir(all).expect("readable").flatten() {
            let is_old = |file: fs::Metadata| {
                file.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age > AN_HOUR))
            };
            if other.file_name().to_string_lossy().starts_with(NAME) && other.metadata().is_ok_and(is_old) {
                let _ = fs::remove_dir_all(other.path());
            }
        }
        let named = all.join(format!("{NAME}{}", std::process::id()));
        let _ = fs::remove_dir_all(&named);
        fs::rename(&folder, &named).expect("both are in cargo's folder");
        named
    })
}

/// The Python client.
pub fn python_client() -> Vec<OsString> {
    vec![python().into(), fixture("clients/client.py").into()]
}

/// Python's name, if it runs.
pub fn python() -> &'static str {
    let name = if cfg!(windows) { "python" } else { "python3" };
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).status();
    found.unwrap_or_else(|error| {
        panic!(
            "can't run {name}, which this test needs ({error}): `cargo xtask setup` installs it or says how"
        )
    });
    name
}

/// The Rust client.
pub fn rust_client() -> OsString {
    example("client")
}

/// A program that is an example of this package, so that cargo builds it with the tests.
pub fn example(name: &str) -> OsString {
    let program = program();
    let programs = program.parent().expect("cargo names a file in a folder");
    let program = programs.join("examples").join(format!("{name}{EXE_SUFFIX}"));
    assert!(
        program.is_file(),
        "{} is missing: it is built with all tests, or by `cargo build --package sspcache-cli --example {name}`",
        program.display()
    );
    program.into()
}

/// The folder of the mock DLLs for Windows programs: built here, once, so that they are never older than the tests.
///
/// What ships is built for another target and by Zig; what is tested here is that `exec` brings mock and program together.
#[cfg(unix)]
fn windows_mocks() -> &'static Path {
    const TARGET: &str = "x86_64-pc-windows-gnu";
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target_folder = target();
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args(["build", "--quiet", "--target", TARGET]);
        cargo
            .args(["--package", "sspcache-msnsspc", "--package", "sspcache-msapsspc"])
            .args(["--package", "sspcache-secur32", "--target-dir"])
            .arg(&target_folder);
        let built = cargo.output().unwrap_or_else(|error| panic!("can't run cargo: {error}"));
        assert!(
            built.status.success(),
            "the mock DLLs for Windows can't be built; `cargo xtask setup` installs what that needs:\n{}",
            String::from_utf8_lossy(&built.stderr)
        );
        target_folder.join(TARGET).join("debug")
    })
}

/// The same file under another name, without a copy of its sixteen megabytes.
fn link(from: &Path, to: &Path) {
    fs::hard_link(from, to)
        .unwrap_or_else(|error| panic!("{} from {}: {error}", to.display(), from.display()));
}

/// A command line of paths and words.
pub fn words(words: &[&dyn AsRef<OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
