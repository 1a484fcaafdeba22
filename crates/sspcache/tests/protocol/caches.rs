//! The caches of today: what is asked of a system, in which order, and what a report says of it.

use sspcache::{CredentialProvider, Error, caches::Caches};

use crate::fake::{FakeLoader, FakeModule, Log};

/// Everything of a system, and the log of what that is asked.
fn everything() -> (Caches<FakeLoader>, Log) {
    let system = FakeLoader::with([FakeModule::new(r"C:\app\MSNSSPC.dll", Some(true))]);
    let log = system.log.clone();
    let caches = Caches::process_of(system).and_kerberos().and_ccache();
    (caches.and_credentials("MyApp/*").unwrap(), log)
}

/// C3, C4: none of a system is asked about what it isn't known to have.
#[test]
fn an_unknown_name_is_refused_before_a_system_is_asked() {
    let (caches, log) = everything();
    for unknown in ["", "krbtgt", "kerberos.dll", "credentials:MyApp/*"] {
        let errors = [caches.flush(unknown).map(drop), caches.is_present(unknown).map(drop)];
        assert!(errors.iter().all(|error| matches!(error, Err(Error::UnknownCache { .. }))), "{errors:?}");
    }
    assert_eq!(log.take(), [""; 0]);
}

/// C6, C7, K4: the loader callback comes first, and the window station is only asked about where it matters.
#[test]
fn a_flush_asks_whether_it_is_safe_and_lists_before_and_after() {
    const SAFE: &str = "inside a loader callback?";
    let (caches, log) = everything();
    let asked = |cache: &str| {
        let _ = caches.flush(cache);
        log.take()
    };
    assert_eq!(asked("kerberos"), [SAFE, "list tickets", "purge", "list tickets"]);
    let credentials = "list credentials of MyApp/*";
    assert_eq!(asked("credentials"), [SAFE, credentials, "delete MyApp/alice", credentials]);
    assert_eq!(asked("ccache"), [SAFE, "find ccaches: MEMORY:", SAFE, "find ccaches: default"]);
    assert_eq!(asked("schannel.dll"), [SAFE, "modules named schannel.dll?"]);
    assert_eq!(asked("wininet.dll"), [SAFE, "which window station?", "modules named wininet.dll?"]);
}

/// K1, K3, K4
#[cfg(feature = "serde")]
#[test]
fn a_report_serializes_with_scope_instance_and_entries() {
    let (caches, _) = everything();
    let report = serde_json::to_value(caches.flush_all()).unwrap();
    let rows: Vec<_> = report["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let parts =
                ["cache", "scope", "instance", "entries", "outcome"].map(|part| row[part].to_string());
            parts.join(" ")
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r#"
    "credentials" "user" "MyApp/*" 0 "other"
    "ccache" "process" "MEMORY:" null "absent"
    "ccache" "user" "default" null "unsupported"
    "kerberos" "logon session" null 1 "flushed"
    "MSNSSPC.dll" "process" null null "flushed"
    "MSAPSSPC.dll" "process" null null "absent"
    "wininet.dll" "process" null null "absent"
    "schannel.dll" "process" null null "absent"
    "#);
    assert_eq!(report["success"], false);
    let secret_free = ["cache", "entries", "error", "instance", "module", "outcome", "scope"];
    for row in report["rows"].as_array().unwrap() {
        assert!(row.as_object().unwrap().keys().all(|key| secret_free.contains(&key.as_str())), "{row}");
    }
}
