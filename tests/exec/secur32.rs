//! The mock as `secur32.dll`, for Windows programs that are linked to it: its own packages, the system's behind them, and
//! everything that is no package's.
#![cfg(unix)]

use std::{
    ffi::OsString,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use sspcache_tests::{
    program::{Ran, fixture, root, sspcache},
    stage::{MINGW, Stage, words},
};

/// A program that asks for everything; none when Wine was left out by a flag, which is said.
fn stage() -> Option<(Stage, OsString)> {
    let stage = Stage::with_windows_mocks()?;
    let source = fixture("clients/through_secur32.c");
    let program = stage.compile(MINGW, "through.exe", &source, &["-lsecur32"]);
    Some((stage, program))
}

/// `sspcache exec` with an account that the program signs in with.
fn exec(stage: &Stage, command: &[OsString]) -> Command {
    let mut exec = stage.exec();
    exec.args(["--expect-clean", "--config"]).arg(fixture("clients/through_secur32.toml"));
    exec.arg("--").args(command);
    exec
}

/// The lines between one that is this heading and the next heading.
fn part<'a>(output: &'a str, heading: &str) -> Vec<&'a str> {
    let lines = output.lines().skip_while(|line| *line != heading).skip(1);
    lines.take_while(|line| line.contains(':') || line.starts_with(' ')).collect()
}

/// Q7: a package that is forbidden isn't the system's either, by name or in the list.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_forbidden_package_is_not_looked_for_in_the_system() {
    let Some((stage, program)) = stage() else { return };
    let config = stage.path("forbidden.toml");
    let text = fs::read_to_string(fixture("clients/through_secur32.toml")).unwrap();
    let forbidden = ["Schannel", "Microsoft Unified Security Protocol Provider"]
        .map(|package| format!("\n[[forbid]]\npackage = '{package}'\n"));
    fs::write(&config, text + &forbidden.concat()).unwrap();
    let mut exec = stage.exec();
    exec.arg("--config").arg(&config).arg("--").args(words(&[&"wine", &program]));
    let ran = Ran::of(&mut exec).exits_with(1);
    assert!(ran.stderr.contains("AcquireCredentialsHandle of Schannel: 80090305"), "{}", ran.stderr);
    assert!(ran.stdout.contains("  Negotiate") && !ran.stdout.contains("  Schannel"), "{}", ran.stdout);
}

/// P1
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_program_finds_todays_packages_in_secur32_and_the_systems_behind_them() {
    let Some((stage, program)) = stage() else { return };
    let ran = Ran::of(&mut exec(&stage, &words(&[&"wine", &program]))).exits_with(0);
    let output = ran.stdout.replace("\r\n", "\n");
    let packages: Vec<_> = output
        .lines()
        .filter_map(|line| {
            line.strip_prefix("  ").filter(|name| !name.starts_with(' ') && !name.contains(':'))
        })
        .collect();
    assert_eq!(packages[..5], ["Negotiate", "Kerberos", "NTLM", "MSN", "DPA"], "{output}");
    assert!(packages.contains(&"Schannel"), "the system's are listed behind: {output}");
    assert_eq!(packages.iter().filter(|name| **name == "NTLM").count(), 1, "{output}");
    assert!(output.contains("no such package: 80090305"), "{output}");

    for package in ["Negotiate", "Kerberos", "NTLM"] {
        let part = part(&output, package);
        let succeeded = [
            "client",
            "server",
            "sizes",
            "names",
            "package",
            "ImpersonateSecurityContext",
            "RevertSecurityContext",
            "ExportSecurityContext",
            "ImportSecurityContext",
            "DeleteSecurityContext",
            "FreeCredentialsHandle",
        ];
        for what in succeeded {
            assert!(part.contains(&&*format!("{what}: 00000000")), "{package}: {what}: {part:#?}");
        }
        assert!(part.contains(&r"  CONTOSO\alice"), "{package}: {part:#?}");
        // That the mock has none is its answer: Wine's own packages say that they don't know the function.
        assert!(part.contains(&"QuerySecurityContextToken: 8009030B"), "{package}: {part:#?}");
        assert!(ran.stderr.contains(&format!("{package} (secur32.dll)")), "{}", ran.stderr);
    }
    assert!(part(&output, "Negotiate").contains(&"negotiation: 00000000"), "{output}");
    assert!(
        ran.stderr.contains("3 credentials were held in 1 process, and nothing was left"),
        "{}",
        ran.stderr
    );

    // What is the system's.
    for line in [
        "InitializeSecurityContext of Schannel: 00090312",
        "  a ClientHello: 1",
        "DeleteSecurityContext of Schannel: 00000000",
        "FreeCredentialsHandle of Schannel: 00000000",
        "GetUserNameEx: 1",
        "LsaConnectUntrusted: 00000000",
        "LsaFreeReturnBuffer: 00000000",
    ] {
        assert!(output.lines().any(|it| it == line), "{line}: {output}");
    }
}

