//! The names under which programs on Unix ask for an SSPI library, beside the names of the mocks' own files, and links of
//! these names. `cargo xtask dist` includes this file as well, and puts the links beside the mocks.
//!
//! The names are those that runtimes make of the name that a program gives: Mono asks for `secur32.dll` as it is, and for
//! `libsecur32.so` when the program says `secur32`; JNA asks for `libsecur32.dll.so` and `libsecur32.so` (observed with Mono
//! 6.8 and JNA 5.13). Windows ignores case, so programs write `Secur32.dll` as well.
//!
//! `libsecurity.so` is no such name: a folder on `LD_LIBRARY_PATH` comes before a program's own, and a library of that name may
//! be anything.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The file of each mock, and its other names. A name that ends in `.so` ends in `.dylib` on macOS.
const NAMES: [(&str, &[&str]); 3] = [
    (
        "secur32.dll",
        &[
            "Secur32.dll",
            "SECUR32.dll",
            "SECUR32.DLL",
            "libsecur32.so",
            "libSecur32.so",
            "libsecur32.dll.so",
            "libSecur32.dll.so",
            "sspicli.dll",
            "SspiCli.dll",
            "SSPICLI.DLL",
            "libsspicli.so",
            "libsspicli.dll.so",
            "security.dll",
            "Security.dll",
            "libsecurity.dll.so",
        ],
    ),
    (
        "MSNSSPC.dll",
        &[
            "MSNSSPC.DLL",
            "msnsspc.dll",
            "libMSNSSPC.so",
            "libmsnsspc.so",
            "libMSNSSPC.dll.so",
            "libmsnsspc.dll.so",
        ],
    ),
    (
        "MSAPSSPC.dll",
        &[
            "MSAPSSPC.DLL",
            "msapsspc.dll",
            "libMSAPSSPC.so",
            "libmsapsspc.so",
            "libMSAPSSPC.dll.so",
            "libmsapsspc.dll.so",
        ],
    ),
];

/// Makes a link in this folder for each other name of a mock; `target` is where a mock's file lies.
///
/// Where disks ignore case, as most of macOS do, one link may be there for several names. What is made for them on another system has one
/// from the beginning: unpacked there, a link of a mock's own name would take the place of the mock.
pub(crate) fn make(folder: &Path, on_macos: bool, target: impl Fn(&str) -> PathBuf) -> io::Result<()> {
    let made_elsewhere = on_macos && cfg!(not(target_vendor = "apple"));
    let mut there: Vec<String> = NAMES.iter().map(|(file, _)| file.to_ascii_lowercase()).collect();
    for (file, names) in NAMES {
        for name in names {
            let name = native(name, on_macos);
            let lower_case = name.to_ascii_lowercase();
            if made_elsewhere && there.contains(&lower_case) {
                continue;
            }
            there.push(lower_case);
            match std::os::unix::fs::symlink(target(file), folder.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result?,
            }
        }
    }
    Ok(())
}

fn native(name: &str, on_macos: bool) -> String {
    match name.strip_suffix(".so") {
        Some(stem) if on_macos => format!("{stem}.dylib"),
        _ => name.to_owned(),
    }
}
