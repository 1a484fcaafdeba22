//! The vectors of `fixtures/loader/` against C functions, in both forms: on Unix those of this library; in a Windows program
//! those of the system, so that each row is what a real loader does (under Wine: what Wine does).

mod c;
#[cfg(windows)]
mod witness;

use std::{env, process::Command, thread};

use loader_vectors::{Form, Loader, Row, again, all, alone, asked_for, rows};

/// L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12
#[cfg(unix)]
#[test]
fn the_c_abi_agrees_with_every_vector() {
    run("the_c_abi_agrees_with_every_vector");
}

/// L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12
#[cfg(windows)]
#[test]
fn the_loader_of_the_system_agrees_with_every_vector() {
    run("the_loader_of_the_system_agrees_with_every_vector");
}

/// Runs what this process was started for: one row, one form, or both forms at once, each in a process of its own, as a row
/// changes the current directory of its process.
fn run(test: &str) {
    match asked_for() {
        (Some(row), Some(form)) => assert_eq!(all::<c::C>([&row], form), 1),
        (_, Some(form)) => agrees(form, test),
        (_, None) => thread::scope(|scope| {
            for form in Form::BOTH {
                scope.spawn(move || in_a_process(form, test));
            }
        }),
    }
}

/// Runs all rows in a form, those that leave something behind in a process each: this test, started again.
fn agrees(form: Form, test: &str) {
    let its_own = rows().iter().filter(|row| row.is_for(c::C::DRIVER, form));
    let (apart, together): (Vec<&Row>, Vec<&Row>) = its_own.partition(|row| row.needs_a_process());
    let ran = all::<c::C>(together, form) + alone(apart, form, test);
    assert!(ran > 800, "{ran} rows");
}

fn in_a_process(form: Form, test: &str) {
    #[cfg(windows)]
    if form == Form::A && !witness::has_utf8() {
        return witness::run(form, test);
    }
    again(&mut Command::new(env::current_exe().expect("a path")), form, test);
}
