//! `sspcache journal`: the verdict on a run is made from its journals alone, and the timeline draws them.

use sspcache_tests::{
    program::{Ran, fixture, sspcache},
    schema,
};

use crate::junit::report;

fn check(journal: &str) -> Ran {
    Ran::of(sspcache().args(["journal", "check"]).arg(fixture("journal").join(journal)))
}

fn check_json(journal: &str) -> serde_json::Value {
    let mut check = sspcache();
    check.args(["journal", "check", "--format", "json"]).arg(fixture("journal").join(journal));
    schema::verdict(&Ran::of(&mut check).stdout)
}

/// M10, M12
#[test]
fn a_journal_is_judged_by_what_was_left() {
    for (journal, outcome, left, status) in [
        ("clean", "clean", 0, 0),
        ("ends", "clean", 0, 0),
        ("left", "left", 1, 99),
        ("many", "left", 1, 99),
        ("tree", "left", 2, 99),
        ("unused", "not-exercised", 0, 99),
        ("cut", "incomplete", 0, 99),
        ("gap", "incomplete", 0, 99),
        ("lost", "incomplete", 0, 99),
        ("not-a-journal", "incomplete", 0, 99),
    ] {
        check(journal).exits_with(status);
        let verdict = check_json(journal);
        assert_eq!(
            (&verdict["outcome"], &verdict["left"]),
            (&outcome.into(), &left.into()),
            "{journal}: {verdict}"
        );
    }
}

