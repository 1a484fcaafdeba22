//! `sspcache journal show`: the timeline of each SSP, with the number of cached credentials beside each event.

use std::{io::Write, path::Path, time::Duration};

use comfy_table::CellAlignment;
use sspcache_engine::{Ending, Event, EventKind, FileTime, Holds, Source, context::Role, journal::Journal};

use super::{CheckError, Journals};
use crate::{
    cli::Format,
    output::{
        FAINT, STRONG, Stream, count, lines, message, print_json, quoted, since_start_exactly, status_name,
        styled, table, terminal_width, thousands,
    },
    places::{self, Images, Place, Places},
};

/// Prints the journals that `target` names and returns whether all of them could be read.
pub(crate) fn show(target: &Path, all: bool, format: Format) -> Result<bool, CheckError> {
    let mut journals = Journals::at(target)?;
    journals.read.sort_by_key(|journal| journal.events.first().map(|event| event.time));
    for error in &journals.unreadable {
        message(error);
    }
    match format {
        Format::Json => print_json(&journals.read.iter().map(|journal| &journal.events).collect::<Vec<_>>())?,
        Format::Text => {
            let mut places = Places::new();
            let text = drawing(&journals.read, all, terminal_width(Stream::Stdout), &mut places);
            anstream::stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(journals.unreadable.is_empty())
}

/// The timelines of the journals, one after the other.
pub(crate) fn drawing(journals: &[Journal], all: bool, width: Option<u16>, places: &mut Places) -> String {
    let events = || journals.iter().flat_map(|journal| &journal.events);
    let start = events().map(|event| event.time).min().unwrap_or_default();
    // One scale for all, so that the bars of different processes can be compared.
    let most = events().map(|event| event.before.max(event.after)).max().unwrap_or(0);
    if journals.is_empty() {
        return styled(FAINT, "no journal: no process used a mock SSP") + "\n";
    }
    let mut text = Vec::new();
    for journal in journals {
        text.push(timeline(journal, &Scale { start, most, all, width }, places));
    }
    text.join("\n")
}

/// What all timelines have in common.
struct Scale {
    start: FileTime,
    /// The highest number that was cached.
    most: u32,
    all: bool,
    width: Option<u16>,
}

fn timeline(journal: &Journal, scale: &Scale, places: &mut Places) -> String {
    let mut text = styled(STRONG, quoted(&title(journal))) + "\n";
    // A column for what handles hold, where any does.
    let holds = journal.events.iter().any(|event| event.held > 0);
    let counts = if holds { &["cached", "held"][..] } else { &["cached"] };
    let mut table = table(&[&["event", "time", "what"], counts, &[""]].concat(), scale.width);
    for column in [0].into_iter().chain(3..3 + counts.len()) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut stacks = Vec::new();
    let shown = shown(journal, scale.all);
    let (events, unresolved): (Vec<&Event>, Vec<Vec<Place>>) = shown.into_iter().unzip();
    let mut at = 0;
    while let Some(first) = events.get(at) {
        let run = if scale.all { Run { period: 1, cycles: 1 } } else { Run::at_start_of(&events[at..]) };
        let these = &events[at..at + run.len()];
        let last = these.last().unwrap_or(first);
        let (number, what) = if run.len() == 1 {
            // The call itself; those that led to it only where all is wanted.
            let frames = &unresolved[at];
            let frames = if scale.all { frames } else { &frames[..frames.len().min(1)] };
            stacks.push(places.resolve(frames));
            (first.seq.to_string(), describe(&first.kind))
        } else {
            stacks.push(Vec::new());
            let words: Vec<&str> = these[..run.period].iter().map(|event| word(&event.kind)).collect();
            let what = format!("{}, {} times", words.join(", "), thousands(run.cycles as u64));
            (format!("{}–{}", first.seq, last.seq), what)
        };
        at += run.len();
        let cells = [number, since_start_exactly(since(scale.start, first.time)), quoted(&what).into_owned()];
        let counts = [last.after, last.held].into_iter().take(counts.len());
        let counts = counts.map(|number| thousands(number.into())).chain([bar(last.after, scale)]);
        table.add_row(cells.into_iter().chain(counts).collect::<Vec<_>>());
    }
    text += &with_stacks(&lines(&table), &stacks, scale.width);
    if journal.cut || journal.incomplete {
        text += " (events are missing)\n";
    }
    text
}

/// The events that are shown, each with its stack. Stacks name images, so the events that number them are for those who want all; so
/// are calls, which a trace has, and which have done what the others say.
fn shown(journal: &Journal, all: bool) -> Vec<(&Event, Vec<Place>)> {
    let mut images = Images::default();
    let mut shown = Vec::new();
    for event in &journal.events {
        images.note(event);
        if all || !matches!(event.kind, EventKind::Called { .. } | EventKind::Image { .. }) {
            shown.push((event, images.stack(event)));
        }
    }
    shown
}

/// The lines of a table, with the stack of each row under it: in the table, it would widen a column for all rows.
fn with_stacks(table: &str, stacks: &[Vec<Place>], width: Option<u16>) -> String {
    const INDENT: usize = 9;
    /// The first column, with the blank before it and the one behind it.
    const FIRST: usize = "event".len() + 2;
    const HEADING: usize = 2;
    let mut text = String::new();
    let mut stacks = stacks.iter();
    let mut row: &[Place] = &[];
    for (index, line) in table.lines().enumerate() {
        // A row's first line has the event's number, those that a cell was wrapped to don't.
        if index >= HEADING && line.chars().take(FIRST).any(|character| character != ' ') {
            text += &places::lines(row, INDENT, width);
            row = stacks.next().map_or(&[], Vec::as_slice);
        }
        text += line;
        text.push('\n');
    }
    text + &places::lines(row, INDENT, width)
}

fn title(journal: &Journal) -> String {
    match journal.started() {
        Some(EventKind::Started { module, pid, program, forked, .. }) => {
            let forked = if *forked { ", forked" } else { "" };
            format!("{module} in {program} ({pid}{forked}), {}", count(journal.events.len(), "event"))
        }
        _ => format!("{}, {}", journal.path.display(), count(journal.events.len(), "event")),
    }
}

/// Events that share a row: the first one alone, or those of a cycle that repeats, as when a program acquires and frees
/// a thousand credentials.
struct Run {
    period: usize,
    cycles: usize,
}

impl Run {
    fn at_start_of(events: &[&Event]) -> Self {
        const LONGEST_PERIOD: usize = 4;
        const FEW: usize = 4;
        (1..=LONGEST_PERIOD)
            .map(|period| {
                let alike = |index: &usize| word(&events[*index].kind) == word(&events[index % period].kind);
                Self { period, cycles: (0..events.len()).take_while(alike).count() / period }
            })
            .find(|run| run.cycles >= FEW)
            .unwrap_or(Self { period: 1, cycles: 1 })
    }

    fn len(&self) -> usize {
        self.period * self.cycles
    }
}

/// An event in words: what happened, and to which principal.
fn describe(kind: &EventKind) -> String {
    let about = match kind {
        EventKind::Acquired { principal, package, source, .. }
        | EventKind::CredentialsAdded { principal, package, source, .. } => {
            let how = match source {
                Source::Anonymous => "anonymously".to_owned(),
                Source::Cache => format!("as {principal}, silently"),
                Source::Default if principal.is_empty() => "by default".to_owned(),
                Source::Default => format!("as {principal}, by default"),
                Source::Inbound => "inbound".to_owned(),
                _ => format!("as {principal}"),
            };
            format!("{how}, for {package}")
        }
        EventKind::Allocated { memory, holds, size, package } => {
            let of = if package.is_empty() { String::new() } else { format!(" for {package}") };
            format!("memory {memory}: {}{of}, {}", content(*holds), count(*size, "byte"))
        }
        EventKind::MemoryFreed { memory } => format!("memory {memory}"),
        EventKind::Called { function, .. } => function.clone(),
        EventKind::Cached { principal, package, source, .. } => {
            let how = if *source == Source::Preloaded { ", preloaded" } else { "" };
            format!("{principal} for {package}{how}")
        }
        EventKind::ContextEstablished { principal, package, role, .. }
        | EventKind::ContextImported { principal, package, role, .. } => {
            format!("{} for {package}, {}", whom(principal), side(*role))
        }
        EventKind::ContextFailed { status, .. } => format!("handshake: {}", status_name(*status)),
        EventKind::ContextCompleted { .. } => "token, by CompleteAuthToken".to_owned(),
        EventKind::ContextToComplete { .. } => "token, for CompleteAuthToken".to_owned(),
        EventKind::ContextStarted { package, role, target, .. } => {
            let to = if target.is_empty() { String::new() } else { format!(" to {target}") };
            format!("for {package}{to}, {}", side(*role))
        }
        EventKind::Ended { how, left, .. } => {
            let how = match how {
                // An ELF destructor can't distinguish the two.
                Ending::Unloaded => "unloaded, or process exit".to_owned(),
                how => how.to_string(),
            };
            if *left > 0 { format!("{how}; {} left", count(*left, "credential")) } else { how }
        }
        EventKind::Faulted { operation, effect } => format!("{operation}: {}", effect.name()),
        EventKind::Held { principal, package, .. } => format!("{principal} for {package}, by a handle"),
        EventKind::Image { image, path } => format!("{image} is {path}"),
        EventKind::Modules { loaded } => format!("loaded: {}", loaded.join(", ")),
        EventKind::KdcProxySet { server, force, .. } => {
            let server = if server.is_empty() { "none" } else { server };
            format!("proxy for Kerberos: {server}{}", if *force { ", and no other way" } else { "" })
        }
        EventKind::PasswordChanged { principal } => format!("password of {}", whom(principal)),
        EventKind::Impersonated { principal, .. } => format!("impersonation of {}", whom(principal)),
        EventKind::ProcessTokenUsed { user } => {
            format!("clients are impersonated with the token of the process's own user, {}", whom(user))
        }
        EventKind::Refused { operation, status, forbidden, .. } if !forbidden.is_empty() => {
            format!("{operation}: {}: {forbidden} is forbidden", status.name())
        }
        EventKind::Refused { operation, status, principal, memory, .. } => {
            let whom = match memory {
                Some(memory) => format!(" for memory {memory}"),
                None if principal.is_empty() => String::new(),
                None => format!(" for {principal}"),
            };
            format!("{operation}{whom}: {}", status_name(*status))
        }
        EventKind::PassedOn => "to the system's own SSPs".to_owned(),
        EventKind::SignedOut => "signed out".to_owned(),
        EventKind::Sized { token, signature, block, trailer, .. } => {
            format!("longest token {token}, signature {signature}, block {block}, trailer {trailer}")
        }
        EventKind::Stepped { role, asked, granted, status, size, .. } => {
            let (asked, granted) = (format!("{asked:#x}"), format!("{granted:#x}"));
            let token = count(*size, "byte");
            format!("{}, asked {asked}, granted {granted}: {}, {token}", side(*role), status_name(*status))
        }
        EventKind::Started { version, .. } => format!("mock {version}"),
        _ => String::new(),
    };
    // Padded to the longest word, so that the details form a column.
    format!("{:<9} {about}", word(kind)).trim_end().to_owned()
}

/// A principal's name; null sessions have none.
fn whom(principal: &str) -> &str {
    if principal.is_empty() { "anonymous" } else { principal }
}

fn content(holds: Holds) -> &'static str {
    match holds {
        Holds::Attribute => "an attribute",
        Holds::ExportedContext => "an exported context",
        Holds::Identity => "an identity",
        Holds::PackedIdentity => "a packed identity",
        Holds::Packages => "packages",
        Holds::Token => "a token",
        _ => "something",
    }
}

fn side(role: Role) -> &'static str {
    match role {
        Role::Acceptor => "accepting",
        Role::Initiator => "initiating",
    }
}

