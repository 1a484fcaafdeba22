//! What the program prints about files from outside, as functions of their content.
//!
//! The commands read these files by name; the fuzz targets of `fuzz/` pass bytes.

use std::path::Path;

use clap::ValueEnum;

use sspcache_engine::journal::Journal;

use crate::{
    cli::{Check, Forbid, Policy, Require},
    inspect, journal,
    places::Places,
    verdict::{self, Report, Suppressions, Verdict},
};

/// What `sspcache inspect` prints about a file.
#[derive(Debug)]
pub struct Inspected {
    /// The text, or the error.
    pub text: Result<String, String>,
    /// The JSON document, which holds either.
    pub json: String,
}

/// Inspects a file with this content; with `all`, lists every export.
///
/// # Panics
/// Never: every content has a result.
pub fn inspected(content: &[u8], all: bool) -> Inspected {
    let (text, json) = inspect::inspect_content(Path::new("given.dll"), content, all);
    Inspected { text, json }
}

/// One that forbids and requires all that there is.
fn policy() -> Policy {
    Policy { forbid: Forbid::value_variants().to_vec(), require: Require::value_variants().to_vec() }
}

/// What `sspcache journal` prints about the journals of a run. No content makes it panic.
#[derive(Debug)]
pub struct Judged<'j> {
    journals: &'j [Journal],
    verdict: Verdict,
}

impl<'j> Judged<'j> {
    /// Judges journals.
    pub fn of(journals: &'j [Journal]) -> Self {
        Self {
            journals,
            verdict: verdict::judge(
                journals,
                &[],
                |_, _, _| false,
                Suppressions::default(),
                &policy(),
                &mut <[_]>::to_vec,
            ),
        }
    }

    /// With everything asked of it.
    fn report(&self) -> Report<'_> {
        Report {
            verdict: &self.verdict,
            checks: &[Check::Left, Check::Leaks, Check::Misuse, Check::Policy],
            allow_unused: false,
            generates: true,
        }
    }

    /// The verdict for people.
    pub fn text(&self) -> String {
        self.report().text(None)
    }

    /// The verdict for machines.
    ///
    /// # Panics
    /// Never: all keys of a verdict are strings.
    pub fn json(&self) -> String {
        serde_json::to_string(&self.report().document()).expect("all keys of a verdict are strings")
    }

    /// The verdict for a CI server.
    ///
    /// # Panics
    /// Never: memory takes the whole report.
    pub fn junit(&self) -> String {
        self.report().junit()
    }

    /// The timeline; with `all`, every event has a row. The files that a journal names aren't read.
    pub fn drawing(&self, all: bool) -> String {
        journal::drawing(self.journals, all, None, &mut Places::unread())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The journal of a process of this name, in which this principal signed in.
    fn journal(program: &str, principal: &str, retained: u32) -> Journal {
        let version = env!("CARGO_PKG_VERSION");
        let text = [
            format!(
                r#"{{"seq":0,"time":0,"before":0,"after":0,"event":"started","module":"MSNSSPC.dll","pid":1,"program":"{program}","version":"{version}"}}"#
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
    fn only_the_end_of_a_credential_is_painted() {
        let text = Judged::of(&[journal("LEFT", "LEFT", 0)]).text();
        let row = text.lines().find(|line| line.contains("LEFT (1)")).expect("the process has a row");
        let painted = crate::output::styled(crate::output::BAD, "LEFT");
        assert!(row.ends_with(&format!("{painted} (killed, or still running)")), "{row:?}");
        assert_eq!(row.matches(&painted).count(), 1, "{row:?}");
    }

    #[test]
    fn counts_that_no_process_has_are_told_as_the_highest() {
        let journals = [u32::MAX, u32::MAX].map(|retained| journal("client", "alice", retained));
        assert!(Judged::of(&journals).text().contains("kept 4294967295 copies"));
    }
}
