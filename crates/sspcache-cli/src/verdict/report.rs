//! A verdict with what was asked of it: its checks, and the forms in which it is written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Verdict, github, junit, leaks_text, misuse_text, policy_text, text};
use crate::{cli::Check, output::wrapped_lines};

/// A verdict, and what was asked of it.
#[derive(Debug)]
pub(crate) struct Report<'v> {
    pub(crate) verdict: &'v Verdict,
    /// Nothing fails without a check.
    pub(crate) checks: &'v [Check],
    pub(crate) allow_unused: bool,
    /// Whether entries for a file of suppressions were asked for.
    pub(crate) generates: bool,
}

/// The version of the JSON form, which `docs/verdict.schema.json` describes. It changes when a field is gone or means something else; a new
/// field changes nothing for who reads the others.
const VERSION: u32 = 1;

/// The JSON form.
#[derive(Serialize)]
struct Document<'v> {
    version: u32,
    #[serde(flatten)]
    verdict: &'v Verdict,
    checks: Vec<Checked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generated_suppressions: Option<String>,
}

#[derive(Serialize)]
struct Checked {
    check: &'static str,
    passes: bool,
}

impl Report<'_> {
    /// Whether every check passes.
    pub(crate) fn holds(&self) -> bool {
        self.checks.iter().all(|&check| self.passes(check))
    }

    pub(crate) fn passes(&self, check: Check) -> bool {
        self.verdict.holds(check, self.allow_unused)
    }

    /// For machines.
    pub(crate) fn document(&self) -> impl Serialize {
        let checked = |&check: &Check| Checked { check: name(check), passes: self.passes(check) };
        Document {
            version: VERSION,
            verdict: self.verdict,
            checks: self.checks.iter().map(checked).collect(),
            generated_suppressions: self.generates.then(|| self.verdict.generated_suppressions(self.checks)),
        }
    }

    /// For people, for a terminal of this width if there is one.
    pub(crate) fn text(&self, width: Option<u16>) -> String {
        let mut text = text::text(self.verdict, width);
        let (checks_misuse, checks_leaks) =
            (self.checks.contains(&Check::Misuse), self.checks.contains(&Check::Leaks));
        let mut number = 1;
        if checks_misuse {
            let (misuse, shown) = misuse_text::text(self.verdict, number, width);
            text.extend(["\n", &misuse]);
            number += shown;
        }
        if let Some(policy) = &self.verdict.policy {
            let (policy, shown) = policy_text::text(self.verdict, policy, number, width);
            text.extend(["\n", &policy]);
            number += shown;
        }
        if checks_leaks {
            text.extend(["\n", &leaks_text::text(self.verdict, number, width)]);
        }
        if !checks_misuse {
            text += &wrapped_lines(&misuse_text::summary(self.verdict), width);
        }
        if !checks_leaks {
            text += &wrapped_lines(&leaks_text::summary(self.verdict), width);
        }
        #[cfg(feature = "serve")]
        if let Some(served) = &self.verdict.served {
            text += &wrapped_lines(&served.text(), width);
        }
        text += &wrapped_lines(&leaks_text::unused(self.verdict), width);
        if self.generates {
            let entries = self.verdict.generated_suppressions(self.checks);
            if entries.is_empty() {
                text += "\nThere is nothing to suppress.\n";
            } else {
                text.extend(["\n# For a file that `--suppressions` names:\n\n", &entries]);
            }
        }
        text
    }

    /// For GitHub Actions.
    pub(crate) fn github(&self) -> String {
        github::github(self)
    }

    /// Appends to the summary of a step of GitHub Actions, if there is one.
    ///
    /// # Errors
    /// The file, and the operating system's error.
    pub(crate) fn append_summary(&self) -> Result<(), (PathBuf, io::Error)> {
        github::append_summary(self)
    }

    /// For a CI server.
    pub(crate) fn junit(&self) -> String {
        junit::junit(self)
    }

    /// Writes the form for a CI server to a file.
    pub(crate) fn write_junit(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.junit())
    }
}

fn name(check: Check) -> &'static str {
    match check {
        Check::Leaks => "leaks",
        Check::Left => "left",
        Check::Misuse => "misuse",
        Check::Policy => "policy",
    }
}