fn word(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Acquired { .. } => "acquired",
        EventKind::Allocated { .. } => "allocated",
        EventKind::Cached { .. } => "cached",
        EventKind::Called { .. } => "call",
        EventKind::ContextDeleted { .. } => "deleted",
        EventKind::ContextCompleted { .. } => "completed",
        EventKind::ContextEstablished { .. } => "context",
        EventKind::ContextExported { .. } => "exported",
        EventKind::ContextFailed { .. } => "failed",
        EventKind::ContextImported { .. } => "imported",
        EventKind::ContextStarted { .. } => "handshake",
        EventKind::ContextToComplete { .. } => "pending",
        EventKind::CredentialsAdded { .. } => "added",
        EventKind::Ended { .. } => "ended",
        EventKind::Evicted { .. } => "evicted",
        EventKind::Expired { .. } => "expired",
        EventKind::Faulted { .. } => "fault",
        EventKind::Flushed => "flushed",
        EventKind::Freed { .. } => "freed",
        EventKind::Impersonated { .. } => "acting",
        EventKind::Held { .. } => "held",
        EventKind::Image { .. } => "image",
        EventKind::KdcProxySet { .. } => "set",
        EventKind::MemoryFreed { .. } => "returned",
        EventKind::Modules { .. } => "modules",
        EventKind::PassedOn => "passed on",
        EventKind::PasswordChanged { .. } => "changed",
        EventKind::ProcessTokenUsed { .. } => "token",
        EventKind::Refreshed { .. } => "refreshed",
        EventKind::Refused { .. } => "refused",
        EventKind::Released { .. } => "released",
        EventKind::Replaced { .. } => "replaced",
        EventKind::Reverted { .. } => "reverted",
        EventKind::SignedOut => "mark",
        EventKind::Sized { .. } => "sizes",
        EventKind::Started { .. } => "started",
        EventKind::Stepped { .. } => "step",
        _ => "other",
    }
}

