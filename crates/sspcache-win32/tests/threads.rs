//! The C functions from many threads at once, and flushes while modules come and go. `cargo xtask test threads` runs this under
//! the thread sanitizer.
//!
//! With the variable `SSPCACHE_TEST_STRESS` each test lasts so many seconds, with 32 threads.
#![cfg(unix)]
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    env,
    ffi::{CStr, CString, c_void},
    fs,
    path::{Path, PathBuf},
    process::Command,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use sspcache::{
    CredentialProvider, Flush, SspCaches,
    loader::{Loader, NativeLoader},
};
use sspcache_win32::*;
use tempfile::TempDir;

type Module = *mut c_void;
type Told = extern "C" fn(i32);

const UNCHANGED: u32 = 2;
const FROM_ADDRESS: u32 = 4;

/// Longer than any of these tests lasts: what takes more waits for ever.
const FOR_EVER: Duration = Duration::from_mins(5);

/// How many threads do something, and how long.
#[derive(Clone, Copy)]
struct Effort {
    threads: usize,
    rounds: usize,
    seconds: Option<u64>,
}

impl Effort {
    fn new() -> Self {
        let seconds = env::var("SSPCACHE_TEST_STRESS").ok();
        let seconds = seconds.map(|text| text.parse().expect("SSPCACHE_TEST_STRESS is a number of seconds"));
        Self { threads: if seconds.is_some() { 32 } else { 8 }, rounds: 60, seconds }
    }

    /// The rounds of a thread.
    fn rounds(self) -> impl Iterator<Item = usize> {
        let start = Instant::now();
        let goes_on = move |round: &usize| match self.seconds {
            Some(seconds) => start.elapsed() < Duration::from_secs(seconds),
            None => *round < self.rounds,
        };
        (0..).take_while(goes_on)
    }

    /// Has all threads do something at once, each by its number, until all are done. Threads that wait for each other fail it.
    #[track_caller]
    fn run(self, body: impl Fn(usize) + Send + Sync + 'static) {
        let body = Arc::new(body);
        let (done, all) = mpsc::channel();
        for number in 0..self.threads {
            let (body, done) = (body.clone(), done.clone());
            thread::spawn(move || {
                body(number);
                done.send(()).unwrap();
            });
        }
        drop(done);
        for left in (1..=self.threads).rev() {
            let waited = all.recv_timeout(FOR_EVER + Duration::from_secs(self.seconds.unwrap_or(0)));
            assert!(waited.is_ok(), "{left} threads failed, or wait for each other");
        }
    }
}

/// What `fixtures/win32/witness.c` tells.
#[derive(Debug, Default)]
#[repr(C)]
struct Witnessed {
    loads: AtomicI32,
    unloads: AtomicI32,
    running: AtomicI32,
    wrong: AtomicI32,
    told: AtomicPtr<c_void>,
}

/// A module file that tells what happens to it. Its name is one test's: all of them are one process.
struct Witness {
    path: PathBuf,
    name: &'static str,
    answer: i32,
    witnessed: &'static Witnessed,
    _folder: TempDir,
}

