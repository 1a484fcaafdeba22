//! Programs in other languages that load an SSPI library for Unix under one of its names, each as its runtime looks for it.
//! Each is both ends of an authentication.
#![cfg(target_os = "linux")]

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use sspcache_tests::{
    program::{Ran, fixture, root},
    stage::{Stage, words},
};

/// The command that runs a client, for the name of the library that it is to load.
type Client = fn(&Stage, &str) -> Vec<OsString>;

/// How a client ends, with a package, and what the verdict says: the exit status and a part of its text.
const ENDS: &[(&str, &str, i32, &str)] = &[
    ("Negotiate", "free", 0, "no leaks"),
    ("Negotiate", "keep", 99, r"CONTOSO\alice"),
    ("Kerberos", "free", 0, "no leaks"),
    ("NTLM", "free", 0, "no leaks"),
    ("MSN", "free", 99, r"left CONTOSO\alice"),
    ("MSN", "flush", 0, "clean: 1 credential was cached in 1 process"),
];

/// Runs a client with each of these names of secur32.dll, and of MSNSSPC.dll.
#[track_caller]
fn judge(client: Client, of_secur32: &[&str], of_msnsspc: &[&str]) {
    let stage = Stage::new();
    let run = |name: &str, (package, end, status, said): (&str, &str, i32, &str)| {
        let mut exec = stage.exec();
        exec.args(["--check=left,leaks,misuse", "--config"]).arg(fixture("clients/native.toml")).arg("--");
        let ran = Ran::of(exec.args(client(&stage, name)).args([package, end]));
        let offered = ran.stdout.lines().next().unwrap_or_default().to_owned();
        let rest = format!("{offered}\nnames: CONTOSO\\alice\nmessages: carried\nend: {end}\n");
        assert_eq!(ran.stdout, rest, "{name} {package}: {ran:?}");
        assert!(ran.status == status && ran.stderr.contains(said), "{name} {package} {end}: {ran:?}");
        offered
    };
    for name in of_secur32 {
        assert_eq!(run(name, ENDS[0]), "packages: Negotiate Kerberos NTLM MSN DPA", "{name}");
    }
    for name in of_msnsspc {
        assert_eq!(run(name, ENDS[0]), "packages: MSN Negotiate Kerberos NTLM DPA", "{name}");
    }
    for end in ENDS {
        run(of_secur32[0], *end);
    }
}

/// P1, P2, Q1, S2, S3, S4
#[test]
#[ignore = "needs Python: cargo xtask test"]
fn ctypes_signs_in_by_any_name() {
    let client: Client =
        |_, name| words(&[&tool("bin/python"), &fixture("clients/ctypes/both_ends.py"), &name]);
    judge(client, &["secur32.dll", "libsecur32.so", "sspicli.dll"], &["libMSNSSPC.so", "msnsspc.dll"]);
}

/// P1, P2, Q1, S2, S3, S4
#[test]
#[ignore = "needs cffi: cargo xtask test"]
fn cffi_signs_in_by_any_name() {
    let client: Client =
        |_, name| words(&[&tool("bin/python"), &fixture("clients/cffi/both_ends.py"), &name]);
    judge(client, &["secur32.dll", "libsecur32.so", "security.dll"], &["libMSNSSPC.so", "MSNSSPC.dll"]);
}

/// P1, P2, Q1, S2, S3, S4
#[test]
#[ignore = "needs koffi: cargo xtask test"]
fn koffi_signs_in_by_any_name() {
    let client: Client = |_, name| {
        let modules = [OsString::from("NODE_PATH="), tool("node/node_modules").into()];
        let program = fixture("clients/koffi/both_ends.js");
        words(&[&"env", &modules.into_iter().collect::<OsString>(), &"node", &program, &name])
    };
    judge(client, &["secur32.dll", "libsecur32.so", "Secur32.dll"], &["libMSNSSPC.so", "msnsspc.dll"]);
}

/// P1, P2, Q1, S2, S3, S4: JNA asks for `libsecur32.dll.so` first, for `libsecur32.so`, and so on.
#[test]
#[ignore = "needs JNA: cargo xtask test"]
fn jna_signs_in_by_any_name() {
    const JAR: &str = "/usr/share/java/jna.jar";
    let client: Client = |stage, name| {
        let classes = stage.path("classes");
        if !classes.is_dir() {
            let mut compiler = Command::new("javac");
            compiler.args(["-cp", JAR, "-d"]).arg(&classes).arg(fixture("clients/jna/BothEnds.java"));
            compiled(&mut compiler);
        }
        let path = OsString::from(format!("{JAR}:{}", classes.display()));
        words(&[&"java", &"-cp", &path, &"BothEnds", &name])
    };
    judge(client, &["secur32.dll", "secur32", "Secur32", "sspicli"], &["MSNSSPC", "msnsspc.dll"]);
}

/// P1, P2, Q1, S2, S3, S4: Mono asks for the name itself, and for `libsecur32.so` where that is missing.
#[test]
#[ignore = "needs Mono: cargo xtask test"]
fn mono_signs_in_by_any_name() {
    let client: Client = |stage, name| {
        let program = stage.path(&format!("{name}.exe"));
        if !program.is_file() {
            let library = stage.path("Library.cs");
            let source = format!("static class Library {{ public const string Name = \"{name}\"; }}\n");
            fs::write(&library, source).expect("the folder is this test's own");
            let (out, source) = (format!("-out:{}", program.display()), fixture("clients/mono/BothEnds.cs"));
            compiled(Command::new("mcs").arg(out).args([&source, &library]));
        }
        words(&[&"mono", &program])
    };
    judge(client, &["secur32.dll", "secur32", "Secur32.dll", "security.dll"], &["MSNSSPC", "MSNSSPC.dll"]);
}

/// What `cargo xtask setup` puts into the folder of tools.
fn tool(path: &str) -> PathBuf {
    let tool = root().join(".tools").join(path);
    assert!(
        tool.exists(),
        "{} is missing, which this test needs: `cargo xtask setup` installs it",
        tool.display()
    );
    tool
}

#[track_caller]
fn compiled(compiler: &mut Command) {
    let output = compiler.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!(
            "can't run {compiler:?}, which this test needs ({error}): `cargo xtask setup` installs it or says how"
        )
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
