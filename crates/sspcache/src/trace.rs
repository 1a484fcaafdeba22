//! `tracing` events, behind the feature of that name; nothing without it.

use crate::FlushRow;

/// A cache was flushed, or not.
#[cfg(feature = "tracing")]
pub(crate) fn flush(row: &FlushRow) {
    let cache = row.cache.name();
    let module = row.module.as_deref().map(|path| tracing::field::display(path.display()));
    let (instance, entries) = (row.instance.as_deref(), row.entries);
    match &row.outcome {
        Ok(outcome) => {
            tracing::info!(target: "sspcache", cache, instance, module, entries, %outcome, "credential cache");
        }
        Err(error) => {
            let error = error.chain();
            tracing::warn!(target: "sspcache", cache, instance, module, entries, %error, "credential cache");
        }
    }
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn flush(_: &FlushRow) {}
