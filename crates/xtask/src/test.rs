//! `cargo xtask test`: the checks of this project, one step each, two at a time, with a table at the end.
//!
//! It installs nothing: what the steps need is checked first, and what is missing is printed. Only the steps that were excluded
//! are missing from the table.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use xshell::cmd;

use crate::setup::{self, Need};
use crate::workspace::Workspace;
use crate::{Arguments, clients, dist, other_wines, packages, platforms, wine, zig};

/// One check.
struct Step {
    name: &'static str,
    about: &'static str,
    when: When,
    needs: &'static [Need],
    run: Run,
}

/// Which run a step belongs to. Each runs alone when it is named.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// `cargo xtask test`.
    Default,
    /// `cargo xtask test --ci`, on each change.
    Ci,
    /// `cargo xtask test --scheduled`, once a week, and why not on each change.
    Scheduled(&'static str),
}

enum Run {
    /// Each is one of cargo, with variables of the environment in front.
    Commands(&'static [&'static str]),
    Function(fn(&Workspace) -> Result<()>),
}

use Run::{Commands, Function};
use When::{Ci, Default, Scheduled};

/// Where the Rust toolchain has sanitizers, and the linker exports their runtime to what a program loads.
const ON_LINUX: When = if cfg!(target_os = "linux") { Default } else { Scheduled("runs on Linux alone") };

/// Tells the tests, in their environment, that Wine is left out on purpose.
const WITHOUT_WINE: &str = "SSPCACHE_TEST_WITHOUT_WINE";
/// The steps that need it.
const ONLY_WITH_WINE: [&str; 7] = [
    "wine",
    "windows-32",
    "platform-windows-32",
    "clients",
    "clients-winbind",
    "clients-wine-10",
    "clients-hundred",
];

/// How long a step may take with `--ci`: several times what the longest one needs. A step that hangs fails, and the others are seen.
const LIMIT: Duration = Duration::from_mins(40);

const RUST: &[Need] = &[Need::Rust];
const TOOLS: &[Need] = &[Need::Rust, Need::Tools];
const TESTS: &[Need] = &[Need::Programs, Need::Wine, Need::Rust, Need::Tools, Need::Heimdal];
const CLIENTS: &[Need] = &[Need::Programs, Need::Wine, Need::Rust, Need::Tools, Need::Clients];
const CLIENTS_WITH_WINBIND: &[Need] = &[Need::Wine, Need::Rust, Need::Tools, Need::Clients, Need::Winbind];
const CLIENTS_ON_WINE_10: &[Need] = &[Need::Wine, Need::Rust, Need::Tools, Need::Clients, Need::Wine10];
const PLATFORMS: &[Need] = &[Need::Rust, Need::Tools, Need::Platforms];
const PLATFORM_WINDOWS_32: &[Need] = &[Need::Wine, Need::Rust, Need::Tools, Need::Wine10];
const TOOLCHAINS: &[Need] = &[Need::Rust, Need::Toolchains];

