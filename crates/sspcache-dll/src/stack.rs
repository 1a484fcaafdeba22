//! Where in the program a call was made, for the events that say so (clause Q4): `SSPCACHE_STACK` asks for it.
//!
//! | system | how the stack is walked, and an image is found | what isn't there |
//! | --- | --- | --- |
//! | Unix | by the unwinder that panics need; `dl_iterate_phdr` | code without unwind tables ends the stack; none on 32-bit ARM |
//! | Windows | `RtlCaptureStackBackTrace`; `VirtualQuery` | none in 32-bit programs, whose stack has no tables, nor where the mock is linked in |
//!
//! The engine asks while it is locked. So nothing here waits for the lock that the system's loader holds while it runs the code of a
//! module, which may be in a call of its own that waits for the engine.
#![cfg_attr(
    not(any(all(unix, not(target_arch = "arm"), not(miri)), all(windows, target_pointer_width = "64"))),
    allow(dead_code, reason = "there is no way to walk the stack")
)]

use std::{
    cell::Cell,
    ffi::OsStr,
    ptr,
    sync::atomic::{AtomicU8, Ordering},
};

use sspcache_engine::EngineBuilder;

use crate::environment::Environment;
use crate::trace::{Returned, Trace};

#[cfg(all(unix, not(target_arch = "arm"), not(miri)))]
mod unix;
#[cfg(all(unix, not(target_arch = "arm"), not(miri)))]
use unix::Walk;

#[cfg(all(windows, target_pointer_width = "64"))]
mod windows;
#[cfg(all(windows, target_pointer_width = "64"))]
use windows::Walk;

/// What asks for stacks: how many frames of each.
const VARIABLE: &str = "SSPCACHE_STACK";

/// The most frames of a stack.
const MOST_FRAMES: usize = 32;

/// Has the engine record stacks, if the environment asks for them.
pub(crate) fn configure(builder: EngineBuilder, environment: &Environment) -> Result<EngineBuilder, String> {
    let frames = environment.get(VARIABLE).map_or(Ok(0), |value| number(&value))?;
    Wanted::set(frames > 0);
    if frames == 0 {
        return Ok(builder);
    }
    Ok(with_stacks(builder, frames))
}

#[cfg(any(all(unix, not(target_arch = "arm"), not(miri)), all(windows, target_pointer_width = "64")))]
fn with_stacks(builder: EngineBuilder, frames: usize) -> EngineBuilder {
    match Walk::new() {
        Some(walk) => builder.stacks(walk, frames),
        None => builder,
    }
}

#[cfg(not(any(all(unix, not(target_arch = "arm"), not(miri)), all(windows, target_pointer_width = "64"))))]
fn with_stacks(builder: EngineBuilder, _: usize) -> EngineBuilder {
    builder
}

fn number(value: &OsStr) -> Result<usize, String> {
    // Rust's own parser takes a sign, too.
    let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let frames = value.to_str().filter(is_number).and_then(|text| text.parse().ok());
    frames.filter(|&frames| frames <= MOST_FRAMES).ok_or_else(|| {
        format!("{VARIABLE}: {:?} is not a number of frames from 0 to {MOST_FRAMES}", value.to_string_lossy())
    })
}

/// Whether an SSP of this file was asked for stacks.
#[derive(Clone, Copy, Debug)]
struct Wanted;

impl Wanted {
    const NO: u8 = 1;
    const YES: u8 = 2;

    /// Not known before the first call has made an engine, which needs its stack if it is wanted.
    fn state() -> &'static AtomicU8 {
        static STATE: AtomicU8 = AtomicU8::new(0);
        &STATE
    }

    fn set(is_wanted: bool) {
        // Of two SSPs that are linked into one program, one may be asked.
        Self::state().fetch_max(if is_wanted { Self::YES } else { Self::NO }, Ordering::Relaxed);
    }

    fn may_be() -> bool {
        Self::state().load(Ordering::Relaxed) != Self::NO
    }
}

thread_local! {
    /// The address of the outermost [`Edge`] of the call that this thread is in; 0 outside of calls. It has no destructor, which would
    /// keep the DLL from being unloaded.
    static OUTERMOST: Cell<usize> = const { Cell::new(0) };
}

