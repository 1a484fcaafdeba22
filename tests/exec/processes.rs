//! `sspcache exec` on several processes: each one is judged, whichever process started it and however it ended.
//!
//! Shells and C programs of the host: a test that runs under Wine can't start them.
#![cfg(unix)]

use std::{collections::BTreeSet, ffi::OsString};

use serde_json::Value;
use sspcache_tests::{
    program::{Ran, fixture},
    stage::{Stage, python, python_client, words},
};

/// A shell that runs a script, with the C client as `$1`.
fn shell(stage: &Stage, script: &str) -> Vec<OsString> {
    words(&[&"sh", &"-c", &script, &"sh", &stage.c_client()])
}

/// A process: its program, whether it was forked, who was signed in and whether that was left.
type Process = (String, bool, Vec<(String, bool)>);

fn processes(verdict: &Value) -> BTreeSet<Process> {
    let processes = verdict["processes"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    processes
        .iter()
        .map(|process| {
            let credentials = process["credentials"].as_array().expect("a list").iter();
            let credentials = credentials
                .map(|credential| (text(&credential["principal"]), credential["end"]["how"] == "left"));
            (text(&process["program"]), process["forked"] == true, credentials.collect())
        })
        .collect()
}

/// M10, M12
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn each_process_of_a_tree_is_judged_for_itself() {
    let stage = Stage::new();
    let script = r#"
        "$1" sign-in alice flush &
        "$2" "$3" sign-in bob fork sign-in carol flush &
        (cd / && "$1" sign-in dave) &
        wait
    "#;
    // Python is `$2`, its client `$3`.
    let mut shell = shell(&stage, script);
    shell.extend(python_client());
    let verdict = stage.verdict(&shell);
    let name = |user: &str| format!(r"CONTOSO\{user}");
    let judged = processes(&verdict);
    let programs: BTreeSet<_> = judged.iter().map(|(program, ..)| program.clone()).collect();
    assert!(
        programs.contains("client") && programs.iter().any(|name| name.starts_with("python")),
        "{programs:?}"
    );
    let expected = [
        (false, vec![(name("alice"), false)]),
        (false, vec![(name("bob"), true)]),
        (false, vec![(name("dave"), true)]),
        (true, vec![(name("carol"), false)]),
    ];
    assert_eq!(
        judged.into_iter().map(|(_, forked, credentials)| (forked, credentials)).collect::<BTreeSet<_>>(),
        BTreeSet::from(expected)
    );
    assert_eq!((&verdict["outcome"], &verdict["left"]), (&"left".into(), &2.into()));
}

/// M10
#[test]
fn a_process_that_was_killed_while_credentials_were_cached_fails_a_run_that_succeeds() {
    let stage = Stage::new();
    let ran =
        stage.expect_clean(&shell(&stage, r#""$1" sign-in alice kill; "$1" sign-in bob flush; true"#), "");
    let ran = ran.exits_with(99);
    assert!(ran.stderr.contains("LEFT (killed, or still running)"), "{}", ran.stderr);
    assert!(ran.stderr.contains(r"left CONTOSO\alice."), "{}", ran.stderr);
}

/// M12
#[test]
fn no_process_of_many_is_lost() {
    const PROCESSES: usize = 24;
    let stage = Stage::new();
    let script = format!(
        r#"for number in $(seq {PROCESSES}); do "$1" sign-in "user$number" silent flush & done; wait"#
    );
    let verdict = stage.verdict(&shell(&stage, &script));
    assert_eq!(verdict["outcome"], "clean", "{verdict}");
    let signed_in: BTreeSet<_> = processes(&verdict)
        .into_iter()
        .flat_map(|(.., credentials)| credentials)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(signed_in, (1..=PROCESSES).map(|number| format!(r"CONTOSO\user{number}")).collect());
}

/// M10
#[test]
fn processes_that_never_signed_in_do_not_hide_one_that_did() {
    let stage = Stage::new();
    let ran = Ran::of(
        stage
            .exec()
            .args(["--expect-clean", "--"])
            .args(shell(&stage, r#""$1" silent; "$1" sign-in alice; true"#)),
    )
    .exits_with(99);
    assert!(ran.stderr.contains(r"left CONTOSO\alice."), "{}", ran.stderr);
    assert!(ran.stderr.contains("note: 1 process used a mock without signing in"), "{}", ran.stderr);
}

/// Runs a program that forks so often while three threads sign in and flush: no child may hang, and each begins empty.
fn forks(stage: &Stage, program: &[OsString]) {
    const FORKS: usize = 200;
    let ran = stage.expect_clean(program, &format!("MSNSSPC.dll {FORKS}")).exits_with(0);
    assert_eq!(ran.stdout, format!("{FORKS} children\n"));
    // Each child is a process of its own for the verdict.
    assert!(
        ran.stderr.contains(&format!("in {} processes, and nothing was left", FORKS + 1)),
        "{}",
        ran.stderr
    );
}

/// M1: what other threads of the parent were in the middle of doesn't keep a child waiting.
#[test]
fn a_child_that_is_forked_while_other_threads_use_the_ssp_begins_empty() {
    let stage = Stage::new();
    let program = stage.compile("cc", "forks", &fixture("clients/forks.c"), &["-pthread", "-ldl"]);
    forks(&stage, &[program]);
}

/// M1
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn a_child_of_pythons_multiprocessing_begins_empty_while_other_threads_use_the_ssp() {
    forks(&Stage::new(), &words(&[&python(), &fixture("clients/forks.py")]));
}
