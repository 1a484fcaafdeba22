//! The JSON form of verdicts is as `docs/verdict.schema.json` says. Every verdict that another test reads is checked, too.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use sspcache_tests::{
    program::{Ran, fixture, sspcache},
    schema,
};

/// The folders of journals.
pub(crate) fn journals() -> Vec<PathBuf> {
    let folders = fs::read_dir(fixture("journal")).unwrap();
    folders.map(|folder| folder.unwrap().path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn each_verdict_is_as_the_schema_says() {
    for journal in journals() {
        for options in [&[][..], &["--check=left,leaks,misuse", "--gen-suppressions"]] {
            let mut check = sspcache();
            check.args(["journal", "check", "--format", "json"]).args(options).arg(&journal);
            let verdict = schema::verdict(&Ran::of(&mut check).stdout);
            assert_eq!(verdict["version"], 1);
        }
    }
}

#[test]
fn the_schema_refuses_what_is_no_verdict() {
    let mut check = sspcache();
    check.args(["journal", "check", "--format", "json"]).arg(fixture("journal/held-and-cached"));
    let verdict = Ran::of(&mut check).json();
    let schema = schema::of_verdicts();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut changed = verdict.clone();
        change(&mut changed);
        schema::check(&schema, &changed).unwrap_err()
    };
    for (error, said) in [
        (refused(&|verdict| verdict["version"] = json!(2)), "/version is not as const says"),
        (refused(&|verdict| verdict["new"] = json!(1)), "/new is not in the schema"),
        (
            refused(&|verdict| drop(verdict.as_object_mut().unwrap().remove("left"))),
            " is not as required says",
        ),
        (refused(&|verdict| verdict["outcome"] = json!("good")), "/outcome is not as enum says"),
        (
            refused(&|verdict| verdict["processes"][0]["credentials"][0]["end"]["when"] = json!("later")),
            "/processes/0/credentials/0/end is not as oneOf says",
        ),
        (refused(&|verdict| verdict["processes"][0]["pid"] = json!("412")), "/processes/0/pid is not as "),
        (refused(&|verdict| verdict["findings"] = json!({})), "/findings is not as type says"),
    ] {
        assert!(error.starts_with(said), "{error}");
    }
}