/// In the order in which they start. Two run at a time, and what uses Wine's prefix waits for what else does: `native`, `wine`, `clients`
/// and the end of `dist` are apart from each other.
#[rustfmt::skip]
const STEPS: &[Step] = &[
    step("native", Default, TESTS, Function(native), "all tests and documentation examples"),
    step("dist", Ci, TESTS, Function(distribution_and_packages), "what ships is small, unloads, loads without end, and links to C programs; its packages install"),
    step("format", Default, RUST, Commands(&["fmt --all --check", "fmt --manifest-path fuzz/Cargo.toml --check", "fmt --manifest-path benches/Cargo.toml --check"]), "rustfmt finds nothing to change"),
    step("lint", ON_LINUX, TOOLS, Function(packages::lint), "linters find nothing in workflows, action and container, and mypy in the Python package"),
    step("deny", Default, TOOLS, Commands(&[
        "deny --locked --config deny.toml check bans licenses sources",
        "deny --locked --config deny.toml --manifest-path fuzz/Cargo.toml check bans licenses sources",
        "deny --locked --config deny-mock-dlls.toml --exclude-dev --manifest-path crates/sspcache-msnsspc/Cargo.toml check bans",
        "deny --locked --config deny-mock-dlls.toml --exclude-dev --manifest-path crates/sspcache-msapsspc/Cargo.toml check bans",
        "deny --locked --config deny-mock-dlls.toml --exclude-dev --manifest-path crates/sspcache-secur32/Cargo.toml check bans",
    ]), "licenses, sources and duplicates of dependencies"),
    step("clippy", Default, RUST, Commands(&[
        "clippy --workspace --all-targets --all-features -- -D warnings",
        "clippy --workspace --all-targets --target x86_64-pc-windows-gnu -- -D warnings",
    ]), "clippy has no warnings: natively with all features, for Windows without"),
    step("miri", Ci, TOOLCHAINS, Function(|it| miri(it, MIRI)), "no undefined behaviour, by Miri"),
    step("sanitizer", ON_LINUX, TESTS, Function(sanitizer), "the mock DLLs under the address sanitizer"),
    step("threads", ON_LINUX, TESTS, Function(threads), "what many threads do at once, under the thread sanitizer"),
    step("wine", Default, TESTS, Function(wine), "all tests again, as Windows programs"),
    // Features change what a crate is, so each is tested in a build of its own. The model checker replaces the locks: only its own
    // tests can run.
    step("features", Default, TESTS, Commands(&[
        "test --package sspcache --all-features",
        "test --no-fail-fast --test model --features sspcache-engine/shuttle,sspcache-loader/shuttle,sspcache-mock/shuttle \
            --package sspcache-engine --package sspcache-loader --package sspcache-mock",
    ]), "the tests of optional features, with the model checker"),
    // The program with its servers, which the other steps build without.
    step("serve", Default, TESTS, Commands(&[
        "test --workspace --features sspcache-cli/serve --test clients -- --include-ignored served::",
    ]), "clients sign in to the program's servers"),
    step("clients", Ci, CLIENTS, Function(all_clients), "programs of other projects sign in, Windows programs and native ones"),
    // What nothing here can run, but nothing should break either: macOS with its tests, and of MSVC what ships.
    step("cross", Ci, TOOLS, Function(cross), "macOS and MSVC compile without warnings"),
    step("windows-32", Default, TESTS, Function(windows_32), "the 32-bit DLLs link and export the documented names"),
    step("docs", Default, RUST, Commands(&["RUSTDOCFLAGS=-Dwarnings doc --workspace --no-deps --all-features"]), "the reference builds without warnings"),
    step("msrv", Ci, TOOLCHAINS, Function(msrv), "the libraries compile with the oldest Rust that they promise"),
    step("fuzz", Scheduled("builds everything once more, instrumented"), TESTS, Function(fuzz), "each fuzz target runs over its corpus and for ten seconds"),
    step("miri-all", Scheduled("takes four times as long as `miri`"), TOOLCHAINS, Function(|it| miri(it, MIRI_SAFE)), "as `miri`, in the safe crates, contexts and accounts"),
    step("dist-all", Scheduled("builds the standard library once more"), TESTS, Function(whole_distribution), "as `dist`, with the DLLs for 32-bit programs, and 100,000 loads"),
    step("platform-glibc", Scheduled("makes a Debian 11, as root"), PLATFORMS, Function(platforms::glibc), "what ships runs with the glibc of Debian 11"),
    step("platform-musl", Scheduled("builds for one more target"), PLATFORMS, Function(platforms::musl), "what ships runs with musl"),
    step("platform-arm", Scheduled("builds for one more target"), PLATFORMS, Function(platforms::arm), "what ships runs on ARM, under QEMU"),
    step("platform-musl-arm", Scheduled("builds for one more target"), PLATFORMS, Function(platforms::musl_arm), "what ships runs with musl on ARM, under QEMU"),
    step("platform-windows-32", Scheduled("makes a Debian with Wine 10, as root"), PLATFORM_WINDOWS_32, Function(platforms::windows_32), "32-bit Windows programs sign in and out, under Wine 10"),
    step("platforms", Scheduled("builds for nine targets"), TOOLS, Function(dist::all), "what ships for each target can be loaded there, as its files say"),
    step("packages", Scheduled("`dist` has the quick part of it"), TESTS, Function(packages), "each package installs from its file, and runs a client"),
    step("clients-winbind", Scheduled("fetches Samba"), CLIENTS_WITH_WINBIND, Function(clients_with_winbind), "the same clients where Wine has an NTLM of its own"),
    step("clients-wine-10", Scheduled("makes a Debian with Wine 10, as root"), CLIENTS_ON_WINE_10, Function(clients_on_wine_10), "the same clients under Wine 10"),
    step("clients-hundred", Scheduled("starts Wine a thousand times"), CLIENTS, Function(clients_a_hundred_times), "the same clients, a hundred runs each"),
    step("stress", Scheduled("takes a minute a test"), TESTS, Function(stress), "32 threads for a minute each test, under the thread sanitizer"),
    step("cases", Scheduled("takes many minutes"), RUST, Commands(&[
        "SSPCACHE_TEST_CASES=1000000 test --package sspcache-engine --test credentials plain_model",
        "SSPCACHE_TEST_CASES=100000 test --package sspcache-tests --test dll any_order",
        "SSPCACHE_TEST_CASES=10000 test --package sspcache-loader --test modules plain_model",
        // One of these tests watches an example, which is built by itself where a test is named.
        "build --package sspcache-cli --example residue",
        "SSPCACHE_TEST_CASES=100000 test --package sspcache-cli --test residue nothing_is_left",
    ]), "a hundred times as many cases of each property"),
    step("reproducible", Scheduled("builds everything twice"), TESTS, Function(reproducible), "what ships comes out the same elsewhere"),
    step("bench", Scheduled("builds peers, and measures nothing"), TESTS, Commands(&[
        "bench --manifest-path benches/Cargo.toml --profile dev --bench * -- --quick",
    ]), "each benchmark runs once"),
    step("clippy-apart", Scheduled("checks all dependencies once more"), RUST, Commands(&[
        "clippy --manifest-path fuzz/Cargo.toml --all-targets --locked -- -D warnings",
        "clippy --manifest-path benches/Cargo.toml --all-targets --locked -- -D warnings",
    ]), "clippy has no warnings about fuzz targets and benchmarks"),
    step("advisories", Scheduled("needs a git host; advisories come without a change"), TOOLS, Commands(&[
        "deny --locked --config deny.toml check advisories",
        "deny --locked --config deny.toml --manifest-path fuzz/Cargo.toml check advisories",
        "deny --locked --config deny.toml --manifest-path benches/Cargo.toml check advisories",
    ]), "known vulnerabilities of dependencies"),
    // Everything of a publication but the upload: a dependency without a version, or a missing file shows here.
    step("package", Scheduled("asks the registry, and builds each package again"), RUST, Commands(&[
        "publish --dry-run --workspace --locked --allow-dirty",
    ]), "what is published is whole, and builds"),
];

