//! What a verdict costs: a program that signs in at both ends, alone, under `sspcache exec` with and without stacks, checks and a
//! trace, and under valgrind: `cargo bench --manifest-path benches/Cargo.toml --bench checks`, and with `-- --quick` for a smoke run.
//!
//! All ways take turns, so that a drift of the machine meets all. `docs/performance.md` has results.

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("left out: it runs the program under valgrind on Linux");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        fs,
        path::{Path, PathBuf},
        process::Command,
        time::Instant,
    };

    use sspcache_benches::{
        is_quick, root,
        shipped::{library, run},
    };

    /// One way to run the client.
    struct Way {
        name: &'static str,
        /// The words before the client.
        command: Vec<String>,
        /// Nanoseconds for a sign-in, by the client.
        sign_in: Vec<f64>,
        /// Seconds for the whole command, with the verdict.
        whole: Vec<f64>,
    }

    pub(super) fn main() {
        let quick = is_quick();
        let (rounds, times) = if quick { (1, 20) } else { (11, 1_000) };
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let program = program();
        // Under each name that `exec` looks for.
        let mock = library("sspcache-secur32", "secur32", &[], &folder.path().join("secur32.dll"));
        for name in ["MSNSSPC.dll", "MSAPSSPC.dll"] {
            fs::hard_link(&mock, folder.path().join(name)).expect("the folder is this program's");
        }
        let client = folder.path().join("client");
        let source = root().join("benches/checks/client.c");
        run(Command::new("cc").args(["-O2", "-g", "-o"]).arg(&client).arg(source).arg("-ldl"));

        // The acceptor verifies.
        let account = "[[account]]\nuser = \"alice\"\ndomain = \"CONTOSO\"\npassword = \"correct horse\"\n";
        fs::write(folder.path().join("config.toml"), account).expect("the folder is this program's");

        let mut ways = ways(&program, folder.path());
        for round in 0..rounds {
            for way in &mut ways {
                // A tenth, where all takes some fifty times as long.
                let times = if way.name == "valgrind" { times / 10 } else { times };
                let (sign_in, whole) = measured(way, folder.path(), &mock, &client, times);
                // The first round finds cold files.
                if round > 0 || quick {
                    way.sign_in.push(sign_in);
                    way.whole.push(whole / f64::from(times) * 1e9);
                }
            }
        }
        let medians: Vec<[f64; 2]> =
            ways.iter_mut().map(|way| [median(&mut way.sign_in), median(&mut way.whole)]).collect();
        println!("medians of {} rounds of {times} sign-ins, in microseconds for one", rounds.max(2) - 1);
        println!("{:<32}{:>10}{:>8}{:>14}{:>8}", "", "sign-in", "times", "with verdict", "times");
        for (way, [sign_in, whole]) in ways.iter().zip(&medians) {
            println!(
                "{:<32}{:>10.1}{:>8.1}{:>14.1}{:>8.1}",
                way.name,
                sign_in / 1e3,
                sign_in / medians[0][0],
                whole / 1e3,
                whole / medians[0][1]
            );
        }
        if quick {
            println!("A smoke run: so few rounds tell nothing.");
        }
    }

    fn ways(program: &Path, folder: &Path) -> Vec<Way> {
        let exec = |options: &[&str]| {
            let mut command = vec![program.display().to_string(), "exec".to_owned()];
            command.extend(options.iter().map(|&option| option.to_owned()));
            command.push("--".to_owned());
            command
        };
        let way = |name, command| Way { name, command, sign_in: Vec::new(), whole: Vec::new() };
        let mut ways = vec![
            way("alone", Vec::new()),
            way("exec --stack 0", exec(&["--stack", "0"])),
            way("exec", exec(&[])),
            way("exec --check=left,leaks,misuse", exec(&["--check=left,leaks,misuse"])),
        ];
        let help = Command::new(program).args(["exec", "--help"]).output().expect("it was built");
        if String::from_utf8_lossy(&help.stdout).contains("--trace") {
            let trace = format!("--trace={}", folder.join("trace").display());
            ways.push(way("exec --trace=FILE", exec(&[&trace])));
        }
        ways.push(way("valgrind", vec!["valgrind".to_owned(), "--quiet".to_owned()]));
        ways
    }

    /// Nanoseconds for a sign-in, and seconds for the whole command.
    fn measured(way: &Way, folder: &Path, mock: &Path, client: &Path, times: u32) -> (f64, f64) {
        let (program, arguments) = match &way.command[..] {
            [] => (client.as_os_str(), Vec::new()),
            [program, rest @ ..] => {
                let client = client.display().to_string();
                (program.as_ref(), rest.iter().cloned().chain([client]).collect())
            }
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(mock)
            .arg(times.to_string())
            .env("SSPCACHE_HOME", folder)
            .env("SSPCACHE_CONFIG", folder.join("config.toml"));
        let start = Instant::now();
        let output = command.output().unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
        let whole = start.elapsed().as_secs_f64();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        (text.trim().parse().expect("the client prints nanoseconds"), whole)
    }

    /// The program, as it ships.
    fn program() -> PathBuf {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([
            "build",
            "--quiet",
            "--profile",
            "dist",
            "--package",
            "sspcache-cli",
            "--bin",
            "sspcache",
        ]);
        run(cargo.current_dir(root()).args(["--target-dir", "target"]));
        root().join("target/dist/sspcache")
    }

    fn median(numbers: &mut [f64]) -> f64 {
        numbers.sort_unstable_by(f64::total_cmp);
        numbers[numbers.len() / 2]
    }
}
