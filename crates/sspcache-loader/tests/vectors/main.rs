//! The vectors of `fixtures/loader/`, one table for two drivers: the emulated loader, on every OS; and, in a Windows
//! program, the loader of the system, so that each row is what a real loader does (under Wine: what Wine does).

mod emulated;
#[cfg(windows)]
mod real;
mod row;
mod run;

use row::{Row, parse, rows};

/// L1 to L10, L12
#[test]
fn the_emulated_loader_agrees_with_every_vector() {
    let rows = rows();
    assert_eq!(run::all(&rows, emulated::Emulated::new), rows.len());
}

/// L1 to L10, L12
#[cfg(windows)]
#[test]
fn the_loader_of_the_system_agrees_with_every_vector() {
    let rows = rows();
    if let Ok(says) = std::env::var(run::ALONE) {
        assert_eq!(run::all(rows.iter().filter(|row| row.says == says), real::Real::new), 1);
        return;
    }
    let shared = rows.iter().filter(|row| row.emulated_only.is_none());
    let (apart, together): (Vec<&Row>, Vec<&Row>) = shared.partition(|row| row.needs_a_process());
    let ran = run::all(together, real::Real::new)
        + run::alone(apart, "the_loader_of_the_system_agrees_with_every_vector");
    assert_eq!(ran, rows.len() - EMULATED_ONLY.len());
}

/// The rows that the loader of the system does not run; each says why.
const EMULATED_ONLY: [&str; 5] = [
    "a module that frees itself while it is told of its load stays loaded",
    "a module that loads itself while it is told of its unload goes",
    "an empty folder takes the current directory out",
    "an unsigned module is refused where a signature is asked for",
    "thread notifications of a loaded module are turned off",
];

/// The rows in which the loader of the system may differ; each says why.
const DIFFERING: [&str; 6] = [
    "a data file is freed once",
    "a folder cannot be loaded",
    "a missing ordinal is missing",
    "an empty name loads nothing",
    "the greatest ordinal is an ordinal",
    "the ordinal 0 is missing",
];

#[test]
fn the_two_loaders_differ_in_known_rows_alone() {
    let rows = rows();
    let said = |is_meant: fn(&Row) -> bool| {
        let mut said: Vec<_> = rows.iter().filter(|row| is_meant(row)).map(|row| row.says.as_str()).collect();
        said.sort_unstable();
        said
    };
    assert_eq!(said(|row| row.emulated_only.is_some()), EMULATED_ONLY);
    assert_eq!(said(|row| row.differs.is_some()), DIFFERING);
    for row in &rows {
        let reasons = [row.emulated_only.as_ref(), row.differs.as_ref().map(|differs| &differs.because)];
        assert!(reasons.into_iter().flatten().all(|reason| reason.contains(' ')), "{}: no reason", row.says);
    }
}

#[test]
fn every_vector_names_its_clause_and_its_source() {
    let rows = rows();
    for row in &rows {
        let is_source = row.source == "observed" || row.source.starts_with("https://learn.microsoft.com/");
        assert!(is_source, "{}: source {:?}", row.says, row.source);
    }
    let mut clauses: Vec<_> = rows.iter().map(|row| row.clause.as_str()).collect();
    clauses.sort_unstable();
    clauses.dedup();
    assert_eq!(clauses, ["L1", "L10", "L12", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"]);
}

#[test]
fn a_vector_with_a_mistake_in_its_keys_is_refused() {
    const GOOD: &str = "[[row]]
        says = 'a null name is the program'
        clause = 'L4'
        source = 'observed'
        setup = [{ call = 'LoadLibrary', name = 'tiny', result = 'm' }]
        test = { call = 'GetModuleHandle', result = 'program' }";
    assert!(parse(GOOD).is_ok(), "{:?}", parse(GOOD));
    for (right, wrong) in [
        ("says", "sais"),
        ("clause = 'L4'", ""),
        ("source", "told = ['+tiny.dll']\n tolled = []\n source"),
        ("call = 'GetModuleHandle'", "call = 'GetModule'"),
        ("call = 'GetModuleHandle'", "call = 'GetModuleHandle', flags = 4"),
        ("name = 'tiny'", "name = 'tiny', file = 'tiny'"),
        ("name = 'tiny', ", ""),
        ("result = 'm'", "result = 'm', error = 126"),
        ("result = 'm'", "error = [126, 127]"),
        (", result = 'program'", ""),
    ] {
        assert!(parse(&GOOD.replace(right, wrong)).is_err(), "{wrong:?} for {right:?} is accepted");
    }
}
