//! How long the mock DLL takes to load, beside a library in C that has nothing in it:
//! `cargo bench --manifest-path benches/Cargo.toml --bench load`, and with `-- --quick` for a smoke run.
//!
//! The mock is built as it ships. Loads of both take turns, so that a drift of the machine meets both; the table shows
//! medians, and `docs/performance.md` has results. Both files are in the page cache.

#[cfg(unix)]
fn main() {
    unix::main();
}

#[cfg(not(unix))]
fn main() {
    println!("left out: the empty library is compiled by Unix's `cc`");
}

#[cfg(unix)]
mod unix {
    use std::{
        fs,
        path::{Path, PathBuf},
        process::Command,
        time::{Duration, Instant},
    };

    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

    use sspcache_benches::{
        is_quick,
        shipped::{mock, run},
    };

    pub(super) fn main() {
        let quick = is_quick();
        let rounds = if quick { 20 } else { 5_000 };
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let libraries =
            [("an empty library in C", empty_library(folder.path())), ("the mock DLL", mock(folder.path()))];
        let mut times: [[Vec<Duration>; 2]; 2] = Default::default();
        for _ in 0..rounds {
            for ((_, file), times) in libraries.iter().zip(&mut times) {
                let [load, unload] = load_and_unload(file);
                times[0].push(load);
                times[1].push(unload);
            }
        }
        let medians = times.map(|times| times.map(median));
        println!("medians of {rounds} rounds, in microseconds");
        println!("{:<24}{:>8}{:>8}{:>12}", "", "load", "unload", "size");
        for ((name, file), [load, unload]) in libraries.iter().zip(medians) {
            let size = fs::metadata(file).expect("it was built").len();
            println!("{name:<24}{:>8.1}{:>8.1}{size:>12}", micros(load), micros(unload));
        }
        let [load, unload] = [0, 1].map(|at| micros(medians[1][at]) / micros(medians[0][at]));
        println!("{:<24}{load:>8.2}{unload:>8.2}", "times as long");
        if quick {
            println!("A smoke run: so few rounds tell nothing.");
        }
    }

    #[allow(unsafe_code, reason = "loads a library")]
    fn load_and_unload(file: &Path) -> [Duration; 2] {
        let start = Instant::now();
        // SAFETY: neither library does anything while it is loaded.
        let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) }.expect("it loads");
        let load = start.elapsed();
        let start = Instant::now();
        library.close().expect("it unloads");
        [load, start.elapsed()]
    }

    fn empty_library(folder: &Path) -> PathBuf {
        let (source, library) = (folder.join("empty.c"), folder.join("empty.so"));
        fs::write(&source, "int nothing;\n").expect("the folder can be written to");
        run(Command::new("cc").args(["-shared", "-fPIC", "-O2", "-s", "-o"]).arg(&library).arg(&source));
        library
    }

    fn median(mut times: Vec<Duration>) -> Duration {
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn micros(time: Duration) -> f64 {
        time.as_secs_f64() * 1e6
    }
}
