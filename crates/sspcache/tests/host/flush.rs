//! Flushing modules that are loaded, and finding them among all that are.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use sspcache::{CredentialProvider, Error, Flush, FlushReport};

use crate::{
    fixtures::{Loaded, SSP_COUNTER, TINY_DLL, copy},
    process::{assert_passes, child},
    provider,
};

/// C1, C4
#[test]
fn a_loaded_ssp_is_flushed_each_time() {
    let provider = provider("EACHTIME.dll");
    assert_eq!(provider.flush("EACHTIME.dll").unwrap(), Flush::Absent);

    let ssp = Loaded::new(SSP_COUNTER, "EACHTIME.dll");
    assert!(provider.is_present("EACHTIME.dll").unwrap());
    for times in 1..=3 {
        assert_eq!(provider.flush("EACHTIME.dll").unwrap(), Flush::Flushed);
        assert_eq!(ssp.calls(), times);
    }
    let mut report = FlushReport::default();
    provider.flush_into("EACHTIME.dll", &mut report);
    assert!(ssp.is_at(report.rows()[0].module.as_deref().unwrap()), "{report}");
}

/// C1, C2
#[test]
fn any_number_but_zero_is_true() {
    let provider = provider("ANSWERS.dll");
    let ssp = Loaded::new(SSP_COUNTER, "ANSWERS.dll");
    for answer in [1, 2, -1, i32::MIN, 0x100] {
        ssp.answer(answer);
        assert_eq!(provider.flush("ANSWERS.dll").unwrap(), Flush::Flushed, "{answer}");
    }
    ssp.answer(0);
    let error = provider.flush("ANSWERS.dll").unwrap_err();
    assert!(matches!(&error, Error::FlushFailed { module } if ssp.is_at(module)), "{error:?}");
}

/// C3
#[test]
fn a_loaded_module_that_is_no_known_ssp_is_not_called() {
    let stranger = Loaded::new(SSP_COUNTER, "STRANGER.dll");
    let error = provider("FRIEND.dll").flush("STRANGER.dll").unwrap_err();
    assert!(matches!(error, Error::UnknownCache { .. }), "{error:?}");
    assert_eq!(stranger.calls(), 0);
}

/// C4: names compare as Windows compares them, on any system.
#[test]
fn a_module_is_found_in_whichever_case_it_was_loaded() {
    let ssp = Loaded::new(SSP_COUNTER, "wHICHcASE.Dll");
    assert_eq!(provider("WHICHCASE.dll").flush("whichcase.DLL").unwrap(), Flush::Flushed);
    assert_eq!(ssp.calls(), 1);
}

/// C4
#[test]
fn only_a_modules_whole_file_name_finds_it() {
    let ssp = Loaded::new(SSP_COUNTER, "WHOLENAME.dll");
    let long = "WHOLENAME.dll".repeat(100);
    for name in ["WHOLENAME", "WHOLENAME.dl", "HOLENAME.dll", "x/WHOLENAME.dll", "WHOLENAME.dll\0", "", &long]
    {
        let provider = provider(name);
        assert!(!provider.is_present(name).unwrap(), "{name:?}");
        assert_eq!(provider.flush(name).unwrap(), Flush::Absent, "{name:?}");
    }
    assert_eq!(ssp.calls(), 0);
}

/// C4
#[test]
fn a_name_without_extension_finds_the_module_that_has_none() {
    let with = Loaded::new(SSP_COUNTER, "EXTENSION.dll");
    let without = Loaded::new(SSP_COUNTER, "EXTENSION");
    assert_eq!(provider("EXTENSION").flush("EXTENSION").unwrap(), Flush::Flushed);
    assert_eq!((with.calls(), without.calls()), (0, 1));
}

/// C4, C5: and one broken SSP never keeps the others from being flushed.
#[test]
fn each_loaded_module_of_a_name_is_flushed_by_its_own_handle() {
    let modules = [
        Loaded::new(SSP_COUNTER, "SEVERAL.dll"),
        Loaded::new(TINY_DLL, "SEVERAL.dll"),
        Loaded::new(SSP_COUNTER, "SEVERAL.dll"),
        Loaded::new(SSP_COUNTER, "SEVERAL.dll"),
    ];
    modules[2].answer(0);
    let mut report = FlushReport::default();
    provider("SEVERAL.dll").flush_into("SEVERAL.dll", &mut report);

    let expected = ["flushed", "export-missing", "flush-failed", "flushed"];
    assert_eq!(report.rows().len(), expected.len(), "{report}");
    for ((module, row), expected) in modules.iter().zip(report).zip(expected) {
        assert!(module.is_at(row.module.as_deref().unwrap()), "in load order: {row:?}");
        assert_eq!(row.outcome.map_or_else(|error| error.code(), |_| "flushed"), expected);
    }
    for index in [0, 2, 3] {
        assert_eq!(modules[index].calls(), 1);
    }
}

/// C4: were none held, the code would be gone under the call.
#[test]
fn a_reference_keeps_the_module_loaded_until_the_call_has_returned() {
    static LOADED: Mutex<Option<Loaded>> = Mutex::new(None);

    extern "system" fn unload() {
        let unloaded = LOADED.lock().unwrap().take();
        drop(unloaded.expect("called once"));
        assert!(provider("HELD.dll").is_present("HELD.dll").unwrap());
    }

    let ssp = Loaded::new(SSP_COUNTER, "HELD.dll");
    ssp.during(unload);
    *LOADED.lock().unwrap() = Some(ssp);
    let provider = provider("HELD.dll");
    assert_eq!(provider.flush("HELD.dll").unwrap(), Flush::Flushed);
    assert!(LOADED.lock().unwrap().is_none(), "it was flushed, and so unloaded by its user");
    // dyld unloads what it likes.
    if !cfg!(target_vendor = "apple") {
        assert!(!provider.is_present("HELD.dll").unwrap(), "the reference was given back");
    }
}

