//! `sspcache journal`: prints or judges the journals of mock SSPs.

mod calls;
mod compare;
mod running;
mod show;

use std::{
    io,
    path::{Path, PathBuf},
};

use sspcache_engine::journal::{Journal, JournalError, find};

#[cfg(any(feature = "fuzzing", test))]
pub(crate) use self::show::drawing;
pub(crate) use self::{calls::show_calls, compare::compare, show::show};
use crate::{
    cli::{CheckArgs, Policy, VerdictFormat},
    output::{self, Stream, terminal_width},
    places::Places,
    verdict::{Report, Suppressions, SuppressionsError, Verdict, judge},
};

/// Journals, and those that can't be read.
#[derive(Debug)]
pub(crate) struct Journals {
    pub(crate) read: Vec<Journal>,
    pub(crate) unreadable: Vec<JournalError>,
}

impl Journals {
    /// Reads the journals of a run: those that `target` names, except the files that were there before the run.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(crate) fn of_run(target: &Path, before: &[PathBuf]) -> Result<Self, JournalError> {
        let mut journals = Self { read: Vec::new(), unreadable: Vec::new() };
        for path in find(target)?.iter().filter(|path| !before.contains(path)) {
            match Journal::read(path) {
                Ok(journal) => journals.read.push(journal),
                Err(error) => journals.unreadable.push(error),
            }
        }
        Ok(journals)
    }

    /// Reads all journals that `target` names.
    ///
    /// # Errors
    /// When no journal has that name.
    pub(crate) fn at(target: &Path) -> Result<Self, JournalError> {
        let journals = Self::of_run(target, &[])?;
        let nothing = journals.read.is_empty() && journals.unreadable.is_empty();
        // An empty folder comes from a run without a mock; a prefix that no file begins with is a typing mistake.
        if nothing && !target.is_dir() {
            let source = io::Error::new(io::ErrorKind::NotFound, "no journal has this name");
            return Err(JournalError::Unreadable { path: target.to_owned(), source });
        }
        Ok(journals)
    }

    /// The verdict, with places in the files of this system.
    pub(crate) fn judge(&self, suppressions: Suppressions, policy: &Policy) -> Verdict {
        let mut places = Places::new();
        let resolve = &mut |stack: &[_]| places.resolve(stack);
        judge(&self.read, &self.unreadable, running::is_running, suppressions, policy, resolve)
    }
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CheckError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("can't write the JUnit report {}: {source}", path.display())]
    Junit { path: PathBuf, source: io::Error },
    #[error("can't write the result: {0}")]
    Output(#[from] io::Error),
    #[error("can't add to the summary {}: {source}", path.display())]
    Summary { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Suppressions(#[from] SuppressionsError),
}

/// Prints the verdict on journals and returns whether the checks pass.
pub(crate) fn check(args: &CheckArgs) -> Result<bool, CheckError> {
    let suppressions = Suppressions::of(args.suppressing.suppressions.as_deref())?;
    let verdict = Journals::at(&args.journal)?.judge(suppressions, &args.policy);
    let report = Report {
        verdict: &verdict,
        checks: &args.checks(),
        allow_unused: args.allow_unused,
        generates: args.suppressing.gen_suppressions,
    };
    match args.format {
        VerdictFormat::Github => {
            io::Write::write_all(&mut io::stdout(), report.github().as_bytes())?;
            report.append_summary().map_err(|(path, source)| CheckError::Summary { path, source })?;
        }
        VerdictFormat::Json => output::print_json(&report.document())?,
        VerdictFormat::Text => {
            let text = report.text(terminal_width(Stream::Stdout));
            io::Write::write_all(&mut anstream::stdout(), text.as_bytes())?;
        }
    }
    if let Some(path) = &args.junit {
        report.write_junit(path).map_err(|source| CheckError::Junit { path: path.clone(), source })?;
    }
    Ok(report.holds())
}
