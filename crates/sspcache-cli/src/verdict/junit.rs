//! The verdict for a CI server: a JUnit report with one test case per process.

use std::collections::HashMap;

use crate::cli::Check;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    End, Kind, LeaksOutcome, MisuseOutcome, Outcome, Process, Report as Asked, Verdict,
    advice::advice,
    finding::Finding,
    finding_text, leaks_text, misuse_text,
    text::{closing, plain, still_held},
};

/// The verdict as a JUnit report. The checks for leaks and misuse have test cases of their own, named `leaks` and `misuse`.
///
/// A test case has the name of its program; a second process of that program gets `#2`, and so on. CI servers follow
/// test cases by name from run to run, and process numbers differ. A run without a sign-in, or with unreadable
/// journals, has a test case of its own for that.
pub(super) fn junit(asked: &Asked<'_>) -> Report {
    let Asked { verdict, allow_unused, checks, .. } = *asked;
    // Processes are judged by what they left, unless other checks alone are made.
    let judges_left = checks.is_empty() || checks.contains(&Check::Left);
    let mut suite = TestSuite::new("credential caches");
    let mut names: HashMap<&str, u32> = HashMap::new();
    for process in &verdict.processes {
        let nth = names.entry(&process.program).or_insert(0);
        *nth += 1;
        let name = match nth {
            1 => process.program.clone(),
            nth => format!("{} #{nth}", process.program),
        };
        let mut case = case(&name, if judges_left { status(process) } else { TestCaseStatus::success() });
        case.add_property(Property::new("pid", process.pid.to_string()));
        let still_held = still_held(process);
        if !still_held.is_empty() {
            case.set_system_out(still_held.join("\n"));
        }
        suite.add_test_case(case);
    }
    if judges_left && verdict.outcome == Outcome::NotExercised && !allow_unused {
        suite.add_test_case(case(
            "sign-in",
            failed(NonSuccessKind::Failure, "not-exercised", &plain(&closing(verdict))),
        ));
    }
    if !verdict.gaps.is_empty() {
        let status = failed(NonSuccessKind::Error, "incomplete", &verdict.gaps.join("\n"));
        suite.add_test_case(case("journal", status));
    }
    if checks.contains(&Check::Leaks) {
        suite.add_test_case(case("leaks", leaks(verdict, asked.passes(Check::Leaks))));
    }
    if checks.contains(&Check::Misuse) {
        suite.add_test_case(case("misuse", misuse(verdict, asked.passes(Check::Misuse))));
    }
    let mut report = Report::new("sspcache");
    report.add_test_suite(suite);
    report
}

fn case(name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname("sspcache");
    case
}

fn status(process: &Process) -> TestCaseStatus {
    if process.left > 0 {
        let left: Vec<String> = process
            .credentials
            .iter()
            .filter(|credential| matches!(credential.end, End::Left { .. }))
            .map(|credential| match credential.kind {
                Kind::Cached => format!(
                    "{} is still cached for {} ({})",
                    credential.principal, credential.package, credential.module
                ),
                Kind::Held => format!(
                    "{} is still held by a handle for {} ({})",
                    credential.principal, credential.package, credential.module
                ),
            })
            .collect();
        let advice = advice(process).into_iter().map(str::to_owned);
        let description: Vec<String> = left.into_iter().chain(advice).collect();
        return failed(NonSuccessKind::Failure, "left", &description.join("\n"));
    }
    if !process.gaps.is_empty() {
        return failed(NonSuccessKind::Error, "incomplete", &process.gaps.join("\n"));
    }
    TestCaseStatus::success()
}

/// What the check for leaks comes to. The description stands alone: it has each finding.
fn leaks(verdict: &Verdict, passes: bool) -> TestCaseStatus {
    if passes {
        return TestCaseStatus::success();
    }
    let (kind, reason) = match verdict.leaks.outcome {
        LeaksOutcome::Incomplete => (NonSuccessKind::Error, "incomplete"),
        LeaksOutcome::NotExercised => (NonSuccessKind::Failure, "not-exercised"),
        LeaksOutcome::Clean | LeaksOutcome::Leaked => (NonSuccessKind::Failure, "leaks"),
    };
    let leaked = verdict.findings.iter().filter(|finding| finding.is_leaked());
    failed(kind, reason, &description(&leaks_text::closing(verdict), leaked))
}

/// The same for misuse.
fn misuse(verdict: &Verdict, passes: bool) -> TestCaseStatus {
    if passes {
        return TestCaseStatus::success();
    }
    let (kind, reason) = match verdict.misuse.outcome {
        MisuseOutcome::Incomplete => (NonSuccessKind::Error, "incomplete"),
        MisuseOutcome::NotExercised => (NonSuccessKind::Failure, "not-exercised"),
        MisuseOutcome::Clean | MisuseOutcome::Misused => (NonSuccessKind::Failure, "misuse"),
    };
    let misused = verdict.findings.iter().filter(|finding| finding.is_misused());
    failed(kind, reason, &description(&misuse_text::closing(verdict), misused))
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

fn failed(kind: NonSuccessKind, reason: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let (first, _) = description.split_once('\n').unwrap_or((description, ""));
    status.set_type(reason).set_message(first).set_description(description);
    status
}
