//! Python for Windows, and packages of PyPI.

use crate::runs::{ALICE, Client, NOBODY, Run, clean, fetched, kept, real, refused};

const KERBEROS: &[&str] = &[r"CONTOSO\alice by Kerberos"];
const NTLM: &[&str] = &[r"CONTOSO\alice by NTLM"];
const MSN: &[&str] = &[r"CONTOSO\alice by MSN"];
const BOB: &[&str] = &[r"CONTOSO\bob by Kerberos"];

/// A script of `fixtures/clients/real`, run by Python for Windows.
#[track_caller]
fn runs(script: &str, table: &[Run<'_>]) {
    if let Some(client) = Client::new(&[&fetched("python/home/python.exe"), &real(script)]) {
        client.runs(table);
    }
}

/// P1, P2, M2, M10: MSN caches what a program signs in with, so freeing a handle is not enough.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn sspilib() {
    runs(
        "sspilib_client.py",
        &[
            clean("Negotiate", ALICE, KERBEROS),
            clean("Kerberos", ALICE, KERBEROS),
            clean("NTLM", ALICE, NTLM),
            kept("Negotiate", KERBEROS),
            refused("Negotiate"),
            clean("MSN", ALICE, MSN).with("flush"),
            Run { status: 99, verdict: &["not clean", r"CONTOSO\alice"], ..clean("MSN", ALICE, MSN) },
        ],
    );
}

/// P1, P2, P9
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn pyspnego() {
    runs(
        "pyspnego_client.py",
        &[
            clean("Negotiate", ALICE, KERBEROS),
            clean("NTLM", ALICE, NTLM),
            clean("Negotiate", NOBODY, BOB),
            kept("Negotiate", KERBEROS),
            refused("NTLM"),
        ],
    );
}

/// P1, P2, P3
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn winkerberos() {
    runs(
        "winkerberos_client.py",
        &[
            clean("Negotiate", ALICE, KERBEROS),
            clean("Kerberos", NOBODY, BOB),
            kept("Negotiate", KERBEROS),
            refused("Kerberos"),
        ],
    );
}

/// P1, P2, P3: both ends are in the client here, by pywin32's own module `sspi`.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn pywin32() {
    let table = [
        clean("Negotiate", ALICE, KERBEROS),
        clean("NTLM", ALICE, NTLM),
        clean("Kerberos", NOBODY, BOB),
        kept("Negotiate", KERBEROS),
        refused("Negotiate"),
    ];
    runs("pywin32_client.py", &table.map(|run| Run { served: &[], ..run }));
}

/// P1, P2, P3: requests, over pywin32. It frees its credential with each sign-in, so there is none to keep.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn requests_negotiate_sspi() {
    runs(
        "requests_client.py",
        &[clean("Negotiate", ALICE, KERBEROS), clean("Negotiate", NOBODY, BOB), refused("Negotiate")],
    );
}

/// P1, P2, P3: libcurl.
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn pycurl() {
    runs(
        "pycurl_client.py",
        &[
            clean("Negotiate", ALICE, KERBEROS),
            clean("Negotiate", NOBODY, BOB),
            kept("Negotiate", KERBEROS),
            refused("Negotiate"),
        ],
    );
}
