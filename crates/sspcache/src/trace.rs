//! `tracing` events, behind the feature of that name; nothing without it.

use crate::FlushRow;

/// A cache was flushed, or not.
#[cfg(feature = "tracing")]
pub(crate) fn flush(row: &FlushRow) {
    let (ssp, module) = (row.ssp.name(), row.module.as_str());
    match &row.outcome {
        Ok(outcome) => tracing::info!(target: "sspcache", ssp, module, %outcome, "credential cache"),
        Err(error) => tracing::warn!(target: "sspcache", ssp, module, %error, "credential cache"),
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn flush(_: &FlushRow) {}
