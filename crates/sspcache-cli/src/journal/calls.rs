//! `sspcache journal show --calls`: the calls of a run that was traced, of all processes in their order.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{CheckError, Journals};
use crate::{output::message, trace::Trace};

/// Prints the calls in the journals that `target` names and returns whether all of them could be read.
pub(crate) fn show_calls(target: &Path) -> Result<bool, CheckError> {
    let journals = Journals::at(target)?;
    for error in &journals.unreadable {
        message(error);
    }
    let mut is_empty = true;
    let mut out = io::stdout().lock();
    let events = journals.read.into_iter().map(|journal| journal.events).enumerate();
    Trace::new().print(events, |line| {
        is_empty = false;
        writeln!(out, "{line}")
    })?;
    if is_empty {
        message("no calls: trace the run, with `sspcache exec --trace --journal PATH`");
    }
    Ok(journals.unreadable.is_empty())
}