const fn step(name: &'static str, when: When, needs: &'static [Need], run: Run, about: &'static str) -> Step {
    Step { name, about, when, needs, run }
}

impl Step {
    fn run(&self, workspace: &Workspace) -> Result<()> {
        match self.run {
            Function(run) => run(workspace),
            Commands(commands) => commands.iter().try_for_each(|command| cargo(workspace, command)),
        }
    }
}

/// Runs a command of cargo, with variables of the environment in front.
fn cargo(workspace: &Workspace, command: &str) -> Result<()> {
    let is_variable = |word: &str| word.split_once('=').is_some_and(|(name, _)| !name.starts_with('-'));
    let variables = command.split_whitespace().take_while(|word| is_variable(word));
    let variables: Vec<_> = variables.filter_map(|word| word.split_once('=')).collect();
    let arguments = command.split_whitespace().skip(variables.len()).collect::<Vec<_>>().join(" ");
    Ok(workspace.cargo(&arguments).envs(variables).run()?)
}

pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    if arguments.has("list") {
        for Step { name, about, when, .. } in STEPS {
            let note = match when {
                Default => String::new(),
                Ci => " [--ci]".to_owned(),
                Scheduled(reason) => format!(" [--scheduled: {reason}]"),
            };
            println!("{name:<16}{about}{note}");
        }
        return Ok(());
    }
    let without_wine = cfg!(windows) || arguments.has("without-wine");
    let steps = select(arguments, without_wine)?;
    if without_wine {
        workspace.shell.set_var(WITHOUT_WINE, "1");
    }
    // Started by another run, which has checked the machine and prints the table.
    if arguments.has("bare") {
        return steps.iter().try_for_each(|step| step.run(workspace));
    }
    let mut needs: Vec<_> = steps.iter().flat_map(|step| step.needs).copied().collect();
    needs.retain(|need| !without_wine || !need.is_for_wine());
    needs.sort_unstable();
    needs.dedup();
    setup::require(workspace, &needs)?;
    if let [step] = &steps[..] {
        return step.run(workspace);
    }
    let limit = if arguments.has("ci") { LIMIT } else { Duration::MAX };
    summarize(&two_at_a_time(workspace, &steps, without_wine, limit)?)
}

fn select(arguments: &Arguments, without_wine: bool) -> Result<Vec<&'static Step>> {
    let is_left_out = |step: &Step| without_wine && ONLY_WITH_WINE.contains(&step.name);
    if arguments.names.is_empty() {
        let is_chosen = |step: &&Step| match step.when {
            Default => !arguments.has("scheduled"),
            Ci => arguments.has("ci"),
            Scheduled(_) => arguments.has("scheduled"),
        };
        return Ok(STEPS.iter().filter(is_chosen).filter(|step| !is_left_out(step)).collect());
    }
    let find = |name: &String| match STEPS.iter().find(|step| step.name == name) {
        Some(step) if is_left_out(step) => bail!("the step `{name}` needs Wine, which is excluded"),
        Some(step) => Ok(step),
        None => bail!("there is no step `{name}`; `cargo xtask test --list` prints them"),
    };
    arguments.names.iter().map(find).collect()
}

struct Outcome {
    step: &'static Step,
    time: Duration,
    passed: bool,
}

