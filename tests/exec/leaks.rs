//! `sspcache exec --check=leaks` on a C program that forgets to give back one thing after the other.
//!
//! The program is one of the host, over `sspcache-win32`; under Wine it is a Windows program.
#![cfg(unix)]

use std::{ffi::OsString, fs, process::Command};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::{MINGW, Stage, words},
    win32::{self, COMPILERS},
};

const ACCOUNT: [&str; 2] = ["--account", r"CONTOSO\alice"];

fn program(stage: &Stage) -> OsString {
    win32::compile(stage, COMPILERS[0], "leaks", &fixture("clients/leaks.c"), &["-g"])
}

/// `exec` with these options, ready for `--`. Without stacks, so that what comes from several lines is one finding.
fn exec(stage: &Stage, options: &[&str]) -> Command {
    let mut exec = stage.exec();
    win32::finds_library(&mut exec).env("SSPCACHE_PASSWORD", "correct horse").args(ACCOUNT).args(options);
    exec.arg("--stack=0");
    exec
}

fn run(stage: &Stage, options: &[&str], forgotten: &str) -> Ran {
    let mut exec = exec(stage, options);
    exec.arg("--").args(words(&[&program(stage), &"MSNSSPC.dll"])).args(forgotten.split_whitespace());
    Ran::of(&mut exec)
}

/// Q2, Q4
#[test]
fn each_thing_that_a_program_forgets_is_found_by_its_kind_and_nothing_else_is() {
    let stage = Stage::new();
    let ran = run(&stage, &["--check=left,leaks"], "").exits_with(0);
    assert!(
        ran.stderr.contains("no leaks: the SSP gave out 21 things, and all were given back."),
        "{}",
        ran.stderr
    );
    for (forgotten, title, whose, function) in [
        ("handle", "1 credential handle, never freed", r"CONTOSO\alice for NTLM", "FreeCredentialsHandle"),
        ("inbound", "1 inbound credential handle, never freed", "NTLM (", "FreeCredentialsHandle"),
        ("names", "1 attribute (14 bytes), never freed", "MSNSSPC.dll, in", "FreeContextBuffer"),
        ("packages", "1 package description", "MSNSSPC.dll, in", "FreeContextBuffer"),
        ("token", "5 tokens (", "NTLM (", "FreeContextBuffer"),
        (
            "half-open",
            "1 half-open context, never deleted",
            r"CONTOSO\alice for NTLM",
            "DeleteSecurityContext",
        ),
        ("failed", "1 failed context, never deleted", r"CONTOSO\alice for NTLM", "DeleteSecurityContext"),
        (
            "established",
            "2 established contexts, never deleted",
            r"CONTOSO\alice for NTLM",
            "DeleteSecurityContext",
        ),
        ("attribute", "1 attribute (14 bytes), never freed", "NTLM (", "FreeContextBuffer"),
        ("exported", "1 exported context (", "NTLM (", "FreeContextBuffer"),
        (
            "imported",
            "1 established context, never deleted",
            r"CONTOSO\alice for NTLM",
            "DeleteSecurityContext",
        ),
        ("identity", "1 identity (", "MSNSSPC.dll, in", "SspiFreeAuthIdentity"),
        ("strings", "3 identities (", "MSNSSPC.dll, in", "SspiFreeAuthIdentity"),
        ("packed", "1 packed identity (", "MSNSSPC.dll, in", "SspiLocalFree"),
    ] {
        let ran = run(&stage, &["--check=leaks"], forgotten).exits_with(99);
        let report = &ran.stderr;
        assert!(report.contains(&format!("1. {title}")), "{forgotten}: {title}\n{report}");
        for said in [whose, function, "leaked: of ", "https://learn.microsoft.com/"] {
            assert!(report.contains(said), "{forgotten}: {said}\n{report}");
        }
        assert!(!report.contains("\n2. "), "{forgotten}:\n{report}");
        assert!(!report.contains("correct horse"), "{report}");
    }
}

