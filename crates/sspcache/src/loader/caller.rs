//! Where in the application a function of this crate was called, for a mock that reports it. The calls between, through objects of
//! traits, don't pass on what `#[track_caller]` says.

use std::{cell::Cell, panic::Location};

thread_local! {
    static CALLER: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Calls an SSP for the code at this place.
#[doc(hidden)]
pub fn called_from<R>(place: &'static Location<'static>, call: impl FnOnce() -> R) -> R {
    struct Restore(Option<&'static Location<'static>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CALLER.set(self.0);
        }
    }
    let _restore = Restore(CALLER.replace(Some(place)));
    call()
}

/// The place of the call that this thread is in; none outside of [`called_from`].
#[doc(hidden)]
pub fn caller() -> Option<&'static Location<'static>> {
    CALLER.get()
}
