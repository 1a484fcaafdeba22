//! Processes that still run when the command of `sspcache exec` has ended: neither clean nor accused, and judged once they have ended.
//!
//! Only Linux shows what a command leaves running.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use sspcache_tests::{
    program::{Ran, sspcache},
    stage::Stage,
};

/// `sspcache exec` on a shell that starts the C client in the background, in a session of its own as a daemon is, and ends when the
/// client has written something. The client waits for the end of this command's standard input.
fn leaves_running(stage: &Stage, options: &[&str], steps: &str) -> Child {
    let out = stage.path("out");
    let script = format!(
        r#"exec 3<&0; (setsid "$1" {steps} <&3 > {0} 2>&1 &); until [ -s {0} ]; do sleep 0.01; done; touch {1}"#,
        out.display(),
        stage.path("ended").display()
    );
    fs::create_dir_all(temporary(stage)).unwrap();
    let mut exec = stage.exec();
    exec.env("TMPDIR", temporary(stage)).args(options).args(["--", "sh", "-c", &script, "sh"]);
    exec.arg(stage.c_client()).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// The folder for temporary files of the program and its command.
fn temporary(stage: &Stage) -> PathBuf {
    stage.path("tmp")
}

/// What is left in it.
fn remains(stage: &Stage) -> Vec<PathBuf> {
    fs::read_dir(temporary(stage)).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// What `journal check` says once the process has ended, and its status.
fn checked(journals: &Path, status: i32) -> Ran {
    let check = || Ran::of(sspcache().args(["journal", "check"]).arg(journals));
    let has_ended = || {
        thread::sleep(Duration::from_millis(10));
        !check().stdout.contains("still run")
    };
    assert!((0..1000).any(|_| has_ended()), "it ends: {:?}", check());
    check().exits_with(status)
}

/// M10, Q6
#[test]
fn a_process_that_still_runs_is_neither_clean_nor_accused_and_judged_when_it_has_ended() {
    for (steps, now, status, later) in [
        ("sign-in alice wait", "still cached (its process still runs)", 99, r"left CONTOSO\alice"),
        ("sign-in alice flush wait", "flushed", 0, "clean: 1 credential was cached"),
        (
            "keep NTLM alice wait free",
            "still held (its process still runs)",
            0,
            "clean: 1 credential was held",
        ),
    ] {
        let stage = Stage::new();
        let mut exec = leaves_running(&stage, &["--check=left,leaks,misuse"], steps);
        // As long as this is open, the client waits.
        let input = exec.stdin.take();
        let ran = Ran::from(exec.wait_with_output().unwrap()).exits_with(99);
        for said in [
            now,
            ") still runs\nnote: the journals stay in ",
            "incomplete: client (",
            "leaks unknown: client (",
            "misuse unknown: client (",
        ] {
            assert!(ran.stderr.contains(said), "{steps}: {said}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("LEFT") && !ran.stderr.contains("killed"), "{steps}: {}", ran.stderr);
        let [journals] = &remains(&stage)[..] else { panic!("{:?}", remains(&stage)) };
        assert!(ran.stderr.contains(&format!("sspcache journal check {}", journals.display())), "{ran:?}");
        let check = Ran::of(sspcache().args(["journal", "check"]).arg(journals)).exits_with(99);
        assert!(check.stdout.contains("incomplete: client ("), "{}", check.stdout);
        drop(input);
        let check = checked(journals, status);
        assert!(check.stdout.contains(later), "{steps}: {}", check.stdout);
    }
}

/// Q6
#[test]
fn what_the_command_leaves_running_is_waited_for_on_request_and_judged() {
    for (steps, status, said) in [
        ("sign-in alice wait flush", 0, "clean: 1 credential was cached"),
        ("sign-in alice wait", 99, r"left CONTOSO\alice"),
    ] {
        let stage = Stage::new();
        let mut exec = leaves_running(&stage, &["--expect-clean", "--wait"], steps);
        while !stage.path("ended").exists() {
            thread::sleep(Duration::from_millis(10));
        }
        // Longer than without the option.
        thread::sleep(Duration::from_millis(1500));
        assert!(exec.try_wait().unwrap().is_none(), "it waits");
        drop(exec.stdin.take());
        let ran = Ran::from(exec.wait_with_output().unwrap()).exits_with(status);
        assert!(ran.stderr.contains(said), "{steps}: {}", ran.stderr);
        assert_eq!(remains(&stage), [] as [PathBuf; 0]);
    }
}

/// Q6
#[test]
fn a_process_that_used_no_mock_until_now_is_named_and_its_journal_lands_where_the_others_are() {
    let stage = Stage::new();
    let mut exec = leaves_running(&stage, &["--expect-clean"], "announce wait sign-in bob");
    let input = exec.stdin.take();
    let ran = Ran::from(exec.wait_with_output().unwrap()).exits_with(99);
    assert!(ran.stderr.contains(") still runs, and has used no mock until now\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("not exercised"), "{}", ran.stderr);
    let [journals] = &remains(&stage)[..] else { panic!("{:?}", remains(&stage)) };
    drop(input);
    let written = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        fs::read_dir(journals).unwrap().count() > 0
    });
    assert!(written, "the client signs in");
    assert!(checked(journals, 99).stdout.contains(r"left CONTOSO\bob"));
    assert_eq!(remains(&stage), std::slice::from_ref(journals));
}

/// Q6
#[test]
fn a_process_that_used_no_mock_may_run_on_where_that_is_allowed_and_writes_no_journal_later() {
    let stage = Stage::new();
    let script = r#"exec 3<&0; ("$1" announce wait sign-in bob <&3 > "$2" 2>&1 &)
        until [ -s "$2" ]; do sleep 0.01; done; "$1" sign-in alice flush"#;
    fs::create_dir(temporary(&stage)).unwrap();
    let run = |option: &[&str]| {
        let out = stage.path("out");
        let _ = fs::remove_file(&out);
        let mut exec = stage.exec();
        exec.env("TMPDIR", temporary(&stage)).arg("--expect-clean").args(option);
        exec.args(["--", "sh", "-c", script, "sh"]).arg(stage.c_client()).arg(&out);
        let mut exec = exec.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let input = exec.stdin.take();
        let ran = Ran::from(exec.wait_with_output().unwrap());
        drop(input);
        (ran, out)
    };
    let (ran, out) = run(&["--allow-running"]);
    let ran = ran.exits_with(0);
    assert!(ran.stderr.contains("until now, which is allowed\nclean: 1 credential"), "{}", ran.stderr);
    // It is refused, as the run is over.
    let answered = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(10));
        fs::read_to_string(&out).unwrap().contains("sign-in bob")
    });
    assert!(answered, "{}", fs::read_to_string(&out).unwrap());
    assert!(fs::read_to_string(&out).unwrap().contains("SSPCACHE_JOURNAL"));
    assert_eq!(remains(&stage), [] as [PathBuf; 0]);

    let (ran, _) = run(&[]);
    ran.exits_with(99);
    assert_eq!(remains(&stage).len(), 1);
}

/// Q6
#[test]
fn what_ran_before_the_command_is_not_held_against_it() {
    let stage = Stage::new();
    let client = stage.c_client();
    // The program takes the place of a shell, whose child becomes its own.
    let script =
        r#"exec 3<&0; "$1" announce wait <&3 & exec "$0" exec --expect-clean -- "$1" sign-in alice flush"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(sspcache().get_program()).arg(client);
    shell.env("SSPCACHE_HOME", stage.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.stderr(Stdio::piped()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let ended = shell.wait().unwrap();
    input.write_all(b"\n").unwrap();
    drop(input);
    assert!(ended.success(), "{:?}", shell.wait_with_output());
}
