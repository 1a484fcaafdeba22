//! A process on a window station that is not visible, for real (clause C7).
//!
//! One test, since the window station is the process's.

use std::{ffi::c_void, io, ptr};

use sspcache::{
    CredentialProvider, Error, Flush, SspCaches,
    loader::{Loader, NativeLoader, WindowStation},
};
use windows_sys::{
    Win32::{System::StationsAndDesktops::HWINSTA, UI::WindowsAndMessaging::WSF_VISIBLE},
    core::{BOOL, PCWSTR},
};

use crate::{
    fixtures::{Loaded, SSP_COUNTER},
    process::{assert_passes, child},
};

/// C7
#[test]
fn on_an_invisible_window_station_a_flush_is_refused_until_the_caller_opts_in() {
    assert_passes(&mut child("window_station::child::flush_on_an_invisible_window_station"));
}

/// A test that another runs, in a process of its own.
mod child {
    use super::*;

    #[test]
    #[ignore = "run by on_an_invisible_window_station_a_flush_is_refused_until_the_caller_opts_in, in a process of its own"]
    fn flush_on_an_invisible_window_station() {
        let ssp = Loaded::new(SSP_COUNTER, "MSNSSPC.dll");
        let station = format!("sspcache-{}", std::process::id());
        let name: Vec<u16> = station.encode_utf16().chain([0]).collect();
        let all_access = 0x000F_037F; // WINSTA_ALL_ACCESS and the standard rights
        // Not linked: `dllmain` finds out that nothing in this program needs user32 before a flush is allowed.
        // SAFETY: a system DLL may be initialized on any thread.
        let user32 = unsafe { libloading::Library::new("user32.dll") }.unwrap();
        // SAFETY: the type is that of its page.
        let create = unsafe {
            user32.get::<unsafe extern "system" fn(PCWSTR, u32, u32, *const c_void) -> HWINSTA>(
                "CreateWindowStationW",
            )
        }
        .unwrap();
        // SAFETY: as above.
        let current =
            unsafe { user32.get::<unsafe extern "system" fn() -> HWINSTA>("GetProcessWindowStation") }
                .unwrap();
        // SAFETY: as above.
        let enter =
            unsafe { user32.get::<unsafe extern "system" fn(HWINSTA) -> BOOL>("SetProcessWindowStation") }
                .unwrap();
        // SAFETY: a name that ends in a null; no security attributes are the default ones.
        let invisible = unsafe { create(name.as_ptr(), 0, all_access, ptr::null()) };
        assert!(
            !invisible.is_null(),
            "naming a window station takes an administrator: {}",
            io::Error::last_os_error()
        );
        // SAFETY: it takes nothing.
        let original = unsafe { current() };
        let provider = sspcache::native();
        let before = provider.loader().window_station();

        // SAFETY: the handle is a window station's.
        assert_ne!(unsafe { enter(invisible) }, 0, "{}", io::Error::last_os_error());
        let WindowStation::NotVisible { name, flags } = provider.loader().window_station() else {
            panic!("{:?}", provider.loader().window_station());
        };
        assert_eq!((name.as_str(), flags & WSF_VISIBLE.cast_unsigned()), (station.as_str(), 0));
        let error = provider.flush("MSNSSPC.dll").unwrap_err();
        assert!(
            matches!(&error, Error::NonInteractiveWindowStation { station: named, flags: seen, .. }
                if *named == station && *seen == flags),
            "{error:?}"
        );
        let (text, flags) = (error.to_string(), format!("flags {flags:#x}"));
        for part in [&station, &flags, "without WSF_VISIBLE", "allow_non_interactive(true)"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(ssp.calls(), 0);

        let opted_in = SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).build();
        assert_eq!(opted_in.flush("MSNSSPC.dll").unwrap(), Flush::Flushed);
        assert_eq!(ssp.calls(), 1);

        // SAFETY: as above.
        assert_ne!(unsafe { enter(original) }, 0, "{}", io::Error::last_os_error());
        assert_eq!(provider.loader().window_station(), before, "it is asked each time");
    }
}
