//! What the tests of programs against `sspcache-win32` share: its headers, and its library as cargo built it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    program::{Ran, root},
    stage::Stage,
};

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

/// A user is signed in as soon as the mock is used.
const SIGNED_IN: &str = "
[[preload]]
package = 'MSN'
user = 'alice'
domain = 'CONTOSO'
password = 'correct horse'
";

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

/// Has `exec`, which `finds` what the program is linked to, judge the documented sign-out in C while a user is signed in: it
/// passes when it flushes, and fails when it flushes the SSP that isn't loaded, which leaves the other's cache as it is.
pub fn exec_judges_sign_out(stage: &Stage, program: &OsStr, finds: impl Fn(&mut Command)) {
    let config = stage.path("signed-in.toml");
    fs::write(&config, SIGNED_IN).unwrap();
    for (ssp, status, said) in
        [("MSNSSPC.dll", 0, "clean: 1 credential was cached"), ("MSAPSSPC.dll", 99, "")]
    {
        let mut exec = stage.exec();
        finds(&mut exec);
        exec.args(["--expect-clean", "--config"]).arg(&config).arg("--");
        let ran = Ran::of(exec.arg(program).args([ssp, "MSNSSPC.dll"])).exits_with(status);
        assert!(ran.stderr.contains(said), "{ssp}: {}", ran.stderr);
    }
}