/// Q2: what is alike is joined, what matters most comes first, and the totals add up.
#[test]
fn findings_are_joined_with_a_count_and_come_in_order_with_totals_that_add_up() {
    let stage = Stage::new();
    let verdict = stage.path("verdict.json");
    let file = verdict.display().to_string();
    let options = ["--check=left", "--check=leaks", "--format=json", "--verdict", &file];
    run(&stage, &options, "20 packages token established handle").exits_with(99);
    let verdict: serde_json::Value = serde_json::from_str(&fs::read_to_string(verdict).unwrap()).unwrap();
    let found: Vec<(&str, u64)> = verdict["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| (finding["what"].as_str().unwrap(), finding["count"].as_u64().unwrap()))
        .collect();
    // The tokens of failed steps belong to no package; here there are none.
    assert_eq!(found, [("credential-handle", 20), ("context", 40), ("token", 100), ("packages", 20)]);
    let leaks = &verdict["leaks"];
    assert_eq!(leaks["outcome"], "leaked");
    let kinds = leaks["kinds"].as_object().unwrap();
    for (kind, totals) in kinds.iter().chain([(&"all".to_owned(), leaks)]) {
        let number = |name: &str| totals[name].as_u64().unwrap();
        let sum = ["given_back", "leaked", "suppressed", "not_judged"].map(number).iter().sum::<u64>();
        assert_eq!(number("given_out"), sum, "{kind}: {totals}");
    }
    assert_eq!(leaks["leaked"], 180);
    let first = &verdict["findings"][0];
    assert_eq!(
        [&first["kind"], &first["standing"], &first["module"], &first["package"], &first["principal"]],
        ["leak", "leaked", "MSNSSPC.dll", "NTLM", r"CONTOSO\alice"],
        "{first}"
    );
    assert_eq!(verdict["checks"][1], serde_json::json!({ "check": "leaks", "passes": false }));
}

/// Q2, Q6: nothing is accused that had no chance, and nothing of it is called clean.
#[test]
fn what_a_killed_process_had_is_unknown_and_no_leak() {
    let stage = Stage::new();
    for (forgotten, status, said) in [
        // All was given back before.
        ("quit", 0, "no leaks: the SSP gave out 21 things"),
        ("handle quit", 99, "leaks unknown"),
        ("handle kill", 128 + 9, "killed, crashed, or ended at once"),
    ] {
        let ran = run(&stage, &["--check=leaks"], forgotten).exits_with(status);
        assert!(ran.stderr.contains(said), "{forgotten}: {}", ran.stderr);
        assert!(!ran.stderr.contains("leaked: "), "{forgotten}: {}", ran.stderr);
    }
}

/// Q2, M1
#[test]
fn a_child_is_not_accused_of_what_its_parent_has() {
    let stage = Stage::new();
    let everything = "handle inbound names packages token established exported identity strings packed";
    let ran = run(&stage, &["--check=leaks"], &format!("{everything} fork")).exits_with(99);
    let alone = run(&stage, &["--check=leaks"], everything).exits_with(99);
    let leaked = |ran: &Ran| {
        let line = ran.stderr.lines().find(|line| line.starts_with("leaked: ")).unwrap().to_owned();
        line.split_once("SSP gave out, ").unwrap().1.to_owned()
    };
    assert_eq!(leaked(&ran), leaked(&alone));
    assert!(!ran.stderr.contains("forked)\n   "), "{}", ran.stderr);
    run(&stage, &["--check=left,leaks"], "fork").exits_with(0);
}

/// Q2: leaks fail their own check alone, and others learn of them in a line.
#[test]
fn without_its_check_a_leak_fails_nothing_and_is_one_line_of_the_verdict() {
    let stage = Stage::new();
    let line = "note: 1 context was never given back; --check=leaks fails for that, and says which\n";
    for (options, status, is_noted) in [
        (&["--expect-clean"][..], 0, true),
        (&["--check=left"], 0, true),
        (&[], 0, true),
        (&["--check=leaks"], 99, false),
        (&["--check=left,leaks", "--error-exitcode=3"], 3, false),
        (&["--expect-clean", "--check=leaks"], 99, false),
    ] {
        let ran = run(&stage, options, "imported").exits_with(status);
        assert_eq!(ran.stderr.ends_with(line), is_noted, "{options:?}: {}", ran.stderr);
        assert_eq!(
            ran.stderr.contains("1. 1 established context, never deleted"),
            !is_noted,
            "{}",
            ran.stderr
        );
    }
    // A program that uses no mock proves nothing.
    let mut unused = stage.exec();
    let ran = Ran::of(unused.args(["--check=leaks", "--", "true"])).exits_with(99);
    assert!(ran.stderr.contains("not exercised: the SSP gave nothing out"), "{}", ran.stderr);
    let mut unused = stage.exec();
    Ran::of(unused.args(["--check=leaks", "--allow-unused", "--", "true"])).exits_with(0);
}

/// Q1a, Q2
#[test]
fn a_file_of_suppressions_is_checked_first_and_what_it_has_is_named_and_passes() {
    let stage = Stage::new();
    let file = stage.path("suppressions.toml");
    let options = format!("--suppressions={}", file.display());
    let suppressed = |text: &str, forgotten: &str| {
        fs::write(&file, text).unwrap();
        run(&stage, &["--check=leaks", &options], forgotten)
    };
    let generated = |forgotten: &str| {
        let ran = run(&stage, &["--check=left,leaks", "--gen-suppressions"], forgotten).exits_with(99);
        ran.stderr.split_once("\n# For a file that").unwrap().1.split_once('\n').unwrap().1.to_owned()
    };
    let ours = generated("half-open exported handle");
    let ran = suppressed(&ours, "half-open exported handle").exits_with(0);
    for said in [
        "note: 1 context is still there at unload or exit: ",
        "note: 1 exported context is still there",
        "say why this is no fault of the program",
        "and all were given back but what is suppressed.",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    // `held` is for the other check.
    assert!(ours.contains("kind = \"held\"") && ours.contains("kind = \"credential-handle\""), "{ours}");
    run(&stage, &["--check=left,leaks", &options], "handle exported half-open").exits_with(0);
    // Another kind is not suppressed, and an entry for nothing is named.
    let ran = suppressed(&ours, "half-open imported inbound token exported handle").exits_with(99);
    assert!(ran.stderr.contains("1. 5 tokens"), "{}", ran.stderr);
    let unused = "[[suppression]]\nkind = \"token\"\nmodule = \"other\"\nwhy = \"it is another program\"\n";
    let ran = suppressed(unused, "token").exits_with(99);
    let said = "suppressions.toml:1: token, module other";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    // After a sign-out nothing may be left.
    suppressed(&ours, "half-open flush").exits_with(99);
    // A mistake is reported before the command starts.
    let ran = suppressed("[[suppression]]\nkind = \"token\"\nmodul = \"x\"\n", "").exits_with(125);
    assert!(ran.stderr.contains("suppressions.toml:3:1: unknown field `modul`"), "{}", ran.stderr);
}

/// Q2, Q4
#[test]
fn a_junit_report_has_a_case_for_leaks_that_stands_alone() {
    let stage = Stage::new();
    let file = stage.path("report.xml");
    let junit = format!("--junit={}", file.display());
    run(&stage, &["--check=leaks", &junit], "handle half-open").exits_with(99);
    let report = fs::read_to_string(&file).unwrap();
    for said in [
        r#"<testcase name="leaks" classname="sspcache" time="0.000">"#,
        r#"type="leaks">leaked: of 21 things that the SSP gave out, 1 credential handle and 1 context were never given back."#,
        "1 half-open context, never deleted",
        "Call DeleteSecurityContext for each context",
        // Not checked.
        r#"failures="1""#,
    ] {
        assert!(report.contains(said), "{said}: {report}");
    }
    run(&stage, &["--check=left,leaks", &junit], "").exits_with(0);
    let report = fs::read_to_string(&file).unwrap();
    assert!(report.contains(r#"<testcase name="leaks" classname="sspcache" time="0.000"/>"#), "{report}");
}

/// Q2, S6: through secur32 each thing is found; by name, but for buffers, which the system's secur32 might free.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_is_found_out_through_secur32_and_by_name() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let program = stage.compile(MINGW, "leaks.exe", &fixture("clients/leaks.c"), &["-D_WIN32_WINNT=0x0601"]);
    let everything = "handle inbound packages token half-open failed exported identity packed";
    let found = &[
        "1. 1 credential handle, never freed",
        "2. 1 inbound credential handle, never freed",
        "1 half-open context, never deleted",
        "1 failed context, never deleted",
        "1 identity (",
        "1 packed identity (",
        "1 exported context (",
        "5 tokens (",
        "9. 1 package description (",
    ][..];
    for (module, forgotten, status, all_said) in [
        ("secur32.dll", "", 0, &["no leaks: the SSP gave out 21 things, and all were given back."][..]),
        ("secur32.dll", everything, 99, found),
        ("secur32.dll", "quit", 99, &["leaks unknown"]),
        (
            "MSNSSPC.dll",
            "half-open token",
            99,
            &["1. 1 half-open context, never deleted", "5 tokens are still there"],
        ),
    ] {
        let mut exec = stage.exec();
        exec.env("SSPCACHE_PASSWORD", "correct horse").args(ACCOUNT).args([
            "--stack=0",
            "--check=leaks",
            "--",
            "wine",
        ]);
        let ran =
            Ran::of(exec.arg(&program).arg(module).args(forgotten.split_whitespace())).exits_with(status);
        for said in all_said {
            assert!(ran.stderr.contains(said), "{module} {forgotten}: {said}\n{}", ran.stderr);
        }
    }
}
