//! Installs each package of this system from its file, in a fresh environment, and runs a client there.
//!
//! Nothing is fetched: what the tests need beside the package is among the tools of `cargo xtask setup`.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use xshell::{Cmd, cmd};

use super::{VERSION, archives, nuget, targets};
use crate::dist::SUMS;
use crate::workspace::Workspace;

/// How much of the packages is tried.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Depth {
    /// That each installs and works, and the Python package's interface: half a minute.
    Quick,
    /// Also the sessions of the pytest plugin.
    All,
}

/// Checks the packages in a folder that [`build`](super::build) has made.
pub(crate) fn check(workspace: &Workspace, packages: &Path, depth: Depth) -> Result<()> {
    let folder = workspace.target.join("xtask/installed");
    workspace.shell.remove_path(&folder)?;
    workspace.shell.create_dir(&folder)?;
    // What the program carries goes there, and not into the user's own caches.
    let _caches = workspace.shell.push_env("XDG_CACHE_HOME", folder.join("caches"));
    archive(workspace, &packages.join("archives"), &folder.join("archive"))?;
    if cfg!(target_os = "linux") {
        action(workspace, &packages.join("archives"), &folder.join("action"))?;
    }
    python(workspace, &packages.join("python"), &folder.join("python"), depth)?;
    debian(workspace, &packages.join("debian"), &folder.join("debian"))?;
    npm(workspace, &packages.join("npm"), &folder.join("npm"))?;
    nuget::check(workspace, &targets(workspace), &packages.join("nuget"))
}

/// A root folder, by dpkg. It has no other package, so an option has dpkg do without those that this one needs.
fn debian(workspace: &Workspace, packages: &Path, root: &Path) -> Result<()> {
    let shell = &workspace.shell;
    if shell.read_dir(packages)?.is_empty() {
        println!("packages: no Debian package was made here");
        return Ok(());
    }
    let architecture = cmd!(shell, "dpkg --print-architecture").quiet().read()?;
    let deb = packages.join(format!("sspcache_{VERSION}_{architecture}.deb"));
    for folder in ["info", "updates", "triggers"] {
        shell.create_dir(root.join("var/lib/dpkg").join(folder))?;
    }
    for file in ["status", "available"] {
        fs::write(root.join("var/lib/dpkg").join(file), "")?;
    }
    let (log, start) = (root.join("log"), Instant::now());
    let dpkg = || cmd!(shell, "dpkg --root={root} --log={log} --force-not-root --force-depends");
    dpkg().arg("--install").arg(&deb).run()?;
    let [program, example] = [root.join("usr/bin/sspcache"), workspace.root.join(EXAMPLE)];
    cmd!(shell, "{program} exec --expect-clean -- python3 {example}").run()?;
    println!("dpkg: from nothing to a verdict in {:.1} s", start.elapsed().as_secs_f64());
    finds_mocks_for_windows(cmd!(shell, "{program} exec"))?;
    let version = cmd!(shell, "{program} --version").quiet().read()?;
    ensure!(version == format!("sspcache {VERSION}"), "{} has {version}", deb.display());
    let differs = dpkg().arg("--verify").arg("sspcache").quiet().read()?;
    ensure!(differs.is_empty(), "dpkg finds these changed: {differs}");
    let page = cmd!(shell, "gzip --decompress --stdout {root}/usr/share/man/man1/sspcache-exec.1.gz")
        .quiet()
        .read()?;
    ensure!(page.contains("expect\\-clean"), "the manual page of exec hasn't its options: {page}");
    Ok(())
}

/// Runs `sspcache exec` of a package, where Windows programs find mocks that the package has only inside the program.
fn finds_mocks_for_windows(exec: Cmd<'_>) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    let script = r#"test -f "${WINEPATH%%;*}/secur32.dll" && echo "${WINEPATH%%;*}""#;
    let folder = exec.args(["--", "sh", "-c", script]).quiet().read()?;
    let caches = Path::new("installed/caches/sspcache");
    let is_carried = Path::new(&folder).ancestors().any(|above| above.ends_with(caches));
    // Where macOS has its caches no variable says.
    ensure!(is_carried || cfg!(target_os = "macos"), "{folder} is not what the program carries");
    Ok(())
}

/// A client, which passes unless an option has it keep its credential.
const EXAMPLE: &str = "crates/sspcache-win32/examples/sign_in_and_out.py";

/// A folder that an archive was unpacked in, with its links and checksums.
fn archive(workspace: &Workspace, archives: &Path, folder: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let name = archives::file_name(&workspace.host()?);
    let (archive, start) = (archives.join(&name), Instant::now());
    shell.create_dir(folder)?;
    // Windows' tar unpacks zip as well.
    cmd!(shell, "tar -xf {archive} -C {folder}").run()?;
    let unpacked = folder.join(name.trim_end_matches(".tar.gz").trim_end_matches(".zip"));
    let program = unpacked.join("sspcache");
    let python = if cfg!(windows) { "python" } else { "python3" };
    cmd!(shell, "{program} exec --expect-clean -- {python} {EXAMPLE}").run()?;
    println!("archive: from nothing to a verdict in {:.1} s", start.elapsed().as_secs_f64());
    if cfg!(target_os = "linux") {
        ensure!(fs::read_link(unpacked.join("libsecur32.so")).is_ok(), "{name} lost its links");
        let _inside = shell.push_dir(unpacked);
        cmd!(shell, "sha256sum --check --quiet {SUMS}").run()?;
    }
    Ok(())
}

