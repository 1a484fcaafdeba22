//! Reads each file that ships, and refuses one that some system of its target couldn't load.
//!
//! | what | why |
//! | --- | --- |
//! | machine and format | the linker was told the right target |
//! | libraries that it needs | each is on every such system: none of the compiler's own |
//! | versions of symbols | glibc 2.17 is the oldest that is promised, macOS 11 the oldest macOS |
//! | exports | under their documented names, undecorated; a program exports none |
//! | what a mock imports | nothing that would keep it mapped, or be called when it is gone |
//! | size | every process of a test loads a mock; a job of a CI fetches the program |
//! | signature | macOS on ARM starts no file without one |

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use object::{
    Architecture, BinaryFormat, Endianness, File, Object as _,
    macho::{LC_CODE_SIGNATURE, MachHeader64},
    read::{
        ImportFlags, NameOrOrdinal,
        macho::{LoadCommandVariant, MachOFile},
    },
};

use super::{MOCKS, PROGRAM, SECUR32_EXPORTS};

/// A mock DLL is not larger, in bytes.
const MOCK_LIMIT: usize = 850_000;

/// The program is not larger, with the mock DLLs and the servers inside.
const PROGRAM_LIMIT: usize = 6_000_000;

/// The oldest glibc, which is that of CentOS 7 and of `manylinux2014`.
pub(super) const GLIBC: (u32, u32) = (2, 17);

/// The oldest macOS.
pub(super) const MACOS: &str = "11.0";

/// What each mock exports.
const EXPORTS: [&str; 3] = ["CleanupCredentialCache", "InitSecurityInterfaceA", "InitSecurityInterfaceW"];

/// The end of the name of a static that the standard library keeps for its compiler's own tests. Zig's linker for macOS knows no list of
/// exports, and exports what is kept. No program asks for such a name, which has a hash in it.
const KEPT_ON_MACOS: &str = "9panicking11EMPTY_PANIC";

/// What a mock may not import from glibc, as other systems' C libraries unload nothing: what registers the destructor of a thread-local,
/// for which the C library keeps the DLL mapped or calls into it when it is gone; and a function that takes the file it is for from
/// start-up code that Zig doesn't link.
const NOT_IN_A_MOCK: [&str; 4] =
    ["__cxa_thread_atexit_impl", "pthread_key_create", "__pthread_key_create", "pthread_atfork"];

/// Libraries of every glibc system. A name that ends in a star begins others.
const ON_GLIBC: &[&str] =
    &["libc.so.6", "ld-linux*", "libpthread.so.0", "libdl.so.2", "libm.so.6", "librt.so.1"];

/// musl is one library. Its loader knows it by this name.
const ON_MUSL: &[&str] = &["libc.so"];

/// Libraries of every macOS.
const ON_MACOS: &[&str] =
    &["/usr/lib/libSystem.B.dylib", "/usr/lib/libcharset.1.dylib", "/usr/lib/libiconv.2.dylib"];

/// DLLs of every Windows since Windows 10, and of Wine: `bcryptprimitives.dll`, which Wine 8 lacks, ships.
const ON_WINDOWS: &[&str] = &[
    "advapi32.dll",
    "api-ms-win-core-*",
    "api-ms-win-crt-*",
    "bcrypt.dll",
    "bcryptprimitives.dll",
    "combase.dll",
    "kernel32.dll",
    "ntdll.dll",
    "rpcrt4.dll",
    "secur32.dll",
    "shell32.dll",
    "user32.dll",
    "userenv.dll",
    "ws2_32.dll",
];

/// Checks one file of a target.
pub(super) fn file(name: &str, triple: &str, contents: &[u8]) -> Result<()> {
    check(name, triple, contents).with_context(|| format!("{name} for {triple} can't ship"))
}

