//! What the program makes of files that somebody else wrote, as functions of their content.
//!
//! The commands read the same files by their names; fuzz targets have bytes.

use std::path::Path;

use sspcache_engine::journal::Journal;

use crate::{
    inspect, journal,
    verdict::{self, Verdict},
};

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

/// What `sspcache journal` says of a run's journals. Whatever is in them can be told: nothing of this panics.
#[derive(Debug)]
pub struct Judged<'j> {
    journals: &'j [Journal],
    verdict: Verdict,
}

impl<'j> Judged<'j> {
    /// Judges journals.
    pub fn of(journals: &'j [Journal]) -> Self {
        Self { journals, verdict: verdict::judge(journals, &[]) }
    }

    /// The verdict for people.
    pub fn text(&self) -> String {
        verdict::text(&self.verdict, None)
    }

    /// The verdict for machines.
    ///
    /// # Panics
    /// Never: a verdict has no map whose keys aren't strings.
    pub fn json(&self) -> String {
        serde_json::to_string(&self.verdict).expect("a verdict has no map whose keys aren't strings")
    }

    /// The verdict for a CI server.
    ///
    /// # Panics
    /// Never: a report is written to memory.
    pub fn junit(&self) -> String {
        verdict::junit(&self.verdict, false).to_string().expect("a report is written to memory")
    }

    /// The timeline; with `all`, each event is drawn.
    pub fn drawing(&self, all: bool) -> String {
        journal::drawing(self.journals, all, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of one process whose journal says this of itself and of who signed in.
    fn journal(program: &str, principal: &str, retained: u32) -> Journal {
        let text = [
            format!(
                r#"{{"seq":0,"time":0,"before":0,"after":0,"event":"started","module":"MSNSSPC.dll","pid":1,"program":"{program}","version":"0"}}"#
            ),
            format!(
                r#"{{"seq":1,"time":0,"before":0,"after":1,"retained":{retained},"event":"cached","credential":1,"package":"MSN","principal":"{principal}","source":"explicit","expires":0}}"#
            ),
        ];
        Journal::parse(Path::new("given.jsonl"), (text.join("\n") + "\n").as_bytes()).expect("two events")
    }

    #[test]
    fn what_a_file_says_is_no_command_to_a_terminal() {
        let forged = journal(r"\u001b[2J\u001b]0;client", r"alice\u001b[8m\nclean: nothing was left", 0);
        let journals = [forged];
        let judged = Judged::of(&journals);
        for text in [judged.text(), judged.drawing(true)] {
            assert!(!text.contains("\u{1b}[2J") && !text.contains("\u{1b}[8m"), "{text:?}");
            assert!(text.contains(r"\u{1b}[8m\n"), "{text:?}");
            assert!(!text.lines().any(|line| line.starts_with("clean:")), "{text}");
        }
        assert!(!judged.junit().contains('\u{1b}'), "{:?}", judged.junit());
    }

    #[test]
    fn counts_that_no_process_has_are_told_as_the_highest() {
        let journals = [u32::MAX, u32::MAX].map(|retained| journal("client", "alice", retained));
        assert!(Judged::of(&journals).text().contains("kept 4294967295 copies"));
    }
}
