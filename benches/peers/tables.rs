//! Has everything measured, and prints tables of it.

use std::{array, fs, path::Path};

use sspcache_benches::{
    shipped,
    targets::{Target, cell, median, print_targets},
};

use crate::{
    library::{Library, MOCK, MOCK_FILE, PEERS},
    work::{ACQUIRE, HANDSHAKE, OPERATIONS, Times, measure},
};

/// What the mock is configured with: the package and the account that the client signs in with.
const CONFIGURATION: &str = r#"
[[package]]
name = "NTLM"

[[account]]
user = "alice"
domain = "CONTOSO"
password = "correct horse"
"#;

/// How many credentials are cached while the mock's handshake is measured.
const CACHED: [usize; 4] = [1, 100, 10_000, 100_000];

const LIBRARIES: [&Library; 3] = [&MOCK, &PEERS[0], &PEERS[1]];

/// Measures, and prints what came of it.
///
/// # Panics
/// When a peer is missing, with what to do.
pub(crate) fn print(quick: bool) {
    for peer in &PEERS {
        if let Err(how) = peer.file() {
            panic!("{how}");
        }
    }
    let rounds = if quick { 1 } else { 15 };
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let configuration = folder.path().join("sspcache.toml");
    fs::write(&configuration, CONFIGURATION).expect("the folder can be written to");
    let mock = shipped::mock(folder.path());
    let environment = [(MOCK_FILE, mock.as_path()), ("SSPCACHE_CONFIG", configuration.as_path())];
    println!("Medians (and the least) of {rounds} rounds, in nanoseconds of processor time.");
    let mut targets = print_peers(rounds, quick, &environment);
    targets.push(print_cached(rounds, quick, &environment));
    print_targets(&targets);
    if quick {
        println!("\nA smoke run: so few rounds tell nothing.");
    }
}

/// The mock and its peers.
fn print_peers(rounds: usize, quick: bool, environment: &[(&str, &Path)]) -> Vec<Target> {
    let mut times: [Vec<Times>; LIBRARIES.len()] = Default::default();
    for turn in 0..rounds {
        for place in 0..LIBRARIES.len() {
            let place = (place + turn) % LIBRARIES.len();
            times[place].push(measure(LIBRARIES[place], 0, quick, environment));
        }
    }
    let column = |place: usize, operation: usize| -> Option<Vec<f64>> {
        times[place].iter().map(|times| times[operation]).collect()
    };
    println!("\n| nanoseconds | {} |", OPERATIONS.join(" | "));
    println!("| --- | {} |", ["---:"; OPERATIONS.len()].join(" | "));
    for (place, library) in LIBRARIES.iter().enumerate() {
        let cells: [_; OPERATIONS.len()] = array::from_fn(|operation| {
            column(place, operation).map_or("not implemented".to_owned(), |times| cell(&times))
        });
        println!("| {} | {} |", library.name, cells.join(" | "));
    }
    let ratio = |place: usize, operation: usize| {
        Some(median(&column(place, operation)?) / median(&column(0, operation)?))
    };
    println!("\n| times the mock's | {} |", OPERATIONS.join(" | "));
    println!("| --- | {} |", ["---:"; OPERATIONS.len()].join(" | "));
    for (place, library) in LIBRARIES.iter().enumerate().skip(1) {
        let cells: [_; OPERATIONS.len()] = array::from_fn(|operation| {
            ratio(place, operation).map_or_else(String::new, |it| format!("{it:.1}"))
        });
        println!("| {} | {} |", library.name, cells.join(" | "));
    }
    let fastest = |operation| {
        let peers =
            (1..LIBRARIES.len()).filter_map(|place| Some((ratio(place, operation)?, LIBRARIES[place].name)));
        peers.min_by(|left, right| left.0.total_cmp(&right.0)).expect("every peer does that")
    };
    vec![
        Target::at_least("handshakes per second, over the faster peer's", 10.0, fastest(HANDSHAKE)),
        Target::at_least("acquire and free per second, over the faster peer's", 5.0, fastest(ACQUIRE)),
    ]
}

/// The mock's handshake, with ever more credentials cached.
fn print_cached(rounds: usize, quick: bool, environment: &[(&str, &Path)]) -> Target {
    let mut times: [Vec<f64>; CACHED.len()] = Default::default();
    for turn in 0..rounds {
        for place in 0..CACHED.len() {
            let place = (place + turn) % CACHED.len();
            // The account that the client signs in with is one of them.
            let measured = measure(&MOCK, CACHED[place] - 1, quick, environment);
            times[place].push(measured[HANDSHAKE].expect("the mock does that"));
        }
    }
    println!("\n| cached credentials | nanoseconds for a full handshake |\n| ---: | ---: |");
    for (cached, times) in CACHED.iter().zip(&times) {
        println!("| {cached} | {} |", cell(times));
    }
    let [fewest, .., most] = times.map(|times| median(&times));
    Target::at_most("a handshake with 100,000 credentials cached, over one with 1", 1.2, most / fewest)
}
