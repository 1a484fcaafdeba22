//! The vectors of `fixtures/loader/`, one table for two drivers: the emulated loader, on every OS; and, in a Windows
//! program, the loader of the system, so that each row is what a real loader does (under Wine: what Wine does).

mod emulated;
#[cfg(windows)]
mod real;
mod row;
mod run;

use row::rows;

/// L1 to L9
#[test]
fn the_emulated_loader_agrees_with_every_vector() {
    run::all(&rows(), emulated::Emulated::new);
}

/// L1 to L9
#[cfg(windows)]
#[test]
fn the_loader_of_the_system_agrees_with_every_vector() {
    run::all(&rows(), real::Real::new);
}

#[test]
fn every_vector_names_its_clause_and_its_source() {
    let rows = rows();
    for row in &rows {
        let is_clause = row.clause.strip_prefix('L').is_some_and(|number| number.parse::<u8>().is_ok());
        assert!(is_clause, "{}: clause {:?}", row.says, row.clause);
        let is_source = row.source == "observed" || row.source.starts_with("https://learn.microsoft.com/");
        assert!(is_source, "{}: source {:?}", row.says, row.source);
    }
    for clause in ["L1", "L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"] {
        assert!(rows.iter().any(|row| row.clause == clause), "no vector for {clause}");
    }
}
