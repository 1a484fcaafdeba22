//! `sspcache exec` on commands that can't find a mock: *not exercised* says why, as far as it can be seen.
//!
//! Programs are compiled here, or changed: a test that runs under Wine can't do that.
#![cfg(target_os = "linux")]

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::{PermissionsExt, chown},
    process::Command,
};

use sspcache_tests::{
    program::{Ran, fixture, sspcache},
    stage::{Stage, words},
};

/// What the verdict on a command says, which has to be *not exercised*.
fn not_exercised(stage: &Stage, command: &[OsString]) -> String {
    let ran = stage.expect_clean(command, "").exits_with(99);
    assert!(ran.stderr.contains("not exercised: no process used a mock SSP"), "{ran:?}");
    ran.stderr
}

/// A program that does nothing.
fn idle(stage: &Stage, name: &str, options: &[&str]) -> OsString {
    let source = stage.path("idle.c");
    fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    stage.compile("cc", name, &source, options)
}

/// Q6
#[test]
fn a_program_that_just_does_not_sign_in_is_not_accused_of_anything() {
    let stage = Stage::new();
    let said = not_exercised(&stage, &[idle(&stage, "idle", &[])]);
    assert!(said.ends_with("Does the program load MSNSSPC.dll or MSAPSSPC.dll by name?\n"), "{said}");
}

