//! `sspcache journal check --check=misuse`: the rows of `fixtures/misuse.toml`, by their events alone.

use std::fs;

use serde_json::{Value, json};
use sspcache_tests::{
    misuse::{Row, rows},
    program::Ran,
    schema,
};

use crate::leaks::Journal;

/// An event of a row. Each `key=value` sets a field of it.
pub(crate) fn event(words: &str) -> Value {
    let (fields, plain): (Vec<&str>, Vec<&str>) = words.split(' ').partition(|word| word.contains('='));
    let mut event = plain_event(&plain.join(" "));
    for field in fields {
        let (key, value) = field.split_once('=').unwrap();
        let number = value.parse::<u64>().ok().map(Value::from);
        event[key] =
            number.or_else(|| value.parse::<bool>().ok().map(Value::from)).unwrap_or_else(|| value.into());
    }
    event
}

fn plain_event(words: &str) -> Value {
    let [word, rest @ ..] = &words.split(' ').collect::<Vec<_>>()[..] else { panic!("{words}") };
    let number = |at: usize| rest[at].parse::<u64>().unwrap_or_else(|error| panic!("{words}: {error}"));
    let context = |event: &str| {
        json!({
            "event": event, "context": number(0), "role": "initiator", "package": "NTLM", "principal": r"CONTOSO\alice",
        })
    };
    let failed = |status: &str| json!({ "event": "context-failed", "context": number(0), "status": status });
    match *word {
        "acquired" => {
            json!({
                "event": "acquired", "handle": number(0), "package": "NTLM", "principal": r"CONTOSO\alice", "source": "default",
            })
        }
        "added" => {
            json!({
                "event": "credentials-added", "handle": number(0), "package": "NTLM", "principal": r"CONTOSO\alice", "source": "default",
            })
        }
        "pending" => json!({ "event": "context-to-complete", "context": number(0) }),
        "completed" => json!({ "event": "context-completed", "context": number(0) }),
        "freed" => json!({ "event": "freed", "handle": number(0) }),
        "started" => context("context-started"),
        "imported" => context("context-imported"),
        "established" => context("context-established"),
        "failed" => failed("SEC_E_LOGON_DENIED"),
        "abandoned" => failed("SEC_E_CONTEXT_EXPIRED"),
        "exported" => json!({ "event": "context-exported", "context": number(0) }),
        "deleted" => json!({ "event": "context-deleted", "context": number(0) }),
        "allocated" => {
            json!({ "event": "allocated", "memory": number(0), "holds": rest[1], "size": 64, "package": "NTLM" })
        }
        "memory-freed" => json!({ "event": "memory-freed", "memory": number(0) }),
        "faulted" => json!({ "event": "faulted", "operation": rest[0], "effect": rest[1] }),
        "ended" => json!({ "event": "ended", "how": "unloaded", "left": 0, "lost": 0 }),
        "refused" => {
            let (status, named) = match rest {
                [_, status, named @ ..] if status.starts_with("SEC_E_") => (*status, named),
                [_, named @ ..] => ("SEC_E_INVALID_HANDLE", named),
                [] => panic!("{words}"),
            };
            let mut event = json!({ "event": "refused", "operation": rest[0], "status": status });
            if let [what, value] = named {
                event[*what] = value.parse::<u64>().unwrap().into();
            }
            event
        }
        _ => panic!("{words}"),
    }
}

fn journal(row: &Row) -> Journal {
    let events: Vec<Value> = row.events.iter().map(|words| event(words)).collect();
    let journal = Journal::of(&row.os, &row.module).with(&events);
    if row.events.iter().any(|words| words == "ended") { journal } else { journal.ends("unloaded") }
}

fn check(journal: &Journal, options: &[&str]) -> Ran {
    journal.run(&[&["--check=misuse"], options].concat())
}

fn verdict(journal: &Journal) -> Value {
    schema::verdict(&check(journal, &["--format=json"]).stdout)
}

