//! Sets the name under which programs that link the shared library look for it, without a folder.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let link = |argument: &str| println!("cargo::rustc-cdylib-link-arg={argument}");
    match (variable("CARGO_CFG_TARGET_FAMILY").as_str(), variable("CARGO_CFG_TARGET_VENDOR").as_str()) {
        ("unix", "apple") => link("-Wl,-install_name,@rpath/libsspcache_win32.dylib"),
        ("unix", _) => link("-Wl,-soname,libsspcache_win32.so"),
        _ => {}
    }
}
