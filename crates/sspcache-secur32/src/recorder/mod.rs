//! Passes calls on to the system's own `secur32.dll`, mocks nothing, and records them (`sspcache exec --record`, clause Q9).
//!
//! | file | its part |
//! | --- | --- |
//! | `lives` | which handles and memory the system gave out and took back, by the numbers that the journal has |
//! | `memory` | reads what a caller's parameters point to |
//! | `events` | what a call that was passed on says in the journal |
//! | `steps` | the same of a step of a handshake |
//!
//! What the program does to something that it gave back is recorded before the call is passed on: the system may crash of it.

mod events;
mod lives;
mod memory;
mod steps;

use std::{
    ffi::{CStr, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU8, Ordering},
};

use sspcache_dll::recording::{self, Operation};

pub(crate) use self::lives::{end, forget};
use crate::library::{self, SYSTEM};

/// Whether the program's call is to be recorded. What the system's own calls meanwhile is no call of the program's.
///
/// Nothing is recorded of 32-bit programs, whose DLL has no room for it; their calls are passed on.
pub(crate) fn is_on() -> bool {
    cfg!(target_pointer_width = "64") && mocks_nothing() && !library::is_inside()
}

/// Whether every call is passed on.
pub(crate) fn mocks_nothing() -> bool {
    const NO: u8 = 1;
    const YES: u8 = 2;
    static STATE: AtomicU8 = AtomicU8::new(0);
    let state = match STATE.load(Ordering::Relaxed) {
        0 => {
            let is_set = std::env::var_os(recording::VARIABLE).is_some_and(|value| !value.is_empty());
            let state = if is_set { YES } else { NO };
            STATE.store(state, Ordering::Relaxed);
            state
        }
        known => known,
    };
    state == YES
}

/// The parameters of a call: their names, and as many values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters<'p> {
    pub(crate) names: &'p [&'static str],
    pub(crate) values: &'p [usize],
}

/// A parameter as a word.
pub(crate) fn word<T: Copy>(value: T) -> usize {
    const { assert!(size_of::<T>() <= size_of::<usize>(), "parameters are words at most") };
    let mut word = 0usize;
    // SAFETY: both are valid for so many bytes, and `T` is a number or a pointer.
    unsafe { std::ptr::from_ref(&value).cast::<u8>().copy_to((&raw mut word).cast(), size_of::<T>()) };
    word
}

/// A function that is called, and what it is called with.
#[derive(Clone, Copy, Debug)]
struct Call<'p> {
    name: &'static CStr,
    operation: Operation,
    parameters: Parameters<'p>,
}

impl<'p> Call<'p> {
    fn new(name: &'static CStr, parameters: Parameters<'p>) -> Option<Self> {
        let text = name.to_str().ok()?;
        let stem = text.trim_end_matches(['A', 'W']);
        let known = |name: &str| Operation::from_name(name);
        let operation = known(text).or_else(|| known(stem)).or_else(|| known(stem.trim_end_matches("Ex")))?;
        Some(Self { name, operation, parameters })
    }

    /// The parameter of this name; 0 where the function has none.
    fn get(&self, name: &str) -> usize {
        let at = self.parameters.names.iter().position(|parameter| *parameter == name);
        at.and_then(|at| self.parameters.values.get(at)).copied().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u32 {
        u32::try_from(self.get(name) as u64 & u64::from(u32::MAX)).unwrap_or_default()
    }

    /// Whether its strings are UTF-16.
    fn is_wide(&self) -> bool {
        self.name.to_bytes().last() == Some(&b'W')
    }
}

/// Passes a call on to the system's function of this name, which `make` calls, and records it.
///
/// # Safety
/// The parameters are those of the function, by its page.
pub(crate) unsafe fn pass_on(
    name: &'static CStr,
    parameters: Parameters<'_>,
    make: &mut dyn FnMut(*const c_void) -> i32,
) -> i32 {
    let function = SYSTEM.function(name);
    if function.is_null() {
        return library::UNSUPPORTED;
    }
    let call = Call::new(name, parameters);
    // SAFETY: by this function's contract.
    let before = call.and_then(|call| caught(|| unsafe { events::before(&call) }));
    let status = SYSTEM.call(|| make(function));
    if let (Some(call), Some(before)) = (call, before) {
        // SAFETY: by this function's contract.
        caught(|| unsafe { events::after(&call, before, status) });
    }
    status
}

/// What recording does is nothing that the program may notice.
fn caught<T>(record: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(record)).ok()
}

/// The result of a function that this system doesn't have: nothing was done.
pub(crate) trait Missing {
    fn missing() -> Self;
}

impl Missing for () {
    fn missing() {}
}

impl Missing for bool {
    fn missing() -> Self {
        false
    }
}

impl Missing for i32 {
    fn missing() -> Self {
        library::UNSUPPORTED
    }
}

impl Missing for u32 {
    fn missing() -> Self {
        library::UNSUPPORTED.cast_unsigned()
    }
}
