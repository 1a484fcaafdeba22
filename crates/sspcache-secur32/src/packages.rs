//! `EnumerateSecurityPackages`: the mock's packages, and behind them the system's others.

use std::{ffi::c_void, ptr, slice};

use sspcache_dll::__trace;
use sspcache_dll::abi::{self, Ansi, SecPkgInfoA, SecPkgInfoW, Wide};

use crate::{
    library::{self, SYSTEM, UNSUPPORTED},
    recorder,
    ssp::{self, SSP},
};

/// Exports one form of the function that lists the packages.
macro_rules! enumerate {
    ($name:ident, $systems:literal, $encoding:ty, $info:ty) => {
        /// Lists the packages.
        ///
        /// # Safety
        /// Pointers that are not null may be written to.
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "system" fn $name(count: *mut u32, packages: *mut *mut $info) -> i32 {
            if recorder::is_on() {
                type Function = unsafe extern "system" fn(*mut u32, *mut *mut $info) -> i32;
                let mut call = |function: *const c_void| {
                    // SAFETY: this is the function's type, by its page.
                    let function = unsafe { std::mem::transmute::<*const c_void, Function>(function) };
                    // SAFETY: by this function's contract.
                    unsafe { function(count, packages) }
                };
                let values = [recorder::word(count), recorder::word(packages)];
                let parameters = recorder::Parameters { names: &["count", "packages"], values: &values };
                // SAFETY: these are its parameters.
                return unsafe { recorder::pass_on($systems, parameters, &mut call) };
            }
            if library::is_inside() || recorder::mocks_nothing() {
                // SAFETY: by this function's contract.
                return unsafe { systems::<$info>($systems, count, packages) };
            }
            let others = Others::new();
            let edge = abi::Edge::default();
            __trace!(edge, $name(count: *mut u32, packages: *mut *mut $info));
            // SAFETY: by this function's contract.
            abi::answer(&edge, || unsafe {
                abi::enumerate_with::<$encoding>(
                    &ssp::SSP,
                    others.infos(),
                    abi::Raw::from_raw(count),
                    abi::Raw::from_raw(packages),
                )
            })
        }
    };
}

enumerate!(EnumerateSecurityPackagesA, c"EnumerateSecurityPackagesA", Ansi, SecPkgInfoA);
enumerate!(EnumerateSecurityPackagesW, c"EnumerateSecurityPackagesW", Wide, SecPkgInfoW);

/// Calls the system's function of this name.
///
/// # Safety
/// `T` is the function's structure; pointers that are not null may be written to.
unsafe fn systems<T>(name: &std::ffi::CStr, count: *mut u32, packages: *mut *mut T) -> i32 {
    // SAFETY: the function's type, by its page.
    let enumerate = unsafe { SYSTEM.typed::<unsafe extern "system" fn(*mut u32, *mut *mut T) -> i32>(name) };
    let Some(enumerate) = enumerate else { return UNSUPPORTED };
    // SAFETY: by this function's contract.
    SYSTEM.call(|| unsafe { enumerate(count, packages) })
}

/// The list of the system's packages, which goes back to the system when dropped.
struct Others {
    count: u32,
    packages: *mut SecPkgInfoW,
}

impl Others {
    /// An empty one, where the system has none to tell of.
    fn new() -> Self {
        let mut others = Self { count: 0, packages: ptr::null_mut() };
        // SAFETY: both places are this function's own.
        let status = unsafe {
            systems(c"EnumerateSecurityPackagesW", &raw mut others.count, &raw mut others.packages)
        };
        if status != 0 || others.packages.is_null() {
            others.count = 0;
        }
        others
    }

    fn infos(&self) -> impl Iterator<Item = abi::PackageInfo> {
        let infos: &[SecPkgInfoW] = match self.count {
            0 => &[],
            // SAFETY: the system gave as many as it says, and keeps them until they are freed.
            count => unsafe { slice::from_raw_parts(self.packages, count as usize) },
        };
        infos.iter().map(|info| {
            let text = |text: *mut u16| {
                // SAFETY: the structures' texts end in a null, and stay until the list is freed.
                unsafe { abi::Raw::from_raw(text) }
            };
            abi::package_info(info, [text(info.Name), text(info.Comment)])
        })
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if self.packages.is_null() {
            return;
        }
        // SAFETY: the function's type, by its page.
        let free =
            unsafe { SYSTEM.typed::<unsafe extern "system" fn(*mut c_void) -> i32>(c"FreeContextBuffer") };
        if let Some(free) = free {
            // SAFETY: the list came from the system, and is used no more.
            SYSTEM.call(|| unsafe { free(self.packages.cast()) });
        }
    }
}
