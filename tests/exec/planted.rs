//! Mistakes that are planted in clients: each is found by its kind and its place, and the same client without one has no finding.
//!
//! | client | place |
//! | --- | --- |
//! | C, C++, Rust | function, file and line: the line of `fixtures/clients/planted` that has `HERE` and the mistake's name |
//! | Python (ctypes), Node (koffi) | the library that calls C for them: what called it is no code that has unwind tables or symbols |
#![cfg(target_os = "linux")]

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

use serde_json::Value;
use sspcache_tests::{
    program::{Ran, fixture, root},
    schema,
    stage::{Stage, python, words},
};

/// A mistake, the finding's kind or rule, and what it is about.
const MISTAKES: [(&str, &str, &str); 10] = [
    ("handle", "leak", "credential-handle"),
    ("inbound", "leak", "credential-handle"),
    ("packages", "leak", "packages"),
    ("names", "leak", "attribute"),
    ("token", "leak", "token"),
    ("half-open", "leak", "context"),
    ("twice", "freed-twice", "credential-handle"),
    ("used", "used-after-freeing", "credential-handle"),
    ("token-twice", "freed-twice", "token"),
    ("kind", "wrong-kind", "context"),
];

/// Runs a client with each mistake and without one. `place` says what is wrong with the stack of a finding.
fn find(stage: &Stage, client: &[OsString], place: impl Fn(&str, &[Value]) -> Result<(), String>) {
    let run = |mistake: &str| {
        let mut exec = stage.exec();
        exec.args(["--check=left,leaks,misuse", "--format=json", "--"]).args(client).arg(mistake);
        let ran = Ran::of(&mut exec);
        (ran.status, schema::verdict(ran.stderr.lines().last().unwrap_or_default()))
    };
    let (status, verdict) = run("none");
    assert_eq!((status, &verdict["findings"]), (0, &Value::Array(Vec::new())), "{verdict:#}");
    for (mistake, kind, what) in MISTAKES {
        let (status, verdict) = run(mistake);
        let found = verdict["findings"].as_array().expect("a list");
        let [found] = &found[..] else { panic!("{mistake}: {status}: {found:#?}") };
        let said = found.get("rule").unwrap_or(&found["kind"]);
        assert_eq!((status, said, &found["what"]), (99, &kind.into(), &what.into()), "{mistake}: {found:#}");
        let stack = found["stack"].as_array().expect("a list");
        place(mistake, stack).unwrap_or_else(|error| panic!("{mistake}: {error}: {found:#}"));
    }
}

fn source(name: &str) -> PathBuf {
    fixture("clients/planted").join(name)
}

/// The innermost frame is the marked line, in the function that the mark names.
fn is_marked(name: &str) -> impl Fn(&str, &[Value]) -> Result<(), String> {
    let text = fs::read_to_string(source(name)).expect("a fixture");
    let marks: Vec<(usize, String, String)> = text
        .lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let (_, mark) = line.split_once("HERE ")?;
            let (mistakes, function) = mark.split_once(": ")?;
            let function = function.trim_end_matches("*/").trim();
            Some((index + 1, mistakes.to_owned(), function.to_owned()))
        })
        .collect();
    let name = name.to_owned();
    move |mistake, stack| {
        let is_its = |mistakes: &str| mistakes.split(", ").any(|it| it == mistake);
        let (line, _, function) = marks.iter().find(|(_, mistakes, _)| is_its(mistakes)).expect("a mark");
        let frame = stack.first().ok_or("no stack")?;
        let file = frame["file"].as_str().unwrap_or_default();
        // C++ has the parameters behind the name.
        let found = frame["function"].as_str().unwrap_or_default();
        let is_function = found == function || found.starts_with(&format!("{function}("));
        if file.ends_with(&name) && frame["line"] == *line && is_function {
            return Ok(());
        }
        Err(format!("not {function} ({name}:{line})"))
    }
}

/// A frame is in a library with this in its name.
fn goes_through(library: &str) -> impl Fn(&str, &[Value]) -> Result<(), String> {
    move |_, stack| {
        let mut images = stack.iter().filter_map(|frame| frame["image"].as_str());
        let file = |image: &str| image.rsplit('/').next().is_some_and(|name| name.contains(library));
        if images.any(file) { Ok(()) } else { Err(format!("nothing of {library}")) }
    }
}

/// Q2, Q3, Q4
#[test]
fn each_mistake_of_a_client_in_c_is_found_in_its_line() {
    let stage = Stage::new();
    let client = stage.compile("cc", "planted", &source("planted.c"), &["-g", "-ldl"]);
    find(&stage, &[client], is_marked("planted.c"));
}

/// Q2, Q3, Q4
#[test]
fn each_mistake_of_a_client_in_cpp_is_found_in_its_line() {
    let stage = Stage::new();
    let client = stage.compile_as("c++", "planted-cpp", "-xc++", &source("planted.c"), &["-g", "-ldl"]);
    find(&stage, &[client], is_marked("planted.c"));
}

/// Q2, Q3, Q4
#[test]
fn each_mistake_of_a_client_in_rust_is_found_in_its_line() {
    let stage = Stage::new();
    let client = stage.path("planted");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "-Cdebuginfo=2", "-o"]).arg(&client).arg(source("planted.rs"));
    Ran::of(rustc.current_dir(root())).exits_with(0);
    find(&stage, &[client.into()], is_marked("planted.rs"));
}

/// Q2, Q3, Q4
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn each_mistake_of_a_client_in_python_is_found_in_what_calls_c_for_it() {
    find(&Stage::new(), &words(&[&python(), &source("planted.py")]), goes_through("libffi"));
}

/// Q2, Q3, Q4
#[test]
#[ignore = "needs koffi: cargo xtask test"]
fn each_mistake_of_a_client_in_node_is_found_in_what_calls_c_for_it() {
    let modules = root().join(".tools/node/node_modules");
    assert!(modules.exists(), "{} is missing: `cargo xtask setup` installs it", modules.display());
    let variable = [OsString::from("NODE_PATH="), modules.into()].into_iter().collect::<OsString>();
    let client = words(&[&"env", &variable, &"node", &source("planted.js")]);
    find(&Stage::new(), &client, goes_through("koffi"));
}
