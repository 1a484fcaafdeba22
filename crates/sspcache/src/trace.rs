//! `tracing` events, behind the feature of that name; nothing without it.

use crate::CleanupRow;

/// A cache was flushed, or not.
#[cfg(feature = "tracing")]
pub(crate) fn cleanup(row: &CleanupRow) {
    match &row.outcome {
        Ok(outcome) => {
            tracing::info!(ssp = row.ssp.name(), module = row.module, %outcome, "credential cache")
        }
        Err(error) => tracing::warn!(ssp = row.ssp.name(), module = row.module, %error, "credential cache"),
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn cleanup(_: &CleanupRow) {}
