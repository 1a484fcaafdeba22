//! Journals: reading them never panics, what was read can be written and read again, and whatever they say can be judged and
//! drawn.
//!
//! The input is a run: journals, with a null between two.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sspcache_cli::fuzzing::Judged;
use sspcache_engine::{Event, journal::Journal};

fuzz_target!(|run: &[u8]| {
    let journals: Vec<Journal> = run.split(|&byte| byte == 0).filter_map(read).collect();
    let judged = Judged::of(&journals);
    let verdict: serde_json::Value = serde_json::from_str(&judged.json()).expect("JSON");
    let number = |key: &str| verdict[key].as_u64().expect("a number");
    assert!(number("left") <= number("cached") + number("held"), "{verdict}");
    assert_eq!(number("left") > 0, verdict["outcome"] == "left", "{verdict}");
    // One of the others: to draw takes longer than everything else.
    match run.len() % 4 {
        0 => check_plain(&judged.text()),
        1 => assert!(!judged.junit().contains('\u{1b}')),
        all => check_plain(&judged.drawing(all == 2)),
    }
});

/// A journal of this text, if it is one.
fn read(text: &[u8]) -> Option<Journal> {
    let path = Path::new("given.jsonl");
    let journal = match Journal::parse(path, text) {
        Err(error) => {
            // A place, and nothing of the text.
            let said: String =
                error.to_string().chars().filter(|character| !character.is_ascii_digit()).collect();
            assert_eq!(said, "given.jsonl::: not an event of a journal of version ..");
            return None;
        }
        Ok(journal) => journal,
    };
    let mut again = Vec::new();
    for event in &journal.events {
        serde_json::to_writer(&mut again, event).expect("an event can be written");
        again.push(b'\n');
    }
    let again = Journal::parse(path, &again).expect("what was written can be read");
    assert_eq!(again.events, journal.events);
    // What a full disk left of a line is reported as a gap, and isn't written again.
    let is_torn = |line: &[u8]| serde_json::from_slice::<Event>(line).is_err();
    let torn =
        text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n")).any(is_torn);
    assert_eq!(journal.incomplete, again.incomplete || torn);
    Some(journal)
}

/// Text brings no control character to a terminal but the ends of its lines and the program's own styles.
fn check_plain(text: &str) {
    const STYLES: [&str; 6] =
        ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character.is_control() && character != '\n') {
        let style = STYLES.into_iter().find(|style| rest[at..].starts_with(style));
        let style = style.unwrap_or_else(|| panic!("a terminal takes this for a command: {text:?}"));
        rest = &rest[at + style.len()..];
    }
}
