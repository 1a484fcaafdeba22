//! Nothing is left of a secret in a process's memory once it is to be gone, whatever took it: another process looks.
//!
//! Linux alone shows one process the memory of another through files.
#![cfg(target_os = "linux")]

use std::{fs, path::Path, process::Command};

use sspcache_tests::{
    cases,
    program::fixture,
    residue::{
        memory::{Found, Search},
        program::Program,
    },
    stage::{self, MINGW, Stage, python},
};

/// How many sign in, each with a secret of its own: a hundred thousand where many cases are asked for.
fn accounts() -> usize {
    cases(10_000).min(100_000) as usize
}

/// What tells one secret of an account from another.
const GENERATIONS: usize = 2;

/// What takes secrets away, and how that is brought about.
struct Event {
    what: &'static str,
    /// What the mock is configured with; `N` stands for the number of accounts.
    config: &'static str,
    steps: &'static [Step],
}

enum Step {
    /// The program takes this step, and answers with this number; `N` as above.
    Takes(&'static str, Answer),
    /// In its memory are all secrets of these generations, and nothing of any other.
    Holds(&'static [usize]),
}
use Step::{Holds, Takes};

enum Answer {
    All,
    Is(u32),
}
use Answer::{All, Is};

/// The package that the programs sign in for, in a case without the letter that stands for a number.
const HOLDING: &str = "[[package]]\nname = 'msn'\ncaching = false\n";

const EVENTS: &[Event] = &[
    Event {
        what: "a flush",
        config: "",
        steps: &[Takes("sign-in a 0 N", All), Holds(&[0]), Takes("flush", Is(1)), Holds(&[])],
    },
    Event {
        what: "another secret for the same principals",
        config: "",
        steps: &[
            Takes("sign-in a 0 N", All),
            Holds(&[0]),
            Takes("sign-in a 1 N", All),
            Holds(&[1]),
            Takes("flush", Is(1)),
            Holds(&[]),
        ],
    },
    Event {
        what: "other principals, where the cache is full",
        config: "[cache]\ncapacity = N",
        steps: &[
            Takes("sign-in a 0 N", All),
            Holds(&[0]),
            Takes("sign-in b 1 N", All),
            Holds(&[1]),
            Takes("flush", Is(1)),
            Holds(&[]),
        ],
    },
    Event {
        what: "unloading",
        config: "",
        steps: &[
            Takes("sign-in a 0 N", All),
            Holds(&[0]),
            Takes("unload", Is(0)),
            Holds(&[]),
            Takes("load", Is(0)),
        ],
    },
    Event {
        what: "the last handle's end, where handles keep copies",
        config: "[cache]\nhandle-policy = 'retain'",
        steps: &[
            Takes("keep a 0 N", All),
            Holds(&[0]),
            Takes("flush", Is(1)),
            Holds(&[0]),
            Takes("sign-in a 1 N", All),
            Holds(&[0, 1]),
            Takes("flush", Is(1)),
            Holds(&[0]),
            Takes("free", All),
            Holds(&[]),
        ],
    },
    Event {
        what: "the handles' end, in a package that doesn't cache",
        config: HOLDING,
        steps: &[
            Takes("keep a 0 N", All),
            Holds(&[0]),
            Takes("flush", Is(1)),
            Holds(&[0]),
            Takes("free", All),
            Holds(&[]),
            Takes("sign-in a 1 N", All),
            Holds(&[]),
        ],
    },
    Event {
        what: "a flush after one that panicked and one that failed",
        config: "[[fault]]\noperation = 'CleanupCredentialCache'\neffect = 'panic'\ntimes = 1\n\
                 [[fault]]\noperation = 'CleanupCredentialCache'\neffect = 'false'\ntimes = 1\n",
        steps: &[
            Takes("sign-in a 0 N", All),
            Takes("flush", Is(0)),
            Holds(&[0]),
            Takes("flush", Is(0)),
            Holds(&[0]),
            Takes("flush", Is(1)),
            Holds(&[]),
        ],
    },
    Event {
        what: "sign-ins that panic",
        config: "[[fault]]\noperation = 'AcquireCredentialsHandle'\neffect = 'panic'\n",
        steps: &[Takes("sign-in a 0 N", Is(0)), Holds(&[])],
    },
];

/// Expiry is noticed at the next call: a look before that finds all.
const EXPIRY: Event = Event {
    what: "the next call after they expired",
    config: "[cache]\nlifetime-seconds = S",
    steps: &[Takes("wait S", Is(0)), Holds(&[0]), Takes("silent", Is(0)), Holds(&[])],
};

/// What can happen to a DLL alone: in Rust, what holds a handle keeps the module loaded, too.
const OF_A_DLL: &[Event] = &[
    Event {
        what: "unloading, in a package that doesn't cache",
        config: HOLDING,
        steps: &[
            Takes("keep a 0 N", All),
            Holds(&[0]),
            Takes("unload", Is(0)),
            Holds(&[]),
            Takes("load", Is(0)),
        ],
    },
    Event {
        what: "unloading, where handles keep copies",
        config: "[cache]\nhandle-policy = 'retain'",
        steps: &[
            Takes("keep a 0 N", All),
            Takes("flush", Is(1)),
            Holds(&[0]),
            Takes("unload", Is(0)),
            Holds(&[]),
            Takes("load", Is(0)),
        ],
    },
];

/// What only the mock in the process itself can be told to do.
const IN_PROCESS: &[Event] = &[
    Event {
        what: "dropping",
        config: "",
        steps: &[
            Takes("sign-in a 0 N", All),
            Holds(&[0]),
            Takes("drop", Is(0)),
            Holds(&[]),
            Takes("load", Is(0)),
        ],
    },
    Event {
        what: "dropping, in a package that doesn't cache",
        config: HOLDING,
        steps: &[
            Takes("keep a 0 N", All),
            Holds(&[0]),
            Takes("drop", Is(0)),
            Holds(&[]),
            Takes("load", Is(0)),
        ],
    },
    Event {
        what: "dropping, where handles keep copies",
        config: "[cache]\nhandle-policy = 'retain'",
        steps: &[
            Takes("keep a 0 N", All),
            Takes("flush", Is(1)),
            Holds(&[0]),
            Takes("drop", Is(0)),
            Holds(&[]),
            Takes("load", Is(0)),
        ],
    },
    Event {
        what: "a flush that panicked in the middle",
        config: "",
        steps: &[
            Takes("sign-in a 0 N", All),
            Holds(&[0]),
            Takes("strike", Is(0)),
            Takes("flush", Is(0)),
            Holds(&[]),
            Takes("sign-in a 0 N", All),
            Holds(&[0]),
            Takes("flush", Is(1)),
            Holds(&[]),
        ],
    },
];

/// A process whose memory is looked through.
struct Place<'a> {
    program: Program,
    config: &'a Path,
    search: Search,
    accounts: usize,
    looks: usize,
    bytes: usize,
    found: usize,
}

impl<'a> Place<'a> {
    fn start(command: &mut Command, config: &'a Path, accounts: usize) -> Self {
        let program = Program::start(command.env("SSPCACHE_CONFIG", config).env_remove("SSPCACHE_JOURNAL"));
        Self {
            program,
            config,
            search: Search::new(accounts, GENERATIONS),
            accounts,
            looks: 0,
            bytes: 0,
            found: 0,
        }
    }

