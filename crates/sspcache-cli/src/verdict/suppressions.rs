//! What a program can't help leaving (clause Q1a): a list of kinds and modules, each with its reason, as valgrind's.

use std::sync::LazyLock;

use serde::Deserialize;

use super::{Credential, Kind, Process};

/// The suppressions that the program brings.
static DEFAULT: LazyLock<Suppressions> = LazyLock::new(|| {
    toml::from_str(include_str!("default-suppressions.toml")).expect("a test reads the same file")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppressions {
    suppression: Vec<Suppression>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppression {
    kind: Kind,
    /// The file name of a module that is loaded in the process.
    module: String,
    why: String,
}

/// The reason not to call a credential of this process left, if there is one.
pub(super) fn reason(process: &Process, credential: &Credential) -> Option<&'static str> {
    let applies = |suppression: &&Suppression| {
        suppression.kind == credential.kind && process.beside.contains(&suppression.module)
    };
    DEFAULT.suppression.iter().find(applies).map(|suppression| suppression.why.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_suppression_has_a_reason() {
        assert!(!DEFAULT.suppression.is_empty());
        for suppression in &DEFAULT.suppression {
            assert!(suppression.why.len() > 20, "{suppression:?}");
            assert_eq!(suppression.module, suppression.module.to_ascii_lowercase());
        }
    }
}