impl Outcome {
    fn line(&self) -> String {
        let outcome = if self.passed { "passed" } else { "FAILED" };
        format!("{:<16}{outcome:<8}{:>6} s", self.step.name, self.time.as_secs())
    }
}

/// Runs steps, two at a time: cargo builds with all cores, and many tests run on one. The output of each is printed at its end.
fn two_at_a_time(
    workspace: &Workspace,
    steps: &[&'static Step],
    without_wine: bool,
    limit: Duration,
) -> Result<Vec<Outcome>> {
    let logs = workspace.target.join("xtask/logs");
    fs::create_dir_all(&logs)?;
    let program = &workspace.program;
    let waiting = Mutex::new(steps.iter());
    let outcomes = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let Some(step) = waiting.lock().expect("no thread panics").next() else { return Ok(()) };
            println!("=== {} starts: {}", step.name, step.about);
            let log = logs.join(step.name).with_extension("log");
            let output = File::create(&log).with_context(|| format!("can't create {}", log.display()))?;
            let start = Instant::now();
            let mut command = Command::new(program);
            command.args(["test", "--bare", step.name]).args(without_wine.then_some("--without-wine"));
            let mut step_run = command.stdout(output.try_clone()?).stderr(output.try_clone()?).spawn()?;
            let ended = wait(&mut step_run, limit)?;
            if ended.is_none() {
                writeln!(&output, "the step did not end within {} minutes", limit.as_secs() / 60)?;
            }
            let passed = ended.is_some_and(|status| status.success());
            let outcome = Outcome { step, time: start.elapsed(), passed };
            let mut outcomes = outcomes.lock().expect("no thread panics");
            println!("\n{}\n=== {}", String::from_utf8_lossy(&fs::read(&log)?), outcome.line());
            outcomes.push(outcome);
        }
    };
    thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    Ok(outcomes.into_inner().expect("no thread panics"))
}

/// Waits for a process; `None`, and the process is killed, when the time is over.
fn wait(process: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(100));
    }
    process.kill()?;
    process.wait()?;
    Ok(None)
}

fn summarize(outcomes: &[Outcome]) -> Result<()> {
    println!();
    for outcome in outcomes {
        println!("{}", outcome.line());
    }
    let failed: Vec<_> = outcomes.iter().filter(|it| !it.passed).map(|it| it.step.name).collect();
    println!("steps: {} passed, {} failed", outcomes.len() - failed.len(), failed.len());
    let [names, arguments] = [", ", " "].map(|between| failed.join(between));
    ensure!(failed.is_empty(), "failed: {names}; `cargo xtask test {arguments}` repeats them");
    Ok(())
}

fn native(workspace: &Workspace) -> Result<()> {
    let tests = "test --workspace --no-fail-fast";
    workspace.cargo(tests).arg("--no-run").run()?;
    let _lock = wine::lock(workspace)?;
    all_tests(workspace, tests)
}

fn wine(workspace: &Workspace) -> Result<()> {
    let tests = "test --workspace --no-fail-fast --target x86_64-pc-windows-gnu";
    workspace.cargo(tests).arg("--no-run").run()?;
    let _lock = wine::lock(workspace)?;
    let _server = wine::keep_server(workspace)?;
    all_tests(workspace, tests)
}

/// What needs more than Rust and a C compiler is ignored unless it is asked for. Tests of what ships belong to `dist`, those of
/// fetched clients to `clients`, and those of Wine's own NTLM to `clients-winbind`; a test in a module `child` is run by another test.
fn all_tests(workspace: &Workspace, command: &str) -> Result<()> {
    cargo(
        workspace,
        &format!(
            "{command} -- --include-ignored --skip shipped:: --skip fetched:: --skip ::winbind:: --skip ::child::"
        ),
    )
}

/// Clients of other projects: Windows programs, and those of this system.
fn all_clients(workspace: &Workspace) -> Result<()> {
    windows_clients(workspace)?;
    cargo(workspace, "test --workspace --test clients -- --include-ignored native:: sspilib:: freerdp::")
}

fn windows_clients(workspace: &Workspace) -> Result<()> {
    let _lock = build_clients(workspace)?;
    cargo(workspace, &format!("{CLIENT_TESTS} -- --include-ignored"))
}

fn clients_a_hundred_times(workspace: &Workspace) -> Result<()> {
    workspace.shell.set_var("SSPCACHE_TEST_CLIENT_RUNS", "100");
    windows_clients(workspace)
}

fn clients_with_winbind(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let mut path = other_wines::winbind(workspace).into_os_string();
    path.push(":");
    path.push(shell.var_os("PATH").unwrap_or_default());
    shell.set_var("PATH", path);
    other_wines::check_wines_own_ntlm(workspace)?;
    cargo(workspace, "test --package sspcache-cli --test exec -- --include-ignored record::winbind::")?;
    windows_clients(workspace)
}

