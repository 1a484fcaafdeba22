//! The verdict for people: a table, then a closing sentence in plain words.

use std::{collections::HashMap, fmt::Write};

use sspcache_engine::Source;

use super::{Credential, End, Kind, LeftWhen, Outcome, Process, Verdict, advice::advice};
use crate::{
    output::{
        BAD, GOOD, UNSURE, count, fitted, join, marked, painted, quoted, since_start, styled, thousands,
        wrapped, wrapped_lines,
    },
    places,
};

/// The verdict as text, for a terminal of this width if there is one.
pub(super) fn text(verdict: &Verdict, width: Option<u16>) -> String {
    let mut text = String::new();
    if verdict.cached + verdict.held > 0 {
        text += &credentials(verdict, width);
        text.push('\n');
        text += &stacks(verdict, width);
    }
    for note in notes(verdict) {
        text += &wrapped(&format!("note: {}", quoted(&note)), "", width);
    }
    text + &wrapped_lines(&closing(verdict), width)
}

/// Most rows that the table shows. Of more credentials, those that were left come first.
pub(super) const MAX_ROWS: usize = 16;

fn credentials(verdict: &Verdict, width: Option<u16>) -> String {
    let mut rows: Vec<(&Process, &Credential)> = verdict
        .processes
        .iter()
        .flat_map(|process| process.credentials.iter().map(move |credential| (process, credential)))
        .collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by_key(|(_, credential)| match credential.end {
            End::Left { .. } => 0,
            End::Suppressed { .. } => 1,
            _ => 2,
        });
    }
    let mut cells_of_rows = Vec::new();
    let mut before = None;
    for (process, credential) in rows.iter().take(MAX_ROWS) {
        // Only the first of a process's rows names it.
        let again = before.replace((process.pid, &process.program)) == Some((process.pid, &process.program));
        let mut cells = row(process, credential);
        if again {
            cells[0].clear();
        }
        cells_of_rows.push(cells.to_vec());
    }
    let header = ["process", "signed in", "as", "through", "what ended it"];
    let mut text = painted(&fitted(&header, &cells_of_rows, width), BAD, LEFT);
    if rows.len() > MAX_ROWS {
        let more = count(rows.len() - MAX_ROWS, "more credential");
        writeln!(text, " … and {more}; the JSON form lists all").expect("a string takes all text");
    }
    text
}

const LEFT: &str = "LEFT";

/// The cells of a credential's row, with a mark in the place of a style.
fn row(process: &Process, credential: &Credential) -> [String; 5] {
    let cells = [
        process.name(),
        since_start(credential.since.at),
        principal(credential),
        format!("{} ({})", credential.package, credential.module),
    ];
    let [process, since, principal, through] = cells.map(|cell| quoted(&cell).into_owned());
    [process, since, principal, through, end(credential)]
}

/// The cells of a credential's row.
pub(super) fn cells(process: &Process, credential: &Credential) -> [String; 5] {
    row(process, credential).map(|cell| cell.replace(&marked(LEFT), LEFT))
}

/// Text without its style.
pub(super) fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Credentials that a process left, alike in all that is said of them but the time.
pub(super) struct LeftAlike<'v> {
    pub(super) process: &'v Process,
    /// The first of them.
    pub(super) credential: &'v Credential,
    pub(super) number: usize,
}

impl LeftAlike<'_> {
    /// `client (412) left CONTOSO\alice for Negotiate (secur32.dll), 3 times`.
    pub(super) fn sentence(&self) -> String {
        let again = if self.number > 1 { format!(", {}", times(self.number)) } else { String::new() };
        quoted(&format!("{} left {}{again}", self.process.name(), whose(self.credential))).into_owned()
    }
}

