//! The SSPs: loaded by name at the first call, and kept until the process ends.

use std::{
    mem,
    num::NonZeroUsize,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use once_cell::race::{OnceBox, OnceNonZeroUsize};
use sspcache_loader::Handle;
use sspcache_types::name;
use widestring::{U16Str, u16str};
use windows_sys::Win32::{Foundation::SEC_E_INVALID_HANDLE, Security::Credentials::SecHandle};

use crate::process::{loader, refresh_search};

/// The number of SSPs.
pub(super) const COUNT: usize = 2;

const NAMES: [&U16Str; COUNT] = [u16str!("MSNSSPC.dll"), u16str!("MSAPSSPC.dll")];

/// The package that each SSP was made for. Either may offer the other's, too.
const OWN_PACKAGES: [&U16Str; COUNT] = [u16str!("MSN"), u16str!("DPA")];

/// Below this address nothing is ever mapped: what is passed there is a number, and no pointer.
pub(super) const LOWEST_ADDRESS: usize = 0x1_0000;

/// A loaded SSP.
#[derive(Debug)]
pub(super) struct Provider {
    index: usize,
    module: Handle,
}

impl Provider {
    /// The address of an export, looked up once.
    fn find(&self, found: &Slots, name: &str) -> Option<usize> {
        let slot = &found.0[self.index];
        let address = match slot.load(Ordering::Relaxed) {
            0 => loader().procedure(self.module, name).ok()?,
            known => known,
        };
        slot.store(address, Ordering::Relaxed);
        Some(address)
    }

    /// An export of the SSP, as the function that it is; `None` without one.
    ///
    /// # Safety
    /// `F` is the type of function pointers to what SSPs export under this name.
    pub(super) unsafe fn function<F: Copy>(&self, found: &Slots, name: &str) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*const ()>(), "a function's address") };
        let address = ptr::with_exposed_provenance::<()>(self.find(found, name)?);
        // SAFETY: the caller promises that this is such a function, and a pointer to one is as large as an address.
        Some(unsafe { mem::transmute_copy(&address) })
    }

    /// Marks a handle as one of this SSP. The SSP owns the lower half of a handle; the upper half is free for the layer
    /// between SSP and program.
    ///
    /// # Safety
    /// A pointer that isn't null is to a handle.
    pub(super) unsafe fn mark(&self, handle: *mut SecHandle) {
        if !handle.is_null() {
            let upper = handle.cast::<usize>().wrapping_add(UPPER);
            // SAFETY: the caller promises a handle, which is two words.
            unsafe { upper.write_unaligned(self.index + 1) };
        }
    }
}

/// The addresses of an export in each SSP; 0 until the first lookup.
pub(super) struct Slots([AtomicUsize; COUNT]);

impl Slots {
    pub(super) const fn new() -> Self {
        Self([const { AtomicUsize::new(0) }; COUNT])
    }
}

/// The loaded SSPs, in order. A missing one is searched for again: the program may have set another folder since.
pub(super) fn all() -> impl Iterator<Item = &'static Provider> {
    (0..COUNT).filter_map(provider)
}

/// The loaded SSPs, first the one whose own package this is.
pub(super) fn for_package(package: Option<&U16Str>) -> impl Iterator<Item = &'static Provider> {
    let is_own = |own: &&U16Str| {
        package.is_some_and(|package| {
            name::same(own.as_slice().iter().copied(), package.as_slice().iter().copied())
        })
    };
    let first = OWN_PACKAGES.iter().position(is_own);
    let others = (0..COUNT).filter(move |&index| Some(index) != first);
    first.into_iter().chain(others).filter_map(provider)
}

/// The SSP that makes identities: the first one found by the first call.
pub(super) fn first() -> Option<&'static Provider> {
    /// Its index, and one. No lock, which a fork could leave taken; as below.
    static FIRST: OnceNonZeroUsize = OnceNonZeroUsize::new();
    // Another thread may be faster; then its choice counts.
    let first =
        FIRST.get_or_try_init(|| all().next().and_then(|found| NonZeroUsize::new(found.index + 1)).ok_or(()));
    provider(first.ok()?.get() - 1)
}

/// The SSP of a marked handle.
///
/// # Errors
/// The status for a null pointer, and for a handle that no function of this library returned.
///
/// # Safety
/// A pointer that isn't null is to a handle.
pub(super) unsafe fn of(handle: *const SecHandle) -> Result<&'static Provider, i32> {
    if handle.addr() < LOWEST_ADDRESS {
        return Err(SEC_E_INVALID_HANDLE);
    }
    // SAFETY: the caller promises a handle, which is two words.
    let mark = unsafe { handle.cast::<usize>().wrapping_add(UPPER).read_unaligned() };
    let index = mark.checked_sub(1).filter(|&index| index < COUNT);
    index.and_then(provider).ok_or(SEC_E_INVALID_HANDLE)
}

/// The place of a handle's `dwUpper`, in words.
const UPPER: usize = mem::offset_of!(SecHandle, dwUpper) / size_of::<usize>();

fn provider(index: usize) -> Option<&'static Provider> {
    static LOADED: [OnceBox<Provider>; COUNT] = [const { OnceBox::new() }; COUNT];
    if let Some(provider) = LOADED[index].get() {
        return Some(provider);
    }
    refresh_search();
    let module = loader().load(NAMES[index]).ok()?;
    if LOADED[index].set(Box::new(Provider { index, module })).is_err() {
        // Another thread was faster, and one reference is enough.
        let _ = loader().free(module);
    }
    LOADED[index].get()
}