/// C4
#[test]
fn a_module_is_found_however_long_its_path_is() {
    let ssp = Loaded::deep(SSP_COUNTER, "DEEP.dll");
    let mut report = FlushReport::default();
    provider("DEEP.dll").flush_into("DEEP.dll", &mut report);
    assert!(ssp.is_at(report.rows()[0].module.as_deref().unwrap()), "{report:?}");
    assert_eq!((report.flushed(), ssp.calls()), (1, 1));
}

/// C4: what is loaded counts, not what lies on the disk.
#[cfg(unix)]
#[test]
fn a_module_is_found_when_its_file_is_gone() {
    let ssp = Loaded::new(SSP_COUNTER, "GONE.dll");
    ssp.remove_file();
    assert_eq!(provider("GONE.dll").flush("GONE.dll").unwrap(), Flush::Flushed);
    assert_eq!(ssp.calls(), 1);
}

/// C4
#[test]
fn modules_may_come_and_go_while_others_flush() {
    // A DLL of Rust uses one of Windows' few TLS slots up each time it is loaded, when built with mingw.
    let loads = if cfg!(windows) { 30 } else { 100 };
    let provider = provider("RESTLESS.dll");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(SeqCst) {
                    provider.flush("RESTLESS.dll").unwrap();
                }
            });
        }
        for _ in 0..loads {
            let ssp = Loaded::new(SSP_COUNTER, "RESTLESS.dll");
            let before = ssp.calls();
            assert_eq!(provider.flush("RESTLESS.dll").unwrap(), Flush::Flushed);
            assert!(ssp.calls() > before);
        }
        done.store(true, SeqCst);
    });
}

/// C5
#[test]
fn a_module_that_lacks_the_export_is_named_with_its_path() {
    let provider = provider("LACKING.dll");
    let module = Loaded::new(TINY_DLL, "LACKING.dll");
    let flushing = provider.flush("LACKING.dll").unwrap_err();
    let signing_in = provider.security_package("LACKING.dll", "LACK").map(drop).unwrap_err();
    for (error, missing) in [(flushing, "CleanupCredentialCache"), (signing_in, "InitSecurityInterfaceW")] {
        assert!(
            matches!(&error, Error::ExportMissing { module: path, export } if *export == missing && module.is_at(path)),
            "{error:?}"
        );
    }
}

/// C4: in a process of its own, in whose folder and on whose library path the SSP lies.
#[test]
fn flushing_never_loads_a_module() {
    let folder = tempfile::tempdir().unwrap();
    copy(SSP_COUNTER, folder.path(), "MSNSSPC.dll");
    let mut child = child("flush::child::in_a_process_that_could_load_one");
    child.current_dir(folder.path());
    for variable in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        child.env(variable, folder.path());
    }
    assert_passes(&mut child);
}

/// C8
#[test]
fn a_flush_leaves_other_processes_alone() {
    let provider = provider("PRIVATE.dll");
    let ssp = Loaded::new(SSP_COUNTER, "PRIVATE.dll");
    let mut other = Other::start();
    assert_eq!(provider.flush("PRIVATE.dll").unwrap(), Flush::Flushed);
    assert_eq!((ssp.calls(), other.calls()), (1, 0));
}

/// A process that has loaded `PRIVATE.dll` and tells on request how often it was flushed.
struct Other {
    process: Child,
    says: BufReader<std::process::ChildStdout>,
}

impl Other {
    fn start() -> Self {
        let mut child = child("flush::child::in_the_other_process");
        let mut process = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let says = BufReader::new(process.stdout.take().unwrap());
        let mut other = Self { process, says };
        assert_eq!(other.next(), 0, "it has loaded its own");
        other
    }

    fn calls(&mut self) -> u32 {
        self.process.stdin.take().unwrap().write_all(b"and now?\n").unwrap();
        let calls = self.next();
        assert!(self.process.wait().unwrap().success());
        calls
    }

    /// The number in its next line that has one, between the test harness's own.
    fn next(&mut self) -> u32 {
        let mut line = String::new();
        while self.says.read_line(&mut line).unwrap() > 0 {
            if let Some(calls) = line.trim().strip_prefix("calls: ") {
                return calls.parse().unwrap();
            }
            line.clear();
        }
        panic!("the other process ended");
    }
}

/// Tests that others run, in processes of their own.
mod child {
    use super::*;

    #[test]
    #[ignore = "run by flushing_never_loads_a_module, in a process of its own"]
    fn in_a_process_that_could_load_one() {
        let provider = provider("OTHER.dll");
        for _ in 0..2 {
            assert_eq!(provider.flush("MSNSSPC.dll").unwrap(), Flush::Absent);
            assert!(matches!(provider.security_package("MSNSSPC.dll", "MSN"), Err(Error::NotLoaded { .. })));
            assert!(!provider.is_present("MSNSSPC.dll").unwrap());
        }
        // SAFETY: a fixture's initialization may run on any thread.
        let found = unsafe { libloading::Library::new("MSNSSPC.dll") };
        assert!(found.is_ok(), "it could have been loaded: {found:?}");
        assert_eq!(provider.flush("MSNSSPC.dll").unwrap(), Flush::Flushed);
    }

    #[test]
    #[ignore = "run by a_flush_leaves_other_processes_alone, in the other process"]
    fn in_the_other_process() {
        let ssp = Loaded::new(SSP_COUNTER, "PRIVATE.dll");
        println!("\ncalls: {}", ssp.calls());
        std::io::stdin().read_line(&mut String::new()).unwrap();
        println!("\ncalls: {}", ssp.calls());
    }
}
