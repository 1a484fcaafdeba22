//! `sspcache exec` and the command it runs: streams, signals, exit status, surroundings; and where the results go.

use std::{env::consts::EXE_SUFFIX, fs, path::MAIN_SEPARATOR, process::Command};

use serde_json::Value;
use sspcache_tests::{
    program::{Ran, fixture, sspcache},
    stage::{FILES, Stage, rust_client},
};

/// `sspcache exec` with these options, on the Rust client with these steps.
fn exec(stage: &Stage, options: &[&str], steps: &str) -> Ran {
    let mut command = stage.exec();
    command.args(options).arg("--").arg(rust_client()).args(steps.split_whitespace());
    Ran::of(&mut command)
}

#[test]
fn without_the_expectation_the_status_is_the_commands_own() {
    let stage = Stage::new();
    for (steps, status) in [("sign-in alice", 0), ("load", 0), ("sign-in alice fail", 3)] {
        exec(&stage, &[], steps).exits_with(status);
    }
}

#[test]
fn an_expectation_that_does_not_hold_has_a_status_of_its_own() {
    let stage = Stage::new();
    for (options, steps, status) in [
        (&["--expect-clean"][..], "sign-in alice", 99),
        (&["--expect-clean", "--error-exitcode", "7"], "sign-in alice", 7),
        (&["--expect-clean", "--error-exitcode", "7"], "sign-in alice flush", 0),
        (&["--expect-clean", "--error-exitcode", "7"], "sign-in alice fail", 3),
        (&["--expect-clean"], "load", 99),
        (&["--expect-clean", "--allow-unused"], "load", 0),
        (&["--expect-clean", "--allow-unused"], "silent", 0),
        (&["--expect-clean", "--allow-unused"], "sign-in alice", 99),
    ] {
        let ran = exec(&stage, options, steps);
        assert_eq!(ran.status, status, "{options:?} {steps}: {ran:?}");
    }
}

#[test]
fn what_is_no_command_is_told_apart_from_a_command_that_fails() {
    let stage = Stage::new();
    let ran = Ran::of(stage.exec().args(["--", "no-such-command"])).exits_with(127);
    assert!(ran.stderr.contains("no-such-command: no such command"), "{}", ran.stderr);
    let text = stage.path("text.bin");
    fs::write(&text, "no program").unwrap();
    let ran = Ran::of(stage.exec().arg("--").arg(&text)).exits_with(126);
    assert!(ran.stderr.contains("can't run") && ran.stderr.contains("text.bin"), "{}", ran.stderr);
}

#[test]
fn the_mocks_are_those_beside_the_program_and_missing_ones_end_it_with_125() {
    let stage = Stage::new();
    let folder = stage.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    let program = folder.join(format!("sspcache{EXE_SUFFIX}"));
    fs::hard_link(env!("CARGO_BIN_EXE_sspcache"), &program).unwrap();
    let run = |home: &str| {
        let mut command = Command::new(&program);
        command.env("SSPCACHE_HOME", home).args(["exec", "--expect-clean", "--"]).arg(rust_client());
        Ran::of(command.args(["sign-in", "alice", "flush"]))
    };
    for (home, looked) in [("", "are not beside it"), ("elsewhere", "SSPCACHE_HOME names")] {
        let ran = run(home).exits_with(125);
        assert!(ran.stdout.is_empty(), "the command was started: {ran:?}");
        let advice = ran.stderr.contains("pip install sspcache") && ran.stderr.contains("cargo binstall");
        assert!(ran.stderr.contains(looked) && advice, "{}", ran.stderr);
    }
    for mock in FILES {
        fs::hard_link(stage.path(mock), folder.join(mock)).unwrap();
    }
    run("").exits_with(0);
}

#[test]
fn mocks_of_another_system_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = if cfg!(windows) { "elf-64.so" } else { "pe-64.dll" };
    for name in FILES {
        fs::copy(fixture("inspect").join(other), folder.path().join(name)).unwrap();
    }
    let mut command = sspcache();
    command.env("SSPCACHE_HOME", folder.path()).args(["exec", "--"]).arg(rust_client());
    let ran = Ran::of(&mut command).exits_with(125);
    assert!(ran.stderr.contains("this system loads"), "{}", ran.stderr);
}