fn clients_on_wine_10(workspace: &Workspace) -> Result<()> {
    let _lock = build_clients(workspace)?;
    other_wines::cargo_in_wine_10(workspace, &format!("{CLIENT_TESTS} -- --include-ignored"))
}

/// The program as it is built by default, and with its servers. Of their TLS some is C, which Zig compiles.
fn cross(workspace: &Workspace) -> Result<()> {
    let mac = "aarch64-apple-darwin";
    let msvc = ["x86_64-pc-windows-msvc", "i686-pc-windows-msvc"];
    let strict = ["--", "-D", "warnings"];
    for check in ["clippy --workspace", "clippy --workspace --features sspcache-cli/serve"] {
        zig::build(workspace, check)?.args(["--all-targets", "--target", mac]).args(strict).run()?;
        for triple in msvc {
            let check = workspace.cargo(check).args(["--target", triple]).args(strict);
            zig::compile_with(workspace, triple, check)?.run()?;
        }
    }
    Ok(())
}

/// With the program's own server, which some of them sign in to as well. Of the whole workspace, whose dependencies the step `native` has
/// built with the same features.
const CLIENT_TESTS: &str = "test --workspace --features sspcache-cli/serve --test real";

/// Builds the clients that are crates as Windows programs, the tests, and the server of PostgreSQL's protocol. Then no other step uses
/// Wine's prefix.
fn build_clients(workspace: &Workspace) -> Result<File> {
    let build = format!("build --locked --manifest-path {} --target {}", clients::CRATES, clients::TARGET);
    workspace.cargo(&build).arg("--target-dir").arg(workspace.target.join("clients")).run()?;
    workspace.cargo(CLIENT_TESTS).arg("--no-run").run()?;
    cargo(workspace, "build --workspace --example postgresql")?;
    wine::lock(workspace)
}

/// What is misread, written past, freed twice or never, by the mock DLLs or by who calls them.
fn sanitizer(workspace: &Workspace) -> Result<()> {
    // What a test loads finds the runtime in the program that loads it, which has to export it.
    let flags = "-Zsanitizer=address -Clink-arg=-rdynamic";
    sanitized(workspace, "address", flags, "test --package sspcache-tests --test dll --no-fail-fast")?;
    sanitized_clients(workspace, "address", "asan")
}

/// The locks and channels of a standard library without the sanitizer would be none to it, so that it is built, too.
const THREADS: &str = "test -Zbuild-std=std,panic_unwind --no-fail-fast";

/// The tests in which many threads share the mock or the loader.
const SHARED: &str = "--package sspcache-dll --package sspcache-win32 --test threads";

/// What many threads do at once.
fn threads(workspace: &Workspace) -> Result<()> {
    sanitized(workspace, "thread", "-Zsanitizer=thread", &format!("{THREADS} {SHARED}"))?;
    sanitized_clients(workspace, "thread", "tsan")
}

/// The same, a minute each and with 32 threads, and the engine's own tests.
fn stress(workspace: &Workspace) -> Result<()> {
    workspace.shell.set_var("SSPCACHE_TEST_STRESS", "60");
    for tests in [
        SHARED,
        "--package sspcache-engine --test contexts messages::",
        "--package sspcache-engine --test credentials signing_in::",
    ] {
        sanitized(workspace, "thread", "-Zsanitizer=thread", &format!("{THREADS} {tests}"))?;
    }
    Ok(())
}

/// Runs tests under a sanitizer. The stable toolchain has the runtimes, but takes the switches with a variable alone.
fn sanitized(workspace: &Workspace, name: &str, flags: &str, tests: &str) -> Result<()> {
    let suppressions = workspace.root.join("crates/xtask/thread-sanitizer.txt");
    workspace.shell.set_var("TSAN_OPTIONS", format!("suppressions='{}'", suppressions.display()));
    let tests = workspace.cargo(tests).args(["--target", &workspace.host()?, "--target-dir"]);
    let tests = tests.arg(workspace.target.join(name)).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", flags);
    tests.run().context("where the runtime is missing: rustup's toolchains for Linux have the sanitizers")
}

/// Runs C programs with the libraries that those tests were built with.
fn sanitized_clients(workspace: &Workspace, name: &str, library: &str) -> Result<()> {
    let (shell, host) = (&workspace.shell, workspace.host()?);
    let runtimes = shell.read_dir(workspace.sysroot()?.join("lib/rustlib").join(&host).join("lib"))?;
    let runtime = runtimes.iter().find(|file| file.to_string_lossy().ends_with(&format!("_rt.{library}.a")));
    let runtime = runtime.context("the toolchain has no such sanitizer")?;
    let built = workspace.target.join(name).join(host).join("debug/deps");
    let folder = workspace.target.join("xtask/sanitized").join(name);
    shell.remove_path(&folder)?;
    shell.create_dir(&folder)?;
    Ok(cmd!(shell, "sh fixtures/clients/sanitized.sh {name} {runtime} {built} {folder}").run()?)
}

