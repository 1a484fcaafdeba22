//! The table of the rules that a call can break, `fixtures/misuse.toml`.

use std::fs;

use serde::Deserialize;

use crate::program::fixture;

/// A sequence of calls, and what is found of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The rule that it breaks, if it breaks any.
    pub rule: Option<String>,
    /// The calls, in words.
    pub calls: String,
    /// The events of a journal.
    pub events: Vec<String>,
    /// The operating system of the journal.
    #[serde(default = "linux")]
    pub os: String,
    /// The SSP.
    #[serde(default = "secur32")]
    pub module: String,
    /// The argument of `fixtures/clients/misuse.c`.
    pub client: Option<String>,
    /// The title of the finding.
    pub finding: Option<String>,
    /// The function that it names.
    pub function: Option<String>,
    /// The page, or a public case.
    pub source: String,
    /// Which tests prove that the rule accuses no innocent program.
    pub innocent: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

fn linux() -> String {
    "linux".to_owned()
}

fn secur32() -> String {
    "secur32.dll".to_owned()
}

/// The rows of the table.
///
/// # Panics
/// When a row isn't whole: one with a rule has a finding, and says who is innocent; one without has neither.
pub fn rows() -> Vec<Row> {
    let Table { row: rows } = toml::from_str(&fs::read_to_string(fixture("misuse.toml")).unwrap()).unwrap();
    for row in &rows {
        let parts = [&row.finding, &row.function, &row.innocent].map(Option::is_some);
        assert_eq!(parts, [row.rule.is_some(); 3], "{row:?}");
        assert!(!row.events.is_empty() && row.source.len() > 8, "{row:?}");
    }
    assert!(rows.len() > 25, "the table is found");
    rows
}