/// M8
#[test]
fn a_configuration_with_a_mistake_ends_it_before_the_command_starts() {
    let stage = Stage::new();
    for (file, said) in [
        ("bad-value.toml", "line 3, column 20: cache.lifetime-seconds"),
        ("emulation-only.toml", "emulation-only.toml: fault[0].effect"),
        ("no-such.toml", "can't read"),
    ] {
        let file = fixture("config").join(file);
        let ran = exec(&stage, &["--config", file.to_str().unwrap()], "sign-in alice").exits_with(125);
        assert!(ran.stdout.is_empty(), "the command was started: {ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

/// M2
#[test]
fn the_mocks_are_as_the_configuration_says() {
    let stage = Stage::new();
    let config = stage.path("config.toml");
    fs::write(
        &config,
        "[[preload]]\npackage = \"MSN\"\nuser = \"erin\"\ndomain = \"CONTOSO\"\npassword = \"hunter2\"\n",
    )
    .unwrap();
    let ran =
        exec(&stage, &["--expect-clean", "--config", config.to_str().unwrap()], "silent").exits_with(99);
    assert_eq!(ran.stdout, "silent: 00000000\n", "a silent sign-in from what was preloaded");
    assert!(ran.stderr.contains(r"CONTOSO\erin (preloaded, 1 silent sign-in)"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
}

/// M8, M12
#[test]
fn a_journal_that_was_asked_for_is_kept_and_gives_the_same_verdict_afterwards() {
    let stage = Stage::new();
    for target in ["folder/", "prefix", "new/deeper/prefix"] {
        let target = format!("{}{MAIN_SEPARATOR}{target}", stage.path("journals").display());
        let at_once = exec(&stage, &["--journal", &target], "sign-in alice").exits_with(0);
        let afterwards = Ran::of(sspcache().args(["journal", "check", &target])).exits_with(99);
        assert_eq!(at_once.stderr, afterwards.stdout, "{target}");
        // A second run is judged without what the first one left there.
        let second =
            exec(&stage, &["--expect-clean", "--journal", &target], "sign-in bob flush").exits_with(0);
        assert!(second.stderr.contains("bob") && !second.stderr.contains("alice"), "{}", second.stderr);
    }
}

#[test]
fn a_journal_that_was_not_asked_for_is_deleted() {
    let stage = Stage::new();
    let temporary = stage.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut command = stage.exec();
    for variable in ["TMPDIR", "TMP", "TEMP"] {
        command.env(variable, &temporary);
    }
    Ran::of(command.arg("--").arg(rust_client()).args(["sign-in", "alice"])).exits_with(0);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn the_verdict_goes_where_it_was_asked_for() {
    let stage = Stage::new();
    let path = |name: &str| stage.path(name).into_os_string().into_string().unwrap();
    let (file, report) = (path("verdict.txt"), path("report.xml"));
    let ran = exec(&stage, &["--verdict", &file, "--junit", &report], "sign-in alice").exits_with(0);
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("not clean") && !text.contains('\u{1B}'), "{text}");
    let junit = fs::read_to_string(&report).unwrap();
    assert!(junit.contains(r#"failures="1""#) && junit.contains(r"left CONTOSO\alice for MSN"), "{junit}");

    let ran = exec(&stage, &["--format", "json"], "sign-in alice flush").exits_with(0);
    let verdict: Value = serde_json::from_str(ran.stderr.strip_suffix('\n').unwrap()).unwrap();
    assert_eq!(verdict["outcome"], "clean");
    assert_eq!(ran.stderr.lines().count(), 1, "one line, to be told from the command's own");

    let nowhere = path("no/such/folder");
    let ran = exec(&stage, &["--junit", &nowhere], "sign-in alice flush").exits_with(125);
    assert!(ran.stderr.contains("can't write") && ran.stderr.contains("folder"), "{}", ran.stderr);
}

#[test]
fn what_is_left_is_an_error_to_github_where_it_is_checked_and_else_a_warning() {
    let stage = Stage::new();
    for (options, status, level) in [
        (&["--format", "github"][..], 0, "warning"),
        (&["--format", "github", "--expect-clean"], 99, "error"),
    ] {
        let ran = exec(&stage, options, "sign-in alice").exits_with(status);
        let client = format!("client{}", std::env::consts::EXE_SUFFIX);
        assert!(
            ran.stderr.starts_with(&format!("::{level} title=sspcache%3A credential left::{client} (")),
            "{ran:?}"
        );
    }
}

/// The verdict as people read it.
#[test]
fn the_verdict_is_a_table_of_who_was_signed_in_when_and_what_flushed_it() {
    let stage = Stage::new();
    // How many images a stack is in, and so the number of an event, differs from system to system.
    let options = ["--expect-clean", "--stack=0"];
    let ran = exec(&stage, &options, "sign-in alice silent flush sign-in bob").exits_with(99);
    assert_eq!(ran.stdout, "sign-in alice: 00000000\nsilent: 00000000\nflush: TRUE\nsign-in bob: 00000000\n");
    // Numbers of processes and times differ from run to run, and with them the widths; and only Windows can tell an
    // unloading from the end of a process.
    let mut shown = String::new();
    for line in ran.stderr.replace("at unload or exit", "at [end]").replace("at exit", "at [end]").lines() {
        let words: Vec<_> = line.split_whitespace().map(steady).collect();
        shown += &(words.join(" ") + "\n");
    }
    insta::assert_snapshot!(shown, @r"
    process signed in as through what ended it
    ─
    client ([pid]) +[time] s CONTOSO\alice (1 silent sign-in) MSN (MSNSSPC.dll) flushed +[time] s (event 6)
    +[time] s CONTOSO\bob MSN (MSNSSPC.dll) LEFT at [end]

    not clean: of 2 cached credentials, 1 was left. client ([pid]) left CONTOSO\bob.
    Call CleanupCredentialCache at sign-out; unloading the SSP or ending the process is no substitute.
    ");
}

fn steady(word: &str) -> String {
    let number = word.strip_prefix('(').and_then(|word| word.strip_suffix(')'));
    if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
        "([pid])".to_owned()
    } else if word.starts_with('+') {
        "+[time]".to_owned()
    } else if word.starts_with('─') {
        "─".to_owned()
    } else {
        word.replace("client.exe", "client")
    }
}

#[cfg(unix)]
mod unix {
    use std::{
        io::{BufRead, BufReader, Write},
        process::Stdio,
    };

    use super::*;
    use sspcache_tests::stage::words;

    #[test]
    fn the_commands_own_streams_pass_through_untouched() {
        let stage = Stage::new();
        // Every byte, so that nothing can be translated, and more than a pipe holds.
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
        let mut command = stage.exec();
        command.args(["--verdict", "/dev/null", "--", "sh", "-c", "tee /dev/stderr"]);
        let mut exec = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = exec.stdin.take().expect("piped");
        let written = bytes.clone();
        let writer = std::thread::spawn(move || input.write_all(&written));
        let output = exec.wait_with_output().expect("it ends");
        writer.join().expect("no panic").expect("all of it was read");
        assert!(
            output.stdout == bytes && output.stderr == bytes,
            "{} {}",
            output.stdout.len(),
            output.stderr.len()
        );
    }

    #[test]
    fn the_verdict_follows_the_commands_own_messages() {
        let stage = Stage::new();
        let ran = Ran::of(stage.exec().args(["--", "sh", "-c", "echo result; echo message >&2"]));
        assert_eq!(ran.stdout, "result\n");
        assert!(ran.stderr.starts_with("message\nnot exercised"), "{}", ran.stderr);
    }

    #[test]
    fn a_command_that_a_signal_ended_has_a_shells_status() {
        let stage = Stage::new();
        for (signal, status) in [("TERM", 143), ("KILL", 137), ("ABRT", 134)] {
            let kill = format!("kill -{signal} $$");
            Ran::of(stage.exec().args(["--", "sh", "-c", &kill])).exits_with(status);
        }
    }

    #[test]
    #[ignore = "needs Python: cargo xtask test"]
    fn a_signal_to_sspcache_reaches_the_command_and_the_verdict_is_given_all_the_same() {
        let stage = Stage::new();
        let client = stage.c_client();
        let wait = r#"exec "$1" sign-in alice wait"#;
        let trap = r#"trap 'exit 4' TERM; "$1" sign-in alice; while :; do sleep 0.01; done"#;
        for (signal, script, status) in [("TERM", wait, 143), ("HUP", wait, 129), ("TERM", trap, 4)] {
            let mut command = stage.exec();
            command.arg("--").args(words(&[&"sh", &"-c", &script, &"sh", &client]));
            let mut command = with_default_signals(&command);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut exec = command.spawn().expect("it starts");
            // As long as this is open, the client waits. What it prints, it prints when a user is signed in.
            let _input = exec.stdin.take();
            let mut line = String::new();
            BufReader::new(exec.stdout.take().expect("piped")).read_line(&mut line).expect("readable");
            assert_eq!(line, "sign-in alice: 00000000\n");
            let pid = exec.id().to_string();
            assert!(
                Command::new("kill").args([&format!("-{signal}"), &pid]).status().expect("kill").success()
            );
            let ran = Ran::from(exec.wait_with_output().expect("it ends")).exits_with(status);
            assert!(ran.stderr.contains(r"left CONTOSO\alice."), "{signal}: {}", ran.stderr);
        }
    }

    /// The same command, whatever signals these tests ignore: under `nohup` a hangup ends no process.
    fn with_default_signals(command: &Command) -> Command {
        let script = "import os, signal, sys\n\
                      for number in signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM:\n    \
                          signal.signal(number, signal.SIG_DFL)\n\
                      os.execvp(sys.argv[1], sys.argv[1:])";
        let mut same = Command::new("python3");
        same.args(["-c", script]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => same.env(name, value),
                None => same.env_remove(name),
            };
        }
        same
    }

    #[test]
    fn the_command_is_told_where_everything_is() {
        let stage = Stage::new();
        let told = |command: &mut Command| {
            let ran = Ran::of(command.args(["--", "env"])).exits_with(0);
            move |name: &str| {
                let line = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
                line.map(str::to_owned)
            }
        };
        let home = stage.path("").display().to_string();
        let home = home.trim_end_matches('/');
        let variable = told(stage.exec().env_remove("LD_LIBRARY_PATH"));
        let path = variable("LD_LIBRARY_PATH").unwrap();
        assert!(path.contains("/sspcache-names-") && path.ends_with(&format!(":{home}")), "{path}");
        assert_eq!(variable("SSPCACHE_DLL_DIR").unwrap(), home);
        assert!(variable("SSPCACHE_JOURNAL").is_some());
        assert_eq!(variable("SSPCACHE_STACK").unwrap(), "8");
        assert_eq!(variable("SSPCACHE_TRACE").unwrap(), "off");
        for none in ["SSPCACHE_CONFIG", "LD_PRELOAD", "WINEPATH"] {
            assert_eq!(variable(none), None, "{none}");
        }

        let config = fixture("config/full.toml");
        let mut command = stage.exec();
        command.env("LD_LIBRARY_PATH", "/before").env("WINEPATH", "C:\\before");
        command.env("LD_PRELOAD", "libm.so.6").env("SSPCACHE_STACK", "32").env("SSPCACHE_TRACE", "calls");
        command
            .args(["--stack=0", "--trace", "--trace-tokens", "--preload=msapsspc", "--config"])
            .arg(&config)
            .arg("--journal")
            .arg(stage.path("run"));
        let variable = told(&mut command);
        let path = variable("LD_LIBRARY_PATH").unwrap();
        assert!(path.ends_with(&format!(":{home}:/before")), "{path}");
        assert_eq!(variable("LD_PRELOAD").unwrap(), format!("libm.so.6:{home}/MSAPSSPC.dll"));
        assert_eq!(variable("SSPCACHE_JOURNAL").unwrap(), format!("{home}/run"));
        assert_eq!(variable("SSPCACHE_STACK").unwrap(), "0");
        assert_eq!(variable("SSPCACHE_TRACE").unwrap(), "tokens");
        assert!(variable("SSPCACHE_CONFIG").unwrap().ends_with("config/full.toml"));
        assert_eq!(variable("WINEPATH").unwrap(), "C:\\before", "there are no mocks for Windows here");
    }

    /// The runtime of the sanitizer has to be the first of all libraries, and is preloaded for that.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_with_the_address_sanitizer_runs_with_a_mock_preloaded() {
        let stage = Stage::new();
        stage.compile("cc", "libsspi.so", &fixture("clients/sspi.c"), &["-shared", "-fPIC"]);
        let folder = format!("-L{}", stage.path("programs").display());
        let here = format!("-Wl,-rpath,{}", stage.path("programs").display());
        let options = ["-DLINKED", "-fsanitize=address", &folder, &here, "-lsspi", "-ldl"];
        let client = stage.compile("gcc", "sanitized", &fixture("clients/client.c"), &options);
        let runtime = Command::new("gcc").arg("-print-file-name=libasan.so").output().expect("gcc compiled");
        let runtime = String::from_utf8(runtime.stdout).expect("gcc writes UTF-8");
        for (steps, status, said) in
            [("sign-in alice flush", 0, "clean"), ("sign-in alice", 99, r"left CONTOSO\alice")]
        {
            let mut command = stage.exec();
            command.env("LD_PRELOAD", runtime.trim()).args(["--expect-clean", "--preload", "--"]);
            let ran = Ran::of(command.arg(&client).args(steps.split_whitespace())).exits_with(status);
            assert!(ran.stderr.contains(said), "{steps}: {}", ran.stderr);
        }
    }

    #[test]
    fn a_folder_that_no_search_path_can_hold_is_refused() {
        let stage = Stage::new();
        let home = stage.path("a:b");
        fs::create_dir(&home).unwrap();
        for mock in FILES {
            fs::hard_link(stage.path(mock), home.join(mock)).unwrap();
        }
        let ran = Ran::of(stage.exec().env("SSPCACHE_HOME", &home).args(["--", "true"])).exits_with(125);
        assert!(ran.stderr.contains("to LD_LIBRARY_PATH: the path contains a separator"), "{}", ran.stderr);
    }

    /// A program that is linked to an SSPI library of Unix, such as GSS-NTLMSSP brings, never looks for a module.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_linked_to_an_sspi_library_is_judged_with_a_mock_preloaded() {
        let stage = Stage::new();
        stage.compile("cc", "libsspi.so", &fixture("clients/sspi.c"), &["-shared", "-fPIC"]);
        let folder = format!("-L{}", stage.path("programs").display());
        let here = format!("-Wl,-rpath,{}", stage.path("programs").display());
        let client = stage.compile(
            "cc",
            "linked",
            &fixture("clients/client.c"),
            &["-DLINKED", &folder, &here, "-lsspi", "-ldl"],
        );
        for (options, steps, status, said) in [
            (&["--expect-clean"][..], "sign-in alice flush", 99, "not exercised"),
            (&["--expect-clean", "--preload"], "sign-in alice flush", 0, "clean"),
            (&["--expect-clean", "--preload"], "sign-in alice", 99, r"left CONTOSO\alice"),
            (&["--expect-clean", "--preload"], "sign-in alice", 99, "MSN (secur32.dll)"),
            (&["--expect-clean", "--preload=msnsspc"], "sign-in alice", 99, "MSN (MSNSSPC.dll)"),
        ] {
            let mut command = stage.exec();
            command.args(options).arg("--").arg(&client).args(steps.split_whitespace());
            let ran = Ran::of(&mut command).exits_with(status);
            assert!(ran.stderr.contains(said), "{options:?} {steps}: {}", ran.stderr);
        }
    }
}
