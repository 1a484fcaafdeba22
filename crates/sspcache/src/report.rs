//! What flushing did: a row per SSP and module.

use std::fmt;

use smallvec::SmallVec;

use crate::{CacheName, Error};

/// What flushing one SSP came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Flush {
    /// The cache was flushed.
    Flushed,
    /// The SSP is not loaded, and so has no cache in this process: a success.
    Absent,
}

impl fmt::Display for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Flushed => "flushed",
            Self::Absent => "not loaded",
        })
    }
}

/// One row of a [`FlushReport`].
#[derive(Debug)]
#[non_exhaustive]
pub struct FlushRow {
    /// The SSP.
    pub ssp: CacheName,
    /// Path of the loaded module; empty when there is none, or it was never looked up.
    pub module: String,
    /// What came of it.
    pub outcome: Result<Flush, Error>,
}

impl FlushRow {
    /// A row.
    pub fn new(ssp: CacheName, module: impl Into<String>, outcome: Result<Flush, Error>) -> Self {
        Self { ssp, module: module.into(), outcome }
    }
}

/// What flushing came to: a row per SSP, and per module where several of one name are loaded (clause C4).
///
/// It prints as a table:
///
/// ```
/// use sspcache::{Flush, FlushReport, FlushRow, CacheName};
/// let mut report = FlushReport::default();
/// report.push(FlushRow::new(CacheName::MSNSSPC, r"C:\app\MSNSSPC.dll", Ok(Flush::Flushed)));
/// report.push(FlushRow::new(CacheName::MSAPSSPC, "", Ok(Flush::Absent)));
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
pub struct FlushReport {
    // Inline for as many as there usually are: the path on which every SSP is absent allocates nothing.
    rows: SmallVec<[FlushRow; 4]>,
}

impl FlushReport {
    /// Adds a row.
    pub fn push(&mut self, row: FlushRow) {
        self.rows.push(row);
    }

    /// The rows, in the order in which the caches were flushed.
    pub fn rows(&self) -> &[FlushRow] {
        &self.rows
    }

    /// Whether every cache was flushed, or was not there.
    pub fn is_success(&self) -> bool {
        self.failures().next().is_none()
    }

    /// How many caches were flushed.
    pub fn flushed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.outcome, Ok(Flush::Flushed))).count()
    }

    /// What failed.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.rows.iter().filter_map(|row| row.outcome.as_ref().err())
    }

    /// The first failure, if any; else whether anything was flushed.
    ///
    /// # Errors
    /// The first row's that has one.
    pub fn into_result(self) -> Result<Flush, Error> {
        let mut all = Flush::Absent;
        for row in self.rows {
            if row.outcome? == Flush::Flushed {
                all = Flush::Flushed;
            }
        }
        Ok(all)
    }
}

impl IntoIterator for FlushReport {
    type Item = FlushRow;
    type IntoIter = smallvec::IntoIter<[FlushRow; 4]>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl fmt::Display for FlushReport {
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
/// sspcache::native().flush_all();
/// ```
///
/// and nothing else is wrong with that:
///
/// ```no_run
/// #![deny(unused_must_use)]
/// use sspcache::CredentialProvider;
/// let _ = sspcache::native().flush_all();
/// ```
#[cfg(doctest)]
struct UnusedReport;

/// `{"success": …, "rows": [{"ssp": …, "module": …, "outcome": …, "error": …}]}`
#[cfg(feature = "serde")]
mod serialize {
    use serde::{Serialize, Serializer, ser::SerializeStruct};

    use super::{FlushReport, FlushRow};

    impl Serialize for FlushReport {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut report = serializer.serialize_struct("FlushReport", 2)?;
            report.serialize_field("success", &self.is_success())?;
            report.serialize_field("rows", self.rows())?;
            report.end()
        }
    }

    impl Serialize for FlushRow {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut row = serializer.serialize_struct("FlushRow", 4)?;
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
