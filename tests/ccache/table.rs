//! The cases of `fixtures/caches/ccache.toml`, over ccaches that the test writes itself.
//!
//! `KRB5CCNAME` is a process's. So the cases are run in two processes of their own, with a file and with a folder as the default.

use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, Stdio},
};

use sspcache_tests::caches::cases;

/// The folder of a process, in its environment.
const FOLDER: &str = "SSPCACHE_TEST_FOLDER";

/// K1, K2
#[test]
fn real_ccaches_are_flushed_as_the_table_says() {
    let mut ran = BTreeSet::new();
    for default in ["FILE:{dir}/one", "DIR:{dir}"] {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("krb5.conf");
        fs::write(&configuration, "[libdefaults]\n").unwrap();
        let ccaches = folder.path().join("ccaches");
        fs::create_dir(&ccaches).unwrap();
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", "--ignored", "--nocapture", "table::child::runs_the_cases"]);
        child.env("KRB5CCNAME", default.replace("{dir}", ccaches.to_str().unwrap()));
        child.env("KRB5_CONFIG", configuration).env(FOLDER, &ccaches).stdin(Stdio::null());
        let output = child.output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && printed.contains("1 passed"), "{default}: {printed}{errors}");
        ran.extend(printed.lines().filter_map(|line| line.strip_prefix("ran ")).map(str::to_owned));
    }
    // The others need faults, or a ccache in the memory of the process.
    let is_on_disk = |name: &str| !name.starts_with("MEMORY:");
    let expected: BTreeSet<_> = cases("ccache")
        .into_iter()
        .filter(|case| case.faults.is_empty() && case.start.ccaches.iter().all(|one| is_on_disk(&one.name)))
        .map(|case| case.name)
        .collect();
    assert!(expected.len() > 5, "the table is found");
    assert_eq!(ran, expected);
}

mod child {
    use std::{
        collections::BTreeMap,
        env, fs,
        path::{Path, PathBuf},
    };

    use sspcache::{CredentialProvider, caches::Caches};
    use sspcache_tests::{
        caches::{Case, Ccache, State, Surroundings, added, run},
        ccache_file,
    };

    /// This process, and the folder of its ccaches.
    struct Real {
        folder: PathBuf,
        /// What was written, and as what.
        written: Vec<(Ccache, Vec<u8>)>,
    }

    impl Real {
        fn new() -> Self {
            Self { folder: env::var_os(super::FOLDER).unwrap().into(), written: Vec::new() }
        }

        fn files(&self) -> Vec<PathBuf> {
            fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        }
    }

    fn path(name: &str) -> &Path {
        Path::new(name.trim_start_matches(|c| c != '/'))
    }

    impl Surroundings for Real {
        fn names(&self) -> BTreeMap<&'static str, String> {
            let folder = self.folder.to_str().unwrap().to_owned();
            let realm = "CONTOSO.EXAMPLE".to_owned();
            [("app", format!("sspcache-{}", std::process::id())), ("dir", folder), ("realm", realm)].into()
        }

        fn set_up(&mut self, case: &Case) -> bool {
            let names: Vec<_> = case.start.ccaches.iter().map(|one| one.name.as_str()).collect();
            let wants_folder = names.iter().any(|name| name.starts_with("DIR:"));
            let has_folder = env::var("KRB5CCNAME").unwrap().starts_with("DIR:");
            let in_memory = names.iter().any(|name| name.starts_with("MEMORY:"));
            if !case.faults.is_empty() || in_memory || wants_folder != has_folder {
                return false;
            }
            self.files().iter().for_each(|file| fs::remove_file(file).unwrap());
            for ccache in &case.start.ccaches {
                ccache_file::write(path(&ccache.name), ccache.tickets.iter().map(String::as_str));
                self.written.push((ccache.clone(), fs::read(path(&ccache.name)).unwrap()));
            }
            true
        }

        fn caches(&self, and: &[String]) -> Box<dyn CredentialProvider> {
            Box::new(added(Caches::process(), and))
        }

        /// A file with the bytes that were written has the tickets that were written.
        fn state(&self, _: &State) -> State {
            let of = |file: PathBuf| {
                let content = fs::read(&file).unwrap();
                let found =
                    self.written.iter().find(|(one, bytes)| path(&one.name) == file && *bytes == content);
                let unknown = || Ccache { name: file.display().to_string(), tickets: Vec::new() };
                found.map_or_else(unknown, |(one, _)| one.clone())
            };
            State { ccaches: self.files().into_iter().map(of).collect(), ..State::default() }
        }
    }

    #[test]
    #[ignore = "run by real_ccaches_are_flushed_as_the_table_says, in a process of its own"]
    fn runs_the_cases() {
        for name in run("ccache", Real::new) {
            println!("\nran {name}");
        }
    }
}