fn check(name: &str, triple: &str, contents: &[u8]) -> Result<()> {
    let file = File::parse(contents)?;
    let format = if triple.contains("-windows-") {
        BinaryFormat::Pe
    } else if triple.contains("-apple-") {
        BinaryFormat::MachO
    } else {
        BinaryFormat::Elf
    };
    let machine = match triple.split('-').next() {
        Some("x86_64") => Architecture::X86_64,
        Some("i686") => Architecture::I386,
        Some("aarch64") => Architecture::Aarch64,
        _ => bail!("it isn't known what its files look like"),
    };
    ensure!(
        (file.format(), file.architecture()) == (format, machine),
        "it is a {:?} file for {:?}",
        file.format(),
        file.architecture()
    );
    let is_mock = is_mock(name);
    libraries(&file, triple)?;
    imports(&file, triple, is_mock)?;
    exports(&file, triple, name, is_mock)?;
    size(name, contents.len())?;
    if format == BinaryFormat::MachO { macos(contents, machine) } else { Ok(()) }
}

fn is_mock(name: &str) -> bool {
    MOCKS.iter().any(|(.., mock)| *mock == name)
}

fn is_program(name: &str) -> bool {
    name.split('.').next() == Some(PROGRAM.1)
}

/// How large it is. Nothing is promised of a library that a developer links to.
fn size(name: &str, size: usize) -> Result<()> {
    let limit = if is_mock(name) {
        MOCK_LIMIT
    } else if is_program(name) {
        PROGRAM_LIMIT
    } else {
        return Ok(());
    };
    ensure!(size <= limit, "it has {size} bytes, and should have at most {limit}");
    Ok(())
}

/// The libraries that it needs.
fn libraries(file: &File<'_>, triple: &str) -> Result<()> {
    let known = if triple.contains("-windows-") {
        ON_WINDOWS
    } else if triple.contains("-apple-") {
        ON_MACOS
    } else if triple.ends_with("-musl") {
        ON_MUSL
    } else {
        ON_GLIBC
    };
    for library in file.import_libraries()? {
        let library = String::from_utf8_lossy(library?.name()).into_owned();
        let name = if known == ON_WINDOWS { library.to_ascii_lowercase() } else { library };
        let is_known = known.iter().any(|known| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == *known,
        });
        ensure!(is_known, "it needs {name}, which such a system may lack");
    }
    Ok(())
}

/// What it takes from them.
fn imports(file: &File<'_>, triple: &str, is_mock: bool) -> Result<()> {
    let mut names = BTreeSet::new();
    for import in file.imports()? {
        let import = import?;
        let NameOrOrdinal::Name(name) = import.name() else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        if let ImportFlags::Elf { version: Some(version), .. } = import.flags() {
            let version = String::from_utf8_lossy(version);
            ensure!(is_old(&version), "it imports {name} of {version}, and should need {GLIBC:?} at most");
        }
        names.insert(name);
    }
    if is_mock && !triple.contains("-windows-") {
        ensure!(
            names.iter().any(|name| name.trim_start_matches('_') == "malloc"),
            "it imports {names:?}: is it the mock?"
        );
        let found = NOT_IN_A_MOCK.into_iter().find(|name| names.contains(*name));
        ensure!(
            !triple.ends_with("-gnu") || found.is_none(),
            "it imports {found:?}, so it may not be unloaded"
        );
    }
    Ok(())
}

/// Whether every glibc that is promised has symbols of this version.
fn is_old(version: &str) -> bool {
    let Some(version) = version.strip_prefix("GLIBC_") else { return false };
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(u32::MAX));
    let major_and_minor = (numbers.next().unwrap_or(u32::MAX), numbers.next().unwrap_or(0));
    major_and_minor <= GLIBC
}