/// Nothing here runs 32-bit programs, but stdcall's decoration of names is a fault of 32-bit builds alone (C1).
fn windows_32(workspace: &Workspace) -> Result<()> {
    for (package, library, _) in dist::MOCKS {
        let target = "i686-pc-windows-gnu";
        cargo(workspace, &format!("build --package {package} --target {target}"))?;
        let dll = workspace.target.join(target).join("debug").join(library).with_extension("dll");
        let listed =
            cmd!(workspace.shell, "i686-w64-mingw32-objdump --private-headers {dll}").quiet().read()?;
        let exports = listed.split("[Ordinal/Name Pointer] Table").nth(1).unwrap_or_default();
        let all = if library == "secur32" { dist::SECUR32_EXPORTS } else { "" };
        for name in ["CleanupCredentialCache", "InitSecurityInterfaceA", "InitSecurityInterfaceW"]
            .into_iter()
            .chain(all.lines())
        {
            let is_exported = exports.lines().any(|line| line.ends_with(&format!(" {name}")));
            ensure!(is_exported, "{} doesn't export {name}", dll.display());
        }
    }
    Ok(())
}

fn msrv(workspace: &Workspace) -> Result<()> {
    let (shell, toolchain) = (&workspace.shell, setup::oldest_rust(workspace)?);
    for features in ["--features=", "--features=sspcache/serde,sspcache/tracing", "--no-default-features"] {
        let check =
            "check --locked --package sspcache --package sspcache-mock --target-dir target/msrv".split(' ');
        cmd!(shell, "rustup run {toolchain} cargo {check...} {features}").run()?;
    }
    Ok(())
}

/// Packages with what of them is built, and the names of the tests that run: all, where there is none; or an option for them.
type Tests = &'static [(&'static str, &'static str)];

/// Where there is unsafe code to interpret: pages of memory and the C ABI. Miri is slow: these tests reach each kind of code once,
/// with fewer cases where a test asks `cfg!(miri)`.
const MIRI: Tests = &[("sspcache-engine --lib", "vault"), ("sspcache-tests --test dll", "abi::")];

/// The crates without unsafe code, and contexts behind the C ABI, which compute much.
const MIRI_SAFE: Tests = &[
    ("sspcache-types --test table", "names_compare"),
    // A child leaves alone what another thread was using, which Miri takes for a leak.
    (
        "sspcache-loader --test modules",
        "references:: notifications:: disk:: --skip a_child_does_without_its_module",
    ),
    ("sspcache-mock --test sign_out", ""),
    ("sspcache --test protocol", "flush:: providers:: guard:: report::"),
    ("sspcache-mock --test both_ends", ""),
    ("sspcache-tests --test dll", "accounts:: credentials:: messages::"),
];

fn miri(workspace: &Workspace, tests: Tests) -> Result<()> {
    let (shell, toolchain) = (&workspace.shell, setup::NIGHTLY);
    for (package, names) in tests {
        // What ends up in a mock DLL has strict provenance. The other crates lock by parking_lot 0.12, which makes pointers of numbers.
        let is_strict =
            ["sspcache-engine", "sspcache-tests"].iter().any(|strict| package.starts_with(strict));
        let provenance = if is_strict { "strict" } else { "permissive" };
        let (package, names) = (package.split(' '), names.split_whitespace());
        // One test at a time: tests that would need a process each take turns.
        cmd!(shell, "rustup run {toolchain} cargo miri test --locked --package {package...} -- --test-threads=1 {names...}")
            // Files and the environment are the real ones.
            .env("MIRIFLAGS", format!("-Zmiri-disable-isolation -Zmiri-{provenance}-provenance"))
            // Miri would interpret the backtraces of expected panics, too.
            .env("RUST_BACKTRACE", "0")
            // Snapshots would start cargo to find it, and Miri starts no program.
            .env("INSTA_WORKSPACE_ROOT", &workspace.root)
            .env("CARGO_TARGET_DIR", workspace.target.join("miri"))
            .run()?;
    }
    Ok(())
}

