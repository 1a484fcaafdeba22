//! The released program by itself, with no file beside it: it carries the mock DLLs, and puts them where the user has caches.
//!
//! Like the rest of `shipped`, these need a distribution: `cargo xtask test dist` builds it and runs them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::Stage,
};

use super::distribution;

/// The program in a folder of its own, and a client.
struct Alone {
    stage: Stage,
    client: OsString,
}

impl Alone {
    fn new() -> Self {
        let stage = Stage::new();
        let client = stage.compile("cc", "names", &fixture("clients/names.c"), &["-ldl"]);
        let folder = stage.path("alone");
        fs::create_dir(&folder).expect("the folder is this test's own");
        fs::copy(distribution().join("sspcache"), folder.join("sspcache")).expect("it was built");
        Self { stage, client }
    }

    /// Runs a client that signs in and out. It prints first in which folder the mocks are.
    fn exec(&self, caches: &Path) -> Command {
        let mut command = Command::new(self.stage.path("alone/sspcache"));
        let script = r#"printf '%s\n' "$SSPCACHE_DLL_DIR"; exec "$0" sign-in MSNSSPC.dll flush MSNSSPC.dll"#;
        command.args(["exec", "--expect-clean", "--", "sh", "-c", script]).arg(&self.client);
        command.env_remove("SSPCACHE_HOME").env("XDG_CACHE_HOME", caches);
        command
    }
}

/// The folder that the client was told, where the run was clean.
#[track_caller]
fn folder(ran: Ran) -> PathBuf {
    let ran = ran.exits_with(0);
    let (folder, rest) = ran.stdout.split_once('\n').expect("the client prints it first");
    assert_eq!(rest, "MSNSSPC.dll: 00000000\nMSNSSPC.dll: TRUE\n");
    folder.into()
}

/// The files below a folder, of which each is the same in the distribution.
fn same_files(folder: &Path) -> usize {
    let mut files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let original = distribution().join(path.strip_prefix(folder).expect("below"));
                assert!(fs::read(&path).ok() == fs::read(&original).ok(), "{} differs", path.display());
                files += 1;
            }
        }
    }
    files
}

#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn it_caches_its_mocks_and_repairs_them() {
    let alone = Alone::new();
    let caches = alone.stage.path("caches");
    let placed = folder(Ran::of(&mut alone.exec(&caches)));
    assert!(placed.starts_with(&caches), "{}", placed.display());
    let files = same_files(&placed);
    assert!(files >= 8, "its own and those for Windows programs: {files}");

    fs::write(placed.join("MSNSSPC.dll"), "no DLL").expect("it is this user's");
    fs::remove_file(placed.join("windows/secur32.dll")).expect("it is this user's");
    assert_eq!(folder(Ran::of(&mut alone.exec(&caches))), placed);
    assert_eq!(same_files(&placed), files);
}

#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn it_uses_a_temporary_folder_where_it_has_no_cache() {
    let alone = Alone::new();
    // Even root can't write there.
    let read_only = PathBuf::from("/sys/caches");
    let foreign = alone.stage.path("foreign");
    fs::create_dir(&foreign).expect("the folder is this test's own");
    // Only root can give a folder away; for others the topmost one is another's.
    let foreign =
        if std::os::unix::fs::chown(&foreign, Some(1), None).is_ok() { foreign } else { PathBuf::from("/") };
    for caches in [read_only, foreign] {
        let placed = folder(Ran::of(&mut alone.exec(&caches)));
        assert!(!placed.starts_with(&caches) || caches == Path::new("/"), "{}", placed.display());
        assert!(!placed.exists(), "{} is left", placed.display());
    }
    // Without the variable, the home folder would be that of the system's list of users.
    let placed = folder(Ran::of(alone.exec("".as_ref()).env("HOME", "no absolute path")));
    assert!(!placed.exists(), "{} is left", placed.display());
}

#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn several_runs_may_begin_at_once() {
    let alone = Alone::new();
    let caches = alone.stage.path("caches");
    let start =
        |_| alone.exec(&caches).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let runs: Vec<_> = (0..8).map(start).collect();
    for run in runs {
        let placed = folder(Ran::from(run.wait_with_output().expect("ends")));
        assert!(placed.starts_with(&caches), "{}", placed.display());
        same_files(&placed);
    }
}

/// What is in `SSPCACHE_HOME` goes before what is carried.
#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn a_folder_that_is_named_goes_before() {
    let alone = Alone::new();
    let caches = alone.stage.path("caches");
    let placed = folder(Ran::of(alone.exec(&caches).env("SSPCACHE_HOME", distribution())));
    assert_eq!(placed, distribution());
    assert!(!caches.exists());
}

/// As packages have it: the system's own mocks beside the program, and those for Windows programs inside.
#[test]
#[ignore = "needs a distribution: cargo xtask test dist"]
fn with_its_systems_mocks_beside_it_those_for_windows_are_carried() {
    let alone = Alone::new();
    let caches = alone.stage.path("caches");
    let beside = alone.stage.path("alone");
    for mock in ["MSNSSPC.dll", "MSAPSSPC.dll", "secur32.dll"] {
        fs::copy(distribution().join(mock), beside.join(mock)).expect("it was built");
    }
    let mut command = alone.exec(&caches);
    assert_eq!(folder(Ran::of(&mut command)), beside);
    let mut shown = Command::new(command.get_program());
    shown.args(["exec", "--", "sh", "-c", "echo \"$WINEPATH\""]).env("XDG_CACHE_HOME", &caches);
    let shown = Ran::of(shown.env_remove("SSPCACHE_HOME")).exits_with(0);
    let windows = Path::new(shown.stdout.split(';').next().expect("the first"));
    assert!(windows.starts_with(&caches) && windows.join("secur32.dll").is_file(), "{}", shown.stdout);

    // A whole distribution needs nothing of what is inside.
    fs::remove_dir_all(&caches).expect("it is this user's");
    std::os::unix::fs::symlink(distribution().join("windows"), beside.join("windows")).expect("made");
    assert_eq!(folder(Ran::of(&mut alone.exec(&caches))), beside);
    assert!(!caches.exists());
}