impl Witness {
    fn new(name: &'static str) -> Self {
        static ANSWERS: AtomicI32 = AtomicI32::new(42);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = fs::canonicalize(&folder).unwrap().join(name);
        let witnessed: &'static Witnessed = Box::leak(Box::default());
        let answer = ANSWERS.fetch_add(1, SeqCst);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/win32/witness.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]);
        compiler.arg(format!("-DWITNESSED={}", ptr::from_ref(witnessed).expose_provenance()));
        compiler.arg(format!("-DANSWER={answer}")).arg("-o").arg(&path).arg(source);
        let output = compiler.output().unwrap_or_else(|error| {
            panic!("can't run the C compiler cc, which this test needs ({error}): `cargo xtask setup` installs it or says how")
        });
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { path, name, answer, witnessed, _folder: folder }
    }

    /// Has the constructor and the destructor call this.
    fn tell(&self, told: Told) {
        self.witnessed.told.store(told as *mut c_void, SeqCst);
    }

    /// LoadLibrary, in one form or the other.
    fn load(&self, wide: bool) -> Module {
        let path = self.path.to_str().unwrap();
        // SAFETY: the names end in a null; the constructor may be run.
        let module = unsafe {
            if wide {
                sspcache_LoadLibraryW(w(path).as_ptr())
            } else {
                sspcache_LoadLibraryA(c(path).as_ptr())
            }
        };
        assert!(!module.is_null(), "{path}: {}", sspcache_GetLastError());
        module
    }

    /// Every reference was given back, each load had its unload, and no call met a module that was gone.
    #[track_caller]
    fn assert_gone(&self) {
        assert!(find(self.name).is_null(), "{} has references left", self.name);
        let Witnessed { loads, unloads, running, wrong, .. } = self.witnessed;
        assert_eq!((running.load(SeqCst), wrong.load(SeqCst)), (0, 0), "{:?}", self.witnessed);
        assert_eq!(loads.load(SeqCst), unloads.load(SeqCst), "{:?}", self.witnessed);
        assert!(loads.load(SeqCst) > 0);
    }
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn w(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// GetModuleHandle.
fn find(name: &str) -> Module {
    // SAFETY: the name ends in a null.
    unsafe { sspcache_GetModuleHandleW(w(name).as_ptr()) }
}

/// GetModuleHandleEx.
fn find_ex(flags: u32, name: *const c_void) -> Module {
    let mut place = ptr::null_mut();
    // SAFETY: the place may be written to; the name ends in a null, or is an address.
    let found = unsafe { sspcache_GetModuleHandleExA(flags, name.cast(), &raw mut place) };
    assert_eq!(found == 0, place.is_null());
    place
}

/// Calls an export without parameters; `None` when there is none.
fn call(module: Module, export: &CStr) -> Option<(Module, i32)> {
    // SAFETY: the name ends in a null; what is no module is refused.
    let address = unsafe { sspcache_GetProcAddress(module, export.as_ptr()) };
    // SAFETY: the exports of a witness are such functions, and the caller holds a reference.
    let function: Option<extern "C" fn() -> i32> = unsafe { std::mem::transmute(address) };
    function.map(|function| (address, function()))
}

fn free(module: Module) {
    assert_eq!(sspcache_FreeLibrary(module), 1, "{module:?}: {}", sspcache_GetLastError());
}

/// L5, L6, L7, L8
#[test]
fn modules_are_loaded_found_called_and_freed_by_many_threads() {
    let effort = Effort::new();
    let witnesses = Arc::new(["many-one.dll", "many-two.dll", "many-three.dll"].map(Witness::new));
    let used = witnesses.clone();
    effort.run(move |number| {
        for round in effort.rounds() {
            let witness = &used[(number + round) % used.len()];
            let module = witness.load(round % 2 == 0);
            sspcache_SetLastError(7777);
            assert_eq!(find(witness.name), module);
            let (export, answer) = call(module, c"answer").unwrap();
            assert_eq!(answer, witness.answer);
            assert_eq!(find_ex(FROM_ADDRESS | UNCHANGED, export), module);
            let name = c(witness.name);
            assert_eq!(find_ex(0, name.as_ptr().cast()), module);
            free(module);
            assert_eq!(find_ex(FROM_ADDRESS, export), module, "the other reference holds it");
            assert_eq!(sspcache_GetLastError(), 7777);
            let mut path = [0; 4096];
            // SAFETY: there is as much room.
            let length = unsafe { sspcache_GetModuleFileNameA(module, path.as_mut_ptr().cast(), 4096) };
            assert_eq!(Path::new(std::str::from_utf8(&path[..length as usize]).unwrap()), witness.path);
            assert_eq!(call(module, c"nothing"), None);
            assert_eq!(sspcache_GetLastError(), 127, "another thread's is another");
            free(module);
            free(module);
        }
    });
    for witness in &*witnesses {
        witness.assert_gone();
    }
}

/// Flushes through a provider, unless the module is gone.
fn flush(ssps: &SspCaches<impl Loader>, name: &str) {
    let outcome = ssps.flush(name);
    assert!(matches!(outcome, Ok(Flush::Flushed | Flush::Absent)), "{outcome:?}");
}

/// C4, L5, L8: while others load and free the module, it is flushed through the host's provider, through this library's, and by
/// hand with a reference of GetModuleHandleEx.
#[test]
fn a_flush_never_calls_into_a_module_that_is_gone() {
    const NAME: &str = "coming-and-going.dll";
    // Many rounds: the module is gone for moments only. The thread sanitizer makes each of them slow, and is told of in the environment.
    let rounds = if env::var_os("TSAN_OPTIONS").is_some() { 500 } else { 2000 };
    let effort = Effort { rounds, ..Effort::new() };
    let witness = Arc::new(Witness::new(NAME));
    let used = witness.clone();
    effort.run(move |number| {
        let hosts = SspCaches::builder(NativeLoader::default()).register(NAME).build();
        let ours = SspCaches::builder(Win32Loader).register(NAME).build();
        for round in effort.rounds() {
            match number % 4 {
                0 => flush(&hosts, NAME),
                1 => flush(&ours, NAME),
                2 => {
                    let module = find_ex(0, c(NAME).as_ptr().cast());
                    if !module.is_null() {
                        assert_eq!(call(module, c"CleanupCredentialCache").unwrap().1, 1);
                        free(module);
                    }
                }
                _ => {
                    let module = used.load(round % 2 == 0);
                    thread::yield_now();
                    free(module);
                }
            }
        }
    });
    witness.assert_gone();
}

/// The modules whose constructors load and look up, and the one that they load.
static NESTED: Mutex<Option<Arc<[Witness; 3]>>> = Mutex::new(None);

/// L9: a constructor loads, looks up and calls a module, and its destructor looks it up again, while other threads do so on their
/// own account. No thread waits for one that waits.
#[test]
fn constructors_load_and_look_up_while_other_threads_do() {
    extern "C" fn told(is_load: i32) {
        let witnesses = NESTED.lock().unwrap().clone().unwrap();
        let inner = &witnesses[2];
        if is_load == 1 {
            let module = inner.load(true);
            assert_eq!(call(module, c"answer").unwrap().1, inner.answer);
            free(module);
        }
        find(witnesses[0].name);
        find_ex(UNCHANGED, c(witnesses[1].name).as_ptr().cast());
    }

    let effort = Effort::new();
    let witnesses = Arc::new(["outer-one.dll", "outer-two.dll", "inner.dll"].map(Witness::new));
    *NESTED.lock().unwrap() = Some(witnesses.clone());
    witnesses[0].tell(told);
    witnesses[1].tell(told);
    let used = witnesses.clone();
    effort.run(move |number| {
        for round in effort.rounds() {
            let witness = &used[(number + round) % used.len()];
            let module = witness.load(false);
            assert_eq!(call(module, c"answer").unwrap().1, witness.answer);
            find(used[round % used.len()].name);
            free(module);
        }
    });
    *NESTED.lock().unwrap() = None;
    for witness in &*witnesses {
        witness.assert_gone();
    }
}

/// L9: while a constructor runs, under a lock of the host's linker's own, other threads take references and give them back. To
/// wait for each other for the first time needs nothing that the linker has to give.
#[test]
fn nobody_waits_for_a_constructor_to_look_up() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    static IS_INSIDE: AtomicBool = AtomicBool::new(false);
    static DONE_MEANWHILE: AtomicUsize = AtomicUsize::new(0);
    const OTHERS: usize = 7;

    extern "C" fn told(is_load: i32) {
        if is_load == 1 {
            IS_INSIDE.store(true, SeqCst);
            let start = Instant::now();
            while DONE.load(SeqCst) < OTHERS && start.elapsed() < FOR_EVER / 2 {
                thread::sleep(Duration::from_millis(1));
            }
            DONE_MEANWHILE.store(DONE.load(SeqCst), SeqCst);
        }
    }

    let (held, slow) = (Witness::new("sought.dll"), Witness::new("slow.dll"));
    slow.tell(told);
    let module = held.load(true);
    let witnesses = Arc::new([held, slow]);
    let used = witnesses.clone();
    Effort { threads: OTHERS + 1, ..Effort::new() }.run(move |number| {
        if number == 0 {
            // A thread's start takes the linker's lock.
            while STARTED.load(SeqCst) < OTHERS {
                thread::yield_now();
            }
            return free(used[1].load(true));
        }
        STARTED.fetch_add(1, SeqCst);
        while !IS_INSIDE.load(SeqCst) {
            thread::yield_now();
        }
        let name = c(used[0].name);
        for _ in 0..20_000 {
            free(find_ex(0, name.as_ptr().cast()));
        }
        DONE.fetch_add(1, SeqCst);
    });
    assert_eq!(DONE_MEANWHILE.load(SeqCst), OTHERS, "the others waited for the constructor");
    free(module);
    for witness in &*witnesses {
        witness.assert_gone();
    }
}