/// Runs each fuzz target over its recorded corpus, and then with new inputs: see `docs/fuzzing.md`.
fn fuzz(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let seconds = std::env::var("SSPCACHE_FUZZ_SECONDS").unwrap_or_else(|_| "10".to_owned());
    // The stable compiler takes the flags of cargo-fuzz with this variable alone.
    shell.set_var("RUSTC_BOOTSTRAP", "1");
    cargo(workspace, "fuzz build --target-dir target/fuzz")?;
    for target in workspace.cargo("fuzz list").quiet().read()?.lines() {
        let finds = format!("target/fuzz/finds/{target}");
        shell.create_dir(&finds)?;
        let inputs = [finds, format!("fuzz/corpus/{target}"), format!("fixtures/{target}")];
        let words = format!("fuzz/dictionaries/{target}.dict");
        // An input of `calls` reaches much: to weigh inputs by how rare that is would take most of the time. Of `journal`, these
        // are the longest of `fixtures/` but one.
        let options = match target {
            "calls" => "-max_len=500 -entropic=0",
            "journal" => "-max_len=2560",
            _ => "-max_len=5120",
        };
        workspace
            .cargo(&format!("fuzz run --target-dir target/fuzz {target}"))
            .args(inputs.iter().filter(|folder| shell.path_exists(folder)))
            .args(["--", "-timeout=30", &format!("-max_total_time={seconds}")])
            .args(options.split(' '))
            .args(shell.path_exists(&words).then(|| format!("-dict={words}")))
            .run()?;
    }
    Ok(())
}

/// What ships must be found by its documented name, be small, be able to go any number of times, and link to C programs.
fn distribution(workspace: &Workspace, folder: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let windows = if cfg!(windows) { folder.to_owned() } else { folder.join("windows") };
    let mut folders = vec![windows.join(dist::WINDOWS_32.1), windows, folder.to_owned()];
    folders.dedup();
    let folders = folders.iter().filter(|folder| folder.is_dir());
    let dlls: Vec<_> = folders.flat_map(|folder| dist::MOCKS.map(|(.., dll)| folder.join(dll))).collect();
    shell.cmd(folder.join("sspcache")).arg("inspect").args(&dlls).run()?;
    if cfg!(target_os = "linux") {
        cargo(workspace, "test --workspace --test module --no-run")?;
        let _lock = wine::lock(workspace)?;
        shell.set_var("SSPCACHE_DIST", folder);
        cargo(workspace, "test --workspace --test module -- --ignored --nocapture shipped::")?;
    }
    if cfg!(windows) { Ok(()) } else { c_programs(workspace, folder) }
}

fn distribution_and_packages(workspace: &Workspace) -> Result<()> {
    distribution(workspace, &dist::without_32_bit(workspace)?)?;
    // A release makes them on Linux, and tries them elsewhere.
    if cfg!(target_os = "linux") {
        packages::check(workspace, &packages::build(workspace)?, packages::Depth::Quick)?;
    }
    Ok(())
}

fn packages(workspace: &Workspace) -> Result<()> {
    dist::run(workspace, None)?;
    packages::check(workspace, &packages::build(workspace)?, packages::Depth::All)
}

fn whole_distribution(workspace: &Workspace) -> Result<()> {
    workspace.shell.set_var("SSPCACHE_LOADS", "100000");
    distribution(workspace, &dist::run(workspace, None)?)
}

/// Builds and runs C programs with a copy of a distribution, in a folder that it was not built for.
fn c_programs(workspace: &Workspace, distribution: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let folder = workspace.target.join("xtask/packages");
    shell.remove_path(&folder)?;
    shell.create_dir(&folder)?;
    let (moved, built) = (folder.join("moved there"), folder.join("built"));
    cmd!(shell, "cp -R {distribution} {moved}").run()?;
    let version = env!("CARGO_PKG_VERSION");
    cmd!(shell, "cmake -S fixtures/packages -B {built} -DCMAKE_PREFIX_PATH={moved} -DVERSION={version}")
        .run()?;
    cmd!(shell, "cmake --build {built}").run()?;
    cmd!(shell, "ctest --test-dir {built} --output-on-failure --no-tests=error").run()?;
    pasted_project(workspace, &folder, &moved)?;
    pasted_commands(workspace)
}

/// Builds and tests the CMake project of `docs/win32.md` as it is pasted from there, with the example beside it.
fn pasted_project(workspace: &Workspace, folder: &Path, distribution: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let (project, built) = (folder.join("pasted"), folder.join("pasted built"));
    let page = shell.read_file("docs/win32.md")?;
    shell.write_file(project.join("CMakeLists.txt"), block(&page, "cmake")?)?;
    shell.copy_file(distribution.join("examples/sign_in_and_out.c"), &project)?;
    cmd!(shell, "cmake -S {project} -B {built} -DCMAKE_PREFIX_PATH={distribution}").run()?;
    cmd!(shell, "cmake --build {built}").run()?;
    Ok(cmd!(shell, "ctest --test-dir {built} --output-on-failure --no-tests=error").run()?)
}