/// A place in the stack's frame of a function that the program calls: the frames beyond it are the program's. It has the call's trace,
/// if the call is traced.
///
/// The image of a frame can't say that, where the mock is linked into the program. It has a size, and may be written to: otherwise it
/// would need no place on the stack.
#[derive(Debug)]
pub struct Edge {
    /// From `Box::into_raw`, or null. A box would be dropped by every function of an SSP, each with code for that.
    trace: Cell<*mut Trace>,
    /// Whether it is the current thread's outermost one, and so to be forgotten.
    is_outermost: Cell<bool>,
}

impl Default for Edge {
    /// That of a call that is about to begin.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "smaller than a call, in every function of an SSP")]
    fn default() -> Self {
        Self { trace: Cell::new(ptr::null_mut()), is_outermost: Cell::new(false) }
    }
}

impl Edge {
    /// Has the call traced.
    pub(crate) fn trace(&self, trace: Box<Trace>) {
        self.trace.set(Box::into_raw(trace));
    }

    /// Begins the call. Not inlined, since every function of an SSP would have a copy.
    #[inline(never)]
    pub(crate) fn enter(&self) {
        let here = ptr::from_ref(self).addr();
        // The system's walk on Windows has no addresses of frames. Stacks grow downwards: an edge below this one is of a call that was
        // left by `longjmp`.
        if cfg!(not(windows)) && Wanted::may_be() && OUTERMOST.get() < here {
            OUTERMOST.set(here);
            self.is_outermost.set(true);
        }
    }

    /// Ends the call, which has returned this.
    #[inline(never)]
    pub(crate) fn leave(&self, returned: Returned) {
        let trace = self.trace.replace(ptr::null_mut());
        if !trace.is_null() {
            // SAFETY: it was a box, and is taken once.
            unsafe { Box::from_raw(trace) }.end(returned);
        }
        self.forget();
    }

    /// Makes a call, in a function that hands its own on to an SSP. The SSP traces it. `call` must not panic.
    pub fn within<T>(&self, call: impl FnOnce() -> T) -> T {
        self.enter();
        let returned = call();
        self.forget();
        returned
    }

    fn forget(&self) {
        if self.is_outermost.get() {
            OUTERMOST.set(0);
        }
    }

    /// The address of the outermost edge of the current thread.
    #[cfg_attr(windows, allow(dead_code, reason = "as above"))]
    fn outermost() -> Option<usize> {
        Some(OUTERMOST.get()).filter(|&address| address != 0)
    }
}

/// Passes on so many frames, but not those at the beginning of images that only hand an SSP's functions on. False once there are enough.
fn outside(limit: usize, found: &mut dyn FnMut(&str, u64)) -> impl FnMut(&str, u64) -> bool + '_ {
    let (mut is_on_the_way, mut left) = (true, limit);
    move |path, offset| {
        is_on_the_way &= hands_on(path);
        if !is_on_the_way && left > 0 {
            left -= 1;
            found(path, offset);
        }
        left > 0
    }
}

/// Whether an image only hands an SSP's functions on: by its file's name.
fn hands_on(path: &str) -> bool {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let names: &[&str] = if cfg!(windows) {
        &["secur32.dll", "security.dll", "sspicli.dll"]
    } else {
        &["libsspcache_win32.dylib", "libsspcache_win32.so"]
    };
    names.iter().any(|name| name.eq_ignore_ascii_case(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Q4
    #[test]
    fn a_number_of_frames_is_decimal_and_at_most_32() {
        for (value, frames) in [("0", Some(0)), ("8", Some(8)), ("032", Some(32)), ("33", None), ("+1", None)]
        {
            assert_eq!(number(OsStr::new(value)).ok(), frames, "{value}");
        }
        for value in ["-1", "8 ", "0x8", "eight", "99999999999999999999999"] {
            let error = number(OsStr::new(value)).unwrap_err();
            assert!(error.starts_with("SSPCACHE_STACK: ") && error.contains(value), "{error}");
        }
    }
}
