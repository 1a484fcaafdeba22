//! `sspcache exec --record`: a Windows program's calls go on to Wine's own SSPs, and are recorded and judged all the same.
//!
//! Without winbind, Wine offers no NTLM, and no more of Schannel and Kerberos than what a client does alone.
#![cfg(unix)]

use std::{ffi::OsString, fs, path::PathBuf};

use serde_json::Value;
use sspcache_tests::{
    program::{Ran, fixture, sspcache},
    stage::{MINGW, Stage, words},
};

const SOURCE: &str = "clients/loopback.c";

/// A program that signs in to itself; none when Wine was left out by a flag, which is said.
fn stage() -> Option<(Stage, OsString)> {
    let stage = Stage::with_windows_mocks()?;
    let program = stage.compile(MINGW, "loopback.exe", &fixture(SOURCE), &["-g", "-lsecur32"]);
    Some((stage, program))
}

fn record(stage: &Stage, options: &[&str], program: &OsString, arguments: &[&str]) -> Ran {
    let mut exec = stage.exec();
    exec.args(["--record", "--check=left,leaks,misuse"]).args(options);
    exec.arg("--journal").arg(recording(stage)).arg("--").args(words(&[&"wine", program])).args(arguments);
    Ran::of(&mut exec)
}

/// The folder in which a recording lands.
fn recording(stage: &Stage) -> PathBuf {
    // A path that ends in a separator is a folder's.
    stage.path("recording/")
}

/// The events of the one recording.
fn events(stage: &Stage) -> Vec<Value> {
    let files: Vec<_> = fs::read_dir(recording(stage)).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let text = fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'e>(events: &'e [Value], kind: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

/// The line of the source with this mark: `loopback.c:42`.
fn line(mark: &str) -> String {
    let source = fs::read_to_string(fixture(SOURCE)).unwrap();
    let at = source.lines().position(|line| line.contains(&format!("/* {mark} */"))).unwrap();
    format!("(loopback.c:{})", at + 1)
}

/// Q9: what the program is told, the packages that there are, is Wine's and not the mock's.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_systems_own_packages_answer_and_a_program_that_frees_what_it_got_is_clean() {
    let Some((stage, program)) = stage() else { return };
    let ran = record(&stage, &["--allow-unused"], &program, &["Schannel"]).exits_with(0);
    assert!(ran.stdout.contains("  Schannel\r\n") || ran.stdout.contains("  Schannel\n"), "{ran:?}");
    // The mock would offer MSN, and would take the client's step.
    assert!(
        !ran.stdout.contains("MSN") && ran.stdout.contains("InitializeSecurityContext: 00090312"),
        "{ran:?}"
    );
    for said in [
        "note: the system's own packages answered: whether one of them caches what the program signed in with is unknown\n",
        "no misuse: no call broke a rule that is checked.",
        "no leaks: the SSP gave out ",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }

    let events = events(&stage);
    assert_eq!((&events[0]["event"], &events[1]["event"]), (&"started".into(), &"passed-on".into()));
    let [step] = of_kind(&events, "stepped")[..] else { panic!("{events:#?}") };
    assert_eq!((&step["status"], &step["role"]), (&"SEC_I_CONTINUE_NEEDED".into(), &"initiator".into()));
    // A ClientHello: a handshake's record of TLS.
    let first = step["first"].as_str().unwrap();
    assert!(first.starts_with("1603") && first.len() == 32, "{step}");
    assert_eq!(of_kind(&events, "context-deleted").len(), 1, "{events:#?}");
}

/// Q2, Q3, Q4, Q9: with the lines of the program.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn what_a_program_leaks_and_misuses_of_the_systems_own_is_found_with_its_lines() {
    let Some((stage, program)) = stage() else { return };
    let judge = |mistake| {
        fs::remove_dir_all(recording(&stage)).ok();
        record(&stage, &["--allow-unused"], &program, &["Schannel", mistake]).exits_with(99).stderr
    };
    let leaked = judge("leak");
    for said in [
        "\n1. 1 credential handle, never freed\n   Schannel (secur32.dll), in loopback.exe",
        "acquire (loopback.c:",
    ] {
        assert!(leaked.contains(said), "{said}: {leaked}");
    }
    for (mistake, title, function) in [
        ("twice", "a credential handle was freed twice", "FreeCredentialsHandle"),
        ("deleted", "a context was used after it was deleted", "QueryContextAttributes"),
        ("memory", "a package description was freed twice", "FreeContextBuffer"),
    ] {
        let misused = judge(mistake);
        for said in [
            &format!("\n1. {title}\n"),
            &format!("\n   {function} was called, +"),
            &line(&format!("HERE {mistake}")),
            &line(&format!("BEFORE {mistake}")),
            "misused: 1 call broke the rules of SSPI.",
            "no leaks: ",
        ] {
            assert!(misused.contains(said), "{mistake}: {said}\n{misused}");
        }
    }
}

