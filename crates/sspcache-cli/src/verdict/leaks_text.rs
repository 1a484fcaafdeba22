//! What was given out and not given back, for people: each finding, the totals, and a closing sentence.

use super::{
    LeaksOutcome, Process, Verdict, advice,
    finding::{Finding, FindingKind, Standing, What},
    finding_text::listed,
    text::{left, running},
};
use crate::output::{
    BAD, GOOD, UNSURE, count, join, lines, quoted, styled, table, thousands, wrapped, wrapped_lines,
};

/// The part of the verdict that is about leaks. Findings are numbered on from `first`.
pub(super) fn text(verdict: &Verdict, first: usize, width: Option<u16>) -> String {
    let leaks = verdict.findings.iter().filter(|finding| finding.kind == FindingKind::Leak);
    let (mut text, _, rest) = listed(leaks, first, width);
    if verdict.leaks.all.given_out > 0 {
        text += &totals(verdict, width);
        text.push('\n');
    }
    for line in beside(verdict) {
        text += &wrapped(line, "", width);
    }
    for note in notes(&rest) {
        text += &wrapped(&format!("note: {}", quoted(&note)), "", width);
    }
    text + &wrapped_lines(&closing(verdict), width)
}

/// One line for a run that isn't checked for leaks; none where there is nothing to say.
pub(super) fn summary(verdict: &Verdict) -> String {
    if verdict.leaks.outcome != LeaksOutcome::Leaked {
        return String::new();
    }
    format!(
        "note: {} never given back; --check=leaks fails for that, and says which\n",
        were(&leaked(verdict), verdict.leaks.all.leaked)
    )
}

/// A line for each suppression that was for nothing.
pub(super) fn unused(verdict: &Verdict) -> String {
    let line = |name: &String| format!("note: this suppression was for nothing: {}\n", quoted(name));
    verdict.unused_suppressions.iter().map(line).collect()
}

/// The closing sentence.
pub(super) fn closing(verdict: &Verdict) -> String {
    let all = &verdict.leaks.all;
    match verdict.leaks.outcome {
        LeaksOutcome::Leaked => format!(
            "{}: of {} that the SSP gave out, {} never given back.",
            styled(BAD, "leaked"),
            count(all.given_out, "thing"),
            were(&leaked(verdict), all.leaked),
        ),
        LeaksOutcome::Incomplete => {
            let why = match running(verdict) {
                Some(running) => format!("{running}, and may give back what it has"),
                None => "the journals don't show whether all was given back".to_owned(),
            };
            format!("{}: {why}.", styled(UNSURE, "leaks unknown"))
        }
        LeaksOutcome::NotExercised => format!(
            "{}: the SSP gave nothing out, so this run proves nothing of leaks.",
            styled(UNSURE, "not exercised"),
        ),
        LeaksOutcome::Clean => format!(
            "{}: the SSP gave out {}, and {} given back{}.",
            styled(GOOD, "no leaks"),
            count(all.given_out, "thing"),
            if all.given_out == 1 { "it was" } else { "all were" },
            match (all.suppressed, all.not_judged) {
                (0, 0) => "",
                (_, 0) => " but what is suppressed",
                (0, _) => " but what can't be judged",
                _ => " but what is suppressed or can't be judged",
            },
        ),
    }
}

fn totals(verdict: &Verdict, width: Option<u16>) -> String {
    let leaks = &verdict.leaks;
    let mut table = table(&["", "given out", "given back", "leaked", "suppressed", "not judged"], width);
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let kinds = leaks.kinds.iter().map(|(what, totals)| (what.plural(), totals));
    for (name, totals) in kinds.chain([("in all", &leaks.all)]) {
        let numbers =
            [totals.given_out, totals.given_back, totals.leaked, totals.suppressed, totals.not_judged];
        let cells = numbers.map(|number| thousands(number as u64));
        table.add_row([name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    lines(&table)
}

/// How others that are in a process free handles and contexts that were leaked there, each once.
fn beside(verdict: &Verdict) -> Vec<&'static str> {
    let is_theirs = |finding: &&Finding| {
        finding.is_leaked() && matches!(finding.what, What::CredentialHandle | What::Context)
    };
    let mut lines = Vec::new();
    for finding in verdict.findings.iter().filter(is_theirs) {
        let of = |process: &&Process| (process.pid, &process.program) == (finding.pid, &finding.program);
        for line in verdict.processes.iter().filter(of).flat_map(advice::beside) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// What is not shown in full: what was suppressed, and what can't be judged, each reason once for its process.
fn notes(findings: &[&Finding]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for finding in findings {
        let (said, why) = match &finding.standing {
            Standing::Suppressed { why } => (finding.when.map_or("", left), why),
            Standing::NotJudged { why } => ("as far as the journal tells, which is not judged", why),
            _ => continue,
        };
        let note = format!(
            "{} {} still there {said}: {}: {why}",
            finding.what.counted(finding.count),
            is(finding.count),
            finding.whose()
        );
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

/// `2 credential handles and 1 context`.
fn leaked(verdict: &Verdict) -> String {
    let kinds = verdict.leaks.kinds.iter().filter(|(_, totals)| totals.leaked > 0);
    join(&kinds.map(|(what, totals)| what.counted(totals.leaked)).collect::<Vec<_>>())
}

fn were(what: &str, number: usize) -> String {
    format!("{what} {}", if number == 1 { "was" } else { "were" })
}

fn is(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}
