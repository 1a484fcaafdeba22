//! The table of statuses in `fixtures/sspi/`: each row in this process, and over the C ABI of the mock DLL in both forms.

use std::{env, ffi::OsStr, fs};

use sspcache_engine::Operation;
use sspcache_tests::{
    dll::{Ansi, Mock, Wide, in_own_process, shipped, succeed},
    statuses::{Abi, Emulated, Row, rows, run},
};

/// What every row is configured with, before what it says itself.
const CONFIG: &str = include_str!("../../fixtures/sspi/mock.toml");

fn config(row: &Row) -> String {
    format!("{CONFIG}\n{}", row.config)
}

/// All that is wrong, at once.
#[track_caller]
fn report(ran: usize, wrong: &[String]) {
    assert!(wrong.is_empty(), "{} of {ran} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn wrong(row: &Row, found: Result<(), String>) -> Option<String> {
    found.err().map(|found| format!("{}, {}: {found}", row.operation, row.fault))
}

/// P1, P2, P3, P4, P5, P6, S2, S3, S4, S5, S9, M2, M4, M5, M11
#[test]
fn every_status_of_the_table_is_given_in_process() {
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.abi_only.is_none()).collect();
    let found: Vec<String> =
        rows.iter().filter_map(|row| wrong(row, run(row, &mut Emulated::new(&config(row))))).collect();
    report(rows.len(), &found);
    assert!(rows.len() >= 150, "{} rows", rows.len());
}

/// P1, P2, P3, P4, P5, P6, S2, S3, S4, S5, S9, M2, M4, M5, M11
#[test]
fn every_status_of_the_table_is_given_over_the_abi_in_both_forms() {
    let test = "every_status_of_the_table_is_given_over_the_abi_in_both_forms";
    // Under windows-gnu a process aborts after a thousand loads of Rust's DLLs: each form has a process of its own.
    for form in ["A", "W"] {
        let command = in_own_process(test, &[(FORM, OsStr::new(form))], || {
            let is_ansi = env::var_os(FORM).is_some_and(|form| form == "A");
            let (folder, file) = shipped("MSNSSPC");
            let setting = folder.path().join("mock.toml");
            // SAFETY: this process has no other thread that reads its environment.
            #[allow(unsafe_code, reason = "the mock is configured by its environment")]
            unsafe {
                env::set_var("SSPCACHE_CONFIG", &setting);
            }
            let rows = rows();
            let mut found = Vec::new();
            for row in &rows {
                fs::write(&setting, config(row)).unwrap();
                // Loaded anew, so that each row has a mock of its own.
                let mock = Mock::at(&file);
                if is_ansi {
                    found.extend(wrong(row, run(row, &mut Abi::<Ansi>::new(&mock))));
                } else {
                    found.extend(wrong(row, run(row, &mut Abi::<Wide>::new(&mock))));
                }
                mock.unload();
            }
            report(rows.len(), &found);
            assert!(rows.len() >= 200, "{} rows", rows.len());
        });
        match command {
            Some(command) => drop(succeed(command)),
            // This is the process of one form.
            None if !cfg!(miri) => return,
            None => {}
        }
    }
}

/// Tells a process of the test which form of the functions it calls.
const FORM: &str = "SSPCACHE_TEST_FORM";

/// M3, M11: whatever struck which operation.
#[test]
fn a_flush_after_any_fault_leaves_nothing_cached() {
    let faults = rows().into_iter().filter(|row| row.config.contains("[[fault]]") && row.abi_only.is_none());
    for row in faults {
        let mut emulated = Emulated::new(&config(&row));
        // That it answers as it is to is another test's.
        let _ = run(&row, &mut emulated);
        let (flushed, left) = emulated.flushed();
        let strikes_flushes = row.operation == Operation::CleanupCredentialCache.name();
        assert!(flushed || strikes_flushes, "{}, {}", row.operation, row.fault);
        assert!(left == 0 || !flushed, "{}, {}: {left} left", row.operation, row.fault);
    }
}

/// A row says which clause it holds, and who says so.
#[test]
fn every_row_names_its_clause_and_its_source() {
    for row in rows() {
        assert!(
            row.source == "observed"
                || row.source.starts_with("https://learn.microsoft.com/")
                || row.source.starts_with("clause"),
            "{row:?}"
        );
        let clauses = row.clause.split(", ");
        assert!(
            clauses.clone().all(|clause| "CMPRS".contains(&clause[..1])
                && clause[1..].trim_end_matches('a').parse::<u8>().is_ok()),
            "{row:?}"
        );
    }
}
