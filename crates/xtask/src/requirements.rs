//! What must be installed on the machine itself, why, and by which command on which system.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::workspace::find_program;

/// A program that the tests call, or a library that they link.
#[derive(Debug)]
pub(crate) struct Requirement {
    /// What is looked for on `PATH`; a shared library by its file's name, where the C compiler looks.
    program: &'static str,
    /// What for.
    reason: &'static str,
    /// Whether it is needed with `--without-wine` too.
    always: bool,
    /// The packages that bring it to Debian and Ubuntu.
    pub(crate) debian: &'static [&'static str],
    /// The formula that brings it to macOS.
    homebrew: &'static str,
}

const ON_UNIX: &[Requirement] = &[
    Requirement {
        program: "cc",
        reason: "links Rust programs and compiles the tests' C programs",
        always: true,
        debian: &["gcc", "libc6-dev"],
        homebrew: "gcc",
    },
    Requirement {
        program: "c++",
        reason: "compiles the tests' C++ programs",
        always: true,
        debian: &["g++"],
        homebrew: "gcc",
    },
    Requirement {
        program: "clang++",
        reason: "compiles them too: headers are read alike by both compilers",
        always: true,
        debian: &["clang"],
        homebrew: "llvm",
    },
    Requirement {
        program: "cmake",
        reason: "builds C programs with what ships",
        always: true,
        debian: &["cmake", "make"],
        homebrew: "cmake",
    },
    Requirement {
        program: "pkg-config",
        reason: "tells them where that lies",
        always: true,
        debian: &["pkg-config"],
        homebrew: "pkgconf",
    },
    Requirement {
        program: "python3",
        reason: "brings the tools from PyPI and runs the tests' Python programs",
        always: true,
        debian: &["python3", "python3-venv"],
        homebrew: "python",
    },
    Requirement {
        program: "wine",
        reason: "runs the Windows tests",
        always: false,
        debian: &["wine", "wine64"],
        homebrew: "--cask wine-stable",
    },
    Requirement {
        program: "wineserver",
        reason: "tells when the Wine prefix is complete",
        always: false,
        debian: &["wine", "wine64"],
        homebrew: "--cask wine-stable",
    },
    Requirement {
        program: "x86_64-w64-mingw32-gcc",
        reason: "links the Windows tests",
        always: false,
        debian: &["gcc-mingw-w64-x86-64", "mingw-w64-x86-64-dev"],
        homebrew: "mingw-w64",
    },
    Requirement {
        program: "x86_64-w64-mingw32-g++",
        reason: "compiles C++ as Windows programs",
        always: false,
        debian: &["g++-mingw-w64-x86-64"],
        homebrew: "mingw-w64",
    },
    Requirement {
        program: "i686-w64-mingw32-gcc",
        reason: "links the 32-bit Windows DLLs",
        always: false,
        debian: &["gcc-mingw-w64-i686"],
        homebrew: "mingw-w64",
    },
];

/// What few systems have but Linux.
const ON_LINUX: &[Requirement] = &[
    Requirement {
        program: "gdb",
        reason: "makes a core dump, in which secrets are looked for",
        always: true,
        debian: &["gdb"],
        homebrew: "",
    },
    Requirement {
        program: "valgrind",
        reason: "tells whether the mock DLLs give back all memory",
        always: true,
        debian: &["valgrind", "libc6-dbg"],
        homebrew: "",
    },
    Requirement {
        program: "libwinpr2.so",
        reason: "is linked beside libsspcache_win32",
        always: true,
        debian: &["libwinpr2-dev"],
        homebrew: "",
    },
];

const ON_WINDOWS: &[Requirement] = &[Requirement {
    program: "python",
    reason: "brings the tools from PyPI and runs the tests' Python programs",
    always: true,
    debian: &[],
    homebrew: "",
}];