/// Q9: before the command starts.
#[test]
fn a_command_that_is_no_windows_program_is_refused_before_it_starts() {
    let stage = Stage::new();
    let trace = stage.path("started");
    let mut exec = stage.exec();
    let ran = Ran::of(exec.args(["--record", "--", "touch"]).arg(&trace)).exits_with(125);
    assert!(ran.stderr.contains("--record passes calls on to the SSPs of Windows or Wine"), "{ran:?}");
    assert!(!trace.exists());
    // What is mocked nowhere can be neither configured nor traced.
    for option in ["--account=alice", "--forbid=ntlm", "--require=spn", "--trace"] {
        let ran = Ran::of(stage.exec().args(["--record", option, "--", "wine", "a.exe"])).exits_with(125);
        assert!(ran.stderr.contains("cannot be used with"), "{option}: {ran:?}");
    }
}

/// Where Wine has an NTLM of its own.
mod winbind {
    use super::*;

    /// Q3, Q9: a handle of the wrong kind is one where the system says that it is no handle. Wine's NTLM crashes when a credential
    /// is freed twice, and the call that it crashes in is found.
    #[test]
    #[ignore = "needs winbind: cargo xtask test clients-winbind"]
    fn what_wines_ntlm_refuses_or_crashes_of_is_found_with_its_line() {
        let Some((stage, program)) = stage() else { return };
        let kind = record(&stage, &[], &program, &["NTLM", "kind"]).exits_with(99).stderr;
        for said in ["\n1. a credential handle was passed as a context handle\n", &line("HERE kind")] {
            assert!(kind.contains(said), "{said}: {kind}");
        }
        fs::remove_dir_all(recording(&stage)).unwrap();
        let ran = record(&stage, &[], &program, &["NTLM", "twice"]);
        assert!(![0, 99].contains(&ran.status), "it crashes: {ran:?}");
        for said in ["\n1. a credential handle was freed twice\n", &line("HERE twice"), &line("BEFORE twice")]
        {
            assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
        }
    }

    /// Q9, P7, P8: whose acceptor needs a domain's service to verify the client. What it is asked for it isn't granted yet on a first step.
    #[test]
    #[ignore = "needs winbind: cargo xtask test clients-winbind"]
    fn wines_ntlm_is_recorded_leg_by_leg_and_compared_with_the_mock() {
        let Some((stage, program)) = stage() else { return };
        let ran = record(&stage, &[], &program, &["NTLM"]).exits_with(0);
        assert!(ran.stderr.contains("clean: 1 credential was held in 1 process"), "{ran:?}");
        assert!(!ran.stderr.contains("correct horse"), "{ran:?}");

        let events = events(&stage);
        let legs: Vec<_> = of_kind(&events, "stepped")
            .into_iter()
            .map(|step| {
                let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
                (text("role"), text("status"), text("first").get(..24).unwrap_or_default().to_owned())
            })
            .collect();
        let leg =
            |role: &str, status: &str, first: &str| (role.to_owned(), status.to_owned(), first.to_owned());
        assert_eq!(
            legs,
            [
                leg("initiator", "SEC_I_CONTINUE_NEEDED", "4e544c4d5353500001000000"),
                leg("acceptor", "SEC_I_CONTINUE_NEEDED", "4e544c4d5353500002000000"),
                leg("initiator", "0x00000000", "4e544c4d5353500003000000"),
                leg("acceptor", "SEC_E_LOGON_DENIED", ""),
            ]
        );
        let text = serde_json::to_string(&events).unwrap();
        assert!(!text.contains("correct horse"), "{text}");

        let compared =
            Ran::of(sspcache().args(["journal", "compare", "--format", "json"]).arg(recording(&stage)));
        let compared = compared.exits_with(1).json();
        let statuses = compared["differences"].as_array().unwrap().iter().filter(|it| it["what"] == "status");
        let statuses: Vec<_> = statuses.map(|it| it["recorded"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["SEC_E_LOGON_DENIED"], "{compared:#}");
        assert_eq!(compared["not_compared"].as_array().map(Vec::len), Some(0), "{compared:#}");
    }
}