/// M10
#[test]
fn each_credential_says_what_ended_it() {
    let verdict = check_json("ends");
    let ends: Vec<&str> = verdict["processes"][0]["credentials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|credential| credential["end"]["how"].as_str().unwrap())
        .collect();
    assert_eq!(ends, ["evicted", "replaced", "expired", "flushed"]);
    assert_eq!(verdict["retained"], 1);
}

/// M10
#[test]
fn a_process_without_an_end_is_judged_by_what_it_still_held() {
    let verdict = check_json("tree");
    let killed = &verdict["processes"][2];
    assert_eq!(killed["program"], "worker.exe");
    assert_eq!(killed["credentials"][0]["end"], serde_json::json!({ "how": "left", "when": "no-end" }));
}

/// Q1, Q1a, Q5, Q6: of what was held, and of what a process can't help.
#[test]
fn what_a_handle_held_is_judged_by_who_freed_it_and_what_the_process_said() {
    for (journal, outcome, left, suppressed, status) in [
        ("held", "left", 1, 0, 99),
        ("held-freed", "clean", 0, 0, 0),
        ("held-and-cached", "left", 2, 0, 99),
        ("held-wininet", "left", 1, 0, 99),
        ("default", "clean", 0, 0, 0),
        // .NET frees nothing at exit. What is cached, it could have flushed.
        ("dotnet", "clean", 0, 1, 0),
        ("dotnet-cached", "left", 1, 0, 99),
        ("dotnet-disposed", "clean", 0, 0, 0),
        // It has not ended at all, or it has signed out.
        ("dotnet-crashed", "left", 1, 0, 99),
        ("dotnet-flushed", "left", 1, 0, 99),
        ("dotnet-marked", "left", 1, 0, 99),
        ("dotnet-unloaded", "left", 1, 0, 99),
        // Held when another of its mocks was told that it had signed out, and freed later.
        ("marked-elsewhere", "left", 1, 0, 99),
        // An SSP that was loaded, listed and freed, before it was loaded in earnest.
        ("listed", "clean", 0, 0, 0),
        ("listed-and-left", "left", 1, 0, 99),
        ("listed-only", "not-exercised", 0, 0, 99),
        // A Windows program that flushed, and crashed after that.
        ("crashed", "incomplete", 0, 0, 99),
        ("refused", "not-exercised", 0, 0, 99),
    ] {
        check(journal).exits_with(status);
        let verdict = check_json(journal);
        assert_eq!(
            serde_json::json!([verdict["outcome"], verdict["left"], verdict["suppressed"]]),
            serde_json::json!([outcome, left, suppressed]),
            "{journal}: {verdict}"
        );
    }
}

/// Q1
#[test]
fn the_verdict_says_what_a_handle_holds_and_the_advice_fits_the_holder() {
    insta::assert_snapshot!(check("held-and-cached").exits_with(99).stdout, @r"
     process           signed in  as             through                  what ended it
    ─────────────────────────────────────────────────────────────────────────────────────────────────────
     client.exe (412)  +0.120 s   CONTOSO\alice  Negotiate (secur32.dll)  LEFT at exit, held by a handle
                       +0.300 s   CONTOSO\bob    MSN (secur32.dll)        LEFT at exit

    not clean: of 2 credentials, 2 were left. client.exe (412) left CONTOSO\alice and CONTOSO\bob.
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which
    ");
    insta::assert_snapshot!(check("held-freed").exits_with(0).stdout, @r"
     process           signed in  as             through                  what ended it
    ───────────────────────────────────────────────────────────────────────────────────────────────
     client.exe (412)  +0.120 s   CONTOSO\alice  Negotiate (secur32.dll)  freed +0.700 s (event 4)

    note: client.exe (412) signed in with the default credentials once, which leaves nothing
    clean: 1 credential was held in 1 process, and nothing was left.
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which
    ");
    insta::assert_snapshot!(check("default").exits_with(0).stdout, @r"
    note: client.exe (412) signed in with the default credentials twice, which leaves nothing
    clean: 2 sign-ins with default credentials in 1 process, and nothing was left.
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which
    ");
    insta::assert_snapshot!(check("held-wininet").exits_with(99).stdout, @r"
     process            signed in  as             through                  what ended it
    ──────────────────────────────────────────────────────────────────────────────────────────────────────
     browser.exe (412)  +0.120 s   CONTOSO\alice  Negotiate (secur32.dll)  LEFT at exit, held by a handle

    not clean: of 1 held credential, 1 was left. browser.exe (412) left CONTOSO\alice.
    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.
    WinINet is in the process: it frees what a request signed in with when the request's handle is closed (InternetCloseHandle).
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which
    ");
    insta::assert_snapshot!(check("dotnet-marked").exits_with(99).stdout, @r"
     process        signed in  as             through                  what ended it
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     app.exe (412)  +0.120 s   CONTOSO\alice  Negotiate (secur32.dll)  LEFT at the end of the sign-out, held by a handle

    not clean: of 1 held credential, 1 was left. app.exe (412) left CONTOSO\alice.
    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.
    .NET is in the process: dispose of what signs in (HttpClient, NegotiateAuthentication, NegotiateStream).
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which
    ");
}

/// Q1a
#[test]
fn what_is_suppressed_is_still_named_with_the_reason() {
    insta::assert_snapshot!(check("dotnet").exits_with(0).stdout, @r"
     process        signed in  as             through                  what ended it
    ───────────────────────────────────────────────────────────────────────────────────────────────────
     app.exe (412)  +0.120 s   CONTOSO\alice  Negotiate (secur32.dll)  still held at exit (suppressed)

    note: still held at exit of app.exe (412): CONTOSO\alice for Negotiate (secur32.dll): .NET runs no finalizers at exit, so HttpClient, NegotiateStream and others that nobody disposed of free nothing
    clean: 1 credential was held in 1 process, and nothing was left but what is suppressed.
    ");
    insta::assert_snapshot!(report(&fixture("journal/dotnet"), &[]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="credential caches" package="sspcache" id="0" timestamp="2026-01-02T00:00:00" hostname="localhost" tests="1" failures="0" errors="0" skipped="0" time="0.900">
        <properties/>
        <testcase name="app.exe" classname="sspcache.programs" time="0.900"/>
        <system-out>still held at exit of app.exe (412): CONTOSO\alice for Negotiate (secur32.dll): .NET runs no finalizers at exit, so HttpClient, NegotiateStream and others that nobody disposed of free nothing</system-out>
        <system-err></system-err>
      </testsuite>
    </testsuites>
    "#);
}

/// Q6
#[test]
fn a_windows_program_whose_journal_has_no_end_has_crashed() {
    insta::assert_snapshot!(check("crashed").exits_with(99).stdout, @r"
     process           signed in  as             through            what ended it
    ───────────────────────────────────────────────────────────────────────────────────────────
     client.exe (412)  +0.120 s   CONTOSO\alice  MSN (secur32.dll)  flushed +0.500 s (event 3)

    note: client.exe (412) has no end in its journal: it crashed, was terminated, or still runs
    incomplete: events are missing, so the journals don't show what was left.
    ");
}

#[test]
fn a_run_without_a_sign_in_says_what_was_refused() {
    insta::assert_snapshot!(check("refused").exits_with(99).stdout, @r"
    not exercised: 1 process used a mock SSP, but without a sign-in, so this run proves nothing.
    client.exe (412) asked secur32.dll to sign in as CONTOSO\alice to the package Digest, and got SEC_E_SECPKG_NOT_FOUND; this mock offers Negotiate, Kerberos, NTLM, MSN and DPA.
    client.exe (412) asked secur32.dll to sign in silently to the package Negotiate, and got SEC_E_NO_CREDENTIALS; this mock offers Negotiate, Kerberos, NTLM, MSN and DPA; `exec --logon` gives it default credentials.
    ");
    insta::assert_snapshot!(check("listed-only").exits_with(99).stdout, @r"
    not exercised: 1 process used a mock SSP, but without a sign-in, so this run proves nothing.
    client.exe (412) loaded MSNSSPC.dll and asked for no package: where the system's secur32.dll has a package of its own under the same name (Negotiate, Kerberos, NTLM), programs get that one.
    ");
}

#[test]
fn the_verdict_names_everyone_in_a_tree_and_says_in_words_what_it_comes_to() {
    let ran = check("tree").exits_with(99);
    assert_eq!(ran.stderr, "");
    insta::assert_snapshot!(ran.stdout, @r"
     process               signed in  as             through             what ended it
    ─────────────────────────────────────────────────────────────────────────────────────────────────────
     server (412)          +0.005 s   CONTOSO\alice  MSN (MSNSSPC.dll)   flushed +0.300 s (event 2)
     server (413, forked)  +0.055 s   CONTOSO\bob    MSN (MSNSSPC.dll)   LEFT at exit
     worker.exe (420)      +0.120 s   carol          DPA (MSAPSSPC.dll)  LEFT (killed, or still running)

    note: 1 process used a mock without signing in
    not clean: of 3 cached credentials, 2 were left. server (413, forked) left CONTOSO\bob and worker.exe (420) left carol.
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    ");
}

#[test]
fn a_clean_run_is_told_in_one_sentence() {
    insta::assert_snapshot!(check("clean").exits_with(0).stdout, @r"
     process       signed in  as                                through            what ended it
    ──────────────────────────────────────────────────────────────────────────────────────────────────────────
     client (412)  +0.012 s   CONTOSO\alice (1 silent sign-in)  MSN (MSNSSPC.dll)  flushed +0.900 s (event 6)

    clean: 1 credential was cached in 1 process, and nothing was left.
    ");
}

#[test]
fn notes_tell_of_injected_faults_and_retained_copies() {
    insta::assert_snapshot!(check("ends").exits_with(0).stdout, @r#"
     process       signed in  as                     through            what ended it
    ───────────────────────────────────────────────────────────────────────────────────────────────────────
     client (412)  +0.000 s   preloaded (preloaded)  MSN (MSNSSPC.dll)  evicted +0.004 s, to make room
                   +0.001 s   CONTOSO\alice          MSN (MSNSSPC.dll)  replaced +0.002 s, by a new secret
                   +0.002 s   CONTOSO\alice          MSN (MSNSSPC.dll)  expired +5.000 s
                   +0.003 s   CONTOSO\bob            MSN (MSNSSPC.dll)  flushed +5.002 s (event 9)

    note: in client (412), an injected fault affected 1 call of CleanupCredentialCache
    note: client (412) kept 1 copy of a secret in handles that were never freed (handle-policy = "retain")
    clean: 4 credentials were cached in 1 process, and nothing was left.
    "#);
}

#[test]
fn of_many_credentials_those_that_were_left_are_shown_first() {
    let stdout = check("many").exits_with(99).stdout;
    assert!(stdout.lines().nth(2).unwrap().contains("LEFT at exit"), "{stdout}");
    assert!(stdout.contains("… and 25 more credentials"), "{stdout}");
}

#[test]
fn a_run_in_which_nobody_signed_in_passes_when_that_is_allowed_and_a_gap_never_does() {
    let check = |journal: &str| {
        let mut command = sspcache();
        command.args(["journal", "check", "--allow-unused", "--error-exitcode", "7"]);
        Ran::of(command.arg(fixture("journal").join(journal))).status
    };
    assert_eq!([check("unused"), check("clean"), check("gap"), check("left")], [0, 0, 7, 7]);
}

#[test]
fn what_is_no_journal_is_named_and_not_quoted() {
    let ran = check("not-a-journal").exits_with(99);
    assert!(ran.stdout.contains("1-MSNSSPC-0.jsonl:1:"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
}

/// M10, M11, M12
#[test]
fn the_journal_of_a_mock_of_another_version_is_not_vouched_for() {
    let ours = env!("CARGO_PKG_VERSION");
    let (series, _) = ours.rsplit_once('.').expect("three numbers");
    let text = std::fs::read_to_string(fixture("journal/clean/412-MSNSSPC-0.jsonl")).expect("readable");
    for (version, status) in [(format!("{series}.99"), 0), (format!("9.{ours}"), 99), ("new".to_owned(), 99)]
    {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let journal = folder.path().join("412-MSNSSPC-0.jsonl");
        let before = format!(r#""version":"{ours}""#);
        assert!(text.contains(&before), "{text}");
        std::fs::write(&journal, text.replace(&before, &format!(r#""version":"{version}""#)))
            .expect("writable");
        let ran = Ran::of(sspcache().args(["journal", "check"]).arg(&journal)).exits_with(status);
        let said = [&*version, ours, "412-MSNSSPC-0.jsonl", "from one distribution", "incomplete"];
        assert_eq!(said.iter().all(|part| ran.stdout.contains(part)), status != 0, "{ran:?}");
    }
    // Nor does it accuse a program.
    let text = std::fs::read_to_string(fixture("journal/left/412-MSNSSPC-0.jsonl")).expect("readable");
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let journal = folder.path().join("412-MSNSSPC-0.jsonl");
    std::fs::write(&journal, text.replace(&format!(r#""version":"{ours}""#), r#""version":"9.0.0""#))
        .expect("writable");
    let ran = Ran::of(sspcache().args(["journal", "check"]).arg(&journal)).exits_with(99);
    assert!(ran.stdout.contains("still cached (events are missing)"), "{}", ran.stdout);
    assert!(ran.stdout.contains("incomplete: ") && !ran.stdout.contains("LEFT"), "{}", ran.stdout);
}

/// M10, M12, Q6
#[test]
fn what_a_missing_event_may_have_ended_is_unknown_unless_the_mock_counted_it() {
    for (fixed, rest) in [("left", "cached"), ("held", "held")] {
        let folder = fixture("journal").join(fixed);
        let file =
            std::fs::read_dir(folder).expect("a folder").next().expect("a journal").expect("readable").path();
        let text = std::fs::read_to_string(file).expect("readable");
        let lines: Vec<&str> = text.lines().collect();
        let acquired = lines.iter().position(|line| line.contains(r#""event":"acquired""#)).expect("one");
        for (without, said) in [
            // Its end has the number of those that were left.
            (acquired, "LEFT"),
            (lines.len() - 1, "LEFT"),
            // With neither that nor the others.
            (usize::MAX, &*format!("still {rest} (events are missing)")),
        ] {
            let kept = lines.iter().enumerate().filter(|(index, _)| match without {
                usize::MAX => *index != acquired && *index != lines.len() - 1,
                without => *index != without,
            });
            let text: String = kept.flat_map(|(_, line)| [*line, "\n"]).collect();
            let folder = tempfile::tempdir().expect("there is a temporary folder");
            let journal = folder.path().join("412-mock-0.jsonl");
            std::fs::write(&journal, text).expect("writable");
            let ran = Ran::of(sspcache().args(["journal", "check"]).arg(&journal)).exits_with(99);
            assert!(ran.stdout.contains(said), "{fixed} {without}: {}", ran.stdout);
            assert_eq!(ran.stdout.contains("LEFT"), said == "LEFT", "{fixed} {without}: {}", ran.stdout);
        }
    }
}

#[test]
fn a_name_that_no_journal_has_is_an_error_of_its_own() {
    let ran = check("nowhere").exits_with(125);
    assert!(ran.stderr.contains("nowhere") && ran.stdout.is_empty(), "{ran:?}");
}

#[test]
fn a_prefix_and_a_single_file_name_journals_too() {
    assert_eq!(check("left/412-MSNSSPC-0.jsonl").status, 99);
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        fixture("journal/clean/412-MSNSSPC-0.jsonl"),
        folder.path().join("run.412-MSNSSPC-0.jsonl"),
    )
    .unwrap();
    Ran::of(sspcache().args(["journal", "check"]).arg(folder.path().join("run"))).exits_with(0);
}

#[test]
fn the_junit_report_has_a_test_case_for_each_program() {
    insta::assert_snapshot!(report(&fixture("journal/tree"), &[]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="credential caches" package="sspcache" id="0" timestamp="2026-01-02T00:00:00" hostname="localhost" tests="2" failures="2" errors="0" skipped="0" time="0.400">
        <properties/>
        <testcase name="server" classname="sspcache.programs" time="0.400">
          <failure message="server (413, forked) left CONTOSO\bob for MSN (MSNSSPC.dll)" type="left">server (413, forked) left CONTOSO\bob for MSN (MSNSSPC.dll)
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.</failure>
        </testcase>
        <testcase name="worker.exe" classname="sspcache.programs" time="0.010">
          <failure message="worker.exe (420) left carol for DPA (MSAPSSPC.dll)" type="left">worker.exe (420) left carol for DPA (MSAPSSPC.dll)
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.</failure>
        </testcase>
        <system-out></system-out>
        <system-err></system-err>
      </testsuite>
    </testsuites>
    "#);
}

/// Q1
#[test]
fn the_junit_report_says_what_handles_held_and_what_helps() {
    insta::assert_snapshot!(report(&fixture("journal/held-and-cached"), &[]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites>
      <testsuite name="credential caches" package="sspcache" id="0" timestamp="2026-01-02T00:00:00" hostname="localhost" tests="1" failures="1" errors="0" skipped="0" time="0.900">
        <properties/>
        <testcase name="client.exe" classname="sspcache.programs" time="0.900">
          <failure message="client.exe (412) left CONTOSO\alice for Negotiate (secur32.dll)" type="left">client.exe (412) left CONTOSO\alice for Negotiate (secur32.dll)
    client.exe (412) left CONTOSO\bob for MSN (secur32.dll)
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.</failure>
        </testcase>
        <system-out></system-out>
        <system-err></system-err>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn the_junit_report_of_an_unused_mock_fails_by_name() {
    let report = |options: &[&str]| report(&fixture("journal/unused"), options);
    let case = r#"<testcase name="sign-in" classname="sspcache" time="0.000">"#;
    assert!(report(&[]).contains(case), "{}", report(&[]));
    assert!(!report(&["--allow-unused"]).contains("<failure"));
}

fn show(journal: &str, arguments: &[&str]) -> String {
    let mut command = sspcache();
    command.args(["journal", "show"]).args(arguments).arg(fixture("journal").join(journal));
    Ran::of(&mut command).exits_with(0).stdout
}

#[test]
fn the_timeline_shows_the_number_cached_over_time() {
    insta::assert_snapshot!(show("ends", &[]), @r"
    MSNSSPC.dll in client (412), 11 events
     event  time         what                                     cached
    ──────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                          0
         1  +0.000000 s  cached    preloaded for MSN, preloaded        1  █
         2  +0.001000 s  cached    CONTOSO\alice for MSN               2  ██
         3  +0.002000 s  replaced                                      1  █
         4  +0.002000 s  cached    CONTOSO\alice for MSN               2  ██
         5  +0.003000 s  cached    CONTOSO\bob for MSN                 3  ███
         6  +0.004000 s  evicted                                       2  ██
         7  +5.000000 s  expired                                       1  █
         8  +5.001000 s  fault     CleanupCredentialCache: false       1  █
         9  +5.002000 s  flushed                                       0
        10  +5.003000 s  ended     process exit                        0
    ");
}

#[test]
fn the_timeline_tells_of_contexts_and_no_verdict_hangs_on_them() {
    insta::assert_snapshot!(show("contexts", &[]), @r"
    MSNSSPC.dll in both-ends (412), 19 events
     event  time         what                                                       cached
    ──────────────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                                            0
         1  +0.001000 s  cached    CONTOSO\alice for NTLM                                1  █
         2  +0.002000 s  acquired  as CONTOSO\alice, for NTLM                            1  █
         3  +0.003000 s  acquired  inbound, for Negotiate                                1  █
         4  +0.004000 s  handshake for NTLM to HTTP/web, initiating                      1  █
         5  +0.005000 s  handshake for NTLM, accepting                                   1  █
         6  +0.006000 s  context   CONTOSO\alice for NTLM, initiating                    1  █
         7  +0.007000 s  context   CONTOSO\alice for NTLM, accepting                     1  █
         8  +0.008000 s  acting    impersonation of CONTOSO\alice                        1  █
         9  +0.009000 s  reverted                                                        1  █
        10  +0.010000 s  exported                                                        1  █
        11  +0.011000 s  deleted                                                         1  █
        12  +0.012000 s  imported  CONTOSO\alice for NTLM, accepting                     1  █
        13  +0.013000 s  handshake for NTLM, initiating                                  1  █
        14  +0.014000 s  flushed                                                         0
        15  +0.015000 s  refused   InitializeSecurityContext: SEC_E_NO_CREDENTIALS       0
        16  +0.016000 s  failed    handshake: SEC_E_NO_CREDENTIALS                       0
        17  +0.017000 s  context   anonymous for NTLM, accepting                         0
        18  +0.018000 s  ended     process exit                                          0
    ");
    check("contexts").exits_with(0);
}

#[test]
fn the_timeline_shows_what_handles_hold_where_any_does() {
    insta::assert_snapshot!(show("held", &[]), @r"
    secur32.dll in client.exe (412), 8 events
     event  time         what                                                cached  held
    ─────────────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                                     0     0
         1  +0.120000 s  held      CONTOSO\alice for Negotiate, by a handle       0     1
         2  +0.120000 s  acquired  as CONTOSO\alice, for Negotiate                0     1
         3  +0.400000 s  held      CONTOSO\bob for NTLM, by a handle              0     2
         4  +0.400000 s  acquired  as CONTOSO\bob, for NTLM                       0     2
         5  +0.700000 s  released                                                 0     1
         6  +0.700000 s  freed                                                    0     1
         7  +0.900000 s  ended     process exit                                   0     1
    ");
    insta::assert_snapshot!(show("dotnet-disposed", &[]), @r"
    secur32.dll in app.exe (412), 8 events
     event  time         what                                                cached  held
    ─────────────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                                     0     0
         1  +0.110000 s  modules   loaded: coreclr.dll                            0     0
         2  +0.120000 s  held      CONTOSO\alice for Negotiate, by a handle       0     1
         3  +0.120000 s  acquired  as CONTOSO\alice, for Negotiate                0     1
         4  +0.500000 s  released                                                 0     0
         5  +0.500000 s  freed                                                    0     0
         6  +0.510000 s  mark      signed out                                     0     0
         7  +0.900000 s  ended     process exit                                   0     0
    ");
    insta::assert_snapshot!(show("default", &[]), @r"
    secur32.dll in client.exe (412), 5 events
     event  time         what                                                cached
    ───────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                                     0
         1  +0.100000 s  acquired  as CONTOSO\me, by default, for Negotiate       0
         2  +0.200000 s  acquired  as CONTOSO\me, by default, for NTLM            0
         3  +0.300000 s  freed                                                    0
         4  +0.900000 s  ended     process exit                                   0
    ");
}

#[test]
fn like_events_are_drawn_as_one_row_unless_all_are_wanted() {
    insta::assert_snapshot!(show("many", &[]), @r"
    MSNSSPC.dll in load-test (412), 124 events
     event  time         what                                       cached
    ─────────────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                            0
     1–120  +0.001000 s  cached, acquired, freed, 40 times              40  ████████████████
       121  +0.060000 s  flushed                                         0
       122  +0.061000 s  cached    CONTOSO\alice for MSN                 1  ▌
       123  +0.075000 s  ended     process exit; 1 credential left       0
    ");
    assert_eq!(show("many", &["--all"]).lines().count(), 3 + 124);
}

/// Q4
#[test]
fn the_timeline_shows_where_a_call_was_made_and_the_whole_stack_when_asked() {
    insta::assert_snapshot!(show("stacks", &[]), @r"
    secur32.dll in client (77), 8 events
     event  time         what                                           cached  held
    ────────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                                0     0
         1  +0.010000 s  held      CONTOSO\alice for NTLM, by a handle       0     1
         4  +0.010000 s  acquired  as CONTOSO\alice, for NTLM                0     1
             at 0x121d: ??? (in client)
         5  +0.020000 s  freed                                               0     1
             at 0x12bb: ??? (in client)
         6  +0.020000 s  released                                            0     0
         7  +0.030000 s  ended     unloaded, or process exit                 0     0
    ");
    let all = show("stacks", &["--all"]);
    for line in
        ["image     1 is /home/alice/client", "by 0x1276: ??? (in client)", "by 0x2724a: ??? (in libc.so.6)"]
    {
        assert!(all.contains(line), "{line} is not in:\n{all}");
    }
}

#[test]
fn the_timeline_of_several_processes_has_one_clock_and_one_scale() {
    insta::assert_snapshot!(show("tree", &[]), @r"
    MSNSSPC.dll in server (412), 4 events
     event  time         what                             cached
    ────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                  0
         1  +0.005000 s  cached    CONTOSO\alice for MSN       1  █
         2  +0.300000 s  flushed                               0
         3  +0.400000 s  ended     process exit                0

    MSNSSPC.dll in server (413, forked), 3 events
     event  time         what                                       cached
    ──────────────────────────────────────────────────────────────────────────
         0  +0.050000 s  started   mock 0.2.0                            0
         1  +0.055000 s  cached    CONTOSO\bob for MSN                   1  █
         2  +0.190000 s  ended     process exit; 1 credential left       0

    MSAPSSPC.dll in worker.exe (420), 2 events
     event  time         what                     cached
    ────────────────────────────────────────────────────────
         0  +0.110000 s  started   mock 0.2.0          0
         1  +0.120000 s  cached    carol for DPA       1  █

    MSAPSSPC.dll in worker.exe (421), 2 events
     event  time         what                    cached
    ───────────────────────────────────────────────────────
         0  +0.130000 s  started   mock 0.2.0         0
         1  +0.140000 s  ended     process exit       0
    ");
}

#[test]
fn the_timeline_in_json_is_the_events_themselves() {
    let events: serde_json::Value = serde_json::from_str(&show("clean", &["--format", "json"])).unwrap();
    assert_eq!(events[0][0]["event"], "started");
    assert_eq!(events[0].as_array().unwrap().len(), 9);
}

#[test]
fn a_file_that_is_no_journal_makes_the_timeline_fail() {
    let mut command = sspcache();
    command.args(["journal", "show"]).arg(fixture("journal/not-a-journal"));
    let ran = Ran::of(&mut command).exits_with(1);
    assert!(ran.stderr.contains("not an event of a journal"), "{}", ran.stderr);
}
