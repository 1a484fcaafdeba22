//! Crates, as Windows programs that `cargo xtask test clients` builds.

use sspcache_tests::program::target;

use crate::runs::{Client, Run, existing, refused_silently, silent};

#[track_caller]
fn runs(program: &str, table: &[Run<'_>]) {
    let built = target().join("clients/x86_64-pc-windows-gnu/debug").join(program);
    if let Some(client) = Client::new(&[&existing(built, "`cargo xtask test clients` builds it")]) {
        client.runs(table);
    }
}

/// P1, P3
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn winauth() {
    runs("winauth_client.exe", &[silent("NTLM", &[r"CONTOSO\bob by NTLM"]), refused_silently("NTLM")]);
}

/// P1, P3, P9
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn cross_krb5() {
    let bob: &[&str] = &[r"CONTOSO\bob by Kerberos"];
    runs(
        "cross_krb5_client.exe",
        &[silent("Negotiate", bob), silent("Kerberos", bob), refused_silently("Kerberos")],
    );
}
