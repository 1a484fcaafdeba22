//! `sspcache config check`: points at the line, says what is allowed there, and quotes nothing.

use std::{collections::BTreeSet, fs};

use serde_json::json;
use sspcache_tests::program::{Ran, fixture, root, sspcache};

fn check(file: &str) -> Ran {
    Ran::of(sspcache().args(["config", "check"]).arg(fixture("config").join(file)))
}

fn check_json(file: &str) -> serde_json::Value {
    let file = fixture("config").join(file);
    Ran::of(sspcache().args(["config", "check", "--format", "json"]).arg(file)).json()[0].take()
}

/// M8
#[test]
fn a_mistake_is_pointed_at_and_what_is_allowed_is_said() {
    for (file, line, column, key, allowed) in [
        ("bad-value.toml", 3, 20, "cache.lifetime-seconds", "a whole number of seconds, at least 1"),
        (
            "bad-effect.toml",
            7,
            10,
            "fault[1].effect",
            "\"false\", \"delay\", \"panic\", \"missing\" or a status",
        ),
        ("bad-context.toml", 4, 17, "context.impersonation", "\"refuse\", \"simulate\" or \"process-token\""),
        ("bad-targets.toml", 2, 12, "targets.accepted", "a list of targets' names"),
        ("unknown-key.toml", 4, 1, "account[0]", "tables of user, domain, password"),
        ("missing-key.toml", 1, 1, "account[0]", "a string"),
        ("syntax.toml", 2, 14, "", ""),
    ] {
        let ran = check(file).exits_with(1);
        assert_eq!(ran.stdout, "", "{file}");
        assert!(
            ran.stderr.contains(&format!("{file}: line {line}, column {column}: {key}")),
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
        let error = &check_json(file)["error"];
        assert_eq!(
            json!([error["line"], error["column"], error["key"]]),
            json!([line, column, key]),
            "{file}"
        );
        assert!(error["allowed"].as_str().unwrap().starts_with(allowed), "{file}: {error}");
    }
}

#[test]
fn the_full_configuration_has_every_key() {
    let text = fs::read_to_string(fixture("config/full.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let mut used = BTreeSet::new();
    for (name, value) in &file {
        used.insert(name.clone());
        let tables: Vec<_> = match value {
            toml::Value::Array(tables) => tables.iter().filter_map(toml::Value::as_table).collect(),
            value => value.as_table().into_iter().collect(),
        };
        used.extend(tables.into_iter().flat_map(toml::Table::keys).map(|key| format!("{name}.{key}")));
    }
    let known: BTreeSet<_> = sspcache_engine::config::keys().map(|(path, ..)| path.to_owned()).collect();
    assert_eq!(used, known);
    for (path, allowed, meaning) in sspcache_engine::config::keys() {
        assert!(!allowed.is_empty() && !meaning.is_empty(), "{path}");
    }
}

#[test]
fn the_page_of_the_configuration_lists_every_key() {
    let mut rows = "| key | meaning | allowed |\n| --- | --- | --- |\n".to_owned();
    for (path, allowed, meaning) in sspcache_engine::config::keys() {
        let row = match (path.contains('.'), allowed.starts_with("tables ")) {
            (true, _) => format!("| `{path}` | {meaning} | {allowed} |\n"),
            (false, true) => format!("| **`[[{path}]]`** | **{meaning}** | any number of tables |\n"),
            (false, false) => format!("| **`[{path}]`** | **{meaning}** | one table |\n"),
        };
        rows.push_str(&row);
    }
    let page = fs::read_to_string(root().join("docs/config.md")).unwrap();
    assert!(page.contains(&rows), "docs/config.md has to contain exactly these rows:\n\n{rows}");
}

#[test]
fn every_key_is_listed_with_its_meaning_and_what_is_allowed() {
    let text = Ran::of(sspcache().args(["config", "keys"])).exits_with(0).stdout;
    let json = Ran::of(sspcache().args(["config", "keys", "--format", "json"])).exits_with(0).json();
    let keys: Vec<_> = sspcache_engine::config::keys().collect();
    assert_eq!(json.as_array().unwrap().len(), keys.len());
    for ((path, allowed, meaning), row) in keys.into_iter().zip(json.as_array().unwrap()) {
        assert!(text.contains(&format!("{path}\n    {meaning}\n    allowed: {allowed}\n")), "{path}: {text}");
        assert_eq!(*row, json!({ "key": path, "allowed": allowed, "meaning": meaning }));
    }
}

#[test]
fn the_example_is_a_valid_configuration() {
    let example = Ran::of(sspcache().args(["config", "example"])).exits_with(0).stdout;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("example.toml");
    fs::write(&file, &example).unwrap();
    let ran = Ran::of(sspcache().args(["config", "check"]).arg(&file)).exits_with(0);
    assert!(ran.stdout.contains("valid") && ran.stderr.is_empty(), "{ran:?}");
}

/// M8
#[test]
fn a_valid_file_is_summed_up_without_its_passwords() {
    let path = fixture("config/full.toml");
    let ran = Ran::of(sspcache().args(["config", "check"]).arg(&path)).exits_with(0);
    insta::assert_snapshot!(ran.stdout.replace(path.to_str().unwrap(), "full.toml"), @"
    full.toml: valid
     MSNSSPC.dll   offers MSN, Negotiate and NTLM; 1 credential cached from the start
     MSAPSSPC.dll  offers Negotiate, NTLM and MSN; 1 credential cached from the start
    ");
    let json = check_json("full.toml").to_string();
    assert!(json.contains("alice") && !json.contains("hunter2"), "{json}");
}

#[test]
fn what_a_dll_cannot_do_to_itself_is_valid_for_the_mock_in_rust_alone() {
    let ran = check("emulation-only.toml").exits_with(0);
    assert!(ran.stdout.contains("a mock DLL refuses it"), "{}", ran.stdout);
}

#[test]
fn each_of_several_files_is_checked() {
    let mut command = sspcache();
    command.args(["config", "check"]);
    command.arg(fixture("config/no-such.toml")).arg(fixture("config/full.toml"));
    let ran = Ran::of(&mut command).exits_with(1);
    assert!(ran.stderr.contains("no-such.toml: can't read"), "{}", ran.stderr);
    assert!(ran.stdout.contains("full.toml: valid"), "{}", ran.stdout);
}

#[test]
fn what_is_not_utf_8_is_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latin-1.toml");
    fs::write(&file, b"[[account]]\nuser = \"\xE9\"\n").unwrap();
    let ran = Ran::of(sspcache().args(["config", "check"]).arg(&file)).exits_with(1);
    assert!(ran.stderr.contains("line 2, column 9: not UTF-8"), "{}", ran.stderr);
}