/// L7, L9: two threads ask for an export of one module, one of them in a constructor, which the host's linker runs under a lock of
/// its own.
#[test]
fn a_constructor_asks_for_an_export_that_another_thread_asks_for() {
    static HELD: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
    static IS_INSIDE: AtomicBool = AtomicBool::new(false);

    extern "C" fn told(is_load: i32) {
        if is_load == 1 {
            IS_INSIDE.store(true, SeqCst);
            // Time for the other thread to ask: it is answered when this one is done.
            thread::sleep(Duration::from_millis(50));
            assert!(call(HELD.load(SeqCst), c"answer").is_some());
        }
    }

    let (held, asking) = (Witness::new("held.dll"), Witness::new("asking.dll"));
    asking.tell(told);
    HELD.store(held.load(true), SeqCst);
    let witnesses = Arc::new([held, asking]);
    let used = witnesses.clone();
    Effort { threads: 2, ..Effort::new() }.run(move |number| {
        if number == 0 {
            free(used[1].load(true));
        } else {
            while !IS_INSIDE.load(SeqCst) {
                thread::yield_now();
            }
            assert_eq!(call(HELD.load(SeqCst), c"answer").unwrap().1, used[0].answer);
        }
    });
    free(HELD.load(SeqCst));
    for witness in &*witnesses {
        witness.assert_gone();
    }
}

/// C6, L9: what a module's constructor and destructor come to when they flush.
#[test]
fn a_flush_in_a_constructor_or_destructor_is_refused() {
    const NAME: &str = "flushing.dll";
    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn flush() -> String {
        let ssps = SspCaches::builder(Win32Loader).register(NAME).build();
        ssps.flush(NAME).map_or_else(|error| error.code().to_owned(), |outcome| outcome.to_string())
    }

    extern "C" fn told(_: i32) {
        SAID.lock().unwrap().push(flush());
    }

    let witness = Witness::new(NAME);
    witness.tell(told);
    assert_eq!(flush(), "absent");
    let module = witness.load(true);
    assert_eq!(flush(), "flushed");
    free(module);
    assert_eq!(flush(), "absent");
    assert_eq!(*SAID.lock().unwrap(), ["inside-loader-callback"; 2]);
    witness.assert_gone();
}
