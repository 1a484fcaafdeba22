//! What is against a policy, for people: each finding, and a closing sentence.

use super::{
    Verdict,
    finding::{Finding, FindingKind, Standing},
    finding_text::listed,
    policy::{Handshakes, PolicyOutcome, PolicyVerdict},
};
use crate::output::{BAD, GOOD, UNSURE, count, quoted, styled, wrapped, wrapped_lines};

/// The part of the verdict that is about a policy. Findings are numbered on from `first`; how many were.
pub(super) fn text(
    verdict: &Verdict,
    policy: &PolicyVerdict,
    first: usize,
    width: Option<u16>,
) -> (String, usize) {
    let (mut text, shown, rest) = listed(findings(verdict), first, width);
    for finding in rest {
        if let Standing::Suppressed { why } = &finding.standing {
            let note = format!("allowed: {}: {}: {why}", finding.title(), finding.whose());
            text += &wrapped(&format!("note: {}", quoted(&note)), "", width);
        }
    }
    (text + &wrapped_lines(&closing(policy), width), shown)
}

/// The closing sentence.
pub(super) fn closing(policy: &PolicyVerdict) -> String {
    let Handshakes { begun, done, accepted, .. } = policy.handshakes;
    match policy.outcome {
        PolicyOutcome::Broken => {
            format!("{}: {} against the policy.", styled(BAD, "policy broken"), policy.against())
        }
        PolicyOutcome::Incomplete => {
            format!("{}: the journals don't have all that it judges.", styled(UNSURE, "policy unknown"))
        }
        PolicyOutcome::NotExercised => format!(
            "{}: no handshake was done, so this run proves nothing of the policy.",
            styled(UNSURE, "not exercised"),
        ),
        PolicyOutcome::Kept => format!(
            "{}: nothing was against it{}. Of {} that clients began, {} done; servers accepted {accepted}.",
            styled(GOOD, "policy kept"),
            if policy.suppressed == 0 { "" } else { ", but for what is suppressed" },
            count(begun, "handshake"),
            if done == 1 { "1 was".to_owned() } else { format!("{done} were") },
        ),
    }
}

/// The findings of this check.
pub(super) fn findings(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    verdict.findings.iter().filter(|finding| finding.kind == FindingKind::Policy)
}
