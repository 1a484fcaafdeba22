//! The table of cases that every system's caches have to pass, emulated and real: `fixtures/caches/*.toml`.
//!
//! A system implements [`Surroundings`]: how its caches are filled, made to fail and looked at. [`run`] then runs the cases of one
//! file and returns the names of those that the system could set up, so that its test says which these have to be.
//!
//! In names, `{app}` is a word that belongs to this run alone, `{dir}` a folder of it, `{realm}` the Kerberos realm.

use std::{collections::BTreeMap, fmt, fs};

use serde::Deserialize;
use sspcache::{
    CredentialProvider, Flush, FlushReport,
    caches::{Caches, System, ccache::Selection},
};

use crate::program::fixture;

/// A file of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    case: Vec<Case>,
}

/// A case: what is there, what is called, what comes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What it shows, as a sentence.
    pub name: String,
    /// The page, or the clause, that says so.
    pub source: String,
    /// What there is before.
    #[serde(default)]
    pub start: State,
    /// What a cache does instead of its work.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What is added to what belongs to the process: `kerberos`, `ccache`, `ccache:FILE:…`, `ccache:*`, `credentials:FILTER`.
    #[serde(default)]
    pub and: Vec<String>,
    /// The cache that is flushed.
    pub flush: String,
    /// How often. The rows are those of the last time.
    #[serde(default = "once")]
    pub times: u32,
    /// The rows of the report, in any order. Their cache is the one that is flushed.
    pub rows: Vec<Row>,
    /// What there is afterwards.
    #[serde(default)]
    pub after: State,
}

fn once() -> u32 {
    1
}

/// What is in the caches of a system. A cache that isn't named isn't there.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct State {
    /// Whether schannel.dll is loaded, and the servers of its sessions. Which there are only a mock says.
    pub schannel: Option<Vec<String>>,
    /// Whether wininet.dll is loaded, and the servers of its cookies of the session. Which there are only a mock, or a server,
    /// says.
    pub wininet: Option<Vec<String>>,
    /// The servers of the logon session's tickets.
    #[serde(default)]
    pub tickets: Vec<String>,
    /// The entries of the Credential Manager.
    #[serde(default)]
    pub credentials: Vec<Entry>,
    /// The ccaches. The first one is the default.
    #[serde(default)]
    pub ccaches: Vec<Ccache>,
}

/// An entry of the Credential Manager.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub target: String,
    /// `CRED_TYPE_…`; a generic one without it.
    #[serde(default = "generic")]
    pub kind: u32,
}

fn generic() -> u32 {
    1
}

/// A ccache.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields)]
pub struct Ccache {
    /// Its name, with its type.
    pub name: String,
    /// Its tickets; the first one is for `krbtgt`.
    pub tickets: Vec<String>,
}

/// What a cache does instead of its work.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `flush`, or `list`.
    pub call: String,
    /// `absent`, `fail`, `keep`, `missing` (the module's export), `panic`, `refill`, `unsupported`.
    pub effect: String,
    /// The one of several that it is about: the target of a credential, the name of a ccache.
    pub of: Option<String>,
    /// How many calls it is for. Without it, all.
    pub times: Option<u32>,
}

/// A row of a report.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// `flushed`, `absent`, or the error's code.
    pub outcome: String,
    /// `process`, `logon session` or `user`.
    pub scope: String,
    /// The name of a ccache, or a filter.
    pub instance: Option<String>,
    /// How many entries were removed, where the system tells.
    pub entries: Option<usize>,
}

/// A system whose caches a test can fill.
pub trait Surroundings {
    /// The values of `{app}`, `{dir}` and `{realm}`.
    fn names(&self) -> BTreeMap<&'static str, String>;

    /// Sets the case up, whose names are expanded. Returns whether this system can: one that can't has changed nothing.
    fn set_up(&mut self, case: &Case) -> bool;

    /// What belongs to the process, and these.
    fn caches(&self, and: &[String]) -> Box<dyn CredentialProvider>;

    /// What there is now, as far as the case is about it. What a system can't look at is as `expected` has it.
    fn state(&self, expected: &State) -> State;
}