/// P1
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn one_sign_in_through_secur32_is_one_row() {
    let Some((stage, program)) = stage() else { return };
    let verdict = stage.path("verdict.json");
    let mut exec = stage.exec();
    exec.args(["--format", "json", "--verdict"]).arg(&verdict).arg("--config");
    exec.arg(fixture("clients/through_secur32.toml")).arg("--");
    Ran::of(exec.args(words(&[&"wine", &program, &"Negotiate"]))).exits_with(0);
    let text = fs::read_to_string(&verdict).expect("written");
    let verdict: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let processes = verdict["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 1, "{text}");
    assert_eq!(processes[0]["credentials"].as_array().map(Vec::len), Some(1), "{text}");
}

/// P1
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn eight_programs_at_once_sign_in_through_secur32() {
    let Some((stage, program)) = stage() else { return };
    let start = |_| -> Child {
        let mut exec = exec(&stage, &words(&[&"wine", &program, &"Negotiate"]));
        exec.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let running: Vec<_> = (0..8).map(start).collect();
    for exec in running {
        let ran = Ran::from(exec.wait_with_output().expect("it ends")).exits_with(0);
        assert!(ran.stderr.contains("clean: 1 credential was held in 1 process"), "{ran:?}");
    }
}

/// What Windows' own `secur32.dll` and `sspicli.dll` export, by the import libraries of public toolchains and by Wine's.
fn exports() -> String {
    fs::read_to_string(root().join("crates/sspcache-secur32/exports.txt")).expect("readable")
}

/// C1
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn secur32_exports_everything_that_the_systems_own_does() {
    let Some((stage, _)) = stage() else { return };
    let file = stage.path("windows/secur32.dll");
    let inspected = Ran::of(sspcache().args(["inspect", "--format", "json"]).arg(&file)).exits_with(0).json();
    let exported = inspected[0]["images"][0]["exports"].as_array().expect("a list");
    let list = exports();
    assert!(list.lines().count() > 100, "{list}");
    let missing: Vec<_> =
        list.lines().filter(|name| !exported.iter().any(|exported| exported == name)).collect();
    assert_eq!(missing, <[&str; 0]>::default());
}

/// As on Windows, where no prefix has to be made for it: the mock lies beside the program, with the DLL of today's names that
/// forwards to it.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_program_takes_the_mock_that_lies_beside_it() {
    let Some((stage, _)) = stage() else { return };
    let source = fixture("clients/through_secur32.c");
    for library in ["secur32", "sspicli"] {
        let folder = stage.path(library);
        fs::create_dir(&folder).unwrap();
        let built = stage.compile(MINGW, "beside.exe", &source, &[&format!("-l{library}"), "-lsecur32"]);
        let program = folder.join("beside.exe");
        fs::hard_link(built, &program).unwrap();
        fs::hard_link(stage.path("windows/secur32.dll"), folder.join("secur32.dll")).unwrap();
        forwarder(&folder.join("sspicli.dll"));
        let journal = folder.join("journal");
        fs::create_dir(&journal).unwrap();
        let mut wine = stage.wine();
        wine.arg(&program).arg("NTLM").env("WINEDLLOVERRIDES", "secur32,sspicli=n,b");
        wine.env("SSPCACHE_JOURNAL", &journal)
            .env("SSPCACHE_CONFIG", fixture("clients/through_secur32.toml"));
        wine.env("WINEPATH", stage.path("windows/wine"));
        let ran = Ran::of(&mut wine).exits_with(0);
        assert!(ran.stdout.contains("client: 00000000"), "{library}: {ran:?}");
        let checked = Ran::of(sspcache().args(["journal", "check"]).arg(&journal)).exits_with(0);
        assert!(checked.stdout.contains("NTLM (secur32.dll)"), "{library}: {checked:?}");
        assert!(checked.stdout.contains("1 credential was held in 1 process"), "{library}: {checked:?}");
    }
}

/// Builds `sspicli.dll` as the distribution has it, with the compiler of the tests.
fn forwarder(to: &Path) {
    let definition = to.with_extension("def");
    let mut definitions = String::from("EXPORTS\n");
    for name in exports().lines() {
        definitions.extend(["    ", name, " = secur32.", name, "\n"]);
    }
    fs::write(&definition, definitions).unwrap();
    let mut compiler = Command::new(MINGW);
    compiler.args(["-shared", "-nostdlib", "-Wl,--entry=_DllMainCRTStartup", "-o"]).arg(to);
    compiler.arg(root().join("crates/xtask/shim/forwarder.c")).arg(&definition);
    Ran::of(&mut compiler).exits_with(0);
}
