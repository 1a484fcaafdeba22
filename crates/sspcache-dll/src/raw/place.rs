//! Places that parameters point to, and the check whether a pointer may be followed.
//!
//! The first 64 KiB of a process hold nothing: Windows reserves them, Linux maps nothing below `vm.mmap_min_addr`, and
//! macOS has its page zero there. Numbers from that range are passed as pointers all the same, as marks of the caller's
//! own. They count as pointers to nothing: what must be there is missing, what may be missing is refused, and a place
//! for an optional result is left alone.

use std::{fmt, marker::PhantomData, ptr::NonNull};

use sspcache_engine::SecurityStatus;

/// A value that is made of a parameter of an exported function.
pub trait Raw<P> {
    /// Makes the value. Nothing is followed yet.
    ///
    /// # Safety
    /// The parameter is what the function's page says, for as long as the value is used: a pointer that is not null
    /// is to what the page says, and what is read is written to by nothing else.
    unsafe fn from_raw(parameter: P) -> Self;
}

/// A pointer of the caller's.
pub(super) struct Place<'c, T> {
    pointer: *mut T,
    memory: PhantomData<&'c mut T>,
}

/// The first address that is ever followed.
const LOWEST: usize = 0x1_0000;

impl<T> Clone for Place<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Place<'_, T> {}

impl<T> fmt::Debug for Place<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pointer.fmt(f)
    }
}

impl<T> Place<'_, T> {
    /// # Safety
    /// As [`Raw::from_raw`]: a pointer that is not null is to what its page says.
    pub(super) const unsafe fn new(pointer: *const T) -> Self {
        Self { pointer: pointer.cast_mut(), memory: PhantomData }
    }

    pub(super) fn is_null(self) -> bool {
        self.pointer.is_null()
    }

    pub(super) fn addr(self) -> usize {
        self.pointer.addr()
    }

    /// The pointer, if it may be followed. Code that follows a caller's pointer calls this first.
    pub(super) fn get(self) -> Option<NonNull<T>> {
        NonNull::new(self.pointer).filter(|pointer| pointer.addr().get() >= LOWEST)
    }

    /// The pointer of an optional parameter; `None` for null.
    ///
    /// # Errors
    /// This status, if it may not be followed.
    pub(super) fn optional(self, invalid: SecurityStatus) -> Result<Option<NonNull<T>>, SecurityStatus> {
        if self.is_null() { Ok(None) } else { self.get().map(Some).ok_or(invalid) }
    }
}

/// A place for a result.
#[derive(Debug)]
pub struct Out<'c, T>(Place<'c, T>);

impl<T> Raw<*mut T> for Out<'_, T> {
    unsafe fn from_raw(parameter: *mut T) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter) })
    }
}

impl<T> Clone for Out<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<'_, T> {}

impl<T: Copy> Out<'_, T> {
    /// Whether there is a place.
    pub(crate) fn is_given(self) -> bool {
        self.0.get().is_some()
    }

    /// Writes the result, if there is a place for it.
    pub(crate) fn write(self, value: T) {
        if let Some(place) = self.0.get() {
            // SAFETY: a place that may be followed is one for this type.
            unsafe { place.write_unaligned(value) };
        }
    }
}

/// An address that is compared with others, and never followed.
#[derive(Clone, Copy, Debug)]
pub struct Address(usize);

impl Address {
    pub(crate) fn addr(self) -> usize {
        self.0
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl<T> Raw<*const T> for Address {
    unsafe fn from_raw(parameter: *const T) -> Self {
        Self(parameter.addr())
    }
}

impl<T> Raw<*mut T> for Address {
    unsafe fn from_raw(parameter: *mut T) -> Self {
        Self(parameter.addr())
    }
}

impl Raw<u32> for u32 {
    unsafe fn from_raw(parameter: u32) -> Self {
        parameter
    }
}

/// The table of functions that the macros pass.
impl<T> Raw<&'static T> for &'static T {
    unsafe fn from_raw(parameter: &'static T) -> Self {
        parameter
    }
}

impl<P, T: Raw<P>, const N: usize> Raw<[P; N]> for [T; N] {
    unsafe fn from_raw(parameters: [P; N]) -> Self {
        // SAFETY: the caller has made the promise for each of them.
        parameters.map(|parameter| unsafe { T::from_raw(parameter) })
    }
}

/// Refuses a call in which one of these is missing.
///
/// # Errors
/// [`SecurityStatus::INVALID_PARAMETER`]
pub(crate) fn all_given<const N: usize>(given: [bool; N]) -> Result<(), SecurityStatus> {
    if given.contains(&false) { Err(SecurityStatus::INVALID_PARAMETER) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn a_pointer_below_64_kib_is_never_followed() {
        for (address, is_followed) in [(0, false), (0x10, false), (LOWEST - 1, false), (LOWEST, true)] {
            // SAFETY: what is made of it here is not followed.
            let place = unsafe { Place::<u64>::new(ptr::without_provenance(address)) };
            assert_eq!(place.get().is_some(), is_followed, "{address:#x}");
            let optional = place.optional(SecurityStatus::INVALID_HANDLE).map(|pointer| pointer.is_some());
            let expected = match address {
                0 => Ok(false),
                _ if is_followed => Ok(true),
                _ => Err(SecurityStatus::INVALID_HANDLE),
            };
            assert_eq!(optional, expected, "{address:#x}");
        }
        // SAFETY: there is nothing at this address, and so nothing is written to.
        let out = unsafe { Out::<u64>::from_raw(ptr::without_provenance_mut(0x10)) };
        assert!(!out.is_given());
        out.write(1);
    }
}