/// What the GitHub action does on a runner, with files in the place of a release.
fn action(workspace: &Workspace, archives: &Path, folder: &Path) -> Result<()> {
    let shell = &workspace.shell;
    let release = folder.join("releases").join(format!("v{VERSION}"));
    shell.create_dir(&release)?;
    let name = archives::file_name(&workspace.host()?);
    shell.copy_file(archives.join(&name), &release)?;
    let sums = shell.push_dir(&release);
    let text = cmd!(shell, "sha256sum {name}").quiet().read()?;
    drop(sums);
    shell.write_file(release.join(SUMS), format!("{text}\n"))?;
    let script = |step: &str| cmd!(shell, "bash packaging/action/install.sh {step}");
    let choose = |version: &str| -> Result<Vec<(String, String)>> {
        let output = folder.join("output");
        shell.write_file(&output, "")?;
        script("choose")
            .env("RELEASES", format!("file://{}", folder.join("releases").display()))
            .env("INPUT_VERSION", version)
            .env("RUNNER_TOOL_CACHE", folder)
            .env("GITHUB_OUTPUT", &output)
            .run()?;
        let lines = shell.read_file(output)?;
        let pairs = lines.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_uppercase(), value.to_owned())).collect())
    };
    let outputs = choose("")?;
    ensure!(outputs == choose(&format!("v{VERSION}"))?, "the action's own version is {VERSION}: {outputs:?}");
    ensure!(choose("0.0.1").is_err(), "there is no such release");
    let installed = outputs.iter().find(|(name, _)| name == "FOLDER").context("the action names a folder")?;
    let program = Path::new(&installed.1).join("sspcache");
    let other = script("download").envs(outputs.clone()).env("DIGEST", "0".repeat(64));
    ensure!(other.quiet().run().is_err() && !program.exists(), "another file than the release's is refused");
    script("download").envs(outputs).run()?;
    Ok(cmd!(shell, "{program} exec --expect-clean -- python3 {EXAMPLE}").run()?)
}

/// A virtual environment, made by pip from the wheel alone.
fn python(workspace: &Workspace, wheels: &Path, environment: &Path, depth: Depth) -> Result<()> {
    let shell = &workspace.shell;
    let tools = workspace.tool_programs().join("python");
    cmd!(shell, "{tools} -m venv {environment}").run()?;
    let programs = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let [python, sspcache] = ["python", "sspcache"].map(|name| programs.join(name));
    let start = Instant::now();
    cmd!(shell, "{python} -m pip install --quiet --no-index --find-links {wheels} sspcache=={VERSION}")
        .run()?;
    cmd!(shell, "{sspcache} exec --expect-clean -- {python} {EXAMPLE}").run()?;
    println!("pip: from nothing to a verdict in {:.1} s", start.elapsed().as_secs_f64());
    finds_mocks_for_windows(cmd!(shell, "{sspcache} exec"))?;
    // pytest and the clients, but not this package.
    let paths = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    let [tools_modules, modules] = [&tools, &python].map(|it| cmd!(shell, "{it} -c {paths}").quiet().read());
    fs::write(Path::new(&modules?).join("tools.pth"), tools_modules?)?;
    // Without the package's own settings, by which mypy would find its sources.
    let client = "packaging/python/tests/typed_client.py";
    cmd!(shell, "{tools} -m mypy --config-file= --strict --python-executable {python} {client}").run()?;
    let some = match depth {
        Depth::All => None,
        Depth::Quick => Some(["-k", "test_api or unmodified or examples"]),
    };
    let _inside = shell.push_dir("packaging/python");
    let some = some.into_iter().flatten();
    Ok(cmd!(shell, "{python} -m pytest --quiet -p no:cacheprovider tests {some...}").run()?)
}

/// A folder with packages of Node's, without a registry: it has none of the packages for other platforms.
fn npm(workspace: &Workspace, packages: &Path, folder: &Path) -> Result<()> {
    let shell = &workspace.shell;
    shell.create_dir(folder)?;
    let example = workspace.root.join(EXAMPLE);
    let all = shell.read_dir(packages)?;
    let this =
        format!("sspcache-{}-{}", node(workspace, "process.platform")?, node(workspace, "process.arch")?);
    let this = all.iter().find(|file| file.ends_with(format!("{this}-{VERSION}.tgz")));
    let this = this.context("there is no package for this platform")?;
    let main = packages.join(format!("sspcache-{VERSION}.tgz"));
    let _inside = shell.push_dir(folder);
    let start = Instant::now();
    fs::write(folder.join("package.json"), "{}")?;
    cmd!(shell, "npm install --offline --no-audit --no-fund --loglevel=error {this} {main}").run()?;
    let exec = |arguments: &[&str]| {
        cmd!(shell, "npx --offline sspcache exec --expect-clean -- python3 {example}").args(arguments)
    };
    exec(&[]).run()?;
    println!("npm: from nothing to a verdict in {:.1} s", start.elapsed().as_secs_f64());
    finds_mocks_for_windows(cmd!(shell, "npx --offline sspcache exec"))?;
    let left = exec(&["--keep"]).ignore_status().output()?;
    ensure!(left.status.code() == Some(99), "npx ends with {} for a failed check", left.status);
    let home = node(workspace, "require('sspcache').home")?;
    ensure!(Path::new(&home).join("secur32.dll").is_file(), "{home} has no mocks");
    // Without the platform's package.
    shell.remove_path(home)?;
    let without = exec(&[]).ignore_status().output()?;
    let said = String::from_utf8_lossy(&without.stderr);
    ensure!(
        without.status.code() == Some(125) && said.contains("is not installed"),
        "{}: {said}",
        without.status
    );
    Ok(())
}

/// What an expression is in Node.
fn node(workspace: &Workspace, expression: &str) -> Result<String> {
    Ok(cmd!(workspace.shell, "node --print {expression}").quiet().read()?)
}
