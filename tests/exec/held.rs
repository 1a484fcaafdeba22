//! `sspcache exec` on programs that sign in to packages which don't cache: what a handle holds is left unless the handle
//! was freed, and what a process can't help is named and not called left.
//!
//! C programs of the host: a test that runs under Wine can't start them.
#![cfg(unix)]

use std::fs;
#[cfg(target_os = "linux")]
use std::path::Path;

use sspcache_tests::{
    program::Ran,
    stage::{Case, Stage},
};

/// Q1, P2
#[test]
fn what_a_handle_holds_is_left_unless_the_handle_was_freed() {
    let cases: &[Case] = &[
        (
            "keep Negotiate alice free",
            0,
            &["clean: 1 credential was held in 1 process, and nothing was left."],
        ),
        (
            "keep Negotiate alice",
            99,
            &[
                "LEFT at unload or exit, held by a handle",
                "of 1 held credential, 1 was left.",
                r"left CONTOSO\alice.",
                "Call FreeCredentialsHandle",
                "Windows discards what a handle holds when its process ends",
            ],
        ),
        // A flush is for caches, and frees no handle.
        ("keep Kerberos alice flush", 99, &["LEFT at unload or exit, held by a handle"]),
        ("keep NTLM alice keep NTLM bob free", 0, &["clean: 2 credentials were held"]),
        ("keep NTLM alice kill", 128 + 9, &["LEFT (killed, or still running), held by a handle"]),
        ("keep NTLM alice free quit", 0, &["clean"]),
        (
            "keep NTLM alice sign-in bob",
            99,
            &["of 2 credentials, 2 were left", "Call CleanupCredentialCache", "Call FreeCredentialsHandle"],
        ),
        ("keep NTLM alice free sign-in bob flush", 0, &["1 credential was cached and 1 was held"]),
        // In a package that caches, the handle holds nothing of its own.
        ("keep MSN alice flush", 0, &["clean: 1 credential was cached"]),
    ];
    let stage = Stage::new();
    stage.judge(&[stage.c_client()], cases);
}

/// Q1, P3
#[test]
fn default_credentials_are_never_left() {
    let stage = Stage::new();
    let run = |options: &[&str], steps: &str| {
        let mut exec = stage.exec();
        exec.env("SSPCACHE_PASSWORD", "correct horse").arg("--expect-clean").args(options).arg("--");
        Ran::of(exec.arg(stage.c_client()).args(steps.split_whitespace()))
    };
    let logon = ["--logon", r"CONTOSO\me"];
    let ran = run(&logon, "default Negotiate").exits_with(0);
    assert_eq!(ran.stdout, "default Negotiate: 00000000\n");
    assert!(ran.stderr.contains("clean: 1 sign-in with default credentials in 1 process"), "{}", ran.stderr);
    run(&logon, "default MSN").exits_with(0);
    run(&logon, "default NTLM keep NTLM alice").exits_with(99);
    let ran = run(&[], "default Negotiate").exits_with(99);
    for said in ["not exercised", "package Negotiate, and got SEC_E_NO_CREDENTIALS", "exec --logon"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}

/// Q1a
#[test]
fn a_mark_says_that_nothing_may_be_left_here() {
    let cases: &[Case] = &[
        ("keep NTLM alice free mark", 0, &["clean"]),
        ("keep NTLM alice mark", 99, &["LEFT at the end of the sign-out, held by a handle"]),
        // Freed too late.
        ("keep NTLM alice mark free", 99, &["LEFT at the end of the sign-out, held by a handle"]),
        ("sign-in alice mark flush", 99, &["LEFT at the end of the sign-out"]),
        ("sign-in alice flush mark sign-in bob flush", 0, &["clean: 2 credentials"]),
        ("mark", 99, &["not exercised"]),
    ];
    let stage = Stage::new();
    stage.judge(&[stage.c_client()], cases);
}

/// Q1a
#[test]
#[cfg(target_os = "linux")]
fn a_process_with_the_runtime_of_dotnet_still_holds_at_exit_what_it_did_not_free() {
    let stage = Stage::new();
    let source = stage.path("empty.c");
    fs::write(&source, "int sspcache_test_empty;\n").unwrap();
    // Its name is all that counts.
    let runtime = stage.compile("cc", "libcoreclr.so", &source, &["-shared", "-fPIC"]);
    let runtime = Path::new(&runtime).display();
    let load = format!("beside {runtime}");
    let run = |steps: &str| stage.expect_clean(&[stage.c_client()], steps);
    let ran = run(&format!("{load} keep NTLM alice")).exits_with(0);
    for said in [
        "still held at unload or exit (suppressed)",
        r"note: still held at exit of client",
        ".NET runs no finalizers at exit",
        "nothing was left but what is suppressed",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    // The runtime is found at a later sign-in, too.
    run(&format!("keep NTLM alice free {load} keep NTLM alice")).exits_with(0);
    for signed_out in ["mark", "flush", "unload keep NTLM bob free"] {
        run(&format!("{load} keep NTLM alice {signed_out}")).exits_with(99);
    }
    run(&format!("{load} sign-in alice")).exits_with(99);
    run(&format!("{load} keep NTLM alice kill")).exits_with(128 + 9);
    let ran = run(&format!("{load} keep NTLM alice quit")).exits_with(99);
    assert!(ran.stderr.contains(".NET is in the process: dispose"), "{}", ran.stderr);
}

/// Q5, M2
#[test]
fn what_was_preloaded_is_left_only_where_somebody_signed_in() {
    let stage = Stage::new();
    let config = stage.path("config.toml");
    fs::write(&config, "[[preload]]\npackage = \"MSN\"\nuser = \"erin\"\npassword = \"correct horse\"\n")
        .unwrap();
    for (steps, status, said) in [
        ("mark unload silent flush", 0, "clean: 1 credential was cached"),
        ("mark unload", 99, "not exercised"),
        ("mark unload silent", 99, "left erin"),
        ("sign-in alice", 99, "left erin and CONTOSO\\alice"),
        ("load flush", 0, "clean: 1 credential was cached"),
        // Another package's sign-in has nothing to do with it.
        ("keep NTLM alice free", 0, "clean: 1 credential was held"),
    ] {
        let mut exec = stage.exec();
        exec.args(["--expect-clean", "--config"]).arg(&config).arg("--");
        let ran = Ran::of(exec.arg(stage.c_client()).args(steps.split_whitespace())).exits_with(status);
        assert!(ran.stderr.contains(said), "{steps}: {}", ran.stderr);
    }
}
