//! The loader for C beside others: `cargo bench --manifest-path benches/Cargo.toml --bench modules`, and
//! with `-- --quick` for a smoke run.
//!
//! One run measures everything. Each measurement is taken in a process of its own, and the loaders take turns, so that a drift of
//! the machine meets all of them; the tables show medians. The library is built as it ships. `docs/performance.md` says what is
//! measured, and holds results.

#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod provider;
#[cfg(target_os = "linux")]
mod tables;

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [flag, rest @ ..] = arguments.as_slice()
        && flag == provider::FLAG
    {
        return provider::report(rest);
    }
    tables::print(sspcache_benches::is_quick());
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("left out: its peers are glibc, WinPR and Wine, on Linux");
}
