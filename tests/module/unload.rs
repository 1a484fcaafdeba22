//! The mock DLLs really unload, after any use, and take with them what they held.
#![cfg(any(target_os = "linux", windows))] // macOS may keep a file mapped that was unloaded.
#![allow(unsafe_code, reason = "asks the system's loader what is loaded, and forks")]

use std::{
    ffi::OsStr,
    fs,
    path::Path,
    ptr,
    sync::{Arc, Barrier},
    thread,
};

use sspcache_tests::{
    dll::{self, Ansi, Ask, Handle, MODULES, Mock, Wide, in_own_process, succeed},
    stack,
};

/// Whether the system's loader has this file loaded.
#[cfg(target_os = "linux")]
fn is_loaded(file: &Path) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.contains(file.to_str().unwrap())
}

#[cfg(windows)]
fn is_loaded(file: &Path) -> bool {
    use std::os::windows::ffi::OsStrExt as _;
    let name: Vec<u16> = file.as_os_str().encode_wide().chain([0]).collect();
    // SAFETY: the name ends in a null.
    !unsafe { windows_sys::Win32::System::LibraryLoader::GetModuleHandleW(name.as_ptr()) }.is_null()
}

/// What is done with a module while it is loaded.
type Use = fn(Mock);

const USES: &[(&str, Use)] = &[
    ("nothing", Mock::unload),
    ("a sign-in", |mock| {
        mock.sspi::<Wide>().sign_in("alice", "CONTOSO", "x").unwrap();
        mock.unload();
    }),
    ("a sign-in, flushed", |mock| {
        mock.sspi::<Ansi>().sign_in("alice", "CONTOSO", "x").unwrap();
        assert!(mock.flush());
        mock.unload();
    }),
    ("the tables", |mock| {
        for name in ["InitSecurityInterfaceA", "InitSecurityInterfaceW"] {
            let init: extern "system" fn() -> usize = mock.export(name).unwrap();
            assert_ne!(init(), 0);
        }
        mock.unload();
    }),
    ("buffers that were never freed", |mock| {
        let mut info = ptr::null_mut();
        let mut count = 0;
        assert_eq!(mock.sspi::<Wide>().enumerate_into(&raw mut count, &raw mut info), 0);
        mock.unload();
    }),
    ("errors", |mock| {
        let sspi = mock.sspi::<Wide>();
        sspi.silent().unwrap_err();
        sspi.handle(Ask { package: Some("Unknown"), ..Ask::default() }).unwrap_err();
        assert_ne!(sspi.free(&Handle { lower: 7, upper: 7 }), 0);
        assert_ne!(sspi.free_buffer(ptr::null_mut()), 0);
        mock.unload();
    }),
    ("many threads at once, which live on", |mock| {
        let (used, unloaded) = (Arc::new(Barrier::new(THREADS + 1)), Arc::new(Barrier::new(THREADS + 1)));
        let mock = Arc::new(mock);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (mock, used, unloaded) = (mock.clone(), used.clone(), unloaded.clone());
                thread::spawn(move || {
                    for round in 0..200 {
                        let handle =
                            mock.sspi::<Wide>().sign_in(&format!("{thread}-{round}"), "", "x").unwrap();
                        mock.sspi::<Ansi>().free(&raw const handle);
                        mock.flush();
                    }
                    drop(mock);
                    used.wait();
                    unloaded.wait();
                })
            })
            .collect();
        used.wait();
        Arc::into_inner(mock).expect("every thread has dropped its own").unload();
        unloaded.wait();
        // What a thread had left in the module's hands would be run now, in memory that is gone.
        for thread in threads {
            thread.join().unwrap();
        }
    }),
];

const THREADS: usize = 8;

/// M10, M11
#[test]
fn it_unloads_after_any_use() {
    unloads_after_any_use();
}

#[track_caller]
fn unloads_after_any_use() {
    for &module in MODULES {
        let (_folder, file) = dll::shipped(module);
        // The first module's own package is what the uses ask for.
        for (what, use_it) in USES.iter().filter(|(what, _)| module == "MSNSSPC" || *what == "the tables") {
            let mock = Mock::at(&file);
            assert!(is_loaded(&file));
            use_it(mock);
            assert!(!is_loaded(&file), "{module} is still loaded after {what}");
        }
    }
}

/// M10, Q4
#[test]
fn it_unloads_after_it_has_looked_for_stacks() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SSPCACHE_STACK", OsStr::new("32")), ("SSPCACHE_JOURNAL", folder.path().as_os_str())];
    let body = || {
        unloads_after_any_use();
        // A fork calls no handler of a module that is gone.
        #[cfg(unix)]
        // SAFETY: the child does nothing but end.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(0);
            }
            assert_eq!(libc::waitpid(child, ptr::null_mut(), 0), child);
        }
    };
    let test = "it_unloads_after_it_has_looked_for_stacks";
    let Some(command) = in_own_process(test, &environment, body) else { return };
    succeed(command);
    let journals = stack::journals(folder.path());
    assert!(journals.iter().any(|journal| journal.events.iter().any(|event| !event.stack.is_empty())));
}

