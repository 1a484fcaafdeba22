//! A finding, for people.

use std::fmt::Write;

use super::{
    Moment,
    finding::{Finding, FindingKind, Standing},
    text::left,
};
use crate::{
    output::{BAD, UNSURE, count, quoted, since_start, styled, wrapped},
    places,
};

/// Most findings that are shown.
const MOST: usize = 16;

/// A finding in a few lines.
pub(super) fn finding_lines(finding: &Finding) -> Vec<String> {
    let lines = match finding.kind {
        FindingKind::Leak => leak_lines(finding),
        FindingKind::Misuse => misuse_lines(finding),
        FindingKind::Policy => policy_lines(finding),
    };
    lines.iter().map(|line| quoted(line).into_owned()).collect()
}

fn leak_lines(finding: &Finding) -> Vec<String> {
    let first = if finding.count == 1 { "" } else { "the first " };
    let mut lines = vec![
        finding.whose(),
        format!(
            "{first}since {} (event {}), still there {}",
            since_start(finding.since.at),
            finding.since.event,
            finding.when.map_or("", left)
        ),
    ];
    lines.extend(places::lines(&finding.stack, 0, None).lines().map(str::to_owned));
    if let Standing::Unknown { why } = &finding.standing {
        lines.push(format!("Unknown whether it would have been given back: {why}."));
    }
    lines.push(finding.advice.to_owned());
    lines.push(finding.reference.to_owned());
    lines
}

/// `+0.002 s (event 14)`.
pub(super) fn moment(moment: &Moment) -> String {
    format!("{} (event {})", since_start(moment.at), moment.event)
}

fn misuse_lines(finding: &Finding) -> Vec<String> {
    let places = |stack| places::lines(stack, 0, None).lines().map(str::to_owned).collect::<Vec<_>>();
    let first = if finding.count == 1 { "" } else { "the first " };
    let function = finding.function.unwrap_or_default();
    // The system's own may have done what it was asked.
    let was = if finding.passed_on { "called" } else { "refused" };
    let mut lines = vec![finding.whose(), format!("{function} was {was}, {first}{}", moment(&finding.since))];
    lines.extend(places(&finding.stack));
    if let Some(back) = &finding.given_back {
        lines.push(format!("given back before, {}", moment(&back.moment)));
        lines.extend(places(&back.stack));
    }
    if let Some(given_out) = &finding.given_out {
        lines.push(format!("given out {}", moment(given_out)));
    }
    lines.extend((!finding.detail.is_empty()).then(|| finding.detail.clone()));
    if let Standing::Unknown { why } = &finding.standing {
        lines.push(format!("Unknown whether the call broke a rule: {why}."));
    }
    lines.push(finding.advice.to_owned());
    lines.push(finding.reference.to_owned());
    lines
}

fn policy_lines(finding: &Finding) -> Vec<String> {
    let first = if finding.count == 1 { "" } else { "the first " };
    let function = finding.function.unwrap_or_default();
    let mut lines = vec![finding.whose(), format!("{function}, {first}{}", moment(&finding.since))];
    lines.extend(places::lines(&finding.stack, 0, None).lines().map(str::to_owned));
    lines.extend((!finding.detail.is_empty()).then(|| finding.detail.clone()));
    lines.push(finding.advice.to_owned());
    lines.push(finding.reference.to_owned());
    lines
}

/// Findings in full, numbered on from `first`, and how many these are; those that belong into notes are returned with them.
pub(super) fn listed<'f>(
    findings: impl Iterator<Item = &'f Finding>,
    first: usize,
    width: Option<u16>,
) -> (String, usize, Vec<&'f Finding>) {
    let is_shown = |finding: &&Finding| {
        !matches!(finding.standing, Standing::Suppressed { .. } | Standing::NotJudged { .. })
    };
    let (shown, rest): (Vec<_>, Vec<_>) = findings.partition(is_shown);
    let mut text = String::new();
    for (index, finding) in shown.iter().take(MOST).enumerate() {
        writeln!(text, "{}", finding_text(first + index, finding, width)).expect("a string takes all text");
    }
    if shown.len() > MOST {
        let more = count(shown.len() - MOST, "more finding");
        writeln!(text, "… and {more}; the JSON form lists all\n").expect("a string takes all text");
    }
    (text, shown.len().min(MOST), rest)
}

fn finding_text(number: usize, finding: &Finding, width: Option<u16>) -> String {
    let style = if matches!(finding.standing, Standing::Unknown { .. }) { UNSURE } else { BAD };
    let mut text = format!("{number}. {}\n", styled(style, quoted(&finding.title())));
    for line in finding_lines(finding) {
        text += &wrapped(&line, "   ", width);
    }
    text
}
