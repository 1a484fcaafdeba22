//! The Python package sspilib, unmodified, with the mock preloaded in place of the SSPI library that its wheel brings.
//!
//! Its wheel for Windows calls Windows' own secur32, and the one for macOS finds its library by a path that nothing can be
//! preloaded for.
#![cfg(target_os = "linux")]

use std::{path::PathBuf, process::Command};

use sspcache_tests::{
    program::{Ran, fixture, root},
    stage::Stage,
};

/// The Python of `cargo xtask setup`, which has the package.
pub(crate) fn python() -> PathBuf {
    let python = root().join(".tools/bin/python");
    let imported = Command::new(&python).args(["-c", "import sspilib"]).output();
    assert!(
        imported.is_ok_and(|output| output.status.success()),
        "the Python package sspilib, which this test needs, is not in .tools: `cargo xtask setup` installs it"
    );
    python
}

/// Runs `both_ends.py` with a package, under `sspcache exec`, which nothing but an account is configured for.
fn both_ends(package: &str) -> Ran {
    let stage = Stage::new();
    let mut exec = stage.exec();
    exec.args(["--preload", "--check=left,leaks,misuse", "--config"]).arg(fixture("clients/native.toml"));
    exec.arg("--").arg(python()).arg(fixture("clients/both_ends.py")).arg(package);
    Ran::of(&mut exec)
}

/// P1, P2, S3, S4, M3
#[test]
#[ignore = "needs sspilib: cargo xtask test"]
fn sspilib_authenticates_both_ends_and_signs_in_silently_while_somebody_is_cached() {
    for (package, used, tokens, silent, kept) in [
        ("NTLM", "NTLM", 3, "8009030E", "held"),
        ("Kerberos", "Kerberos", 2, "8009030E", "held"),
        ("Negotiate", "Kerberos", 2, "8009030E", "held"),
        ("MSN", "MSN", 4, "00000000", "cached"),
    ] {
        let ran = both_ends(package).exits_with(0);
        let expected = format!(
            "tokens: {tokens}\n\
             names: CONTOSO\\alice\n\
             package: {used}\n\
             session key: 32 bytes\n\
             messages: carried\n\
             altered: 8009030F\n\
             silent: {silent}\n\
             flush: TRUE\n\
             silent: 8009030E\n"
        );
        assert_eq!(ran.stdout, expected, "{package}: {}", ran.stderr);
        let clean = format!("clean: 1 credential was {kept} in 1 process");
        assert!(ran.stderr.contains(&clean), "{package}: {}", ran.stderr);
    }
}
