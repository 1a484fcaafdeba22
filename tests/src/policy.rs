//! The table of the rules of policies, `fixtures/policy.toml`.

use std::fs;

use serde::Deserialize;

use crate::program::fixture;

/// A sequence of calls, and what a policy finds of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The options.
    pub policy: String,
    /// The rules that are broken, most important first.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The calls, in words.
    pub calls: String,
    /// The events of a journal.
    pub events: Vec<String>,
    /// The argument of `fixtures/clients/policy.c`.
    pub client: Option<String>,
    /// What the first finding says of the call.
    pub detail: Option<String>,
    /// Of the verdict.
    pub outcome: Option<String>,
}

impl Row {
    /// The options, one each.
    pub fn options(&self) -> Vec<&str> {
        self.policy.split(' ').collect()
    }

    /// What the policy comes to.
    pub fn outcome(&self) -> &str {
        let of_rules = if self.rules.is_empty() { "kept" } else { "broken" };
        self.outcome.as_deref().unwrap_or(of_rules)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

/// The rows of the table.
pub fn rows() -> Vec<Row> {
    let Table { row: rows } = toml::from_str(&fs::read_to_string(fixture("policy.toml")).unwrap()).unwrap();
    assert!(rows.len() > 20 && rows.iter().all(|row| !row.events.is_empty()), "the table is found");
    rows
}
