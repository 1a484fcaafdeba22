//! `sspcache exec` on programs in C, Python and Rust: what is flushed passes, what is left fails and is named.
//!
//! A program is a list of steps here, which `fixtures/clients` has in each language.

use sspcache_tests::stage::{Case, Stage, rust_client};

/// What every client can do.
const EVERYWHERE: &[Case] = &[
    (
        "sign-in alice silent flush",
        0,
        &["clean: 1 credential was cached in 1 process, and nothing was left.", "1 silent"],
    ),
    ("sign-in alice flush flush", 0, &["clean"]),
    (
        "sign-in alice",
        99,
        &["not clean: of 1 cached credential, 1 was left.", r"left CONTOSO\alice", "LEFT at"],
    ),
    ("sign-in alice sign-in bob", 99, &[r"left CONTOSO\alice and CONTOSO\bob"]),
    ("sign-in alice flush sign-in bob", 99, &["of 2 cached credentials, 1 was left", r"left CONTOSO\bob."]),
    ("load", 99, &["not exercised: no process used a mock SSP"]),
    ("silent", 99, &["not exercised: 1 process used a mock SSP, but without a sign-in"]),
    ("flush", 99, &["not exercised"]),
    // A program that fails is not judged on top of that, but the verdict says what it left.
    ("sign-in alice fail", 3, &[r"left CONTOSO\alice"]),
    ("sign-in alice flush fail", 3, &["clean"]),
];

/// C4, M2, M3, M10
#[test]
fn a_rust_program_is_judged_by_what_it_left() {
    Stage::new().judge(&[rust_client()], EVERYWHERE);
}

/// M10
#[test]
fn unloading_the_ssp_is_no_sign_out() {
    let unload: Case = ("sign-in alice unload", 99, &["LEFT at unload or exit", r"left CONTOSO\alice"]);
    Stage::new().judge(&[rust_client()], &[unload, ("sign-in alice flush unload", 0, &["clean"])]);
}

/// What only Unix has, or ends in another way elsewhere; C and Python are compilers and interpreters of the host, which
/// a test that runs under Wine can't start.
#[cfg(unix)]
mod unix {
    use super::*;
    use sspcache_tests::stage::python_client;

    /// Ends without destructors.
    const ENDS: &[Case] = &[
        ("sign-in alice quit", 99, &["LEFT (killed, or still running)", r"left CONTOSO\alice"]),
        ("sign-in alice flush quit", 0, &["clean"]),
        ("sign-in alice kill", 128 + 9, &["LEFT (killed, or still running)", r"left CONTOSO\alice"]),
        ("sign-in alice flush kill", 128 + 9, &["clean"]),
    ];

    /// The child of a fork has a cache of its own, which begins empty.
    const FORKS: &[Case] = &[
        (
            "sign-in alice flush fork sign-in bob flush",
            0,
            &["clean: 2 credentials were cached in 2 processes", ", forked)"],
        ),
        (
            "sign-in alice flush fork sign-in bob",
            99,
            &[", forked) left CONTOSO\\bob", "of 2 cached credentials, 1 was left"],
        ),
        (
            "sign-in alice fork sign-in bob flush",
            99,
            &[") left CONTOSO\\alice", "of 2 cached credentials, 1 was left"],
        ),
        (
            "sign-in alice flush fork sign-in bob kill",
            99,
            &["LEFT (killed, or still running)", ", forked) left CONTOSO\\bob"],
        ),
        ("fork sign-in alice flush", 0, &["clean: 1 credential was cached in 1 process"]),
    ];

    /// C4, M2, M3, M10
    #[test]
    fn a_c_program_is_judged_by_what_it_left() {
        let stage = Stage::new();
        let client = [stage.c_client()];
        stage.judge(&client, EVERYWHERE);
        stage.judge(&client, ENDS);
        stage.judge(&client, &[("by-path sign-in alice flush", 0, &["clean"])]);
    }

    /// C4, M2, M3, M10
    #[test]
    #[ignore = "needs Python: cargo xtask test"]
    fn a_python_program_is_judged_by_what_it_left() {
        let stage = Stage::new();
        stage.judge(&python_client(), EVERYWHERE);
        stage.judge(&python_client(), ENDS);
        stage.judge(&python_client(), &[("by-path sign-in alice flush", 0, &["clean"])]);
    }

    /// M1, M10
    #[test]
    fn a_forked_child_is_judged_for_itself() {
        let stage = Stage::new();
        stage.judge(&[stage.c_client()], FORKS);
    }

    /// M1, M10
    #[test]
    #[ignore = "needs Python: cargo xtask test"]
    fn a_forked_child_in_python_is_judged_for_itself() {
        Stage::new().judge(&python_client(), FORKS);
    }
}
