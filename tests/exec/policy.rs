//! `sspcache exec` with `--forbid` and `--require` on a C program that does what the rows of `fixtures/policy.toml` name.
//!
//! The program is one of the host, over `sspcache-win32`; under Wine it is a Windows program.
#![cfg(unix)]

use std::{ffi::OsString, fs};

use sspcache_tests::{
    policy::{Row, rows},
    program::{Ran, fixture},
    stage::{MINGW, Stage, words},
    win32::{self, COMPILERS},
};

const SOURCE: &str = "clients/policy.c";

/// Runs the program under the policy of a row.
fn run(stage: &Stage, program: &[OsString], row: &Row, options: &[&str]) -> Ran {
    let mut exec = stage.exec();
    win32::finds_library(&mut exec);
    exec.env("SSPCACHE_PASSWORD", "correct horse").args(["--account", r"CONTOSO\alice"]);
    exec.args(row.options()).args(options).arg("--").args(program).arg(row.client.as_ref().unwrap());
    Ran::of(&mut exec)
}

/// The line of the source in which the call of an argument begins: `policy.c:42`.
fn line(argument: &str) -> String {
    let source = fs::read_to_string(fixture(SOURCE)).unwrap();
    let is_marked = |line: &str| {
        let marks = line.split_once("/* HERE ").map_or("", |(_, marks)| marks);
        marks.trim_end_matches(" */").split(' ').any(|marked| marked == argument)
    };
    format!("(policy.c:{})", source.lines().position(is_marked).unwrap() + 1)
}

fn with_clients() -> Vec<Row> {
    rows().into_iter().filter(|row| row.client.is_some()).collect()
}

#[track_caller]
fn is_found(ran: &Ran, row: &Row) {
    let report = &ran.stderr;
    assert!(!report.contains("correct horse"), "{row:?}: {report}");
    if row.rules.is_empty() {
        assert_eq!(ran.status, 0, "{row:?}: {report}");
        assert!(
            report.contains("\npolicy kept: nothing was against it. Of 1 handshake"),
            "{row:?}: {report}"
        );
        return;
    }
    assert_eq!(ran.status, 99, "{row:?}: {report}");
    let entry = format!("kind = \"{}\"\n", row.rules[0]);
    let argument = row.client.as_ref().unwrap();
    let said = ["policy broken: 1 call is against the policy.", &entry, &line(argument)];
    for said in said.into_iter().chain(row.detail.as_deref()) {
        assert!(report.contains(said), "{argument}: {said}\n{report}");
    }
}

/// Q4, Q7
#[test]
fn each_call_against_a_policy_is_found_with_its_line_and_a_clean_client_has_none() {
    let stage = Stage::new();
    let program = win32::compile(&stage, COMPILERS[0], "policy", &fixture(SOURCE), &["-g"]);
    let program = words(&[&program, &"MSNSSPC.dll"]);
    for row in with_clients() {
        is_found(&run(&stage, &program, &row, &["--gen-suppressions"]), &row);
    }
}

/// Q7: what is forbidden isn't there, whatever the configuration says: a program that needs it fails, and one that doesn't signs in.
#[test]
fn without_ntlm_a_program_signs_in_by_kerberos_or_not_at_all() {
    let stage = Stage::new();
    let program = win32::compile(&stage, COMPILERS[0], "policy", &fixture(SOURCE), &["-g"]);
    let config = stage.path("config.toml");
    fs::write(&config, "[packages]\nonly = ['Negotiate', 'NTLM', 'Kerberos']\n").unwrap();
    let config = config.to_str().unwrap();
    let established = |client: &str, options: &[&str]| {
        let verdict = stage.path("verdict.json");
        let row = with_clients().into_iter().find(|row| row.client.as_deref() == Some(client)).unwrap();
        let row = Row { policy: "--require=spn".to_owned(), ..row };
        let form = ["--config", config, "--format=json", "--verdict", verdict.to_str().unwrap()];
        run(&stage, &words(&[&program, &"MSNSSPC.dll"]), &row, &[&form, options].concat());
        let verdict: serde_json::Value = serde_json::from_slice(&fs::read(&verdict).unwrap()).unwrap();
        let policy = &verdict["policy"];
        [&policy["begun"], &policy["done"], &policy["accepted"]].map(|number| number.as_u64().unwrap())
    };
    assert_eq!(established("address", &[]), [1, 1, 1]);
    assert_eq!(established("address", &["--forbid=ntlm"]), [1, 0, 0]);
    assert_eq!(established("clean", &["--forbid=ntlm"]), [1, 1, 1]);
}

/// Q7, S6: through secur32 under Wine; what is forbidden isn't looked for among the system's own packages either.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn each_call_of_a_windows_program_against_a_policy_is_found() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let options = ["-g", "-D_WIN32_WINNT=0x0601"];
    let program = stage.compile(MINGW, "policy.exe", &fixture(SOURCE), &options);
    let program = words(&[&"wine", &program, &"secur32.dll"]);
    for row in with_clients() {
        // Each costs Wine seconds.
        if ["ntlm", "address", "no-mutual", "clean"].contains(&row.client.as_deref().unwrap()) {
            is_found(&run(&stage, &program, &row, &["--gen-suppressions"]), &row);
        }
    }
}
