//! The clients in C, the modules that they load, and running them.

use std::{
    env, fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use sspcache_benches::{root, shipped};
use tempfile::TempDir;

/// A loader, and how its client is built and run.
pub(crate) struct Loader {
    /// As the tables call it.
    pub(crate) name: &'static str,
    /// What is defined for `client.c`.
    defined: &'static str,
    /// What it is linked with.
    linked: &'static [&'static str],
    system: System,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum System {
    Unix,
    Wine,
}

/// This project's, and its peers.
pub(crate) const LOADERS: [Loader; 4] = [
    Loader { name: "sspcache-win32", defined: "OURS", linked: &["-lsspcache_win32"], system: System::Unix },
    Loader { name: "glibc", defined: "DLOPEN", linked: &["-ldl"], system: System::Unix },
    Loader { name: "WinPR", defined: "WINPR", linked: &[WINPR], system: System::Unix },
    Loader { name: "Wine", defined: "WINE", linked: &[], system: System::Wine },
];

/// By the file that distributions install without a development package.
const WINPR: &str = "-l:libwinpr2.so.2";

/// How many modules lie in one folder: a loader that ignores case reads the whole folder for each.
const IN_A_FOLDER: usize = 100;

/// A folder with the clients, and with as many copies of a module as are ever loaded.
pub(crate) struct Stage {
    folder: TempDir,
    with_wine: bool,
}

impl Stage {
    /// Builds it.
    ///
    /// # Panics
    /// Where a compiler or a peer is missing, with what to do.
    pub(crate) fn new(most: usize) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo made the folder");
        let stage = Self { folder, with_wine: env::var_os("SSPCACHE_TEST_WITHOUT_WINE").is_none() };
        let library = stage.path("libsspcache_win32.so");
        shipped::library("sspcache-win32", "sspcache_win32", &[], &library);
        for system in [System::Unix, System::Wine] {
            if stage.has(system) {
                stage.compile_modules(system, most);
            }
        }
        for loader in stage.loaders() {
            stage.compile_client(loader);
        }
        stage
    }

    /// The loaders that can be measured: all, unless Wine was left out on purpose.
    pub(crate) fn loaders(&self) -> impl Iterator<Item = &'static Loader> {
        LOADERS.iter().filter(|loader| self.has(loader.system))
    }

    /// The modules for this system's own loader, so many of them.
    pub(crate) fn modules(&self, count: usize) -> Vec<PathBuf> {
        names(count).map(|name| self.path(System::Unix.folder()).join(name)).collect()
    }

    /// Measures a loader, with so many modules loaded, in a process of its own: nanoseconds.
    pub(crate) fn measure(&self, loader: &Loader, count: usize, batches: usize) -> f64 {
        let client = self.path(&loader.client());
        let mut command = match loader.system {
            System::Unix => Command::new(client),
            System::Wine => {
                let mut wine = Command::new("wine");
                wine.arg(client);
                wine
            }
        };
        command.args([count.to_string(), batches.to_string()]).current_dir(self.path(loader.system.folder()));
        command.env("LD_LIBRARY_PATH", self.folder.path()).env("WINEDEBUG", "-all");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let names: String = names(count).map(|name| name + "\n").collect();
        child.stdin.take().expect("a pipe").write_all(names.as_bytes()).expect("it reads the names");
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{} with {count} modules: {}", loader.name, output.status);
        let text = String::from_utf8(output.stdout).expect("text");
        text.trim().parse().expect("a number")
    }

    fn has(&self, system: System) -> bool {
        system == System::Unix || self.with_wine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles a module once and copies it: a loader knows a file by its inode, so that links would be one module.
    fn compile_modules(&self, system: System, most: usize) {
        let folder = self.path(system.folder());
        fs::create_dir(&folder).expect("the folder can be written to");
        let module = folder.join("module.dll");
        let mut compiler = system.compiler();
        compiler.args(["-shared", "-nostdlib", "-s"]).args(match system {
            // In few pages, since a process may only have so many mappings.
            System::Unix => ["-fPIC", "-Wl,-z,noseparate-code", "-Wl,-z,norelro"].as_slice(),
            System::Wine => &["-Wl,--entry=DllMain"],
        });
        shipped::run(compiler.arg("-o").arg(&module).arg(source("ssp.c")));
        for (at, name) in names(most).enumerate() {
            let copy = folder.join(name);
            if at.is_multiple_of(IN_A_FOLDER) {
                fs::create_dir(copy.parent().expect("a folder")).expect("it is new");
            }
            fs::copy(&module, copy).expect("there is room");
        }
    }

    fn compile_client(&self, loader: &Loader) {
        let mut compiler = loader.system.compiler();
        compiler.arg(format!("-D{}", loader.defined)).arg("-o").arg(self.path(&loader.client()));
        if loader.system == System::Unix {
            compiler.arg("-I").arg(root().join("crates/sspcache-win32/include"));
        }
        compiler.arg(source("client.c")).arg("-L").arg(self.folder.path()).args(loader.linked);
        let built = compiler.output().expect("it was run before");
        let why = String::from_utf8_lossy(&built.stderr);
        let how = if loader.linked.contains(&WINPR) {
            "WinPR is missing, perhaps: on Debian or Ubuntu `apt-get install libwinpr2-2`\n"
        } else {
            ""
        };
        assert!(built.status.success(), "{how}{why}");
    }
}

impl Loader {
    fn client(&self) -> String {
        format!("{}-client.exe", self.defined.to_lowercase())
    }
}

impl System {
    /// Where its modules lie.
    fn folder(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Wine => "windows",
        }
    }

    fn compiler(self) -> Command {
        let name = match self {
            Self::Unix => "cc",
            Self::Wine => "x86_64-w64-mingw32-gcc",
        };
        let mut compiler = Command::new(name);
        let runs = compiler.arg("--version").stdout(Stdio::null()).status();
        assert!(runs.is_ok(), "there is no {name}: `cargo xtask setup` installs it or says how");
        compiler = Command::new(name);
        compiler.args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]);
        compiler
    }
}

/// The names by which modules are loaded: relative and short, because that is best for those loaders that compare paths.
fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("{}/ssp{number}.dll", number / IN_A_FOLDER))
}

fn source(name: &str) -> PathBuf {
    root().join("benches/modules").join(name)
}
