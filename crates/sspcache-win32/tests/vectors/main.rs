//! The vectors of `fixtures/loader/` against C functions, in both forms: on Unix those of this library; in a Windows program
//! those of the system, so that each row is what a real loader does (under Wine: what Wine does).

mod c;
#[cfg(windows)]
mod witness;

use loader_vectors::{Form, Loader, Row, all, alone, asked_for, rows};

/// L1 to L12
#[cfg(unix)]
#[test]
fn the_c_abi_agrees_with_every_vector() {
    const TEST: &str = "the_c_abi_agrees_with_every_vector";
    for form in forms_of_this_process() {
        agrees(form, TEST);
    }
}

/// L1 to L12
#[cfg(windows)]
#[test]
fn the_loader_of_the_system_agrees_with_every_vector() {
    const TEST: &str = "the_loader_of_the_system_agrees_with_every_vector";
    for form in forms_of_this_process() {
        if form == Form::W || witness::has_utf8() {
            agrees(form, TEST);
        } else {
            witness::run(form, TEST);
        }
    }
}

/// The forms that are left to this process: none, when it was started for one row.
fn forms_of_this_process() -> Vec<Form> {
    let rows = rows();
    match asked_for(&rows) {
        (Some(row), Some(form)) => {
            assert_eq!(all::<c::C>([row], form), 1);
            Vec::new()
        }
        (_, Some(form)) => vec![form],
        (_, None) => Form::BOTH.to_vec(),
    }
}

/// Runs all rows in a form, those that leave something behind in a process each: this test, started again.
fn agrees(form: Form, test: &str) {
    let rows = rows();
    let its_own = rows.iter().filter(|row| row.is_for(c::C::DRIVER, form));
    let (apart, together): (Vec<&Row>, Vec<&Row>) = its_own.partition(|row| row.needs_a_process());
    let ran = all::<c::C>(together, form) + alone(apart, form, test);
    assert!(ran > 800, "{ran} rows");
}
