//! The mock DLL beside other libraries that speak SSPI on Unix: `cargo bench --manifest-path benches/Cargo.toml --bench peers`, and with
//! `-- --quick` for a smoke run.
//!
//! One run measures everything, with one client ([`client`]) that calls each library through its table of functions. Each
//! measurement is taken in a process of its own, and the libraries take turns, so that a drift of the machine meets all of
//! them; the tables show medians. The mock is built as it ships. `docs/performance.md` says what is measured, and holds
//! results.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod library;
#[cfg(unix)]
mod tables;
#[cfg(unix)]
mod work;

#[cfg(unix)]
fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [flag, name, rest @ ..] = arguments.as_slice()
        && flag == work::FLAG
    {
        return work::report(library::named(name), rest);
    }
    tables::print(sspcache_benches::is_quick());
}

#[cfg(not(unix))]
fn main() {
    println!("left out: the peers are libraries for Unix");
}
