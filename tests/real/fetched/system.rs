//! WinHTTP and WinINet, in the form of Wine: HTTP clients that sign in by themselves.

use sspcache_tests::stage::{MINGW, Stage};

use crate::runs::{ALICE, Client, NOBODY, Run, clean, kept, real, refused};

#[track_caller]
fn runs(library: &str, table: &[Run<'_>]) {
    let compiler = Stage::new();
    let name = format!("{library}_client");
    let source = real(&name).with_extension("c");
    let options = ["-municode", &format!("-l{library}")];
    let program = compiler.compile(MINGW, &format!("{name}.exe"), &source, &options);
    if let Some(client) = Client::new(&[&program]) {
        client.runs(table);
    }
}

/// P1, P2: Wine's WinHTTP doesn't sign in with the default credentials (observed).
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn winhttp() {
    runs(
        "winhttp",
        &[
            clean("Negotiate", ALICE, &[r"CONTOSO\alice by Kerberos"]),
            clean("NTLM", ALICE, &[r"CONTOSO\alice by NTLM"]),
            kept("Negotiate", &[r"CONTOSO\alice by Kerberos"]),
            refused("Negotiate"),
        ],
    );
}

/// P1, P2, P3
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn wininet() {
    runs(
        "wininet",
        &[
            clean("Negotiate", ALICE, &[r"CONTOSO\alice by Kerberos"]),
            clean("Negotiate", NOBODY, &[r"CONTOSO\bob by Kerberos"]),
            kept("Negotiate", &[r"CONTOSO\alice by Kerberos"]),
            refused("Negotiate"),
        ],
    );
}