/// Runs the commands for C of the README as they are pasted from there, in a checkout.
fn pasted_commands(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let page = shell.read_file("README.md")?;
    let section = page.split("\n## ").find(|section| section.starts_with("C and C++\n"));
    let commands = block(section.context("README.md has no section on C")?, "console")?;
    let commands: Vec<_> = commands.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let is_made = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name == "sign_in_and_out" || name.starts_with("run.") && name.ends_with(".jsonl")
    };
    let remove = || -> Result<()> {
        for path in shell.read_dir(".")?.iter().filter(|path| is_made(path)) {
            shell.remove_path(path)?;
        }
        Ok(())
    };
    remove()?;
    let script = commands.join("\n");
    let ran = cmd!(shell, "sh -e -c {script}").run();
    remove()?;
    Ok(ran?)
}

/// The first block of code of a page in a language.
fn block<'a>(page: &'a str, language: &str) -> Result<&'a str> {
    let begin = format!("```{language}\n");
    let block = page.split_once(&begin).and_then(|(_, rest)| rest.split_once("```"));
    block.map(|(block, _)| block).with_context(|| format!("the page has no block of {language}"))
}

/// Builds the last commit once more, in a folder of another length and with nothing that was built before, and compares each file.
fn reproducible(workspace: &Workspace) -> Result<()> {
    let shell = &workspace.shell;
    let changes = cmd!(shell, "git status --porcelain --untracked-files=no").quiet().read()?;
    ensure!(
        changes.is_empty(),
        "the second build is of the last commit: commit these changes first\n{changes}"
    );
    let root = workspace.target.join("xtask/built elsewhere/once more");
    shell.remove_path(&root)?;
    cmd!(shell, "git clone --quiet . {root}").run()?;
    let here = dist::run(workspace, None)?.join(dist::SUMS);
    let elsewhere = workspace.at(root.clone(), root.join("target"))?;
    let there = dist::run(&elsewhere, None)?;
    elsewhere.shell.change_dir(there);
    Ok(cmd!(elsewhere.shell, "sha256sum --check {here}").run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &str) -> Result<Vec<&'static str>> {
        let arguments = Arguments::parse(arguments.split_whitespace().map(str::to_owned));
        Ok(select(&arguments, arguments.has("without-wine"))?.iter().map(|step| step.name).collect())
    }

    #[test]
    fn each_step_belongs_to_one_run_and_runs_when_it_is_named() {
        let [default, ci, scheduled] = ["", "--ci", "--scheduled"].map(|it| names(it).expect("chosen"));
        assert_eq!(ci.len() + scheduled.len(), STEPS.len());
        assert!(default.iter().all(|name| ci.contains(name)));
        assert_eq!(names("docs format").expect("chosen"), ["docs", "format"]);
        let unknown = names("docs fromat").expect_err("misspelt").to_string();
        assert!(unknown.contains("fromat") && unknown.contains("--list"), "{unknown}");
        assert!(default.contains(&"wine") && !names("--without-wine").expect("chosen").contains(&"wine"));
        assert!(names("--without-wine wine").is_err(), "named and excluded");
    }

    /// The commands of `docs/assurance.md` exist, and CI runs what the page says: on each change, or on a schedule.
    #[test]
    #[cfg(target_os = "linux")]
    fn every_command_of_the_assurance_page_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |file| fs::read_to_string(root.join(file));
        let page = read("docs/assurance.md").expect("readable");
        for row in page.lines().filter(|line| line.contains("| `cargo ")) {
            let command = row.split("| `").find(|cell| cell.starts_with("cargo ")).expect("a command");
            let command = command.split('`').next().unwrap_or_default();
            let named = command.strip_prefix("cargo xtask test ");
            let step = STEPS.iter().find(|step| Some(step.name) == named);
            assert!(step.is_some() == named.is_some(), "there is no step for `{command}`");
            let is_on_each_change = match step {
                Some(step) => !matches!(step.when, Scheduled(_)),
                None => command.starts_with("cargo test "),
            };
            assert_eq!(is_on_each_change, row.starts_with("| •"), "CI and {command}");
            for test in command.split(" --test ").skip(1).filter_map(|rest| rest.split(' ').next()) {
                assert!(root.join("tests").join(test).join("main.rs").is_file(), "{command}: no test {test}");
            }
        }
        let workflow = read(".github/workflows/ci.yml").expect("readable");
        for Step { name, when, .. } in STEPS.iter().filter(|step| step.when != Default) {
            assert!(workflow.contains(name), "the workflow doesn't run {name}");
            assert!(
                *when == Ci || page.contains(&format!("`cargo xtask test {name}`")),
                "{name}: why not on each change?"
            );
        }
    }

    #[test]
    fn one_failed_step_fails_the_run_and_is_named() {
        let [first, second, ..] = STEPS else { panic!("there are steps") };
        let outcome = |step, passed| Outcome { step, time: Duration::ZERO, passed };
        let outcomes = [outcome(first, true), outcome(second, false)];
        assert!(summarize(&outcomes[..1]).is_ok());
        let error = summarize(&outcomes).expect_err("a step failed").to_string();
        assert!(error.contains(second.name) && !error.contains(first.name), "{error}");
    }
}
