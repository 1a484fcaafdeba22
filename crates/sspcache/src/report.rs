//! What flushing did: a row per cache, and per module where several have one name.

use std::{fmt, path::PathBuf};

use smallvec::SmallVec;

use crate::{CacheName, Error, caches::Scope};

/// The outcome of flushing a cache that didn't fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Flush {
    /// The cache was flushed.
    Flushed,
    /// There is no such cache in this process, so nothing is in it: a success. An SSP that isn't loaded has none.
    Absent,
}

impl Flush {
    /// The outcome in one word, as reports print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flushed => "flushed",
            Self::Absent => "absent",
        }
    }
}

impl fmt::Display for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One row of a [`FlushReport`].
#[derive(Debug)]
#[non_exhaustive]
pub struct FlushRow {
    /// The name of the cache.
    pub cache: CacheName,
    /// The path of the loaded module that has the cache. `None` when the cache is no module's, when no module of its name is
    /// loaded, and when the flush was refused before modules were looked up.
    pub module: Option<PathBuf>,
    /// Whose cache it is.
    pub scope: Scope,
    /// Which of several: the name of a ccache, a filter of targets.
    pub instance: Option<String>,
    /// How many entries were removed, where the system tells.
    pub entries: Option<usize>,
    /// The outcome.
    pub outcome: Result<Flush, Error>,
}

impl FlushRow {
    /// A row for a cache of this process that is no module's.
    pub fn new(cache: CacheName, outcome: Result<Flush, Error>) -> Self {
        Self { cache, module: None, scope: Scope::Process, instance: None, entries: None, outcome }
    }

    /// The same row for so many entries that were removed.
    #[must_use]
    pub fn with_entries(self, entries: usize) -> Self {
        Self { entries: Some(entries), ..self }
    }

    /// The same row for one of several caches of the name.
    #[must_use]
    pub fn with_instance(self, instance: impl Into<String>) -> Self {
        Self { instance: Some(instance.into()), ..self }
    }

    /// The same row for a cache of this scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// The same row for the cache of a loaded module.
    #[must_use]
    pub fn with_module(self, path: impl Into<PathBuf>) -> Self {
        Self { module: Some(path.into()), ..self }
    }
}

/// The outcome of a flush: a row per cache, and per module where several loaded modules have one name.
///
/// It prints as a table:
///
/// ```
/// use sspcache::{CacheName, Flush, FlushReport, FlushRow};
/// let mut report = FlushReport::default();
/// report.push(FlushRow::new(CacheName::MSNSSPC, Ok(Flush::Flushed)).with_module(r"C:\app\MSNSSPC.dll"));
/// report.push(FlushRow::new(CacheName::MSAPSSPC, Ok(Flush::Absent)));
/// assert_eq!(
///     report.to_string(),
///     "MSNSSPC.dll   flushed  C:\\app\\MSNSSPC.dll\n\
///      MSAPSSPC.dll  absent",
/// );
/// assert!(report.is_success());
/// ```
///
/// A report that is ignored hides failures, so it must be used. [`Self::into_result`] turns it into one error.
#[derive(Debug, Default)]
#[must_use = "a flush may have failed: look at `is_success`, `failures` or `into_result`"]
pub struct FlushReport {
    // Inline for as many rows as there usually are, those of `Caches::process()`: a flush that finds no module loaded allocates
    // nothing.
    rows: SmallVec<[FlushRow; 5]>,
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

    /// Returns whether every cache was flushed or absent.
    pub fn is_success(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The number of caches that were flushed.
    pub fn flushed(&self) -> usize {
        self.rows.iter().filter(|row| matches!(row.outcome, Ok(Flush::Flushed))).count()
    }

    /// The failures.
    pub fn failures(&self) -> impl Iterator<Item = &Error> {
        self.rows.iter().filter_map(|row| row.outcome.as_ref().err())
    }

    /// [`Flush::Flushed`] if any cache was flushed, [`Flush::Absent`] if all were absent.
    ///
    /// # Errors
    /// The first failure.
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
    type IntoIter = std::vec::IntoIter<FlushRow>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_vec().into_iter()
    }
}

impl fmt::Display for FlushReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.cache.name().chars().count()).max().unwrap_or(0);
        for (index, row) in self.rows.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{:width$}  ", row.cache)?;
            let instance = row.instance.as_deref();
            match (&row.outcome, &row.module) {
                (Err(error), _) => {
                    write!(f, "FAILED   ")?;
                    instance.map_or(Ok(()), |instance| write!(f, "{instance}: "))?;
                    write!(f, "{}", error.chain())?;
                }
                (Ok(outcome), None) if instance.is_none() && row.entries.is_none() => write!(f, "{outcome}")?,
                (Ok(outcome), module) => {
                    write!(f, "{outcome:7}  ")?;
                    match (instance, module) {
                        (Some(instance), _) => write!(f, "{instance}")?,
                        (None, Some(module)) => write!(f, "{}", module.display())?,
                        (None, None) => {}
                    }
                    match row.entries {
                        None => {}
                        Some(entries) => {
                            let after = if instance.is_some() || module.is_some() { ", " } else { "" };
                            let plural = if entries == 1 { "y" } else { "ies" };
                            write!(f, "{after}{entries} entr{plural}")?;
                        }
                    }
                }
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

/// `{"success": …, "rows": [{"cache": …, "scope": …, "module": …, "instance": …, "entries": …, "outcome": …, "error": …}]}`.
/// `module`, `instance` and `entries` are null where there is none; `error` is there for failures only, whose `outcome` is
/// [`Error::code`].
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
            let fields = if self.outcome.is_ok() { 6 } else { 7 };
            let mut row = serializer.serialize_struct("FlushRow", fields)?;
            row.serialize_field("cache", self.cache.name())?;
            row.serialize_field("scope", self.scope.as_str())?;
            // A path may be no Unicode, which JSON has no place for.
            row.serialize_field("module", &self.module.as_deref().map(std::path::Path::to_string_lossy))?;
            row.serialize_field("instance", &self.instance)?;
            row.serialize_field("entries", &self.entries)?;
            match &self.outcome {
                Ok(outcome) => row.serialize_field("outcome", outcome.as_str())?,
                Err(error) => {
                    row.serialize_field("outcome", error.code())?;
                    row.serialize_field("error", &error.chain().to_string())?;
                }
            }
            row.end()
        }
    }
}
