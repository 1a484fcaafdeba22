//! The caches of this process, where schannel.dll and wininet.dll are fixtures on any system.
//!
//! Modules of those names would be flushed by every test of the process, so each test runs in one of its own.

#[cfg(windows)]
mod credentials;
#[cfg(windows)]
mod kerberos;
#[cfg(windows)]
mod wininet;

/// K1: each loaded module of a cache's name has a row, in the documented order; one that fails doesn't affect the others.
#[test]
fn system_dlls_that_are_loaded_are_flushed_each_by_its_own_export() {
    over_wines_own("caches::child::flush_system_dlls");
}

/// K2: whether the window station is asked about, which takes user32, or not.
#[test]
fn a_flush_of_a_process_that_has_no_cache_loads_nothing() {
    over_wines_own("caches::child::flush_where_nothing_is_loaded");
}

/// Runs one ignored test, for which Wine loads a fixture under the name of a DLL of its own.
#[track_caller]
fn over_wines_own(test: &str) {
    cfg_if::cfg_if! {
        if #[cfg(windows)] {
            crate::wine::child_passes(test, Some(("WINEDLLOVERRIDES", "schannel,secur32,wininet=n,b".to_owned())));
        } else {
            crate::process::assert_passes(&mut crate::process::child(test));
        }
    }
}

/// Tests that others run, in processes of their own.
mod child {
    use std::collections::BTreeSet;

    use sspcache::{
        CredentialProvider, Error,
        caches::{Caches, Scope},
        loader::{Loader, NativeLoader},
    };

    use crate::fixtures::{CACHE_COUNTER, Loaded, SSP_COUNTER, TINY_DLL};

    #[test]
    #[ignore = "run by system_dlls_that_are_loaded_are_flushed_each_by_its_own_export, in a process of its own"]
    fn flush_system_dlls() {
        let caches = Caches::process().allow_non_interactive(true);
        for cache in ["wininet.dll", "schannel.dll"] {
            assert!(!caches.is_present(cache).unwrap());
        }
        let ssp = Loaded::new(SSP_COUNTER, "MSNSSPC.dll");
        let modules = [
            (Loaded::new(CACHE_COUNTER, "schannel.dll"), "flushed"),
            (Loaded::new(TINY_DLL, "schannel.dll"), "export-missing"),
            (Loaded::new(CACHE_COUNTER, "SChannel.DLL"), "flushed"),
            (Loaded::new(CACHE_COUNTER, "wininet.dll"), "other"),
            (Loaded::new(CACHE_COUNTER, "wininet.dll"), "flushed"),
        ];
        modules[0].0.cache_answer(-1);
        modules[3].0.cache_answer(0);
        let report = caches.flush_all();

        let rows = report.rows();
        let order = [&modules[3], &modules[4], &modules[0], &modules[1], &modules[2]];
        let (first, rest) = rows.split_at(rows.len() - order.len());
        let ssps: Vec<_> = first[first.len() - 2..].iter().map(|row| row.cache.name()).collect();
        assert_eq!(
            (ssps.as_slice(), ssp.calls()),
            (["MSNSSPC.dll", "MSAPSSPC.dll"].as_slice(), 1),
            "{report}"
        );
        for (row, (module, expected)) in rest.iter().zip(order) {
            assert!(module.is_at(row.module.as_deref().unwrap()), "{report}");
            assert_eq!(row.scope, Scope::Process);
            let outcome = row.outcome.as_ref().map_or_else(Error::code, |flush| flush.as_str());
            assert_eq!(outcome, *expected, "{report}");
            if *expected != "export-missing" {
                assert_eq!(module.cache_calls(), 1, "{report}");
            }
        }
        for said in ["InternetSetOptionW", "SslEmptyCacheW"] {
            assert!(report.to_string().contains(said), "{report}");
        }
        for (status, (module, _)) in caches.status()[first.len()..].iter().zip(order) {
            assert!(module.is_at(status.module.as_deref().unwrap()) && status.allowed.is_ok(), "{status:?}");
        }
    }

    #[test]
    #[ignore = "run by a_flush_of_a_process_that_has_no_cache_loads_nothing, in a process of its own"]
    fn flush_where_nothing_is_loaded() {
        let flush = |caches: Caches| {
            let report = caches.flush_all();
            assert_eq!(report.flushed(), 0, "{report}");
            // On a window station that is not visible it is refused, which loads as little.
            assert!(
                report.failures().all(|error| error.code() == "non-interactive-window-station"),
                "{report}"
            );
            for status in caches.status() {
                assert_eq!(status.module, None);
            }
        };
        let before = modules();
        assert!(before.len() > 1, "{before:?}");
        flush(Caches::process().allow_non_interactive(true));
        assert_eq!(modules(), before);

        // Loads user32, and what that needs, where the process is on Windows.
        let loader = NativeLoader::default();
        loader.window_station();
        let before = modules();
        flush(Caches::process());
        assert_eq!(modules(), before);

        let _loaded = Loaded::new(CACHE_COUNTER, "schannel.dll");
        assert_ne!(modules(), before, "it would be noticed");
    }

    /// The paths of all loaded modules.
    #[cfg(windows)]
    fn modules() -> BTreeSet<String> {
        use std::ptr;

        use windows_sys::Win32::System::{
            LibraryLoader::GetModuleFileNameW, ProcessStatus::K32EnumProcessModules,
            Threading::GetCurrentProcess,
        };

        let mut handles = [ptr::null_mut(); 1024];
        let mut needed = 0;
        let size = u32::try_from(size_of_val(&handles)).unwrap();
        // SAFETY: it gives a number that stands for this process.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the buffer has the size in bytes that is passed.
        let listed = unsafe { K32EnumProcessModules(process, handles.as_mut_ptr(), size, &raw mut needed) };
        assert!(listed != 0 && needed <= size);
        let path = |&handle: &_| {
            let mut path = [0; 1024];
            // SAFETY: the buffer has the length that is passed.
            let length = unsafe { GetModuleFileNameW(handle, path.as_mut_ptr(), 1024) };
            String::from_utf16_lossy(&path[..length as usize])
        };
        handles[..needed as usize / size_of_val(&handles[0])].iter().map(path).collect()
    }

    /// The paths of all loaded modules.
    #[cfg(unix)]
    fn modules() -> BTreeSet<String> {
        cfg_if::cfg_if! {
            if #[cfg(target_os = "linux")] {
                use std::ffi::{CStr, c_int, c_void};

                unsafe extern "C" fn add(
                    info: *mut libc::dl_phdr_info,
                    _: libc::size_t,
                    paths: *mut c_void,
                ) -> c_int {
                    // SAFETY: the linker passes a module with a name, and what it was given.
                    let (name, paths) =
                        unsafe { (CStr::from_ptr((*info).dlpi_name), &mut *paths.cast::<BTreeSet<String>>()) };
                    paths.insert(name.to_string_lossy().into_owned());
                    0
                }

                let mut paths = BTreeSet::new();
                // SAFETY: the function is made for this set, which is there until the call returns.
                unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut paths).cast()) };
                paths
            } else {
                // SAFETY: it takes nothing.
                let count = unsafe { libc::_dyld_image_count() };
                // SAFETY: names stay where they are until their images are unloaded, which nothing here does meanwhile.
                let name = |index| unsafe { std::ffi::CStr::from_ptr(libc::_dyld_get_image_name(index)) };
                (0..count).map(|index| name(index).to_string_lossy().into_owned()).collect()
            }
        }
    }
}