/// Adds caches to those of a process, by their words in the table.
pub fn added<S: System>(process: Caches<S>, and: &[String]) -> Caches<S> {
    and.iter().fold(process, |caches, word| {
        match word.split_once(':').map_or((&**word, None), |(cache, of)| (cache, Some(of))) {
            ("ccache", None) => caches.and_ccache(),
            ("ccache", Some("*")) => caches.and_ccaches(Selection::Collection),
            ("ccache", Some(name)) => caches.and_ccaches(Selection::Named(name.to_owned())),
            ("credentials", Some(filter)) => caches.and_credentials(filter).unwrap(),
            ("kerberos", None) => caches.and_kerberos(),
            _ => panic!("{word}"),
        }
    })
}

/// The cases of a file, such as `kerberos`.
///
/// # Panics
/// When the file isn't whole.
pub fn cases(file: &str) -> Vec<Case> {
    let path = fixture("caches").join(file).with_extension("toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let Table { case: cases } = toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(!cases.is_empty() && cases.iter().all(|case| case.source.len() > 1), "{file}");
    cases
}

/// Runs the cases of a file, each in a system of its own, and returns the names of those that were run.
///
/// # Panics
/// When a case comes to something else than the table says.
pub fn run<S: Surroundings>(file: &str, system: impl Fn() -> S) -> Vec<String> {
    let mut ran = Vec::new();
    for case in cases(file) {
        let mut system = system();
        let case = case.expand(&system.names());
        if !system.set_up(&case) {
            continue;
        }
        let caches = system.caches(&case.and);
        let mut report = FlushReport::default();
        for _ in 0..case.times {
            report = FlushReport::default();
            caches.flush_into(&case.flush, &mut report);
        }
        let name = &case.name;
        assert_eq!(Rows::of(&report), Rows::expected(&case), "{file}: {name}:\n{report}");
        let state = system.state(&case.after).sorted();
        assert_eq!(state, case.after.clone().sorted(), "{file}: {name}: what there is afterwards:\n{report}");
        ran.push(case.name);
    }
    ran
}

impl Row {
    /// Of the `MEMORY:` ccaches as such: not of one by its name.
    fn says_that_memory_is_empty(&self) -> bool {
        let of_all = |instance: &str| instance == "MEMORY:" || instance.starts_with("MEMORY: ");
        self.outcome == "absent" && self.instance.as_deref().is_some_and(of_all)
    }
}

/// Rows, one a line, in an order of their own.
#[derive(Eq, PartialEq)]
struct Rows(Vec<Row>);

impl Rows {
    fn of(report: &FlushReport) -> Self {
        let row = |row: &sspcache::FlushRow| Row {
            outcome: row
                .outcome
                .as_ref()
                .map_or_else(sspcache::Error::code, |flush: &Flush| flush.as_str())
                .to_owned(),
            scope: row.scope.to_string(),
            instance: row.instance.clone(),
            entries: row.entries,
        };
        let mut rows: Vec<_> = report.rows().iter().map(row).collect();
        rows.retain(|row| !row.says_that_memory_is_empty());
        Self::sorted(rows)
    }

    fn expected(case: &Case) -> Self {
        Self::sorted(case.rows.clone())
    }

    fn sorted(mut rows: Vec<Row>) -> Self {
        rows.sort();
        Self(rows)
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|row| write!(f, "\n    {row:?}"))
    }
}

impl State {
    fn sorted(mut self) -> Self {
        self.tickets.sort();
        self.credentials.sort();
        self.ccaches.sort();
        for servers in self.schannel.iter_mut().chain(&mut self.wininet) {
            servers.sort();
        }
        self
    }

    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        let ccaches = self.ccaches.iter_mut().flat_map(|one| one.tickets.iter_mut().chain([&mut one.name]));
        let credentials = self.credentials.iter_mut().map(|one| &mut one.target);
        self.tickets.iter_mut().chain(credentials).chain(ccaches)
    }
}

impl Case {
    /// The case with the names of a system.
    fn expand(mut self, names: &BTreeMap<&'static str, String>) -> Self {
        let expand = |text: &mut String| {
            for (name, value) in names {
                *text = text.replace(&format!("{{{name}}}"), value);
            }
        };
        let instances = self.rows.iter_mut().filter_map(|row| row.instance.as_mut());
        let faults = self.faults.iter_mut().filter_map(|fault| fault.of.as_mut());
        let states = self.start.texts().chain(self.after.texts());
        instances.chain(faults).chain(states).chain(&mut self.and).for_each(expand);
        self
    }
}
