//! The verdict for GitHub Actions: annotations of files and lines, and a summary in Markdown.
//!
//! Reference: [Workflow commands for GitHub Actions](https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
//! The escapes are those of GitHub's own toolkit: the value of a command has three, its properties have two more.

use std::{
    env,
    fmt::Write as _,
    fs::OpenOptions,
    io::{self, Write as _},
    path::{Component, Path, PathBuf},
};

use super::{
    End, Outcome, Report,
    advice::advice_of,
    finding::{Finding, FindingKind},
    finding_text, leaks_text, misuse_text, policy_text,
    text::{MAX_ROWS, cells, closing, left_alike, notes, plain},
};
use crate::{
    cli::Check,
    output::{count, quoted},
    places::{self, Place},
};

/// The most annotations of what was left. GitHub shows ten of a kind for each step, and there are others.
const MOST: usize = 8;

/// The verdict as workflow commands, and its closing sentences. What fails no check is a warning.
pub(super) fn github(report: &Report<'_>) -> String {
    let Report { verdict, checks, allow_unused, .. } = *report;
    let level = |check| if checks.contains(&check) && !report.passes(check) { "error" } else { "warning" };
    let workspace = workspace();
    let mut commands = Vec::new();
    let left = left_alike(verdict);
    for left in left.iter().take(MOST) {
        let advice = advice_of(left.process, &[left.credential.kind]).join("\n");
        let message =
            format!("{}\n{}{advice}", left.sentence(), places::lines(&left.credential.stack, 3, None));
        let source = source(&left.credential.stack, &workspace);
        commands.push(command(level(Check::Left), source, "credential left", message.trim_end()));
    }
    let mut more: usize = left.iter().skip(MOST).map(|left| left.number).sum();
    for finding in found(report) {
        if commands.len() >= MOST {
            more += finding.count;
            continue;
        }
        let lines = finding_text::finding_lines(finding).join("\n");
        let message = format!("{}\n{lines}", quoted(&finding.title()));
        let (check, title) = match finding.kind {
            FindingKind::Leak => (Check::Leaks, "leak"),
            FindingKind::Misuse => (Check::Misuse, "misuse"),
            FindingKind::Policy => (Check::Policy, "policy"),
        };
        commands.push(command(level(check), source(&finding.stack, &workspace), title, &message));
    }
    if more > 0 {
        let level = if report.holds() { "warning" } else { "error" };
        let message = format!("{}; the other forms of the verdict have them", count(more, "more thing"));
        commands.push(command(level, None, "more was found", &message));
    }
    let gaps: Vec<_> =
        verdict.processes.iter().flat_map(|process| &process.gaps).chain(&verdict.gaps).collect();
    if !gaps.is_empty() {
        let level = if report.holds() { "warning" } else { "error" };
        let gaps: Vec<String> = gaps.into_iter().map(|gap| quoted(gap).into_owned()).collect();
        commands.push(command(level, None, "events missing", &gaps.join("\n")));
    }
    let closing = sentences(report);
    if verdict.outcome == Outcome::NotExercised && !allow_unused {
        commands.push(command(level(Check::Left), None, "no sign-in", &closing[0]));
    }
    // The runner takes this for a command wherever in a line it is.
    commands.concat() + &closing.join("\n").replace("##[", "## [") + "\n"
}

/// What the checks for leaks and misuse, and that of a policy found, as far as they are made.
fn found<'v>(report: &Report<'v>) -> Vec<&'v Finding> {
    let is_found = |finding: &&Finding| match finding.kind {
        FindingKind::Leak => report.checks.contains(&Check::Leaks) && finding.is_leaked(),
        FindingKind::Misuse => report.checks.contains(&Check::Misuse) && finding.is_misused(),
        FindingKind::Policy => report.checks.contains(&Check::Policy) && finding.is_against_policy(),
    };
    report.verdict.findings.iter().filter(is_found).collect()
}

/// The closing sentences: what was left, and what the other checks come to.
fn sentences(report: &Report<'_>) -> Vec<String> {
    let mut sentences = vec![plain(&closing(report.verdict))];
    if report.checks.contains(&Check::Misuse) {
        sentences.push(plain(&misuse_text::closing(report.verdict)));
    }
    if let Some(policy) = &report.verdict.policy {
        sentences.push(plain(&policy_text::closing(policy)));
    }
    if report.checks.contains(&Check::Leaks) {
        sentences.push(plain(&leaks_text::closing(report.verdict)));
    }
    sentences
}

