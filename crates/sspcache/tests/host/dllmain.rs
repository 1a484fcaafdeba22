//! A DLL that flushes in its DllMain, for real (clause C6).
//!
//! One test, as a thread that another started would tell the DLL too.

use std::{env, thread};

use windows_sys::{Win32::System::LibraryLoader::GetModuleHandleW, core::w};

use crate::{
    fixtures::{DLLMAIN_FLUSHER, Loaded, SSP_COUNTER},
    process::{assert_passes, child},
};

/// C6, C7: refused in DllMain, whatever that is called for, before user32 is needed; and fine from ordinary code.
#[test]
fn a_flush_in_dllmain_is_refused_and_one_from_ordinary_code_is_not() {
    assert_passes(&mut child("dllmain::child::flush_in_and_around_dllmain"));
}

/// What the DLL tells when every flush is refused.
fn refused<const N: usize>(occasions: [&str; N]) -> Vec<String> {
    let ssps = |occasion| {
        ["MSNSSPC.dll", "MSAPSSPC.dll"].map(|ssp| format!("{occasion}: {ssp}: inside-loader-callback"))
    };
    occasions.into_iter().flat_map(ssps).collect()
}

/// What the DLL told since this was last asked.
fn told() -> Vec<String> {
    const TOLD: &str = "DLLMAIN_FLUSHER_TOLD";
    let told = env::var(TOLD).unwrap_or_default();
    // SAFETY: on Windows the environment may be written to from any thread.
    unsafe { env::remove_var(TOLD) };
    told.lines().map(str::to_owned).collect()
}

/// A test that another runs, in a process of its own.
mod child {
    use super::*;

    #[test]
    #[ignore = "run by a_flush_in_dllmain_is_refused_and_one_from_ordinary_code_is_not, in a process of its own"]
    fn flush_in_and_around_dllmain() {
        let ssp = Loaded::new(SSP_COUNTER, "MSNSSPC.dll");
        let flusher = Loaded::new(DLLMAIN_FLUSHER, "flusher.dll");
        assert_eq!(told(), refused(["process attach"]));

        flusher.flush();
        assert_eq!(told(), ["ordinary code: MSNSSPC.dll: flushed", "ordinary code: MSAPSSPC.dll: absent"]);
        assert_eq!(ssp.calls(), 1);

        thread::spawn(|| ()).join().unwrap();
        drop(flusher);
        assert_eq!(told(), refused(["thread attach", "thread detach", "process detach"]));
        assert_eq!(ssp.calls(), 1);
        // SAFETY: a name that ends in a null.
        let user32 = unsafe { GetModuleHandleW(w!("user32.dll")) };
        assert!(user32.is_null(), "nothing asked about the window station");
    }
}