/// M10, M11
#[test]
fn it_unloads_after_panics_faults_and_a_configuration_that_cannot_be_used() {
    let test = "it_unloads_after_panics_faults_and_a_configuration_that_cannot_be_used";
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mock.toml");
    let fault = |operation: &str, effect: &str| {
        format!("[[fault]]\noperation = {operation:?}\neffect = {effect:?}\ntimes = 3\n")
    };
    let faults = ["false", "panic", "SEC_E_LOGON_DENIED"]
        .map(|effect| fault("AcquireCredentialsHandle", effect) + &fault("CleanupCredentialCache", effect));
    for text in faults.iter().map(String::as_str).chain(["no TOML"]) {
        fs::write(&config, text).unwrap();
        let body = || {
            let (_folder, file) = dll::shipped("MSNSSPC");
            let mock = Mock::at(&file);
            for _ in 0..2 {
                mock.sspi::<Wide>().sign_in("alice", "", "x").unwrap_err();
                assert!(!mock.flush());
            }
            mock.unload();
            assert!(!is_loaded(&file));
        };
        let Some(command) = in_own_process(test, &[("SSPCACHE_CONFIG", config.as_os_str())], body) else {
            return;
        };
        succeed(command);
    }
}

/// M10
#[test]
fn a_module_that_is_loaded_again_starts_empty() {
    let (_folder, file) = dll::shipped("MSNSSPC");
    let mock = Mock::at(&file);
    let handle = mock.sspi::<Wide>().sign_in("alice", "", "x").unwrap();
    mock.unload();
    let mock = Mock::at(&file);
    let sspi = mock.sspi::<Wide>();
    sspi.silent().unwrap_err();
    assert_ne!(sspi.free(&raw const handle), 0, "a handle of the one before");
    sspi.sign_in("bob", "", "x").unwrap();
    assert_eq!(sspi.names(&sspi.silent().unwrap()).unwrap(), "bob");
}

/// What a process has: kilobytes of memory, mappings, open files.
#[cfg(target_os = "linux")]
fn belongings() -> [usize; 3] {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes = memory.trim().trim_end_matches(" kB").parse().unwrap();
    let mappings = fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    [kilobytes, mappings, fs::read_dir("/proc/self/fd").unwrap().count()]
}

/// M10
#[test]
#[ignore = "takes long: cargo xtask test"]
#[cfg(target_os = "linux")]
fn ten_thousand_loads_and_unloads_do_not_grow_the_process() {
    let body = || {
        let (_folder, file) = dll::shipped("MSNSSPC");
        let cycle = || {
            let mock = Mock::at(&file);
            let sspi = mock.sspi::<Wide>();
            sspi.sign_in("alice", "CONTOSO", "correct horse").unwrap();
            let (mut count, mut infos) = (0, ptr::null_mut());
            assert_eq!(sspi.enumerate_into(&raw mut count, &raw mut infos), 0);
            mock.unload();
        };
        // The allocator and the loader take what they need at first.
        for _ in 0..200 {
            cycle();
        }
        let before = belongings();
        for _ in 0..10_000 {
            cycle();
        }
        let after = belongings();
        // One page lost in each cycle would be forty megabytes, one small allocation half a megabyte.
        let grown = after[0].saturating_sub(before[0]);
        assert!(grown < 256, "{grown} kilobytes");
        assert_eq!(after[1..], before[1..], "mappings and open files");
    };
    let test = "ten_thousand_loads_and_unloads_do_not_grow_the_process";
    let Some(command) = in_own_process(test, &[], body) else { return };
    succeed(command);
}

/// M10: on windows-gnu every DLL in Rust stops at about a thousand cycles, since thread-local indexes run out; what ships
/// is built for gnullvm.
#[test]
#[cfg(windows)]
fn hundreds_of_loads_and_unloads_leave_the_module_working() {
    let (_folder, file) = dll::shipped("MSNSSPC");
    for _ in 0..300 {
        let mock = Mock::at(&file);
        mock.sspi::<Wide>().sign_in("alice", "CONTOSO", "correct horse").unwrap();
        mock.unload();
        assert!(!is_loaded(&file));
    }
}

/// S6: observed under Wine 8, secur32's `FreeContextBuffer` frees what an SSP handed out and doesn't call the SSP. When the
/// SSP ends, that memory may have another owner.
#[test]
#[cfg(windows)]
fn memory_that_was_handed_out_is_left_alone_at_the_end() {
    use windows_sys::Win32::{
        Security::Authentication::Identity::SecPkgInfoW,
        System::Memory::{GetProcessHeap, HeapAlloc, HeapFree, HeapSize},
    };

    type Enumerate = extern "system" fn(*mut u32, *mut *mut SecPkgInfoW) -> i32;

    // Alone, so that no other test takes what is freed here.
    let test = "memory_that_was_handed_out_is_left_alone_at_the_end";
    let command = in_own_process(test, &[], || {
        let (_folder, file) = dll::shipped("MSNSSPC");
        let mock = Mock::at(&file);
        let enumerate: Enumerate = mock.expect("EnumerateSecurityPackagesW");
        let lists: Vec<_> = (0..64)
            .map(|_| {
                let (mut count, mut list) = (0, std::ptr::null_mut());
                assert_eq!(enumerate(&raw mut count, &raw mut list), 0);
                list
            })
            .collect();
        // SAFETY: the lists lie in the process's heap, and are used no more. What is allocated there is written to within its size.
        let ours: Vec<&[u8]> = unsafe {
            let heap = GetProcessHeap();
            let size = HeapSize(heap, 0, lists[0].cast());
            for list in &lists {
                assert_ne!(HeapFree(heap, 0, list.cast()), 0);
            }
            let allocate = |_| {
                let block = HeapAlloc(heap, 0, size).cast::<u8>();
                block.write_bytes(0xAB, size);
                std::slice::from_raw_parts(block, size)
            };
            (0..256).map(allocate).collect()
        };
        let reused =
            ours.iter().filter(|block| lists.iter().any(|list| list.addr() == block.as_ptr().addr())).count();
        assert!(reused > 0, "the heap gives out again what was freed");
        mock.unload();
        assert!(ours.iter().all(|block| block.iter().all(|&byte| byte == 0xAB)), "written to by the SSP");
    });
    if let Some(command) = command {
        succeed(command);
    }
}