/// Q6
#[test]
fn a_static_program_and_one_for_another_machine_or_library_are_named() {
    let stage = Stage::new();
    let stat = idle(&stage, "static", &["-static"]);
    let said = not_exercised(&stage, std::slice::from_ref(&stat));
    assert!(said.contains("programs/static is linked statically"), "{said}");
    // A program that a shell may start, and a script's interpreter.
    let script = stage.path("script");
    fs::write(&script, format!("#!{}\n", stat.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for command in [words(&[&"sh", &"-c", &"true", &stat]), words(&[&script])] {
        assert!(not_exercised(&stage, &command).contains("programs/static is linked statically"));
    }

    let dynamic = fs::read(idle(&stage, "dynamic", &[])).unwrap();
    let changed = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = dynamic.clone();
        change(&mut bytes);
        let file = stage.path(name);
        fs::write(&file, bytes).unwrap();
        // As an argument: this machine can't run it.
        not_exercised(&stage, &words(&[&"sh", &"-c", &"true", &file]))
    };
    let said = changed("other-machine", &|bytes| bytes[18..20].copy_from_slice(&243_u16.to_le_bytes()));
    assert!(said.contains("other-machine is for Riscv"), "{said}");
    // A Windows program, beside mocks that are for other ones.
    let windows = stage.path("windows");
    fs::create_dir(&windows).unwrap();
    fs::copy(fixture("inspect/pe-64.dll"), windows.join("MSNSSPC.dll")).unwrap();
    let command = words(&[&"sh", &"-c", &"true", &fixture("inspect/pe-32.dll")]);
    let said = not_exercised(&stage, &command);
    assert!(said.contains("pe-32.dll is for x86 (32-bit), and the mocks here are for x86-64"), "{said}");

    let loader = b"/lib/ld-musl-test.so.1\0";
    let said = changed("other-library", &|bytes| {
        let at = bytes.windows(7).position(|window| window == b"/ld-lin").expect("glibc's loader");
        let at = bytes[..at].iter().rposition(|&byte| byte == 0).expect("a string begins") + 1;
        bytes[at..at + loader.len()].copy_from_slice(loader);
    });
    assert!(said.contains("other-library is for musl (its loader is /lib/ld-musl-test.so.1)"), "{said}");
}

/// Q6
#[test]
fn a_program_with_other_rights_is_named() {
    let stage = Stage::new();
    let program = stage.path("setuid");
    fs::copy(idle(&stage, "idle", &[]), &program).unwrap();
    // Another user's: root can give it away, another user finds `su`.
    let program = match chown(&program, Some(65_534), None) {
        Ok(()) => {
            fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
            words(&[&program])
        }
        Err(_) => words(&[&"/bin/su", &"--help"]),
    };
    let said = not_exercised(&stage, &program);
    assert!(said.contains(" is setuid: the system's loader ignores LD_LIBRARY_PATH"), "{said}");
}

/// Q6
#[test]
fn a_command_that_takes_the_variables_away_is_named() {
    let stage = Stage::new();
    let said = not_exercised(&stage, &words(&[&"env", &"-i", &stage.c_client(), &"load"]));
    assert!(said.contains("env takes away the variables"), "{said}");
}

/// Q6: it finds the mock by a path of its own, and the run through the processes that it comes from.
#[test]
fn a_program_that_was_started_without_the_variables_is_judged() {
    let stage = Stage::new();
    let folder = stage.path("").display().to_string();
    let options = ["-DLINKED", "-L", &folder, "-l:secur32.dll", &format!("-Wl,-rpath,{folder}"), "-ldl"];
    let linked = stage.compile("cc", "linked", &fixture("clients/client.c"), &options);
    let config = stage.path("config.toml");
    fs::write(&config, "[[logon]]\nuser = \"erin\"\ndomain = \"CONTOSO\"\npassword = \"hunter2\"\n").unwrap();
    for (script, status, said) in [
        (r#"env -i "$1" sign-in alice"#, 99, r"left CONTOSO\alice"),
        (r#"env -i "$1" sign-in alice flush"#, 0, "clean: 1 credential was cached"),
        // A daemon, whose parent has ended.
        (r#"env -i setsid "$1" sign-in alice"#, 99, r"left CONTOSO\alice"),
        (
            r#"(env -i setsid sh -c '"$0" announce wait keep NTLM alice' "$1" </dev/null &)"#,
            99,
            r"left CONTOSO\alice",
        ),
        // Its configuration, too.
        (r#"env -i "$1" default NTLM free"#, 0, "clean: 1 sign-in with default credentials"),
        // Who says that there is no journal is believed.
        (r#"env -i SSPCACHE_JOURNAL= "$1" sign-in alice"#, 99, "not exercised"),
    ] {
        let mut exec = stage.exec();
        exec.args(["--expect-clean", "--wait", "--config"]).arg(&config);
        exec.args(["--", "sh", "-c", script, "sh"]).arg(&linked);
        let ran = Ran::of(&mut exec).exits_with(status);
        assert!(ran.stderr.contains(said), "{script}: {}", ran.stderr);
    }
    // Without a run above it a mock has no journal.
    let mut alone = Command::new("env");
    let ran = Ran::of(alone.arg("-i").arg(&linked).args(["sign-in", "alice"])).exits_with(0);
    assert_eq!((&*ran.stdout, &*ran.stderr), ("sign-in alice: 00000000\n", ""));
}

/// Q6
#[test]
fn a_mock_that_the_loader_refuses_is_named_with_the_loaders_reason() {
    let stage = Stage::new();
    let folder = stage.path("broken");
    fs::create_dir(&folder).unwrap();
    let source = stage.path("needs.c");
    fs::write(&source, "int missing(void);\nint present(void) { return missing(); }\n").unwrap();
    let broken = stage.compile("cc", "MSNSSPC.dll", &source, &["-shared", "-fPIC"]);
    for mock in ["MSNSSPC.dll", "MSAPSSPC.dll", "secur32.dll"] {
        fs::hard_link(&broken, folder.join(mock)).unwrap();
    }
    let mut exec = sspcache();
    exec.env("SSPCACHE_HOME", &folder).args(["exec", "--expect-clean", "--format", "json", "--", "true"]);
    let ran = Ran::of(&mut exec).exits_with(99);
    let verdict: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    let hint = verdict["hints"][0].as_str().unwrap();
    assert!(
        hint.contains("MSNSSPC.dll can't be loaded here: ") && hint.contains("undefined symbol: missing"),
        "{hint}"
    );
}

/// M12, Q6
#[test]
fn a_journal_that_cannot_be_written_ends_it_before_the_command_starts() {
    let stage = Stage::new();
    let marker = stage.path("started");
    // No user can make a file there.
    for target in ["/proc/run", "/proc/self/run", "/proc/"] {
        let mut exec = stage.exec();
        exec.args(["--journal", target, "--", "touch"]).arg(&marker);
        let ran = Ran::of(&mut exec).exits_with(125);
        assert!(ran.stderr.contains("can't write /proc"), "{target}: {}", ran.stderr);
        assert!(!marker.exists(), "the command was started");
    }
    assert!(Command::new("touch").arg(&marker).status().unwrap().success() && marker.exists());
}
