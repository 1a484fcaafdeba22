//! `EnumerateSecurityPackages`: the mock's packages, and behind them the system's others.

use std::{ffi::c_void, ptr, slice};

use sspcache_dll::abi::{self, Ansi, SecPkgInfoA, SecPkgInfoW, Wide};

use crate::{ssp, system};

/// Lists the packages.
///
/// # Safety
/// Pointers that are not null may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn EnumerateSecurityPackagesW(
    count: *mut u32,
    packages: *mut *mut SecPkgInfoW,
) -> i32 {
    if system::is_inside() {
        // SAFETY: by this function's contract.
        return unsafe { systems::<SecPkgInfoW>(c"EnumerateSecurityPackagesW", count, packages) };
    }
    let others = Others::new();
    // SAFETY: by this function's contract.
    abi::answer(|| unsafe {
        abi::enumerate_with::<Wide>(
            &ssp::SSP,
            others.infos(),
            abi::Raw::from_raw(count),
            abi::Raw::from_raw(packages),
        )
    })
}

/// Lists the packages.
///
/// # Safety
/// Pointers that are not null may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn EnumerateSecurityPackagesA(
    count: *mut u32,
    packages: *mut *mut SecPkgInfoA,
) -> i32 {
    if system::is_inside() {
        // SAFETY: by this function's contract.
        return unsafe { systems::<SecPkgInfoA>(c"EnumerateSecurityPackagesA", count, packages) };
    }
    let others = Others::new();
    // SAFETY: by this function's contract.
    abi::answer(|| unsafe {
        abi::enumerate_with::<Ansi>(
            &ssp::SSP,
            others.infos(),
            abi::Raw::from_raw(count),
            abi::Raw::from_raw(packages),
        )
    })
}

/// Calls the system's function of this name.
///
/// # Safety
/// `T` is the function's structure; pointers that are not null may be written to.
unsafe fn systems<T>(name: &std::ffi::CStr, count: *mut u32, packages: *mut *mut T) -> i32 {
    let function = system::function(name);
    if function.is_null() {
        return crate::route::UNSUPPORTED;
    }
    // SAFETY: the function's type, by its page.
    let function = unsafe {
        std::mem::transmute::<*const c_void, unsafe extern "system" fn(*mut u32, *mut *mut T) -> i32>(
            function,
        )
    };
    // SAFETY: by this function's contract.
    system::inside(|| unsafe { function(count, packages) })
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
        // SAFETY: the structures' names end in a null.
        infos.iter().map(|info| {
            abi::package_info(info, unsafe { [info.Name, info.Comment].map(|text| abi::Raw::from_raw(text)) })
        })
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        if self.packages.is_null() {
            return;
        }
        let free = system::function(c"FreeContextBuffer");
        if !free.is_null() {
            // SAFETY: the function's type, by its page.
            let free = unsafe {
                std::mem::transmute::<*const c_void, unsafe extern "system" fn(*mut c_void) -> i32>(free)
            };
            // SAFETY: the list came from the system, and is used no more.
            system::inside(|| unsafe { free(self.packages.cast()) });
        }
    }
}