/// What this machine lacks.
pub(crate) fn missing(with_wine: bool) -> Vec<&'static Requirement> {
    let all = if cfg!(windows) { ON_WINDOWS } else { ON_UNIX };
    let linux = if cfg!(target_os = "linux") { ON_LINUX } else { &[] };
    lacking(all.iter().chain(linux), with_wine, |name| find_program(name).is_some() || has_library(name))
}

/// Whether the C compiler finds a shared library of this file name: of one that it doesn't find it repeats the name.
fn has_library(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "so")
        && Command::new("cc")
            .arg(format!("-print-file-name={name}"))
            .output()
            .is_ok_and(|output| output.stdout.starts_with(b"/"))
}

fn lacking(
    all: impl Iterator<Item = &'static Requirement>,
    with_wine: bool,
    is_there: impl Fn(&str) -> bool,
) -> Vec<&'static Requirement> {
    all.filter(|r| (with_wine || r.always) && !is_there(r.program)).collect()
}

/// The Debian packages for `missing`, each named once.
pub(crate) fn debian_packages(missing: &[&Requirement]) -> Vec<&'static str> {
    let mut packages: Vec<_> = missing.iter().flat_map(|r| r.debian).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// What a person has to do, where this program can't: one paragraph, ready to print.
pub(crate) fn instructions(missing: &[&Requirement]) -> String {
    let mut text = String::from("these programs or libraries are missing:\n");
    for requirement in missing {
        let _ = writeln!(text, "  {:<24}{}", requirement.program, requirement.reason);
    }
    if cfg!(windows) {
        text += "Install Python 3 with its launcher on PATH:\n  winget install Python.Python.3.12";
    } else if cfg!(target_os = "macos") {
        text += "Install them with Homebrew:";
        let mut formulae: Vec<_> = missing.iter().map(|r| r.homebrew).collect();
        formulae.sort_unstable();
        formulae.dedup();
        for formula in formulae {
            let _ = write!(text, "\n  brew install {formula}");
        }
    } else {
        let packages = debian_packages(missing).join(" ");
        let _ = write!(
            text,
            "On Debian or Ubuntu:\n  sudo apt-get update && sudo apt-get install --yes {packages}\n\
             Elsewhere, install what your system calls these packages."
        );
    }
    text + "\nThen run `cargo xtask setup` again."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_wine_nothing_of_wine_or_mingw_is_asked_for() {
        let names: Vec<_> = lacking(ON_UNIX.iter(), false, |_| false).iter().map(|r| r.program).collect();
        assert_eq!(names, ["cc", "c++", "clang++", "cmake", "pkg-config", "python3"]);
    }

    #[test]
    fn what_is_there_is_not_asked_for_again() {
        let names: Vec<_> = lacking(ON_UNIX.iter(), true, |program| program.starts_with("wine"))
            .iter()
            .map(|r| r.program)
            .collect();
        assert_eq!(
            names,
            [
                "cc",
                "c++",
                "clang++",
                "cmake",
                "pkg-config",
                "python3",
                "x86_64-w64-mingw32-gcc",
                "x86_64-w64-mingw32-g++",
                "i686-w64-mingw32-gcc"
            ]
        );
    }

    #[test]
    fn a_package_that_brings_two_programs_is_named_once() {
        let missing = lacking(ON_UNIX.iter(), true, |program| !program.starts_with("wine"));
        assert_eq!(missing.len(), 2);
        assert_eq!(debian_packages(&missing), ["wine", "wine64"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_is_where_the_c_compiler_looks() {
        assert!(has_library("libc.so"));
        assert!(!has_library("libnowhere.so"));
        assert!(!has_library("crt1.o"), "no shared library");
    }

    #[test]
    fn the_instructions_name_every_missing_program_with_its_reason() {
        let missing = lacking(ON_UNIX.iter(), true, |_| false);
        let text = instructions(&missing);
        for requirement in missing {
            assert!(text.contains(requirement.program) && text.contains(requirement.reason), "{text}");
        }
    }
}
