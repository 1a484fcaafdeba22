//! The fuzz targets of `fuzz/`, built and run without cargo-fuzz.
//!
//! cargo-fuzz builds with the same flags and starts the same programs; it is one more thing to install, and wants a nightly
//! toolchain. See `docs/fuzzing.md`.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

/// How long each target runs, in seconds, when it isn't a minute.
const SECONDS: &str = "SSPCACHE_FUZZ_SECONDS";
/// How many inputs each target runs, instead of for a time.
const RUNS: &str = "SSPCACHE_FUZZ_RUNS";

/// With which sanitizer the targets are built: `address`, or `none`, which makes them many times as fast.
const SANITIZER: &str = "SSPCACHE_FUZZ_SANITIZER";

/// What the compiler adds so that libFuzzer learns which way an input went, as cargo-fuzz has it.
const FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1";

/// With the sanitizer, and with what every comparison compared: it brings libFuzzer to words that it has no dictionary for, and takes
/// over half of the time of what compares much.
const THOROUGH: &str = " -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address";

/// The longest input, in bytes: what a longer one would have to say is said sooner by a short one.
const LONGEST: &str = "-max_len=5120";

/// What is different for a target: the last of two options counts.
const OPTIONS: &[(&str, &[&str])] = &[
    // To weigh inputs by how rare what they reach is takes most of the time of sequences, which reach much: without it, twice as
    // many inputs reach more in the same time. As long as the test's of the same calls.
    ("calls", &["-entropic=0", "-max_len=500"]),
    // Whole journals of `fixtures/`, but for the one of 124 events.
    ("journal", &["-max_len=2560"]),
];

/// Where things are.
pub(crate) struct Places {
    /// The folder `fuzz`.
    fuzz: PathBuf,
    /// The folder of the built targets.
    programs: PathBuf,
    /// What this run finds, a folder a target; what is checked in stays as it is.
    finds: PathBuf,
}

/// What became of a target.
struct Outcome {
    target: String,
    time: Duration,
    executions: u64,
    edges: u64,
    failure: Option<String>,
}

/// Builds all targets, and runs each for as long as the environment says, as many at a time as there are cores.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let limit = match (number(RUNS)?, number(SECONDS)?) {
        (Some(runs), None) => format!("-runs={runs}"),
        (None, seconds) => format!("-max_total_time={}", seconds.unwrap_or(60)),
        (Some(_), Some(_)) => bail!("{RUNS} and {SECONDS} are both set"),
    };
    let places = build(workspace)?;
    let targets = targets(&places.fuzz)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{} targets, each with {limit}, {cores} at a time", targets.len());
    let outcomes = run_all(&targets, cores, |target| run_one(&places, target, &limit));
    let outcomes: Vec<Outcome> = outcomes.into_iter().collect::<Result<_>>()?;
    report(&outcomes)
}

/// Builds all targets.
pub(crate) fn build(workspace: &Workspace) -> Result<Places> {
    let host = workspace.host()?;
    let (name, how) = match env::var(SANITIZER).as_deref() {
        Err(_) | Ok("address") => ("fuzz", THOROUGH),
        Ok("none") => ("fuzz-plain", ""),
        Ok(_) => bail!("{SANITIZER} is neither `address` nor `none`"),
    };
    let target_folder = workspace.target.join(name);
    let fuzz = workspace.root.join("fuzz");
    // The switches are unstable ones, which the stable toolchain takes with this variable.
    workspace
        .cargo()
        .args(["build", "--release", "--locked", "--target", &host, "--manifest-path"])
        .arg(fuzz.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS.to_owned() + how)
        .run()?;

    Ok(Places {
        programs: target_folder.join(&host).join("release"),
        finds: target_folder.join("finds"),
        fuzz,
    })
}

/// The number in a variable of the environment, if it is set.
fn number(variable: &str) -> Result<Option<u64>> {
    let Ok(text) = env::var(variable) else { return Ok(None) };
    // To libFuzzer 0 means that there is no limit, or nothing to do.
    let number = text.parse().ok().filter(|number| *number > 0);
    Ok(Some(number.with_context(|| format!("{variable} is no number above 0"))?))
}

/// The targets, each a file.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let files = fs::read_dir(&folder).with_context(|| format!("can't read {}", folder.display()))?;
    let mut targets: Vec<String> = files
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    targets.sort();
    Ok(targets)
}

