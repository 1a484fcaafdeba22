//! A row of the vectors: set-up, call, arguments, result, last error. `fixtures/loader/README.md` explains the fields.

use std::collections::HashSet;

use serde::Deserialize;

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
}

/// One call and what it shall give.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    #[serde(flatten)]
    pub(crate) call: Call,
    pub(crate) result: Option<Wanted>,
    #[serde(default)]
    pub(crate) error: Errors,
}

/// A documented function and its arguments; a module is a name that an earlier result gave to its handle.
#[derive(Debug, Deserialize)]
#[serde(tag = "call")]
pub(crate) enum Call {
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

/// The codes that a failing call may set; none: it succeeds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum Errors {
    #[default]
    None,
    One(u32),
    Several(Vec<u32>),
}

impl Errors {
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(code) => std::slice::from_ref(code),
            Self::Several(codes) => codes,
        }
    }
}

/// All rows of all files.
pub(crate) fn rows() -> Vec<Row> {
    let files = [
        ("names.toml", include_str!("../../../../fixtures/loader/names.toml")),
        ("handles.toml", include_str!("../../../../fixtures/loader/handles.toml")),
        ("exports.toml", include_str!("../../../../fixtures/loader/exports.toml")),
        ("lifetimes.toml", include_str!("../../../../fixtures/loader/lifetimes.toml")),
    ];
    let mut said = HashSet::new();
    let mut rows = Vec::new();
    for (name, text) in files {
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for row in file.row {
            assert!(said.insert(row.says.clone()), "{name}: said twice: {}", row.says);
            rows.push(row);
        }
    }
    rows
}
