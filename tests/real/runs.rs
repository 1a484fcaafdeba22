//! Runs of a client under `sspcache exec --check=left,leaks,misuse`, and what must come of them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sspcache_tests::{
    program::{Ran, fixture, root},
    stage::Stage,
};

use crate::acceptor::Acceptor;

/// The accounts of every test.
pub(crate) const ACCOUNTS: &str = "clients/real/accounts.toml";
pub(crate) const ALICE: [&str; 2] = ["alice", "correct horse"];
/// The default credentials.
pub(crate) const NOBODY: [&str; 2] = ["-", "-"];
/// Whose session it is, and so whom [`NOBODY`] signs in.
const BOB: [&str; 2] = ["bob", "battery staple"];
pub(crate) const WRONG: [&str; 2] = ["alice", "wrong horse"];

/// One run of a client.
pub(crate) struct Run<'a> {
    /// What follows the port of the server: a package, whom to sign in, and steps.
    pub(crate) arguments: Vec<&'a str>,
    /// Whose session it is.
    pub(crate) logon: [&'a str; 2],
    /// The exit status of `exec --check=left,leaks,misuse`.
    pub(crate) status: i32,
    /// What the client prints, among other things.
    pub(crate) printed: &'a [&'a str],
    /// What became of the sign-ins, from the server's view.
    pub(crate) served: &'a [&'a str],
    /// What the verdict says, among other things.
    pub(crate) verdict: &'a [&'a str],
}

impl<'a> Run<'a> {
    /// The same, with a step more.
    pub(crate) fn with(mut self, step: &'a str) -> Self {
        self.arguments.push(step);
        self
    }
}

/// A client signs in as a user, frees what it got, and is clean.
pub(crate) fn clean<'a>(package: &'a str, who: [&'a str; 2], served: &'a [&'a str]) -> Run<'a> {
    let arguments = vec![package, who[0], who[1]];
    Run { arguments, logon: BOB, status: 0, printed: served, served, verdict: &["clean", "no leaks"] }
}

/// A client signs in as alice and keeps her credential to the end.
pub(crate) fn kept<'a>(package: &'a str, served: &'a [&'a str]) -> Run<'a> {
    let arguments = vec![package, ALICE[0], ALICE[1], "keep"];
    Run {
        arguments,
        logon: BOB,
        status: 99,
        printed: served,
        served,
        verdict: &["not clean", r"CONTOSO\alice", "1 credential handle, never freed"],
    }
}

/// A client has a wrong password, is not let in, and ends with status 1.
pub(crate) fn refused(package: &str) -> Run<'_> {
    let arguments = vec![package, WRONG[0], WRONG[1]];
    Run {
        arguments,
        logon: BOB,
        status: 1,
        printed: &[],
        served: &["refused: SEC_E_LOGON_DENIED"],
        verdict: &["no leaks"],
    }
}

/// A client that takes no other credentials than the default ones, which it can't leave.
pub(crate) fn silent<'a>(package: &'a str, served: &'a [&'a str]) -> Run<'a> {
    Run {
        arguments: vec![package],
        logon: BOB,
        status: 0,
        printed: served,
        served,
        verdict: &["clean", "no leaks"],
    }
}

/// Such a client, in the session of a user whose password is wrong.
pub(crate) fn refused_silently(package: &str) -> Run<'_> {
    let served = &["refused: SEC_E_LOGON_DENIED"];
    Run { arguments: vec![package], logon: WRONG, status: 1, printed: &[], served, verdict: &["no leaks"] }
}

/// A client, and the place in which it runs.
pub(crate) struct Client {
    stage: Stage,
    command: Vec<OsString>,
    /// Its output must be files: under Wine 8 Node can't start with a pipe, nor Python with a file (observed).
    writes_to_files: bool,
    /// The schemes of the program's own server, where it signs in to that one instead of the test's.
    #[cfg(feature = "serve")]
    served: Option<&'static [&'static str]>,
}

/// The server that a client signs in to.
enum Server {
    Of(Acceptor),
    #[cfg(feature = "serve")]
    Program(crate::served::Program),
}

impl Server {
    fn port(&self) -> u16 {
        match self {
            Self::Of(acceptor) => acceptor.port(),
            #[cfg(feature = "serve")]
            Self::Program(program) => program.port(),
        }
    }

    fn outcomes(&self) -> Vec<String> {
        match self {
            Self::Of(acceptor) => acceptor.outcomes(),
            #[cfg(feature = "serve")]
            Self::Program(program) => program.outcomes(),
        }
    }
}

