//! Calls that broke the rules of their pages, for people: each finding, and a closing sentence.

use super::{
    MisuseOutcome, Verdict,
    finding::{Finding, FindingKind, Standing},
    finding_text::listed,
    text::running,
};
use crate::output::{BAD, GOOD, UNSURE, count, quoted, styled, wrapped, wrapped_lines};

/// The part of the verdict that is about misuse. Findings are numbered on from `first`; how many were.
pub(super) fn text(verdict: &Verdict, first: usize, width: Option<u16>) -> (String, usize) {
    let (mut text, shown, rest) = listed(findings(verdict), first, width);
    for finding in rest {
        if let Standing::Suppressed { why } | Standing::NotJudged { why } = &finding.standing {
            let note =
                format!("not held against the program: {}: {}: {why}", finding.title(), finding.whose());
            text += &wrapped(&format!("note: {}", quoted(&note)), "", width);
        }
    }
    (text + &wrapped_lines(&closing(verdict), width), shown)
}

/// One line for a run that isn't checked for misuse; none where there is nothing to say.
pub(super) fn summary(verdict: &Verdict) -> String {
    if verdict.misuse.outcome != MisuseOutcome::Misused {
        return String::new();
    }
    let calls = count(verdict.misuse.misused, "call");
    format!("note: {calls} broke the rules of SSPI; --check=misuse fails for that, and says which\n")
}

/// The closing sentence.
pub(super) fn closing(verdict: &Verdict) -> String {
    let misuse = &verdict.misuse;
    match misuse.outcome {
        MisuseOutcome::Misused => {
            format!("{}: {} broke the rules of SSPI.", styled(BAD, "misused"), count(misuse.misused, "call"))
        }
        MisuseOutcome::Incomplete => {
            let why = match running(verdict) {
                Some(running) => format!("{running}, and may call more"),
                None => "the journals don't have all calls".to_owned(),
            };
            format!("{}: {why}.", styled(UNSURE, "misuse unknown"))
        }
        MisuseOutcome::NotExercised => format!(
            "{}: the SSP gave nothing out, so this run proves nothing of misuse.",
            styled(UNSURE, "not exercised"),
        ),
        MisuseOutcome::Clean => format!(
            "{}: no call broke a rule that is checked{}.",
            styled(GOOD, "no misuse"),
            match (misuse.suppressed, misuse.not_judged) {
                (0, 0) => "",
                (_, 0) => ", but for what is suppressed",
                (0, _) => ", but for what can't be judged",
                _ => ", but for what is suppressed or can't be judged",
            },
        ),
    }
}

/// The findings of this check.
pub(super) fn findings(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    verdict.findings.iter().filter(|finding| finding.kind == FindingKind::Misuse)
}
