//! `sspcache exec --check=misuse` on a C program that breaks one rule after the other: the rows of `fixtures/misuse.toml`.
//!
//! The program is one of the host, over `sspcache-win32`; under Wine it is a Windows program.
#![cfg(unix)]

use std::{ffi::OsString, fs, process::Command};

use sspcache_tests::{
    misuse::{Row, rows},
    program::{Ran, fixture},
    stage::{MINGW, Stage, words},
    win32::{self, COMPILERS},
};

const SOURCE: &str = "clients/misuse.c";

/// The first call of each of these fails.
const FAULTS: &str = "
[[fault]]
operation = 'InitializeSecurityContext'
effect = 'SEC_E_INCOMPLETE_MESSAGE'
times = 1
[[fault]]
operation = 'DeleteSecurityContext'
effect = 'SEC_E_INVALID_HANDLE'
times = 1
[[fault]]
operation = 'FreeCredentialsHandle'
effect = 'SEC_E_INVALID_HANDLE'
times = 1
";

/// A package that can't encrypt.
const PLAIN: &str = "
[[package]]
name = 'Plain'
capabilities = ['integrity', 'connection']
";

/// What the configuration of an argument has beside that.
fn config(argument: &str) -> &'static str {
    match argument {
        "completed" | "not-completed" => "[context]\ncomplete-tokens = true\n",
        "retry" => FAULTS,
        _ => "",
    }
}

fn exec(stage: &Stage, options: &[&str], argument: &str) -> Command {
    let mut exec = stage.exec();
    win32::finds_library(&mut exec);
    exec.env("SSPCACHE_PASSWORD", "correct horse").args(["--account", r"CONTOSO\alice"]).args(options);
    let file = stage.path("misuse.toml");
    fs::write(&file, config(argument).to_owned() + PLAIN).unwrap();
    exec.arg("--config").arg(file).arg("--");
    exec
}

/// Runs the program as its words say, with an argument of its own.
fn run(stage: &Stage, options: &[&str], program: &[OsString], argument: &str) -> Ran {
    Ran::of(exec(stage, options, argument).args(program).arg(argument))
}

/// The line of the source in which this mark stands for an argument: `misuse.c:42`.
fn line(mark: &str, argument: &str) -> Option<String> {
    let source = fs::read_to_string(fixture(SOURCE)).unwrap();
    let is_marked = |line: &str| {
        let (_, marks) = line.split_once(&format!("/* {mark} "))?;
        marks.trim_end_matches(" */").split(' ').any(|marked| marked == argument).then_some(())
    };
    let at = source.lines().position(|line| is_marked(line).is_some())?;
    Some(format!("(misuse.c:{})", at + 1))
}

fn arguments() -> Vec<(String, Row)> {
    let rows = rows().into_iter().filter_map(|row| Some((row.client.clone()?, row)));
    rows.collect()
}

#[track_caller]
fn is_found(report: &str, argument: &str, row: &Row) {
    let (finding, function) = (row.finding.as_ref().unwrap(), row.function.as_ref().unwrap());
    let here = line("HERE", argument).unwrap();
    for said in [
        &format!("\n1. {finding}\n"),
        &format!("\n   {function} was refused, +"),
        &here,
        "\n   https://learn.microsoft.com/",
        "misused: 1 call broke the rules of SSPI.",
    ] {
        assert!(report.contains(said), "{argument}: {said}\n{report}");
    }
    assert!(!report.contains("\n2. ") && !report.contains("correct horse"), "{argument}:\n{report}");
    if let Some(before) = line("BEFORE", argument) {
        let (_, given_back) = report.split_once("given back before, ").unwrap();
        assert!(given_back.contains(&before), "{argument}: {before}\n{report}");
    }
}

