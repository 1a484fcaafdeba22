//! What the program makes of files that somebody else wrote, as functions of their content.
//!
//! The commands read the same files by their names; fuzz targets have bytes.

use std::path::Path;

use sspcache_engine::journal::Journal;

use crate::{inspect, journal, verdict};

/// What `sspcache inspect` says of a file.
#[derive(Debug)]
pub struct Inspected {
    /// The text, or why there is none.
    pub text: Result<String, String>,
    /// The JSON form, which has both.
    pub json: String,
}

/// Inspects a file of this content; with `all`, every export is listed.
///
/// # Panics
/// Never: whatever is in a file can be told.
pub fn inspected(content: &[u8], all: bool) -> Inspected {
    let (text, json) = inspect::inspect_content(Path::new("given.dll"), content, all);
    Inspected { text, json }
}

/// What `sspcache journal` says of a run's journals.
#[derive(Debug)]
pub struct Judged {
    /// The verdict for people.
    pub text: String,
    /// The verdict for machines.
    pub json: String,
    /// The verdict for a CI server.
    pub junit: String,
    /// The timeline.
    pub drawing: String,
}

/// Judges and draws journals; with `all`, each event is drawn.
///
/// # Panics
/// Never: whatever is in a journal can be told.
pub fn judged(journals: &[Journal], all: bool) -> Judged {
    let verdict = verdict::judge(journals, &[]);
    Judged {
        text: verdict::text(&verdict, None),
        json: serde_json::to_string(&verdict).expect("a verdict has no map whose keys aren't strings"),
        junit: verdict::junit(&verdict, false).to_string().expect("a report is written to memory"),
        drawing: journal::drawing(journals, all, None),
    }
}
