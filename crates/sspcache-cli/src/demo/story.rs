//! The facts as a short story, for somebody who has never heard of an SSP.

use super::{Attempt, Facts, memory::Scan};
use crate::output::{BAD, FAINT, GOOD, STRONG, UNSURE, count, styled};

/// Tells what happened, step by step.
pub(super) fn tell(facts: &Facts) -> String {
    let Facts { module, principal, .. } = facts;
    let user = principal.rsplit('\\').next().unwrap_or(principal);
    let mut story = Story::default();
    story.line(&styled(STRONG, "How a program makes Windows forget a password"));
    story.line("");
    story.tell(&format!(
        "Programs on Windows sign their users in through a Security Support Provider (SSP): a DLL that may keep what \
         they signed in with, so that the next time needs no password. What follows happens inside this process, with a \
         mock of {module}: nothing is installed, nothing is sent, and the password was made up a moment ago."
    ));

    story.chapter(&format!("{user} signs in, with the password"));
    story.attempt("AcquireCredentialsHandle, with a password", &facts.sign_in, true);

    story.chapter(&format!("{user} signs in again, without one"));
    story.attempt("AcquireCredentialsHandle, with nothing", &facts.silent_sign_in, true);
    story.tell(&format!(
        "Nobody was asked for anything: the SSP has {} in its cache. Whoever sits down at this program next signs \
         in as {user} too.",
        count(facts.cached_before_flush, "credential"),
    ));

    story.chapter("So the password must still be somewhere");
    match facts.memory_before_flush {
        Some(scan) => {
            let found = match scan.copies {
                0 => "not found".to_owned(),
                1 => "found once".to_owned(),
                several => format!("found {several} times"),
            };
            story.result(&searched(scan), &found, scan.copies > 0);
            story.tell("So would a debugger find it, or whoever gets hold of a crash dump.");
        }
        None => story.unknown("searching a process's own memory works on Linux only"),
    }

    story.chapter(&format!("{user} signs out, and the program flushes"));
    story.tell(
        "flush_all() follows the documented sequence for every SSP it knows: is it safe to flush here, \
         GetModuleHandle, GetProcAddress, then a call of CleanupCredentialCache. An SSP that isn't loaded has no cache, \
         and is never loaded for this.",
    );
    for row in facts.flush.rows() {
        match &row.outcome {
            Ok(outcome) => story.result(row.ssp.name(), &outcome.to_string(), true),
            Err(error) => story.result(row.ssp.name(), &error.to_string(), false),
        }
    }

    story.chapter(&format!("{user} can't sign in without the password any more"));
    story.attempt("AcquireCredentialsHandle, with nothing", &facts.silent_sign_in_after_flush, false);

    story.chapter("And nothing is left of it");
    match facts.memory_after_flush {
        Some(scan) => {
            let found = match scan.copies {
                0 => "no copy left".to_owned(),
                copies => format!("{copies} LEFT"),
            };
            story.result(&searched(scan), &found, scan.copies == 0);
        }
        None => story.unknown("searching a process's own memory works on Linux only"),
    }

    story.line("");
    if facts.passed {
        story.tell("That is a sign-out. To see whether your program has one, run it against the mock:");
        story.line("   sspcache exec --expect-clean -- your-program");
    } else {
        story.line(&styled(BAD, "This was no sign-out: see the steps marked with ✗."));
    }
    story.text
}

fn searched(scan: Scan) -> String {
    #[allow(clippy::cast_precision_loss, reason = "for people")]
    let megabytes = scan.bytes as f64 / 1e6;
    format!("search all {megabytes:.1} MB of this process")
}

#[derive(Default)]
struct Story {
    text: String,
    chapters: u32,
}

impl Story {
    fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }

    fn chapter(&mut self, title: &str) {
        self.chapters += 1;
        let chapter = styled(STRONG, format!("{}. {title}", self.chapters));
        self.line(&format!("\n{chapter}"));
    }

    /// Prose, wrapped for any terminal.
    fn tell(&mut self, prose: &str) {
        let mut line = String::new();
        for word in prose.split_whitespace() {
            if line.chars().count() + word.chars().count() >= LINE_WIDTH {
                self.prose_line(&line);
                line.clear();
            }
            line = line + " " + word;
        }
        self.prose_line(&line);
    }

    fn prose_line(&mut self, line: &str) {
        self.line(&format!("   {}", styled(FAINT, line.trim_start())));
    }

    fn attempt(&mut self, call: &str, attempt: &Attempt, should_succeed: bool) {
        self.result(call, &attempt.status, attempt.succeeded == should_succeed);
    }

    /// What was done, what came of it, and whether that is as it should be.
    fn result(&mut self, what: &str, outcome: &str, good: bool) {
        let mark = if good { styled(GOOD, "✓") } else { styled(BAD, "✗") };
        self.line(&format!("   {mark} {what:<41} {}", styled(STRONG, outcome)));
    }

    fn unknown(&mut self, why: &str) {
        let mark = styled(UNSURE, "?");
        self.line(&format!("   {mark} {why}"));
    }
}

const LINE_WIDTH: usize = 76;
