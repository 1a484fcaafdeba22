//! The facts as a short story, for readers who don't know what an SSP is.

use super::{Attempt, Facts, memory::Scan};
use crate::output::{BAD, FAINT, GOOD, STRONG, UNSURE, count, styled};

/// The story, step by step.
pub(super) fn write(facts: &Facts) -> String {
    let Facts { module, principal, .. } = facts;
    let user = principal.rsplit('\\').next().unwrap_or(principal);
    let mut story = Story::default();
    story.line(&styled(STRONG, "How a program signs its user out of an SSP's credential cache"));
    story.line("");
    story.paragraph(&format!(
        "Programs on Windows sign their users in through a Security Support Provider (SSP): a DLL that may cache their \
         credentials, so that the next sign-in needs no password. This demo runs inside one process, with a mock of \
         {module}. It installs nothing and sends nothing, and its password is random."
    ));

    story.chapter(&format!("{user} signs in, with the password"));
    story.attempt("AcquireCredentialsHandle, with a password", &facts.sign_in, true);

    story.chapter(&format!("{user} signs in again, without one"));
    story.attempt("AcquireCredentialsHandle, with nothing", &facts.silent_sign_in, true);
    story.paragraph(&format!(
        "The SSP asked for no password: it has {} in its cache. The next person who uses this program signs in as \
         {user}, too.",
        count(facts.cached_before_flush, "credential"),
    ));

    story.chapter("The password is still in memory");
    match facts.memory_before_flush {
        Some(scan) => {
            let found = match scan.copies {
                0 => "not found".to_owned(),
                1 => "found once".to_owned(),
                several => format!("found {several} times"),
            };
            story.result(&searched(scan), &found, scan.copies > 0);
            story.paragraph("A debugger finds it the same way, and so does anyone who reads a crash dump.");
        }
        None => story.unknown("searching a process's own memory works on Linux only"),
    }

    story.chapter(&format!("{user} signs out, and the program flushes"));
    story.paragraph(
        "flush_all() follows the documented sequence for each known SSP: check that it is safe to flush here, \
         find the module with GetModuleHandle and the export with GetProcAddress, call CleanupCredentialCache. It \
         never loads an SSP: one that isn't loaded has no cache.",
    );
    for row in facts.flush.rows() {
        match &row.outcome {
            Ok(outcome) => story.result(row.cache.name(), &outcome.to_string(), true),
            Err(error) => story.result(row.cache.name(), &error.to_string(), false),
        }
    }

    story.chapter(&format!("{user} can no longer sign in without the password"));
    story.attempt("AcquireCredentialsHandle, with nothing", &facts.silent_sign_in_after_flush, false);

    story.chapter("No copy of the password is left");
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
        story.paragraph("The sign-out is complete. To check your own program, run it against the mock:");
        story.line("   sspcache exec --expect-clean -- your-program");
    } else {
        story.line(&styled(BAD, "The sign-out is incomplete: see the steps marked with ✗."));
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

    /// A paragraph, wrapped for a terminal of 80 columns.
    fn paragraph(&mut self, prose: &str) {
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

    /// A step, its outcome, and a mark that shows whether the outcome is right.
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
