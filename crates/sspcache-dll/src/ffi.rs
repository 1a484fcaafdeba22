//! Results of calls at the ABI. Panics stop here (clause M11).
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::Foundation::SEC_E_OK;

use crate::{stack::Edge, trace::Returned};

/// Runs an exported function, whose frame has the edge, and gives what its C function returns.
pub fn answer<T: Answer<R>, R>(edge: &Edge, call: impl FnOnce() -> T) -> R {
    edge.enter();
    let returned = T::answer(caught(call));
    edge.leave(T::returned(&returned));
    returned
}

/// The result of an exported function.
pub trait Answer<R>: Sized {
    /// The C function's return value; `None` is a panic.
    fn answer(outcome: Option<Self>) -> R;

    /// What it says, for a trace.
    fn returned(value: &R) -> Returned;
}

/// `SEC_E_OK`, or the error's code.
impl Answer<i32> for Result<(), SecurityStatus> {
    fn answer(outcome: Option<Self>) -> i32 {
        Answer::answer(outcome.map(|result| result.map(|()| SEC_E_OK)))
    }

    fn returned(&status: &i32) -> Returned {
        Returned::Status(status)
    }
}

/// One of several ways to succeed, or the error's code.
impl Answer<i32> for Result<i32, SecurityStatus> {
    fn answer(outcome: Option<Self>) -> i32 {
        outcome.unwrap_or(Err(SecurityStatus::INTERNAL_ERROR)).unwrap_or_else(SecurityStatus::code)
    }

    fn returned(&status: &i32) -> Returned {
        Returned::Status(status)
    }
}

/// A system error code.
impl Answer<u32> for Result<u32, SecurityStatus> {
    fn answer(outcome: Option<Self>) -> u32 {
        outcome
            .unwrap_or(Err(SecurityStatus::INTERNAL_ERROR))
            .unwrap_or_else(|status| status.code().cast_unsigned())
    }

    fn returned(&code: &u32) -> Returned {
        Returned::Code(code)
    }
}

/// TRUE or FALSE.
impl Answer<i32> for Result<bool, SecurityStatus> {
    fn answer(outcome: Option<Self>) -> i32 {
        matches!(outcome, Some(Ok(true))).into()
    }

    fn returned(&truth: &i32) -> Returned {
        Returned::truth(truth != 0)
    }
}

/// TRUE or FALSE, as a `BOOLEAN`.
impl Answer<bool> for Result<bool, SecurityStatus> {
    fn answer(outcome: Option<Self>) -> bool {
        matches!(outcome, Some(Ok(true)))
    }

    fn returned(&truth: &bool) -> Returned {
        Returned::truth(truth)
    }
}

/// Nothing: the function can't say that it failed.
impl Answer<()> for Result<(), SecurityStatus> {
    fn answer(_: Option<Self>) {}

    fn returned((): &()) -> Returned {
        Returned::Void
    }
}

/// An address, or null.
impl<T> Answer<*const T> for Result<&'static T, SecurityStatus> {
    fn answer(outcome: Option<Self>) -> *const T {
        if let Some(Ok(found)) = outcome { found } else { std::ptr::null() }
    }

    fn returned(pointer: &*const T) -> Returned {
        if pointer.is_null() { Returned::Word("null", false) } else { Returned::Word("given", true) }
    }
}

/// Runs a call; `None` for a panic.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    // The engine recovers from a panic by itself, and nothing else is shared.
    catch_unwind(AssertUnwindSafe(call)).ok()
}
