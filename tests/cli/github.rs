//! The form of a verdict that GitHub Actions reads.

use std::fs;

use sspcache_tests::program::{Ran, fixture, sspcache};

/// What is printed, and the summary.
fn github(journal: &std::path::Path, arguments: &[&str], status: i32) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "Of another command.\n\n").unwrap();
    let mut command = sspcache();
    command.args(["journal", "check", "--format", "github"]).args(arguments).arg(journal);
    let ran = Ran::of(command.env("GITHUB_STEP_SUMMARY", &summary)).exits_with(status);
    assert_eq!(ran.stderr, "");
    (ran.stdout, fs::read_to_string(summary).unwrap())
}

#[test]
fn each_credential_that_was_left_is_an_annotation_and_a_row_of_the_summary() {
    let (commands, summary) = github(&fixture("journal/held-and-cached"), &[], 99);
    insta::assert_snapshot!(commands, @r"
    ::error title=sspcache%3A credential left::client.exe (412) left CONTOSO\alice for Negotiate (secur32.dll)%0ACall FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.
    ::error title=sspcache%3A credential left::client.exe (412) left CONTOSO\bob for MSN (secur32.dll)%0ACall CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    not clean: of 2 credentials, 2 were left. client.exe (412) left CONTOSO\alice and CONTOSO\bob.
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.
    ");
    insta::assert_snapshot!(summary, @r"
    Of another command.

    ### sspcache: not clean

    of 2 credentials, 2 were left. client.exe (412) left CONTOSO\\alice and CONTOSO\\bob.

    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.

    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.

    | process | signed in | as | through | what ended it |
    | --- | --- | --- | --- | --- |
    | client.exe (412) | +0.120 s | CONTOSO\\alice | Negotiate (secur32.dll) | LEFT at exit, held by a handle |
    | client.exe (412) | +0.300 s | CONTOSO\\bob | MSN (secur32.dll) | LEFT at exit |
    ");
}

#[test]
fn a_run_that_is_clean_or_without_a_sign_in_or_incomplete_says_so() {
    let (commands, summary) = github(&fixture("journal/clean"), &[], 0);
    insta::assert_snapshot!(commands, @r"
    clean: 1 credential was cached in 1 process, and nothing was left.
    ");
    insta::assert_snapshot!(summary, @r"
    Of another command.

    ### sspcache: clean

    1 credential was cached in 1 process, and nothing was left.

    | process | signed in | as | through | what ended it |
    | --- | --- | --- | --- | --- |
    | client (412) | +0.012 s | CONTOSO\\alice (1 silent sign-in) | MSN (MSNSSPC.dll) | flushed +0.900 s (event 6) |
    ");
    let (commands, _) = github(&fixture("journal/gap"), &[], 99);
    assert!(
        commands.starts_with("::error title=sspcache%3A events missing::events are missing from "),
        "{commands}"
    );
    let (commands, _) = github(&fixture("journal/unused"), &[], 99);
    assert!(commands.starts_with("::error title=sspcache%3A no sign-in::not exercised: "), "{commands}");
    let (commands, _) = github(&fixture("journal/unused"), &["--allow-unused"], 0);
    assert!(commands.starts_with("not exercised: "), "{commands}");
    let (_, summary) = github(&fixture("journal/dotnet"), &[], 0);
    assert!(summary.contains("| still held at exit (suppressed) |"), "{summary}");
    assert!(summary.contains("\n- still held at exit of app.exe (412): "), "{summary}");
}

/// Q2
#[test]
fn what_was_leaked_is_an_annotation_where_that_is_checked() {
    let journal = fixture("journal/held-and-cached");
    let (commands, summary) = github(&journal, &["--check=left,leaks"], 99);
    assert_eq!(commands.matches("::error title=sspcache%3A credential left::").count(), 2, "{commands}");
    assert_eq!(
        commands.matches("::error title=sspcache%3A leak::1 credential handle").count(),
        1,
        "{commands}"
    );
    assert!(commands.contains("\nleaked: of 2 things that the SSP gave out, "), "{commands}");
    assert!(
        summary.contains("\n1 credential handle, never freed\n\n    CONTOSO\\alice for Negotiate"),
        "{summary}"
    );
    // Left credentials are no reason to fail then.
    let (commands, _) = github(&journal, &["--check=leaks"], 99);
    assert!(commands.contains("::warning title=sspcache%3A credential left::"), "{commands}");
    assert!(commands.contains("::error title=sspcache%3A leak::"), "{commands}");
    let (commands, _) = github(&journal, &[], 99);
    assert!(!commands.contains("leak"), "{commands}");
}

#[test]
fn what_a_journal_says_is_no_command_to_github_and_no_markdown() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(fixture("journal/left/412-MSNSSPC-0.jsonl")).unwrap();
    let text = text
        .replace(r"CONTOSO\\bob", r"100%\n::error::<b>, ##[error]|`x`")
        .replace("\"client\"", "\"::a%0A,b:c\"");
    let journal = folder.path().join("412-MSNSSPC-0.jsonl");
    fs::write(&journal, text).unwrap();
    let (commands, summary) = github(&journal, &[], 99);
    insta::assert_snapshot!(commands, @r"
    ::error title=sspcache%3A credential left::::a%250A,b:c (412) left 100%25\n::error::<b>, ##[error]|`x` for MSN (MSNSSPC.dll)%0ACall CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    not clean: of 3 cached credentials, 1 was left. ::a%0A,b:c (412) left 100%\n::error::<b>, ## [error]|`x`.
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    ");
    insta::assert_snapshot!(summary, @r"
    Of another command.

    ### sspcache: not clean

    of 3 cached credentials, 1 was left. ::a%0A,b:c (412) left 100%\\n::error::\<b\>, \#\#\[error\]\|\`x\`.

    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.

    | process | signed in | as | through | what ended it |
    | --- | --- | --- | --- | --- |
    | ::a%0A,b:c (412) | +0.070 s | 100%\\n::error::\<b\>, \#\#\[error\]\|\`x\` | MSN (MSNSSPC.dll) | LEFT at unload or exit |
    | ::a%0A,b:c (412) | +0.012 s | CONTOSO\\alice | MSN (MSNSSPC.dll) | flushed +0.055 s (event 5) |
    | ::a%0A,b:c (412) | +0.040 s | 100%\\n::error::\<b\>, \#\#\[error\]\|\`x\` | MSN (MSNSSPC.dll) | flushed +0.055 s (event 5) |
    ");
}

#[test]
fn of_many_credentials_the_first_are_annotations_and_the_others_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut lines = vec![
        r#"{"seq":0,"time":134117856000000000,"before":0,"after":0,"event":"started","module":"MSNSSPC.dll","version":"0.2.0","pid":412,"program":"client"}"#
            .to_owned(),
    ];
    for number in 1..=20 {
        lines.push(format!(
            r#"{{"seq":{number},"time":134117856000000000,"before":{},"after":{number},"event":"cached","credential":{number},"package":"MSN","principal":"user{}","source":"explicit","expires":0}}"#,
            number - 1,
            number.min(15),
        ));
    }
    let journal = folder.path().join("412-MSNSSPC-0.jsonl");
    fs::write(&journal, lines.join("\n") + "\n").unwrap();
    let (commands, summary) = github(&journal, &[], 99);
    assert_eq!(commands.matches("::error ").count(), 9, "{commands}");
    assert!(commands.contains("::12 more things; "), "{commands}");
    assert!(summary.contains("\n… and 4 more credentials\n"), "{summary}");
}

#[test]
fn a_summary_that_cannot_be_written_is_an_error() {
    let mut command = sspcache();
    command.args(["journal", "check", "--format", "github"]).arg(fixture("journal/clean"));
    let ran = Ran::of(command.env("GITHUB_STEP_SUMMARY", fixture("journal"))).exits_with(125);
    assert!(ran.stderr.contains("can't add to the summary"), "{}", ran.stderr);
}
