//! `sspcache journal check` with `--forbid` and `--require`: the rows of `fixtures/policy.toml`, by their events alone.

use std::fs;

use serde_json::{Value, json};
use sspcache_tests::{
    policy::{Row, rows},
    schema,
};

use crate::{leaks::Journal, misuse::event};

fn journal(row: &Row) -> Journal {
    let events: Vec<Value> = row.events.iter().map(|words| event(words)).collect();
    Journal::of("linux", "secur32.dll").with(&events).ends("unloaded")
}

fn verdict(journal: &Journal, options: &[&str]) -> Value {
    schema::verdict(&journal.run(&[options, &["--format=json"]].concat()).stdout)
}

fn against(verdict: &Value) -> Vec<&Value> {
    verdict["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "policy").collect()
}

fn row(client: &str) -> Row {
    rows().into_iter().find(|row| row.client.as_deref() == Some(client)).unwrap()
}

/// Q7
#[test]
fn each_row_of_the_table_breaks_the_rules_that_it_names_and_no_other() {
    for row in rows() {
        let journal = journal(&row);
        let verdict = verdict(&journal, &row.options());
        let found = against(&verdict);
        let rules: Vec<&str> = found.iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
        assert_eq!(rules, row.rules, "{row:?}: {verdict}");
        assert_eq!(verdict["policy"]["outcome"], row.outcome(), "{row:?}: {verdict}");
        assert_eq!(verdict["policy"]["broken"], row.rules.len(), "{row:?}");
        let passes = row.outcome() == "kept";
        assert_eq!(verdict["checks"], json!([{ "check": "policy", "passes": passes }]), "{row:?}");
        if let Some(detail) = &row.detail {
            assert_eq!(found[0]["detail"], **detail, "{row:?}");
        }
        let ran = journal.run(&row.options());
        assert_eq!(ran.status, if passes { 0 } else { 99 }, "{row:?}: {}", ran.stdout);
        // Nothing is judged that wasn't asked for.
        let unasked = journal.run(&["--check=misuse", "--allow-unused", "--format=json"]).json();
        assert!(unasked.get("policy").is_none() && against(&unasked).is_empty(), "{row:?}: {unasked}");
    }
}

/// Q4, Q7
#[test]
fn a_finding_says_who_called_what_when_and_where_and_how_to_mend_it() {
    let mut refused =
        event("refused AcquireCredentialsHandle SEC_E_SECPKG_NOT_FOUND package=NTLM principal=alice");
    refused["stack"] = json!(["1+0x1f40"]);
    let journal = Journal::of("linux", "secur32.dll")
        .with(&[
            json!({ "event": "image", "image": 1, "path": "/opt/app/client" }),
            refused.clone(),
            refused,
            event("acquired 1 package=Negotiate list=-NTLM"),
        ])
        .ends("unloaded");
    let ran = journal.run(&["--forbid=ntlm", "--gen-suppressions"]).exits_with(99);
    let (_, findings) = ran.stdout.split_once("\n\n").unwrap();
    insta::assert_snapshot!(findings, @r#"
    1. the package NTLM was asked for, in 2 calls
       alice for NTLM (secur32.dll), in client (412)
       AcquireCredentialsHandle, the first +0.002 s (event 2)
       at 0x1f40: ??? (in client)
       Acquire Negotiate, which chooses Kerberos where it can, and test it with --forbid ntlm.
       https://learn.microsoft.com/en-us/windows/win32/secauthn/microsoft-ntlm

    2. a package list excludes NTLM in vain
       CONTOSO\alice for Negotiate (secur32.dll), in client (412)
       AcquireCredentialsHandle, +0.004 s (event 4)
       the list was -NTLM
       Write !NTLM: a name behind a minus is ignored.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_winnt_auth_identity_exw

    policy broken: 3 calls are against the policy.
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which

    # For a file that `--suppressions` names:

    [[suppression]]
    kind = "ntlm-package"
    module = "client"
    why = "alice for NTLM: say why this is no fault of the program"

    [[suppression]]
    kind = "ntlm-not-excluded"
    module = "client"
    why = "CONTOSO\\alice for Negotiate: say why this is no fault of the program"
"#);
    let verdict = verdict(&journal, &["--forbid=ntlm"]);
    assert_eq!(verdict["policy"]["forbid"], json!(["ntlm"]));
    assert_eq!(verdict["policy"]["broken"], 3);
    assert_eq!(against(&verdict)[0]["standing"], "against-policy");
}

/// Q6, Q7
#[test]
fn where_events_are_missing_no_policy_is_kept() {
    let clean: Vec<Value> = row("clean").events.iter().map(|words| event(words)).collect();
    let lost = json!({ "event": "ended", "how": "exit", "left": 0, "lost": 1 });
    let journal = Journal::of("linux", "secur32.dll").with(&clean).with(&[lost]);
    assert_eq!(verdict(&journal, &["--forbid=ntlm"])["policy"]["outcome"], "incomplete");
    // What is there is against it, whatever is missing.
    let journal = Journal::of("windows", "secur32.dll").with(&[event("acquired 1 package=NTLM")]);
    assert_eq!(verdict(&journal, &["--forbid=ntlm"])["policy"]["outcome"], "broken");
    let unused = Journal::of("linux", "secur32.dll").ends("exit");
    unused.run(&["--forbid=ntlm"]).exits_with(99);
    unused.run(&["--forbid=ntlm", "--allow-unused"]).exits_with(0);
}

/// Q7: a suppression says where NTLM may stay.
#[test]
fn a_suppression_of_a_rule_allows_its_calls_and_names_them() {
    let journal = Journal::of("linux", "secur32.dll")
        .with(&["acquired 1 package=NTLM", "started 2 asked=0", "established 2 granted=0"].map(event))
        .ends("unloaded");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("suppressions.toml");
    let option = format!("--suppressions={}", file.display());
    for (kind, status) in [("ntlm-package", 0), ("ntlm-fallback", 99)] {
        let entry =
            format!("[[suppression]]\nkind = \"{kind}\"\nmodule = \"client\"\nwhy = \"an old printer\"\n");
        fs::write(&file, entry).unwrap();
        let ran = journal.run(&["--forbid=ntlm", &option]).exits_with(status);
        let note = "note: allowed: the package NTLM was asked for: CONTOSO\\alice for NTLM (secur32.dll), in client (412): an old printer";
        assert_eq!(ran.stdout.contains(note), status == 0, "{}", ran.stdout);
    }
}

/// Q7
#[test]
fn what_is_against_a_policy_is_a_case_of_the_junit_report_and_an_annotation() {
    let journal = journal(&row("no-target"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    let junit = format!("--junit={}", file.display());
    journal.run(&["--forbid=ntlm", &junit]).exits_with(99);
    let report = fs::read_to_string(&file).unwrap();
    for said in [
        r#"<testcase name="policy" classname="sspcache""#,
        r#"type="policy">policy broken: 1 call is against the policy."#,
        "Negotiate fell back to NTLM",
        "it named no target",
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    let github = journal.run(&["--forbid=ntlm", "--format=github"]).exits_with(99).stdout;
    assert!(github.contains("::error title=sspcache%3A policy::Negotiate fell back to NTLM%0A"), "{github}");
    assert!(github.contains("\npolicy broken: 1 call is against the policy."), "{github}");
}