/// A bar of up to 16 blocks, in proportion to the highest count, to an eighth of a block. Only zero has none. A narrow terminal has
/// room for half as many.
fn bar(cached: u32, scale: &Scale) -> String {
    const EIGHTHS: [char; 8] = ['▏', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if cached == 0 {
        return String::new();
    }
    let blocks: u64 = if scale.width.is_some_and(|width| width < 100) { 8 } else { 16 };
    // With few credentials each has a block.
    let most = u64::from(scale.most).max(blocks);
    let eighths = (u64::from(cached) * blocks * 8).div_ceil(most);
    let mut bar: String = (0..eighths / 8).map(|_| '█').collect();
    if let Some(partial) = usize::try_from(eighths % 8).ok().filter(|&eighths| eighths > 0) {
        bar.push(EIGHTHS[partial]);
    }
    bar
}

fn since(start: FileTime, time: FileTime) -> Duration {
    time.since_unix_epoch().saturating_sub(start.since_unix_epoch())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A journal in which a program in C++ acquired a credential, with a stack; and much more.
    fn journal() -> Journal {
        let mut text = String::new();
        for (seq, event) in [
            r#""event":"started","module":"secur32.dll","pid":41234,"program":"client","version":"0""#,
            r#""event":"image","image":1,"path":"/opt/a-vendor-of-clients/lib/libclient-of-a-vendor-with-a-long-name.so.4.2""#,
            r#""event":"cached","credential":1,"package":"Negotiate","principal":"CONTOSO\\somebody-with-a-long-name","source":"explicit","expires":0"#,
            r#""event":"acquired","handle":1,"package":"Negotiate","principal":"CONTOSO\\somebody-with-a-long-name","credential":1,"source":"explicit","stack":["1+0x1f40","1+0x2a"]"#,
            r#""event":"refused","operation":"InitializeSecurityContext","status":"SEC_E_NO_CREDENTIALS","stack":["2+0x1"]"#,
            r#""event":"ended","how":"exit","left":1,"lost":0"#,
        ]
        .iter()
        .enumerate()
        {
            let time = 134_117_856_000_000_000 + seq * 12_345;
            let common = format!(r#""seq":{seq},"time":{time},"before":0,"after":1000"#);
            text.extend(["{", &common, ",", event, "}\n"]);
        }
        Journal::parse(Path::new("given.jsonl"), text.as_bytes()).expect("events")
    }

    /// Q4
    #[test]
    fn a_timeline_fits_the_terminal_and_breaks_no_word() {
        let journals = [journal()];
        let draw = |width| {
            let text = drawing(&journals, false, width, &mut Places::unread());
            anstream::adapter::strip_str(&text).to_string()
        };
        let words = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            words.retain(|word| !word.starts_with(['─', '█']));
            words.sort();
            words
        };
        for width in [80, 200] {
            let text = draw(Some(width));
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width.into()), "{text}");
            assert_eq!(words(&text), words(&draw(None)), "{text}");
        }
        insta::assert_snapshot!(draw(Some(80)), @r"
        secur32.dll in client (41234), 6 events
         event  time         what                                      cached
        ────────────────────────────────────────────────────────────────────────────────
             0  +0.000000 s  started   mock 0                           1,000  ████████
             2  +0.002469 s  cached                                     1,000  ████████
                             CONTOSO\somebody-with-a-long-name for
                             Negotiate
             3  +0.003704 s  acquired  as                               1,000  ████████
                             CONTOSO\somebody-with-a-long-name, for
                             Negotiate
                 at 0x1f40: ??? (in libclient-of-a-vendor-with-a-long-name.so.4.2)
             4  +0.004938 s  refused   InitializeSecurityContext:       1,000  ████████
                             SEC_E_NO_CREDENTIALS
                 at 0x1: ??? (in an unknown image)
             5  +0.006173 s  ended     process exit; 1 credential       1,000  ████████
                             left
        ");
    }
}
