//! The mock SSPs without a DLL: linked into the test, and called through the same pointers. For Miri, which can't load files.
#![allow(unsafe_code, reason = "pointers to functions, as a loaded library gives them")]

use std::{
    collections::HashMap,
    ffi::c_void,
    fmt, mem,
    ops::Deref,
    path::Path,
    sync::{Mutex, PoisonError},
};

use sspcache_dll::Ending;

/// Stands for [`libloading::Library`]: one SSP of its own as long as it is there.
pub struct Library {
    exports: HashMap<&'static str, *const c_void>,
    slot: usize,
}

/// A way to make a mock, and to end it.
struct Slot {
    module: &'static str,
    exports: fn() -> Vec<(&'static str, *const c_void)>,
    detach: fn(Ending),
}

macro_rules! slots {
    ($($name:ident: $module:literal = $file:literal),*) => {
        $(mod $name {
            sspcache_dll::link_ssp!($file);
        })*
        /// As many as one test uses at once, with the name that cargo gives the library.
        const SLOTS: &[Slot] = &[$(Slot { module: $module, exports: $name::exports, detach: $name::detach }),*];
    };
}

slots! {
    msn_first: "MSNSSPC" = "MSNSSPC.dll",
    msn_second: "MSNSSPC" = "MSNSSPC.dll",
    msap_first: "MSAPSSPC" = "MSAPSSPC.dll",
    msap_second: "MSAPSSPC" = "MSAPSSPC.dll"
}

static TAKEN: Mutex<[bool; SLOTS.len()]> = Mutex::new([false; SLOTS.len()]);

impl Library {
    /// An SSP that no other test uses, by its file's name.
    #[allow(clippy::unnecessary_wraps, reason = "as libloading's")]
    pub unsafe fn new(file: &Path) -> Result<Self, Missing> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free =
            |&at: &usize| !taken[at] && file.file_stem().is_some_and(|stem| stem == SLOTS[at].module);
        let slot = (0..SLOTS.len()).find(is_free).expect("one is free: each test runs alone here");
        taken[slot] = true;
        Ok(Self { exports: (SLOTS[slot].exports)().into_iter().collect(), slot })
    }

    /// An export, as what the caller knows it to be.
    pub unsafe fn get<T: Copy>(&self, name: &str) -> Result<Symbol<T>, Missing> {
        let &export = self.exports.get(name).ok_or(Missing)?;
        assert_eq!(size_of::<T>(), size_of_val(&export));
        // SAFETY: a function pointer, by the caller's promise, and as large as one.
        Ok(Symbol(unsafe { mem::transmute_copy(&export) }))
    }

    /// Gives the SSP back; its cache ends with it.
    #[allow(clippy::unnecessary_wraps, reason = "as libloading's")]
    pub(crate) fn close(self) -> Result<(), Missing> {
        Ok(())
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        (SLOTS[self.slot].detach)(Ending::Unloaded);
        TAKEN.lock().unwrap_or_else(PoisonError::into_inner)[self.slot] = false;
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SLOTS[self.slot].module)
    }
}

// SAFETY: its pointers are to functions, which any thread may call.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

/// Stands for [`libloading::Symbol`].
pub struct Symbol<T>(T);

impl<T> Deref for Symbol<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// There is no export of this name.
#[derive(Debug)]
pub struct Missing;

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such export")
    }
}
