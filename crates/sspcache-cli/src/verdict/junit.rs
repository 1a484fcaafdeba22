//! The verdict for a CI server: a JUnit report with one test case for each program.
//!
//! It is valid by both schemas that CI servers go by: that of Ant's task
//! ([JUnit.xsd](https://github.com/windyroad/JUnit-Schema/blob/master/JUnit.xsd)), which asks for more, and that of Jenkins's plugin xUnit
//! ([junit-10.xsd](https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd)),
//! which allows less.

use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, SystemTime},
};

use sspcache_engine::FileTime;

use super::{
    LeaksOutcome, MisuseOutcome, Outcome, PolicyOutcome, PolicyVerdict, Process, Report, Verdict,
    advice::advice,
    finding::Finding,
    finding_text, leaks_text, misuse_text, policy_text,
    text::{closing, left_alike, plain, still_held},
};
use crate::{cli::Check, places};

/// The verdict as a JUnit report. The checks for leaks and misuse, and that of a policy, have test cases of their own: `leaks`, `misuse` and
/// `policy`.
///
/// CI servers follow test cases by name from run to run. So all processes of a program are one test case, which has the
/// program's name and fails when one of them does: process numbers differ, and so does the order in which processes begin. What a program
/// was started with is in no journal, since it may be a secret. A run without a sign-in, or with unreadable journals, has a
/// test case of its own for that.
pub(super) fn junit(report: &Report<'_>) -> String {
    let Report { verdict, allow_unused, checks, .. } = *report;
    // Processes are judged by what they left, unless other checks alone are made.
    let judges_left = checks.is_empty() || checks.contains(&Check::Left);
    let mut programs: BTreeMap<&str, Vec<&Process>> = BTreeMap::new();
    for process in &verdict.processes {
        programs.entry(&process.program).or_default().push(process);
    }
    let mut cases = Vec::new();
    for (program, processes) in programs {
        let failure = if judges_left { failure_of(verdict, &processes) } else { None };
        // They may run at the same time: it is that of the longest.
        let time = processes.iter().map(|process| process.lasted).max().unwrap_or_default();
        cases.push(Case { class: "sspcache.programs", name: program, time, failure });
    }
    let mut add = |name, failure| cases.push(Case { class: "sspcache", name, time: Duration::ZERO, failure });
    if judges_left && verdict.outcome == Outcome::NotExercised && !allow_unused {
        add("sign-in", Some(Failure::failed("not-exercised", plain(&closing(verdict)))));
    }
    if !verdict.gaps.is_empty() {
        add("journal", Some(Failure::unknown("incomplete", verdict.gaps.join("\n"))));
    }
    if checks.contains(&Check::Leaks) {
        add("leaks", (!report.passes(Check::Leaks)).then(|| leaks(verdict)));
    }
    if checks.contains(&Check::Misuse) {
        add("misuse", (!report.passes(Check::Misuse)).then(|| misuse(verdict)));
    }
    if let Some(policy) = &verdict.policy {
        add("policy", (!report.passes(Check::Policy)).then(|| against(verdict, policy)));
    }
    let beside: Vec<String> = verdict.processes.iter().flat_map(still_held).collect();
    suite(verdict, &cases, &beside.join("\n"))
}

/// A test case.
struct Case<'v> {
    class: &'static str,
    name: &'v str,
    time: Duration,
    failure: Option<Failure>,
}

/// Why a test case doesn't pass. The text stands alone: servers show it without the others.
struct Failure {
    /// JUnit calls it a failure where something was found, and an error where nothing can be said.
    is_known: bool,
    reason: &'static str,
    text: String,
}

impl Failure {
    fn failed(reason: &'static str, text: String) -> Self {
        Self { is_known: true, reason, text }
    }

    fn unknown(reason: &'static str, text: String) -> Self {
        Self { is_known: false, reason, text }
    }
}

