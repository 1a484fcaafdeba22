//! The verdict for people: a table, then a closing sentence in plain words.

use std::fmt::Write;

use sspcache_engine::Source;

use super::{Credential, End, LeftWhen, Outcome, Process, Verdict};
use crate::output::{
    BAD, GOOD, UNSURE, count, join, lines, marked, painted, quoted, since_start, styled, table,
};

/// The verdict as text, for a terminal of this width if there is one.
pub(crate) fn text(verdict: &Verdict, width: Option<u16>) -> String {
    let mut text = String::new();
    if verdict.cached > 0 {
        text += &credentials(verdict, width);
        text.push('\n');
    }
    for note in notes(verdict) {
        writeln!(text, "note: {}", quoted(&note)).expect("a string takes all text");
    }
    text + &closing(verdict) + "\n"
}

/// Most rows that the table shows. Of more credentials, those that were left come first.
const MAX_ROWS: usize = 16;

fn credentials(verdict: &Verdict, width: Option<u16>) -> String {
    let mut rows: Vec<(&Process, &Credential)> = verdict
        .processes
        .iter()
        .flat_map(|process| process.credentials.iter().map(move |credential| (process, credential)))
        .collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by_key(|(_, credential)| !matches!(credential.end, End::Left { .. }));
    }
    let mut table = table(&["process", "signed in", "as", "through", "what ended it"], width);
    let mut before = None;
    for (process, credential) in rows.iter().take(MAX_ROWS) {
        // Only the first of a process's rows names it.
        let again = before.replace((process.pid, &process.program)) == Some((process.pid, &process.program));
        let cells = [
            if again { String::new() } else { process.name() },
            since_start(credential.cached.at),
            principal(credential),
            format!("{} ({})", credential.package, credential.module),
        ];
        let cells = cells.each_ref().map(|cell| quoted(cell));
        table.add_row(cells.into_iter().chain([end(credential.end).into()]));
    }
    let mut text = painted(&lines(&table), BAD, LEFT);
    if rows.len() > MAX_ROWS {
        let more = count(rows.len() - MAX_ROWS, "more credential");
        writeln!(text, " … and {more}; the JSON form lists all").expect("a string takes all text");
    }
    text
}

const LEFT: &str = "LEFT";

fn principal(credential: &Credential) -> String {
    let name = if credential.principal.is_empty() { "(no name)" } else { &credential.principal };
    let mut remarks = Vec::new();
    if credential.source == Source::Preloaded {
        remarks.push("preloaded".to_owned());
    }
    if credential.silent_sign_ins > 0 {
        remarks.push(count(credential.silent_sign_ins, "silent sign-in"));
    }
    if remarks.is_empty() { name.to_owned() } else { format!("{name} ({})", remarks.join(", ")) }
}

fn end(end: End) -> String {
    match end {
        End::Evicted(moment) => format!("evicted {}, to make room", since_start(moment.at)),
        End::Expired(moment) => format!("expired {}", since_start(moment.at)),
        End::Flushed(moment) => format!("flushed {} (event {})", since_start(moment.at), moment.event),
        End::Left { when } => format!("{} {}", marked(LEFT), left(when)),
        End::Replaced(moment) => format!("replaced {}, by a new secret", since_start(moment.at)),
    }
}

fn left(when: LeftWhen) -> &'static str {
    match when {
        LeftWhen::Dropped => "when the SSP was dropped",
        LeftWhen::Exit => "at exit",
        LeftWhen::NoEnd => "(killed, or still running)",
        LeftWhen::Unloaded => "at unload or exit",
    }
}

fn notes(verdict: &Verdict) -> Vec<String> {
    let mut notes = Vec::new();
    for process in &verdict.processes {
        if process.failed_flushes > 0 {
            let calls = count(process.failed_flushes, "call");
            notes.push(format!(
                "in {}, an injected fault affected {calls} of CleanupCredentialCache",
                process.name()
            ));
        }
        if process.retained > 0 {
            let copies = match process.retained {
                1 => "1 copy of a secret".to_owned(),
                several => format!("{several} copies of secrets"),
            };
            notes.push(format!(
                "{} kept {copies} in handles that were never freed (handle-policy = \"retain\")",
                process.name(),
            ));
        }
    }
    let idle = verdict.processes.iter().filter(|process| process.credentials.is_empty()).count();
    if idle > 0 && verdict.cached > 0 {
        notes.push(format!("{} used a mock without signing in", count(idle, "process")));
    }
    let gaps = verdict.processes.iter().flat_map(|process| &process.gaps).chain(&verdict.gaps);
    notes.extend(gaps.cloned());
    notes
}

/// The closing sentences.
pub(crate) fn closing(verdict: &Verdict) -> String {
    let signed_in = verdict.processes.iter().filter(|process| !process.credentials.is_empty()).count();
    match verdict.outcome {
        Outcome::Clean => format!(
            "{}: {} cached in {}, and nothing was left.",
            styled(GOOD, "clean"),
            was(verdict.cached),
            count(signed_in, "process"),
        ),
        Outcome::Incomplete => format!(
            "{}: events are missing, so the journals don't show what was left.",
            styled(UNSURE, "incomplete"),
        ),
        Outcome::Left => {
            let who: Vec<String> = verdict
                .processes
                .iter()
                .filter(|process| process.left > 0)
                .map(|process| format!("{} left {}", process.name(), principals_left(process)))
                .map(|who| quoted(&who).into_owned())
                .collect();
            format!(
                "{}: of {}, {} left. {}.\nCall CleanupCredentialCache at sign-out; unloading the SSP or ending the \
                 process is no substitute.",
                styled(BAD, "not clean"),
                count(verdict.cached, "cached credential"),
                are(verdict.left),
                join(&who),
            )
        }
        Outcome::NotExercised if verdict.processes.is_empty() => format!(
            "{}: no process used a mock SSP, so this run proves nothing. Does the program load MSNSSPC.dll or \
             MSAPSSPC.dll by name?",
            styled(UNSURE, "not exercised"),
        ),
        Outcome::NotExercised => format!(
            "{}: {} used a mock SSP, but without a sign-in, so this run proves nothing.",
            styled(UNSURE, "not exercised"),
            count(verdict.processes.len(), "process"),
        ),
    }
}

fn are(number: usize) -> String {
    let verb = if number == 1 { "was" } else { "were" };
    format!("{number} {verb}")
}

fn was(credentials: usize) -> String {
    let verb = if credentials == 1 { "was" } else { "were" };
    format!("{} {verb}", count(credentials, "credential"))
}

/// `CONTOSO\alice and CONTOSO\bob`; of more than three, two names and the number of others.
fn principals_left(process: &Process) -> String {
    let mut names: Vec<String> = Vec::new();
    for credential in &process.credentials {
        if matches!(credential.end, End::Left { .. }) && !names.contains(&credential.principal) {
            names.push(credential.principal.clone());
        }
    }
    if names.len() > 3 {
        let more = count(names.len() - 2, "other");
        names.truncate(2);
        names.push(more);
    }
    join(&names)
}
