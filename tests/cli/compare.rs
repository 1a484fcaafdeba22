//! `sspcache journal compare`, over recordings of Wine 8 with winbind 4.17: `exec --record --stack 0` of `fixtures/clients/loopback.c`.

use std::fs;

use serde_json::{Value, json};
use sspcache_tests::program::{Ran, fixture, sspcache};

use crate::leaks::Journal;

fn recorded(package: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixture(&format!("recordings/wine-8-{package}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Writes events to a recording, and compares it.
fn compare(events: &[Value], options: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = events.iter().map(|event| event.to_string() + "\n").collect();
    fs::write(folder.path().join("32-secur32-0.jsonl"), lines.concat()).unwrap();
    Ran::of(sspcache().args(["journal", "compare"]).args(options).arg(folder.path()))
}

/// Clause, answer, and what it was there and here.
fn differences(compared: &Value) -> Vec<[&str; 4]> {
    let differences = compared["differences"].as_array().unwrap();
    differences
        .iter()
        .map(|it| ["clause", "what", "recorded", "mock"].map(|key| it[key].as_str().unwrap()))
        .collect()
}

/// Q9, P7, P8, P9
#[test]
fn each_answer_of_a_recording_that_is_not_the_mocks_is_named_with_its_clause() {
    let compared = compare(&recorded("ntlm"), &["--format", "json"]).exits_with(1).json();
    assert_eq!(compared["compared"], 7, "{compared:#}");
    let differences = differences(&compared);
    for expected in [
        ["P7", "status", "SEC_E_LOGON_DENIED", "SEC_E_OK"],
        ["P8", "token's size", "40 bytes", "260 bytes"],
        ["P9", "longest token", "1904", "2888"],
        ["P9", "block", "0", "1"],
        ["S3", "flags", "0x0", "0x1001c"],
    ] {
        assert!(differences.contains(&expected), "{expected:?}: {differences:#?}");
    }
    // The tokens are NTLM's three in both, and the sizes of a signature are the same.
    assert!(
        !differences.iter().any(|it| ["token", "signature", "trailer"].contains(&it[1])),
        "{differences:#?}"
    );
}

/// Q9, P2, P7: also before clauses that come before it.
#[test]
fn what_no_clause_has_verified_comes_first() {
    let mut events = recorded("negotiate");
    let end = events.len() - 1;
    let mut refused = json!({
        "event": "refused", "operation": "AcquireCredentialsHandle", "status": "SEC_E_LOGON_DENIED", "package": "NTLM",
        "principal": r"CONTOSO\alice",
    });
    for key in ["seq", "time", "before", "after"] {
        refused[key] = events[end][key].clone();
    }
    events[end] = refused;
    let ran = compare(&events, &[]).exits_with(1);
    let clauses: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| [" P", " S"].iter().any(|clause| line.starts_with(clause)))
        .collect();
    let unverified = clauses.iter().take_while(|line| line.starts_with(" P7 (not verified) ")).count();
    assert!(unverified > 0 && clauses[unverified].starts_with(" P2 "), "{}", ran.stdout);
    assert!(!clauses[unverified..].iter().any(|line| line.contains("not verified")), "{}", ran.stdout);
    assert!(ran.stdout.contains("NTLM NEGOTIATE (4e544c4d5353500001000000"), "{}", ran.stdout);
    assert!(ran.stdout.contains("7 calls compared: "), "{}", ran.stdout);
}

/// Gives an event another answer.
fn set(event: &mut Value, what: &str, answer: &str) {
    let number = || -> Value {
        let number = answer.split(' ').next().unwrap();
        let hexadecimal = number.strip_prefix("0x");
        hexadecimal.map_or_else(|| number.parse(), |hex| u32::from_str_radix(hex, 16)).unwrap().into()
    };
    match what {
        "status" => event["status"] = if answer == "SEC_E_OK" { "0x00000000" } else { answer }.into(),
        "flags" => event["granted"] = number(),
        "token's size" => event["size"] = number(),
        "longest token" => event["token"] = number(),
        size => event[size] = number(),
    }
}

/// Q9: a recording in which each answer is the mock's.
#[test]
fn a_recording_that_answers_as_the_mock_does_has_no_difference() {
    let mut events = recorded("ntlm");
    // Where a status differed, what is granted with it is compared the next time.
    for _ in 0..2 {
        let compared = compare(&events, &["--format", "json"]).json();
        for difference in compared["differences"].as_array().unwrap() {
            let event = &mut events[usize::try_from(difference["event"].as_u64().unwrap()).unwrap()];
            set(event, difference["what"].as_str().unwrap(), difference["mock"].as_str().unwrap());
        }
    }
    let ran = compare(&events, &[]).exits_with(0);
    assert_eq!(ran.stdout, "7 calls compared: the mock answers as the recorded SSPs do.\n");
}

/// Q9, Q6: what can't be made again is named, and isn't the same.
#[test]
fn a_step_whose_other_end_was_elsewhere_is_not_compared() {
    let mut events = recorded("ntlm");
    for event in &mut events {
        event.as_object_mut().unwrap().remove("received");
    }
    let ran = compare(&events, &[]).exits_with(1);
    assert!(
        ran.stdout.contains(
            "not compared: AcceptSecurityContext of event 12: the other end is not in this process\n"
        ),
        "{}",
        ran.stdout
    );
}

/// Q9
#[test]
fn a_journal_of_the_mock_is_no_recording() {
    let ran = Ran::of(sspcache().args(["journal", "compare"]).arg(fixture("journal/clean"))).exits_with(1);
    assert_eq!(ran.stdout, "nothing was compared: `sspcache exec --record` makes recordings.\n");
}

/// Q1, Q2, Q3, Q9: the same verdict as over the mock's events, and what it can't know.
#[test]
fn a_recording_is_judged_as_a_journal_and_says_what_is_unknown() {
    let path = fixture("recordings/wine-8-ntlm.jsonl");
    let ran =
        Ran::of(sspcache().args(["journal", "check", "--check=left,leaks,misuse"]).arg(&path)).exits_with(0);
    let note = "note: the system's own packages answered: whether one of them caches what the program signed in with is unknown";
    for said in [
        note,
        "clean: 1 credential was held in 1 process",
        "no misuse: ",
        "no leaks: the SSP gave out 6 things",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    let shown = Ran::of(sspcache().args(["journal", "show"]).arg(&path)).exits_with(0).stdout;
    for said in [
        "passed on",
        "accepting, asked 0x2001c, granted 0x0: SEC_I_CONTINUE_NEEDED, 104 bytes",
        "longest token 1904",
    ] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
}

/// Q3, Q9: the system's own may have done what it was asked, so it isn't said to have refused. Of no number is a status lost.
#[test]
fn what_was_misused_of_the_systems_own_was_called_and_not_refused() {
    let freed_twice = |passed_on: bool| {
        let events = [
            json!({ "event": "passed-on" }),
            json!({ "event": "acquired", "handle": 1, "package": "NTLM", "principal": "", "source": "default" }),
            json!({ "event": "freed", "handle": 1 }),
            json!({ "event": "refused", "operation": "FreeCredentialsHandle", "status": "SEC_E_INVALID_HANDLE", "handle": 1 }),
            json!({ "event": "refused", "operation": "AcquireCredentialsHandle", "status": "0xC0000001", "package": "NTLM" }),
            json!({ "event": "ended", "how": "exit", "left": 0, "lost": 0 }),
        ];
        Journal::of("windows", "secur32.dll")
            .with(&events[usize::from(!passed_on)..])
            .run(&["--check=misuse"])
    };
    for (passed_on, word) in [(true, "called"), (false, "refused")] {
        let ran = freed_twice(passed_on).exits_with(99);
        assert!(ran.stdout.contains(&format!("FreeCredentialsHandle was {word}, +")), "{}", ran.stdout);
    }
}
