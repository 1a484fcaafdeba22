//! What ships, built as it ships.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::root;

/// Builds the mock, under the name that ships.
pub fn mock(folder: &Path) -> PathBuf {
    // As `cargo xtask dist` does, which says why. That links with Zig, and this with the system's C compiler.
    let own_std = ["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features="];
    library("sspcache-msnsspc", "MSNSSPC", &own_std, &folder.join("MSNSSPC.dll"))
}

/// Builds a library and copies it there.
///
/// # Panics
/// When it can't be built.
pub fn library(package: &str, name: &str, own_std: &[&str], copy: &Path) -> PathBuf {
    let host =
        Command::new("rustc").args(["--print", "host-tuple"]).output().expect("rustc prints its host").stdout;
    let host = String::from_utf8(host).expect("a triple");
    let arguments = "rustc --quiet --profile dist --lib --crate-type cdylib --package";
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments.split_whitespace()).arg(package).args(own_std).args(["--target", host.trim()]);
    // The target folder of the main workspace, where `cargo xtask dist` builds the same.
    let mut target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    if !own_std.is_empty() {
        cargo.env("RUSTC_BOOTSTRAP", "1");
        target.push("own-std");
    }
    // Those of `cargo xtask dist`, from `cargo xtask test bench`: what was built with them isn't built again.
    if let Some(flags) = env::var_os("SSPCACHE_DIST_RUSTFLAGS") {
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    }
    run(cargo.current_dir(root()).arg("--target-dir").arg(&target));
    let built = format!("{}{name}{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    fs::copy(root().join(target).join(host.trim()).join("dist").join(built), copy).expect("cargo built it");
    copy.to_owned()
}

/// Runs a command.
///
/// # Panics
/// When it fails.
pub fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}
