//! `sspcache journal show`: the timeline of each SSP, with the number of cached credentials beside each event.

use std::{collections::BTreeMap, io::Write, path::Path, time::Duration};

use comfy_table::CellAlignment;
use sspcache_engine::{
    Ending, Event, EventKind, FileTime, Frame, Holds, Source, context::Role, journal::Journal,
};

use super::{CheckError, Journals};
use crate::{
    cli::Format,
    output::{
        FAINT, STRONG, Stream, count, lines, message, print_json, quoted, since_start, styled, table,
        terminal_width, thousands,
    },
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
            let text = drawing(&journals.read, all, terminal_width(Stream::Stdout));
            anstream::stdout().write_all(text.as_bytes())?;
        }
    }
    Ok(journals.unreadable.is_empty())
}

/// The timelines of the journals, one after the other.
pub(crate) fn drawing(journals: &[Journal], all: bool, width: Option<u16>) -> String {
    let events = || journals.iter().flat_map(|journal| &journal.events);
    let start = events().map(|event| event.time).min().unwrap_or_default();
    // One scale for all, so that the bars of different processes can be compared.
    let most = events().map(|event| event.before.max(event.after)).max().unwrap_or(0);
    if journals.is_empty() {
        return styled(FAINT, "no journal: no process used a mock SSP") + "\n";
    }
    let timelines = journals.iter().map(|journal| timeline(journal, start, most, all, width));
    timelines.collect::<Vec<_>>().join("\n")
}

fn timeline(journal: &Journal, start: FileTime, most: u32, all: bool, width: Option<u16>) -> String {
    let mut text = styled(STRONG, quoted(&title(journal))) + "\n";
    // A column for what handles hold, where any does.
    let holds = journal.events.iter().any(|event| event.held > 0);
    let counts = if holds { &["cached", "held"][..] } else { &["cached"] };
    let mut table = table(&[&["time", "event"], counts, &[""]].concat(), width);
    for column in 2..2 + counts.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let images = images(journal);
    let shown = |event: &&Event| all || !matches!(event.kind, EventKind::Image { .. });
    let shown: Vec<_> = journal.events.iter().filter(shown).collect();
    let mut events = shown.as_slice();
    while let [first, ..] = events {
        let run = if all { Run { period: 1, cycles: 1 } } else { Run::at_start_of(events) };
        let (these, rest) = events.split_at(run.len());
        events = rest;
        let last = these.last().unwrap_or(first);
        let what = if run.len() == 1 {
            // Without the others, the first is the call itself.
            let frames = if all { &first.stack } else { &first.stack[..first.stack.len().min(1)] };
            let what =
                [describe(&first.kind)].into_iter().chain(frames.iter().map(|frame| place(*frame, &images)));
            what.map(|line| quoted(&line).into_owned()).collect::<Vec<_>>().join("\n")
        } else {
            let words: Vec<&str> = these[..run.period].iter().map(|event| word(&event.kind)).collect();
            format!("{}, {} times", words.join(", "), thousands(run.cycles as u64))
        };
        let counts = [last.after, last.held].into_iter().take(counts.len());
        let cells = [since_start(since(start, first.time)), what].into_iter();
        let cells = cells.chain(counts.map(|number| thousands(number.into()))).chain([bar(last.after, most)]);
        table.add_row(cells.collect::<Vec<_>>());
    }
    text += &lines(&table);
    if journal.cut || journal.incomplete {
        text += " (events are missing)\n";
    }
    text
}

/// The files of the images that frames are in, by their numbers.
fn images<'a>(journal: &'a Journal) -> BTreeMap<u32, &'a str> {
    let image = |event: &'a Event| match &event.kind {
        EventKind::Image { image, path } => Some((*image, file_name(path))),
        _ => None,
    };
    journal.events.iter().filter_map(image).collect()
}

/// The last part of a path, which may be of a Windows program.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A frame of a stack: the file, and where in it, below the words about its event.
fn place(frame: Frame, images: &BTreeMap<u32, &str>) -> String {
    let file = images.get(&frame.image).copied().unwrap_or("?");
    format!("{:<9} at {file}+{:#x}", "", frame.offset)
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
        EventKind::Cached { principal, package, source, .. } => {
            let how = if *source == Source::Preloaded { ", preloaded" } else { "" };
            format!("{principal} for {package}{how}")
        }
        EventKind::ContextEstablished { principal, package, role, .. }
        | EventKind::ContextImported { principal, package, role, .. } => {
            format!("{} for {package}, {}", whom(principal), side(*role))
        }
        EventKind::ContextFailed { status, .. } => format!("handshake: {}", status.name()),
        EventKind::ContextStarted { package, role, .. } => format!("for {package}, {}", side(*role)),
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
        EventKind::Image { path, .. } => path.clone(),
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
        EventKind::Refused { operation, status, principal, .. } => {
            let whom = if principal.is_empty() { String::new() } else { format!(" for {principal}") };
            format!("{operation}{whom}: {}", status.name())
        }
        EventKind::SignedOut => "signed out".to_owned(),
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
        EventKind::ContextDeleted { .. } => "deleted",
        EventKind::ContextEstablished { .. } => "context",
        EventKind::ContextExported { .. } => "exported",
        EventKind::ContextFailed { .. } => "failed",
        EventKind::ContextImported { .. } => "imported",
        EventKind::ContextStarted { .. } => "handshake",
        EventKind::CredentialsAdded { .. } => "added",
        EventKind::Ended { .. } => "ended",
        EventKind::Evicted { .. } => "evicted",
        EventKind::Expired { .. } => "expired",
        EventKind::Faulted { .. } => "fault",
        EventKind::Flushed => "flushed",
        EventKind::Freed { .. } => "freed",
        EventKind::Image { .. } => "image",
        EventKind::Impersonated { .. } => "acting",
        EventKind::Held { .. } => "held",
        EventKind::KdcProxySet { .. } => "set",
        EventKind::MemoryFreed { .. } => "returned",
        EventKind::Modules { .. } => "modules",
        EventKind::PasswordChanged { .. } => "changed",
        EventKind::ProcessTokenUsed { .. } => "token",
        EventKind::Refreshed { .. } => "refreshed",
        EventKind::Refused { .. } => "refused",
        EventKind::Released { .. } => "released",
        EventKind::Replaced { .. } => "replaced",
        EventKind::Reverted { .. } => "reverted",
        EventKind::SignedOut => "mark",
        EventKind::Started { .. } => "started",
        _ => "other",
    }
}

/// A bar of up to [`BAR_WIDTH`] blocks, in proportion to the highest count, to an eighth of a block. Only zero has
/// none.
fn bar(cached: u32, most: u32) -> String {
    const BAR_WIDTH: u64 = 16;
    const EIGHTHS: [char; 8] = ['▏', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if cached == 0 {
        return String::new();
    }
    // With few credentials each has a block.
    let scale = u64::from(most).max(BAR_WIDTH);
    let eighths = (u64::from(cached) * BAR_WIDTH * 8).div_ceil(scale);
    let mut bar: String = (0..eighths / 8).map(|_| '█').collect();
    if let Some(partial) = usize::try_from(eighths % 8).ok().filter(|&eighths| eighths > 0) {
        bar.push(EIGHTHS[partial]);
    }
    bar
}

fn since(start: FileTime, time: FileTime) -> Duration {
    time.since_unix_epoch().saturating_sub(start.since_unix_epoch())
}
