//! Wine, for tests on Unix: each has a prefix of its own, so that several can change its registry at the same time.

use std::{
    env, fs,
    io::ErrorKind,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::program::temporary_folder;

/// Whether Wine and its compilers were left out by a flag, which is said.
pub fn is_left_out() -> bool {
    let is_left_out = env::var_os("SSPCACHE_TEST_WITHOUT_WINE").is_some();
    if is_left_out {
        eprintln!("left out: SSPCACHE_TEST_WITHOUT_WINE is set");
    }
    is_left_out
}

/// A copy of the prefix that `cargo xtask setup` made, with a Wine server of its own. Both end when it is dropped.
#[derive(Debug)]
pub struct Prefix {
    folder: TempDir,
    /// Set once the server runs: only what asks for it needs one.
    started: OnceLock<()>,
}

impl Prefix {
    /// None when Wine was left out by a flag, which is said.
    pub fn new() -> Option<Self> {
        if is_left_out() {
            return None;
        }
        let original = env::var_os("WINEPREFIX").map(PathBuf::from).expect(
            "WINEPREFIX is not set: start this through cargo, so that nobody's own prefix is touched",
        );
        assert!(
            original.join("system.reg").is_file(),
            "there is no Wine prefix in {}, which this test needs: `cargo xtask setup` makes it",
            original.display()
        );
        let prefix = Self { folder: temporary_folder(), started: OnceLock::new() };
        copy(&original, prefix.path());
        Some(prefix)
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program of Wine's, in this prefix.
    pub fn command(&self, program: &str) -> Command {
        self.started.get_or_init(|| {
            // For as long as the test lasts, so that services start once; not for ever, should the test be killed.
            self.run(Command::new("wineserver").arg("--persistent=60"));
            // The first Windows program starts services that inherit its streams, and hold them open for seconds.
            self.run(Command::new("wine").args(["cmd", "/c", "exit"]));
        });
        let mut command = Command::new(program);
        command.env("WINEPREFIX", self.path());
        command
    }

    fn run(&self, command: &mut Command) {
        command.env("WINEPREFIX", self.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().unwrap_or_else(|error| {
            panic!(
                "can't run wine, which this test needs ({error}): `cargo xtask setup` installs it or says how; \
                 `cargo xtask test --without-wine` does without"
            )
        });
        assert!(status.success(), "{command:?}: {status}");
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let server = fs::read_to_string(self.path().join(SERVER));
        if self.started.get().is_none() && server.is_err() {
            return;
        }
        // It may have ended by itself. Waited for: it writes to the folder as it ends.
        for option in ["--kill", "--wait"] {
            let mut server = Command::new("wineserver");
            server.arg(option).env("WINEPREFIX", self.path());
            let _ = server.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        if let Ok(server) = server {
            let _ = fs::remove_dir_all(env::temp_dir().join(server));
        }
    }
}

/// A file of a prefix in which Debian's Wine has the name of the temporary folder of its server.
const SERVER: &str = "wineserver";

/// Files of the drive are linked: Wine replaces what it writes, and tests write none. What Wine writes in place is copied.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("readable");
        let (kind, there) = (entry.file_type().expect("readable"), to.join(entry.file_name()));
        if entry.file_name() == SERVER {
            // With one folder for all, a new prefix may meet the server of one that went, since it may get its number in the file system.
        } else if kind.is_dir() {
            fs::create_dir(&there).expect("the folder is this test's own");
            copy(&entry.path(), &there);
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).expect("readable"), &there)
                .expect("the folder is this test's own");
        } else if kind.is_file() {
            let is_drive = from.components().any(|part| part.as_os_str() == "drive_c");
            let copy = || fs::copy(entry.path(), &there).map(drop);
            // Linking fails between two file systems.
            let made =
                if is_drive { fs::hard_link(entry.path(), &there).or_else(|_| copy()) } else { copy() };
            match made {
                // A file that only its owner reads, or one that went.
                Err(error) if [ErrorKind::NotFound, ErrorKind::PermissionDenied].contains(&error.kind()) => {}
                made => made.unwrap_or_else(|error| panic!("{}: {error}", entry.path().display())),
            }
        }
    }
}
