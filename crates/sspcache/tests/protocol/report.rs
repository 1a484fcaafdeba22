//! What a report says, to people and to machines.

use sspcache::{CacheName, Error, Flush, FlushReport, FlushRow};

fn report() -> FlushReport {
    let broken = || Error::FlushFailed { module: r"C:\old\MSNSSPC.dll".into() };
    let mut report = FlushReport::default();
    report.push(FlushRow::new(CacheName::MSNSSPC, Ok(Flush::Flushed)).with_module(r"C:\app\MSNSSPC.dll"));
    report.push(FlushRow::new(CacheName::MSNSSPC, Err(broken())).with_module(r"C:\old\MSNSSPC.dll"));
    report.push(FlushRow::new(CacheName::MSAPSSPC, Ok(Flush::Absent)));
    let unknown = Error::UnknownCache { name: "é.dll".into(), known: "MSNSSPC.dll, MSAPSSPC.dll".into() };
    report.push(FlushRow::new(CacheName::new("é.dll"), Err(unknown)));
    report
}

#[test]
fn a_report_prints_as_a_table() {
    insta::assert_snapshot!(report(), @r#"
    MSNSSPC.dll   flushed  C:\app\MSNSSPC.dll
    MSNSSPC.dll   FAILED   C:\old\MSNSSPC.dll: CleanupCredentialCache returned FALSE; its credentials may still be cached
    MSAPSSPC.dll  absent
    é.dll         FAILED   "é.dll" is not a known credential cache (known: MSNSSPC.dll, MSAPSSPC.dll); register a third party's SSP with SspCachesBuilder::register
    "#);
}

#[test]
fn an_empty_report_prints_nothing_and_is_a_success() {
    let empty = FlushReport::default();
    assert_eq!(empty.to_string(), "");
    assert!(empty.is_success());
    assert_eq!(empty.into_result().unwrap(), Flush::Absent);
}

#[test]
fn one_failure_makes_a_report_one() {
    let report = report();
    assert!(!report.is_success());
    assert_eq!(report.flushed(), 1);
    assert_eq!(report.failures().map(Error::code).collect::<Vec<_>>(), ["flush-failed", "unknown-cache"]);
    assert_eq!(report.rows().len(), 4);
    assert_eq!(report.into_result().unwrap_err().code(), "flush-failed", "the first one");
}

#[cfg(feature = "serde")]
#[test]
fn a_report_serializes_with_each_failures_kind_and_text() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&report()).unwrap(), @r#"
    {
      "success": false,
      "rows": [
        {
          "cache": "MSNSSPC.dll",
          "scope": "process",
          "module": "C:\\app\\MSNSSPC.dll",
          "instance": null,
          "entries": null,
          "outcome": "flushed"
        },
        {
          "cache": "MSNSSPC.dll",
          "scope": "process",
          "module": "C:\\old\\MSNSSPC.dll",
          "instance": null,
          "entries": null,
          "outcome": "flush-failed",
          "error": "C:\\old\\MSNSSPC.dll: CleanupCredentialCache returned FALSE; its credentials may still be cached"
        },
        {
          "cache": "MSAPSSPC.dll",
          "scope": "process",
          "module": null,
          "instance": null,
          "entries": null,
          "outcome": "absent"
        },
        {
          "cache": "é.dll",
          "scope": "process",
          "module": null,
          "instance": null,
          "entries": null,
          "outcome": "unknown-cache",
          "error": "\"é.dll\" is not a known credential cache (known: MSNSSPC.dll, MSAPSSPC.dll); register a third party's SSP with SspCachesBuilder::register"
        }
      ]
    }
    "#);
}
