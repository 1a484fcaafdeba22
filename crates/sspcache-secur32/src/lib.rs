//! The mock SSP as `secur32.dll`, which programs link to that use SSPI.
//!
//! On Windows, and under Wine, it stands in front of the system's own: calls for the mock's packages stay here; calls
//! for other packages (Schannel, Digest) and everything that isn't SSPI (LSA, user names) go on to it.
//!
//! | file | its part |
//! | --- | --- |
//! | `library` | the DLLs behind it: the system's own `secur32.dll`, the mocks `MSNSSPC.dll` and `MSAPSSPC.dll` |
//! | `owner` | which credentials and contexts are theirs |
//! | `route` | the functions of SSPI, each to the mock in here or to one of them |
//! | `packages` | the list of packages of both |
//! | `pass` | the functions that are never the mock's |
//! | `recorder` | the system's own in the place of the mock, with a journal of its calls |
#![allow(non_snake_case, reason = "the documented names")]
#![allow(unsafe_code, reason = "exports a C ABI: see sspcache-dll")]

#[cfg(windows)]
mod library;
#[cfg(windows)]
mod owner;
#[cfg(windows)]
mod packages;
#[cfg(windows)]
mod pass;
#[cfg(windows)]
mod recorder;
#[cfg(windows)]
mod route;

#[cfg(windows)]
#[global_allocator]
static ALLOCATOR: sspcache_dll::WipingAllocator = sspcache_dll::WipingAllocator(std::alloc::System);

/// The mock, linked in.
#[cfg(windows)]
mod ssp {
    sspcache_dll::__secur32_ssp!("secur32.dll");

    pub(crate) fn detach(how: sspcache_dll::Ending) {
        SSP.detach(how);
    }
}

#[cfg(not(windows))]
sspcache_dll::export_ssp!("secur32.dll");

/// Called by Windows' loader.
#[cfg(windows)]
#[unsafe(no_mangle)]
pub extern "system" fn DllMain(
    _: *mut std::ffi::c_void,
    reason: u32,
    reserved: *mut std::ffi::c_void,
) -> i32 {
    /// `DLL_PROCESS_DETACH`, of `winnt.h`.
    const DETACH: u32 = 0;
    if reason == DETACH {
        let how =
            if reserved.is_null() { sspcache_dll::Ending::Unloaded } else { sspcache_dll::Ending::Exit };
        ssp::detach(how);
        recorder::end();
    }
    1
}