/// What the processes of one program left, or what isn't known of them.
fn failure_of(verdict: &Verdict, processes: &[&Process]) -> Option<Failure> {
    let is_theirs = |other: &Process| processes.iter().any(|process| std::ptr::eq(*process, other));
    let mut lines = Vec::new();
    for left in left_alike(verdict).iter().filter(|left| is_theirs(left.process)) {
        lines.push(left.sentence());
        lines.extend(places::lines(&left.credential.stack, 3, None).lines().map(str::to_owned));
    }
    let has_left = !lines.is_empty();
    for line in processes.iter().filter(|process| process.left > 0).flat_map(|process| advice(process)) {
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    lines.extend(processes.iter().flat_map(|process| process.gaps.iter().cloned()));
    match lines.join("\n") {
        nothing if nothing.is_empty() => None,
        text if has_left => Some(Failure::failed("left", text)),
        text => Some(Failure::unknown("incomplete", text)),
    }
}

/// What the check for leaks comes to: each finding.
fn leaks(verdict: &Verdict) -> Failure {
    let leaked = verdict.findings.iter().filter(|finding| finding.is_leaked());
    let text = description(&leaks_text::closing(verdict), leaked);
    match verdict.leaks.outcome {
        LeaksOutcome::Incomplete => Failure::unknown("incomplete", text),
        LeaksOutcome::NotExercised => Failure::failed("not-exercised", text),
        LeaksOutcome::Clean | LeaksOutcome::Leaked => Failure::failed("leaks", text),
    }
}

/// The same for misuse.
fn misuse(verdict: &Verdict) -> Failure {
    let misused = verdict.findings.iter().filter(|finding| finding.is_misused());
    let text = description(&misuse_text::closing(verdict), misused);
    match verdict.misuse.outcome {
        MisuseOutcome::Incomplete => Failure::unknown("incomplete", text),
        MisuseOutcome::NotExercised => Failure::failed("not-exercised", text),
        MisuseOutcome::Clean | MisuseOutcome::Misused => Failure::failed("misuse", text),
    }
}

/// The same for a policy.
fn against(verdict: &Verdict, policy: &PolicyVerdict) -> Failure {
    let against = verdict.findings.iter().filter(|finding| finding.is_against_policy());
    let text = description(&policy_text::closing(policy), against);
    match policy.outcome {
        PolicyOutcome::Incomplete => Failure::unknown("incomplete", text),
        PolicyOutcome::NotExercised => Failure::failed("not-exercised", text),
        PolicyOutcome::Broken | PolicyOutcome::Kept => Failure::failed("policy", text),
    }
}

fn description<'f>(closing: &str, findings: impl Iterator<Item = &'f Finding>) -> String {
    let mut lines = vec![plain(closing)];
    for finding in findings {
        lines.push(String::new());
        lines.push(finding.title());
        lines.extend(finding_text::finding_lines(finding));
    }
    lines.join("\n")
}

/// The document.
fn suite(verdict: &Verdict, cases: &[Case<'_>], output: &str) -> String {
    let count = |is_known| {
        let failures = cases.iter().filter_map(|case| case.failure.as_ref());
        failures.filter(|failure| failure.is_known == is_known).count()
    };
    // A run without a journal was just now.
    let began = verdict.began.unwrap_or_else(|| SystemTime::now().into());
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    write!(
        xml,
        "  <testsuite name=\"credential caches\" package=\"sspcache\" id=\"0\" timestamp=\"{}\" hostname=\"localhost\" \
         tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{}\">\n    <properties/>\n",
        timestamp(began),
        cases.len(),
        count(true),
        count(false),
        seconds(verdict.lasted)
    )
    .expect("a string takes all text");
    for Case { class, name, time, failure } in cases {
        let (name, time) = (escaped(name), seconds(*time));
        write!(xml, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{time}\"")
            .expect("a string takes all text");
        let Some(Failure { is_known, reason, text }) = failure else {
            xml += "/>\n";
            continue;
        };
        let element = if *is_known { "failure" } else { "error" };
        let (first, _) = text.split_once('\n').unwrap_or((text, ""));
        let (first, text) = (escaped(first), escaped(text));
        write!(
            xml,
            ">\n      <{element} message=\"{first}\" type=\"{reason}\">{text}</{element}>\n    </testcase>\n"
        )
        .expect("a string takes all text");
    }
    let output = escaped(output);
    write!(
        xml,
        "    <system-out>{output}</system-out>\n    <system-err></system-err>\n  </testsuite>\n</testsuites>\n"
    )
    .expect("a string takes all text");
    xml
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// A time in UTC without its zone: `2025-12-31T23:59:59`.
fn timestamp(time: FileTime) -> String {
    const DAY: u64 = 24 * 60 * 60;
    let since = time.since_unix_epoch().as_secs();
    let (mut days, second) = (since / DAY, since % DAY);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", days + 1)
}

/// Text for a document in XML 1.0, which has no control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped.push('\n'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.extend(control.escape_default()),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_calendar_has_it() {
        for (since_epoch, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_868_799, "2000-02-29T23:59:59"),
            (951_868_800, "2000-03-01T00:00:00"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (1_767_225_599, "2025-12-31T23:59:59"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch);
            assert_eq!(timestamp(time.into()), text);
        }
    }

    #[test]
    fn text_is_valid_in_a_document() {
        assert_eq!(
            escaped("a<b>&\"c\"\n\u{1b}[0m\u{ffff}é"),
            "a&lt;b&gt;&amp;&quot;c&quot;\n\\u{1b}[0m\u{fffd}é"
        );
    }
}
