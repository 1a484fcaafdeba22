//! The mock DLL as it ships, for benchmarks that load it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The mock as it ships, under the name that ships.
pub(crate) fn mock(folder: &Path) -> PathBuf {
    // This program lies in `target/release/deps`.
    let this = env::current_exe().expect("a program knows its own path");
    let target = this.ancestors().nth(3).expect("cargo built it");
    let host =
        Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc tells its host").stdout;
    let host = String::from_utf8(host).expect("a triple");
    // As `cargo xtask dist` does, which says why.
    let arguments = "rustc --quiet --profile dist --package sspcache-msnsspc --lib --crate-type cdylib \
        -Zbuild-std=std,panic_unwind -Zbuild-std-features=";
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments.split_whitespace()).args(["--target", host.trim()]);
    run(cargo.arg("--target-dir").arg(target).env("RUSTC_BOOTSTRAP", "1"));
    let built = format!("{}MSNSSPC{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let library = folder.join("MSNSSPC.dll");
    fs::copy(target.join(host.trim()).join("dist").join(built), &library).expect("cargo built it");
    library
}

/// Runs a command, which must succeed.
pub(crate) fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}