impl Client {
    /// One that has this command line, but for its arguments. None when Wine was left out by a flag, which is said.
    pub(crate) fn new(command: &[&dyn AsRef<OsStr>]) -> Option<Self> {
        let command = command.iter().map(|word| word.as_ref().to_owned()).collect();
        Some(Self {
            stage: Stage::with_windows_mocks_alone()?,
            command,
            writes_to_files: false,
            #[cfg(feature = "serve")]
            served: None,
        })
    }

    /// The same, at the program's own server, which offers these schemes.
    #[cfg(feature = "serve")]
    pub(crate) fn served(self, schemes: &'static [&'static str]) -> Self {
        Self { served: Some(schemes), ..self }
    }

    #[cfg_attr(
        not(feature = "serve"),
        expect(clippy::unused_self, reason = "which server it is depends on the feature alone then")
    )]
    fn server(&self) -> Server {
        let config = fs::read_to_string(fixture(ACCOUNTS)).expect("readable");
        #[cfg(feature = "serve")]
        if let Some(schemes) = self.served {
            return Server::Program(crate::served::Program::new(&config, schemes));
        }
        Server::Of(Acceptor::new(&config))
    }

    pub(crate) fn writing_to_files(self) -> Self {
        Self { writes_to_files: true, ..self }
    }

    /// Does the runs of a table, each with a server of its own; over and over, where the environment asks for a number of runs.
    #[track_caller]
    pub(crate) fn runs(&self, table: &[Run<'_>]) {
        let runs = env::var("SSPCACHE_TEST_CLIENT_RUNS").ok();
        let runs =
            runs.map_or(0, |runs| runs.parse().expect("SSPCACHE_TEST_CLIENT_RUNS is a number of runs"));
        for run in table.iter().cycle().take(table.len().max(runs)) {
            self.run(run);
        }
    }

    #[track_caller]
    fn run(&self, run: &Run<'_>) {
        let acceptor = self.server();
        let mut exec = self.stage.exec();
        exec.args(["--check=left,leaks,misuse", "--config"]).arg(fixture(ACCOUNTS));
        exec.env("LOGON_PASSWORD", run.logon[1]);
        exec.args(["--logon", &format!(r"CONTOSO\{}:env:LOGON_PASSWORD", run.logon[0]), "--", "wine"]);
        exec.args(&self.command).arg(acceptor.port().to_string()).args(&run.arguments);
        // Wine 8 is Windows 7 to programs, and Node asks.
        exec.env("NODE_SKIP_PLATFORM_CHECK", "1");
        let mut ran = if self.writes_to_files { self.write_to_files(&mut exec) } else { Ran::of(&mut exec) };
        ran.stdout = ran.stdout.replace("\r\n", "\n");
        let shown = format!("{:?}\nprinted:\n{}\nverdict:\n{}", run.arguments, ran.stdout, ran.stderr);
        assert_eq!(ran.status, run.status, "{shown}");
        for (expected, text) in [(run.printed, &ran.stdout), (run.verdict, &ran.stderr)] {
            for expected in expected {
                assert!(text.contains(expected), "{expected:?} is missing: {shown}");
            }
        }
        assert!(ran.stderr.contains("\nno misuse: "), "{shown}");
        assert_eq!(acceptor.outcomes(), run.served, "{shown}");
        for secret in [ALICE[1], WRONG[1], BOB[1]] {
            assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{secret}: {shown}");
        }
    }

    fn write_to_files(&self, exec: &mut Command) -> Ran {
        let [stdout, stderr] = ["stdout.txt", "stderr.txt"].map(|name| self.stage.path(name));
        let file = |path| File::create(path).expect("the folder is this test's own");
        let status = exec.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr)).status();
        let status = status.expect("it starts").code().unwrap_or(-1);
        let [stdout, stderr] = [stdout, stderr].map(|path| fs::read_to_string(path).expect("UTF-8"));
        Ran { status, stdout, stderr }
    }
}

/// A client's script or source.
pub(crate) fn real(name: &str) -> PathBuf {
    fixture("clients/real").join(name)
}

/// A file that `cargo xtask setup --all` fetched.
pub(crate) fn fetched(path: &str) -> PathBuf {
    existing(root().join(".tools/clients").join(path), "`cargo xtask setup --all` fetches it")
}

pub(crate) fn existing(path: PathBuf, how: &str) -> PathBuf {
    assert!(Path::new(&path).is_file(), "{} is missing: {how}", path.display());
    path
}
