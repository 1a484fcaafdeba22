//! The build script of the mock DLLs: each gets its own name, and on Windows a version resource that says what it is.
//!
//! It is every such package's `build`, so that they can't drift apart; the DLL's name is the package's.

use std::env;

/// The version resource's source, seen from a mock's own package.
const RESOURCE: &str = "../sspcache-dll/mock-dll.rc";

fn main() {
    println!("cargo::rerun-if-changed={RESOURCE}");
    println!("cargo::rerun-if-changed=../sspcache-dll/mock-dll.rs");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let package = variable("CARGO_PKG_NAME");
    let name = package.rsplit('-').next().unwrap_or_default();
    // The old SSPs have their names in upper case, Windows' own DLL has it in lower case.
    let name = if name == "secur32" { name.to_owned() } else { name.to_uppercase() };
    let link = |argument: &str| println!("cargo::rustc-cdylib-link-arg={argument}");
    match (variable("CARGO_CFG_TARGET_FAMILY").as_str(), variable("CARGO_CFG_TARGET_VENDOR").as_str()) {
        ("unix", "apple") => link(&format!("-Wl,-install_name,{name}.dll")),
        ("unix", _) => {
            // What `dlopen("MSNSSPC.dll")` finds once it is loaded.
            link(&format!("-Wl,-soname,{name}.dll"));
            // With both mocks loaded globally, each calls its own functions and not the other's of that name.
            link("-Wl,-Bsymbolic");
        }
        ("windows", _) => {
            let [arch, env, abi] =
                ["ARCH", "ENV", "ABI"].map(|it| variable(&format!("CARGO_CFG_TARGET_{it}")));
            if arch == "x86" && env == "gnu" && abi != "llvm" {
                // stdcall names are exported undecorated on 32-bit x86 (clause C1).
                link("-Wl,--kill-at");
            }
            // Microsoft's resource compiler runs on Windows alone; elsewhere that target is but type-checked.
            if cfg!(windows) || env != "msvc" {
                add_resource(&name);
            }
        }
        _ => {}
    }
}

/// Links the version resource, where there is a resource compiler: a type-check needs none.
fn add_resource(name: &str) {
    let version = |part| env::var(format!("CARGO_PKG_VERSION_{part}")).unwrap_or_default();
    let [major, minor, patch] = ["MAJOR", "MINOR", "PATCH"].map(version);
    let macros = [
        format!("MOCK={name}"),
        format!("VERSION_NUMBERS={major},{minor},{patch},0"),
        format!("VERSION_TEXT={major}.{minor}.{patch}"),
    ];
    if let Err(error) = embed_resource::compile_for_cdylib(RESOURCE, macros).manifest_optional() {
        println!("cargo::warning={name}.dll has no version resource: {error}");
    }
}