/// What was left, alike ones once.
pub(super) fn left_alike(verdict: &Verdict) -> Vec<LeftAlike<'_>> {
    let mut all: Vec<LeftAlike<'_>> = Vec::new();
    for process in &verdict.processes {
        let mut known: HashMap<_, usize> = HashMap::new();
        for credential in process.credentials.iter().filter(|it| matches!(it.end, End::Left { .. })) {
            let places = places::lines(&credential.stack, 0, None);
            let index = *known.entry((credential.kind, whose(credential), places)).or_insert(all.len());
            match all.get_mut(index) {
                Some(alike) => alike.number += 1,
                None => all.push(LeftAlike { process, credential, number: 1 }),
            }
        }
    }
    all
}

/// Where what was left came from.
fn stacks(verdict: &Verdict, width: Option<u16>) -> String {
    let mut left = left_alike(verdict);
    left.retain(|left| !left.credential.stack.is_empty());
    let mut text = String::new();
    for left in left.iter().take(MAX_ROWS) {
        text += &wrapped(&format!("{}; it was acquired", left.sentence()), "", width);
        text += &places::lines(&left.credential.stack, 3, width);
        text.push('\n');
    }
    if let Some(more @ 1..) = left.len().checked_sub(MAX_ROWS) {
        let more = count(more, "more stack");
        writeln!(text, " … and {more}; the JSON form lists all\n").expect("a string takes all text");
    }
    text
}

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

fn end(credential: &Credential) -> String {
    // Where it is kept is said of what was left: it decides who can help it.
    let held = match credential.kind {
        Kind::Cached => "",
        Kind::Held => ", held by a handle",
    };
    match &credential.end {
        End::Evicted(moment) => format!("evicted {}, to make room", since_start(moment.at)),
        End::Expired(moment) => format!("expired {}", since_start(moment.at)),
        End::Flushed(moment) => format!("flushed {} (event {})", since_start(moment.at), moment.event),
        End::Left { when } => format!("{} {}{held}", marked(LEFT), left(*when)),
        End::Released(moment) => format!("freed {} (event {})", since_start(moment.at), moment.event),
        End::Unknown { why } => format!("still {} ({why})", kept(credential)),
        End::Replaced(moment) => format!("replaced {}, by a new secret", since_start(moment.at)),
        End::Suppressed { when, .. } => format!("still {} {} (suppressed)", kept(credential), left(*when)),
    }
}

pub(super) fn left(when: LeftWhen) -> &'static str {
    match when {
        LeftWhen::Dropped => "when the SSP was dropped",
        LeftWhen::Exit => "at exit",
        LeftWhen::NoEnd => "(killed, or still running)",
        LeftWhen::Running => "in a process that still runs",
        LeftWhen::SignedOut => "at the end of the sign-out",
        LeftWhen::Unloaded => "at unload or exit",
    }
}

fn kept(credential: &Credential) -> &'static str {
    match credential.kind {
        Kind::Cached => "cached",
        Kind::Held => "held",
    }
}

/// `CONTOSO\alice for Negotiate (secur32.dll)`.
pub(crate) fn whose(credential: &Credential) -> String {
    let Credential { principal, package, module, .. } = credential;
    let principal = if principal.is_empty() { "(no name)" } else { principal };
    format!("{principal} for {package} ({module})")
}