/// Runs this for each target, so many at a time; the results in the targets' order.
fn run_all<T: Send>(targets: &[String], at_a_time: usize, run: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let waiting = Mutex::new(targets.iter().enumerate());
    let next = || waiting.lock().expect("no thread panics with it").next();
    let work = || {
        let mut done = Vec::new();
        while let Some((index, target)) = next() {
            done.push((index, run(target)));
        }
        done
    };
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn run_one(places: &Places, target: &str, limit: &str) -> Result<Outcome> {
    let finds = places.finds.join(target);
    let artifacts = places.fuzz.join("artifacts").join(target);
    let log = places.finds.join(format!("{target}.log"));
    // Of an earlier run, which may have been of another program.
    if finds.exists() {
        fs::remove_dir_all(&finds)?;
    }
    for folder in [&finds, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    let mut command = Command::new(places.programs.join(target));
    command
        .arg(&finds)
        .arg(places.fuzz.join("corpus").join(target))
        .args(Some(places.fuzz.join("../fixtures").join(target)).filter(|fixtures| fixtures.exists()))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([limit, "-print_final_stats=1", "-timeout=30", LONGEST])
        .args(OPTIONS.iter().filter(|(name, _)| *name == target).flat_map(|(_, options)| *options));
    let dictionary = places.fuzz.join("dictionaries").join(format!("{target}.dict"));
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let start = Instant::now();
    let output = fs::File::create(&log).with_context(|| format!("can't make {}", log.display()))?;
    let status = command
        .current_dir(&places.fuzz)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("can't run {target}"))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let failure = (!status.success()).then(|| failure(target, &said, &log));
    Ok(Outcome {
        target: target.to_owned(),
        time: start.elapsed(),
        executions: last_number(&said, "stat::number_of_executed_units:"),
        edges: last_number(&said, " cov:"),
        failure,
    })
}

/// What a target found, the input that shows it, and how it is repeated.
fn failure(target: &str, said: &str, log: &Path) -> String {
    let input = said.lines().find_map(|line| line.split("Test unit written to ").nth(1));
    let what = said
        .lines()
        .find(|line| line.contains("panicked at") || line.contains("ERROR: "))
        .unwrap_or("it ended with an error");
    let repeat = match input {
        Some(input) => format!("input: {input}\n  repeat: cargo fuzz run {target} {input}"),
        None => "there is no input that shows it".to_owned(),
    };
    format!("{target}: {what}\n  {repeat}\n  all it said: {}", log.display())
}

/// The number behind the last of these words.
fn last_number(said: &str, words: &str) -> u64 {
    let number = said.rsplit(words).next().filter(|rest| rest.len() < said.len());
    let number = number.map_or("", str::trim_start);
    let end = number.find(|character: char| !character.is_ascii_digit()).unwrap_or(number.len());
    number[..end].parse().unwrap_or(0)
}

fn report(outcomes: &[Outcome]) -> Result<()> {
    println!("\n{:<18}{:>12}{:>8}{:>8}", "target", "executions", "edges", "time");
    for Outcome { target, time, executions, edges, failure } in outcomes {
        let found = if failure.is_some() { "  FOUND SOMETHING" } else { "" };
        println!("{target:<18}{executions:>12}{edges:>8}{:>6} s{found}", time.as_secs());
    }
    let failures: Vec<&str> = outcomes.iter().filter_map(|outcome| outcome.failure.as_deref()).collect();
    if !failures.is_empty() {
        bail!("\n{}", failures.join("\n"));
    }
    // A program without its instrumentation would find nothing, and say so in good time.
    match outcomes.iter().find(|outcome| outcome.executions == 0 || outcome.edges == 0) {
        Some(idle) => bail!("{} ran nothing, or counted nothing", idle.target),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "#2\tINITED cov: 17 ft: 18\n#8\tDONE cov: 230 ft: 9\nDone 8 runs\n\
        stat::number_of_executed_units: 1234\nstat::average_exec_per_sec:     8\n";

    fn outcome(executions: u64, failure: Option<&str>) -> Outcome {
        let failure = failure.map(str::to_owned);
        Outcome { target: "names".to_owned(), time: Duration::ZERO, executions, edges: 230, failure }
    }

    #[test]
    fn the_figures_are_the_last_ones_that_a_target_said() {
        assert_eq!(last_number(SAID, "stat::number_of_executed_units:"), 1234);
        assert_eq!(last_number(SAID, " cov:"), 230);
        assert_eq!(last_number("killed", " cov:"), 0);
    }

    #[test]
    fn a_find_is_told_with_its_input_and_how_to_repeat_it() {
        let said = "thread panicked at src/lib.rs:7\nTest unit written to /a/crash-1\n";
        let text = failure("names", said, Path::new("names.log"));
        for part in ["panicked at src/lib.rs:7", "/a/crash-1", "cargo fuzz run names /a/crash-1", "names.log"]
        {
            assert!(text.contains(part), "{text}");
        }
        let error = report(&[outcome(5, None), outcome(5, Some(&text))]).expect_err("something was found");
        assert!(error.to_string().contains("/a/crash-1"), "{error}");
    }

    #[test]
    fn a_target_that_runs_nothing_fails() {
        assert!(report(&[outcome(5, None)]).is_ok());
        assert!(report(&[outcome(0, None)]).is_err());
    }

    #[test]
    fn every_target_runs_once_and_its_result_keeps_its_place() {
        let targets: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        assert_eq!(run_all(&targets, 4, str::to_owned), targets);
    }
}
