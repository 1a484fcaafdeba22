//! What ships, as it ships, for benchmarks.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The mock, under the name that ships.
pub(crate) fn mock(folder: &Path) -> PathBuf {
    // As `cargo xtask dist` does, which says why.
    let own_std = ["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features="];
    library("sspcache-msnsspc", "MSNSSPC", &own_std, &folder.join("MSNSSPC.dll"))
}

/// Builds a library and copies it there.
pub(crate) fn library(package: &str, name: &str, own_std: &[&str], copy: &Path) -> PathBuf {
    // This program lies in `target/release/deps`.
    let this = env::current_exe().expect("a program knows its own path");
    let target = this.ancestors().nth(3).expect("cargo built it");
    let host =
        Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc tells its host").stdout;
    let host = String::from_utf8(host).expect("a triple");
    let arguments = "rustc --quiet --profile dist --lib --crate-type cdylib --package";
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments.split_whitespace()).arg(package).args(own_std).args(["--target", host.trim()]);
    let target = if own_std.is_empty() {
        target.to_owned()
    } else {
        cargo.env("RUSTC_BOOTSTRAP", "1");
        target.join("own-std")
    };
    // Those of `cargo xtask dist`, from `cargo xtask test bench`: what was built with them isn't built again.
    if let Some(flags) = env::var_os("SSPCACHE_DIST_RUSTFLAGS") {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    }
    run(cargo.arg("--target-dir").arg(&target));
    let built = format!("{}{name}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    fs::copy(target.join(host.trim()).join("dist").join(built), copy).expect("cargo built it");
    copy.to_owned()
}

/// Runs a command, which must succeed.
pub(crate) fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}
