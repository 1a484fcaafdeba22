//! `sspcache exec --account` and `--logon`: names on the command line, passwords from the environment or a file, and a
//! configuration that only the mocks read.

use std::fs;

use sspcache_tests::{
    program::Ran,
    stage::{Stage, rust_client},
};

/// M8
#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let stage = Stage::new();
    for (option, value, said) in [
        (
            "--account",
            r"CONTOSO\alice:hunter2",
            r"--account CONTOSO\alice: behind the name can stand env:VARIABLE",
        ),
        ("--logon", "alice@contoso.com=hunter2", "--logon alice@contoso.com: behind the name"),
        ("--account", "alice:env:NO_SUCH_VARIABLE", "the variable NO_SUCH_VARIABLE is not set"),
        ("--account", "alice:file:no-such-file", "no-such-file"),
        ("--logon", "alice", "the variable SSPCACHE_PASSWORD is not set"),
        ("--logon", "", "--logon is a user's name"),
    ] {
        let mut exec = stage.exec();
        exec.env_remove("SSPCACHE_PASSWORD").args([option, value, "--"]).arg(rust_client());
        let ran = Ran::of(exec.args(["sign-in", "alice"])).exits_with(125);
        assert!(ran.stdout.is_empty(), "the command was started: {ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("hunter2"), "{value}: {}", ran.stderr);
    }
}

#[test]
fn a_list_in_one_line_cannot_be_added_to() {
    let stage = Stage::new();
    let config = stage.path("config.toml");
    fs::write(&config, "account = [{ user = 'bob', password = 'hunter2' }]\n").unwrap();
    let mut exec = stage.exec();
    exec.env("SSPCACHE_PASSWORD", "correct horse").args(["--account", "alice", "--config"]).arg(&config);
    let ran = Ran::of(exec.arg("--").arg(rust_client())).exits_with(125);
    assert!(
        ran.stderr.contains("config.toml: can't add") && ran.stderr.contains("[[account]]"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("hunter2") && !ran.stderr.contains("horse"), "{}", ran.stderr);
}

#[cfg(unix)]
mod unix {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use super::*;
    use sspcache_tests::{
        program::fixture,
        stage::words,
        win32::{self, COMPILERS},
    };

    /// S3: an acceptor verifies against the account; the packages are those of the file.
    #[test]
    fn a_server_verifies_sign_ins_against_an_account_of_the_command_line() {
        let stage = Stage::new();
        let options = ["-DLINKED", "-UUNICODE"];
        let program = win32::compile(&stage, COMPILERS[0], "ansi", &fixture("clients/both_ends.c"), &options);
        let config = stage.path("config.toml");
        let password = stage.path("password");
        fs::write(&config, "[[package]]\nname = \"NTLM\"\nmodule = \"MSNSSPC.dll\" # no line end").unwrap();
        fs::write(&password, "correct horse\n").unwrap();
        let run = |account: &str, password: &str| {
            let mut exec = stage.exec();
            win32::finds_library(&mut exec).env("SSPCACHE_PASSWORD", password);
            exec.args(["--expect-clean", "--account", account, "--config"]).arg(&config).arg("--");
            Ran::of(exec.args(words(&[&program, &"MSNSSPC.dll", &"table", &"NTLM"])))
        };
        let from_file = format!(r"CONTOSO\alice:file:{}", password.display());
        for (account, password) in [(r"CONTOSO\alice", "correct horse"), (&from_file, "")] {
            let ran = run(account, password).exits_with(0);
            assert!(ran.stdout.starts_with("signed in: CONTOSO\\alice\n"), "{}", ran.stdout);
        }
        run(r"CONTOSO\alice", "another").exits_with(2);
        run(r"CONTOSO\bob", "correct horse").exits_with(2);
    }

    /// M8
    #[test]
    fn the_mocks_read_a_file_that_only_its_user_can_read_and_that_is_deleted() {
        let stage = Stage::new();
        let (config, temporary) = (stage.path("config.toml"), stage.path("temporary"));
        let users = "[cache]\ncapacity = 7\n";
        fs::write(&config, users).unwrap();
        fs::create_dir(&temporary).unwrap();
        let script =
            r#"cat "$SSPCACHE_CONFIG"; find "$SSPCACHE_CONFIG" -perm 600 | wc -l; echo ready; read line"#;
        for signal in [None, Some("TERM"), Some("INT")] {
            let mut exec = stage.exec();
            exec.env("TMPDIR", &temporary).env("SSPCACHE_PASSWORD", "a\"b").env("BOB", "hunter2");
            exec.args(["--account", r"CONTOSO\alice", "--account", "bob:env:BOB", "--config"]).arg(&config);
            exec.args(["--", "sh", "-c", script]);
            exec.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut exec = exec.spawn().expect("it starts");
            let input = exec.stdin.take();
            let mut said = String::new();
            let mut output = BufReader::new(exec.stdout.as_mut().expect("piped"));
            while !said.ends_with("ready\n") {
                assert_ne!(output.read_line(&mut said).expect("readable"), 0, "{said}");
            }
            assert_eq!(
                said.split_whitespace().collect::<Vec<_>>().join(" "),
                "[cache] capacity = 7 \
                 [[account]] user = \"alice\" domain = \"CONTOSO\" password = \"a\\\"b\" \
                 [[account]] user = \"bob\" domain = \"\" password = \"hunter2\" 1 ready"
            );
            if let Some(signal) = signal {
                let kill = Command::new("kill").args([format!("-{signal}"), exec.id().to_string()]).status();
                assert!(kill.expect("there is a program `kill`").success());
            }
            drop(input);
            exec.wait_with_output().expect("it ends");
            assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "{signal:?}");
            assert_eq!(fs::read_to_string(&config).unwrap(), users);
        }
    }
}
