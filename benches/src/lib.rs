//! What the benchmarks share: building what ships, and tables of medians and targets.
//!
//! `docs/performance.md` says what is measured, and holds results.

use std::{env, path::PathBuf};

pub mod shipped;
pub mod targets;

/// The folder of a path in this checkout.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Whether this is a smoke run: `-- --quick`, or a run that `cargo bench` did not start.
pub fn is_quick() -> bool {
    let arguments: Vec<_> = env::args().skip(1).collect();
    arguments.iter().any(|it| it == "--quick") || !arguments.iter().any(|it| it == "--bench")
}
