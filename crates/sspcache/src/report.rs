//! What flushing did: a row per SSP and module.

use std::fmt;

use smallvec::SmallVec;

use crate::{Error, Ssp};

/// What flushing one SSP came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Cleanup {
    /// The cache was flushed.
    Flushed,
    /// The SSP is not loaded, and so has no cache in this process: a success.
    NotLoaded,
}

impl fmt::Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flushed => "flushed",
            Self::NotLoaded => "not loaded",
        })
    }
}

/// One row of a [`CleanupReport`].
#[derive(Debug)]
#[non_exhaustive]
pub struct CleanupRow {
    /// The SSP.
    pub ssp: Ssp,
    /// Path of the loaded module; empty when there is none, or it was never looked up.
    pub module: String,
    /// What came of it.
    pub outcome: Result<Cleanup, Error>,
}

impl CleanupRow {
    /// A row.
    pub fn new(ssp: Ssp, module: impl Into<String>, outcome: Result<Cleanup, Error>) -> Self {
        Self { ssp, module: module.into(), outcome }
    }
}

/// What flushing came to: a row per SSP, and per module where several of one name are loaded (clause C4).
///
/// It prints as a table:
///
/// ```
/// use sspcache::{Cleanup, CleanupReport, CleanupRow, Ssp};
/// let mut report = CleanupReport::default();
/// report.push(CleanupRow::new(Ssp::MSNSSPC, r"C:\app\MSNSSPC.dll", Ok(Cleanup::Flushed)));
/// report.push(CleanupRow::new(Ssp::MSAPSSPC, "", Ok(Cleanup::NotLoaded)));
/// assert_eq!(
///     report.to_string(),
///     "MSNSSPC.dll   flushed     C:\\app\\MSNSSPC.dll\n\
///      MSAPSSPC.dll  not loaded",
/// );
/// assert!(report.is_success());
/// ```
///
/// A report that nobody looks at hides failures, so it must be used: [`Self::into_result`] turns it into one error.
#[derive(Debug, Default)]
#[must_use = "a flush may have failed: look at `is_success`, `failures` or `into_result`"]
pub struct CleanupReport {
    // Inline for as many as there usually are: the path on which every SSP is absent allocates nothing.
    rows: SmallVec<[CleanupRow; 4]>,
}

impl CleanupReport {
    /// Adds a row.
    pub fn push(&mut self, row: CleanupRow) {
        self.rows.push(row);
    }

    /// The rows, in the order in which the caches were flushed.
    pub fn rows(&self) -> &[CleanupRow] {
        &self.rows
    }

    /// Whether every cache was flushed, or was not there.
    pub fn is_success(&self) -> bool {
        self.failures().next().is_none()
    }

    /// How many caches were flushed.
    pub fn flushed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.outcome, Ok(Cleanup::Flushed))).count()
    }

    /// What failed.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.rows.iter().filter_map(|row| row.outcome.as_ref().err())
    }

    /// The first failure, if any; else whether anything was flushed.
    ///
    /// # Errors
    /// The first row's that has one.
    pub fn into_result(self) -> Result<Cleanup, Error> {
        let mut all = Cleanup::NotLoaded;
        for row in self.rows {
            if row.outcome? == Cleanup::Flushed {
                all = Cleanup::Flushed;
            }
        }
        Ok(all)
    }
}

impl IntoIterator for CleanupReport {
    type Item = CleanupRow;
    type IntoIter = smallvec::IntoIter<[CleanupRow; 4]>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl fmt::Display for CleanupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.ssp.name().chars().count()).max().unwrap_or(0);
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match &row.outcome {
                Ok(outcome) if row.module.is_empty() => write!(f, "{:width$}  {outcome}", row.ssp)?,
                Ok(outcome) => write!(f, "{:width$}  {outcome:10}  {}", row.ssp, row.module)?,
                Err(error) => write!(f, "{:width$}  FAILED      {error}", row.ssp)?,
            }
        }
        Ok(())
    }
}

/// It must be used:
///
/// ```compile_fail
/// #![deny(unused_must_use)]
/// use sspcache::CredentialProvider;
/// sspcache::native().cleanup_all();
/// ```
///
/// and nothing else is wrong with that:
///
/// ```no_run
/// #![deny(unused_must_use)]
/// use sspcache::CredentialProvider;
/// let _ = sspcache::native().cleanup_all();
/// ```
#[cfg(doctest)]
struct UnusedReport;

/// `{"success": …, "rows": [{"ssp": …, "module": …, "outcome": …, "error": …}]}`
#[cfg(feature = "serde")]
mod serialize {
    use serde::{Serialize, Serializer, ser::SerializeStruct};

    use super::{CleanupReport, CleanupRow};

    impl Serialize for CleanupReport {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut report = serializer.serialize_struct("CleanupReport", 2)?;
            report.serialize_field("success", &self.is_success())?;
            report.serialize_field("rows", self.rows())?;
            report.end()
        }
    }

    impl Serialize for CleanupRow {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut row = serializer.serialize_struct("CleanupRow", 4)?;
            row.serialize_field("ssp", self.ssp.name())?;
            row.serialize_field("module", &self.module)?;
            match &self.outcome {
                Ok(outcome) => row.serialize_field("outcome", outcome)?,
                Err(error) => {
                    row.serialize_field("outcome", error.kind())?;
                    row.serialize_field("error", &error.to_string())?;
                }
            }
            row.end()
        }
    }
}
