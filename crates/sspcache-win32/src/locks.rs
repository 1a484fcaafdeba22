//! Every lock of this library, and what keeps them whole in a forked child: handlers that `fork` calls, which have each lock free there.
//!
//! What is loaded stays loaded in a child, so nothing can begin anew there, as it does in a mock. `fork` waits for no code of a module, but
//! for changes of lists alone. Values that are made once are made without waiting for another thread, so a fork leaves none half made.
//!
//! The locks are the standard library's: a constructor of a module may ask for an export, with the dynamic linker's lock held, and
//! `parking_lot`'s can wait for that one when it has to wait for the first time on a thread.
//!
//! The handlers are registered by the first use of a lock: a constructor of this library could be run too late for a module that uses it
//! in its own. musl unloads nothing, and macOS doesn't unload a library that has variables of threads. glibc forgets them for the library
//! that they are registered with: its `pthread_atfork` takes that from start-up code of GCC's, which Zig links to no library.
//!
//! References: [pthread_atfork](https://pubs.opengroup.org/onlinepubs/9799919799/functions/pthread_atfork.html);
//! [`__register_atfork`](https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/baselib---register-atfork.html),
//! [`__cxa_finalize`](https://itanium-cxx-abi.github.io/cxx-abi/abi.html#dso-dtor-runtime-api).

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    mem::ManuallyDrop,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use libloading::os::unix::Library;
use once_cell::race::OnceBox;
use sspcache_loader::{EmulatedLoader, Paused};
use widestring::U16String;

use crate::handles::Handles;

/// The address of an export.
pub(crate) type Address = usize;

/// The folder of `SetDllDirectory`, as it was passed.
type Given = Option<U16String>;

/// The lists of packages that callers hold, by address.
type Lists = BTreeSet<usize>;

/// What the dynamic linker opened, by the number of the module.
type Libraries = BTreeMap<u64, Arc<Library>>;

static HANDLES: Mutex<Handles> = Mutex::new(Handles::new());
static GIVEN: Mutex<Given> = Mutex::new(None);
static LISTS: Mutex<Lists> = Mutex::new(BTreeSet::new());
static LIBRARIES: Mutex<Libraries> = Mutex::new(BTreeMap::new());
/// Held while the loader is made.
static MAKING: Mutex<()> = Mutex::new(());
static LOADER: OnceBox<EmulatedLoader<Address>> = OnceBox::new();

/// Locks the folder of `SetDllDirectory`.
pub(crate) fn given() -> MutexGuard<'static, Given> {
    lock(&GIVEN)
}

/// Locks the lists of packages.
pub(crate) fn lists() -> MutexGuard<'static, Lists> {
    lock(&LISTS)
}

/// Locks the open libraries.
pub(crate) fn libraries() -> MutexGuard<'static, Libraries> {
    lock(&LIBRARIES)
}

/// Locks the table of handles.
pub(crate) fn handles() -> MutexGuard<'static, Handles> {
    lock(&HANDLES)
}

/// The loader, made at its first use.
pub(crate) fn loader(make: impl FnOnce() -> EmulatedLoader<Address>) -> &'static EmulatedLoader<Address> {
    LOADER.get().unwrap_or_else(|| {
        let _making = lock(&MAKING);
        LOADER.get_or_init(|| Box::new(make()))
    })
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    register();
    hold(mutex)
}

fn hold<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers the handlers, unless that is done. Two threads may both do it, so that neither has to wait for the other.
fn register() {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.load(Ordering::Acquire) {
        // Without memory for them, a child is as it would be without handlers.
        #[cfg(not(target_env = "gnu"))]
        // SAFETY: the handlers are functions of this library, which take nothing and don't unwind.
        let _ = unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
        #[cfg(target_env = "gnu")]
        glibc::register();
        REGISTERED.store(true, Ordering::Release);
    }
}

/// Handlers that are taken back when this library is unloaded.
#[cfg(target_env = "gnu")]
mod glibc {
    use std::ffi::{c_int, c_void};

    type Handler = extern "C" fn();

    unsafe extern "C" {
        fn __register_atfork(
            before: Option<Handler>,
            in_parent: Option<Handler>,
            in_child: Option<Handler>,
            library: *const c_void,
        ) -> c_int;
        fn __cxa_finalize(library: *const c_void);
    }

    pub(super) fn register() {
        let [before, in_parent, in_child]: [Handler; 3] = [super::prepare, super::in_parent, super::in_child];
        // SAFETY: the handlers are functions of this library, which take nothing and don't unwind; they are taken back before it is
        // unloaded.
        unsafe { __register_atfork(Some(before), Some(in_parent), Some(in_child), this_library()) };
    }

    /// What stands for this library in the C library's lists: an address in it.
    fn this_library() -> *const c_void {
        (&raw const super::MAKING).cast()
    }

    /// Runs at dlclose and at the process's end.
    extern "C" fn forget() {
        // SAFETY: nothing else is registered with this address.
        unsafe { __cxa_finalize(this_library()) };
    }

    #[used]
    // SAFETY: functions of this type are what the linker calls from there.
    #[unsafe(link_section = ".fini_array")]
    static FORGET: extern "C" fn() = forget;
}

/// Every lock, in the order in which they are taken.
struct Held {
    handles: MutexGuard<'static, Handles>,
    _given: MutexGuard<'static, Given>,
    _lists: MutexGuard<'static, Lists>,
    _libraries: MutexGuard<'static, Libraries>,
    _making: MutexGuard<'static, ()>,
    loader: Option<Paused<'static, Address>>,
}

thread_local! {
    /// The locks of a thread that forks. Never dropped with the thread, since a destructor would have to be registered.
    static HELD: RefCell<ManuallyDrop<Option<Held>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

extern "C" fn prepare() {
    // Registered twice, the handlers find done what is to be done.
    if HELD.with_borrow(|held| held.is_some()) {
        return;
    }
    let held = Held {
        handles: hold(&HANDLES),
        _given: hold(&GIVEN),
        _lists: hold(&LISTS),
        _libraries: hold(&LIBRARIES),
        _making: hold(&MAKING),
        loader: LOADER.get().map(EmulatedLoader::pause),
    };
    HELD.with_borrow_mut(|place| **place = Some(held));
}

extern "C" fn in_parent() {
    HELD.with_borrow_mut(|held| held.take());
}

extern "C" fn in_child() {
    let Some(mut held) = HELD.with_borrow_mut(|held| held.take()) else { return };
    held.handles.clear();
    if let Some(loader) = held.loader.take() {
        drop(held);
        loader.in_child();
    }
}
