//! Passes the mock DLLs on that the program is to carry, where `cargo xtask dist` names them: see `exec/carried.rs`.

use std::env;

/// The variable that names the file.
const CARRIED: &str = "SSPCACHE_CARRIED";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={CARRIED}");
    println!("cargo::rustc-check-cfg=cfg(carries_mocks)");
    if let Ok(file) = env::var(CARRIED) {
        println!("cargo::rerun-if-changed={file}");
        println!("cargo::rustc-env={CARRIED}={file}");
        println!("cargo::rustc-cfg=carries_mocks");
    }
}
