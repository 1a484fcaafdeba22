//! `sspcache journal compare`: a recording of the system's own SSPs beside what the mock does (clause Q9).
//!
//! | file | what it does |
//! | --- | --- |
//! | `again` | makes a recording's calls again in the mock |
//! | `token` | says what a token's first bytes are |

mod again;
mod token;

use std::{io::Write, path::Path};

use serde::Serialize;
use sspcache_engine::{EventKind, context::NegotiateFirst, journal::Journal};

use self::again::Again;
use super::{CheckError, Journals};
use crate::{
    cli::Format,
    output::{FAINT, Stream, count, lines, message, print_json, quoted, styled, table, terminal_width},
};

/// What has come of a comparison.
#[derive(Debug, Default, Serialize)]
struct Comparison {
    /// How many calls of the recordings were made again.
    compared: usize,
    /// How many of their answers, such as a status or a size, were the same.
    same: usize,
    differences: Vec<Difference>,
    not_compared: Vec<NotCompared>,
}

/// An answer of the recorded SSP's that isn't the mock's.
#[derive(Debug, Serialize)]
struct Difference {
    program: String,
    /// The number of the event in the recording.
    event: u64,
    call: &'static str,
    package: String,
    /// Which answer it is.
    what: &'static str,
    recorded: String,
    mock: String,
    /// The clause of `docs/semantics.md` that the mock follows.
    clause: &'static str,
    /// Whether the clause says that it isn't verified.
    is_unverified: bool,
}

/// A call that couldn't be made again.
#[derive(Debug, Serialize)]
struct NotCompared {
    program: String,
    event: u64,
    call: &'static str,
    why: String,
}

impl Comparison {
    /// How far the mock is from the recording.
    fn distance(&self) -> usize {
        self.differences.len() + self.not_compared.len()
    }

    fn add(&mut self, other: Self) {
        self.compared += other.compared;
        self.same += other.same;
        self.differences.extend(other.differences);
        self.not_compared.extend(other.not_compared);
    }
}

/// Prints where the recordings differ from the mock, and returns whether they are compared and don't.
pub(crate) fn compare(target: &Path, format: Format) -> Result<bool, CheckError> {
    let journals = Journals::at(target)?;
    for error in &journals.unreadable {
        message(error);
    }
    let mut comparison = Comparison::default();
    for journal in journals.read.iter().filter(|journal| is_recording(journal)) {
        // What Negotiate chooses depends on a system's domain, and isn't compared.
        let [usual, ntlm] = [None, Some(NegotiateFirst::Ntlm)].map(|first| Again::of(journal, first).run());
        comparison.add(if ntlm.distance() < usual.distance() { ntlm } else { usual });
    }
    // What isn't verified first: a recording of real Windows settles it.
    comparison.differences.sort_by_key(|it| (!it.is_unverified, it.clause, it.event));
    match format {
        Format::Json => print_json(&comparison)?,
        Format::Text => {
            let text = text(&comparison, terminal_width(Stream::Stdout));
            anstream::stdout().write_all(text.as_bytes())?;
        }
    }
    let is_whole = journals.unreadable.is_empty() && comparison.compared > 0;
    Ok(is_whole && comparison.differences.is_empty())
}

fn is_recording(journal: &Journal) -> bool {
    journal.events.iter().any(|event| matches!(event.kind, EventKind::PassedOn))
}

fn text(comparison: &Comparison, width: Option<u16>) -> String {
    let Comparison { compared, same, differences, not_compared } = comparison;
    let mut text = String::new();
    if !differences.is_empty() {
        let mut table = table(&["clause", "event", "call", "package", "what", "recorded", "mock"], width);
        for it in differences {
            let clause =
                if it.is_unverified { format!("{} (not verified)", it.clause) } else { it.clause.to_owned() };
            let event = it.event.to_string();
            let cells = [&clause, &event, it.call, &it.package, it.what, &it.recorded, &it.mock];
            table.add_row(cells.map(|cell| quoted(cell).into_owned()));
        }
        text += &(lines(&table) + "\n");
    }
    for it in not_compared {
        let note = format!("not compared: {} of event {}: {}", it.call, it.event, it.why);
        text += &(styled(FAINT, quoted(&note)) + "\n");
    }
    let calls = count(*compared, "call");
    let closing = match (compared, differences.len()) {
        (0, _) => "nothing was compared: `sspcache exec --record` makes recordings.\n".to_owned(),
        (_, 0) => format!("{calls} compared: the mock answers as the recorded SSPs do.\n"),
        (_, several) => {
            format!("{calls} compared: {} the same, {several} different.\n", count(*same, "answer"))
        }
    };
    text + &closing
}