/// The names under which others find its functions.
fn exports(file: &File<'_>, triple: &str, name: &str, is_mock: bool) -> Result<()> {
    let on_macos = triple.contains("-apple-");
    let mut names = BTreeSet::new();
    for export in file.exports()? {
        let export = export?;
        let NameOrOrdinal::Name(name) = export.name() else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        // C's names begin with one more on macOS.
        let name = if on_macos { name.strip_prefix('_').map(str::to_owned).unwrap_or(name) } else { name };
        if !(on_macos && name.ends_with(KEPT_ON_MACOS)) {
            names.insert(name);
        }
    }
    let inner =
        names.iter().find(|name| name.contains('@') || name.starts_with("_ZN") || name.starts_with("_R"));
    if is_program(name) {
        let found = names.iter().find(|name| EXPORTS.contains(&name.as_str()));
        ensure!(found.is_none(), "it is a program, and exports {found:?}");
        return Ok(());
    }
    ensure!(inner.is_none(), "it exports {inner:?}, which is no documented name");
    let documented = if name == "secur32.dll" && triple.contains("-windows-") { SECUR32_EXPORTS } else { "" };
    let wanted = if is_mock { &EXPORTS[..] } else { &["sspcache_LoadLibraryA"] };
    let missing = wanted.iter().copied().chain(documented.lines()).find(|name| !names.contains(*name));
    ensure!(missing.is_none(), "it doesn't export {missing:?}");
    ensure!(names.len() < 200, "it exports {} names: the linker had no list", names.len());
    Ok(())
}

/// What macOS wants to know of a file before it loads it.
fn macos(contents: &[u8], machine: Architecture) -> Result<()> {
    let file = MachOFile::<MachHeader64<Endianness>>::parse(contents)?;
    let (mut oldest, mut is_signed) = (None, false);
    let mut commands = file.macho_load_commands()?;
    while let Some(command) = commands.next()? {
        is_signed |= command.cmd() == LC_CODE_SIGNATURE;
        if let LoadCommandVariant::BuildVersion(version, _) = command.variant()? {
            oldest = Some(version.minos.get(file.endian()));
        }
    }
    let oldest = oldest.map(|version| format!("{}.{}", version.0 >> 16, version.0 >> 8 & 0xff));
    ensure!(oldest.as_deref() == Some(MACOS), "it is for macOS {oldest:?}, and should be for {MACOS}");
    // Zig signs no others, and macOS on Intel's processors needs no signature.
    ensure!(is_signed || machine != Architecture::Aarch64, "it has no signature");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_of_the_oldest_glibc_or_older() {
        for version in ["GLIBC_2.2.5", "GLIBC_2.3", "GLIBC_2.17"] {
            assert!(is_old(version), "{version}");
        }
        for version in ["GLIBC_2.18", "GLIBC_2.34", "GLIBC_3.0", "GLIBC_PRIVATE", "GCC_3.0"] {
            assert!(!is_old(version), "{version}");
        }
    }

    #[test]
    fn mocks_and_programs_stay_small() {
        for (name, limit) in
            [("secur32.dll", MOCK_LIMIT), ("sspcache", PROGRAM_LIMIT), ("sspcache.exe", PROGRAM_LIMIT)]
        {
            size(name, limit).unwrap_or_else(|error| panic!("{name}: {error}"));
            let error = size(name, limit + 1).expect_err(name).to_string();
            assert!(error.contains(&limit.to_string()), "{name}: {error}");
        }
        size("libsspcache_win32.so", PROGRAM_LIMIT + 1).expect("no limit");
    }

    /// This test's own program needs whatever the build host has, and exports nothing of a mock.
    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn a_file_of_another_kind_does_not_ship() {
        let program = std::env::current_exe().expect("known");
        let contents = std::fs::read(program).expect("readable");
        for (name, triple, message) in [
            ("MSNSSPC.dll", "x86_64-pc-windows-gnullvm", "is a Elf file"),
            ("MSNSSPC.dll", "aarch64-unknown-linux-gnu", "for X86_64"),
            ("MSNSSPC.dll", "x86_64-unknown-linux-musl", "which such a system may lack"),
        ] {
            let error = file(name, triple, &contents).expect_err("refused");
            assert!(format!("{error:#}").contains(message), "{error:#}");
        }
        assert!(file("MSNSSPC.dll", "x86_64-unknown-linux-gnu", &contents).is_err());
    }
}
