//! The mock DLL under a sanitizer, driven from C: what it does to a program's memory is seen, whoever the program is.
//!
//! The program has the sanitizer's runtime of the Rust toolchain, and exports it to what it loads. It is instrumented itself, by
//! Clang, which calls that runtime by the same names.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xshell::cmd;

use crate::workspace::Workspace;

/// A sanitizer, as Clang and the Rust toolchain call it.
#[derive(Clone, Copy)]
pub(crate) struct Sanitizer {
    /// In the flag of compilers.
    pub(crate) name: &'static str,
    /// In the name of its runtime.
    pub(crate) library: &'static str,
    /// What the program does in order to be found out, as a value of `MISUSE`, and what is said then.
    misuse: (&'static str, &'static str),
}

/// What is misread, written past, freed twice or never.
pub(crate) const ADDRESS: Sanitizer =
    Sanitizer { name: "address", library: "asan", misuse: ("WITHOUT_END", "heap-buffer-overflow") };

/// What threads do to one place at once.
pub(crate) const THREAD: Sanitizer =
    Sanitizer { name: "thread", library: "tsan", misuse: ("SHARED", "data race") };

/// How often each thread signs in.
const ROUNDS: &str = "100";

/// Runs tests under a sanitizer, and returns the folder of the libraries that they were built with.
///
/// The stable toolchain has the runtimes, but takes the switch with a variable alone.
pub(crate) fn test(
    workspace: &Workspace,
    sanitizer: Sanitizer,
    tests: &str,
    flags: &str,
    environment: &[(&str, &str)],
) -> Result<PathBuf> {
    ensure!(cfg!(target_os = "linux"), "this step runs on Linux alone");
    let host = workspace.host()?;
    runtime(workspace, sanitizer)?;
    let target = workspace.target.join(sanitizer.name);
    // The locks and channels of a standard library without it would be none to the thread sanitizer.
    let own_std = (sanitizer.name == "thread").then_some("-Zbuild-std=std,panic_unwind");
    workspace
        .cargo(tests)
        .args(own_std)
        .args(["--target", &host, "--target-dir"])
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", format!("-Zsanitizer={} {flags}", sanitizer.name))
        .env(format!("{}_OPTIONS", sanitizer.library.to_uppercase()), options(workspace, sanitizer))
        .envs(environment.iter().copied())
        .run()?;
    Ok(target.join(host).join("debug/deps"))
}

/// What the thread sanitizer is told not to report.
fn options(workspace: &Workspace, sanitizer: Sanitizer) -> String {
    let suppressions = workspace.root.join("crates/xtask/thread-sanitizer.txt");
    if sanitizer.name == "thread" {
        format!("suppressions='{}'", suppressions.display())
    } else {
        String::new()
    }
}

/// The runtime of the Rust toolchain. Where there is none, the linker's message names a file and not where to get it.
fn runtime(workspace: &Workspace, sanitizer: Sanitizer) -> Result<PathBuf> {
    let folder = workspace.sysroot()?.join("lib/rustlib").join(workspace.host()?).join("lib");
    let ending = format!("_rt.{}.a", sanitizer.library);
    let files = workspace.shell.read_dir(&folder)?;
    files.into_iter().find(|file| file.to_string_lossy().ends_with(&ending)).with_context(|| {
        let name = sanitizer.name;
        format!("there is no {name} sanitizer in {}; a toolchain of rustup has it", folder.display())
    })
}

/// Builds the programs and runs them with the mock DLL and the library of `sspcache-win32` in this folder of cargo's.
pub(crate) fn run_clients(workspace: &Workspace, sanitizer: Sanitizer, built: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.target.join("xtask/sanitized").join(sanitizer.name);
    shell.remove_path(&folder)?;
    shell.create_dir(&folder)?;
    shell.copy_file(built.join("libMSNSSPC.so"), folder.join("MSNSSPC.dll"))?;
    shell.copy_file(built.join("libsspcache_win32.so"), &folder)?;

    let clients = workspace.root.join("fixtures/clients");
    let config = clients.join("both_ends.toml");
    let start = |program: &PathBuf, arguments: &[&str]| {
        cmd!(shell, "{program} {arguments...}")
            .env("LD_LIBRARY_PATH", &folder)
            .env("SSPCACHE_CONFIG", &config)
            .env(format!("{}_OPTIONS", sanitizer.library.to_uppercase()), options(workspace, sanitizer))
            .quiet()
    };

    let expected = shell.read_file(clients.join("both_ends.txt"))?;
    for form in ["UNICODE", "ANSI"] {
        let program = compile(workspace, sanitizer, &folder, "both_ends", &["LINKED", form])?;
        for from in ["table", "exports", "linked-table", "linked"] {
            let said = start(&program, &["MSNSSPC.dll", from, "NTLM"]).read();
            let said = said.with_context(|| format!("both_ends, {form}, {from}"))?;
            ensure!(said.trim_end() == expected.trim_end(), "both_ends, {form}, {from}, says:\n{said}");
        }
    }
    let threads = compile(workspace, sanitizer, &folder, "threads", &["MISUSE=0"])?;
    let said = start(&threads, &["MSNSSPC.dll", ROUNDS]).read().context("threads")?;
    ensure!(said == "done", "threads says {said:?}");

    // What sees nothing finds nothing.
    let (misuse, finding) = sanitizer.misuse;
    let misused = compile(workspace, sanitizer, &folder, "threads", &[&format!("MISUSE={misuse}")])?;
    let output = start(&misused, &["MSNSSPC.dll", ROUNDS]).ignore_status().output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains(finding) && said.contains("sspcache_dll::"),
        "the {} sanitizer does not see {misuse} in the mock DLL:\n{said}",
        sanitizer.name
    );
    println!(
        "C programs with the {} sanitizer: 9 runs without a finding, and it sees {misuse}",
        sanitizer.name
    );
    Ok(())
}

/// Compiles a program of `fixtures/clients` with the sanitizer, and links it with the toolchain's runtime.
fn compile(
    workspace: &Workspace,
    sanitizer: Sanitizer,
    folder: &Path,
    source: &str,
    defined: &[&str],
) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let runtime = runtime(workspace, sanitizer)?;
    let program = folder.join(format!("{source}-{}", defined.join("-")));
    let source = workspace.root.join("fixtures/clients").join(format!("{source}.c"));
    let include = workspace.root.join("crates/sspcache-win32/include");
    let instrument = format!("-fsanitize={}", sanitizer.name);
    let macros = defined.iter().map(|name| format!("-D{name}"));
    let object = program.with_extension("o");
    cmd!(shell, "clang -std=gnu11 -g -Wall -Wextra -Werror {instrument} {macros...} -I{include} -c {source} -o {object}")
        .quiet()
        .run()?;
    // Without the flag: Clang would add its own runtime.
    let whole = ["-Wl,--whole-archive".as_ref(), runtime.as_os_str(), "-Wl,--no-whole-archive".as_ref()];
    cmd!(
        shell,
        "clang {object} -o {program} -rdynamic {whole...} -L{folder} -lsspcache_win32 -lpthread -lm -ldl"
    )
    .quiet()
    .run()?;
    Ok(program)
}