    fn run(&mut self, event: &Event) {
        self.load(event.config);
        self.holds(event, &[]);
        self.take(event, event.steps);
        self.program.step("unload");
    }

    fn load(&mut self, config: &str) {
        fs::write(self.config, config.replace('N', &self.accounts.to_string()))
            .expect("the folder is this test's own");
        self.program.step("load");
    }

    fn take(&mut self, event: &Event, steps: &[Step]) {
        for step in steps {
            match step {
                Takes(step, answer) => {
                    let expected = match answer {
                        All => u32::try_from(self.accounts).expect("not that many"),
                        Is(number) => *number,
                    };
                    let step = step.replace('N', &self.accounts.to_string());
                    assert_eq!(self.program.step(&step), expected, "{}: {step}", event.what);
                }
                Holds(generations) => self.holds(event, generations),
            }
        }
    }

    fn holds(&mut self, event: &Event, generations: &[usize]) {
        let found = self.look();
        for generation in 0..GENERATIONS {
            let expected = if generations.contains(&generation) { self.accounts } else { 0 };
            assert_eq!(
                found.of(generation),
                expected,
                "{}: generation {generation} of {found:?}",
                event.what
            );
        }
        // Each of them once, and nothing that is a piece of one.
        let once = self.accounts * generations.len();
        assert_eq!((found.copies.len(), found.pieces.len()), (once, 0), "{}: {found:?}", event.what);
    }

