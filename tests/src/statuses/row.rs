//! A row of the table of statuses: what was done before, a call, its status and what became of its out parameters.
//! `fixtures/sspi/README.md` explains the fields.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    setup: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    row: Vec<Row>,
}

/// One row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Row {
    pub operation: String,
    pub fault: String,
    pub clause: String,
    pub source: String,
    #[serde(default)]
    pub config: String,
    #[serde(default)]
    pub given: Vec<String>,
    pub when: String,
    pub status: String,
    pub out: Out,
    /// Why the row can't be run without the C ABI.
    pub abi_only: Option<String>,
}

/// What became of the out parameters.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Out {
    Untouched,
    Written,
}

/// A call: its verb, the name of what it is about, and what else it is given.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) verb: String,
    pub(crate) name: String,
    pub(crate) given: BTreeMap<String, String>,
}

impl Step {
    /// Reads `verb name key=value …`; an underscore stands for a blank.
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let verb = words.next().expect("a verb").to_owned();
        let mut name = String::new();
        let mut given = BTreeMap::new();
        for word in words {
            match word.split_once('=') {
                None => name = word.replace('_', " "),
                Some((key, value)) => drop(given.insert(key.to_owned(), value.replace('_', " "))),
            }
        }
        Self { verb, name, given }
    }

    /// Takes a parameter; whatever is left in the end is a mistake of the row.
    pub(crate) fn take(&mut self, key: &str) -> Option<String> {
        self.given.remove(key)
    }
}

/// All rows of all files, with their set-ups spelled out.
pub fn rows() -> Vec<Row> {
    let files = [
        ("setups.toml", include_str!("../../../fixtures/sspi/setups.toml")),
        ("credentials.toml", include_str!("../../../fixtures/sspi/credentials.toml")),
        ("packages.toml", include_str!("../../../fixtures/sspi/packages.toml")),
        ("handles.toml", include_str!("../../../fixtures/sspi/handles.toml")),
        ("contexts.toml", include_str!("../../../fixtures/sspi/contexts.toml")),
        ("legs.toml", include_str!("../../../fixtures/sspi/legs.toml")),
        ("messages.toml", include_str!("../../../fixtures/sspi/messages.toml")),
        ("attributes.toml", include_str!("../../../fixtures/sspi/attributes.toml")),
        ("faults.toml", include_str!("../../../fixtures/sspi/faults.toml")),
    ];
    let mut setups = BTreeMap::new();
    let mut rows = Vec::new();
    for (name, text) in files {
        let file: File = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        setups.extend(file.setup);
        rows.extend(file.row);
    }
    let mut said = HashSet::new();
    for row in &mut rows {
        assert!(said.insert((row.operation.clone(), row.fault.clone())), "said twice: {row:?}");
        row.given = row.given.iter().flat_map(|step| spell_out(step, &setups)).collect();
    }
    rows
}

fn spell_out(step: &str, setups: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    match setups.get(step) {
        None => vec![step.to_owned()],
        Some(steps) => steps.iter().flat_map(|step| spell_out(step, setups)).collect(),
    }
}