fn misuses(verdict: &Value) -> Vec<&Value> {
    verdict["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "misuse").collect()
}

/// The row of a rule that a client breaks.
fn row(client: &str) -> Row {
    rows().into_iter().find(|row| row.client.as_deref() == Some(client)).unwrap()
}

/// Q3
#[test]
fn each_row_of_the_table_is_found_by_its_rule_or_is_innocent() {
    for row in rows() {
        let journal = journal(&row);
        let verdict = verdict(&journal);
        let found = misuses(&verdict);
        let text = check(&journal, &[]);
        if let Some(rule) = &row.rule {
            let [found] = found[..] else { panic!("{row:?}: {verdict}") };
            let said =
                [&found["rule"], &found["function"], &found["standing"], &verdict["misuse"]["outcome"]];
            assert_eq!(said, [rule, row.function.as_ref().unwrap(), "misused", "misused"], "{row:?}");
            let title = format!("\n1. {}\n", row.finding.as_ref().unwrap());
            assert!(text.stdout.contains(&title), "{row:?}: {}", text.stdout);
            assert_eq!(text.status, 99, "{row:?}");
        } else {
            assert_eq!(found, [&Value::Null; 0], "{row:?}");
            assert_eq!(verdict["misuse"]["outcome"], "clean", "{row:?}");
            assert_eq!(text.status, 0, "{row:?}: {}", text.stdout);
        }
    }
}

/// Q3, Q6
#[test]
fn where_events_are_missing_nobody_is_accused_and_nothing_is_clean() {
    let twice: Vec<Value> = row("handle-twice").events.iter().map(|words| event(words)).collect();
    let short: Vec<Value> = row("short").events.iter().map(|words| event(words)).collect();
    let lost = json!({ "event": "ended", "how": "exit", "left": 0, "lost": 1 });
    let cases = [
        ("lost", Journal::of("linux", "secur32.dll").with(&twice).with(&[lost]), "incomplete", 99),
        (
            "lost before",
            Journal::of("linux", "secur32.dll").with(&twice[1..]).ends("exit"),
            "not-exercised",
            99,
        ),
        // What a process did before it was killed it did; that it crashed may come of that.
        ("killed", Journal::of("linux", "secur32.dll").with(&twice), "misused", 99),
        ("crashed", Journal::of("windows", "secur32.dll").with(&twice), "misused", 99),
        ("crashed before", Journal::of("windows", "secur32.dll").with(&twice[..2]), "incomplete", 99),
        // It might have made the step again.
        ("killed with a short buffer", Journal::of("linux", "secur32.dll").with(&short), "clean", 0),
        ("killed before", Journal::of("linux", "secur32.dll").with(&twice[..2]), "clean", 0),
    ];
    for (case, journal, outcome, status) in &cases {
        let verdict = verdict(journal);
        assert_eq!(verdict["misuse"]["outcome"], *outcome, "{case}: {verdict}");
        assert_eq!(check(journal, &[]).status, *status, "{case}");
    }
    let unknown = check(&cases[0].1, &[]).stdout;
    assert!(
        unknown.contains("Unknown whether the call broke a rule: events of the process are missing."),
        "{unknown}"
    );
    let unused = Journal::of("linux", "secur32.dll").ends("exit");
    check(&unused, &["--allow-unused"]).exits_with(0);
}

/// Q3: an instance of the SSP that ended has freed what the program still had of it, and the next one may give out the same address.
#[test]
fn memory_is_not_judged_where_the_process_had_some_of_an_instance_that_ended() {
    let twice: Vec<Value> = row("token-twice").events.iter().map(|words| event(words)).collect();
    let judged = |before: &[&str]| {
        let before: Vec<Value> = before.iter().map(|words| event(words)).collect();
        let mut later = Journal::of("linux", "secur32.dll").with(&twice).ends("unloaded");
        for event in &mut later.events {
            event["time"] = (event["time"].as_u64().unwrap() + 1_000_000).into();
        }
        let before = Journal::of("linux", "secur32.dll").with(&before).ends("unloaded");
        let _later = later.beside(&before);
        let verdict = verdict(&before);
        (misuses(&verdict)[0]["standing"].clone(), check(&before, &[]))
    };
    let (standing, ran) = judged(&["allocated 1 token"]);
    assert_eq!(standing, "not-judged");
    let note = "note: not held against the program: a token was freed twice: ";
    assert!(ran.exits_with(0).stdout.contains(note));
    assert_eq!(judged(&["allocated 1 token", "memory-freed 1"]).0, "misused");
}

/// Q3, Q4
#[test]
fn a_finding_says_which_call_of_whom_when_and_where_and_where_the_thing_was_given_back() {
    let at = |words: &str, stack: &[&str]| {
        let mut event = event(words);
        event["stack"] = json!(stack);
        event
    };
    let journal = Journal::of("linux", "secur32.dll")
        .with(&[
            json!({ "event": "image", "image": 1, "path": "/opt/app/lib/libauth.so" }),
            json!({ "event": "image", "image": 2, "path": "/opt/app/client" }),
            at("acquired 1", &["1+0x1f40", "2+0x33"]),
            at("freed 1", &["1+0x2000"]),
            at("refused FreeCredentialsHandle handle 1", &["1+0x2080", "2+0x44"]),
            at("refused FreeCredentialsHandle handle 1", &["1+0x2080", "2+0x44"]),
            at("started 2", &["2+0x55"]),
        ])
        .ends("unloaded");
    insta::assert_snapshot!(journal.run(&["--check=misuse,leaks", "--gen-suppressions"]).exits_with(99).stdout, @r#"
    note: client (412) signed in with the default credentials once, which leaves nothing
    clean: 1 sign-in with default credentials in 1 process, and nothing was left.

    1. a credential handle was freed twice, in 2 calls
       CONTOSO\alice for NTLM (secur32.dll), in client (412)
       FreeCredentialsHandle was refused, the first +0.005 s (event 5)
       at 0x2080: ??? (in libauth.so)
       by 0x44: ??? (in client)
       given back before, +0.004 s (event 4)
       at 0x2000: ??? (in libauth.so)
       given out +0.003 s (event 3)
       Free a credential handle once, and mark it then (SecInvalidateHandle), so that no other path frees it again.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle

    misused: 2 calls broke the rules of SSPI.

    2. 1 half-open context, never deleted
       CONTOSO\alice for NTLM (secur32.dll), in client (412)
       since +0.007 s (event 7), still there at unload or exit
       at 0x55: ??? (in client)
       Call DeleteSecurityContext for each context, also for one whose handshake failed or was given up.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext

                         given out  given back  leaked  suppressed  not judged
    ───────────────────────────────────────────────────────────────────────────
     credential handles          1           1       0           0           0
     contexts                    1           0       1           0           0
     in all                      2           1       1           0           0

    leaked: of 2 things that the SSP gave out, 1 context was never given back.

    # For a file that `--suppressions` names:

    [[suppression]]
    kind = "context"
    module = "client"
    why = "CONTOSO\\alice for NTLM: say why this is no fault of the program"

    [[suppression]]
    kind = "freed-twice"
    module = "libauth.so"
    why = "CONTOSO\\alice for NTLM: say why this is no fault of the program"
    "#);
    let found = verdict(&journal);
    let [found] = misuses(&found)[..] else { panic!("{found}") };
    assert_eq!(found["count"], 2);
    assert_eq!(
        [&found["since"]["event"], &found["given_out"]["event"], &found["given_back"]["event"]],
        [5, 3, 4]
    );
    assert_eq!(found["given_back"]["stack"][0]["offset"], 0x2000);
    assert!(found.get("when").is_none());
    // Without the check it is a line.
    let line = "note: 2 calls broke the rules of SSPI; --check=misuse fails for that, and says which\n";
    assert!(journal.run(&[]).stdout.contains(line));
}

/// Q1a, Q3
#[test]
fn a_suppression_of_a_rule_keeps_its_calls_from_failing_the_check_and_names_them() {
    let journal = journal(&row("handle-twice"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("suppressions.toml");
    let option = format!("--suppressions={}", file.display());
    for (kind, status) in [("freed-twice", 0), ("wrong-kind", 99)] {
        let entry =
            format!("[[suppression]]\nkind = \"{kind}\"\nmodule = \"client\"\nwhy = \"issue 4711\"\n");
        fs::write(&file, entry).unwrap();
        let ran = check(&journal, &[&option]).exits_with(status);
        let note = "a credential handle was freed twice: CONTOSO\\alice for NTLM (secur32.dll), in client (412): issue 4711";
        assert_eq!(ran.stdout.contains(note), status == 0, "{}", ran.stdout);
    }
    let generated = check(&journal, &["--gen-suppressions"]).stdout;
    assert!(generated.contains("kind = \"freed-twice\"\nmodule = \"client\"\n"), "{generated}");
}

/// Q3
#[test]
fn a_misuse_is_a_case_of_the_junit_report_and_an_annotation() {
    let journal = journal(&row("context-used"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    let junit = format!("--junit={}", file.display());
    check(&journal, &[&junit]).exits_with(99);
    let report = fs::read_to_string(&file).unwrap();
    for said in [
        r#"<testcase name="misuse" classname="sspcache" time="0.000">"#,
        r#"type="misuse">misused: 1 call broke the rules of SSPI."#,
        "a context was used after it was deleted",
        "QueryContextAttributes was refused, ",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    let github = check(&journal, &["--format=github"]).exits_with(99).stdout;
    let annotation = "::error title=sspcache%3A misuse::a context was used after it was deleted%0A";
    assert!(github.contains(annotation), "{github}");
    assert!(github.contains("\nmisused: 1 call broke the rules of SSPI."), "{github}");
    let unchecked = journal.run(&["--check=leaks", "--format=github"]).stdout;
    assert!(!unchecked.contains("misuse"), "{unchecked}");
}