/// Q3, Q4
#[test]
fn each_rule_that_a_program_breaks_is_found_with_the_line_of_the_call_and_nothing_else_is() {
    let stage = Stage::new();
    let program = win32::compile(&stage, COMPILERS[0], "misuse", &fixture(SOURCE), &["-g"]);
    let program = words(&[&program, &"MSNSSPC.dll"]);
    let mut broken = 0;
    for (argument, row) in arguments().iter().filter(|(_, row)| row.rule.is_some()) {
        let ran = run(&stage, &["--check=misuse"], &program, argument).exits_with(99);
        is_found(&ran.stderr, argument, row);
        broken += 1;
    }
    let marks = fs::read_to_string(fixture(SOURCE)).unwrap().matches("/* HERE ").count();
    assert_eq!(broken, marks, "each of them is a row");
    // Other checks don't fail for it, and name it.
    let ran = run(&stage, &["--check=left,leaks"], &program, "handle-twice").exits_with(0);
    assert!(
        ran.stderr.contains("note: 1 call broke the rules of SSPI; --check=misuse fails"),
        "{}",
        ran.stderr
    );
}

/// Q3, R1, M1, M11
#[test]
fn what_breaks_no_rule_is_not_found() {
    let stage = Stage::new();
    let program = win32::compile(&stage, COMPILERS[0], "misuse", &fixture(SOURCE), &["-g"]);
    let program = words(&[&program, &"MSNSSPC.dll"]);
    let arguments = arguments();
    let innocent = arguments.iter().filter(|(_, row)| row.rule.is_none()).map(|(argument, _)| &**argument);
    let mut number = 0;
    for argument in innocent.chain([""]) {
        let ran = run(&stage, &["--check=left,leaks,misuse"], &program, argument).exits_with(0);
        let said = "\nno misuse: no call broke a rule that is checked.\n";
        assert!(ran.stderr.contains(said), "{argument}: {}", ran.stderr);
        number += 1;
    }
    assert!(number > 5, "{arguments:?}");
}

/// Q3, S6: memory through our secur32.dll alone, handles by name as well. One run breaks all rules: each costs Wine seconds.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn each_rule_that_a_windows_program_breaks_is_found_through_secur32_and_by_name() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let options = ["-g", "-D_WIN32_WINNT=0x0601"];
    let program = stage.compile(MINGW, "misuse.exe", &fixture(SOURCE), &options);
    let run = |module: &str, check: &str, arguments: &[(String, Row)]| {
        let words = words(&[&"wine", &program, &module]);
        let of = if arguments.len() == 1 { &arguments[0].0 } else { "" };
        let arguments = arguments.iter().map(|(argument, _)| argument);
        Ran::of(exec(&stage, &[check], of).args(words).args(arguments))
    };
    let (broken, innocent): (Vec<_>, Vec<_>) =
        arguments().into_iter().partition(|(_, row)| row.rule.is_some());
    // That one needs a configuration of its own.
    let (completing, broken): (Vec<_>, Vec<_>) = broken.into_iter().partition(|it| !config(&it.0).is_empty());
    let is_handle =
        |(argument, _): &(String, Row)| !argument.starts_with("token") && !argument.starts_with("identity");
    let handles: Vec<_> = arguments()
        .into_iter()
        .filter(|it| it.1.rule.is_some() && is_handle(it) && config(&it.0).is_empty())
        .collect();
    for (module, broken) in [("secur32.dll", broken), ("MSNSSPC.dll", handles), ("secur32.dll", completing)] {
        let ran = run(module, "--check=misuse", &broken).exits_with(99);
        let calls = if broken.len() == 1 { "1 call".to_owned() } else { format!("{} calls", broken.len()) };
        let said = format!("misused: {calls} broke the rules of SSPI.");
        assert!(ran.stderr.contains(&said), "{said}\n{}", ran.stderr);
        for (argument, row) in &broken {
            let (finding, here) = (row.finding.as_ref().unwrap(), line("HERE", argument).unwrap());
            for said in [&format!(". {finding}\n"), &here] {
                assert!(ran.stderr.contains(said), "{module} {argument}: {said}\n{}", ran.stderr);
            }
        }
    }
    // Some need a configuration of their own, and Windows forks nothing.
    let innocent: Vec<_> = innocent
        .into_iter()
        .filter(|(argument, _)| config(argument).is_empty() && argument != "fork")
        .collect();
    let ran = run("secur32.dll", "--check=left,leaks,misuse", &innocent).exits_with(0);
    assert!(ran.stderr.contains("\nno misuse: "), "{}", ran.stderr);
}
