//! The vectors of `fixtures/loader/` against the emulated loader, on every OS. `crates/sspcache-win32/tests/vectors` runs them
//! against its C ABI, and against the loader of the system.

mod emulated;

use loader_vectors::{Driver, Form, Row, all, rows};

/// L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L12
#[test]
fn the_emulated_loader_agrees_with_every_vector() {
    let rows = rows();
    for form in Form::BOTH {
        let its_own: Vec<&Row> = rows.iter().filter(|row| row.is_for(Driver::Emulated, form)).collect();
        let ran = all::<emulated::Emulated>(its_own.iter().copied(), form);
        assert!(ran > 800, "{ran} rows");
    }
}