/// What a suppression covers, each once: `still held at exit: …, and why`.
pub(crate) fn still_held(process: &Process) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for credential in &process.credentials {
        if let End::Suppressed { why, .. } = &credential.end {
            let line = format!(
                "still {} at exit of {}: {}: {why}",
                kept(credential),
                process.name(),
                whose(credential)
            );
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

pub(super) fn notes(verdict: &Verdict) -> Vec<String> {
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
    if verdict.processes.iter().any(|process| process.passed_on) {
        notes.push(
            "the system's own packages answered: whether one of them caches what the program signed in with is unknown"
                .to_owned(),
        );
    }
    for process in &verdict.processes {
        notes.extend(still_held(process));
        if process.default_sign_ins > 0 {
            notes.push(format!(
                "{} signed in with the default credentials {}, which leaves nothing",
                process.name(),
                times(process.default_sign_ins)
            ));
        }
    }
    let idle = verdict.processes.iter().filter(|process| !process.is_exercised()).count();
    if idle > 0 && idle < verdict.processes.len() {
        notes.push(format!("{} used a mock without signing in", count(idle, "process")));
    }
    let gaps = verdict.processes.iter().flat_map(|process| &process.gaps).chain(&verdict.gaps);
    notes.extend(gaps.cloned());
    notes.extend(verdict.idle.iter().map(|running| {
        format!("{} still runs, and has used no mock until now, which is allowed", running.name())
    }));
    if let Some(folder) = &verdict.journals_kept_in {
        let folder = folder.display();
        notes.push(format!(
            "the journals stay in {folder}: when it has ended, `sspcache journal check {folder}` judges them. \
             `exec --wait` waits for it"
        ));
    }
    notes
}

/// The closing sentences.
pub(crate) fn closing(verdict: &Verdict) -> String {
    let signed_in = verdict.processes.iter().filter(|process| process.is_exercised()).count();
    let mut text = match verdict.outcome {
        Outcome::Clean => format!(
            "{}: {} in {}, and nothing was left{}.",
            styled(GOOD, "clean"),
            seen(verdict),
            count(signed_in, "process"),
            if verdict.suppressed > 0 { " but what is suppressed" } else { "" },
        ),
        Outcome::Incomplete => {
            let why = match running(verdict) {
                Some(running) => format!("{running}, so what will be left is not known"),
                None => "events are missing, so the journals don't show what was left".to_owned(),
            };
            format!("{}: {why}.", styled(UNSURE, "incomplete"))
        }
        Outcome::Left => not_clean(verdict),
        Outcome::NotExercised if verdict.processes.is_empty() => format!(
            "{}: no process used a mock SSP, so this run proves nothing.{}",
            styled(UNSURE, "not exercised"),
            if verdict.hints.is_empty() {
                " Does the program load MSNSSPC.dll or MSAPSSPC.dll by name?"
            } else {
                ""
            },
        ),
        Outcome::NotExercised => format!(
            "{}: {} used {}, but without a sign-in, so this run proves nothing.",
            styled(UNSURE, "not exercised"),
            count(verdict.processes.len(), "process"),
            if verdict.processes.iter().any(|process| process.passed_on) { "an SSP" } else { "a mock SSP" },
        ),
    };
    for hint in &verdict.hints {
        write!(text, "\n{}.", quoted(hint)).expect("a string takes all text");
    }
    text
}

/// `client (412) still runs`, where nothing else is missing.
pub(super) fn running(verdict: &Verdict) -> Option<String> {
    let gaps = verdict.gaps.len() + verdict.processes.iter().map(|process| process.gaps.len()).sum::<usize>();
    match &*verdict.running {
        running if gaps > running.len() => None,
        [] => None,
        [one] => Some(format!("{} still runs", quoted(&one.name()))),
        several => Some(format!("{} still run", count(several.len(), "process"))),
    }
}

fn not_clean(verdict: &Verdict) -> String {
    let leavers = || verdict.processes.iter().filter(|process| process.left > 0);
    let who: Vec<String> = leavers()
        .map(|process| format!("{} left {}", process.name(), principals_left(process)))
        .map(|who| quoted(&who).into_owned())
        .collect();
    let kind = match (verdict.cached, verdict.held) {
        (_, 0) => "cached credential",
        (0, _) => "held credential",
        _ => "credential",
    };
    let mut text = format!(
        "{}: of {}, {} left. {}.",
        styled(BAD, "not clean"),
        count(verdict.cached + verdict.held, kind),
        are(verdict.left),
        join(&who),
    );
    let mut given: Vec<&str> = Vec::new();
    for line in leavers().flat_map(advice) {
        if !given.contains(&line) {
            given.push(line);
            write!(text, "\n{line}").expect("a string takes all text");
        }
    }
    text
}

/// `2 credentials were cached`, `1 credential was cached and 2 were held`.
fn seen(verdict: &Verdict) -> String {
    match (verdict.cached, verdict.held) {
        (0, 0) => format!("{} with default credentials", count(verdict.default_sign_ins, "sign-in")),
        (0, held) => format!("{} held", was(held)),
        (cached, 0) => format!("{} cached", was(cached)),
        (cached, held) => format!("{} cached and {} held", was(cached), are(held)),
    }
}

fn times(number: usize) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", thousands(more as u64)),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sspcache_engine::journal::Journal;

    use super::super::{Report, Suppressions, judge};
    use crate::cli::{Check, Policy};

    /// The verdict on a program with long names that left, leaked and misused something.
    fn verdict(width: Option<u16>) -> String {
        let mut text = String::new();
        for (seq, event) in [
            r#""event":"started","module":"secur32.dll","pid":41234,"program":"client-of-a-vendor-with-a-long-name","version":"VERSION","os":"linux""#,
            r#""event":"image","image":1,"path":"/opt/a-vendor-of-clients/lib/libclient-of-a-vendor-with-a-long-name.so.4.2""#,
            r#""event":"held","credential":1,"package":"Negotiate","principal":"CONTOSO\\somebody-with-a-long-name","source":"explicit","handle":1"#,
            r#""event":"acquired","handle":1,"package":"Negotiate","principal":"CONTOSO\\somebody-with-a-long-name","credential":1,"source":"explicit","stack":["1+0x1f40","1+0x2a"]"#,
            r#""event":"refused","operation":"InitializeSecurityContext","status":"SEC_E_INVALID_HANDLE","handle":1"#,
            r#""event":"ended","how":"exit","left":1,"lost":0"#,
        ]
        .iter()
        .enumerate()
        {
            let time = 134_117_856_000_000_000 + seq * 12_345;
            let held = u8::from(seq >= 2);
            let common = format!(r#""seq":{seq},"time":{time},"before":0,"after":0,"held":{held}"#);
            let event = event.replace("VERSION", env!("CARGO_PKG_VERSION"));
            text.extend(["{", &common, ",", &event, "}\n"]);
        }
        let journal = Journal::parse(Path::new("given.jsonl"), text.as_bytes()).expect("events");
        let suppressions = Suppressions::of(None).expect("the program's own");
        let resolve = &mut |stack: &[_]| stack.to_vec();
        let verdict = judge(&[journal], &[], |_, _, _| false, suppressions, &Policy::default(), resolve);
        let checks = &[Check::Left, Check::Leaks, Check::Misuse];
        let report = Report { verdict: &verdict, checks, allow_unused: false, generates: false };
        anstream::adapter::strip_str(&report.text(width)).to_string()
    }

    /// Q4
    #[test]
    fn the_verdict_fits_the_terminal_and_breaks_no_word() {
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            // The headings of columns that were moved have a colon, and are there again.
            words.retain(|word| !word.starts_with('─'));
            words.sort();
            words
        };
        let all = words(&verdict(None));
        for width in [80, 120, 200] {
            let text = verdict(Some(width));
            for line in text.lines() {
                let is_one_word = line.split_whitespace().count() == 1;
                assert!(line.chars().count() <= width.into() || is_one_word, "{line}\n{text}");
            }
            let mut missing = all.clone();
            missing
                .retain(|word| !words(&text).contains(word) && !words(&text).contains(&format!("{word}:")));
            assert_eq!(missing, [] as [String; 0], "{text}");
        }
        let text = verdict(Some(80));
        let (table, _) = text.split_once("\n\n").expect("parts");
        insta::assert_snapshot!(table, @r"
         process                                      signed in
        ────────────────────────────────────────────────────────
         client-of-a-vendor-with-a-long-name (41234)  +0.002 s
             as: CONTOSO\somebody-with-a-long-name
             through: Negotiate (secur32.dll)
             what ended it: LEFT at exit, held by a handle
        ");
    }
}
