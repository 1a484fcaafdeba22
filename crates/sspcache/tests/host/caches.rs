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
        let loads = Loads::count();
        flush(Caches::process().allow_non_interactive(true));
        assert_eq!(loads.now(), 0);

        // Windows' window station takes user32, which a program with windows has loaded.
        let loader = NativeLoader::default();
        loader.window_station();
        let loads = Loads::count();
        flush(Caches::process());
        assert_eq!(loads.now(), 0);

        drop(Loaded::new(CACHE_COUNTER, "schannel.dll"));
        assert_ne!(loads.now(), 0, "one that is unloaded again is counted, too");
    }

    /// How many modules have been loaded since.
    struct Loads(u64);

    impl Loads {
        fn count() -> Self {
            Self(loads())
        }

        fn now(&self) -> u64 {
            loads() - self.0
        }
    }

    /// How many modules have been loaded, on Windows since this was first called.
    ///
    /// Reference: [LdrRegisterDllNotification](https://learn.microsoft.com/en-us/windows/win32/devnotes/ldrregisterdllnotification).
    #[cfg(windows)]
    fn loads() -> u64 {
        use std::{
            ffi::c_void,
            ptr,
            sync::{
                Once,
                atomic::{AtomicU64, Ordering::SeqCst},
            },
        };

        type Notify = extern "system" fn(u32, *const c_void, *mut c_void);
        type Register = unsafe extern "system" fn(u32, Notify, *mut c_void, *mut *mut c_void) -> i32;

        const LOADED: u32 = 1;
        static LOADS: AtomicU64 = AtomicU64::new(0);
        static REGISTERED: Once = Once::new();

        extern "system" fn notify(reason: u32, _: *const c_void, _: *mut c_void) {
            LOADS.fetch_add(u64::from(reason == LOADED), SeqCst);
        }

        REGISTERED.call_once(|| {
            let ntdll = libloading::os::windows::Library::open_already_loaded("ntdll.dll").unwrap();
            // SAFETY: the type is that of the function's page.
            let register = unsafe { ntdll.get::<Register>("LdrRegisterDllNotification") }.unwrap();
            let mut cookie = ptr::null_mut();
            // SAFETY: the function is there as long as the process is.
            assert_eq!(unsafe { register(0, notify, ptr::null_mut(), &raw mut cookie) }, 0);
        });
        LOADS.load(SeqCst)
    }

    /// How many modules have been loaded.
    #[cfg(unix)]
    fn loads() -> u64 {
        cfg_if::cfg_if! {
            if #[cfg(target_os = "linux")] {
                use std::ffi::{c_int, c_void};

                /// # Safety
                /// The module is one, and there is a number to write to.
                unsafe extern "C" fn read(
                    info: *mut libc::dl_phdr_info,
                    _: libc::size_t,
                    loads: *mut c_void,
                ) -> c_int {
                    // SAFETY: by this function's contract.
                    unsafe { *loads.cast::<u64>() = (*info).dlpi_adds };
                    1
                }

                let mut loads = 0u64;
                // SAFETY: the function is made for this number, which is there until the call returns.
                unsafe { libc::dl_iterate_phdr(Some(read), (&raw mut loads).cast()) };
                loads
            } else {
                use std::{
                    ffi::c_void,
                    sync::{
                        Once,
                        atomic::{AtomicU64, Ordering::SeqCst},
                    },
                };

                unsafe extern "C" {
                    /// Reference: dyld(3).
                    fn _dyld_register_func_for_add_image(
                        added: extern "C" fn(*const c_void, isize),
                    );
                }

                static LOADS: AtomicU64 = AtomicU64::new(0);
                static REGISTERED: Once = Once::new();

                extern "C" fn added(_: *const c_void, _: isize) {
                    LOADS.fetch_add(1, SeqCst);
                }

                // SAFETY: the function is there as long as the process is.
                REGISTERED.call_once(|| unsafe { _dyld_register_func_for_add_image(added) });
                LOADS.load(SeqCst)
            }
        }
    }
}
