//! What a flush costs when no SSP is loaded, as in most processes on most days: next to nothing.
#![allow(unsafe_code, reason = "an allocator that counts; a child process that may call nothing")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sspcache::{CredentialProvider, FlushReport, SspCaches, caches::Caches, loader::NativeLoader};

/// The system's allocator, and how often this thread asked it for memory.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator as it is. Neither counting nor its thread-local, which is
// initialized at compile time and has no destructor, allocates.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread allocates in there.
fn allocations(action: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    action();
    ALLOCATIONS.get() - before
}

/// Lets one test at a time ask the linker. A child that is forked while another thread asks waits for the linker's lock, which is a
/// system call.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A provider of this process, with an absent SSP more than are known.
fn provider() -> SspCaches<NativeLoader> {
    SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).register("ABSENT.dll").build()
}

fn flush(provider: &dyn CredentialProvider) {
    let report = provider.flush_all();
    assert!(report.is_success() && report.flushed() == 0);
}

/// C4
#[test]
fn flushing_absent_ssps_allocates_nothing() {
    let _alone = alone();
    let provider = provider();
    let (first, second) = (allocations(|| flush(&provider)), allocations(|| flush(&provider)));
    assert_eq!((first, second), (0, 0));
    assert_eq!(allocations(|| drop(Box::new(1))), 1, "they would be counted");
}

/// The caches of a process that modules have.
const OTHERS: [&str; 4] = ["MSNSSPC.dll", "MSAPSSPC.dll", "wininet.dll", "schannel.dll"];

/// K2: nor do the other caches of a process, but for the row of its ccaches, which names them.
#[test]
fn flushing_the_caches_of_a_process_that_has_none_allocates_nothing() {
    let _alone = alone();
    let caches = Caches::process().allow_non_interactive(true);
    let one = |name: &str| {
        let mut report = FlushReport::default();
        let count = allocations(|| caches.flush_into(name, &mut report));
        assert!(report.is_success() && report.flushed() == 0, "{report}");
        count
    };
    assert_eq!(OTHERS.map(one), [0; 4]);
    assert_eq!(allocations(|| flush(&caches)), one("ccache"));
}

/// C7: nor does asking about the window station, once user32 has been looked up.
#[test]
fn asking_about_a_visible_window_station_allocates_nothing() {
    use sspcache::loader::{Loader, WindowStation};

    let loader = NativeLoader::default();
    loader.window_station();
    let mut station = WindowStation::None;
    let count = allocations(|| station = loader.window_station());
    match station {
        WindowStation::None | WindowStation::Visible => assert_eq!(count, 0),
        // Its name is for the error.
        station => assert_eq!(count, 1, "{station:?}"),
    }
}

/// C4, K2: no system call at all, so none that opens, stats or reads a file. The kernel kills a process in strict mode for
/// any call but read, write and exit.
///
/// Reference: [seccomp(2)](https://man7.org/linux/man-pages/man2/seccomp.2.html).
#[cfg(target_os = "linux")]
#[test]
fn flushing_absent_ssps_makes_no_system_call() {
    use std::io;

    /// The wait status of a forked child that may call nothing in there.
    fn in_strict_mode(action: impl FnOnce()) -> i32 {
        // SAFETY: the child has this thread alone; it takes no lock that another thread may have held, allocates nothing
        // and ends without running anything of the test harness.
        match unsafe { libc::fork() } {
            -1 => panic!("{}", io::Error::last_os_error()),
            0 => {
                // SAFETY: it takes these two numbers.
                let entered = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) };
                if entered == 0 {
                    action();
                }
                // SAFETY: it ends the thread, and so the process. Strict mode allows no `exit_group`, as `_exit` calls.
                unsafe { libc::syscall(libc::SYS_exit, entered) };
                unreachable!("it has ended");
            }
            child => {
                let mut status = 0;
                // SAFETY: the status is valid for the call to fill in.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                status
            }
        }
    }

    let _alone = alone();
    let provider = provider();
    assert_eq!(in_strict_mode(|| flush(&provider)), 0);
    let caches = Caches::process().allow_non_interactive(true);
    let flush_others = || OTHERS.iter().for_each(|name| assert!(caches.flush(name).is_ok()));
    assert_eq!(in_strict_mode(flush_others), 0, "of the caches of today as well");
    let killed = in_strict_mode(|| {
        // SAFETY: a path that ends in a null.
        unsafe { libc::access(c"/".as_ptr(), libc::F_OK) };
    });
    assert!(
        libc::WIFSIGNALED(killed) && libc::WTERMSIG(killed) == libc::SIGKILL,
        "a call is noticed: {killed}"
    );
}
