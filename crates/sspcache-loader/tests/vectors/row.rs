//! A row of the vectors: set-up, call, arguments, result, last error. `fixtures/loader/README.md` explains the fields.

use std::collections::HashSet;

use serde::Deserialize;
use toml::Table;
use toml::de::Error;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    row: Vec<Row>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) says: String,
    pub(crate) clause: String,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) files: Vec<String>,
    #[serde(default)]
    pub(crate) setup: Vec<Step>,
    pub(crate) test: Step,
    pub(crate) told: Option<Vec<String>>,
    /// Why the loader of the system does not run this row.
    pub(crate) emulated_only: Option<String>,
    pub(crate) differs: Option<Difference>,
}

#[cfg(windows)]
impl Row {
    /// Whether the row leaves something behind in its process that can't be undone.
    pub(crate) fn needs_a_process(&self) -> bool {
        let chooses =
            |step: &Step| matches!(step.call, Call::SetDefaultDllDirectories { .. }) && step.wanted.is_ok();
        self.setup.iter().chain([&self.test]).any(chooses)
    }
}

/// Where the loader of the system may answer the test with another error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(crate) errors: Vec<u32>,
    pub(crate) because: String,
}

/// One call and what it shall give: a result, or the code of an error.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Table")]
pub(crate) struct Step {
    pub(crate) call: Call,
    pub(crate) wanted: Result<Wanted, u32>,
}

impl TryFrom<Table> for Step {
    type Error = Error;

    /// By hand, because serde does not refuse unknown keys where it flattens one type into another.
    fn try_from(mut keys: Table) -> Result<Self, Error> {
        let wanted = match (keys.remove("result"), keys.remove("error")) {
            (Some(result), None) => Ok(result.try_into()?),
            (None, Some(error)) => Err(error.try_into()?),
            _ => return Err(serde::de::Error::custom("a call gives either a result or an error")),
        };
        Ok(Self { call: keys.try_into()?, wanted })
    }
}

/// A documented function and its arguments; a module is a name that an earlier result gave to its handle.
#[derive(Debug, Deserialize)]
#[serde(tag = "call", deny_unknown_fields)]
pub(crate) enum Call {
    AddDllDirectory {
        path: String,
    },
    DisableThreadLibraryCalls {
        module: String,
    },
    FreeLibrary {
        module: String,
    },
    GetModuleFileName {
        module: String,
    },
    GetModuleHandle {
        name: Option<String>,
    },
    GetModuleHandleEx {
        #[serde(default)]
        flags: u32,
        name: Option<String>,
        /// With the flag `FROM_ADDRESS`: a module, and how far behind its base.
        address: Option<(String, u64)>,
    },
    GetProcAddress {
        module: String,
        export: Export,
    },
    LoadLibrary {
        name: String,
    },
    LoadLibraryEx {
        name: String,
        flags: u32,
    },
    RemoveDllDirectory {
        cookie: String,
    },
    SetDefaultDllDirectories {
        flags: u32,
    },
    SetDllDirectory {
        path: Option<String>,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Export {
    Ordinal(u16),
    Name(String),
}

/// What a successful call gives: a handle's name or a path, whether it succeeded, or what the export returns.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged)]
pub(crate) enum Wanted {
    Bool(bool),
    Number(u32),
    Text(String),
}

/// All rows of all files.
pub(crate) fn rows() -> Vec<Row> {
    let files = [
        ("names.toml", include_str!("../../../../fixtures/loader/names.toml")),
        ("handles.toml", include_str!("../../../../fixtures/loader/handles.toml")),
        ("exports.toml", include_str!("../../../../fixtures/loader/exports.toml")),
        ("extended.toml", include_str!("../../../../fixtures/loader/extended.toml")),
        ("lifetimes.toml", include_str!("../../../../fixtures/loader/lifetimes.toml")),
    ];
    let mut said = HashSet::new();
    let mut rows = Vec::new();
    for (name, text) in files {
        for row in parse(text).unwrap_or_else(|error| panic!("{name}: {error}")) {
            assert!(said.insert(row.says.clone()), "{name}: said twice: {}", row.says);
            rows.push(row);
        }
    }
    rows
}

pub(crate) fn parse(text: &str) -> Result<Vec<Row>, Error> {
    toml::from_str(text).map(|file: File| file.row)
}
