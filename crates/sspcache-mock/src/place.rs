//! Where in a test's code the calls were made that an SSP's events are about.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io,
    panic::Location,
    sync::{Arc, Mutex, PoisonError},
};

use sspcache::loader;
use sspcache_engine::{Event, EventSink};

/// A place in code.
type Place = &'static Location<'static>;

thread_local! {
    /// The place of the call that this thread makes now. The SSP's events come within it.
    static CURRENT: Cell<Option<Place>> = const { Cell::new(None) };
}

/// The place that a call is from: the application's call of a credential or context, else that of the function of the interface itself.
#[track_caller]
pub(crate) fn caller() -> Place {
    loader::caller().unwrap_or(Location::caller())
}

/// Makes a call of this place.
pub(crate) fn within<R>(place: Place, call: impl FnOnce() -> R) -> R {
    CURRENT.set(Some(place));
    let result = call();
    CURRENT.set(None);
    result
}

/// The places of an SSP's events, by the events' numbers. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<BTreeMap<u64, Place>>>);

impl Places {
    /// ` at tests/sign_in.rs:12:5`, or nothing.
    pub(crate) fn at(&self, event: u64) -> String {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.get(&event).map_or_else(String::new, |place| format!(" at {place}"))
    }
}

impl EventSink for Places {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        if let Some(place) = CURRENT.get() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(event.seq, place);
        }
        Ok(())
    }
}
