//! Gives the DLL its own name: an ELF file's SONAME, which `dlopen("MSNSSPC.dll")` finds once it is loaded.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |what| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    let link = |argument: &str| println!("cargo::rustc-cdylib-link-arg={argument}");
    match (target("FAMILY").as_str(), target("VENDOR").as_str()) {
        ("unix", "apple") => link("-Wl,-install_name,MSNSSPC.dll"),
        ("unix", _) => {
            link("-Wl,-soname,MSNSSPC.dll");
            // With both mocks loaded globally, each calls its own functions and not the other's of that name.
            link("-Wl,-Bsymbolic");
        }
        ("windows", _) if target("ENV") == "gnu" && target("ABI") != "llvm" && target("ARCH") == "x86" => {
            // stdcall names are exported undecorated on 32-bit x86 (clause C1). LLVM's linker does so unasked.
            link("-Wl,--kill-at");
        }
        _ => {}
    }
}