fn command(level: &str, source: Option<Source>, title: &str, message: &str) -> String {
    let mut properties = String::new();
    if let Some(Source { file, line, column }) = source {
        write!(properties, "file={},line={line},", property(&file)).expect("a string takes all text");
        if let Some(column) = column {
            write!(properties, "col={column},").expect("a string takes all text");
        }
    }
    format!("::{level} {properties}title={}::{}\n", property(&format!("sspcache: {title}")), value(message))
}

fn value(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    value(text).replace(':', "%3A").replace(',', "%2C")
}

/// A line of a source file, by its path in the repository where it is in that.
struct Source {
    file: String,
    line: u32,
    column: Option<u32>,
}

/// The innermost frame of a stack that is in the repository; without one, the innermost that has a line.
fn source(stack: &[Place], workspace: &Path) -> Option<Source> {
    let mut found = None;
    for place in stack {
        let (Some(file), Some(line)) = (&place.file, place.line) else { continue };
        let path = normal(Path::new(file));
        let within = path.strip_prefix(workspace).ok();
        let file = within.map_or_else(|| file.clone(), |path| path.display().to_string());
        let source = Source { file: file.replace('\\', "/"), line, column: place.column };
        if within.is_some() {
            return Some(source);
        }
        found.get_or_insert(source);
    }
    found
}

/// A path without `..`: compilers join paths without a look at them.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => _ = normal.pop(),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

/// The folder of the repository: what GitHub says, or where this runs.
fn workspace() -> PathBuf {
    let named = env::var_os("GITHUB_WORKSPACE").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    named.or_else(|| env::current_dir().ok()).unwrap_or_default()
}

/// Appends the verdict to the step's summary, if there is one.
///
/// # Errors
/// The file, and the operating system's error.
pub(super) fn append_summary(report: &Report<'_>) -> Result<(), (PathBuf, io::Error)> {
    let named = env::var_os("GITHUB_STEP_SUMMARY").filter(|file| !file.is_empty());
    let Some(path) = named.map(PathBuf::from) else { return Ok(()) };
    let mut open = OpenOptions::new();
    let file = open.append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(summary(report).as_bytes())).map_err(|error| (path, error))
}

/// The verdict in Markdown.
fn summary(report: &Report<'_>) -> String {
    let verdict = report.verdict;
    let closing = sentences(report).join("\n");
    let (outcome, rest) = closing.split_once(": ").unwrap_or((&closing, ""));
    let mut text = format!("### sspcache: {outcome}\n\n");
    for line in rest.lines() {
        // A paragraph each.
        write!(text, "{}\n\n", markdown(line)).expect("a string takes all text");
    }
    let rows = || {
        let processes = verdict.processes.iter();
        processes.flat_map(|process| process.credentials.iter().map(move |credential| (process, credential)))
    };
    let is_left = |end: &End| matches!(end, End::Left { .. });
    let left_first =
        rows().filter(|row| is_left(&row.1.end)).chain(rows().filter(|row| !is_left(&row.1.end)));
    if rows().next().is_some() {
        text += "| process | signed in | as | through | what ended it |\n| --- | --- | --- | --- | --- |\n";
    }
    for (process, credential) in left_first.take(MAX_ROWS) {
        let cells = cells(process, credential).map(|cell| markdown(&cell));
        writeln!(text, "| {} |", cells.join(" | ")).expect("a string takes all text");
    }
    if let Some(more @ 1..) = rows().count().checked_sub(MAX_ROWS) {
        write!(text, "\n… and {}\n", count(more, "more credential")).expect("a string takes all text");
    }
    for left in left_alike(verdict).iter().filter(|left| !left.credential.stack.is_empty()).take(MAX_ROWS) {
        // What is indented is code, whatever is in it.
        let stack = places::lines(&left.credential.stack, 4, None);
        write!(text, "\n{}; it was acquired\n\n{stack}", markdown(&left.sentence()))
            .expect("a string takes all text");
    }
    for finding in found(report).into_iter().take(MAX_ROWS) {
        let lines = finding_text::finding_lines(finding).join("\n    ");
        write!(text, "\n{}\n\n    {lines}\n", markdown(&quoted(&finding.title())))
            .expect("a string takes all text");
    }
    for note in notes(verdict) {
        write!(text, "\n- {}", markdown(&quoted(&note))).expect("a string takes all text");
    }
    text.trim_end().to_owned() + "\n\n"
}

/// Text in which nothing is a mark of Markdown's, or a tag.
fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if "\\`*_{}[]<>#|~&".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