    fn look(&mut self) -> Found {
        let found = self.search.in_process(self.program.id());
        assert!(found.bytes > 1 << 20, "all of its memory: {found:?}");
        self.looks += 1;
        self.bytes += found.bytes;
        self.found += found.copies.len();
        found
    }

    /// The lifetime has to outlast the sign-ins, however long they take here: it is doubled until it does.
    fn run_expiry(&mut self) {
        let mut seconds = 2;
        loop {
            let lifetime = |text: &str| text.replace('S', &seconds.to_string());
            self.load(&lifetime(EXPIRY.config));
            let all = u32::try_from(self.accounts).expect("not that many");
            assert_eq!(self.program.step(&format!("sign-in a 0 {all}")), all);
            if self.look().of(0) == self.accounts {
                self.program.step(&lifetime("wait S"));
                self.take(&EXPIRY, &EXPIRY.steps[1..]);
                self.program.step("unload");
                return;
            }
            self.program.step("unload");
            seconds *= 2;
        }
    }

    fn end(self) {
        let Self { looks, bytes, found, .. } = self;
        println!("{looks} looks at {bytes} bytes found {found} secrets, and nothing where nothing may be");
        self.program.quit();
    }
}

/// M3, M4, M7, M11, P2
#[test]
fn nothing_is_left_of_any_secret_in_process() {
    let stage = Stage::new();
    let config = stage.path("mock.toml");
    let mut place = Place::start(&mut Command::new(stage::example("residue")), &config, accounts());
    EVENTS.iter().chain(IN_PROCESS).for_each(|event| place.run(event));
    place.run_expiry();
    place.end();
}

/// M3, M4, M7, M11, P2
#[test]
fn nothing_is_left_of_any_secret_in_a_program_with_the_mock_dll() {
    let stage = Stage::new();
    let config = stage.path("mock.toml");
    let program = stage.compile("cc", "residue", &fixture("clients/residue.c"), &["-O1", "-ldl"]);
    let mut place = Place::start(Command::new(program).arg(stage.path("MSNSSPC.dll")), &config, accounts());
    EVENTS.iter().chain(OF_A_DLL).for_each(|event| place.run(event));
    place.run_expiry();
    place.end();
}

/// M3, M4, M7, M11, P2
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn nothing_is_left_of_any_secret_in_a_windows_program_with_the_mock_dll() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let config = stage.path("mock.toml");
    let program = stage.compile(MINGW, "residue.exe", &fixture("clients/residue.c"), &["-O1"]);
    let mut command = stage.wine();
    command.arg(program).arg(stage.path("windows/MSNSSPC.dll")).env("WINEPATH", stage.path("windows/wine"));
    let mut place = Place::start(&mut command, &config, accounts());
    EVENTS.iter().chain(OF_A_DLL).for_each(|event| place.run(event));
    place.run_expiry();
    place.end();
}

/// M3, M7: whatever the program is written in.
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn a_python_program_has_a_thousand_secrets_in_its_memory_before_the_flush_and_none_after() {
    let stage = Stage::new();
    let config = stage.path("mock.toml");
    let mut command = Command::new(python());
    command.arg(fixture("clients/residue.py")).arg(stage.path("MSNSSPC.dll"));
    let mut place = Place::start(&mut command, &config, 1000);
    place.run(&EVENTS[0]);
    place.end();
}
