//! What the tests of programs against `sspcache-win32` share: its headers, and its library as cargo built it.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{program::root, stage::Stage};

/// A compiler, and what it is told of the language: the standard, and the language itself.
pub type Compiler = (&'static str, [&'static str; 2]);

/// GCC or what stands for it, and Clang; for C11 and for C++17.
pub const COMPILERS: [Compiler; 4] = [
    ("cc", ["-std=c11", "-xc"]),
    ("c++", ["-std=c++17", "-xc++"]),
    ("clang", ["-std=c11", "-xc"]),
    ("clang++", ["-std=c++17", "-xc++"]),
];

/// The folder of the headers.
pub fn include() -> PathBuf {
    root().join("crates/sspcache-win32/include")
}

/// The folder in which cargo put the library.
pub fn library() -> PathBuf {
    env::current_exe().expect("a test knows its own path").parent().expect("it is in a folder").to_path_buf()
}

/// Compiles a program against the headers and the library.
pub fn compile(
    stage: &Stage,
    (compiler, [standard, language]): Compiler,
    name: &str,
    source: &Path,
    options: &[&str],
) -> OsString {
    let (include, library) = (format!("-I{}", include().display()), format!("-L{}", library().display()));
    let options = [&[standard, &include], options, &[&library, "-lsspcache_win32"]].concat();
    stage.compile_as(compiler, name, language, source, &options)
}

/// Has a command, or what it runs, find the library.
pub fn finds_library(command: &mut Command) -> &mut Command {
    command.env("LD_LIBRARY_PATH", library()).env("DYLD_LIBRARY_PATH", library())
}
